"""Words of an Ethos-U weight stream to chunks: headers, palettes, end markers, and where each chunk ends."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.weights.mlw_format import HEADER_BITS, MARKER_BITS, PALETTE_BITS, PALETTE_ENTRIES
from hw.packet import Packet
from hw.weights.mlw_header import FILL_BITS, HeaderFields
from hw.weights.mlw_ports import CHUNK_BITS, V_BITS, Chunk, SliceRules, Trace, first_one, shifted, times
from hw.weights.mlw_sizes import HEAD_BITS, ChunkSizer
from hw.weights.ports import POSITION_BITS, Fault

__all__ = ["ChunkReader"]

_WDIV_PLACE, _PALETTE_PLACE = 18, 22
# What `ChunkSizer` tells of a chunk while it is read, and while `chunk` holds it.
_TOLD = ("indices", "runs", "base", "middle")
_TOLD_LATER = ("w_count", "z_count", "w_done", "z_done")


class ChunkReader(wiring.Component):
    """Reads a stream, one chunk, header, palette entry or end marker per cycle.

    The loop: the window's place -> unary fields -> bits of the chunk -> next place, and numbers of symbols that end ->
    which fields the next chunk has. Nothing else is in it: remainders wait in `chunk` for the stages behind.

    A header waits until the stages behind are empty, since they read `rules`, and know then whether the slice before
    fitted. After a fault, theirs or its own, the reader takes words up to the tensor's last.

    Parameters
    ----------
    word_bits : int

    Members
    -------
    i : In(stream of Packet(word))
    begin : In
        Read a tensor; only if `done`.
    chunk_valid, chunk, take : Out, Out, In
        A chunk, and that it goes on. `chunk` stays as it was until the next one.
    empty : In
        No stage behind holds anything of the chunks before.
    over, missing : In
        The slices so far have more weights than were ordered, or fewer.
    bad, early : In
        Something was wrong with the last chunk that was taken; but for its indices, which are no more if `empty`.
    watch, note, note_fault, note_trace : Out
        Faults are still looked for; one is seen here.
    trace, crossed : In
        Where the fault is; if `crossed`, in the word before that of the next chunk.
    rules : Out
    store, entry, v : Out
        Entry `entry` of the palette becomes `v`.
    done, position : Out
        The last word was read; position of the fault, if there was one.
    """

    i: stream.Interface

    def __init__(self, word_bits: int) -> None:
        self._word_bits = word_bits
        self._place_bits = ceil_log2(word_bits)
        super().__init__(
            {
                "i": In(stream.Signature(Packet(word_bits))),
                **dict.fromkeys(("begin", "take", "empty", "over", "missing"), In(1)),
                "chunk_valid": Out(1),
                "chunk": Out(Chunk(self._place_bits)),
                **dict.fromkeys(("bad", "early", "crossed"), In(1)),
                "trace": In(Trace(self._place_bits)),
                **dict.fromkeys(("watch", "note"), Out(1)),
                "note_fault": Out(Fault),
                "note_trace": Out(Trace(self._place_bits)),
                "rules": Out(SliceRules()),
                "store": Out(1),
                "entry": Out(ceil_log2(PALETTE_ENTRIES)),
                "v": Out(V_BITS),
                "done": Out(1),
                "position": Out(POSITION_BITS),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        word_bits, place_bits = self._word_bits, self._place_bits
        rules, chunk = Signal(SliceRules(), reset_less=True), Signal(Chunk(place_bits), reset_less=True)
        entry = Signal.like(self.entry, reset_less=True)
        m.d.comb += [self.rules.eq(rules), self.chunk.eq(chunk), self.entry.eq(entry)]

        m.submodules.header = header = HeaderFields()
        m.submodules.sizer = sizer = ChunkSizer(place_bits)

        m.d.comb += [self.chunk[name].eq(getattr(sizer, name)) for name in _TOLD_LATER]

        # Two words in sight: one is held, the other waits at the port. `place` is that of the bit before the next.
        low, low_last = Signal(word_bits, reset_less=True), Signal()
        place, word = Signal(place_bits), Signal(POSITION_BITS - place_bits, reset_less=True)
        sight, here, counts = Signal(CHUNK_BITS), Signal(), Signal()
        next_chunk = Signal(place_bits + 1)
        length, behind, step = Signal(6), Signal(place_bits + 1), Signal()
        crosses, chunk_step, drain = Signal(), Signal(), Signal()
        m.d.comb += [
            sight.eq(shifted(m, Cat(low[1:], self.i.payload.data), place, CHUNK_BITS, "window")),
            here.eq(low_last | self.i.valid),
            sizer.place.eq(place),
            next_chunk.eq(sizer.behind),
            crosses.eq(next_chunk[-1]),
            behind.eq(place + length),
            self.i.ready.eq(~low_last & (drain | (step & behind[-1]) | (chunk_step & crosses))),
        ]
        # Behind a stream's last bit the place says nothing: its last chunk is known to be cut.
        with m.If(chunk_step):
            m.d.sync += place.eq(next_chunk)
        with m.Elif(step):
            m.d.sync += place.eq(behind)
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += [low.eq(self.i.payload.data), low_last.eq(self.i.payload.last)]
        m.d.sync += counts.eq(self.i.ready & self.i.valid & ~drain)
        # Words are counted a cycle late; after a fault, back to its own.
        back, on, ahead, latest = Signal(), Signal(), Signal(reset_less=True), Signal(reset_less=True)
        with m.If(counts | back | on):
            turned = back.replicate(len(word))
            m.d.sync += word.eq(((word ^ turned) + 1)[: len(word)] ^ turned)

        def cut(bits: Value | int) -> Value:
            """Whether the stream ends within the next `bits` bits."""
            return low_last & (~place < bits)

        # A fault is noted, then its offset is worked out, then its position.
        offset = Signal(place_bits + 1, reset_less=True)
        m.d.comb += self.position.eq(Cat(offset[:place_bits], word))

        def fail(kind: Fault, where: int, marks: Value | int = 0) -> None:
            m.d.comb += [self.note.eq(1), self.note_fault.eq(kind), self.note_trace.place.eq(place)]
            m.d.comb += [self.note_trace.origin.eq(where), self.note_trace.marks.eq(marks)]
            m.next = "Offset"

        m.d.comb += [
            header.sight.eq(sight),
            header.place.eq(place),
            header.before.eq(rules),
            sizer.rules.eq(rules),
            sizer.head.eq(sight[:HEAD_BITS]),
            sizer.symbols.eq(header.symbols),
            sizer.palette.eq(header.palette),
        ]
        last_entry = Signal(ceil_log2(PALETTE_ENTRIES), reset_less=True)
        fresh, closed, starts_with_run = (
            Signal(name=n, reset_less=True) for n in ("fresh", "closed", "starts_with_run")
        )
        v_mask = Cat(Const(3, 2), *(rules.entry_bits > bit for bit in range(2, V_BITS)))
        m.d.comb += [self.v.eq(sight[:V_BITS] & v_mask)]
        # A chunk that is bad does not keep the next ones from going on: that would take too long to know.
        chunks, stepped = Signal(), Signal(reset_less=True)
        m.d.comb += [
            chunk_step.eq(chunks & here & (~self.chunk_valid | self.take)),
            sizer.step.eq(chunk_step),
        ]
        m.d.sync += stepped.eq(chunk_step)
        with m.If(self.take):
            m.d.sync += self.chunk_valid.eq(0)
        with m.If(chunk_step):
            m.d.sync += [
                self.chunk_valid.eq(1),
                chunk.bits.eq(sight),
                chunk.place.eq(place),
                chunk.crossed.eq(crosses & ~low_last),
                chunk.cut.eq(low_last & crosses),
                chunk.leads.eq(sizer.first & rules.runs & ~starts_with_run),
                *(chunk[name].eq(getattr(sizer, name)) for name in _TOLD),
            ]

        def fail_chunk() -> None:
            m.d.sync += ahead.eq(self.chunk_valid & chunk.crossed)
            m.next = "Stop"

        with m.FSM():
            with m.State("Idle"):
                m.d.comb += self.done.eq(1)
                with m.If(self.begin):
                    m.d.sync += [place.eq(-1), word.eq(-1), low_last.eq(0), fresh.eq(1)]
                    m.d.sync += Cat(counts, closed, self.chunk_valid).eq(0)
                    m.next = "Header"
            with m.State("Header"):
                m.d.comb += self.watch.eq(1)
                with m.If(self.empty & ~self.chunk_valid & ~self.early):
                    with m.If(self.over):
                        fail(Fault.OVERRUN, 0)
                    with m.Elif(low_last & place.all()):
                        with m.If(~closed | self.missing):
                            fail(Fault.SHORT, 0)
                        with m.Else():
                            m.next = "Idle"
                    with m.Elif(here):
                        with m.If(cut(MARKER_BITS)):
                            fail(Fault.SHORT, 0)
                        with m.Elif(header.ends):
                            m.d.comb += [length.eq(Mux(header.filled & ~cut(FILL_BITS), FILL_BITS, header.marker_bits))]
                            with m.If(header.hole.any()):
                                fail(Fault.CODE, 0, header.hole)
                            with m.Else():
                                m.d.comb += step.eq(1)
                                m.d.sync += [fresh.eq(1), closed.eq(1)]
                        with m.Elif(cut(HEADER_BITS)):
                            fail(Fault.SHORT, 0)
                        with m.Elif(header.bad_zdiv):
                            fail(Fault.CODE, 0)
                        with m.Elif(header.bad_wdiv):
                            fail(Fault.CODE, _WDIV_PLACE)
                        with m.Elif(header.bad_runs | (fresh & ~header.palette)):
                            fail(Fault.CODE, _PALETTE_PLACE)
                        with m.Elif(header.palette & cut(HEADER_BITS + PALETTE_BITS)):
                            fail(Fault.SHORT, HEADER_BITS)
                        with m.Else():
                            m.d.comb += [
                                length.eq(Mux(header.palette, HEADER_BITS + PALETTE_BITS, HEADER_BITS)),
                                step.eq(1),
                            ]
                            m.d.comb += sizer.load.eq(1)
                            m.d.sync += [rules.eq(header.rules), last_entry.eq(header.size), entry.eq(0)]
                            m.d.sync += [Cat(fresh, closed).eq(0), starts_with_run.eq(header.palette)]
                            with m.If(header.palette & (header.size != 0)):
                                m.next = "Palette"
                            with m.Else():
                                m.next = "Chunks"
                with m.Elif(self.bad):
                    fail_chunk()
            with m.State("Palette"):
                m.d.comb += length.eq(rules.entry_bits)
                with m.If(here):
                    with m.If(cut(rules.entry_bits)):
                        fail(Fault.SHORT, 0)
                    with m.Else():
                        m.d.comb += [step.eq(1), self.store.eq(1)]
                        m.d.sync += entry.eq(entry + 1)
                        with m.If(entry == last_entry):
                            m.next = "Chunks"
            with m.State("Chunks"):
                m.d.comb += [self.watch.eq(1), chunks.eq(1)]
                with m.If(self.bad):
                    fail_chunk()
                with m.Elif(chunk_step), m.If(~sizer.indices & ~sizer.runs):
                    m.next = "Header"
            with m.State("Stop"):
                m.d.sync += latest.eq(stepped & chunk.crossed)
                m.next = "Back"
            with m.State("Back"):
                m.d.comb += back.eq(ahead)
                m.d.sync += [ahead.eq(latest), latest.eq(0)]
                with m.If(~latest):
                    m.next = "Offset"
            with m.State("Offset"):
                trace = self.trace
                marked = times(m, first_one(m, trace.marks, "mark"), Mux(trace.strides, rules.width, 1), 9, "marked")
                m.d.sync += offset.eq(trace.place + ((trace.origin + marked) + 1))
                m.d.comb += back.eq(self.crossed)
                m.next = "Fail"
            with m.State("Fail"):
                m.d.sync += self.chunk_valid.eq(0)
                m.d.comb += on.eq(offset[-1])
                m.next = "Drain"
            with m.State("Drain"):
                m.d.comb += drain.eq(1)
                with m.If(low_last):
                    m.next = "Idle"
        return m
