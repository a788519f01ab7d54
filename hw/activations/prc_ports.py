"""Shapes on the ports of the cores of prc, with the checks of their common parameters.

A *word* is four units of the format, the first least significant. A *beat* is the symbols at one place of four planes.
"""

from amaranth.lib import data
from amaranth.utils import bits_for, ceil_log2

from golden.activations.prc import PrcFormat

__all__ = ["PlaneBeat", "PlaneOrder", "StreamWord", "Unit", "check_parameters", "places_bits", "prc_word_bits"]


def check_parameters(fmt: PrcFormat, tile: tuple[int, int, int]) -> None:
    """Refuse what no core can be built for.

    Raises
    ------
    TypeError
        If `fmt` is not a `PrcFormat`.
    ValueError
        If `tile` is not three positive sizes.
    """
    if not isinstance(fmt, PrcFormat):
        raise TypeError(f"fmt must be a PrcFormat, not {type(fmt).__name__}")
    if len(tile) != 3 or not all(type(size) is int and size >= 1 for size in tile):
        raise ValueError(f"tile must be three positive sizes, not {tile!r}")


def prc_word_bits(fmt: PrcFormat) -> int:
    """Bits of a word of the stream."""
    return fmt.lanes * fmt.unit_bits


def places_bits(tile: tuple[int, int, int]) -> int:
    """Bits of the number of symbols of a plane, at least 2: what comes of it mod 4 tells how planes are laid."""
    return max(2, bits_for(tile[0] * tile[1]))


class PlaneOrder(data.StructLayout):
    """What a core is told of a tile: `height`, `width`, `channels`, each at least 1, and `zero_point`."""

    def __init__(self, fmt: PrcFormat, tile: tuple[int, int, int]) -> None:
        height, width, channels = (bits_for(size) for size in tile)
        super().__init__({"height": height, "width": width, "channels": channels, "zero_point": fmt.word_bits})


class PlaneBeat(data.StructLayout):
    """One symbol of each of up to four planes.

    Attributes
    ----------
    symbols : ArrayLayout
        Symbol `l` is of lane `l`.
    places : int
        Symbols of a plane of the tile.
    plane_end : int
        These are the last ones of their planes.
    tail : int
        The lane of the last symbol: 3 but for the last group of a tile whose channels are no multiple of four. Symbols
        behind it mean nothing.
    error : int
        With the tile's last beat, whether anything was wrong with its stream; else 0.
    """

    def __init__(self, fmt: PrcFormat, tile: tuple[int, int, int]) -> None:
        symbols = data.ArrayLayout(fmt.word_bits, fmt.lanes)
        super().__init__({"symbols": symbols, "places": places_bits(tile), "plane_end": 1, "tail": 2, "error": 1})


class StreamWord(data.StructLayout):
    """A word of a stream that fills whole bursts, whose zero words at the end are left out.

    Attributes
    ----------
    word : int
    final : int
        It is of the last burst.
    last, zeros, bad : int
        With the stream's last word: so many words of its burst are left out; what came was not what was announced.
        0 in all others.
    """

    def __init__(self, fmt: PrcFormat, burst_words: int) -> None:
        zeros = ceil_log2(burst_words)
        super().__init__({"word": prc_word_bits(fmt), "final": 1, "last": 1, "zeros": zeros, "bad": 1})


class Unit(data.StructLayout):
    """A unit of the stream: `bits`, whether it lies in the stream's `last` burst, and whether it is `real`.

    One that lies past the end is all zero.
    """

    def __init__(self, fmt: PrcFormat) -> None:
        super().__init__({"bits": fmt.unit_bits, "last": 1, "real": 1})
