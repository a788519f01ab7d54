"""What an encoder of prc learns of a plane before it writes the first code."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from golden.activations.prc import PrcFormat

__all__ = ["LaneSurvey"]


class LaneSurvey(wiring.Component):
    """Residuals of a lane's planes, and of each plane its parameter, its flag and its blank rows.

    A symbol goes through four stages: its expectation, its distance from it, its residual, the sums. In the cycle after
    the sum of a plane's last symbol its parameter and flag are told.

    Members
    -------
    step, symbol, zero_point, width_less_1 : In
        A symbol comes.
    next_row_0, next_row_start : In
        The symbol behind it is in the first row of its plane, or the first of a row.
    residual, passed, zero : Out
        Three cycles later: the symbol's residual, the symbol, and whether it is the zero point.
    sum, sum_first, sum_row_start, sum_row : In
        In that cycle: a symbol is there; it is its plane's first, the first of a row, in which row.
    next_sum_first : In
        The next symbol to be summed up is its plane's first.
    places_7 : In
        Seven times the symbols of the plane so far.
    k, flagged, blank : Out
        Of the plane if that was its last symbol; `blank` has a bit a row.
    """

    def __init__(self, fmt: PrcFormat, tile: tuple[int, int, int]) -> None:
        self._fmt, self._tile = fmt, tile
        height, width, _ = tile
        super().__init__(
            {
                "step": In(1),
                "symbol": In(fmt.word_bits),
                "zero_point": In(fmt.word_bits),
                "width_less_1": In(bits_for(width - 1)),
                "next_row_0": In(1),
                "next_row_start": In(1),
                "residual": Out(fmt.word_bits),
                "passed": Out(fmt.word_bits),
                "zero": Out(1),
                **dict.fromkeys(("sum", "sum_first", "next_sum_first", "sum_row_start"), In(1)),
                "sum_row": In(range(height)),
                "places_7": In(bits_for(7 * height * width)),
                "k": Out(fmt.k_bits),
                "flagged": Out(1),
                "blank": Out(height),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        bits, (height, width, _) = self._fmt.word_bits, self._tile
        row = [Signal(bits, name=f"row_{n}", reset_less=True) for n in range(width - 1)]
        left, up, above = Signal(bits, reset_less=True), Signal(bits, reset_less=True), Signal(bits)
        expected, symbol, zero = Signal(bits), Signal(bits), Signal()
        with m.Switch(self.width_less_1):
            for n, kept in enumerate([self.symbol, *row]):
                with m.Case(n):
                    m.d.comb += above.eq(kept)
        total = (Cat(Const(1, 1), left) + Cat(Const(1, 1), up))[1:]
        with m.If(self.step):
            m.d.sync += [
                left.eq(Mux(self.next_row_start, above, self.symbol)),
                up.eq(Mux(self.next_row_0, self.symbol, above)),
                *(kept.eq(newer) for kept, newer in zip(row, [self.symbol, *row], strict=False)),
                expected.eq(total[1:]),
                symbol.eq(self.symbol),
                zero.eq(self.symbol == self.zero_point),
            ]

        # Below the expectation, the distance less one is the difference with all bits flipped.
        difference, far = Signal(bits + 1), Signal()
        flipped, near, below, late = Signal(bits), Signal(bits), Signal(), Signal(bits + 1)
        m.d.comb += [
            difference.eq(symbol - expected),
            far.eq((Cat(below, flipped) + Cat(Const(1, 1), ~near))[bits + 1]),
        ]
        m.d.sync += [
            below.eq(difference[-1]),
            flipped.eq(difference[:bits] ^ difference[-1].replicate(bits)),
            near.eq(expected ^ expected[-1].replicate(bits)),
            late.eq(Cat(symbol, zero)),
            self.residual.eq(Mux(far, (Cat(below, flipped) + Cat(Const(1, 1), near))[1:], Cat(below, flipped))),
            Cat(self.passed, self.zero).eq(late),
        ]

        others, total_sum = Signal(range(height * width + 1)), Signal(range(height * width * (2**bits - 1)))
        others_now, sum_now = Signal.like(others), Signal.like(total_sum)
        kept_sum, low_sum, skips = Signal.like(total_sum), Signal(bits + 1), Signal(reset_less=True)
        row_blank, row_blank_now, blank = Signal(), Signal(), Signal(height)
        m.d.sync += skips.eq(late[-1] | self.next_sum_first)
        m.d.comb += [
            others_now.eq(Mux(self.sum_first, 0, others) + ~self.zero),
            kept_sum.eq(Mux(self.sum_first, 0, total_sum)),
            low_sum.eq(kept_sum[:bits] + Mux(skips, 0, self.residual)),
            # The upper bits are ready for a carry and for none.
            sum_now.eq(Cat(low_sum[:bits], Mux(low_sum[bits], kept_sum[bits:] + 1, kept_sum[bits:]))),
            row_blank_now.eq((self.sum_row_start | row_blank) & self.zero),
        ]
        blank_now = Signal(height)
        m.d.comb += blank_now.eq(blank)
        m.d.comb += blank_now.bit_select(self.sum_row, 1).eq(row_blank_now)
        with m.If(self.sum):
            m.d.sync += [others.eq(others_now), total_sum.eq(sum_now), row_blank.eq(row_blank_now), blank.eq(blank_now)]

        # `passed_over[n]`: the parameter is more than n. What fits one fits all that are larger.
        passed_over, many, blank_plane = Signal(bits - 1), Signal(), Signal()
        m.d.comb += [
            passed_over.eq(Cat(total_sum > (others << (k + 1)) for k in range(bits - 1))),
            many.eq((others << 3) < self.places_7),
            blank_plane.eq(others == 0),
            self.k.eq(_count(Cat(passed_over[:-1], passed_over[-1] & ~many)) | blank_plane.replicate(len(self.k))),
            self.flagged.eq(many | blank_plane),
            self.blank.eq(blank),
        ]
        return m


def _count(ones: Value) -> Value:
    """How many bits are set, from bit 0 on without a gap, of one less than a power of two."""
    half = len(ones) // 2
    return Cat(_count(Mux(ones[half], ones[half + 1 :], ones[:half])), ones[half]) if half else ones
