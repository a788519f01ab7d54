"""Fields of two tasks to the weights of one: block floating point and IEEE 754 bit planes, as 16-bit floats or bytes.

A payload of `golden.weights.fusion` (woven pairs, or bit planes as words of 32 bits) or of
`golden.weights.blockfloat` is fields of one width. What a task takes of a field is told by the order, so that one
core serves both tasks of any widths and the plain codec, too.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.weights.blockfloat import BlockFloatFormat
from golden.weights.fusion import BitPlaneFormat, BlockFusionFormat, Task
from golden.weights.rescale import MAGNITUDE_BITS
from hw.packet import Packet
from hw.weights.narrower import INT8, INT16, NARROWER_STEPS, Narrower
from hw.weights.ports import COUNT_BITS, POSITION_BITS, Fault, Report, Weights
from hw.weights.sums import less_one, more_one, total

__all__ = ["FIELD_BITS", "Fusion", "FusionOrder", "Selection", "block_float_fields", "fused_fields", "plane_fields"]

FIELD_BITS = 32
"""Widest field."""
_STAGES = 3 + NARROWER_STEPS


class Selection(data.StructLayout):
    """What of a field is the weight.

    ========== ==================================================================================
    width      bits of a field, 1..32
    lead       bits of a 32-bit word that lie above the mantissa (or above the sign, of a plane)
    sign       bit of the field that is the sign
    keep       mantissa bits, 1..24; ignored for planes
    plane      IEEE 754: sign, exponent and mantissa lie in the field, else the exponent is the order's
    form       number of the form (golden/weights/narrow.py); int16 is none, nor is int8 of planes
    ========== ==================================================================================
    """

    def __init__(self) -> None:
        super().__init__({"width": 6, "lead": 5, "sign": 5, "keep": 5, "plane": 1, "form": 2})


class FusionOrder(data.StructLayout):
    """A tensor: `count` weights, the `exponent` of its block, and the `selection`."""

    def __init__(self) -> None:
        super().__init__({"count": COUNT_BITS, "exponent": 8, "selection": Selection()})


def block_float_fields(fmt: BlockFloatFormat) -> dict[str, int]:
    """The selection, but for its form, for `golden.weights.blockfloat`."""
    bits = fmt.mantissa_bits
    return {"width": bits + 1, "lead": FIELD_BITS - bits, "sign": bits, "keep": bits, "plane": 0}


def fused_fields(fmt: BlockFusionFormat, task: Task) -> dict[str, int]:
    """The selection, but for its form, for woven pairs.

    Raises
    ------
    ValueError
        If a pair is wider than 32 bits.
    """
    if fmt.pair_bits > FIELD_BITS:
        raise ValueError(f"pairs of hardware must have {FIELD_BITS} bits or fewer, not {fmt.pair_bits}")
    mine = task is Task.A
    lead = FIELD_BITS - fmt.b_bits - (fmt.a_bits if mine else 0)
    keep = fmt.a_bits if mine else fmt.b_bits
    return {"width": fmt.pair_bits, "lead": lead, "sign": fmt.pair_bits - 1 - (not mine), "keep": keep, "plane": 0}


def plane_fields(fmt: BitPlaneFormat, task: Task) -> dict[str, int]:
    """The selection, but for its form, for bit planes."""
    lead = 0 if task is Task.A else FIELD_BITS - fmt.filled_bits
    return {"width": FIELD_BITS, "lead": lead, "sign": FIELD_BITS - 1 - lead, "keep": MAGNITUDE_BITS, "plane": 1}


class Fusion(wiring.Component):
    """Takes L = ``word_bits / 32`` fields a cycle: 8 of up to 32 bits from words of 256, half of that from 128.

    Throughput: ``ceil(n / L)`` cycles from the first to the last beat of n weights while words come and beats are
    taken; fields are not cut to fewer a cycle, whatever their width. Latency: 6 cycles from the word that holds a
    beat's last bit to the beat. The last beat waits until the payload's last word was seen. Tensors: the next one's
    first word is taken 10 cycles after the last word of one that is well formed. All stages stop while a beat waits.

    Faults: `ORDER` if the selection is not legal, `SHORT` (at the end of the payload), `LONG` (at the first bit too
    many, a padding bit that is not zero included), `RANGE` (at the first field of the beat) of a weight that does not
    fit its form, or of a plane's exponent of 255.

    Parameters
    ----------
    word_bits : int
        64, 128 or 256.

    Members
    -------
    order : In(stream of FusionOrder)
        One for each tensor; `count` is at least 1.
    i : In(stream of Packet(word))
        Payload, `last` with the tensor's last word.
    o : Out(stream of Packet(Weights))
        Patterns of 16 bits; an int8 is sign-extended.
    report : Out(stream of Report)
    """

    order: stream.Interface
    i: stream.Interface
    o: stream.Interface
    report: stream.Interface

    def __init__(self, word_bits: int = 256) -> None:
        if word_bits not in (64, 128, 256):
            raise ValueError(f"word_bits must be 64, 128 or 256, not {word_bits!r}")
        self.word_bits, self.lanes = word_bits, word_bits // FIELD_BITS
        super().__init__(
            {
                "order": In(stream.Signature(FusionOrder())),
                "i": In(stream.Signature(Packet(word_bits))),
                "o": Out(stream.Signature(Packet(Weights(16, self.lanes)))),
                "report": Out(stream.Signature(Report())),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        W, lanes = self.word_bits, self.lanes
        lane_bits, place_bits = ceil_log2(lanes), ceil_log2(W)
        order = Signal(FusionOrder(), reset_less=True)
        chosen = order.selection
        fault, position = Signal(Fault), Signal(POSITION_BITS, reset_less=True)
        step, go, final, zeros = Signal(), Signal(), Signal(reset_less=True), Signal()
        sent, sends_last, closed, ranged = Signal(), Signal(), Signal(), Signal()

        def fail(kind: Fault, where) -> None:
            with m.If(~zeros):
                m.d.sync += [fault.eq(kind), position.eq(where)]

        # Fields begin behind bit `place` of `low`: first behind all of it, as if a word had ended.
        low, low_last = Signal(W, reset_less=True), Signal(reset_less=True)
        place, behind = Signal(place_bits, reset_less=True), Signal(place_bits + 1)
        word, next_word = (Signal(POSITION_BITS - place_bits, name=name) for name in ("word", "next_word"))
        beats_left, tail = Signal(COUNT_BITS - lane_bits, reset_less=True), Signal(lane_bits, reset_less=True)
        beat_bits, tail_bits = Signal(place_bits + 1, reset_less=True), Signal(place_bits + 1, reset_less=True)
        needs, starved, used_bits, eaten = Signal(), Signal(), Signal(POSITION_BITS), Signal(place_bits + 1)
        m.d.comb += [
            zeros.eq(fault != Fault.NONE),
            eaten.eq(Mux(final, tail_bits, beat_bits)),
            behind.eq(total(place, eaten, place_bits + 1)),
            needs.eq(behind[-1]),
            starved.eq(needs & low_last),
            next_word.eq(more_one(word)),
            used_bits.eq(more_one(Cat(place, word))),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [low.eq(self.i.payload.data), low_last.eq(self.i.payload.last), word.eq(next_word)]

        padding = Signal(W)
        m.d.comb += padding.eq(low & Cat(place < k for k in range(W)))
        with m.FSM():
            with m.State("Idle"):
                m.d.comb += self.order.ready.eq(1)
                m.d.sync += [order.eq(self.order.payload), fault.eq(Fault.NONE), ranged.eq(0), closed.eq(0)]
                m.d.sync += [place.eq(W - 1), low_last.eq(0), word.eq(-1)]
                with m.If(self.order.valid):
                    m.next = "Begin"
            before = Signal(COUNT_BITS)
            whole, part = order.count[lane_bits:], order.count[:lane_bits]
            m.d.comb += before.eq(less_one(order.count))
            with m.State("Begin"):
                m.d.sync += [
                    beats_left.eq(before >> lane_bits),
                    final.eq((whole == 0) | ((whole == 1) & ~part.any())),
                    tail.eq(before),
                    beat_bits.eq(chosen.width << lane_bits),
                    tail_bits.eq(chosen.width * more_one(Cat(before[:lane_bits], 0))),
                ]
                with m.If(~chosen.plane & (order.exponent == 255)):
                    fail(Fault.TABLE, 0)
                with m.If(_illegal(chosen)):
                    fail(Fault.ORDER, 0)
                m.next = "Fields"
            with m.State("Fields"):
                m.d.comb += [
                    go.eq(step & (zeros | ~needs | starved | self.i.valid)),
                    self.i.ready.eq(step & ~zeros & needs & ~starved),
                ]
                with m.If(go):
                    m.d.sync += [place.eq(behind), beats_left.eq(less_one(beats_left)), final.eq(beats_left == 1)]
                    with m.If(starved):
                        fail(Fault.SHORT, Cat(Const(0, place_bits), next_word))
                    with m.If(final):
                        m.next = "Close"
            with m.State("Close"):
                with m.If(~low_last):
                    fail(Fault.LONG, used_bits)
                    m.next = "Drain"
                with m.Else():
                    with m.If(padding.any()):
                        fail(Fault.LONG, used_bits)
                    m.d.sync += closed.eq(1)
                    m.next = "Flush"
            with m.State("Drain"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid & self.i.payload.last):
                    m.d.sync += closed.eq(1)
                    m.next = "Flush"
            with m.State("Flush"), m.If(sends_last):
                m.next = "Report"
            with m.State("Report"):
                m.d.comb += self.report.valid.eq(1)
                with m.If(self.report.ready):
                    m.next = "Idle"
        m.d.comb += [self.report.payload.fault.eq(fault), self.report.payload.position.eq(position)]

        # Stages: sight, field, value, and those of the narrower.
        valid, last = Signal(_STAGES), Signal(_STAGES)
        sight = Signal(W, reset_less=True)
        with m.If(step):
            m.d.sync += [valid.eq(Cat(go, valid)), last.eq(Cat(final, last))]
            m.d.sync += sight.eq(Mux(zeros | starved, 0, _window(m, low, self.i.payload.data, place, W)))
        fields = _fields(m, sight, chosen.width, lanes)
        misfits = Signal(lanes)
        for lane, field in enumerate(fields):
            m.submodules[f"lane_{lane}"] = part = _Lane()
            m.d.comb += [
                part.step.eq(step),
                part.selection.eq(chosen),
                part.block_exponent.eq(order.exponent),
                part.field.eq(Mux(last[0] & (tail < lane), 0, field)),
                misfits[lane].eq(part.misfit),
                self.o.payload.data.symbols[lane].eq(Mux(ranged | part.misfit, 0, part.pattern)),
            ]
        sent_bits = Signal(POSITION_BITS)
        misfit = Signal()
        m.d.comb += [
            misfit.eq(misfits.any() & ~ranged),
            self.o.valid.eq(valid[-1] & (~last[-1] | closed)),
            self.o.payload.last.eq(last[-1]),
            self.o.payload.data.tail.eq(tail),
            self.o.payload.data.error.eq(last[-1] & (zeros | misfit)),
            sent.eq(self.o.valid & self.o.ready),
            sends_last.eq(sent & last[-1]),
            step.eq(~valid[-1] | sent),
        ]
        with m.If(sent):
            m.d.sync += sent_bits.eq(Mux(last[-1], 0, total(sent_bits, beat_bits, POSITION_BITS)))
            # What comes out now lies in front of all that is wrong farther up.
            with m.If(misfit):
                m.d.sync += [ranged.eq(1), fault.eq(Fault.RANGE), position.eq(sent_bits)]
        return m


class _Lane(wiring.Component):
    """A field's weight, 2 steps and those of the narrower later."""

    def __init__(self) -> None:
        super().__init__(
            {
                "step": In(1),
                "selection": In(Selection()),
                "block_exponent": In(8),
                "field": In(FIELD_BITS),
                "pattern": Out(16),
                "misfit": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        chosen = self.selection
        field, aligned = Signal(FIELD_BITS, reset_less=True), Signal(FIELD_BITS)
        mantissa, exponent = Signal(MAGNITUDE_BITS), Signal(8)
        keep = Cat(chosen.keep >= MAGNITUDE_BITS - k for k in range(MAGNITUDE_BITS))
        m.d.comb += [
            aligned.eq(field << chosen.lead),
            mantissa.eq(aligned[FIELD_BITS - MAGNITUDE_BITS :] & keep),
            exponent.eq(aligned[MAGNITUDE_BITS - 1 : FIELD_BITS - 1]),
        ]
        m.submodules.narrower = narrower = Narrower()
        endless = Signal(1 + NARROWER_STEPS)
        sign = field.bit_select(chosen.sign, 1)
        magnitude, negative = Signal(MAGNITUDE_BITS, reset_less=True), Signal(reset_less=True)
        scale = Signal(8, reset_less=True)
        with m.If(self.step):
            m.d.sync += [field.eq(self.field), endless.eq(Cat(chosen.plane & exponent.all(), endless))]
            with m.If(chosen.plane):
                m.d.sync += [
                    magnitude.eq(Cat(aligned[: MAGNITUDE_BITS - 1], exponent.any())),
                    scale.eq(Cat(exponent[0] | ~exponent.any(), exponent[1:])),
                    negative.eq(sign),
                ]
            with m.Else():
                m.d.sync += [
                    magnitude.eq(mantissa),
                    scale.eq(self.block_exponent),
                    negative.eq(sign & mantissa.any()),
                ]
        m.d.comb += [
            narrower.step.eq(self.step),
            narrower.magnitude.eq(magnitude),
            narrower.exponent.eq(scale),
            narrower.negative.eq(negative),
            narrower.form.eq(chosen.form),
            self.pattern.eq(narrower.pattern),
            self.misfit.eq(narrower.misfit | endless[-1]),
        ]
        return m


def _illegal(chosen) -> Value:
    """Whether no such selection can be served."""
    whole = (chosen.width != 0) & (chosen.width <= FIELD_BITS)
    return ~whole | (chosen.form == INT16) | (chosen.plane & (chosen.form == INT8))


def _fields(m: Module, sight: Value, width: Value, lanes: int) -> list[Value]:
    """The fields in sight, by halves: the upper half of the lanes lies half their number of widths farther up."""
    if lanes == 1:
        return [sight[:FIELD_BITS]]
    half = lanes // 2
    bits = half * FIELD_BITS
    upper = sight
    for k in reversed(range(len(width))):
        nearer = Signal(min(len(upper), bits + half * ((1 << k) - 1)), name=f"upper_{half}_{k}")
        m.d.comb += nearer.eq(Mux(width[k], upper[half << k :], upper))
        upper = nearer
    return _fields(m, sight[:bits], width, half) + _fields(m, upper, width, half)


def _window(m: Module, low: Value, high: Value, place: Value, bits: int) -> Value:
    """The `bits` bits that follow bit `place` of two words (`hw.bits.window`, with a signal for each shift)."""
    sight = Cat(low[1:], high[:bits])
    for k in reversed(range(len(place))):
        nearer = Signal(bits + (1 << k) - 1, name=f"sight_{k}")
        m.d.comb += nearer.eq(Mux(place[k], sight[1 << k :], sight))
        sight = nearer
    return sight
