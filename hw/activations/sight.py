"""The words in sight: where the next beat's bits are, and whether a tile ends where its payload does."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.tile_format import TileFormat
from hw.activations.ports import Rules, StoredWord, burst_words, check_parameters, mask_bits, sight_bits, word_bits
from hw.bits import by_count, window

__all__ = ["Sight"]


class Sight(wiring.Component):
    """Two words and the queue's, and the place in them.

    The place runs over the first word. With the beat that passes its end the words move up, and the queue's becomes the
    second; so a beat that is not its tile's last goes only if the queue has a word. Behind a tile's last word are
    zeros, until the tile ends; with its last beat the next tile's first word moves up, or is waited for. If a tile ends
    before its last word, the rest is skipped.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int

    Members
    -------
    valid, stored, last, bad, primed : In
        From the queue.
    take : Out
    ready : Out
        The bits of a beat are there.
    bits, rules : Out
        The bits that follow, and how to read them.
    waits, opening : Out
        Nothing is in sight; the queue's word is a tile's first.
    run_takes, plain_takes, opens_group : In
        How many tokens the beat takes (bit k: more than k) where they have runs and where not; behind a mask or not.
    go, final : In
        Go on to the next beat; this one is its tile's last.
    fault : Out
        Of the beat with the last `go`, if it was its tile's last: payload too long, too short, bits set behind its
        end, or `bad`.
    """

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        check_parameters(fmt, lanes)
        self._fmt, self._lanes = fmt, lanes
        super().__init__(
            {
                "valid": In(1),
                "stored": In(StoredWord(fmt, lanes)),
                "last": In(1),
                "bad": In(1),
                "primed": In(1),
                "take": Out(1),
                "ready": Out(1),
                "bits": Out(sight_bits(fmt, lanes)),
                "opening": Out(1),
                "waits": Out(1),
                "rules": Out(Rules(fmt)),
                "run_takes": In(lanes),
                "plain_takes": In(lanes),
                "opens_group": In(1),
                "go": In(1),
                "final": In(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        width, words = word_bits(self._fmt, self._lanes), burst_words(self._fmt, self._lanes)
        place_bits = ceil_log2(width)
        place = Signal(place_bits, init=width - 1)
        # Of the two words: whether each is the tile's last (or behind it), behind the last burst, and its highest bit.
        upper, lower = Signal(width, reset_less=True), Signal(width, reset_less=True)
        upper_last, lower_last, upper_past, lower_past = (Signal() for _ in range(4))
        upper_top, lower_top = Signal(place_bits, reset_less=True), Signal(place_bits, reset_less=True)
        upper_place = Signal(ceil_log2(words))
        tile_bad, rules = Signal(reset_less=True), Signal(Rules(self._fmt), reset_less=True)

        next_place, next_moves, crosses, padded = Signal(place_bits), Signal(), Signal(), Signal()
        top = Signal(place_bits + 1)
        m.d.comb += top.eq(Mux(upper_top != 0, Cat(upper_top, 1), lower_top))
        m.d.comb += Cat(next_place, next_moves, crosses, padded).eq(self._next(m, place, top))

        # The words move up. `waits`: the upper one is still to come; it is a tile's first then, as is what comes
        # with a tile's last beat. If that beat is in sight but the tile's last word is not, words are skipped.
        waits, skips = Signal(init=1), Signal()
        opening, past, here, moves = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            opening.eq(waits | self.final),
            past.eq(upper_last & ~opening),
            here.eq(self.valid & ~skips & (~opening | (self.primed & (waits | upper_last)))),
            moves.eq(self.go & next_moves),
            # `next_moves` is what comes last.
            self.take.eq(Mux(skips, self.valid, waits & here) | (self.go & here & ~past & next_moves)),
            self.ready.eq(~waits & (self.final | upper_last | self.valid)),
            self.rules.eq(rules),
            self.bits.eq(window(lower, Cat(upper, self.stored.word & (~past).replicate(width)), place, len(self.bits))),
            self.opening.eq(opening),
            self.waits.eq(waits),
        ]
        with m.If(waits | moves):
            m.d.sync += [
                waits.eq(~here & ~past),
                upper.eq(self.stored.word & (~past).replicate(width)),
                upper_top.eq(self.stored.top & (~past).replicate(place_bits)),
                upper_last.eq(past | self.last),
                upper_past.eq(past & (upper_past | (upper_place == words - 1))),
            ]
            with m.If(~past):
                m.d.sync += tile_bad.eq(self.bad)
            with m.If(opening):
                m.d.sync += rules.eq(self.stored.rules)
        with m.If(moves):
            m.d.sync += [
                lower.eq(upper),
                lower_top.eq(upper_top),
                lower_last.eq(upper_last),
                lower_past.eq(upper_past),
                upper_place.eq(Mux(self.final, 0, upper_place + 1)),
            ]
        with m.If(self.go):
            m.d.sync += [place.eq(next_place), skips.eq(self.final & ~upper_last)]
        with m.Elif(self.valid & self.last):
            m.d.sync += skips.eq(0)

        # The word in which the tile ends must be its last.
        long_by_end, short_by_end = Signal(2, reset_less=True), Signal(2, reset_less=True)
        ends_upper, ends_padded, ends_bad = (Signal(reset_less=True) for _ in range(3))
        m.d.comb += self.fault.eq(
            Mux(ends_upper, long_by_end[1] | short_by_end[1], long_by_end[0] | short_by_end[0]) | ends_padded | ends_bad
        )
        with m.If(self.go):
            m.d.sync += [
                ends_upper.eq(crosses),
                long_by_end.eq(~Cat(lower_last, upper_last)),
                short_by_end.eq(Cat(lower_past, upper_past)),
                ends_padded.eq(padded),
                ends_bad.eq(tile_bad),
            ]
        return m

    def _next(self, m: Module, place: Value, top: Value) -> Value:
        """The next place; whether words move up; whether the beat crosses to the second, and a bit is set behind it.

        All this is ready for each number of tokens before the number. With a tile's last beat the place goes to the
        beginning of the next word, whatever the number.
        """
        has_runs = self.rules.has_runs.any()
        runs, plain = [], []
        for k in range(self._lanes + 1):
            symbol_bits, group_bits = k * self._fmt.word_bits, mask_bits(self._fmt)
            behind_run, behind_plain = (Signal(len(top), name=f"behind_{name}_{k}") for name in ("run", "plain"))
            m.d.comb += [
                behind_run.eq(place + k * self._fmt.run_bits + symbol_bits),
                behind_plain.eq(place + Mux(self.opens_group, group_bits + symbol_bits, symbol_bits)),
            ]
            set_behind = top > Mux(has_runs, behind_run, behind_plain)
            for behind, rule, choices in ((behind_run, has_runs, runs), (behind_plain, ~has_runs, plain)):
                choices.append(Cat(behind, behind[-1], set_behind) & rule.replicate(len(top) + 2))
        chosen = by_count(runs, self.run_takes) | by_count(plain, self.plain_takes)
        return chosen | self.final.replicate(len(top))
