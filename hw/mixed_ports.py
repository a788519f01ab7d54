"""What encoder and decoder of all modes are told of a tile: its shape, which prc asks for, beside the rest."""

from dataclasses import replace

from amaranth.hdl import ShapeLike
from amaranth.lib import data
from amaranth.utils import bits_for

from golden.activations.prc import PrcFormat
from golden.tile_format import CRC_BITS, MODE_BITS, MODES, TileFormat
from hw.activations.ports import HARDWARE_MODES, word_bits
from hw.activations.prc_ports import prc_word_bits

__all__ = ["MIXED_LANES", "MODE_PRC", "ShapedChooseOrder", "ShapedDecodeOrder", "check_parameters", "plain_format"]

MIXED_LANES = (1, 2, 4)
MODE_PRC = MODES.index("prc")


def plain_format(fmt: TileFormat) -> TileFormat:
    """The format without prc."""
    return replace(fmt, modes=tuple(mode for mode in fmt.modes if mode in HARDWARE_MODES))


def check_parameters(fmt: TileFormat, lanes: int) -> None:
    """Refuse what no core can be built for.

    Raises
    ------
    TypeError
        If `fmt` is not a `TileFormat`.
    ValueError
        If prc is not among the modes, if `lanes` is not 1, 2 or 4 (prc has four sub-streams), or if words of prc do
        not fit those of the other modes (symbols of 16 bits, less than four a cycle).
    """
    if not isinstance(fmt, TileFormat):
        raise TypeError(f"fmt must be a TileFormat, not {type(fmt).__name__}")
    if "prc" not in fmt.modes:
        raise ValueError(f"modes must have prc, not {fmt.modes!r}")
    if lanes not in MIXED_LANES or isinstance(lanes, bool):
        raise ValueError(f"lanes must be 1, 2 or 4 where prc is a mode, not {lanes!r}")
    if word_bits(plain_format(fmt), lanes) != prc_word_bits(PrcFormat(fmt.word_bits)):
        raise ValueError(f"lanes must be 4 where prc is a mode of {fmt.word_bits}-bit symbols, not {lanes!r}")


def _shape(fmt: TileFormat) -> dict[str, ShapeLike]:
    return {name: bits_for(size) for name, size in zip(("height", "width", "channels"), fmt.tile, strict=True)}


class ShapedDecodeOrder(data.StructLayout):
    """What a decoder is told of a tile: `count`, `zero_point`, `number`, and its shape, of `count` symbols."""

    def __init__(self, fmt: TileFormat) -> None:
        count = bits_for(fmt.tile_symbols)
        super().__init__({"count": count, "zero_point": fmt.word_bits, "number": CRC_BITS, **_shape(fmt)})


class ShapedChooseOrder(data.StructLayout):
    """What an encoder is told of a tile: `mode`, if it is `told`; `zero_point`, `number`, and the tile's shape."""

    def __init__(self, fmt: TileFormat) -> None:
        order = {"mode": MODE_BITS, "zero_point": fmt.word_bits, "number": CRC_BITS, "told": 1}
        super().__init__({**order, **_shape(fmt)})
