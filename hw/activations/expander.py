"""Fields to symbols: the tokens of a beat, each copied to the lanes that it covers."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.tile_format import TileFormat
from hw.activations.ports import Rules, check_parameters, head_bits, mask_bits, sight_bits
from hw.bits import any_of, by_count

__all__ = ["Expander"]


class Expander(wiring.Component):
    """The symbols of a beat from the bits that follow in the payload, and how many bits they take.

    A token (count, symbol) covers ``count + 1`` lanes and finishes in the last of them. A token that does not finish
    in its beat is *pending*: it goes on at lane 0 of the next beat as the token (count left, symbol). Raw symbols are
    tokens of count 0; in zvc the lanes of the mask take a symbol each. Lanes are one-hot, so that a token's place is
    no sum.

    How many tokens a beat takes says the run of each but the last, or the mask. These are picked a beat ahead from the
    bits behind this one, so that no beat waits for its own place; a tile's first ones are in the queue's word.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int

    Members
    -------
    bits : In
        What follows in the payload.
    word, opening, waits : In
        The next word's first bits, if a tile begins there; whether one does; nothing else is in sight.
    rules, zero_point : In
    last, live : In
        The beat is its tile's last; which lanes are the tile's.
    go : In
        Go on to the next beat.
    symbols : Out
        Of the beat with the last `go`, from the cycle after it.
    run_takes, plain_takes, opens_group : Out
        Bit k: the beat takes more than k tokens, if they have runs and if not; whether a mask comes before them.
    fault : Out
        In a last beat: a run passes the tile's end, or a mask names a symbol past it.
    """

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        check_parameters(fmt, lanes)
        self._fmt, self._lanes = fmt, lanes
        super().__init__(
            {
                "bits": In(sight_bits(fmt, lanes)),
                "word": In(max(1, head_bits(fmt, lanes))),
                "opening": In(1),
                "waits": In(1),
                "rules": In(Rules(fmt)),
                "zero_point": In(fmt.word_bits),
                "last": In(1),
                "live": In(lanes),
                "go": In(1),
                "symbols": Out(data.ArrayLayout(fmt.word_bits, lanes)),
                "run_takes": Out(lanes),
                "plain_takes": Out(lanes),
                "opens_group": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes, run_bits, symbol_bits = self._lanes, self._fmt.run_bits, self._fmt.word_bits
        token_bits, group_bits = run_bits + symbol_bits, mask_bits(self._fmt)
        copies, masked, has_runs = (rule if len(rule) else Const(0) for rule in self._rules())
        live = self.live
        mask, opens_group, stray = self._masks(m, masked, has_runs, live)
        m.d.comb += self.plain_takes.eq(Cat(_sorted(list(mask))))

        # The tokens: the pending one first.
        runs, symbols = [Signal(run_bits, name="pending_run", reset_less=True)], []
        pending = Signal()
        for k in range(lanes):
            symbol = Signal(symbol_bits, name=f"symbol_{k}")
            with m.If(has_runs):
                m.d.comb += symbol.eq(self.bits[k * token_bits + run_bits :][:symbol_bits])
            with m.Elif(opens_group):
                m.d.comb += symbol.eq(self.bits[group_bits + k * symbol_bits :][:symbol_bits])
            with m.Else():
                m.d.comb += symbol.eq(self.bits[k * symbol_bits :][:symbol_bits])
            runs.append(self._run(m, k))
            symbols.append(symbol)

        # Where they start and finish, and what they cover. A token starts at the first one's lane and the lengths of
        # those between: one-hot sums in a tree, over tokens alone, since these come late and the first lane early.
        equal, above = [], []
        for k, run in enumerate(runs):
            equal.append(Signal(lanes, name=f"equal_{k}"))
            above.append(Signal(lanes + 1, name=f"above_{k}"))
            m.d.comb += equal[k].eq(Cat(run == d if d < 1 << run_bits else 0 for d in range(lanes)))
            m.d.comb += above[k].eq(Cat(run >= d if d < 1 << run_bits else 0 for d in range(lanes + 1)))
        first, room = Signal(lanes), Signal(lanes)
        m.d.comb += first.eq(Cat(~pending, equal[0][: lanes - 1] & pending.replicate(lanes - 1)))
        for t in range(lanes):
            m.d.comb += room[t].eq(any_of([first[i] & live[i + t] for i in range(lanes - t)]))
        sums: list[Value] = [Cat(1, *[0] * (lanes - 1))]
        if lanes > 1:
            sums += _prefixes(m, [Cat(0, one_hot[: lanes - 1]) for one_hot in equal[1:lanes]], "sum")
        starts: list[Value] = [Cat(pending, *[0] * (lanes - 1))]
        for k, total in enumerate(sums):
            start = Signal(lanes, name=f"start_{k}")
            for i in range(k, lanes):
                begins = [(first[i - t] & live[i] & has_runs) & total[t] for t in range(k, i + 1)]
                m.d.comb += start[i].eq(any_of(begins))
            starts.append(start)
            m.d.comb += self.run_takes[k].eq(any_of([total[t] & room[t] for t in range(k, lanes)]))
        finishes = [_sum(m, starts[k], equal[k], f"finish_{k}") for k in range(lanes + 1)]
        covers = [_sum(m, starts[k], above[k], f"cover_{k}") for k in range(lanes + 1)]
        chosen = self._ranks(m, mask)

        # What they become, one cycle later: the tokens are kept, and which of them each lane shows.
        finished, finished_mask = Signal(lanes), any_of(finishes) | mask
        zero_point = Signal(symbol_bits, reset_less=True)
        fills, tokens = Signal(lanes, reset_less=True), Signal(data.ArrayLayout(symbol_bits, lanes), reset_less=True)
        shows = [Signal(lanes, name=f"shows_{k}", reset_less=True) for k in range(lanes + 1)]
        m.d.comb += finished.eq(finished_mask)
        with m.If(self.go):
            m.d.sync += [fills.eq(~(finished | copies.replicate(lanes))), zero_point.eq(self.zero_point)]
            m.d.sync += [tokens[k].eq(symbols[k]) for k in range(lanes)]
            m.d.sync += [shows[k].eq(covers[k] | (chosen[k - 1] if k else 0)) for k in range(lanes + 1)]
        copied = Signal(data.ArrayLayout(symbol_bits, lanes))
        pending_symbol = Signal(symbol_bits, reset_less=True)
        for i in range(lanes):
            shown = [pending_symbol & shows[0][i].replicate(symbol_bits)]
            shown += [tokens[k] & shows[k + 1][i].replicate(symbol_bits) for k in range(i + 1)]
            m.d.comb += copied[i].eq(any_of(shown))
            m.d.comb += self.symbols[i].eq(Mux(fills[i], zero_point, copied[i]))
        m.d.comb += self.opens_group.eq(opens_group)

        # The one that does not finish: what it would have left from each lane is ready before its lane is known.
        going_on, left = [], []
        for k in range(lanes + 1):
            for i in range(max(0, k - 1), lanes if k else 1):
                goes_on, rest = Signal(name=f"goes_on_{k}_{i}"), Signal(run_bits, name=f"rest_{k}_{i}")
                reaches = above[k][lanes - i]
                m.d.comb += goes_on.eq(starts[k][i] & reaches)
                m.d.comb += rest.eq((runs[k] - (lanes - i)) & reaches.replicate(run_bits))
                going_on.append(goes_on)
                left.append(rest & starts[k][i].replicate(run_bits))
        with m.If(self.go):
            m.d.sync += [
                pending.eq(any_of(going_on) & ~self.last),
                runs[0].eq(any_of(left)),
                pending_symbol.eq(copied[-1]),
            ]
        m.d.comb += self.fault.eq((has_runs & ~(finished & live & ~(live >> 1)).any()) | stray)
        return m

    def _rules(self) -> tuple[Value, Value, Value]:
        return self.rules.copies, self.rules.masked, self.rules.has_runs

    def _run(self, m: Module, k: int) -> Signal:
        """The run of new token k; all but the last are registers."""
        run_bits, token_bits = self._fmt.run_bits, self._fmt.run_bits + self._fmt.word_bits
        run = Signal(run_bits, name=f"run_{k}", reset_less=True)
        if k == self._lanes - 1:
            m.d.comb += run.eq(self.bits[k * token_bits :][:run_bits])
            return run
        ahead = [self.bits[(k + taken) * token_bits :][:run_bits] for taken in range(self._lanes + 1)]
        with m.If(self.go | self.waits):
            m.d.sync += run.eq(
                Mux(self.opening, self.word[k * token_bits :][:run_bits], by_count(ahead, self.run_takes))
            )
        return run

    def _masks(self, m: Module, masked: Value, has_runs: Value, live: Value) -> tuple[Value, Value, Value]:
        """The mask of the beat, whether the beat opens a group, and whether a bit is set past the tile's last lane.

        In raw every lane of the tile is in the mask.
        """
        lanes, group_bits = self._lanes, mask_bits(self._fmt)
        mask, opens_group, stray = Signal(lanes), Signal(), Signal()
        every = live & ~(masked | has_runs).replicate(lanes)
        if not group_bits:
            m.d.comb += mask.eq(every)
            return mask, opens_group, stray
        # The mask of the group's lanes from this beat on; behind its last beat's data is the next one.
        group = Signal(group_bits, reset_less=True)
        skipped = group_bits if group_bits == lanes else 0
        ahead = [self.bits[skipped + taken * self._fmt.word_bits :][:group_bits] for taken in range(lanes + 1)]
        following: Value = by_count(ahead, self.plain_takes)
        m.d.comb += opens_group.eq(masked)
        if group_bits > lanes:
            place = Signal(ceil_log2(group_bits // lanes))
            m.d.comb += opens_group.eq(masked & (place == 0))
            following = Mux(place == group_bits // lanes - 1, following, group[lanes:])
            with m.If(self.go):
                m.d.sync += place.eq(Mux(self.last, 0, place + 1))
        with m.If(self.go | self.waits):
            m.d.sync += group.eq(Mux(self.opening, self.word[:group_bits], following))
        past = Cat(live, (~self.last).replicate(group_bits - lanes))
        m.d.comb += [
            mask.eq((group[:lanes] & masked.replicate(lanes)) | every),
            stray.eq(masked & (group & ~past).any()),
        ]
        return mask, opens_group, stray

    def _ranks(self, m: Module, mask: Value) -> list[Value]:
        """For each k the lane of the mask's set bit k, one-hot."""
        lanes = self._lanes
        ranks = [Signal(lanes, name=f"rank_{k}") for k in range(lanes)]
        before: list[Value] = [Const(1), *[Const(0)] * lanes]
        for i in range(lanes):
            for k in range(i + 1):
                m.d.comb += ranks[k][i].eq(mask[i] & before[k])
            signal = Signal(lanes + 1, name=f"before_{i + 1}")
            m.d.comb += signal.eq(Cat(Mux(mask[i], before[k - 1] if k else 0, before[k]) for k in range(i + 2)))
            before = [signal[k] for k in range(lanes + 1)]
        return ranks


def _sum(m: Module, left: Value, right: Value, name: str) -> Value:
    """The sum of two numbers that are one-hot (`right`: of a set of numbers), as wide as `left`."""
    result = Signal(len(left), name=name)
    for i in range(len(left)):
        m.d.comb += result[i].eq(any_of([left[j] & right[i - j] for j in range(i + 1)]))
    return result


def _prefixes(m: Module, numbers: list[Value], name: str) -> list[Value]:
    """The sum of the first 1, 2, ... of some one-hot numbers, in a tree."""
    if len(numbers) == 1:
        return numbers
    half = len(numbers) // 2
    low, high = _prefixes(m, numbers[:half], f"{name}l"), _prefixes(m, numbers[half:], f"{name}h")
    return [*low, *(_sum(m, low[-1], number, f"{name}_{k}") for k, number in enumerate(high))]


def _sorted(bits: list[Value]) -> list[Value]:
    """The bits that are set first: bit k tells whether more than k are set."""
    if len(bits) == 1:
        return bits
    half = len(bits) // 2
    low, high = [Const(1), *_sorted(bits[:half])], [Const(1), *_sorted(bits[half:])]
    result = []
    for k in range(1, len(bits) + 1):
        pairs = [(i, k - i) for i in range(max(0, k - half), min(k, half) + 1)]
        result.append(any_of([low[i] & high[j] for i, j in pairs]))
    return result
