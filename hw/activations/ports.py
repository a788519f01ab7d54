"""Shapes on the ports of encoder, decoder, chooser and index, with the checks of their common parameters.

A *beat* is up to `lanes` symbols. All beats of a tile but its last are full; `tail` says which lane holds the last
symbol of the last beat, and is ignored in others. A *word* is a transfer of the payload, least significant bit first.
"""

from amaranth.lib import data
from amaranth.utils import bits_for, ceil_log2

from golden.activations.zvc import ZvcFormat
from golden.tile_format import CRC_BITS, LENGTH_BITS, MODE_BITS, MODES, TileFormat

__all__ = [
    "HARDWARE_MODES",
    "LANES",
    "MODE_RAW",
    "MODE_SRLC",
    "MODE_ZRLC",
    "MODE_ZVC",
    "Beat",
    "CheckedBeat",
    "ChooseOrder",
    "DecodeOrder",
    "EncodeOrder",
    "Entry",
    "Rules",
    "StoredWord",
    "burst_words",
    "check_parameters",
    "field_bits",
    "head_bits",
    "mask_bits",
    "sight_bits",
    "word_bits",
]

LANES = (1, 2, 4, 8)
HARDWARE_MODES = ("raw", "srlc", "zrlc", "zvc")
MODE_RAW, MODE_SRLC, MODE_ZRLC, MODE_ZVC = (MODES.index(mode) for mode in HARDWARE_MODES)


def check_parameters(fmt: TileFormat, lanes: int) -> None:
    """Refuse what no core can be built for.

    Raises
    ------
    TypeError
        If `fmt` is not a `TileFormat`.
    ValueError
        If `lanes` is not 1, 2, 4 or 8, or the format has a mode without hardware. (`TileFormat` itself refuses its own
        bad parameters.)
    """
    if not isinstance(fmt, TileFormat):
        raise TypeError(f"fmt must be a TileFormat, not {type(fmt).__name__}")
    if lanes not in LANES or isinstance(lanes, bool):
        raise ValueError(f"lanes must be 1, 2, 4 or 8, not {lanes!r}")
    if not set(fmt.modes) <= set(HARDWARE_MODES):
        raise ValueError(f"modes of hardware must be of {HARDWARE_MODES}, not {fmt.modes!r}")


def word_bits(fmt: TileFormat, lanes: int) -> int:
    """Bits of a payload word: the power of two that holds a beat of tokens, at least 64."""
    check_parameters(fmt, lanes)
    return max(64, 1 << ceil_log2(lanes * (fmt.run_bits + fmt.word_bits)))


def burst_words(fmt: TileFormat, lanes: int) -> int:
    """Words of a burst."""
    return fmt.burst_bits // word_bits(fmt, lanes)


def mask_bits(fmt: TileFormat) -> int:
    """Bits of a zvc mask, 0 if the format has no zvc."""
    return ZvcFormat(fmt.word_bits).group_symbols if "zvc" in fmt.modes else 0


def field_bits(fmt: TileFormat, lanes: int) -> int:
    """Most bits that a beat becomes."""
    token_bits = fmt.word_bits + (fmt.run_bits if {"srlc", "zrlc"} & set(fmt.modes) else 0)
    return max(lanes * token_bits, lanes * fmt.word_bits + mask_bits(fmt))


def head_bits(fmt: TileFormat, lanes: int) -> int:
    """Bits at the beginning of a payload that tell how many tokens the first beat takes: runs but the last, a mask."""
    token_bits = fmt.word_bits + fmt.run_bits
    runs = (lanes - 2) * token_bits + fmt.run_bits if {"srlc", "zrlc"} & set(fmt.modes) and lanes > 1 else 0
    return max(runs, mask_bits(fmt))


def sight_bits(fmt: TileFormat, lanes: int) -> int:
    """Bits that a decoder sees: a beat's, and those that tell the same of the next one, wherever that begins."""
    group_bits = mask_bits(fmt)
    runs = lanes * (fmt.word_bits + fmt.run_bits) if {"srlc", "zrlc"} & set(fmt.modes) else 0
    plain = lanes * fmt.word_bits + (group_bits if group_bits == lanes else 0)
    return max(field_bits(fmt, lanes), max(runs, plain) + head_bits(fmt, lanes))


class Beat(data.StructLayout):
    """Symbols of one cycle: `symbols`, `tail` (lane of the last symbol, in a tile's last beat)."""

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        super().__init__({"symbols": data.ArrayLayout(fmt.word_bits, lanes), "tail": ceil_log2(lanes)})


class CheckedBeat(data.StructLayout):
    """A `Beat` and `error`: with the tile's last beat, whether anything was wrong with the tile; else 0."""

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        super().__init__({"symbols": data.ArrayLayout(fmt.word_bits, lanes), "tail": ceil_log2(lanes), "error": 1})


class EncodeOrder(data.StructLayout):
    """What an encoder is told of a tile: `mode`, `zero_point`, `number` (tile number mod 2^15, seeds the CRC)."""

    def __init__(self, fmt: TileFormat) -> None:
        super().__init__({"mode": MODE_BITS, "zero_point": fmt.word_bits, "number": CRC_BITS})


class ChooseOrder(data.StructLayout):
    """What a chooser is told of a tile: an `EncodeOrder` whose `mode` counts only if `told` is set."""

    def __init__(self, fmt: TileFormat) -> None:
        super().__init__({"mode": MODE_BITS, "zero_point": fmt.word_bits, "number": CRC_BITS, "told": 1})


class DecodeOrder(data.StructLayout):
    """What a decoder is told of a tile: `count` (symbols, at least 1), `zero_point`, `number`."""

    def __init__(self, fmt: TileFormat) -> None:
        super().__init__({"count": bits_for(fmt.tile_symbols), "zero_point": fmt.word_bits, "number": CRC_BITS})


class Rules(data.StructLayout):
    """What a mode means to a decoder: tokens have runs, they copy their symbol, groups have masks; raw has none.

    A rule that no mode of the format has is no bit.
    """

    def __init__(self, fmt: TileFormat) -> None:
        copies, masked = "srlc" in fmt.modes, "zvc" in fmt.modes
        super().__init__({"has_runs": int(copies or "zrlc" in fmt.modes), "copies": int(copies), "masked": int(masked)})


class StoredWord(data.StructLayout):
    """A word in the decoder's queue: `word`, `top` (index of its highest set bit), `rules` (what its mode means)."""

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        width = word_bits(fmt, lanes)
        super().__init__({"word": width, "top": ceil_log2(width), "rules": Rules(fmt)})


class Entry(data.StructLayout):
    """An index entry without its reserved bit: `mode`, `bursts`, `check` (payload CRC)."""

    def __init__(self) -> None:
        super().__init__({"mode": MODE_BITS, "bursts": LENGTH_BITS, "check": CRC_BITS})
