"""What a decoder of Huffman codes is told of a tensor, and the shape of what passes its stages."""

from amaranth.hdl import ShapeLike
from amaranth.lib import data, enum

from hw.weights.ports import COUNT_BITS, POSITION_BITS, Fault

__all__ = ["Form", "PairOrder", "Symbols"]


class Form(enum.Enum, shape=2):
    """What the codewords of a tensor mean."""

    DENSE = 0
    """Each is a weight (golden/weights/huffman.py)."""
    RUNS = 1
    """Runs of zeros with an escape, and weights (golden/weights/runs.py)."""
    RELATIVE = 2
    """Indices and weights, fillers among them (golden/weights/relative.py)."""


class PairOrder(data.StructLayout):
    """A tensor, as the directory of its file tells it.

    ==================  ==================================================================================
    field               meaning
    ==================  ==================================================================================
    ``form``            `Form`
    ``index_bits``      bits of a run or index symbol, 1..8; ignored if dense
    ``codebook``        weights are numbers of float32 levels, which the tables begin with
    ``narrow``          weights are 8 bits, else 16
    ``negative``        weights are signed
    ``count``           weights
    ``entry_weights``   weights of a block, 0 if there is one block; else 64 or more
    ``table_bits``      of the stored tables, a codebook included
    ``entries``         stored entry points: blocks less one
    ``bits``            of the payload
    ==================  ==================================================================================
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "form": Form,
                "index_bits": 4,
                "codebook": 1,
                "narrow": 1,
                "negative": 1,
                "count": COUNT_BITS,
                "entry_weights": COUNT_BITS,
                "table_bits": POSITION_BITS,
                "entries": COUNT_BITS,
                "bits": POSITION_BITS,
            }
        )


class Symbols(data.StructLayout):
    """Codewords of one cycle on their way.

    `taken`: those that are there; `seconds`: which of them are weights; `sizes`: bits of each less 1; `wrong`: there is
    none, but a fault; `ends`, `final`: a block, the tensor ends behind them. `more` is what a stage adds.
    """

    def __init__(self, slots: int, more: dict[str, ShapeLike] | None = None) -> None:
        super().__init__(
            {
                "taken": slots,
                "seconds": slots,
                "sizes": data.ArrayLayout(4, slots),
                "wrong": Fault,
                "ends": 1,
                "final": 1,
                **(more or {}),
            }
        )
