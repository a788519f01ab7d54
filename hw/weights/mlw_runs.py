"""Zero runs of an Ethos-U weight stream: a mask with a bit for each weight, clear for a zero of a run."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.bits import any_of, picked
from hw.weights.mlw_ports import (
    LAST_BITS,
    MASK_BITS,
    SLOTS,
    Chunk,
    SliceRules,
    named,
    prefix_counts,
    shifted,
)

__all__ = ["RunDecoder"]

_FIELD_BITS = 24
_GROUP = 3
_COUNT_BITS = bits_for(SLOTS)
_MARK_BITS = bits_for(MASK_BITS - 1)


class RunDecoder(wiring.Component):
    """Masks of the runs whose remainders are in a chunk; or all ones, in a slice without runs.

    A bit of ZUNARY that is set is ``2**zdiv`` zeros, whether its run ends in this chunk or not; one that is clear is as
    many zeros as the remainder says and the weight that follows. So a chunk is at most `MASK_BITS` weights, and nothing
    is carried. Bits and remainders are put side by side in the chunk after; lengths are added up, and become a mask, in
    the cycle after. In a slice without runs a mask goes on as its chunk is taken.

    Members
    -------
    chunk, take : In
        A chunk, and that the next one follows.
    begin : In
        Forget all chunks.
    rules : In
    ones : In
        Indices that the chunk completes: so many ones, in a slice without runs.
    ready : Out
        The chunk can be taken.
    z_bits : Out
        Bits of the remainders of runs that the chunk has.
    valid, last, mask, next_last, go : Out, In, Out, Out, In
        A mask, its bits from the one after place `last` on, modulo 64; the place of its last one, not modulo 64; that
        it is taken.
    padding : Out
        Bits of ZUNARY that are set behind the last run.
    """

    def __init__(self, place_bits: int) -> None:
        super().__init__(
            {
                "chunk": In(Chunk(place_bits)),
                "rules": In(SliceRules()),
                **dict.fromkeys(("take", "begin", "go"), In(1)),
                "ones": In(_COUNT_BITS),
                **dict.fromkeys(("ready", "valid", "held"), Out(1)),
                "z_bits": Out(bits_for(_FIELD_BITS)),
                "mask": Out(MASK_BITS),
                "last": In(LAST_BITS - 1),
                "next_last": Out(LAST_BITS),
                "padding": Out(SLOTS),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        chunk, rules = self.chunk, self.rules
        bits, coarse = chunk.z_unary, Signal()
        m.d.comb += coarse.eq(rules.zdiv == 3)

        # Which bits of ZUNARY end a run, and after which of them a weight follows.
        field = Cat(chunk.runs & (~coarse if k >= 8 else 1) for k in range(SLOTS))
        before = prefix_counts(m, list(~bits & field), "before")
        ends, follows = Signal(SLOTS), Signal(SLOTS)
        behind = [named(m, chunk.z_done & (count >= chunk.z_count), f"behind_{k}") for k, count in enumerate(before)]
        for k in range(SLOTS):
            m.d.comb += [
                ends[k].eq(field[k] & ~bits[k] & ~behind[k]),
                follows[k].eq(ends[k] & ~behind[k + 1]),
                self.padding[k].eq(bits[k] & behind[k]),
            ]
        kept_valid, kept_count = Signal(), Signal(_COUNT_BITS)
        kept = Signal(data.StructLayout(dict.fromkeys(("bits", "ends", "follows"), SLOTS)), reset_less=True)
        # How many runs end before each group of bits.
        groups = [Signal.like(before[at], name=f"ended_{at}", reset_less=True) for at in range(0, SLOTS, _GROUP)]
        with m.If(self.begin):
            m.d.sync += [kept_valid.eq(0), kept_count.eq(0)]
        with m.Elif(self.take):
            m.d.sync += [kept_valid.eq(chunk.runs), kept_count.eq(chunk.z_count)]
            m.d.sync += [kept.bits.eq(bits), kept.ends.eq(ends), kept.follows.eq(follows)]
            m.d.sync += [ended.eq(count) for ended, count in zip(groups, before[::_GROUP], strict=False)]

        # Side by side with their remainders.
        fields = shifted(m, chunk.fields, chunk.w_bits, _FIELD_BITS, "fields")
        remainders = self._spread(m, fields, kept.ends, groups)
        valid = Signal()
        follows = Signal(SLOTS, reset_less=True)
        lengths = [Signal(4, name=f"length_{k}", reset_less=True) for k in range(SLOTS)]
        arrives = rules.runs & (kept_valid | chunk.leads)
        direct, marks, next_last = Signal(), Signal(MASK_BITS), Signal(LAST_BITS)
        m.d.comb += [
            direct.eq(~rules.runs & (self.ones != 0)),
            self.ready.eq(Mux(rules.runs, ~arrives | ~valid | self.go, ~direct | (~valid & self.go))),
            self.held.eq(valid),
            self.valid.eq(valid | (self.take & direct)),
            self.mask.eq(marks | (~valid).replicate(MASK_BITS)),
            self.next_last.eq(Mux(valid, next_last, self.last + self.ones)),
        ]
        with m.If(self.begin):
            m.d.sync += valid.eq(0)
        with m.Elif(self.take & arrives):
            m.d.sync += [valid.eq(1), follows.eq(Mux(chunk.leads, 1, kept.follows))]
            unit = Cat(rules.zdiv >= 1, rules.zdiv >= 2, coarse)
            for k in range(SLOTS):
                zeros = remainders[k] | (unit & kept.bits[k].replicate(3))
                length = zeros + (kept.bits[k] | kept.follows[k])
                m.d.sync += lengths[k].eq(Mux(chunk.leads, k == 0, length))
        with m.Elif(self.go):
            m.d.sync += valid.eq(0)
        self._masks(m, lengths, follows, marks, next_last)
        return m

    def _masks(self, m: Module, lengths: list[Value], follows: Value, mask: Signal, next_last: Signal) -> None:
        """The mask of lengths that are added up from the last mask's last bit on."""
        lasts = self._sums(m, [self.last, *lengths], "last")[1:]
        marks = []
        for k, last in enumerate(lasts):
            low = [last[:3] == n for n in range(8)]
            high = [(last[3:_MARK_BITS] == n) & follows[k] for n in range(8)]
            marks.append((named(m, Cat(low), f"low_{k}"), named(m, Cat(high), f"high_{k}")))
        m.d.comb += next_last.eq(lasts[-1])
        for place in range(MASK_BITS):
            m.d.comb += mask[place].eq(any_of([low[place & 7] & high[place >> 3] for low, high in marks]))

    def _spread(self, m: Module, fields: Value, ends: Value, groups: list[Value]) -> list[Value]:
        """The remainder of each bit that ends a run, 0 of others; `groups` tell how many are before each group."""
        zdiv = self.rules.zdiv
        waiting = []
        for k in range(SLOTS):
            options = [fields[w * k :][:w] & (zdiv == w).replicate(w) for w in (1, 2, 3) if w * k < _FIELD_BITS]
            waiting.append(named(m, any_of(options), f"waiting_{k}"))
        spread = []
        for number, skipped in enumerate(groups):
            at = number * _GROUP
            left = [picked(waiting[k : k + at + 1], skipped) for k in range(_GROUP)]
            for k in range(at, at + _GROUP):
                left = [named(m, value, f"waiting_{k}_{n}") for n, value in enumerate(left)]
                spread.append(named(m, left[0][:3] & ends[k].replicate(3), f"remainder_{k}"))
                left = [Mux(ends[k], late, early) for early, late in pairwise(left)]
        return spread

    def _sums(self, m: Module, values: list[Value], name: str) -> list[Value]:
        """The sum of the first 1, 2, ... values, in a tree."""
        if len(values) == 1:
            return [values[0]]
        half = (len(values) + 1) // 2
        low, high = self._sums(m, values[:half], f"{name}l"), self._sums(m, values[half:], f"{name}h")
        return low + [named(m, (low[-1] + value)[:LAST_BITS], f"{name}_{k}") for k, value in enumerate(high)]
