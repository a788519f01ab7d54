"""How long a chunk of an Ethos-U weight stream is, and what the next one carries: the loop of the decoder."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from golden.weights.mlw_format import RAW_SYMBOLS, RAW_SYMBOLS_WIDE, RAW_WIDE_BITS, UNARY_BITS_COARSE, W_AHEAD
from hw.weights.mlw_ports import OFFSET_BITS, SLOTS, SliceRules, count_ones, named, prefix_counts, times
from hw.weights.sums import carry_save, difference, not_below, total

__all__ = ["HEAD_BITS", "LEFT_BITS", "ChunkSizer"]

HEAD_BITS = 3 * SLOTS
"""Bits of a chunk's three unary fields."""
LEFT_BITS = 16
"""Bits of a number of symbols that are left of a slice."""
_COUNT_BITS = bits_for(SLOTS)
_NEAR_BITS = 6
_ROOM_BITS = 6
"""Bits, with a sign, of how many indices may end before no more are read."""


class ChunkSizer(wiring.Component):
    """Counts the symbols of a slice.

    All that is long is short in levels: numbers that make up a chunk's length are added in carry-save form.

    Members
    -------
    load, symbols, palette : In
        A slice of so many indices begins; it sets NEWPAL. `rules` hold from the next cycle on.
    rules : In
    head, live : In
        The chunk's first bits, and that there is a chunk; else all lengths are zero.
    step : In
        Go on to the next chunk.
    indices, runs, sure, first : Out
        The chunk carries such; that it does is sure, or else will be in the next cycle; it is the slice's first.
    unary0, z_unary, unary1 : Out
        WUNARY0, ZUNARY and WUNARY1: fields that are not there and bits past ZUNARY zero; past WUNARY1 follows more.
    remainders : Out
        Bits of all remainders.
    place, other, behind : In, In, Out
        A place, and the one behind the chunk, or so many bits behind it if there is none.
    base, w_bits : Out
        Bits of the unary fields, and of the remainders of indices.
    w_count, z_count, w_done, z_done : Out
        Symbols whose quotients ended in the chunk before, and whether they are the slice's last.
    """

    def __init__(self, place_bits: int) -> None:
        self._place_bits = place_bits
        super().__init__(
            {
                **dict.fromkeys(("load", "palette", "step", "live"), In(1)),
                "symbols": In(LEFT_BITS),
                "rules": In(SliceRules()),
                "head": In(HEAD_BITS),
                **dict.fromkeys(("indices", "runs", "sure", "first", "w_done", "z_done"), Out(1)),
                **dict.fromkeys(("unary0", "z_unary", "unary1"), Out(SLOTS)),
                **dict.fromkeys(("remainders", "w_bits"), Out(OFFSET_BITS)),
                "place": In(self._place_bits),
                "other": In(bits_for(HEAD_BITS)),
                "behind": Out(self._place_bits + 1),
                "base": Out(bits_for(HEAD_BITS)),
                **dict.fromkeys(("w_count", "z_count"), Out(_COUNT_BITS)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        rules, live = self.rules, self.live
        # What ended in the chunk before is taken off in this cycle: `w_left` and `z_left` are as they were before it;
        # `w_few` and `z_few` tell that no more were left than ended, and `z_ended` is no more than were left.
        # Runs are never more than 20 symbols behind indices or 12 ahead: of their number the low bits are enough.
        sizes = {"w_left": LEFT_BITS, "z_left": _NEAR_BITS, "w_ended": _COUNT_BITS, "z_ended": _COUNT_BITS}
        w_left, z_left, w_ended, z_ended = (Signal(n, name=name, reset_less=True) for name, n in sizes.items())
        w_few, z_few, first = (Signal(name=name, reset_less=True) for name in ("w_few", "z_few", "first_chunk"))
        w_count = self.w_count
        # Indices can be read while fewer than `room` ended in the chunk before, runs if no fewer than 8 less.
        room = Signal(_ROOM_BITS, name="room", reset_less=True)
        coarse, unary, with_runs, alone = Signal(), Signal(), Signal(), Signal(name="alone", reset_less=True)
        below = named(m, ~room[-1] & (room[-2] | ~not_below(w_ended, room[:_COUNT_BITS])), "below")
        above = Cat(room[: _COUNT_BITS - 1], ~room[_COUNT_BITS - 1])
        reached = named(m, room[-1] | ~room[3:-1].any() | (~room[3:-1].all() & not_below(w_ended, above)), "reached")
        m.d.comb += [
            Cat(self.w_done, self.z_done).eq(Cat(w_few, z_few)),
            w_count.eq(Mux(w_few, w_left, w_ended)),
            self.z_count.eq(z_ended),
            # Once all indices are read, or all runs, how far they are apart does not matter.
            self.indices.eq(live & ~w_few & (~rules.runs | z_few | below)),
            # Runs are taken to be there until they are all read: the few chunks without them take a cycle more.
            with_runs.eq(rules.runs & ~z_few & ~alone),
            self.runs.eq(live & with_runs),
            self.sure.eq(~self.runs | w_few | reached),
            self.first.eq(first),
            coarse.eq(rules.zdiv == 3),
            unary.eq(self.indices & ~rules.raw),
        ]
        ones = self._lengths(m, unary, coarse, w_count, z_ended)
        behind = UNARY_BITS_COARSE + SLOTS
        late = Mux(coarse, self.head[behind : behind + SLOTS], self.head[2 * SLOTS :])
        unary1 = named(m, Mux(with_runs, late, self.head[SLOTS : 2 * SLOTS]), "unary1")
        goes = self._goes(m, unary1, ones)
        past_raw = Mux(rules.width > RAW_WIDE_BITS, SLOTS - RAW_SYMBOLS_WIDE, SLOTS - RAW_SYMBOLS)
        w_goes = Mux(rules.raw, past_raw, goes)[:_COUNT_BITS]
        fine = Cat(Const(-1, UNARY_BITS_COARSE), (~coarse).replicate(SLOTS - UNARY_BITS_COARSE))
        shown = Mux(unary, self.head[SLOTS : 2 * SLOTS], self.head[:SLOTS])
        m.d.comb += [
            self.unary0.eq(self.head[:SLOTS] & unary.replicate(SLOTS)),
            self.z_unary.eq(shown & fine & self.runs.replicate(SLOTS)),
            self.unary1.eq(unary1),
        ]
        # Runs that end are bits of ZUNARY that are clear. They are counted before it is known where they are.
        waits = [named(m, ~self.head[at : at + SLOTS] & fine, f"waits_{at}") for at in (0, SLOTS)]
        zeros = [named(m, count_ones(m, list(bits), f"zeros_{k}"), f"zeros_{k}") for k, bits in enumerate(waits)]
        z_full = named(m, Mux(unary, zeros[1], zeros[0]) & with_runs.replicate(_COUNT_BITS), "z_full")

        w_now = named(m, difference(w_left, w_ended, LEFT_BITS), "w_now")
        z_now = named(m, difference(z_left, z_ended, _NEAR_BITS), "z_now")
        w_full = difference(Const(SLOTS, _COUNT_BITS), w_goes, _COUNT_BITS) & self.indices.replicate(_COUNT_BITS)
        # Of 12 indices less those that go on are there enough? The other way round it is known earlier.
        w_low = w_now[:_COUNT_BITS]
        most = named(m, difference(Const(SLOTS, _COUNT_BITS), w_low, _COUNT_BITS), "most")
        w_none = w_few | ~w_now.any()
        w_near = ~w_now[_COUNT_BITS:].any() & not_below(Const(SLOTS, _COUNT_BITS), w_low) & self.indices
        raw_ends = w_none | (w_near & rules.raw & not_below(most, past_raw))
        w_ends = named(m, raw_ends | (w_near & ~rules.raw & not_below(most, goes)), "w_ends")
        z_near = (w_few | ~w_now[_NEAR_BITS - 1 :].any()) & ~z_now[_COUNT_BITS:].any()
        z_ends = named(m, z_near & not_below(z_full, z_now[:_COUNT_BITS]), "z_ends")
        less = named(m, difference(room, w_ended, _ROOM_BITS), "less")
        with m.If(self.step):
            m.d.sync += [
                Cat(w_left, z_left).eq(Cat(w_now & (~w_few).replicate(LEFT_BITS), z_now)),
                Cat(w_few, z_few).eq(Cat(w_ends, z_ends)),
                w_ended.eq(w_full),
                z_ended.eq(Mux(z_ends, z_now, z_full)),
                room.eq(total(less, z_full, _ROOM_BITS)),
                Cat(first, alone).eq(0),
            ]
        with m.Elif(~self.sure):
            m.d.sync += alone.eq(1)
        with m.If(self.load):
            m.d.sync += [
                w_left.eq(self.symbols),
                z_left.eq(self.symbols[:_NEAR_BITS] + self.palette),
                Cat(w_ended, z_ended, w_few, z_few, alone).eq(0),
                room.eq(W_AHEAD),
                first.eq(1),
            ]
        return m

    def _lengths(self, m: Module, unary: Signal, coarse: Signal, w_count: Value, z_count: Value) -> Value:
        """The place behind the chunk, and bits of its parts; returns how many bits WUNARY1 has."""
        bits = self._place_bits + 1
        ones, z_field = Signal(_COUNT_BITS), Signal(_COUNT_BITS)
        m.d.comb += [
            # Of WUNARY0 the bits are counted, and what else is there added, before it is known whether it is there.
            ones.eq(count_ones(m, list(self.head[:SLOTS]), "ones")),
            z_field.eq(Mux(coarse, UNARY_BITS_COARSE, SLOTS) & self.runs.replicate(_COUNT_BITS)),
        ]
        both = named(m, z_field[2:] + Const(SLOTS >> 2), "both")
        with_ones = Cat(ones[:2], total(both, ones[2:], len(self.base) - 2))
        base = named(m, Mux(unary, with_ones, z_field), "unary_bits")
        live = self.live.replicate(OFFSET_BITS)
        w_bits = named(m, times(m, w_count, self.rules.width, 9, "w") & live, "w_rest")
        z_bits = named(m, times(m, z_count, self.rules.zdiv, 3, "z") & live[:5], "z_rest")
        rests = [named(m, w_bits | self.other, "rest"), z_bits]
        early = carry_save(m, [self.place, *rests], bits)
        m.d.comb += [
            self.base.eq(base),
            self.w_bits.eq(w_bits),
            self.remainders.eq(total(*rests, OFFSET_BITS)),
            self.behind.eq(total(*carry_save(m, [base, *early], bits), bits)),
        ]
        return ones

    def _goes(self, m: Module, unary1: Value, ones: Value) -> Value:
        """How many of 12 indices do not end: bits of WUNARY1 as far as it reaches.

        For each number of bits of WUNARY1 this is counted before the number is known.
        """
        choices = prefix_counts(m, list(unary1 & (~self.rules.truncated).replicate(SLOTS)), "goes")
        for bit in range(_COUNT_BITS):
            pairs = zip(choices[::2], [*choices[1::2], choices[-1]], strict=False)
            choices = [named(m, Mux(ones[bit], odd, even), f"on_{bit}_{k}") for k, (even, odd) in enumerate(pairs)]
        return choices[0]
