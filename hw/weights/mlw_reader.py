"""Words of an Ethos-U weight stream to chunks: headers, palettes, end markers, and where each chunk ends."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from golden.weights.mlw_format import HEADER_BITS, MARKER_BITS, PALETTE_BITS, PALETTE_ENTRIES
from hw.packet import Packet
from hw.weights.mlw_header import FILL_BITS, HeaderFields
from hw.weights.mlw_ports import SLOTS, V_BITS, Chunk, SliceRules, Trace, first_one, named, shifted, times
from hw.weights.mlw_sizes import HEAD_BITS, ChunkSizer
from hw.weights.ports import POSITION_BITS, Fault
from hw.weights.sums import carry_save, less_one, more_one, total

__all__ = ["ChunkReader"]

_WDIV_PLACE, _PALETTE_PLACE = 18, 22
_NEAR_BITS = 6
_MARK_BITS = bits_for(SLOTS)
_SIGHT_BITS = HEAD_BITS + (1 << _NEAR_BITS) - 1
# What `ChunkSizer` tells of a chunk while it is read, and while `chunk` holds it.
_TOLD = ("unary0", "z_unary", "unary1", "indices", "runs", "base", "w_bits")
_TOLD_LATER = ("w_count", "z_count", "w_done", "z_done")


class ChunkReader(wiring.Component):
    """Reads a stream, one chunk, header, palette entry or end marker per cycle.

    The loop: a chunk's first bits -> bits of its unary fields -> the next one's first bits, and numbers of symbols that
    end -> which fields the next chunk has, and remainders. The words' bits from the chunk's place on, which is known a
    cycle before, are moved down by the unary fields, then by the remainders: what is left are the next first bits. If
    the remainders are more than 63 bits, or reach past the words in sight, these take a cycle more; so they do at a
    stream's beginning, and in a slice with runs in front of a chunk that has none before they are all read.

    A header waits until the stages behind no longer read `rules`, and know whether the slice before fitted. After a
    fault, theirs or its own, the reader takes words up to the tensor's last.

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
    quiet : In
        No stage behind reads `rules` for chunks before, nor may these tell that weights are too many.
    over, missing : In
        The slices so far have more weights than were ordered, or fewer.
    bad, between : In
        Something was wrong with one of the last chunks that were taken; and since then one was that crosses words.
    watch, note, note_fault, note_trace : Out
        Faults are still looked for; one is seen here.
    trace, crossed : In
        Where the fault is; if `crossed`, in the word before that of the chunk that followed.
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
                **dict.fromkeys(("begin", "take", "quiet", "over", "missing"), In(1)),
                "chunk_valid": Out(1),
                "chunk": Out(Chunk(self._place_bits)),
                **dict.fromkeys(("bad", "between", "crossed"), In(1)),
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

        # Two words in sight: one is held, the other waits at the port. `place` is that of the bit before the next, and
        # `head` holds what follows, if it is `seen`: it is looked up as the place is worked out, and not behind it, but
        # for the few places that lie too far behind.
        low, low_last = Signal(word_bits, name="low", reset_less=True), Signal(name="low_last", reset_less=True)
        place = Signal(place_bits, name="place", reset_less=True)
        word = Signal(POSITION_BITS - place_bits, name="word", reset_less=True)
        head, seen = Signal(HEAD_BITS, name="head", reset_less=True), Signal(name="seen")
        here, looks, counts = Signal(name="here"), Signal(name="looks"), Signal(name="counts", reset_less=True)
        length, step = Signal(bits_for(HEAD_BITS), name="length"), Signal(name="step")
        crosses, chunk_step, drain = (Signal(name=name) for name in ("crosses", "chunk_step", "drain"))
        goes, drains = Signal(name="goes"), Signal(name="drains")
        window = shifted(m, Cat(low[1:], self.i.payload.data), place, HEAD_BITS + _SIGHT_BITS, "window")
        fields = shifted(m, window, sizer.base, _SIGHT_BITS, "fields")
        remainders = sizer.remainders
        next_head = shifted(m, fields, remainders[:_NEAR_BITS], HEAD_BITS, "next_head")
        near = ~remainders[_NEAR_BITS:].any() & ~(place[3:].all() & remainders[3:_NEAR_BITS].all())
        m.d.comb += [
            looks.eq(low_last | self.i.valid),
            here.eq(looks & seen),
            sizer.place.eq(place),
            sizer.other.eq(length),
            crosses.eq(sizer.behind[-1]),
            # Behind the last word none is needed; before it a step sees one.
            goes.eq(~low_last & (chunk_step | step)),
            drains.eq(~low_last & drain),
            self.i.ready.eq((goes & crosses) | drains),
        ]
        # Behind a stream's last bit the place says nothing: its last chunk is known to be cut.
        with m.If(chunk_step | step):
            m.d.sync += [place.eq(sizer.behind), seen.eq(near)]
        with m.Elif(looks):
            m.d.sync += seen.eq(1)
        with m.If(chunk_step | step | ~seen):
            m.d.sync += head.eq(next_head)
        with m.If((goes & crosses) | (drains & self.i.valid)):
            m.d.sync += low.eq(self.i.payload.data)
        with m.If((goes & crosses) | (drains & self.i.valid) | self.begin):
            m.d.sync += low_last.eq(self.i.payload.last & ~self.done)
        m.d.sync += counts.eq(goes & crosses)
        # Words are counted a cycle late; after a fault, back to its own.
        back, on = Signal(), Signal()
        ahead, latest, between = (Signal(name=name, reset_less=True) for name in ("ahead", "latest", "between_before"))
        with m.If(counts | back | on):
            m.d.sync += word.eq(Mux(back, less_one(word), more_one(word)))

        def cut(bits: Value | int) -> Value:
            """Whether the stream ends within the next `bits` bits."""
            return low_last & (~place < bits)

        # A fault is noted, then its place among the marks is worked out, then its offset, then its position.
        offset = Signal(place_bits + 1, reset_less=True)
        m.d.comb += self.position.eq(Cat(offset[:place_bits], word))

        trace = self.trace
        mark = first_one(m, trace.marks, "mark")
        marked = times(m, offset[:_MARK_BITS], Mux(trace.strides, rules.width, 1), 9, "marked")
        rows = carry_save(m, [trace.place, trace.origin, marked], place_bits + 1)

        def fail(kind: Fault, where: int, marks: Value | int = 0) -> None:
            m.d.comb += [self.note.eq(1), self.note_fault.eq(kind), self.note_trace.place.eq(place)]
            m.d.comb += [self.note_trace.origin.eq(where), self.note_trace.marks.eq(marks)]
            m.next = "Mark"

        chunks, entries = Signal(), Signal()
        m.d.comb += [
            header.sight.eq(head),
            header.place.eq(place),
            header.before.eq(rules),
            sizer.rules.eq(rules),
            sizer.head.eq(head),
            sizer.live.eq(chunks & seen),
            sizer.symbols.eq(header.symbols),
            sizer.palette.eq(header.palette),
        ]
        last_entry = Signal(ceil_log2(PALETTE_ENTRIES), reset_less=True)
        fresh, closed, starts_with_run = (
            Signal(name=n, reset_less=True) for n in ("fresh", "closed", "starts_with_run")
        )
        v_mask = Cat(Const(3, 2), *(rules.entry_bits > bit for bit in range(2, V_BITS)))
        m.d.comb += [self.v.eq(head[:V_BITS] & v_mask)]
        # What is read but for chunks; worked out before it is known whether it is read.
        filling = Mux(header.filled & ~cut(FILL_BITS), FILL_BITS, header.marker_bits)
        head_bits = Mux(header.palette, HEADER_BITS + PALETTE_BITS, HEADER_BITS)
        at_header = named(m, Mux(header.ends, filling, head_bits), "at_header")
        other = Mux(entries, rules.entry_bits, at_header)
        m.d.comb += length.eq(other & (seen & ~chunks).replicate(len(length)))
        # A chunk that is bad does not keep the next ones from going on: that would take too long to know.
        stepped = Signal(reset_less=True)
        m.d.comb += [
            chunk_step.eq(chunks & here & sizer.sure & (~self.chunk_valid | self.take)),
            sizer.step.eq(chunk_step),
        ]
        m.d.sync += stepped.eq(chunk_step)
        with m.If(self.take):
            m.d.sync += self.chunk_valid.eq(0)
        with m.If(chunk_step):
            m.d.sync += [
                self.chunk_valid.eq(1),
                chunk.fields.eq(fields),
                chunk.place.eq(place),
                chunk.crossed.eq(crosses & ~low_last),
                chunk.cut.eq(low_last & crosses),
                chunk.leads.eq(sizer.first & rules.runs & ~starts_with_run),
                *(chunk[name].eq(getattr(sizer, name)) for name in _TOLD),
            ]

        def fail_chunk() -> None:
            m.d.sync += [ahead.eq(self.chunk_valid & chunk.crossed), between.eq(self.between)]
            m.next = "Stop"

        with m.FSM():
            with m.State("Idle"):
                m.d.comb += self.done.eq(1)
                with m.If(self.begin):
                    m.d.sync += [place.eq(-1), word.eq(-1), fresh.eq(1)]
                    m.d.sync += Cat(counts, closed, between, self.chunk_valid, seen).eq(0)
                    m.next = "Header"
            with m.State("Header"):
                m.d.comb += self.watch.eq(1)
                with m.If(self.quiet & ~self.chunk_valid & ~self.bad):
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
                            m.d.comb += [step.eq(1), sizer.load.eq(1)]
                            m.d.sync += [rules.eq(header.rules), last_entry.eq(header.size), entry.eq(0)]
                            m.d.sync += [Cat(fresh, closed).eq(0), starts_with_run.eq(header.palette)]
                            with m.If(header.palette & (header.size != 0)):
                                m.next = "Palette"
                            with m.Else():
                                m.next = "Chunks"
                with m.Elif(self.bad):
                    fail_chunk()
            with m.State("Palette"):
                m.d.comb += entries.eq(1)
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
                    m.next = "Mark"
            with m.State("Mark"):
                m.d.sync += offset.eq(mark)
                m.d.comb += back.eq(between)
                m.next = "Offset"
            with m.State("Offset"):
                m.d.sync += offset.eq(total(*rows, place_bits + 1, 1))
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
