"""The decoder of Ethos-U weight streams."""

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.packet import Packet
from hw.weights.mlw_faults import ChunkCheck
from hw.weights.mlw_indices import IndexDecoder
from hw.weights.mlw_merge import LANES, Merger
from hw.weights.mlw_ports import V_BITS, MlwOrder
from hw.weights.mlw_reader import ChunkReader
from hw.weights.mlw_runs import RunDecoder
from hw.weights.mlw_weights import WeightLookup
from hw.weights.ports import COUNT_BITS, Fault, Report, Weights
from hw.weights.sums import less_one, not_below

__all__ = ["WORD_BITS", "MlwDecoder"]

WORD_BITS = (128, 256)


class MlwDecoder(wiring.Component):
    """Decodes weight streams of the Arm Ethos-U (golden/weights/mlw_format.py), a chunk per cycle.

    The stages: `ChunkReader` finds where each chunk ends, the only loop; `IndexDecoder` and `RunDecoder` make indices
    and lengths of its remainders a cycle later, which `WeightLookup` and `RunDecoder` make weights and masks of;
    `Merger` puts them into beats. `ChunkCheck` tells a cycle late what is wrong with a chunk, or two.

    *Cycles*, if no one waits: each header of a slice, entry of a palette, chunk and end marker (32 bits at once of
    filling) is a cycle of the reader, which waits two more behind each slice until no other reads its rules.
    So a tensor takes ``chunks + entries + markers + 3 slices + 6`` cycles from its order to its report where chunks
    stand for up to 32 weights on average, one more for some chunks (`ChunkReader`), and a cycle for each beat, 32
    weights, where they stand for more; `sim.timing_mlw` steps what lies between and is equal to the core for every
    beat. A chunk has at most 12 indices (8 if they are raw and wider than 5 bits) and stands for at most 64 zeros and
    weights of runs. If one of those from the seventh on is an entry past the palette's first two, the next chunk with
    indices waits a cycle. The first beat leaves 9 cycles after the order at the earliest; the last one when the stream
    is known to be sound.

    *Back-pressure*: a beat that waits stops the beats, then the queues (some 200 weights, and 16 rows of 64 bits of
    masks), then the reader; nothing is lost, and what is queued goes on.

    *Bad streams*: all that golden refuses is reported with golden's position, as is a weight past -128..127 if
    `narrow` is ordered, at its remainder. Then the stream is taken to its last word, the ordered weights are made up
    with zeros, and the next tensor is read as if nothing had been. Which of the weights before the fault still come
    depends on when they are taken.

    Parameters
    ----------
    lanes : int
        Weights of a beat: 16, 32 or 64.
    word_bits : int
        Bits of a payload word: 128 or 256.

    Members
    -------
    order : In(stream of MlwOrder)
        One for each tensor, taken before its first word, when the tensor before is reported.
    i : In(stream of Packet(word))
        The stream, whole words: what is missing in the last one is filled up with end markers, bytes 0xFF.
    o : Out(stream of Packet(Weights))
        Signed weights of 9 bits; a tensor's last beat waits for the end of its stream.
    report : Out(stream of Report)
        As the last beat is sent.
    """

    order: stream.Interface
    i: stream.Interface
    o: stream.Interface
    report: stream.Interface

    def __init__(self, lanes: int = 32, word_bits: int = 128) -> None:
        if lanes not in LANES or isinstance(lanes, bool):
            raise ValueError(f"lanes must be one of {LANES}, not {lanes!r}")
        if word_bits not in WORD_BITS:
            raise ValueError(f"word_bits must be one of {WORD_BITS}, not {word_bits!r}")
        self._lanes, self._word_bits = lanes, word_bits
        super().__init__(
            {
                "order": In(stream.Signature(MlwOrder())),
                "i": In(stream.Signature(Packet(word_bits))),
                "o": Out(stream.Signature(Packet(Weights(signed(V_BITS), lanes)))),
                "report": Out(stream.Signature(Report())),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        lane_bits, place_bits = ceil_log2(self._lanes), ceil_log2(self._word_bits)
        m.submodules.reader = reader = ChunkReader(self._word_bits)
        m.submodules.indices = indices = IndexDecoder(place_bits)
        m.submodules.runs = runs = RunDecoder(place_bits)
        m.submodules.check = check = ChunkCheck(place_bits)
        m.submodules.lookup = lookup = WeightLookup()
        m.submodules.merger = merger = Merger(self._lanes)
        wiring.connect(m, wiring.flipped(self.i), reader.i)
        wiring.connect(m, merger.o, wiring.flipped(self.o))

        # The order: beats to come after the next.
        narrow, some, begin = Signal(reset_less=True), Signal(reset_less=True), Signal()
        beats, tail = Signal(COUNT_BITS - lane_bits, reset_less=True), Signal(lane_bits, reset_less=True)
        order = self.order.payload
        # Whether few are to come is known a cycle late, which is early enough, as it is told of twice as many as wait.
        near_bits, near = len(merger.ahead), Signal(reset_less=True)
        m.d.sync += near.eq(~beats[near_bits:].any())
        with m.If(begin):
            m.d.sync += [
                narrow.eq(order.narrow),
                Cat(tail, beats).eq(less_one(order.count)),
                some.eq(order.count.any()),
            ]
        with m.Elif(merger.made & merger.more):
            m.d.sync += beats.eq(less_one(beats))

        # A chunk's indices and runs go on together, each to its own queue.
        take, loads = Signal(name="take"), Signal(name="loads")
        m.d.comb += [
            loads.eq(indices.count != 0),
            take.eq(reader.chunk_valid & (lookup.ready | (~loads & ~lookup.slow)) & runs.ready & reader.watch),
            *(part.chunk.eq(reader.chunk) for part in (indices, runs, check)),
            *(part.rules.eq(reader.rules) for part in (indices, runs, check, lookup)),
            *(part.take.eq(take) for part in (reader, indices, runs, check)),
            *(part.begin.eq(begin) for part in (reader, indices, runs, check, lookup, merger)),
            runs.ones.eq(indices.count),
            lookup.load.eq(take & loads),
            lookup.count.eq(indices.count),
            lookup.indices.eq(indices.indices),
            lookup.narrow.eq(narrow),
            lookup.store.eq(reader.store),
            lookup.entry.eq(reader.entry),
            lookup.v.eq(reader.v),
            # A mask that waits needs no rules, and if many beats are to come, it is not too long.
            reader.quiet.eq(~lookup.valid & (~runs.held | ~near)),
        ]

        # What is wrong.
        m.d.comb += [
            check.w_padding.eq(indices.padding),
            check.z_padding.eq(runs.padding),
            check.number.eq(indices.count),
            check.wrong.eq(lookup.wrong),
            check.watch.eq(reader.watch),
            check.note.eq(reader.note),
            check.note_fault.eq(reader.note_fault),
            check.note_trace.eq(reader.note_trace),
            reader.bad.eq(check.bad),
            reader.between.eq(check.between),
            reader.trace.eq(check.trace),
            reader.crossed.eq(check.crossed),
            self.report.payload.fault.eq(check.fault),
            self.report.payload.position.eq(reader.position),
        ]

        # Masks of more weights than were ordered go nowhere, nor does what comes behind a fault. The last bit's beat is
        # told from the next one to make.
        over, flush, known, equal, above = (Signal(name=name) for name in ("over", "flush", "known", "equal", "above"))
        # What waits for room is let go a cycle late.
        flushed = Signal(name="flushed", reset_less=True)
        m.d.sync += flushed.eq(flush & ~begin)
        last, whole = Cat(merger.last[:lane_bits], merger.ahead), Cat(tail, beats[:near_bits])
        m.d.comb += [
            known.eq(~merger.ahead[-1]),
            equal.eq(near & known & (last == whole)),
            above.eq(near & ~not_below(whole, last)),
            over.eq(known & (~some | above)),
            flush.eq(over | (check.fault != Fault.NONE)),
            reader.over.eq(over),
            reader.missing.eq(some & ~equal),
            merger.mask.eq(runs.mask),
            runs.last.eq(merger.last),
            merger.next_last.eq(runs.next_last),
            merger.go.eq(runs.valid & merger.free & ~flush),
            runs.go.eq(merger.free | flushed),
            merger.weights.eq(lookup.weights),
            merger.writes.eq(lookup.writes & (~flush).replicate(len(lookup.writes))),
            merger.advance.eq(lookup.done & ~flush),
            merger.count.eq(lookup.number),
            lookup.fits.eq(merger.fits | flushed),
        ]

        final = Signal()
        m.d.sync += final.eq(reader.done & ~reader.chunk_valid & ~runs.held & ~lookup.valid & ~begin)
        m.d.comb += [
            merger.final.eq(final),
            merger.more.eq(some & (~near | beats[:near_bits].any())),
            merger.tail.eq(tail),
            merger.error.eq(check.fault != Fault.NONE),
        ]
        with m.FSM():
            with m.State("Idle"):
                m.d.comb += [self.order.ready.eq(1), begin.eq(self.order.valid)]
                with m.If(begin):
                    m.next = "Decode"
            with m.State("Decode"), m.If(final & merger.idle):
                with m.If(some):
                    m.next = "Fill"
                with m.Else():
                    m.next = "Report"
            with m.State("Fill"):
                m.d.comb += merger.fill.eq(1)
                with m.If(merger.made & ~merger.more):
                    m.next = "Report"
            with m.State("Report"):
                m.d.comb += self.report.valid.eq(1)
                with m.If(self.report.ready):
                    m.next = "Idle"
        return m
