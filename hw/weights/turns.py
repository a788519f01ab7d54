"""Two registers in turn, between a stream and a core that knows late in a cycle whether it takes a word."""

from amaranth.hdl import Array, Module, Signal

from hw.axis import Slice

__all__ = ["Turns"]


class Turns(Slice):
    """A register slice whose `o.ready` may come late: it moves a pointer and reaches nothing else.

    Payloads are written into two registers in turn and read from where they lie, where `Slice` moves the second to the
    place of the first. `i.ready` comes from flip-flops. One cycle of latency, no bubble: cycle for cycle as `Slice`.
    """

    def elaborate(self, platform) -> Module:
        m = Module()
        held = Array(Signal(self._shape, name=f"held_{k}", reset_less=True) for k in range(2))
        # Their lowest bit is the register, the other one tells full from empty.
        write, read = Signal(2), Signal(2)
        m.d.comb += [
            self.i.ready.eq((write ^ read) != 0b10),
            self.o.valid.eq(write != read),
            self.o.payload.eq(held[read[0]]),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [held[write[0]].eq(self.i.payload), write.eq(write + 1)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += read.eq(read + 1)
        return m
