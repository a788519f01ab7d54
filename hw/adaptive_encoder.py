"""Chooser and encoder in one: each tile in the mode that makes it smallest."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.tile_format import TileFormat
from hw.activations.chooser import Chooser
from hw.activations.ports import Beat, ChooseOrder, Entry, word_bits
from hw.activations.tile_encoder import Encoder
from hw.packet import Packet

__all__ = ["AdaptiveEncoder"]


class AdaptiveEncoder(wiring.Component):
    """A `Chooser` in front of an `Encoder`; latency and throughput are told there, bad input is treated as there.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int
        Symbols per cycle: 1, 2, 4 or 8.

    Members
    -------
    i_tile, i : In
        As the chooser's.
    o, o_entry : Out
        As the encoder's.
    """

    i_tile: stream.Interface
    i: stream.Interface
    o: stream.Interface
    o_entry: stream.Interface

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        self._chooser, self._encoder = Chooser(fmt, lanes), Encoder(fmt, lanes)
        super().__init__(
            {
                "i_tile": In(stream.Signature(ChooseOrder(fmt))),
                "i": In(stream.Signature(Packet(Beat(fmt, lanes)))),
                "o": Out(stream.Signature(Packet(word_bits(fmt, lanes)))),
                "o_entry": Out(stream.Signature(Entry())),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.chooser = chooser = self._chooser
        m.submodules.encoder = encoder = self._encoder
        wiring.connect(m, wiring.flipped(self.i_tile), chooser.i_tile)
        wiring.connect(m, wiring.flipped(self.i), chooser.i)
        wiring.connect(m, chooser.o_tile, encoder.i_tile)
        wiring.connect(m, chooser.o, encoder.i)
        wiring.connect(m, encoder.o, wiring.flipped(self.o))
        wiring.connect(m, encoder.o_entry, wiring.flipped(self.o_entry))
        return m
