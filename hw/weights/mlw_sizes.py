"""How long a chunk of an Ethos-U weight stream is, and what the next one carries: the loop of the decoder."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from golden.weights.mlw_format import RAW_SYMBOLS, RAW_SYMBOLS_WIDE, RAW_WIDE_BITS, UNARY_BITS_COARSE, W_AHEAD
from hw.weights.mlw_ports import SLOTS, SliceRules, count_ones, prefix_counts, times

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
    early, ones : Out
        Bits of WUNARY0 and ZUNARY, of WUNARY1.
    base, w_bits, z_bits : Out
        Bits of all three, and of the remainders of indices and of runs.
    w_count, z_count, w_done, z_done : Out
        Symbols whose quotients end in the chunk, and whether they are the slice's last.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                **dict.fromkeys(("load", "palette", "step"), In(1)),
                "symbols": In(LEFT_BITS),
                "rules": In(SliceRules()),
                "head": In(HEAD_BITS),
                **dict.fromkeys(("indices", "runs", "first", "w_done", "z_done"), Out(1)),
                "w_bits": Out(7),
                **dict.fromkeys(("early", "z_bits"), Out(bits_for(2 * SLOTS))),
                "ones": Out(_COUNT_BITS),
                "base": Out(bits_for(HEAD_BITS)),
                **dict.fromkeys(("w_count", "z_count"), Out(_COUNT_BITS)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        rules = self.rules
        w_left, z_left = Signal(LEFT_BITS, reset_less=True), Signal(LEFT_BITS, reset_less=True)
        w_any, z_any, first = (Signal(name=name, reset_less=True) for name in ("w_any", "z_any", "first_chunk"))
        ahead = Signal(signed(6), reset_less=True)
        w_waits, z_waits = Signal(_COUNT_BITS, reset_less=True), Signal(_COUNT_BITS, reset_less=True)
        coarse, unary = Signal(), Signal()
        # Once all indices are read, or all runs, how far they are apart does not matter.
        m.d.comb += [
            self.indices.eq(w_any & (~rules.runs | ~z_any | (ahead < W_AHEAD))),
            self.runs.eq(rules.runs & z_any & (~w_any | (ahead >= 0))),
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
        with m.Switch(ones):
            for k in range(SLOTS + 1):
                with m.Case(k):
                    m.d.comb += ends.eq(SLOTS - k + still[k])
        w_full, z_full = Signal(_COUNT_BITS), Signal(_COUNT_BITS)
        wide = rules.width > RAW_WIDE_BITS
        raw_count = Mux(wide, RAW_SYMBOLS_WIDE, RAW_SYMBOLS)
        fine = (~coarse).replicate(SLOTS - UNARY_BITS_COARSE)
        zeros = Cat(~z_unary[:UNARY_BITS_COARSE], ~z_unary[UNARY_BITS_COARSE:] & fine)
        m.d.comb += [
            w_full.eq(Mux(rules.raw, raw_count, Mux(rules.truncated, SLOTS, ends))),
            z_full.eq(count_ones(m, list(zeros), "zeros")),
        ]
        w_few, z_few, early = Signal(), Signal(), Signal(bits_for(2 * SLOTS))
        m.d.comb += [
            w_few.eq(~w_left[_COUNT_BITS:].any() & (w_left[:_COUNT_BITS] <= w_full)),
            z_few.eq(~z_left[_COUNT_BITS:].any() & (z_left[:_COUNT_BITS] <= z_full)),
            self.w_count.eq(Mux(w_few, w_left, w_full) & self.indices.replicate(_COUNT_BITS)),
            self.z_count.eq(Mux(z_few, z_left, z_full) & self.runs.replicate(_COUNT_BITS)),
            self.w_done.eq(w_few),
            self.z_done.eq(z_few),
            early.eq(Mux(unary, SLOTS, 0) + Mux(self.runs, Mux(coarse, UNARY_BITS_COARSE, SLOTS), 0)),
            self.base.eq(early + ones),
            self.w_bits.eq(times(m, w_waits, rules.width, 9, "w_bits")),
            self.early.eq(early),
            self.z_bits.eq(times(m, z_waits, rules.zdiv, 3, "z_bits")),
            self.ones.eq(ones),
        ]

        # The next chunk.
        later = Signal(signed(6))
        behind = ahead - (z_full & self.runs.replicate(_COUNT_BITS))
        m.d.comb += later.eq(behind + (w_full & self.indices.replicate(_COUNT_BITS)))
        with m.If(self.step):
            m.d.sync += [
                w_left.eq(w_left - self.w_count),
                z_left.eq(z_left - self.z_count),
                w_waits.eq(self.w_count),
                z_waits.eq(self.z_count),
                first.eq(0),
                ahead.eq(later),
            ]
            with m.If(self.indices & w_few):
                m.d.sync += w_any.eq(0)
            with m.If(self.runs & z_few):
                m.d.sync += z_any.eq(0)
        with m.If(self.load):
            m.d.sync += [
                w_left.eq(self.symbols),
                z_left.eq(self.symbols + self.palette),
                Cat(w_waits, z_waits, ahead).eq(0),
                Cat(w_any, z_any, first).eq(7),
            ]
        return m
