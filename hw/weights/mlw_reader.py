"""Words of an Ethos-U weight stream to chunks: headers, palettes, end markers, and where each chunk ends."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.weights.mlw_format import HEADER_BITS, MARKER_BITS, PALETTE_BITS, PALETTE_ENTRIES
from hw.packet import Packet
from hw.weights.mlw_header import FILL_BITS, HeaderFields
from hw.weights.mlw_ports import CHUNK_BITS, V_BITS, Chunk, SliceRules, Trace, first_one, named, shifted, times
from hw.weights.mlw_sizes import HEAD_BITS, ChunkSizer
from hw.weights.ports import POSITION_BITS, Fault

__all__ = ["ChunkReader"]

_WDIV_PLACE, _PALETTE_PLACE = 18, 22
# What `ChunkSizer` tells of a chunk while it is read, and while `chunk` holds it.
_TOLD = ("indices", "runs", "base", "w_bits")
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
    chunk_bad, chunk_fault, chunk_trace : In
        Something is wrong with the chunk, which is not taken then; what, and where.
    rules : Out
    store, entry, v : Out
        Entry `entry` of the palette becomes `v`.
    done, fault, position : Out
        The last word was read and the stream understood, or `fault` was seen at bit `position`.
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
                "chunk_bad": In(1),
                "chunk_fault": In(Fault),
                "chunk_trace": In(Trace()),
                "rules": Out(SliceRules()),
                "store": Out(1),
                "entry": Out(ceil_log2(PALETTE_ENTRIES)),
                "v": Out(V_BITS),
                "done": Out(1),
                "fault": Out(Fault),
                "position": Out(POSITION_BITS),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        word_bits, place_bits = self._word_bits, self._place_bits
        rules, chunk = Signal(SliceRules(), reset_less=True), Signal(Chunk(place_bits), reset_less=True)
        position, entry = Signal(POSITION_BITS, reset_less=True), Signal.like(self.entry, reset_less=True)
        m.d.comb += [self.rules.eq(rules), self.chunk.eq(chunk), self.position.eq(position), self.entry.eq(entry)]

        m.submodules.header = header = HeaderFields()
        m.submodules.sizer = sizer = ChunkSizer(place_bits)

        m.d.comb += [self.chunk[name].eq(getattr(sizer, name)) for name in _TOLD_LATER]

        # Two words in sight: one is held, the other waits at the port. `place` is that of the bit before the next.
        low, low_last = Signal(word_bits, reset_less=True), Signal()
        place, word = Signal(place_bits), Signal(POSITION_BITS - place_bits, reset_less=True)
        sight, here, counts = Signal(CHUNK_BITS), Signal(), Signal()
        parts, carries, next_chunk = Signal(place_bits + 1), Signal(place_bits + 1), Signal(place_bits + 1)
        length, behind, step = Signal(6), Signal(place_bits + 1), Signal()
        crosses, chunk_step, drain = Signal(), Signal(), Signal()
        m.d.comb += [
            sight.eq(shifted(m, Cat(low[1:], self.i.payload.data), place, CHUNK_BITS, "window")),
            here.eq(low_last | self.i.valid),
            # Of a chunk all but the bits of WUNARY1 is known early; three numbers become two before they are added.
            sizer.place.eq(place),
            parts.eq(sizer.behind ^ sizer.w_bits ^ sizer.z_bits),
            carries.eq((sizer.behind & (sizer.w_bits | sizer.z_bits)) | (sizer.w_bits & sizer.z_bits)),
            next_chunk.eq(named(m, (parts + (carries << 1))[: place_bits + 1], "known") + sizer.ones),
            crosses.eq(next_chunk[-1]),
            behind.eq(place + length),
            self.i.ready.eq(~low_last & (drain | (step & behind[-1]) | (chunk_step & crosses))),
        ]
        with m.If(chunk_step & ~(low_last & crosses)):
            m.d.sync += place.eq(next_chunk)
        with m.Elif(step):
            m.d.sync += place.eq(behind)
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += [low.eq(self.i.payload.data), low_last.eq(self.i.payload.last)]
        m.d.sync += counts.eq(self.i.ready & self.i.valid)
        with m.If(counts):
            m.d.sync += word.eq(word + 1)

        def cut(bits: Value | int) -> Value:
            """Whether the stream ends within the next `bits` bits."""
            return low_last & (~place < bits)

        # A fault is noted, then its offset is worked out, then its position.
        fault, trace = Signal(Fault), Signal(Trace(), reset_less=True)
        offset, from_chunk = Signal(place_bits + 1, reset_less=True), Signal(reset_less=True)

        def fail(kind: Fault, where: int, marks: Value | int = 0) -> None:
            m.d.sync += [fault.eq(kind), from_chunk.eq(0)]
            m.d.sync += [trace.origin.eq(where), trace.marks.eq(marks), trace.strides.eq(0)]
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
        m.d.comb += [self.v.eq(sight[:V_BITS] & v_mask), self.fault.eq(fault)]
        with m.If(self.take):
            m.d.sync += self.chunk_valid.eq(0)

        def fail_chunk() -> None:
            m.d.sync += [fault.eq(self.chunk_fault), trace.eq(self.chunk_trace), from_chunk.eq(1)]
            m.next = "Offset"

        with m.FSM():
            with m.State("Idle"):
                m.d.comb += self.done.eq(1)
                with m.If(self.begin):
                    m.d.sync += [place.eq(-1), word.eq(-1), low_last.eq(0), fault.eq(Fault.NONE), fresh.eq(1)]
                    m.d.sync += Cat(counts, closed, self.chunk_valid).eq(0)
                    m.next = "Header"
            with m.State("Header"):
                with m.If(self.chunk_valid & self.chunk_bad):
                    fail_chunk()
                with m.Elif(self.empty & ~self.chunk_valid):
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
                with m.If(self.chunk_valid & self.chunk_bad):
                    fail_chunk()
                with m.Elif(here & (~self.chunk_valid | self.take)):
                    m.d.comb += [sizer.step.eq(1), chunk_step.eq(1)]
                    m.d.sync += [
                        self.chunk_valid.eq(1),
                        chunk.bits.eq(sight),
                        chunk.place.eq(place),
                        chunk.crossed.eq(crosses & ~low_last),
                        chunk.cut.eq(low_last & crosses),
                        chunk.leads.eq(sizer.first & rules.runs & ~starts_with_run),
                        *(chunk[name].eq(getattr(sizer, name)) for name in _TOLD),
                    ]
                    with m.If(~sizer.indices & ~sizer.runs):
                        m.next = "Header"
            with m.State("Offset"):
                marked = times(m, first_one(trace.marks), Mux(trace.strides, rules.width, 1), 9, "marked")
                m.d.sync += offset.eq(Mux(from_chunk, chunk.place, place) + ((trace.origin + marked) + 1))
                with m.If(from_chunk & chunk.crossed):
                    m.d.sync += word.eq(word - 1)
                m.next = "Fail"
            with m.State("Fail"):
                later = (word + offset[place_bits:])[: len(word)]
                m.d.sync += [position.eq(Cat(offset[:place_bits], later)), self.chunk_valid.eq(0)]
                m.next = "Drain"
            with m.State("Drain"):
                m.d.comb += drain.eq(1)
                with m.If(low_last):
                    m.next = "Idle"
        return m
