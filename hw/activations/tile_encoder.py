"""The encoder of a tile stream, all modes in one datapath."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.tile_format import TileFormat
from hw.activations.ports import Beat, EncodeOrder, Entry, check_parameters, word_bits
from hw.packet import Packet

__all__ = ["Encoder"]


class Encoder(wiring.Component):
    """Codes tiles in the mode they are told.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int
        Symbols per cycle: 1, 2, 4 or 8.

    Members
    -------
    i_tile : In(stream of EncodeOrder)
        One for each tile; it is taken together with the tile's last beat and must be there from the first on.
    i : In(stream of Packet(Beat))
        Symbols of a tile.
    o : Out(stream of Packet(word))
        Payload in whole bursts, `last` with the tile's last word.
    o_entry : Out(stream of Entry)
        The tile's index entry, offered with its last word.
    """

    i_tile: stream.Interface
    i: stream.Interface
    o: stream.Interface
    o_entry: stream.Interface

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        check_parameters(fmt, lanes)
        self._fmt, self._lanes = fmt, lanes
        super().__init__(
            {
                "i_tile": In(stream.Signature(EncodeOrder(fmt))),
                "i": In(stream.Signature(Packet(Beat(fmt, lanes)))),
                "o": Out(stream.Signature(Packet(word_bits(fmt, lanes)))),
                "o_entry": Out(stream.Signature(Entry())),
            }
        )

    def elaborate(self, platform) -> Module:
        return Module()
