"""Transfers of a wide bus to words of half its width."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.packet import Packet
from hw.weights.intake import BodyBeat

__all__ = ["Splitter"]


class Splitter(wiring.Component):
    """A transfer to two words, at once; one that ends in its lower half makes one.

    Members
    -------
    i : In(stream of Packet(BodyBeat))
    o : Out(stream of Packet(bus_bits / 2))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, bus_bits: int) -> None:
        self.bus_bits = bus_bits
        super().__init__(
            {
                "i": In(stream.Signature(Packet(BodyBeat(bus_bits)))),
                "o": Out(stream.Signature(Packet(bus_bits // 2))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        beat, upper, ends = self.i.payload, Signal(), Signal()
        words = [*beat.data.symbols]
        half = len(words) // 2
        m.d.comb += [
            ends.eq(upper | (beat.last & ~beat.data.tail[-1])),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & ends),
            self.o.p.data.eq(Mux(upper, Cat(words[half:]), Cat(words[:half]))),
            self.o.p.last.eq(beat.last & ends),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += upper.eq(~ends)
        return m
