"""Queues of transfers: in a memory, or of bits in flip-flops."""

from amaranth.hdl import Cat, Module, Mux, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.memory import Memory

__all__ = ["BitQueue", "Queue"]


class Queue(wiring.Component):
    """A queue in a memory: out two cycles after in at the earliest, one transfer a cycle.

    Parameters
    ----------
    shape : ShapeLike
    depth : int
        A power of two of at least 2; one transfer more waits at the output.

    Members
    -------
    i, o : In, Out(stream of shape)
    held : Out
        Transfers are in the memory, behind the output.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two of at least 2, not {depth!r}")
        self._depth = depth
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape)), "held": Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        width, bits = len(Cat(self.i.payload)), ceil_log2(self._depth)
        m.submodules.memory = memory = Memory(width, self._depth)
        tail, head = Signal(bits + 1), Signal(bits + 1)
        m.d.comb += [
            self.i.ready.eq((tail ^ head) != self._depth),
            memory.write.eq(self.i.valid & self.i.ready),
            memory.write_address.eq(tail),
            memory.write_data.eq(self.i.payload),
            self.held.eq(tail != head),
            # In this form the sink may be late.
            memory.read.eq(Mux(self.o.ready, self.held, self.held & ~self.o.valid)),
            memory.read_address.eq(head),
            self.o.payload.eq(memory.read_data),
        ]
        with m.If(memory.write):
            m.d.sync += tail.eq(tail + 1)
        with m.If(memory.read):
            m.d.sync += head.eq(head + 1)
        m.d.sync += self.o.valid.eq(memory.read | (self.o.valid & ~self.o.ready))
        return m


class BitQueue(wiring.Component):
    """A few bits in flip-flops: out in the cycle after in, one a cycle.

    Parameters
    ----------
    depth : int
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, depth: int) -> None:
        self._depth = depth
        super().__init__({"i": In(stream.Signature(1)), "o": Out(stream.Signature(1))})

    def elaborate(self, platform) -> Module:
        m = Module()
        # The oldest first, and as many set bits of `waiting` as there are.
        bits, waiting = Signal(self._depth), Signal(self._depth)
        left, kept = Signal(self._depth), Signal(self._depth)
        moves, comes = self.o.valid & self.o.ready, self.i.valid & self.i.ready
        m.d.comb += [
            self.o.valid.eq(waiting[0]),
            self.o.payload.eq(bits[0]),
            self.i.ready.eq(~waiting[-1]),
            left.eq(Mux(moves, waiting[1:], waiting)),
            kept.eq(Mux(moves, bits[1:], bits)),
        ]
        # A bit that comes goes behind the last one that waits.
        place = Cat(1, left) & Cat(~left, 1)
        m.d.sync += [
            waiting.eq(Mux(comes, Cat(1, left), left)),
            bits.eq((kept & left) | (place & (comes & self.i.payload).replicate(self._depth))),
        ]
        return m
