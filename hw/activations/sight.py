"""The words in sight: where the next beat's bits are, and whether a tile ends where its payload does."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.tile_format import TileFormat
from hw.activations.ports import Rules, StoredWord, burst_words, check_parameters, field_bits, mask_bits, word_bits
from hw.bits import window

__all__ = ["Sight"]


class Sight(wiring.Component):
    """Two words and the queue's, and the place in them.

    The place runs over two words. Once it is past the first, the words move up with the next beat: what moves them is
    known a cycle before. Behind a tile's last word are zeros, until the tile ends; the next tile begins with the
    queue's word. If a tile ends before its last word, the rest is skipped.

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
    takes, opens_group : In
        How many tokens the beat takes (bit k: more than k), behind a mask or not.
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
                "bits": Out(field_bits(fmt, lanes)),
                "rules": Out(Rules(fmt)),
                "takes": In(lanes),
                "opens_group": In(1),
                "go": In(1),
                "final": In(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        width, words = word_bits(self._fmt, self._lanes), burst_words(self._fmt, self._lanes)
        place_bits, bits = ceil_log2(width), len(self.bits)
        # `stays` is not `moves`: each drives half of the choices.
        place, moves = Signal(place_bits, init=width - 1), Signal(init=1)
        stays, first, skips = Signal(init=0), Signal(init=1), Signal()
        # Of the two words: whether each is the tile's last (or behind it), behind the last burst, and its highest bit.
        upper, lower = Signal(width, reset_less=True), Signal(width, reset_less=True)
        upper_last, lower_last, upper_past, lower_past = (Signal() for _ in range(4))
        upper_top, lower_top = Signal(place_bits, reset_less=True), Signal(place_bits, reset_less=True)
        upper_place = Signal(ceil_log2(words), init=words - 1)
        tile_bad, rules = Signal(reset_less=True), Signal(Rules(self._fmt), reset_less=True)

        # The queue's word, zero behind the tile's last.
        sight, sight_top, wraps = Signal(width), Signal(place_bits), Signal()
        m.d.comb += [
            sight.eq(self.stored.word & (~upper_last).replicate(width)),
            sight_top.eq(self.stored.top & (~upper_last).replicate(place_bits)),
            wraps.eq(upper_place == words - 1),
            self.rules.eq(Mux(first, self.stored.rules, rules)),
            self.take.eq(Mux(skips, self.valid, self.go & moves & ~upper_last)),
            self.ready.eq(~skips & (~moves | upper_last | self.valid) & (~first | self.primed)),
        ]
        with m.If(self.go & moves):
            m.d.sync += [
                lower.eq(upper),
                lower_last.eq(upper_last),
                lower_past.eq(upper_past),
                lower_top.eq(upper_top),
                upper.eq(sight),
                upper_last.eq(upper_last | self.last),
                upper_past.eq(upper_last & (upper_past | wraps)),
                upper_top.eq(sight_top),
                upper_place.eq(upper_place + 1),
            ]
            with m.If(~upper_last):
                m.d.sync += tile_bad.eq(self.bad)

        # The bits from the place on: of the first two words or, once the place is past the first, of the last two.
        near, far = Signal(width), Signal(bits)
        near_top, far_top, top = Signal(place_bits), Signal(place_bits), Signal(place_bits + 1)
        m.d.comb += [
            near.eq(Mux(stays, lower, upper)),
            far.eq(Mux(moves, sight, upper)),
            near_top.eq(Mux(moves, upper_top, lower_top)),
            far_top.eq(Mux(moves, sight_top, upper_top)),
            top.eq(Mux(far_top != 0, Cat(far_top, 1), near_top)),
            self.bits.eq(window(near, far, place, bits)),
        ]
        # For each number of tokens the place behind them, and whether a bit is set there, are ready before the number.
        # (With a tile's last beat the place goes to the beginning of the queue's word, whatever the number.)
        choices = []
        for k in range(self._lanes + 1):
            behind, set_behind = Signal(place_bits + 1, name=f"behind_{k}"), Signal(name=f"set_behind_{k}")
            m.d.comb += [behind.eq(place + self._size(k)), set_behind.eq(top > behind)]
            choices.append(Cat(behind | self.final.replicate(place_bits + 1), behind[-1], set_behind))
        next_place, next_moves, crosses, padded = Signal(place_bits), Signal(), Signal(), Signal()
        m.d.comb += Cat(next_place, next_moves, crosses, padded).eq(_choose(choices, self.takes))
        with m.If(self.go):
            m.d.sync += [place.eq(next_place), moves.eq(next_moves), stays.eq(~next_moves)]
            m.d.sync += [first.eq(self.final), rules.eq(self.rules)]
            with m.If(self.final):
                m.d.sync += [upper_place.eq(words - 1), upper_last.eq(0), upper_past.eq(0)]

        # The word in which the tile ends must be its last; if not, words are skipped until `at_last`.
        fits = [Mux(moves, upper_last, lower_last), upper_last | (moves & self.last)]
        short = [Mux(moves, upper_past, lower_past), upper_past | (moves & upper_last & wraps)]
        long_by_end, short_by_end = Signal(2, reset_less=True), Signal(2, reset_less=True)
        ends_far, ends_padded, ends_bad, at_last = (Signal(reset_less=True) for _ in range(4))
        has_ended, too_long = Signal(), Signal()
        m.d.comb += [
            too_long.eq(Mux(ends_far, long_by_end[1], long_by_end[0])),
            self.fault.eq(too_long | Mux(ends_far, short_by_end[1], short_by_end[0]) | ends_padded | ends_bad),
            skips.eq(has_ended & too_long & ~at_last),
        ]
        with m.If(self.go):
            m.d.sync += [
                ends_far.eq(crosses),
                long_by_end.eq(~Cat(fits)),
                short_by_end.eq(Cat(short)),
                ends_padded.eq(padded),
                ends_bad.eq(Mux(upper_last, tile_bad, self.bad)),
                has_ended.eq(self.final),
                at_last.eq(fits[1]),
            ]
        with m.Elif(skips & self.valid):
            m.d.sync += at_last.eq(self.last)
        return m

    def _size(self, tokens: int) -> Value:
        """Bits of a number of tokens and their mask."""
        symbol_bits, group_bits = tokens * self._fmt.word_bits, mask_bits(self._fmt)
        plain = Mux(self.opens_group, group_bits + symbol_bits, symbol_bits)
        return Mux(self.rules.has_runs, tokens * self._fmt.run_bits + symbol_bits, plain)


def _choose(choices: list[Value], takes: Value) -> Value:
    """The choice whose number is how many bits of `takes` are set, from bit 0 without a gap."""
    if len(choices) == 1:
        return choices[0]
    half = len(choices) // 2
    return Mux(takes[half - 1], _choose(choices[half:], takes[half:]), _choose(choices[:half], takes))
