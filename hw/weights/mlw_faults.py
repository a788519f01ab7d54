"""What is wrong with a chunk of an Ethos-U weight stream, and where."""

from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from golden.weights.mlw_format import UNARY_BITS_COARSE
from hw.weights.mlw_ports import OFFSET_BITS, SLOTS, Chunk, SliceRules, Trace, named
from hw.weights.ports import Fault
from hw.weights.sums import not_below, total

__all__ = ["ChunkCheck"]


class ChunkCheck(wiring.Component):
    """Looks at each chunk as it is taken, tells in the cycle after, of its indices in the second, and keeps the first
    fault.

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
    bad, between : Out
        Something was wrong with one of the last chunks that were taken; one was taken since then, and the next one
        begins in another word.
    fault, trace, crossed : Out
        What was, from the next cycle on; its place is one of the word before that of the chunk that followed.
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
                **dict.fromkeys(("bad", "between"), Out(1)),
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
            return chunk.cut & ~not_below(seen, place)

        # What is cut first, if anything is before the remainders of runs.
        early, origin = Signal(), Signal(OFFSET_BITS)
        m.d.comb += origin.eq(chunk.base)
        for number, (begin, end) in enumerate(pairwise([Const(0), z_start, z_end, chunk.base])):
            with m.If(ends_before(end)) if number == 0 else m.Elif(ends_before(end)):
                m.d.comb += [early.eq(1), origin.eq(begin)]
        middle = ends_before(total(chunk.base, chunk.w_bits, OFFSET_BITS))

        cut, took, number = Signal(), Signal(), Signal(bits_for(SLOTS), reset_less=True)
        fault, trace = Signal(Fault), Signal(Trace(self._place_bits), reset_less=True)
        crossed, z_begins, z_marks = Signal(reset_less=True), Signal(reset_less=True), Signal(SLOTS, reset_less=True)
        unary_cut, rests_cut = (Signal(name=name, reset_less=True) for name in ("unary_cut", "rests_cut"))
        # A chunk's padding is looked at in the cycle after it was taken.
        w_padded = named(m, took & trace.marks[:SLOTS].any(), "w_padded")
        padded = named(m, w_padded | (took & z_marks.any()), "padded")
        # Which indices are wrong is looked at a cycle later, and what is known of their chunk kept until then.
        wrong, late = Signal(SLOTS), Signal()
        layout = {"origin": OFFSET_BITS, "place": self._place_bits, "crossed": 1}
        row = Signal(data.StructLayout(layout), reset_less=True)
        found = (cut & (unary_cut | rests_cut)) | padded
        looks = named(m, self.watch & ~found & ~late, "looks")
        m.d.comb += [
            late.eq(wrong.any()),
            self.bad.eq(cut | padded | late),
            self.fault.eq(fault),
            self.trace.eq(trace),
            self.crossed.eq(crossed),
            self.between.eq(late & took & crossed),
        ]
        m.d.sync += [cut.eq(self.take & chunk.cut), took.eq(self.take)]
        m.d.sync += [wrong.eq(self.wrong & looks.replicate(SLOTS)), row.crossed.eq(crossed)]
        m.d.sync += [row.origin.eq(trace.origin), row.place.eq(trace.place)]
        with m.If(self.begin):
            m.d.sync += fault.eq(Fault.NONE)
        with m.Elif(late):
            m.d.sync += [fault.eq(Fault.RANGE), trace.marks.eq(wrong), trace.strides.eq(1), crossed.eq(row.crossed)]
            m.d.sync += [trace.origin.eq(row.origin), trace.place.eq(row.place)]
        with m.Elif(self.note):
            m.d.sync += [fault.eq(self.note_fault), trace.eq(self.note_trace), crossed.eq(0)]
        with m.Elif(self.watch & self.bad):
            # The first field first; behind the remainders of indices if none of those is wrong.
            behind = Cat(number == k for k in range(SLOTS + 1))
            with m.If(cut & unary_cut):
                m.d.sync += [fault.eq(Fault.SHORT), trace.marks.eq(0)]
            with m.Elif(w_padded):
                m.d.sync += [fault.eq(Fault.CODE), trace.origin.eq(0)]
            with m.Elif(padded):
                m.d.sync += [fault.eq(Fault.CODE), trace.origin.eq(Mux(z_begins, SLOTS, 0)), trace.marks.eq(z_marks)]
            with m.Else():
                m.d.sync += [fault.eq(Fault.SHORT), trace.marks.eq(Mux(rests_cut, 0, behind)), trace.strides.eq(1)]
        with m.Elif(self.take):
            m.d.sync += [
                number.eq(self.number),
                crossed.eq(chunk.crossed),
                z_begins.eq(unary),
                z_marks.eq(self.z_padding),
            ]
            m.d.sync += [trace.origin.eq(origin), trace.marks.eq(self.w_padding), trace.place.eq(chunk.place)]
            m.d.sync += [trace.strides.eq(0), unary_cut.eq(early), rests_cut.eq(middle)]
        return m
