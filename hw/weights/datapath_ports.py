"""What the datapath of the weight decoders is told of a tensor, and tells of it."""

from amaranth.lib import data, enum

from hw.weights.dequant import SLICE_BITS
from hw.weights.fusion import Selection
from hw.weights.intake import WORDS_BITS
from hw.weights.pair_ports import Form
from hw.weights.ports import COUNT_BITS, POSITION_BITS, Fault

__all__ = ["FORM_BITS", "Descriptor", "Engine", "Verdict", "Where"]

FORM_BITS = 3


class Engine(enum.Enum, shape=2):
    """The decoders."""

    FIELDS = 0
    """hw/weights/fusion.py: block floats, fused pairs, bit planes."""
    PAIRS = 1
    """hw/weights/pair_decoder.py: Huffman codes, zero runs, relative indices."""
    MLW = 2
    """hw/weights/mlw.py: Ethos-U streams."""
    PACKED = 3
    """hw/weights/unpack.py: plain fields; hw/weights/palette.py: the levels that they are numbers of."""


class Where(enum.Enum, shape=2):
    """What the position of a fault counts."""

    CODE = 0
    """Bits of the payload, or, for a table's fault, of the tables: what the decoder reads."""
    BODY = 1
    """Bits of the body."""
    WEIGHT = 2
    """Weights."""


class Descriptor(data.StructLayout):
    """A tensor, as the directory of its file tells it.

    ==================  ===============================================================================================
    field               meaning
    ==================  ===============================================================================================
    ``engine``          `Engine`
    ``form``            of the weights that leave: 0 int8, 1 int16, 2 fp16, 3 bf16, 4 and above the 32 bits of a
                        decoder's lane (float32 levels of a codebook, or an integer, extended)
    ``count``           weights
    ``words``           words of the body
    ``head``            words in front of what the decoder reads: gains and offsets; tables and entry points, too, but
                        for ``PAIRS``
    ``tables``          number of the word that holds the exponents (``FIELDS`` without planes)
    ``second``          the second exponent, of task B, counts
    ``check``           CRC-32 of the body
    ``selection``       ``FIELDS``: see `Selection`; its form is ignored. ``PACKED``: its width alone, 2..8
    ``pair_form``       ``PAIRS``: this and the following; see `hw.weights.pair_ports.PairOrder`
    ``codebook``        ``PACKED``, too: fields are numbers of float32 levels, with which the body begins; weights
                        leave as floats or as 32 bits then
    ``negative``        ``PACKED``, too: fields are two's complement
    ``slice_weights``   integers to floats: see `hw.weights.dequant.DequantOrder`
    ``slices``          the same
    ==================  ===============================================================================================
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "engine": Engine,
                "form": FORM_BITS,
                "count": COUNT_BITS,
                "words": WORDS_BITS,
                "head": WORDS_BITS,
                "tables": WORDS_BITS,
                "second": 1,
                "check": 32,
                "selection": Selection(),
                "pair_form": Form,
                "index_bits": 4,
                "codebook": 1,
                "narrow": 1,
                "negative": 1,
                "entry_weights": COUNT_BITS,
                "table_bits": POSITION_BITS,
                "entries": COUNT_BITS,
                "bits": POSITION_BITS,
                "slice_weights": COUNT_BITS,
                "slices": SLICE_BITS,
            }
        )


class Verdict(data.StructLayout):
    """How a tensor ended: `fault`, and unless it is NONE its `position`, of which `where` tells the unit.

    `words` of the body were taken, and `beats` of weights sent.
    """

    def __init__(self) -> None:
        counts = {"words": WORDS_BITS, "beats": COUNT_BITS}
        super().__init__({"fault": Fault, "where": Where, "position": POSITION_BITS, **counts})
