"""One lane of a decoder of prc: codes to residuals, and residuals to symbols, two cycles apart."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from golden.activations.prc import PrcFormat
from hw.activations.prc_ports import Unit
from hw.bits import any_of, picked, window

__all__ = ["LaneReader", "LaneRebuilder"]


class LaneReader(wiring.Component):
    """Reads a code in each step.

    The lane holds what is left of one unit, and two units behind it: a code begins in the first and ends in the
    second. When it reaches the second, all move up and the lane asks for another unit, which comes in the next step
    and is not read before the step after.

    Members
    -------
    step, active : In
        All lanes go on to the next symbol, and this one reads a code.
    used : In
        The tile has a plane in this lane.
    opening, first, edge, row_start : In
        The symbol is its tile's first, its plane's first, the first of a row of at least two, the first of a row.
    zero_point : In
    start, start_units : In
        A tile begins after this cycle, with these two units.
    ask, unit : Out, In
        The lane takes `unit` in this step, if it is active.
    value, direct : Out
        One step later: a symbol if `direct`, else a residual.
    broken, reached, dirty : Out
        One step later: a code of the tile was wrong; one lies in the stream's last word; bits that are left are set.
    """

    def __init__(self, fmt: PrcFormat) -> None:
        self._fmt = fmt
        super().__init__(
            {
                **dict.fromkeys(("step", "active", "used", "opening", "first", "edge", "row_start", "start"), In(1)),
                "zero_point": In(fmt.word_bits),
                "start_units": In(Unit(fmt)).array(2),
                "ask": Out(1),
                "unit": In(Unit(fmt)),
                "value": Out(fmt.word_bits),
                "direct": Out(1),
                "broken": Out(1),
                "reached": Out(1),
                "dirty": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fmt = self._fmt
        unit_bits, symbol_bits, header_bits = fmt.unit_bits, fmt.word_bits, fmt.header_bits
        place_bits = ceil_log2(unit_bits)
        held = Signal(unit_bits, reset_less=True)
        second, third = Signal(Unit(fmt), reset_less=True), Signal(Unit(fmt), reset_less=True)
        place, stop = Signal(place_bits, reset_less=True), Signal(place_bits, reset_less=True)
        sight, newest = Signal(fmt.longest_bits), Signal(Unit(fmt))
        behind, crosses = Signal(place_bits + 1), Signal()
        m.d.comb += [
            sight.eq(window(held, second.bits, place, fmt.longest_bits)),
            newest.eq(Mux(self.ask, self.unit, third)),
            crosses.eq(behind[-1]),
        ]

        # A plane's header, and what is known of the plane from then on.
        k, flagged, raw, blank_plane = Signal(fmt.k_bits), Signal(), Signal(), Signal()
        fixed_bits = Signal(bits_for(symbol_bits), reset_less=True)
        k_now, flag_now = sight[: fmt.k_bits], sight[fmt.k_bits]
        special, flags_now = Signal(), Signal()
        m.d.comb += [special.eq(k_now == symbol_bits - 1), flags_now.eq(flag_now & ~special)]
        with m.If(self.step & self.active & self.first):
            m.d.sync += [
                k.eq(k_now),
                flagged.eq(flags_now),
                raw.eq(special & ~flag_now),
                blank_plane.eq(special & flag_now),
                fixed_bits.eq(k_now + 1 + flag_now),
            ]

        # Zero points, blank rows, and the length of every code but Rice codes.
        first_zero, zero, in_blank, blank_row, is_zero = (Signal() for _ in range(5))
        first_bits, plain_bits, plain = Signal(range(unit_bits)), Signal(bits_for(fmt.longest_bits)), Signal()
        zero_bits = Mux(self.edge, 2, 1)
        m.d.comb += [
            first_zero.eq(flags_now & ~sight[header_bits]),
            in_blank.eq(blank_row & ~self.row_start),
            is_zero.eq(flagged & ~sight[0]),
            zero.eq(Mux(self.first, first_zero | (special & flag_now), blank_plane | in_blank | is_zero)),
            first_bits.eq(
                header_bits
                + Mux(special, Mux(flag_now, 0, symbol_bits), Mux(first_zero, zero_bits, symbol_bits + flag_now))
            ),
        ]
        with m.If(self.step & self.active & self.row_start):
            m.d.sync += blank_row.eq(
                Mux(self.first, first_zero & sight[header_bits + 1], is_zero & sight[1]),
            )

        residual, ones, escape, overflow = self._rice(m, sight, flagged, k)
        first_symbol = Mux(flags_now, sight[header_bits + 1 :][:symbol_bits], sight[header_bits:][:symbol_bits])
        later_symbol = Mux(raw, sight[:symbol_bits], sight[fmt.unary_limit :][:symbol_bits])
        m.d.comb += [
            plain_bits.eq(
                Mux(
                    self.first,
                    first_bits,
                    Mux(
                        blank_plane | in_blank,
                        0,
                        Mux(raw, symbol_bits, Mux(is_zero, zero_bits, fmt.longest_bits)),
                    ),
                )
            ),
            plain.eq(self.first | blank_plane | in_blank | raw | is_zero | escape),
            behind.eq(
                Mux(plain, (place + plain_bits)[: place_bits + 1], ((place + fixed_bits) + ones)[: place_bits + 1])
            ),
        ]

        with m.If(self.step & self.active):
            m.d.sync += [
                self.value.eq(
                    Mux(
                        zero,
                        self.zero_point,
                        Mux(self.first, first_symbol, Mux(raw | escape, later_symbol, residual)),
                    )
                ),
                self.direct.eq(self.first | zero | raw | escape),
                stop.eq(behind),
                third.eq(newest),
            ]
            with m.If(crosses):
                m.d.sync += held.eq(second.bits)
        with m.If(self.start | (self.step & self.active)):
            m.d.sync += [place.eq(Mux(self.start, unit_bits - 1, behind)), self.ask.eq(~self.start & crosses)]
        with m.If(self.start | (self.step & self.active & crosses)):
            m.d.sync += second.eq(Mux(self.start, self.start_units[0], newest))
        with m.If(self.start):
            m.d.sync += third.eq(self.start_units[1])

        # What is wrong. `held` and `stop` outlast the beginning of the next tile, so that a tile's last unit can be
        # looked at when its end is known.
        broken, dirty, was_used = Signal(), Signal(reset_less=True), Signal(reset_less=True)
        moves, rest = Signal(), Signal()
        m.d.comb += [
            moves.eq(crosses & self.active),
            rest.eq(Mux(self.ask, self.active & self.unit.bits.any(), third.bits.any())),
            self.broken.eq(broken),
            self.dirty.eq(was_used & (dirty | any_of([held[j + 1] & (stop <= j) for j in range(unit_bits - 1)]))),
        ]
        with m.If(self.step):
            wrong = self.active & ((crosses & ~second.real) | (overflow & ~plain))
            m.d.sync += [
                broken.eq((broken & ~self.opening) | wrong),
                self.reached.eq((self.reached & ~self.opening) | (moves & second.last)),
                dirty.eq(rest | (~moves & second.bits.any())),
                was_used.eq(self.used),
            ]
        return m

    def _rice(self, m: Module, sight: Value, flagged: Value, k: Value) -> tuple[Value, ...]:
        """The residual of a Rice code, the ones that it begins with, whether it escapes, whether it is too large."""
        limit, low_bits = self._fmt.unary_limit, self._fmt.word_bits - 2
        unary, code = Signal(limit), Signal(self._fmt.longest_bits - 1)
        m.d.comb += [
            unary.eq(Mux(flagged, Cat(sight[1:limit], Const(0, 1)), sight[:limit])),
            code.eq(Mux(flagged, sight[1:], sight)),
        ]
        # `runs[n]`: at least n ones.
        runs = [Signal(name=f"runs_{n}") for n in range(limit + 1)]
        m.d.comb += [runs[n].eq(unary[:n].all() if n else 1) for n in range(limit + 1)]
        ends = [runs[n] & ~runs[n + 1] for n in range(limit)]
        ones, low, escape = Signal(ceil_log2(limit)), Signal(low_bits), Signal()
        wide = Signal(self._fmt.word_bits + 1)
        after = [code[n + 1 : n + 1 + low_bits] & ends[n].replicate(low_bits) for n in range(limit)]
        m.d.comb += [
            *(ones[b].eq(any_of([ends[n] for n in range(limit) if n >> b & 1])) for b in range(len(ones))),
            low.eq(any_of(after) & Cat(k > b for b in range(low_bits))),
            escape.eq(Mux(flagged, runs[limit - 1], runs[limit])),
            wide.eq(ones << k),
        ]
        return (wide[:-1] | low), ones, escape, wide[-1]


class LaneRebuilder(wiring.Component):
    """The symbols of a lane's planes from residuals, their left and upper neighbours kept.

    With the left neighbour ``l``, the upper one ``u`` and the residual ``r`` a near symbol is ``(l + c) >> 1``, where
    ``c`` is ``u + 1 + r`` for even ``r`` and ``u - r`` for odd. It is out of range where an even ``r`` is too large for
    the upper side, an odd one for the lower; the other side's end is passed where ``l`` reaches a bound, or does not.
    So a step computes ``c`` and the bound, and the next one needs one sum and one comparison with the symbol before.

    Members
    -------
    step : In
        Go on to the next symbol; the one at the inputs enters.
    width_less_1, row_start, row_0 : In
        Of the plane; the symbol that enters is the first of its row, or in the first row.
    value, direct : In
        It is `value` itself if `direct`, else `value` is its residual.
    symbol : Out
        The symbol that entered.
    """

    def __init__(self, fmt: PrcFormat, width: int) -> None:
        self._fmt, self._width = fmt, width
        super().__init__(
            {
                "step": In(1),
                "width_less_1": In(max(1, bits_for(width - 1))),
                "row_start": In(1),
                "row_0": In(1),
                "value": In(fmt.word_bits),
                "direct": In(1),
                "symbol": Out(fmt.word_bits),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        bits = self._fmt.word_bits
        # The symbols before this one, the newest first; one above the symbol that enters is among them.
        before = [Signal(bits, name=f"before_{n}", reset_less=True) for n in range(max(1, self._width - 1))]
        up, double, alone = Signal(bits), Signal(), Signal()
        m.d.comb += up.eq(picked([before[0], *before], self.width_less_1))
        # In the first row, and in planes of one column, the symbol before stands for both neighbours; in the first
        # column the one above does.
        above, odd = Signal(bits + 1), self.value[0]
        m.d.comb += [
            double.eq(self.row_0 | (self.width_less_1 == 0)),
            alone.eq(self.row_start & ~double),
            above.eq(Mux(double, 0, Mux(alone, Cat(Const(0, 1), up), up))),
        ]
        near_part, bound = Signal(bits + 2, reset_less=True), Signal(bits + 2, reset_less=True)
        value, direct = Signal(bits, reset_less=True), Signal(reset_less=True)
        doubled, nothing = Signal(reset_less=True), Signal(reset_less=True)
        with m.If(self.step):
            m.d.sync += [
                *(kept.eq(newer) for kept, newer in zip(before, [self.symbol, *before], strict=False)),
                near_part.eq(above + (Cat(self.value, Const(0, 2)) ^ odd.replicate(bits + 2)) + 1),
                # r - 1 - u for even residuals, 2 T - r - u for odd ones.
                bound.eq(Cat(self.value ^ odd.replicate(bits), odd, Const(0, 1)) + ~Cat(above, Const(0, 1))),
                value.eq(self.value),
                direct.eq(self.direct),
                doubled.eq(double),
                nothing.eq(alone),
            ]
        left, total, reaches = Signal(bits + 1), Signal(bits + 2), Signal()
        m.d.comb += [
            left.eq(Mux(doubled, Cat(Const(0, 1), before[0]), before[0] & (~nothing).replicate(bits))),
            total.eq(left + near_part),
            # The bound is signed.
            reaches.eq(bound[-1] | (left >= bound[:-1])),
        ]
        far = reaches ^ ~value[0]
        flip = ~direct & (far == value[0])
        m.d.comb += self.symbol.eq(Mux(direct | far | total[-1], value ^ flip.replicate(bits), total[1:]))
        return m
