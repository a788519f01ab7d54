"""How long a chunk of an Ethos-U weight stream is, and what the next one carries: the loop of the decoder."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from golden.weights.mlw_format import RAW_SYMBOLS, RAW_SYMBOLS_WIDE, RAW_WIDE_BITS, UNARY_BITS_COARSE, W_AHEAD
from hw.weights.mlw_ports import OFFSET_BITS, SLOTS, SliceRules, count_ones, named, prefix_counts, times
from hw.weights.sums import carry_save, difference, not_below, total

__all__ = ["HEAD_BITS", "LEFT_BITS", "ChunkSizer", "unary_fields"]

HEAD_BITS = 3 * SLOTS
"""Bits of a chunk's three unary fields."""
LEFT_BITS = 16
"""Bits of a number of symbols that are left of a slice."""
_COUNT_BITS = bits_for(SLOTS)
_NEAR_BITS = 6
_APART_BITS = 6
"""Bits, with a sign, of how many symbols indices are ahead of runs."""


def unary_fields(m: Module, head: Value, indices: Value, runs: Value, coarse: Value) -> tuple[Signal, Signal, Signal]:
    """WUNARY0, ZUNARY and WUNARY1, fields that are not there and bits past ZUNARY zero; past WUNARY1 follows more."""
    unary0, z_unary, unary1 = Signal(SLOTS), Signal(SLOTS), Signal(SLOTS)
    fine = (~coarse).replicate(SLOTS - UNARY_BITS_COARSE)
    shown = Mux(indices, head[SLOTS : 2 * SLOTS], head[:SLOTS]) & runs.replicate(SLOTS)
    behind = SLOTS + UNARY_BITS_COARSE
    m.d.comb += [
        unary0.eq(head[:SLOTS] & indices.replicate(SLOTS)),
        z_unary.eq(Cat(shown[:UNARY_BITS_COARSE], shown[UNARY_BITS_COARSE:] & fine)),
        unary1.eq(Mux(runs, Mux(coarse, head[behind : behind + SLOTS], head[2 * SLOTS :]), head[SLOTS : 2 * SLOTS])),
    ]
    return unary0, z_unary, unary1


class ChunkSizer(wiring.Component):
    """Counts the symbols of a slice.

    All that is long is short in levels: numbers that make up a chunk's length are added in carry-save form, of lengths
    that depend on one late bit both are worked out.

    Members
    -------
    load, symbols, palette : In
        A slice of so many indices begins; it sets NEWPAL. `rules` hold from the next cycle on.
    rules : In
    head : In
        The chunk's first bits.
    step : In
        Go on to the next chunk.
    indices, runs, first : Out
        The chunk carries such; it is the slice's first.
    place, behind : In, Out
        A place, and the one behind the chunk.
    base, middle : Out
        Bits of the unary fields, and of these and the remainders of indices.
    w_count, z_count, w_done, z_done : Out
        Symbols whose quotients ended in the chunk before, and whether they are the slice's last.
    """

    def __init__(self, place_bits: int) -> None:
        self._place_bits = place_bits
        super().__init__(
            {
                **dict.fromkeys(("load", "palette", "step"), In(1)),
                "symbols": In(LEFT_BITS),
                "rules": In(SliceRules()),
                "head": In(HEAD_BITS),
                **dict.fromkeys(("indices", "runs", "first", "w_done", "z_done"), Out(1)),
                "middle": Out(OFFSET_BITS),
                "place": In(self._place_bits),
                "behind": Out(self._place_bits + 1),
                "base": Out(bits_for(HEAD_BITS)),
                **dict.fromkeys(("w_count", "z_count"), Out(_COUNT_BITS)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        rules = self.rules
        # What ended in the chunk before is taken off in this cycle: `w_left` and `z_left` are as they were before it.
        # Runs are never more than 20 symbols behind indices or 12 ahead: of their number the low bits are enough.
        w_left, z_left = Signal(LEFT_BITS, reset_less=True), Signal(_NEAR_BITS, reset_less=True)
        w_ended, z_ended = Signal(_COUNT_BITS, reset_less=True), Signal(_COUNT_BITS, reset_less=True)
        w_low, z_low = Signal(reset_less=True), Signal(reset_less=True)
        apart, ahead = Signal(_APART_BITS, reset_less=True), Signal(_APART_BITS)
        first, coarse, unary = Signal(reset_less=True), Signal(), Signal()
        w_few, z_few = self.w_done, self.z_done
        m.d.comb += [
            w_few.eq(w_low & not_below(w_ended, w_left[:_COUNT_BITS])),
            z_few.eq(z_low & not_below(z_ended, z_left[:_COUNT_BITS])),
            self.w_count.eq(Mux(w_few, w_left, w_ended)),
            self.z_count.eq(Mux(z_few, z_left, z_ended)),
            ahead.eq(total(apart, w_ended, _APART_BITS)),
            # Once all indices are read, or all runs, how far they are apart does not matter.
            self.indices.eq(~w_few & (~rules.runs | z_few | ahead[-1] | (ahead < W_AHEAD))),
            self.runs.eq(rules.runs & ~z_few & (w_few | ~ahead[-1])),
            self.first.eq(first),
            coarse.eq(rules.zdiv == 3),
            unary.eq(self.indices & ~rules.raw),
        ]
        fields = unary_fields(m, self.head, unary, self.runs, coarse)
        w_bits = self._product(m, "w", (w_left, w_ended), w_few, rules.width, 9)
        z_bits = self._product(m, "z", (z_left, z_ended), z_few, rules.zdiv, 3)
        ones = self._lengths(m, unary, coarse, w_bits, z_bits)
        w_full, goes = self._ended(m, fields[2], ones), Signal(SLOTS)
        # Runs that end are bits of ZUNARY that are clear.
        field = Mux(coarse, UNARY_BITS_COARSE, SLOTS)
        m.d.comb += goes.eq(fields[1])
        waits = named(m, count_ones(m, list(goes), "goes"), "waits")
        z_full = named(m, difference(field, waits, _COUNT_BITS), "z_full")
        turn = 1 << _APART_BITS
        rows = [ahead, waits, Mux(coarse, turn - UNARY_BITS_COARSE, turn - SLOTS)]
        gone = named(m, total(*carry_save(m, rows, _APART_BITS), _APART_BITS), "gone")

        w_next = named(m, (w_left - w_ended)[:LEFT_BITS], "w_next")
        z_next = named(m, (z_left - z_ended)[:_NEAR_BITS], "z_next")
        z_symbols = named(m, (self.symbols + self.palette)[:_NEAR_BITS], "z_symbols")

        def lows(w: Value, z: Value, w_none: Value | int = 0) -> tuple[Value, Value]:
            """Whether fewer than 16 are left."""
            high = ~w[_NEAR_BITS - 1 :].any() | w_none
            return ~w[_COUNT_BITS:].any() | w_none, high & ~z[_COUNT_BITS:].any()

        w_lows, z_lows = lows(w_next, z_next, w_few)
        with m.If(self.step):
            m.d.sync += [
                w_left.eq(Mux(w_few, 0, w_next)),
                z_left.eq(Mux(z_few, 0, z_next)),
                Cat(w_low, z_low).eq(Cat(w_lows, z_lows | z_few)),
                w_ended.eq(w_full),
                z_ended.eq(z_full & self.runs.replicate(_COUNT_BITS)),
                apart.eq(Mux(self.runs, gone, ahead)),
                first.eq(0),
            ]
        with m.If(self.load):
            m.d.sync += [
                w_left.eq(self.symbols),
                z_left.eq(z_symbols),
                Cat(w_low, z_low).eq(Cat(lows(self.symbols, z_symbols))),
                Cat(w_ended, z_ended, apart).eq(0),
                first.eq(1),
            ]
        return m

    def _lengths(self, m: Module, unary: Signal, coarse: Signal, w_bits: Value, z_bits: Value) -> Value:
        """The place behind the chunk, and bits of its parts; returns how many bits WUNARY1 has."""
        # Of WUNARY0 the bits are counted before it is known whether it is there.
        ones, shown = Signal(_COUNT_BITS), Signal(_COUNT_BITS)
        m.d.comb += [
            shown.eq(count_ones(m, list(self.head[:SLOTS]), "ones")),
            ones.eq(shown & unary.replicate(_COUNT_BITS)),
        ]
        known = Signal(bits_for(2 * SLOTS))
        both = Mux(coarse, SLOTS + UNARY_BITS_COARSE, 2 * SLOTS)
        alone = Mux(coarse, UNARY_BITS_COARSE, SLOTS)
        m.d.comb += known.eq(Mux(unary, Mux(self.runs, both, SLOTS), Mux(self.runs, alone, 0)))
        bits = self._place_bits + 1
        early = carry_save(m, [self.place, z_bits, w_bits], bits)
        late = carry_save(m, [known, *early], bits)
        m.d.comb += [
            self.behind.eq(total(*carry_save(m, [ones, *late], bits), bits)),
            self.base.eq(total(known, ones, len(self.base))),
            self.middle.eq(total(*carry_save(m, [known, w_bits, ones], OFFSET_BITS), OFFSET_BITS)),
        ]
        return ones

    def _product(self, m: Module, name: str, counts: tuple[Value, Value], few: Value, width: Value, most: int) -> Value:
        """Bits of the remainders: which of the two numbers of symbols counts is known late."""
        last, more = (times(m, count[:_COUNT_BITS], width, most, f"{name}_{k}") for k, count in enumerate(counts))
        return named(m, Mux(few, last, more), f"{name}_product")

    def _ended(self, m: Module, unary1: Value, ones: Value) -> Value:
        """Indices that end: bits of WUNARY0 but those that WUNARY1 lets go on, as far as it reaches.

        For each number of bits of WUNARY1 this is counted down before the number is known. Raw slices have none, and
        a chunk without indices another number in that place.
        """
        rules = self.rules
        raw_count = Mux(rules.width > RAW_WIDE_BITS, RAW_SYMBOLS_WIDE, RAW_SYMBOLS)
        none = Mux(self.indices, Mux(rules.raw, raw_count, SLOTS), 0)
        choices = [none, *self._left(m, list(unary1 & (~rules.truncated).replicate(SLOTS)), "left")]
        for bit in range(_COUNT_BITS):
            pairs = zip(choices[::2], [*choices[1::2], choices[-1]], strict=False)
            choices = [named(m, Mux(ones[bit], odd, even), f"on_{bit}_{k}") for k, (even, odd) in enumerate(pairs)]
        return named(m, choices[0], "w_full")

    def _left(self, m: Module, bits: list[Value], name: str) -> list[Value]:
        """What 12 indices less the set ones of the first 1, 2, ... bits are."""
        counts = prefix_counts(m, bits, name)[1:]
        return [named(m, (SLOTS - count)[:_COUNT_BITS], f"{name}_{k}_of") for k, count in enumerate(counts)]
