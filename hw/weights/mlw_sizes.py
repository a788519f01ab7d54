"""How long a chunk of an Ethos-U weight stream is, and what the next one carries: the loop of the decoder."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from golden.weights.mlw_format import RAW_SYMBOLS, RAW_SYMBOLS_WIDE, RAW_WIDE_BITS, UNARY_BITS_COARSE, W_AHEAD
from hw.weights.mlw_ports import SLOTS, SliceRules, count_ones, named, prefix_counts, times

__all__ = ["HEAD_BITS", "LEFT_BITS", "ChunkSizer", "unary_fields"]

HEAD_BITS = 3 * SLOTS
"""Bits of a chunk's three unary fields."""
LEFT_BITS = 16
"""Bits of a number of symbols that are left of a slice."""
_COUNT_BITS = bits_for(SLOTS)


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


def _marked(m: Module, left: Value, name: str) -> Value:
    """A number of symbols that are left, and whether it is below 16."""
    number = named(m, left[:LEFT_BITS], name)
    return Cat(number, ~number[_COUNT_BITS:].any())


class ChunkSizer(wiring.Component):
    """Counts the symbols of a slice.

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
        A place, and the one that lies behind it by the bits of WUNARY0 and ZUNARY.
    ones : Out
        Bits of WUNARY1.
    base, w_bits, z_bits : Out
        Bits of all three, and of the remainders of indices and of runs.
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
                "w_bits": Out(7),
                "z_bits": Out(bits_for(2 * SLOTS)),
                "place": In(self._place_bits),
                "behind": Out(self._place_bits + 1),
                "ones": Out(_COUNT_BITS),
                "base": Out(bits_for(HEAD_BITS)),
                **dict.fromkeys(("w_count", "z_count"), Out(_COUNT_BITS)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        rules = self.rules
        # What ended in the chunk before is taken off in this cycle: `w_left` and `z_left` are as they were before it.
        w_left, z_left = Signal(LEFT_BITS, reset_less=True), Signal(LEFT_BITS, reset_less=True)
        w_ended, z_ended = Signal(_COUNT_BITS, reset_less=True), Signal(_COUNT_BITS, reset_less=True)
        w_low, z_low = Signal(reset_less=True), Signal(reset_less=True)
        behind, ahead = Signal(signed(6), reset_less=True), Signal(signed(6))
        first, coarse, unary = Signal(reset_less=True), Signal(), Signal()
        w_few, z_few = self.w_done, self.z_done
        m.d.comb += [
            w_few.eq(w_low & (w_left[:_COUNT_BITS] <= w_ended)),
            z_few.eq(z_low & (z_left[:_COUNT_BITS] <= z_ended)),
            self.w_count.eq(Mux(w_few, w_left, w_ended)),
            self.z_count.eq(Mux(z_few, z_left, z_ended)),
            ahead.eq(behind + w_ended),
            # Once all indices are read, or all runs, how far they are apart does not matter.
            self.indices.eq(~w_few & (~rules.runs | z_few | (ahead < W_AHEAD))),
            self.runs.eq(rules.runs & ~z_few & (w_few | (ahead >= 0))),
            self.first.eq(first),
            coarse.eq(rules.zdiv == 3),
            unary.eq(self.indices & ~rules.raw),
        ]
        unary0, z_unary, unary1 = unary_fields(m, self.head, unary, self.runs, coarse)

        # Indices that end are the bits of WUNARY0 without those that WUNARY1 lets go on; of all its possible lengths
        # the sums are ready before the length is.
        ones, ends = Signal(_COUNT_BITS), Signal(_COUNT_BITS)
        m.d.comb += ones.eq(count_ones(m, list(unary0), "ones"))
        still = prefix_counts(m, list(~unary1), "still")
        choices = [named(m, SLOTS - k + count, f"ends_{k}") for k, count in enumerate(still)]
        for bit in range(_COUNT_BITS):
            pairs = zip(choices[::2], [*choices[1::2], choices[-1]], strict=False)
            choices = [named(m, Mux(ones[bit], odd, even), f"ends_{bit}_{k}") for k, (even, odd) in enumerate(pairs)]
        m.d.comb += ends.eq(choices[0])
        w_full, z_full = Signal(_COUNT_BITS), Signal(_COUNT_BITS)
        wide = rules.width > RAW_WIDE_BITS
        raw_count = Mux(wide, RAW_SYMBOLS_WIDE, RAW_SYMBOLS)
        fine = (~coarse).replicate(SLOTS - UNARY_BITS_COARSE)
        zeros = Cat(~z_unary[:UNARY_BITS_COARSE], ~z_unary[UNARY_BITS_COARSE:] & fine)
        m.d.comb += [
            w_full.eq(Mux(rules.raw, raw_count, Mux(rules.truncated, SLOTS, ends))),
            z_full.eq(count_ones(m, list(zeros), "zeros")),
        ]
        with_fine = Mux(unary, self.place + 2 * SLOTS, self.place + SLOTS)
        with_coarse = Mux(unary, self.place + SLOTS + UNARY_BITS_COARSE, self.place + UNARY_BITS_COARSE)
        m.d.comb += [
            self.base.eq(Mux(unary, SLOTS, 0) + Mux(self.runs, Mux(coarse, UNARY_BITS_COARSE, SLOTS), 0) + ones),
            self.w_bits.eq(times(m, self.w_count, rules.width, 9, "w_bits")),
            # A place for each way that the first two fields may be there.
            self.behind.eq(
                Mux(self.runs, Mux(coarse, with_coarse, with_fine), Mux(unary, self.place + SLOTS, self.place))
            ),
            self.z_bits.eq(times(m, self.z_count, rules.zdiv, 3, "z_bits")),
            self.ones.eq(ones),
        ]

        w_next, z_next = _marked(m, w_left - w_ended, "w_next"), _marked(m, z_left - z_ended, "z_next")
        z_symbols = self.symbols + self.palette
        with m.If(self.step):
            m.d.sync += [
                Cat(w_left, w_low).eq(Mux(w_few, 1 << LEFT_BITS, w_next)),
                Cat(z_left, z_low).eq(Mux(z_few, 1 << LEFT_BITS, z_next)),
                w_ended.eq(w_full & self.indices.replicate(_COUNT_BITS)),
                z_ended.eq(z_full & self.runs.replicate(_COUNT_BITS)),
                behind.eq(ahead - (z_full & self.runs.replicate(_COUNT_BITS))),
                first.eq(0),
            ]
        with m.If(self.load):
            m.d.sync += [
                Cat(w_left, w_low).eq(_marked(m, self.symbols, "w_symbols")),
                Cat(z_left, z_low).eq(_marked(m, z_symbols, "z_symbols")),
                Cat(w_ended, z_ended, behind).eq(0),
                first.eq(1),
            ]
        return m
