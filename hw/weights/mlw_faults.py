"""What is wrong with a chunk of an Ethos-U weight stream, and where."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from golden.weights.mlw_format import UNARY_BITS_COARSE
from hw.weights.mlw_ports import OFFSET_BITS, SLOTS, Chunk, SliceRules, Trace
from hw.weights.ports import Fault

__all__ = ["ChunkCheck"]


class ChunkCheck(wiring.Component):
    """Looks at each chunk as it is taken, tells in the cycle after, and keeps the first fault.

    Members
    -------
    begin : In
        Forget the fault.
    chunk, rules, take : In
    w_padding, z_padding : In
        Bits of WUNARY0 and ZUNARY that are set behind the last symbol.
    number, wrong : In
        Indices that the chunk completes; in the cycle after, which of them are no legal weights.
    watch, note, note_fault, note_trace : In
        The reader still looks for faults; it sees one itself.
    bad, early : Out
        Something was wrong with the last chunk that was taken; but for its indices.
    fault, trace, crossed : Out
        What was, from the next cycle on; its place is one of the word before that of the next chunk's.
    """

    def __init__(self, place_bits: int) -> None:
        self._place_bits = place_bits
        super().__init__(
            {
                "chunk": In(Chunk(place_bits)),
                "rules": In(SliceRules()),
                **dict.fromkeys(("begin", "take", "watch", "note"), In(1)),
                **dict.fromkeys(("w_padding", "z_padding", "wrong"), In(SLOTS)),
                "number": In(bits_for(SLOTS)),
                "note_fault": In(Fault),
                "note_trace": In(Trace(place_bits)),
                **dict.fromkeys(("bad", "early"), Out(1)),
                "fault": Out(Fault),
                "trace": Out(Trace(place_bits)),
                "crossed": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        chunk, rules = self.chunk, self.rules
        unary, coarse = chunk.indices & ~rules.raw, rules.zdiv == 3
        z_start, z_end, seen = Signal(5), Signal(6), Signal(self._place_bits)
        m.d.comb += [
            z_start.eq(Mux(unary, SLOTS, 0)),
            z_end.eq(z_start + Mux(chunk.runs, Mux(coarse, UNARY_BITS_COARSE, SLOTS), 0)),
            seen.eq(~chunk.place),
        ]

        def ends_before(place: Value) -> Value:
            return chunk.cut & (seen < place)

        # The first field first. What is wrong behind the remainders of indices gives way to what is wrong with those.
        found, kind, marks, origin = Signal(), Signal(), Signal(SLOTS), Signal(OFFSET_BITS)
        cases = [
            (ends_before(z_start), 0, 0, 0),
            (ends_before(z_end), 0, z_start, 0),
            (ends_before(chunk.base), 0, z_end, 0),
            (self.w_padding.any(), 1, 0, self.w_padding),
            (self.z_padding.any(), 1, z_start, self.z_padding),
            (ends_before(chunk.middle), 0, chunk.base, 0),
        ]
        m.d.comb += origin.eq(chunk.base)
        for number, (when, code, where, bits) in enumerate(cases):
            with m.If(when) if number == 0 else m.Elif(when):
                m.d.comb += [found.eq(1), kind.eq(code), origin.eq(where), marks.eq(bits)]
        found_before, kind_before, cut = Signal(), Signal(reset_less=True), Signal()
        number = Signal(bits_for(SLOTS), reset_less=True)
        fault, trace = Signal(Fault), Signal(Trace(self._place_bits), reset_less=True)
        crossed, wrong = Signal(reset_less=True), self.wrong.any()
        m.d.comb += [
            self.early.eq(found_before | cut),
            self.bad.eq(self.early | wrong),
            self.fault.eq(fault),
            self.trace.eq(trace),
            self.crossed.eq(crossed),
        ]
        m.d.sync += [found_before.eq(self.take & found), cut.eq(self.take & chunk.cut)]
        with m.If(self.begin):
            m.d.sync += fault.eq(Fault.NONE)
        with m.Elif(self.note):
            m.d.sync += [fault.eq(self.note_fault), trace.eq(self.note_trace), crossed.eq(0)]
        with m.Elif(self.watch & self.bad):
            with m.If(found_before):
                m.d.sync += fault.eq(Mux(kind_before, Fault.CODE, Fault.SHORT))
            with m.Else():
                # Behind the last remainder of an index, if none of them is wrong.
                behind = Cat(number == k for k in range(SLOTS + 1))
                m.d.sync += [
                    fault.eq(Mux(wrong, Fault.RANGE, Fault.SHORT)),
                    trace.marks.eq(Mux(wrong, self.wrong, behind)),
                    trace.strides.eq(1),
                ]
        with m.Elif(self.take):
            m.d.sync += [kind_before.eq(kind), number.eq(self.number), crossed.eq(chunk.crossed)]
            m.d.sync += [trace.origin.eq(origin), trace.marks.eq(marks), trace.place.eq(chunk.place)]
            m.d.sync += trace.strides.eq(0)
        return m
