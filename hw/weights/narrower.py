"""A 24-bit magnitude and an exponent to a 16-bit float or a byte: golden/weights/narrow.py in two stages."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.weights.narrow import FORMS
from golden.weights.rescale import MAGNITUDE_BITS
from hw.weights.sums import difference, less_one, more_one, total

__all__ = ["BF16", "FP16", "INT8", "INT16", "Narrower"]

INT8, INT16, FP16, BF16 = range(len(FORMS))

_BIAS_DIFFERENCE = 112
# Significands, their leading one included.
_HALF_BITS, _BRAIN_BITS, _BYTE_BITS = 11, 8, 7
# Farther to the right nothing is left to round up.
_SHIFT_BITS = 4
_FIELD_BITS = 10
_FARTHEST = (1 << _SHIFT_BITS) - 1


class Narrower(wiring.Component):
    """One weight a cycle. Latency: 2 steps; a step is a cycle in which `step` is set, and nothing moves in others.

    The value is ``magnitude * 2**(exponent - 150)``; as an int8 it is ``magnitude / 2**17``, rounded half up, at most
    127, whatever the exponent.

    Members
    -------
    step : In
    form : In
        Number of a form of `golden.weights.narrow.FORMS`; int16 is none here.
    negative, magnitude, exponent : In
        Sign, 24 bits, 8 bits (0..254).
    pattern : Out
        16 bits; an int8 sign-extended.
    misfit : Out
        The value does not fit the form; the pattern is then infinite.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "step": In(1),
                "form": In(2),
                "negative": In(1),
                "magnitude": In(MAGNITUDE_BITS),
                "exponent": In(8),
                "pattern": Out(16),
                "misfit": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        half, byte = Signal(), Signal()
        m.d.comb += [half.eq(self.form == FP16), byte.eq(self.form == INT8)]

        # First: the leading one to the top, and the exponent field that this makes.
        aligned, zeros = _normalized(m, self.magnitude)
        significand = Signal(MAGNITUDE_BITS, reset_less=True)
        field, lack = Signal(signed(_FIELD_BITS), reset_less=True), Signal(signed(_FIELD_BITS), reset_less=True)
        negative = Signal(reset_less=True)
        rebiased, exact, opposite = (Signal(_FIELD_BITS, name=name) for name in ("rebiased", "exact", "opposite"))
        m.d.comb += [
            rebiased.eq(self.exponent - Mux(half, _BIAS_DIFFERENCE, 0)),
            exact.eq(difference(rebiased, zeros, _FIELD_BITS)),
            opposite.eq(difference(zeros, rebiased, _FIELD_BITS)),
        ]
        with m.If(self.step):
            m.d.sync += [
                significand.eq(Mux(byte, self.magnitude, aligned)),
                field.eq(exact),
                lack.eq(more_one(opposite)),
                negative.eq(self.negative),
            ]

        # Second: below the least normal number to the right by what the exponent lacks, then rounded.
        low, amount = Signal(), Signal(_SHIFT_BITS)
        small, far, shifted = Signal(), Signal(), Signal(MAGNITUDE_BITS + _FARTHEST)
        m.d.comb += [
            small.eq(~lack[-1] & lack.any() & ~byte),
            low.eq(small | (~significand[-1] & ~byte)),
            far.eq(small & lack[_SHIFT_BITS:].any()),
            amount.eq(Mux(small, lack[:_SHIFT_BITS], 0)),
            shifted.eq(Cat(Const(0, _FARTHEST), Mux(far, 0, significand)) >> amount),
        ]
        kept, tie, below = Signal(_HALF_BITS), Signal(), Signal()
        with m.If(half):
            m.d.comb += _cut(shifted, _HALF_BITS, kept, tie, below)
        with m.Elif(byte):
            m.d.comb += _cut(shifted, _BYTE_BITS, kept, tie, below)
        with m.Else():
            m.d.comb += _cut(shifted, _BRAIN_BITS, kept, tie, below)
        # The field is one less than it was: the leading one adds it again, as does a sum that reaches the next power.
        above, base, rounded, beyond = Signal(8), Signal(15), Signal(16), Signal()
        before, up = Signal(_FIELD_BITS), Signal()
        m.d.comb += [
            before.eq(less_one(field.as_unsigned())),
            above.eq(Mux(low | byte, 0, before[:8])),
            base.eq(Mux(half, above[:5] << (_HALF_BITS - 1), above << (_BRAIN_BITS - 1))),
            up.eq(tie & (below | kept[0] | byte)),
            rounded.eq(total(base, kept, 16, up)),
            beyond.eq(
                ~byte
                & ~low
                & Mux(half, (field > 30) | (rounded[10:15] == 31) | rounded[15], (rounded[7:15] == 255) | rounded[15])
            ),
        ]
        with m.If(self.step):
            m.d.sync += self.misfit.eq(beyond)
            with m.If(byte):
                magnitude = Mux(rounded[_BYTE_BITS], 127, rounded[:_BYTE_BITS])
                m.d.sync += self.pattern.eq(Mux(negative, -magnitude, magnitude))
            with m.Else():
                m.d.sync += self.pattern.eq(Cat(Mux(beyond, Mux(half, 0x7C00, 0x7F80), rounded)[:15], negative))
        return m


def _cut(value: Value, bits: int, kept: Signal, tie: Signal, below: Signal) -> list:
    """The top `bits`, the bit behind them, and whether any further one is set."""
    rest = len(value) - bits - 1
    return [kept.eq(value[rest + 1 :]), tie.eq(value[rest]), below.eq(value[:rest].any())]


def _normalized(m: Module, value: Value) -> tuple[Value, Value]:
    """The value with its leading one at the top, and the zeros that stood there; 31 of them for zero."""
    zeros = Signal(5)
    for k in (4, 3, 2, 1, 0):
        shifted = Signal(len(value), name=f"shifted_{k}")
        m.d.comb += [
            zeros[k].eq(~value[len(value) - (1 << k) :].any()),
            shifted.eq(Mux(zeros[k], value << (1 << k), value)),
        ]
        value = shifted
    return value, zeros
