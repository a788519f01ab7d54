"""The decoder of Ethos-U weight streams."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.packet import Packet
from hw.weights.mlw_indices import IndexDecoder
from hw.weights.mlw_merge import LANES, Merger
from hw.weights.mlw_ports import OFFSET_BITS, SLOTS, V_BITS, MlwOrder
from hw.weights.mlw_reader import ChunkReader
from hw.weights.mlw_runs import RunDecoder
from hw.weights.ports import COUNT_BITS, Fault, Report, Weights

__all__ = ["WORD_BITS", "MlwDecoder"]

WORD_BITS = (128, 256)


class MlwDecoder(wiring.Component):
    """Decodes weight streams of the Arm Ethos-U (golden/weights/mlw_format.py), a chunk per cycle.

    The stages: `ChunkReader` finds where each chunk ends, the only loop; `IndexDecoder` and `RunDecoder` make weights
    and masks of its remainders a cycle later; `Merger` puts them into beats.

    *Cycles*, if no one waits: each header of a slice, entry of a palette, chunk and end marker (32 bits at once of
    filling) is a cycle of the reader, which waits three more behind each slice until the stages behind it are empty.
    So a tensor takes ``chunks + entries + markers + 4 slices + 4`` cycles from its order to its report where chunks
    stand for up to 32 weights on average, and a cycle for each beat, 32 weights, where they stand for more;
    `sim.timing_mlw` steps what lies between and is equal to the core for every beat. A chunk has at most 12 indices
    (8 if they are raw and wider than 5 bits) and stands for at most 64 zeros and weights of runs. The first beat leaves
    7 cycles after the order at the earliest; the last one when the stream is known to be sound.

    *Back-pressure*: a beat that waits stops the beats, then the queues (32 weights, 128 bits of masks), then the
    reader; nothing is lost, and what is queued goes on.

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
        m.submodules.merger = merger = Merger(self._lanes)
        wiring.connect(m, wiring.flipped(self.i), reader.i)
        wiring.connect(m, merger.o, wiring.flipped(self.o))

        # The order: weights that no mask has told of yet, and beats to come after the next.
        room, over, narrow = Signal(COUNT_BITS, reset_less=True), Signal(), Signal(reset_less=True)
        beats, tail = Signal(COUNT_BITS - lane_bits, reset_less=True), Signal(lane_bits, reset_less=True)
        some, begin = Signal(reset_less=True), Signal()
        order = self.order.payload
        with m.If(begin):
            m.d.sync += [
                room.eq(order.count),
                narrow.eq(order.narrow),
                Cat(tail, beats).eq(order.count - 1),
                some.eq(order.count != 0),
                over.eq(0),
            ]
        with m.Elif(merger.made & merger.more):
            m.d.sync += beats.eq(beats - 1)

        # A chunk's indices and runs go on together, each to its own queue.
        bad, take, row_valid = Signal(), Signal(), Signal()
        row_count, row = Signal.like(indices.count), Signal(data.ArrayLayout(signed(V_BITS), SLOTS), reset_less=True)
        row_free = ~row_valid | merger.row_ready
        m.d.comb += [
            take.eq(reader.chunk_valid & (row_free | (indices.count == 0)) & runs.ready & ~bad),
            *(part.chunk.eq(reader.chunk) for part in (indices, runs)),
            *(part.rules.eq(reader.rules) for part in (indices, runs)),
            *(part.take.eq(take) for part in (reader, indices, runs)),
            *(part.begin.eq(begin) for part in (reader, indices, runs, merger)),
            indices.narrow.eq(narrow),
            indices.store.eq(reader.store),
            indices.entry.eq(reader.entry),
            indices.v.eq(reader.v),
            runs.ones.eq(indices.count),
            runs.fields.eq(indices.fields),
            reader.over.eq(over),
            reader.missing.eq(room != 0),
            bad.eq(reader.chunk.cut | indices.padding.any() | runs.padding.any() | indices.wrong.any()),
            reader.chunk_bad.eq(bad),
        ]
        with m.If(begin | over):
            m.d.sync += row_valid.eq(0)
        with m.Elif(take & (indices.count != 0)):
            m.d.sync += [row_valid.eq(1), row_count.eq(indices.count), row.eq(indices.weights)]
        with m.Elif(merger.row_ready):
            m.d.sync += row_valid.eq(0)

        # Masks are counted when they have gone on; behind those of more weights than were ordered nothing does.
        pending, length = Signal(), Signal.like(runs.length, reset_less=True)
        rest = Signal(COUNT_BITS + 1)
        m.d.comb += [
            rest.eq(room - length),
            merger.valid.eq(runs.valid & ~over),
            merger.mask.eq(runs.mask),
            merger.length.eq(runs.length),
            runs.go.eq(merger.go | over),
            reader.empty.eq(~runs.valid & ~pending),
            merger.row_valid.eq(row_valid & ~over),
            merger.count.eq(row_count),
            merger.weights.eq(row),
        ]
        m.d.sync += pending.eq(merger.go)
        with m.If(merger.go):
            m.d.sync += length.eq(runs.length)
        with m.If(pending & ~begin):
            m.d.sync += [room.eq(rest), over.eq(over | rest[-1])]
        self._check(m, reader, indices, runs)

        m.d.comb += [
            merger.more.eq(beats != 0),
            merger.tail.eq(tail),
            merger.error.eq(reader.fault != Fault.NONE),
            self.report.payload.fault.eq(reader.fault),
            self.report.payload.position.eq(reader.position),
        ]
        with m.FSM():
            with m.State("Idle"):
                m.d.comb += [self.order.ready.eq(1), begin.eq(self.order.valid)]
                with m.If(begin):
                    m.next = "Decode"
            with m.State("Decode"), m.If(reader.done & merger.idle):
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

    def _check(self, m: Module, reader: ChunkReader, indices: IndexDecoder, runs: RunDecoder) -> None:
        """What is wrong with a chunk, the first field first, and where."""
        chunk, rules = reader.chunk, reader.rules
        unary, coarse = chunk.indices & ~rules.raw, rules.zdiv == 3
        z_start, z_end, seen = Signal(5), Signal(6), Signal(OFFSET_BITS)
        trace = reader.chunk_trace
        m.d.comb += [
            z_start.eq(Mux(unary, SLOTS, 0)),
            z_end.eq(z_start + Mux(chunk.runs, Mux(coarse, 8, SLOTS), 0)),
            seen.eq(~chunk.place),
        ]

        def ends_before(place: Value) -> Value:
            return chunk.cut & (seen < place)

        remainders = chunk.base + chunk.w_bits
        cases = [
            (ends_before(z_start), Fault.SHORT, 0, 0),
            (ends_before(z_end), Fault.SHORT, z_start, 0),
            (ends_before(chunk.base), Fault.SHORT, z_end, 0),
            (indices.padding.any(), Fault.CODE, 0, indices.padding),
            (runs.padding.any(), Fault.CODE, z_start, runs.padding),
            (ends_before(remainders), Fault.SHORT, chunk.base, 0),
            (indices.wrong.any(), Fault.RANGE, chunk.base, indices.wrong),
            (ends_before(remainders + runs.z_bits), Fault.SHORT, remainders, 0),
        ]
        for number, (when, kind, origin, marks) in enumerate(cases):
            with m.If(when) if number == 0 else m.Elif(when):
                m.d.comb += [reader.chunk_fault.eq(kind), trace.origin.eq(origin), trace.marks.eq(marks)]
                m.d.comb += trace.strides.eq(int(kind is Fault.RANGE))
