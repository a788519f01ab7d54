"""A 24-bit magnitude and an exponent to a 16-bit float or a byte: golden/weights/narrow.py in three stages."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.weights.narrow import FORMS
from golden.weights.rescale import MAGNITUDE_BITS
from hw.weights.sums import difference, total

__all__ = ["BF16", "FP16", "INT8", "INT16", "NARROWER_STEPS", "Narrower"]

INT8, INT16, FP16, BF16 = range(len(FORMS))

NARROWER_STEPS = 3
_BIAS_DIFFERENCE = 112
# Significands, their leading one included.
_HALF_BITS, _BRAIN_BITS, _BYTE_BITS = 11, 8, 7
# Farther to the right nothing is left to round up.
_SHIFT_BITS = 4
_FIELD_BITS = 10
_FARTHEST = (1 << _SHIFT_BITS) - 1


class Narrower(wiring.Component):
    """One weight a cycle. Latency: 3 steps; a step is a cycle in which `step` is set, and nothing moves in others.

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

        # First: the leading one to the top, and the exponent field that this makes; what it lacks to be normal, less 1.
        aligned, zeros = _normalized(m, self.magnitude)
        significand = Signal(MAGNITUDE_BITS, reset_less=True)
        field, lack = (Signal(_FIELD_BITS, name=name, reset_less=True) for name in ("field", "lack"))
        rebiased, negative = Signal(_FIELD_BITS), Signal(NARROWER_STEPS - 1, reset_less=True)
        m.d.comb += rebiased.eq(difference(self.exponent, Mux(half, Const(_BIAS_DIFFERENCE), 0), _FIELD_BITS))
        with m.If(self.step):
            m.d.sync += [
                significand.eq(Mux(byte, self.magnitude, aligned)),
                field.eq(difference(rebiased, zeros, _FIELD_BITS)),
                lack.eq(difference(zeros, rebiased, _FIELD_BITS)),
                negative.eq(Cat(self.negative, negative)),
            ]

        # Second: below the least normal number to the right by what the exponent lacks, and what is kept of it.
        small, far, shifted = Signal(), Signal(), Signal(MAGNITUDE_BITS + _FARTHEST)
        amount = Signal(_SHIFT_BITS)
        m.d.comb += [
            small.eq(~lack[-1] & ~byte),
            far.eq(small & (lack[_SHIFT_BITS:].any() | lack[:_SHIFT_BITS].all())),
            amount.eq(Mux(small, lack[:_SHIFT_BITS], 0)),
            shifted.eq((Cat(Const(0, _FARTHEST), Mux(far, 0, significand)) >> small) >> amount),
        ]
        exact, tie, below = Signal(_HALF_BITS), Signal(), Signal()
        with m.If(half):
            m.d.comb += _cut(shifted, _HALF_BITS, exact, tie, below)
        with m.Elif(byte):
            m.d.comb += _cut(shifted, _BYTE_BITS, exact, tie, below)
        with m.Else():
            m.d.comb += _cut(shifted, _BRAIN_BITS, exact, tie, below)
        # The leading one of a normal number is told by its field, so that a sum may reach the next power.
        low, above = Signal(), Signal(8)
        m.d.comb += [low.eq(small | (~significand[-1] & ~byte)), above.eq(Mux(low, 0, field[:8]))]
        kept, up = Signal(16, reset_less=True), Signal(reset_less=True)
        large, normal = Signal(reset_less=True), Signal(reset_less=True)
        with m.If(self.step):
            m.d.sync += [
                large.eq(half & ~field[-1] & (field[5:].any() | field[:5].all())),
                normal.eq(~byte & ~low),
                up.eq(tie & (below | exact[0])),
            ]
            with m.If(half):
                m.d.sync += kept.eq(Cat(exact[: _HALF_BITS - 1], above[:5]))
            with m.Elif(byte):
                # A negative one is inverted, and is one more if nothing was to be added.
                m.d.sync += [
                    kept.eq(Cat(exact[:_BYTE_BITS] ^ negative[0].replicate(_BYTE_BITS), negative[0].replicate(9))),
                    up.eq((tie & ~exact[:_BYTE_BITS].all()) ^ negative[0]),
                ]
            with m.Else():
                m.d.sync += kept.eq(Cat(exact[: _BRAIN_BITS - 1], above))

        # Third: rounded.
        rounded, beyond = Signal(16), Signal()
        m.d.comb += [
            rounded.eq(total(kept, Const(0), 16, up)),
            beyond.eq(normal & (large | rounded[15] | Mux(half, rounded[10:15].all(), rounded[7:15].all()))),
        ]
        with m.If(self.step):
            m.d.sync += self.misfit.eq(beyond)
            with m.If(byte):
                m.d.sync += self.pattern.eq(rounded)
            with m.Else():
                infinite = Mux(half, 0x7C00, 0x7F80)
                m.d.sync += self.pattern.eq(Cat(Mux(beyond, infinite, rounded)[:15], negative[-1]))
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
