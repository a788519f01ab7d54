"""The decoder of Huffman codes: dense weights, zero runs and relative indices, with or without a codebook."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.weights.canonical import LONGEST
from hw.memory import Memory
from hw.packet import Packet
from hw.weights.body import BODY_WORDS_BITS, PLACE_BITS, SIGHT_BITS, TAKEN_BITS, WORD_BITS, BodyReader
from hw.weights.code_loader import LEVEL_BITS, CodeLoader
from hw.weights.huffman import SIZE_BITS, WINDOW_BITS, CodeWindow
from hw.weights.pair_checks import PairChecks
from hw.weights.pair_ports import Form, PairOrder, Symbols
from hw.weights.pair_stages import stages
from hw.weights.ports import POSITION_BITS, Fault, Report, Weights
from hw.weights.sparse import RUN_BITS, Expander
from hw.weights.sums import carry_save, cut_difference, cut_total, difference, less_one, shifted

__all__ = ["PairDecoder"]

_ENTRY_BITS = 32
# What the codewords of a cycle can reach.
_REACH_BITS = SIZE_BITS


class PairDecoder(wiring.Component):
    """Decodes tensors of the codecs ``huffman``, ``zero-runs``, ``relative-index`` and ``deepcomp`` from their bodies.

    A body is what a file holds of a tensor (golden/weights/container.py): tables, entry points, payload, each filled up
    to whole words. Tables are read as they are stored (hw/weights/code_loader.py), entry points are kept, as a block
    must end in bits where the next one starts.

    *Stages*: codewords (hw/weights/huffman.py), places in the order of codewords, symbols, sums of runs and centroids,
    checks, beats (hw/weights/sparse.py). Up to `slots` codewords enter in a cycle; the last 31 bits of a block go one
    codeword at a time, and a block takes two cycles more. A beat leaves in each cycle if there are weights for one.
    Tensors do not overlap: tables are read while nothing is decoded. sim/timing_pairs.py has the cycles.

    *Bad tensors*: everything that golden refuses gives a fault and its bit: of the payload, or, for `Fault.TABLE` and
    `Fault.RANGE` of a table, of the tables. `Fault.ORDER`: more entry points than `entries`, a codebook without
    `weight_bits` of 32, wide weights in 8 bits, or a field out of its range. After a fault all that has not left is
    zeros; the body is taken up to its last word. A body without words has no transfers at all.

    Parameters
    ----------
    lanes : int
        Weights of a beat.
    weight_bits : int
        Bits of a weight: 8, 16 or 32. A codebook, of float32, needs 32; integers are sign-extended.
    slots : int
        Codewords that are read in a cycle: 1..3.
    entries : int
        Most stored entry points of a tensor.

    Members
    -------
    order : In(stream of PairOrder)
    i : In(stream of Packet(64))
        Bodies.
    o : Out(stream of Packet(Weights))
    report : Out(stream of Report)
    """

    order: stream.Interface
    i: stream.Interface
    o: stream.Interface
    report: stream.Interface

    def __init__(self, lanes: int = 16, weight_bits: int = 32, slots: int = 3, entries: int = 512) -> None:
        if weight_bits not in (8, 16, 32):
            raise ValueError(f"weight_bits must be 8, 16 or 32, not {weight_bits!r}")
        if not 1 <= slots <= 3:
            raise ValueError(f"slots must be 1, 2 or 3, not {slots!r}")
        if not 2 <= entries <= 1 << 16:
            raise ValueError(f"entries must be in 2..65536, not {entries!r}")
        self.lanes, self.weight_bits, self.slots, self.entries = lanes, weight_bits, slots, entries
        super().__init__(
            {
                "order": In(stream.Signature(PairOrder())),
                "i": In(stream.Signature(Packet(WORD_BITS))),
                "o": Out(stream.Signature(Packet(Weights(weight_bits, lanes)))),
                "report": Out(stream.Signature(Report())),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        slots = self.slots
        m.submodules.body = body = BodyReader()
        m.submodules.loader = loader = CodeLoader()
        m.submodules.window = window = CodeWindow(slots)
        m.submodules.checks = checks = PairChecks(slots)
        m.submodules.expander = expander = Expander(self.lanes, slots, self.weight_bits)
        m.submodules.points = points = Memory(_ENTRY_BITS, self.entries)
        wiring.connect(m, wiring.flipped(self.i), body.i)
        wiring.connect(m, expander.o, wiring.flipped(self.o))

        order, step = Signal(PairOrder()), Signal()
        dense, escape_form, limit = Signal(), Signal(), Signal(RUN_BITS)
        m.d.comb += [
            step.eq(expander.ready),
            escape_form.eq(order.form == Form.RUNS),
            limit.eq(Cat(order.index_bits > k for k in range(RUN_BITS))),
            loader.dense.eq(dense),
            loader.has_codebook.eq(order.codebook),
            loader.escape_form.eq(escape_form),
            loader.limit.eq(limit),
            loader.narrow.eq(order.narrow),
            loader.negative.eq(order.negative),
            checks.count.eq(order.count),
            checks.entry_weights.eq(order.entry_weights),
            checks.escape_form.eq(escape_form),
            expander.count.eq(order.count),
        ]

        unserved, is_final = Signal(), Signal()
        m.d.sync += [dense.eq(order.form == Form.DENSE), unserved.eq(self._is_wrong(order))]

        # What the tensor's report will say; `void`: its weights cannot be told any more.
        fault, position, void = Signal(Fault), Signal(POSITION_BITS), Signal()
        # Where the body is, and was two cycles before, of which the loader speaks.
        here = Cat(body.place, body.word)
        before, there = (Signal(len(here), name=name) for name in ("before", "there"))
        m.d.sync += [before.eq(here), there.eq(before)]
        m.d.comb += [
            self.report.payload.fault.eq(fault),
            self.report.payload.position.eq(position),
            expander.void.eq(void),
            expander.error.eq(void | (fault != Fault.NONE)),
        ]

        def refuse(kind, where) -> None:
            with m.If((fault == Fault.NONE) & ~void):
                m.d.sync += [fault.eq(kind), position.eq(where)]

        symbols, read = Signal(Symbols(slots)), Signal()
        lapsed, final, block = Signal(), Signal(), Signal(range(self.entries + 1))
        whole, padded, is_still = Signal(), Signal(), Signal()
        # Bits of the block from the codewords of the cycle before on.
        left = Signal(POSITION_BITS)
        stop = Signal(POSITION_BITS)
        begin, held = Signal(POSITION_BITS), Signal(WINDOW_BITS, reset_less=True)
        m.d.comb += [
            points.write_address.eq(block),
            points.write_data.eq(body.sight),
            points.read.eq(1),
            points.read_address.eq(block),
            stop.eq(Mux(is_final, order.bits, points.read_data)),
        ]
        measure, is_behind = cut_difference(m, stop, begin, "measure")
        # What lay behind `held`, or at the loader's place, a cycle ago; what was taken since moves it on.
        ahead, has_ahead, cut = Signal(SIGHT_BITS, reset_less=True), Signal(), Signal()
        m.d.sync += is_final.eq(block == order.entries)
        m.d.sync += [ahead.eq(body.sight), has_ahead.eq(body.ready & ~body.start), cut.eq(body.short)]
        view = shifted(m, ahead, body.stepped[:SIZE_BITS], TAKEN_BITS)
        sight = Cat(held, view[:WINDOW_BITS])
        m.d.comb += [
            loader.sight.eq(view),
            # Behind more bits the view is not whole at once.
            loader.ready.eq(has_ahead & (body.stepped <= SIGHT_BITS - TAKEN_BITS)),
            loader.dry.eq(body.dry),
        ]
        fills, shifts = Signal(), Signal()
        m.d.comb += window.take.eq(shifts)
        with m.If(fills | shifts):
            both = body.sight & fills.replicate(WINDOW_BITS), window.following & (~fills).replicate(WINDOW_BITS)
            m.d.sync += held.eq(both[0] | both[1])
        # The size of codewords comes late.
        others, decodes = Signal.like(body.size), Signal()
        m.d.comb += [
            body.size.eq(others | (window.size & decodes.replicate(SIZE_BITS))),
            body.words.eq(self._words(m, order)),
        ]
        ends, refused = self._codewords(m, window, cut, sight, left, body.stepped, lapsed, final, symbols)
        m.d.comb += [window.codes[k].eq(loader.codes[k]) for k in range(2)]
        m.d.comb += [
            window.dense.eq(dense),
            window.escapes.eq(loader.escapes),
            window.escape.eq(loader.escape),
            window.escape_mask.eq(loader.escape_mask),
            window.step.eq(step),
        ]

        with m.FSM():
            with m.State("Idle"):
                m.d.comb += self.order.ready.eq(1)
                m.d.sync += [order.eq(self.order.payload), fault.eq(Fault.NONE), position.eq(0), void.eq(0)]
                with m.If(self.order.valid):
                    m.next = "Open"
            # Words of the body: all parts at once, then the sum by halves.
            with m.State("Open"):
                m.next = "Add"
            with m.State("Add"):
                m.next = "Begin"
            with m.State("Begin"):
                m.d.comb += [
                    body.start.eq(1),
                    expander.start.eq(1),
                    checks.start.eq(1),
                ]
                m.d.sync += [block.eq(0), whole.eq(0), begin.eq(0)]
                m.next = "Load"
                with m.If(unserved):
                    refuse(Fault.ORDER, 0)
                    m.d.sync += void.eq(1)
                    m.next = "Drain"
                with m.Elif(order.count == 0):
                    with m.If(order.table_bits.any() | order.entries.any() | order.bits.any()):
                        refuse(Fault.LONG, 0)
                    m.next = "Drain"
                with m.Else():
                    m.d.comb += loader.start.eq(1)
            with m.State("Load"):
                m.d.comb += [body.take.eq(loader.take), others.eq(loader.size)]
                with m.If(loader.fault != Fault.NONE):
                    refuse(loader.fault, there)
                    m.d.sync += void.eq(1)
                    m.next = "Drain"
                with m.Elif(loader.done):
                    m.next = "Loaded"
            with m.State("Loaded"):
                m.d.comb += body.part.eq(1)
                m.next = "Entries"
                with m.If(before != order.table_bits):
                    refuse(Fault.TABLE, before)
                    m.d.sync += void.eq(1)
                    m.next = "Drain"
                with m.Elif(body.rest):
                    refuse(Fault.LONG, before)
                    m.d.sync += void.eq(1)
                    m.next = "Drain"
            with m.State("Entries"):
                m.d.comb += others.eq(_ENTRY_BITS)
                with m.If(block == order.entries):
                    m.d.comb += body.part.eq(1)
                    m.d.sync += block.eq(0)
                    m.next = "Fill"
                with m.Elif(body.dry):
                    refuse(Fault.SHORT, 0)
                    m.d.sync += void.eq(1)
                    m.next = "Drain"
                with m.Elif(body.ready):
                    m.d.comb += [body.take.eq(1), points.write.eq(1)]
                    m.d.sync += block.eq(block + 1)
            with m.State("Fill"):
                m.d.comb += others.eq(WINDOW_BITS)
                m.d.comb += fills.eq(1)
                with m.If(body.ready):
                    m.d.comb += body.take.eq(1)
                    m.next = "Block"
            # Two steps, so that two groups at least lie between the ends of blocks.
            with m.State("Block"), m.If(step):
                m.next = "Measure"
            with m.State("Measure"), m.If(step):
                m.d.comb += window.open.eq(1)
                m.d.sync += [
                    left.eq(measure),
                    lapsed.eq(is_behind),
                    begin.eq(stop),
                    final.eq(is_final),
                    block.eq(block + 1),
                ]
                m.next = "Codewords"
            with m.State("Codewords"):
                m.d.comb += [read.eq(step & has_ahead), decodes.eq(1)]
                with m.If(void):
                    m.next = "Drain"
                with m.Elif(read):
                    with m.If(ends):
                        m.next = "Block"
                        with m.If(final):
                            m.next = "Padding"
                    with m.If(refused):
                        m.next = "Drain"
                    with m.Else():
                        m.d.comb += [body.take.eq(1), shifts.eq(1)]
            with m.State("Padding"):
                m.d.sync += whole.eq(1)
                with m.If(held.any()):
                    refuse(Fault.LONG, order.bits)
                m.next = "Rest"
            with m.State("Rest"):
                m.d.sync += padded.eq(1)
                m.next = "Drain"
            with m.State("Drain"):
                m.d.comb += body.drain.eq(1)
                m.d.sync += padded.eq(0)
                with m.If(padded & body.rest):
                    refuse(Fault.LONG, order.bits)
                with m.If(body.drained):
                    # A stream that was given up has its fault, or it comes with the codewords on their way.
                    with m.If(whole & body.over):
                        refuse(Fault.LONG, order.bits)
                    m.next = "Settled"
            with m.State("Settled"):
                # The last beat does not leave while a group may be refused.
                m.d.comb += expander.settled.eq(is_still)
                with m.If(~expander.active):
                    m.next = "Report"
            with m.State("Report"):
                m.d.comb += self.report.valid.eq(1)
                with m.If(self.report.ready):
                    m.next = "Idle"

        parts = window, loader, checks, expander
        found = stages(m, slots, self.weight_bits, *parts, order, step, read & ~void, symbols, is_still)
        # What a group is refused for is told a cycle behind its refusal.
        counted, seen = Signal(), Signal(Fault)
        m.d.sync += [counted.eq(found & ~void & (fault == Fault.NONE)), seen.eq(checks.fault)]
        with m.If(found):
            m.d.sync += void.eq(1)
        with m.If(counted):
            m.d.sync += [fault.eq(seen), position.eq(checks.position)]
        return m

    def _is_wrong(self, order):
        """Whether the order cannot be served."""
        wrong = (order.entries > self.entries) | (order.form.as_value() == 3)
        wrong |= (order.form != Form.DENSE) & ((order.index_bits == 0) | (order.index_bits > RUN_BITS))
        wrong |= (order.entry_weights != 0) & (order.entry_weights[6:] == 0)
        if self.weight_bits == LEVEL_BITS:
            return wrong | (order.codebook & (~order.narrow | order.negative))
        wrong |= order.codebook
        return wrong | ~order.narrow if self.weight_bits == 8 else wrong

    def _words(self, m: Module, order) -> Value:
        """Words of the body, each part's begun ones included; two cycles later."""
        table, payload, entries = order.table_bits, order.bits, order.entries
        begun = [table[:PLACE_BITS].any(), payload[:PLACE_BITS].any(), entries[0]]
        rows = [table[PLACE_BITS:], payload[PLACE_BITS:], entries[1:], (begun[0] + begun[1])[:2] + begun[2]]
        sums = [Signal(BODY_WORDS_BITS, name=f"words_{k}", reset_less=True) for k in range(2)]
        m.d.sync += [one.eq(other) for one, other in zip(sums, carry_save(m, rows, BODY_WORDS_BITS), strict=True)]
        return cut_total(m, *sums, "words")[0]

    def _codewords(self, m: Module, window, cut, sight, left, had, lapsed, final, symbols) -> tuple[Signal, Signal]:
        """The codewords in sight, as far as they belong to their block: whether they end it, or none is read."""
        # While the block's end is not farther than the codewords of a cycle can reach, one codeword is read.
        near, far = left[:PLACE_BITS], left[PLACE_BITS:]
        now, close, short = Signal(PLACE_BITS + 1), Signal(), Signal()
        is_last, is_next, ends, here = Signal(), Signal(), Signal(), Signal(LONGEST + 1)
        refused = Signal()
        m.d.comb += [
            now.eq(difference(near, had, len(now))),
            is_last.eq(far == 0),
            is_next.eq(far == 1),
            close.eq(Mux(now[-1], is_next, is_last) & ~now[_REACH_BITS]),
            # In unary: as many bits as the block has are less than the codeword's, or are they.
            *(here[n].eq(now[:_REACH_BITS] == n) for n in range(LONGEST + 1)),
            short.eq(lapsed | (close & (here[0] | (here[1:] & window.longer).any()))),
            ends.eq(close & (here[1:] & ~window.longer & Cat(Const(1, 1), window.longer)).any()),
            refused.eq(cut | window.longer[-1] | short),
            window.sight.eq(sight),
            window.alone.eq(close | lapsed),
            symbols.seconds.eq(window.seconds),
            symbols.final.eq(final),
        ]
        m.d.comb += [symbols.sizes[k].eq(window.sizes[k]) for k in range(self.slots)]
        m.d.sync += near.eq(now)
        with m.If(now[-1]):
            m.d.sync += far.eq(less_one(far))
        with m.If(cut):
            m.d.comb += symbols.wrong.eq(Fault.SHORT)
        with m.Elif(window.longer[-1]):
            m.d.comb += symbols.wrong.eq(Fault.CODE)
        with m.Elif(short):
            m.d.comb += symbols.wrong.eq(Fault.SHORT)
        with m.Else():
            m.d.comb += symbols.taken.eq(window.taken)
            m.d.comb += symbols.ends.eq(ends)
        return ends, refused
