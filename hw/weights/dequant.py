"""Integers times a scale, or float32, to 16-bit floats: golden/weights/rescale.py in all lanes at once."""

from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.weights.rescale import ADDEND_BITS, EXPONENT_BITS, MAGNITUDE_BITS, MULTIPLIER_BITS, SCALE_BITS
from hw.memory import Memory
from hw.packet import Packet
from hw.weights.narrower import BF16, FP16, NARROWER_STEPS, Narrower
from hw.weights.ports import COUNT_BITS, Fault, Report, Weights
from hw.weights.sums import carry_save, difference, less_one, more_one, total

__all__ = ["INTEGER_BITS", "SLICE_BITS", "VALUE_BITS", "Dequant", "DequantOrder", "Scale"]

INTEGER_BITS = 9
"""Bits of an integer that is scaled."""
VALUE_BITS = 32
"""Bits of a lane at the input: an integer, sign-extended, or a float32."""
SLICE_BITS = 16
"""Bits of a number of slices."""
_STAGES = 3 + NARROWER_STEPS
_SUM_BITS = MAGNITUDE_BITS + 3


class Scale(data.StructLayout):
    """A slice's scale: `index` of the slice, and its `word` (golden/weights/rescale.py)."""

    def __init__(self) -> None:
        super().__init__({"index": SLICE_BITS, "word": SCALE_BITS})


class DequantOrder(data.StructLayout):
    """A tensor.

    ==================  =======================================================================================
    field               meaning
    ==================  =======================================================================================
    ``form``            number of ``fp16`` or ``bf16`` (golden/weights/narrow.py)
    ``floats``          lanes are float32 and have no scale; the other fields are ignored
    ``slice_weights``   successive weights of one slice: the product of the dimensions behind the slices' axis
    ``slices``          slices, after which the first comes again; 1 with the most `slice_weights` for a tensor
                        that has one scale
    ==================  =======================================================================================
    """

    def __init__(self) -> None:
        super().__init__({"form": 2, "floats": 1, "slice_weights": COUNT_BITS, "slices": SLICE_BITS})


class Dequant(wiring.Component):
    """A beat in each cycle, and one cycle more for each slice that begins inside a beat.

    Latency: 7 cycles. A tensor's first beat is taken 2 cycles after its order, an order after the report before it.
    All stages stop while a beat waits.

    Faults: `ORDER` for another form, no slices or no weights in them, or more slices than the memory has; `RANGE` (at
    the number of the beat's first weight) for an integer beyond 9 bits, a sum beyond 24 bits, or a float that does not
    fit. That weight and all later ones are zeros.

    Parameters
    ----------
    lanes : int
        A power of two, at least 2.
    slices : int
        Scales that the memory holds.

    Members
    -------
    i_scale : In(stream of Scale)
        Writes the memory; always ready. A scale must be there before the order of its tensor, and stay.
    order : In(stream of DequantOrder)
    i : In(stream of Packet(Weights(32, lanes)))
    o : Out(stream of Packet(Weights(16, lanes)))
        `error` is set for its own faults and for those that came in.
    report : Out(stream of Report)
        Of its own faults; `position` is a weight's number.
    """

    i_scale: stream.Interface
    order: stream.Interface
    i: stream.Interface
    o: stream.Interface
    report: stream.Interface

    def __init__(self, lanes: int = 16, slices: int = 2048) -> None:
        if lanes < 2 or lanes & (lanes - 1):
            raise ValueError(f"lanes must be a power of two of at least 2, not {lanes!r}")
        if not 2 <= slices <= 1 << SLICE_BITS - 1:
            raise ValueError(f"slices must be in 2..{1 << SLICE_BITS - 1}, not {slices!r}")
        self.lanes, self.slices = lanes, slices
        super().__init__(
            {
                "i_scale": In(stream.Signature(Scale())),
                "order": In(stream.Signature(DequantOrder())),
                "i": In(stream.Signature(Packet(Weights(VALUE_BITS, lanes)))),
                "o": Out(stream.Signature(Packet(Weights(16, lanes)))),
                "report": Out(stream.Signature(Report())),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes, lane_bits = self.lanes, ceil_log2(self.lanes)
        m.submodules.scales = scales = Memory(SCALE_BITS, self.slices)
        order, step, sends_last = Signal(DequantOrder(), reset_less=True), Signal(), Signal()
        fault, position = Signal(Fault), Signal(COUNT_BITS, reset_less=True)
        m.d.comb += [
            self.i_scale.ready.eq(1),
            scales.write.eq(self.i_scale.valid),
            scales.write_address.eq(self.i_scale.payload.index),
            scales.write_data.eq(self.i_scale.payload.word),
            self.report.payload.fault.eq(fault),
            self.report.payload.position.eq(position),
        ]

        # A piece is what of a beat lies in one slice: lanes `first` and on, as far as the slice has `room`.
        scale, room, first = Signal(SCALE_BITS, reset_less=True), Signal(COUNT_BITS), Signal(lane_bits)
        index, following, lanes_left = Signal(SLICE_BITS), Signal(SLICE_BITS), Signal(lane_bits + 1)
        far, fills, spends, mask, go = Signal(), Signal(), Signal(), Signal(lanes), Signal()
        next_index = Signal(SLICE_BITS)
        m.d.comb += [
            lanes_left.eq(lanes - first),
            far.eq(room[lane_bits + 1 :].any()),
            fills.eq(far | (room[: lane_bits + 1] >= lanes_left)),
            spends.eq(~far & (room[: lane_bits + 1] <= lanes_left)),
            next_index.eq(more_one(index)),
            mask.eq(Cat((first <= k) & (fills | (first + room[:lane_bits] > k)) for k in range(lanes))),
            following.eq(Mux(next_index == order.slices, 0, next_index)),
            scales.read_address.eq(following),
        ]
        illegal = ((order.form != FP16) & (order.form != BF16)) | (
            ~order.floats & ((order.slices == 0) | (order.slices > self.slices) | (order.slice_weights == 0))
        )
        with m.FSM():
            with m.State("Idle"):
                m.d.comb += [self.order.ready.eq(1), scales.read.eq(1), scales.read_address.eq(0)]
                m.d.sync += [order.eq(self.order.payload), fault.eq(Fault.NONE), index.eq(0), first.eq(0)]
                with m.If(self.order.valid):
                    m.next = "Begin"
            with m.State("Begin"):
                m.d.comb += scales.read.eq(1)
                m.d.sync += [scale.eq(scales.read_data), index.eq(following), room.eq(order.slice_weights)]
                with m.If(order.floats | illegal):
                    m.d.sync += room.eq((1 << COUNT_BITS) - 1)
                with m.If(illegal):
                    m.d.sync += [fault.eq(Fault.ORDER), position.eq(0)]
                m.next = "Pieces"
            with m.State("Pieces"):
                m.d.comb += [go.eq(step & self.i.valid), self.i.ready.eq(step & fills)]
                with m.If(go):
                    m.d.sync += first.eq(Mux(fills, 0, first + room))
                    m.d.sync += room.eq(difference(room, lanes_left, COUNT_BITS))
                    with m.If(spends):
                        m.d.comb += scales.read.eq(1)
                        m.d.sync += [scale.eq(scales.read_data), index.eq(following), room.eq(order.slice_weights)]
                    with m.If(fills & self.i.payload.last):
                        m.next = "Flush"
            with m.State("Flush"), m.If(sends_last):
                m.next = "Report"
            with m.State("Report"):
                m.d.comb += self.report.valid.eq(1)
                with m.If(self.report.ready):
                    m.next = "Idle"

        # Stages: partial products, sum, magnitude, and those of the narrower; then the beat, piece by piece.
        piece = data.StructLayout({"mask": lanes, "ends": 1, "last": 1, "tail": lane_bits, "error": 1})
        valid = Signal(_STAGES)
        pieces = [Signal(piece, name=f"piece_{k}", reset_less=True) for k in range(_STAGES)]
        beat = self.i.payload
        with m.If(step):
            m.d.sync += [valid.eq(Cat(go, valid)), *(after.eq(before) for before, after in pairwise(pieces))]
            m.d.sync += [
                pieces[0].mask.eq(mask & Cat(~beat.last | (beat.data.tail >= k) for k in range(lanes))),
                pieces[0].ends.eq(fills),
                pieces[0].last.eq(beat.last),
                pieces[0].tail.eq(beat.data.tail),
                pieces[0].error.eq(beat.data.error),
            ]
        leaving, misfits = pieces[-1], Signal(lanes)
        misfit, ranged, number = Signal(), Signal(), Signal(COUNT_BITS)
        writes = Signal()
        m.d.comb += [
            step.eq(~self.o.valid | self.o.ready),
            writes.eq(step & valid[-1]),
            misfit.eq(writes & (misfits & leaving.mask).any() & (fault == Fault.NONE)),
            sends_last.eq(self.o.valid & self.o.ready & self.o.payload.last),
        ]
        for lane in range(lanes):
            m.submodules[f"lane_{lane}"] = part = _Lane()
            m.d.comb += [
                part.step.eq(step),
                part.form.eq(order.form),
                part.floats.eq(order.floats),
                part.value.eq(beat.data.symbols[lane]),
                part.scale.eq(scale),
                misfits[lane].eq(part.misfit),
            ]
            with m.If(writes & leaving.mask[lane]):
                m.d.sync += self.o.payload.data.symbols[lane].eq(
                    Mux(part.misfit | (fault != Fault.NONE), 0, part.pattern)
                )
        m.d.comb += ranged.eq(misfit | (fault != Fault.NONE))
        with m.If(misfit):
            m.d.sync += [fault.eq(Fault.RANGE), position.eq(number)]
        with m.If(step):
            m.d.sync += self.o.valid.eq(valid[-1] & leaving.ends)
        with m.If(writes):
            m.d.sync += [
                self.o.payload.last.eq(leaving.last),
                self.o.payload.data.tail.eq(leaving.tail),
                self.o.payload.data.error.eq(leaving.last & (leaving.error | ranged)),
            ]
            with m.If(leaving.ends):
                m.d.sync += number.eq(Mux(leaving.last, 0, total(number, Const(lanes), COUNT_BITS)))
        return m


class _Lane(wiring.Component):
    """One weight, 3 steps and those of the narrower later."""

    def __init__(self) -> None:
        super().__init__(
            {
                "step": In(1),
                "form": In(2),
                "floats": In(1),
                "value": In(VALUE_BITS),
                "scale": In(SCALE_BITS),
                "pattern": Out(16),
                "misfit": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        multiplier = self.scale[:MULTIPLIER_BITS]
        addend = self.scale[MULTIPLIER_BITS:][:ADDEND_BITS].as_signed()
        integer, above = self.value[:INTEGER_BITS].as_signed(), self.value[INTEGER_BITS - 1 :]
        field, fraction = self.value[MAGNITUDE_BITS - 1 : -1], self.value[: MAGNITUDE_BITS - 1]
        float_ = Cat(fraction, field.any())

        # Product and addend as two numbers, of which the sum is theirs; a float as the one that it is.
        save, carry = (Signal(_SUM_BITS, name=name, reset_less=True) for name in ("save", "carry"))
        wide, exponent = Signal(2, reset_less=True), Signal(EXPONENT_BITS, reset_less=True)
        rows = _partial_products(integer, multiplier)
        saved, carried = carry_save(m, [*rows, _extended(addend)], _SUM_BITS)
        with m.If(self.step):
            m.d.sync += [exponent.eq(self.scale[MULTIPLIER_BITS + ADDEND_BITS :]), save.eq(saved), carry.eq(carried)]
            m.d.sync += wide.eq(Cat(above.any() & ~above.all(), wide))
            with m.If(self.floats):
                sign = self.value[-1]
                m.d.sync += [
                    save.eq(Cat(float_, Const(0, _SUM_BITS - len(float_))) ^ sign.replicate(_SUM_BITS)),
                    carry.eq(sign),
                    exponent.eq(Cat(field[0] | ~field.any(), field[1:])),
                    wide[0].eq(field.all()),
                ]

        sum_, size, negative = Signal(_SUM_BITS, reset_less=True), Signal(_SUM_BITS), Signal(reset_less=True)
        summed, scaled = (Signal(EXPONENT_BITS, name=name, reset_less=True) for name in ("summed", "scaled"))
        magnitude, misfit = Signal(MAGNITUDE_BITS, reset_less=True), Signal(1 + NARROWER_STEPS, reset_less=True)
        # The least number of two's complement apart: less one, then inverted.
        m.d.comb += size.eq(Mux(sum_[-1], ~less_one(sum_), sum_))
        with m.If(self.step):
            m.d.sync += [
                sum_.eq(total(save, carry, _SUM_BITS)),
                summed.eq(exponent),
                negative.eq(sum_[-1]),
                magnitude.eq(size),
                scaled.eq(summed),
                misfit.eq(Cat(wide[1] | _exceeds(sum_), misfit)),
            ]
        m.submodules.narrower = narrower = Narrower()
        m.d.comb += [
            narrower.step.eq(self.step),
            narrower.form.eq(self.form),
            narrower.negative.eq(negative),
            narrower.magnitude.eq(magnitude),
            narrower.exponent.eq(scaled),
            self.pattern.eq(narrower.pattern),
            self.misfit.eq(narrower.misfit | misfit[-1]),
        ]
        return m


def _extended(number: Value) -> Value:
    """A number of two's complement, as wide as a sum."""
    return Cat(number, number[-1].replicate(_SUM_BITS - len(number)))


def _partial_products(integer: Value, multiplier: Value) -> list[Value]:
    """Rows of which the sum is ``integer * multiplier``, modulo the range of a sum."""
    rows = [Cat(Const(0, k), multiplier & bit.replicate(MULTIPLIER_BITS)) for k, bit in enumerate(integer[:-1])]
    # The sign's row counts less than nothing: inverted, and one more in the place that the second row leaves.
    rows[1] = Cat(integer[-1], rows[1][1:])
    shifted = Cat(Const(0, INTEGER_BITS - 1), multiplier, Const(0, _SUM_BITS - INTEGER_BITS + 1 - MULTIPLIER_BITS))
    return [*rows, ~shifted & integer[-1].replicate(_SUM_BITS)]


def _exceeds(number: Value) -> Value:
    """Whether a sum has more than 24 bits of magnitude; -2**24 is one."""
    above = number[MAGNITUDE_BITS:]
    return Mux(number[-1], ~above.all() | ~number[:MAGNITUDE_BITS].any(), above.any())
