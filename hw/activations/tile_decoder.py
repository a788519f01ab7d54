"""The decoder of a tile stream, all modes in one datapath."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.tile_format import TileFormat
from hw.activations.ports import CheckedBeat, DecodeOrder, Entry, check_parameters, word_bits
from hw.packet import Packet

__all__ = ["Decoder"]


class Decoder(wiring.Component):
    """Decodes tiles of any of the format's modes.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int
        Symbols per cycle: 1, 2, 4 or 8.

    Members
    -------
    i_tile : In(stream of DecodeOrder)
        One for each tile.
    i_entry : In(stream of Entry)
        The tile's index entry; offered before or with its payload.
    i : In(stream of Packet(word))
        Payload in whole bursts; `last` with the tile's last word (where it comes tells payloads that are cut or too
        long, and where the next tile begins).
    o : Out(stream of Packet(CheckedBeat))
        Exactly the ordered number of symbols, whatever the payload; `error` with the tile's last beat.
    """

    i_tile: stream.Interface
    i_entry: stream.Interface
    i: stream.Interface
    o: stream.Interface

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        check_parameters(fmt, lanes)
        self._fmt, self._lanes = fmt, lanes
        super().__init__(
            {
                "i_tile": In(stream.Signature(DecodeOrder(fmt))),
                "i_entry": In(stream.Signature(Entry())),
                "i": In(stream.Signature(Packet(word_bits(fmt, lanes)))),
                "o": Out(stream.Signature(Packet(CheckedBeat(fmt, lanes)))),
            }
        )

    def elaborate(self, platform) -> Module:
        return Module()
