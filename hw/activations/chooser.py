"""The chooser: the mode that makes each tile smallest."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.tile_format import TileFormat
from hw.activations.ports import Beat, ChooseOrder, EncodeOrder, check_parameters
from hw.packet import Packet

__all__ = ["Chooser"]


class Chooser(wiring.Component):
    """Holds a tile until the sizes of all modes are known, and sends it on with its order for the encoder.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int
        Symbols per cycle: 1, 2, 4 or 8.

    Members
    -------
    i_tile : In(stream of ChooseOrder)
        One for each tile; it is taken together with the tile's last beat and must be there from the first on.
    i : In(stream of Packet(Beat))
        Symbols of a tile, at most ``fmt.tile_symbols``.
    o_tile : Out(stream of EncodeOrder)
        To the encoder's `i_tile`.
    o : Out(stream of Packet(Beat))
        To the encoder's `i`.
    """

    i_tile: stream.Interface
    i: stream.Interface
    o_tile: stream.Interface
    o: stream.Interface

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        check_parameters(fmt, lanes)
        self._fmt, self._lanes = fmt, lanes
        super().__init__(
            {
                "i_tile": In(stream.Signature(ChooseOrder(fmt))),
                "i": In(stream.Signature(Packet(Beat(fmt, lanes)))),
                "o_tile": Out(stream.Signature(EncodeOrder(fmt))),
                "o": Out(stream.Signature(Packet(Beat(fmt, lanes)))),
            }
        )

    def elaborate(self, platform) -> Module:
        return Module()
