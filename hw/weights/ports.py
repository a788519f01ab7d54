"""Shapes on the ports of the weight decoders.

Every decoder has the same four streams: `order` (what it is told of a tensor), `i` (the payload's words, `last` with
the tensor's last one), `o` (weights in C order, `lanes` a beat, `last` with the tensor's last beat) and `report` (one
for each tensor, after its last beat at the latest). All beats of a tensor but its last are full; `tail` says which
lane holds the last weight of the last beat, and is ignored in others.

Whatever the payload, a decoder gives as many weights as it was ordered, takes the payload to its `last` word, reports
and goes on with the next tensor. After a fault the remaining weights are zeros. A tensor of no weights has no beats.
"""

from amaranth.hdl import Shape
from amaranth.lib import data, enum
from amaranth.utils import ceil_log2

__all__ = ["COUNT_BITS", "POSITION_BITS", "Fault", "Report", "Weights"]

COUNT_BITS = 32
"""Bits of a number of weights."""
POSITION_BITS = 32
"""Bits of a payload position, as of a stored entry point (golden/weights/tensor.py)."""


class Fault(enum.Enum, shape=4):
    """What was wrong with a tensor; the first fault counts."""

    NONE = 0
    CODE = 1
    """Bits that begin no codeword, or that no encoder may write."""
    OVERRUN = 2
    """A run, an index or a slice past the end of its block."""
    SHORT = 3
    """The payload ends before the last weight."""
    LONG = 4
    """The payload goes on behind the last weight, or its padding is not zero."""
    RANGE = 5
    """A weight that does not fit the output, or a symbol past the codebook."""
    TABLE = 6
    """A table that is incomplete, oversubscribed, too long or cut."""
    CHECK = 7
    """A checksum does not match."""
    ORDER = 8
    """An order that the decoder cannot serve."""


class Weights(data.StructLayout):
    """Weights of one cycle: `symbols` (integers or bit patterns), `tail`, and `error`, set in the last beat alone."""

    def __init__(self, shape: Shape, lanes: int) -> None:
        super().__init__({"symbols": data.ArrayLayout(shape, lanes), "tail": ceil_log2(lanes), "error": 1})


class Report(data.StructLayout):
    """How a tensor ended: `fault` and, unless it is NONE, the payload bit `position` at which it was seen."""

    def __init__(self) -> None:
        super().__init__({"fault": Fault, "position": POSITION_BITS})
