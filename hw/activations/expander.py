"""Fields to symbols: the tokens of a beat, each copied to the lanes that it covers."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from golden.tile_format import TileFormat
from hw.activations.ports import MODE_SRLC, MODE_ZRLC, MODE_ZVC, check_parameters, field_bits, mask_bits

__all__ = ["Expander"]


class Expander(wiring.Component):
    """The symbols of a beat from the bits that follow in the payload, and how many bits they take.

    A token (count, symbol) covers ``count + 1`` lanes and finishes in the last of them. A token that does not finish
    in its beat is *pending*: it goes on at lane 0 of the next beat as the token (count left, symbol). Raw symbols are
    tokens of count 0; in zvc the lanes of the mask take a symbol each. Lanes are one-hot, so that a token's place is
    no sum.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int

    Members
    -------
    bits : In
        What follows in the payload.
    mode, zero_point : In
    last, tail : In
        The beat is its tile's last and ends in lane `tail`.
    go : In
        The beat is sent: go on to the next.
    symbols : Out
    size : Out
        Bits that the beat takes.
    fault : Out
        In a last beat: a run passes the tile's end, or a mask names a symbol past it.
    """

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        check_parameters(fmt, lanes)
        self._fmt, self._lanes = fmt, lanes
        bits = field_bits(fmt, lanes)
        super().__init__(
            {
                "bits": In(bits),
                "mode": In(2),
                "zero_point": In(fmt.word_bits),
                "last": In(1),
                "tail": In(ceil_log2(lanes)),
                "go": In(1),
                "symbols": Out(data.ArrayLayout(fmt.word_bits, lanes)),
                "size": Out(bits_for(bits)),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes, run_bits, word_bits = self._lanes, self._fmt.run_bits, self._fmt.word_bits
        token_bits, group_bits = run_bits + word_bits, mask_bits(self._fmt)
        copies, masked, has_runs = Signal(), Signal(), Signal()
        live, tails = Signal(lanes), Signal(lanes)
        m.d.comb += [
            copies.eq(self.mode == MODE_SRLC),
            masked.eq(self.mode == MODE_ZVC),
            has_runs.eq(copies | (self.mode == MODE_ZRLC)),
        ]
        for k in range(lanes):
            m.d.comb += [live[k].eq(~self.last | (self.tail >= k)), tails[k].eq(self.tail == k)]
        mask, opens_group, stray = self._masks(m, masked, live)

        # The tokens: the pending one first.
        runs, symbols = [Signal(run_bits, name="pending_run")], [Signal(word_bits, name="pending_symbol")]
        pending = Signal()
        for k in range(lanes):
            run, symbol = Signal(run_bits, name=f"run_{k}"), Signal(word_bits, name=f"symbol_{k}")
            m.d.comb += run.eq(self.bits[k * token_bits :][:run_bits] & has_runs.replicate(run_bits))
            with m.If(has_runs):
                m.d.comb += symbol.eq(self.bits[k * token_bits + run_bits :][:word_bits])
            with m.Elif(opens_group):
                m.d.comb += symbol.eq(self.bits[group_bits + k * word_bits :][:word_bits])
            with m.Else():
                m.d.comb += symbol.eq(self.bits[k * word_bits :][:word_bits])
            runs.append(run)
            symbols.append(symbol)

        # Where they start and finish, and what they cover.
        starts: list[Value] = [Cat(pending, *[0] * (lanes - 1))]
        finishes: list[Value] = []
        covers: list[Value] = []
        for k, run in enumerate(runs):
            name = "pending" if k == 0 else str(k - 1)
            finish, cover = Signal(lanes, name=f"finish_{name}"), Signal(lanes, name=f"cover_{name}")
            for i in range(lanes):
                reach = [starts[k][j] & (run == i - j) for j in range(i + 1) if i - j < 1 << run_bits]
                m.d.comb += finish[i].eq(_any(reach))
                m.d.comb += cover[i].eq(starts[k][i] | (cover[i - 1] & ~finish[i - 1] if i else 0))
            finishes.append(finish)
            covers.append(cover)
            begin = ~pending if k == 0 else 0
            following = Signal(lanes, name=f"start_{k}")
            m.d.comb += following.eq(Cat(begin, finish[:-1]) & live)
            starts.append(following)
        chosen = self._ranks(m, mask) if group_bits else None

        # What they become.
        finished = Signal(lanes)
        m.d.comb += finished.eq(_any(finishes))
        if chosen:
            with m.If(masked):
                m.d.comb += finished.eq(mask)
        copied = Signal(data.ArrayLayout(word_bits, lanes))
        for i in range(lanes):
            terms = []
            for k in range(min(i, lanes - 1) + 2):
                on = covers[k][i]
                if chosen:
                    on = Mux(masked, chosen[k - 1][i], on) if k else on & ~masked
                terms.append(symbols[k] & on.replicate(word_bits))
            m.d.comb += copied[i].eq(_any(terms))
            m.d.comb += self.symbols[i].eq(Mux(copies | finished[i], copied[i], self.zero_point))

        # How many are taken from the payload: all that start.
        begun = [_any([starts[k + 1][i] for i in range(lanes)]) for k in range(lanes)]
        if chosen:
            begun = [Mux(masked, chosen[k].any(), begun[k]) for k in range(lanes)]
        taken = Signal(lanes)
        m.d.comb += taken.eq(Cat(begun))
        for k in range(lanes + 1):
            at_k = (taken[k - 1] if k else 1) & (~taken[k] if k < lanes else 1)
            with m.If(at_k):
                m.d.comb += self.size.eq(Mux(has_runs, k * token_bits, k * word_bits + Mux(opens_group, group_bits, 0)))

        # The one that does not finish.
        unfinished = [cover[-1] & ~finish[-1] for cover, finish in zip(covers, finishes, strict=True)]
        run = _any([run & on.replicate(run_bits) for run, on in zip(runs, unfinished, strict=True)])
        begins = [_any([starts[k][i] & unfinished[k] for k in range(lanes + 1)]) for i in range(lanes)]
        covered = _any([Mux(begins[i], lanes - i, 0) for i in range(lanes)])
        with m.If(self.go):
            m.d.sync += [
                pending.eq(_any(unfinished) & has_runs & ~self.last),
                runs[0].eq(run - covered),
                symbols[0].eq(copied[-1]),
            ]
        m.d.comb += self.fault.eq((has_runs & ~(finished & tails).any()) | stray)
        return m

    def _masks(self, m: Module, masked: Value, live: Value) -> tuple[Value, Value, Value]:
        """The mask of the beat, whether the beat opens a group, and whether a bit is set past the tile's last lane."""
        lanes, group_bits = self._lanes, mask_bits(self._fmt)
        mask, opens_group, stray = Signal(lanes), Signal(), Signal()
        if not group_bits:
            return mask, opens_group, stray
        group = Signal(group_bits)
        m.d.comb += [opens_group.eq(masked), group.eq(self.bits)]
        if group_bits > lanes:
            place, left = Signal(ceil_log2(group_bits // lanes)), Signal(group_bits - lanes)
            with m.If(place != 0):
                m.d.comb += [opens_group.eq(0), group.eq(left)]
            with m.If(self.go):
                m.d.sync += [place.eq(Mux(self.last | ~masked, 0, place + 1)), left.eq(group[lanes:])]
        m.d.comb += [mask.eq(group), stray.eq(masked & (group & ~Cat(live, *[~self.last] * (group_bits - lanes))).any())]
        return mask, opens_group, stray

    def _ranks(self, m: Module, mask: Value) -> list[Value]:
        """For each k the lane of the mask's set bit k, one-hot."""
        lanes = self._lanes
        ranks = [Signal(lanes, name=f"rank_{k}") for k in range(lanes)]
        before: list[Value] = [1, *[0] * lanes]
        for i in range(lanes):
            for k in range(i + 1):
                m.d.comb += ranks[k][i].eq(mask[i] & before[k])
            signal = Signal(lanes + 1, name=f"before_{i + 1}")
            m.d.comb += signal.eq(Cat(Mux(mask[i], before[k - 1] if k else 0, before[k]) for k in range(i + 2)))
            before = [signal[k] for k in range(lanes + 1)]
        return ranks


def _any(values: list[Value]) -> Value:
    """The OR of some values."""
    result = values[0]
    for value in values[1:]:
        result = result | value
    return result
