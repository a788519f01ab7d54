"""Zero runs of an Ethos-U weight stream: a mask with a bit for each weight, clear for a zero of a run."""

from itertools import accumulate, pairwise

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.bits import any_of
from hw.weights.mlw_ports import (
    LAST_BITS,
    MASK_BITS,
    SLOTS,
    Chunk,
    SliceRules,
    named,
    shifted,
)

__all__ = ["RunDecoder"]

_FIELD_BITS = 24
_GROUP = 3
_COUNT_BITS = bits_for(SLOTS)
_PLACE_BITS = LAST_BITS - 1
_SUMMED = (1, 2, 3, 3, 1, 1)
"""How many bits' lengths are added up before it is known where they begin; but for the last one's."""


class _Lengths(data.StructLayout):
    """Zeros of the bits but for the last, as if each had a weight behind them; those of the `last` one, less 1 for each
    bit before it that has none; `whole` if it has one itself.
    """

    def __init__(self) -> None:
        super().__init__({"zeros": data.ArrayLayout(3, SLOTS - 1), "last": signed(5), "whole": 1})


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

        # Which bits of ZUNARY end a run.
        clear = [named(m, chunk.runs & ~bits[k] & (~coarse if k >= 8 else 1), f"clear_{k}") for k in range(SLOTS)]
        before: list[Value] = [Const(0, 1)]
        for k in range(SLOTS - 1):
            before.append(named(m, (before[-1] + clear[k])[: bits_for(k + 1)], f"before_{k + 1}"))
        behind = [named(m, chunk.z_done & (count >= chunk.z_count), f"behind_{k}") for k, count in enumerate(before)]
        m.d.comb += self.padding.eq(bits & Cat(behind))
        kept_valid = Signal()
        kept = Signal(data.StructLayout({"bits": SLOTS, "ends": SLOTS, "done": 1}), reset_less=True)
        # How many runs end before each group of bits.
        groups = [Signal.like(before[at], name=f"ended_{at}", reset_less=True) for at in range(_GROUP, SLOTS, _GROUP)]
        with m.If(self.begin):
            m.d.sync += kept_valid.eq(0)
        with m.Elif(self.take):
            m.d.sync += [kept_valid.eq(chunk.runs), kept.done.eq(chunk.z_done)]
            m.d.sync += [kept.bits.eq(bits), kept.ends.eq(Cat(clear) & ~Cat(behind))]
            m.d.sync += [ended.eq(count) for ended, count in zip(groups, before[_GROUP::_GROUP], strict=True)]

        valid, lengths, follows = Signal(), Signal(_Lengths(), reset_less=True), Signal(SLOTS, reset_less=True)
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

        # Side by side with their remainders. What is kept is no chunk's in front of a slice's first weight.
        fields = shifted(m, chunk.fields, chunk.w_bits, _FIELD_BITS, "fields")
        ends = named(m, kept.ends & (~chunk.leads).replicate(SLOTS), "ends")
        unit = Cat(rules.zdiv >= 1, rules.zdiv >= 2, coarse) & (~chunk.leads).replicate(3)
        remainders = self._spread(m, fields, ends, groups)
        zeros = [remainder | (unit & bit.replicate(3)) for remainder, bit in zip(remainders, kept.bits, strict=True)]
        # Bits without a weight are the last ones, from the end of the slice's last run on.
        ended: list[Value] = [kept.done]
        for k in reversed(range(1, SLOTS)):
            ended.insert(0, named(m, ended[0] & ~ends[k], f"ended_{k}"))
        final = [named(m, end & last, f"final_{k}") for k, (end, last) in enumerate(zip(ends, ended, strict=True))]
        lacks = [(chunk.leads, 1), (coarse & ~kept.done & ~chunk.leads, 8), *((end, k) for k, end in enumerate(final))]
        lack = any_of([when.replicate(5) & (number - SLOTS) % 32 for when, number in lacks if number < SLOTS - 1])
        with m.If(self.begin):
            m.d.sync += valid.eq(0)
        with m.Elif(self.take & arrives):
            m.d.sync += [
                valid.eq(1),
                follows.eq(Cat(chunk.leads, Const(0, SLOTS - 1)) | (ends & ~Cat(ended))),
                *(length.eq(value) for length, value in zip(lengths.zeros, zeros, strict=False)),
                lengths.last.eq(zeros[-1] | lack),
                lengths.whole.eq(~final[-1]),
            ]
        with m.Elif(self.go):
            m.d.sync += valid.eq(0)
        places = self._places(m, lengths)
        m.d.comb += [marks.eq(self._mask(m, places, follows)), next_last.eq(places[-1])]
        return m

    def _places(self, m: Module, lengths: Value) -> list[Value]:
        """Places of the bits' weights, modulo 64, and of the last one: each is that before, its zeros and 1.

        Mostly one after the other, as their low bits are known early: `_SUMMED` is a trade of gates for levels.
        """

        def behind(place: Value, zeros: Value, bits: int, name: str, one: Value | int = 1) -> Value:
            """The sum of all, in which `one` is carried in."""
            result = Signal(bits + 1, name=name)
            carry = one if isinstance(one, Value) else Const(one, 1)
            m.d.comb += result.eq(Cat(carry, place) + Cat(carry, zeros))
            return result[1:]

        zeros, places = lengths.zeros, [self.last]
        for start, end in pairwise(accumulate(_SUMMED, initial=0)):
            jump = zeros[start]
            for k in range(start + 1, end):
                jump = behind(jump, zeros[k], bits_for(8 * (k + 1 - start) - 1), f"jump_{k}")
            for k in range(start, end - 1):
                places.append(behind(places[-1], zeros[k], LAST_BITS, f"place_{k}"))
            places.append(behind(places[start], jump, LAST_BITS, f"place_{end - 1}"))
        last = Cat(lengths.last, lengths.last[-1].replicate(2))
        return [*places[1:], behind(places[-1], last, LAST_BITS, "place_last", lengths.whole)]

    def _mask(self, m: Module, places: list[Value], follows: Value) -> Value:
        """Ones where weights are that follow."""
        marks = []
        for k, place in enumerate(places):
            low = [place[:3] == n for n in range(8)]
            high = [(place[3:_PLACE_BITS] == n) & follows[k] for n in range(8)]
            marks.append((named(m, Cat(low), f"low_{k}"), named(m, Cat(high), f"high_{k}")))
        return Cat(any_of([low[at & 7] & high[at >> 3] for low, high in marks]) for at in range(MASK_BITS))

    def _spread(self, m: Module, fields: Value, ends: Value, groups: list[Value]) -> list[Value]:
        """The remainder of each bit that ends a run, 0 of others; `groups` tell how many are before each group."""
        zdiv = self.rules.zdiv
        waiting = []
        for k in range(SLOTS):
            options = [fields[w * k :][:w] & (zdiv == w).replicate(w) for w in (1, 2, 3) if w * k < _FIELD_BITS]
            waiting.append(named(m, any_of(options), f"waiting_{k}"))
        spread = []
        for number, skipped in enumerate([Const(0, 0), *groups]):
            at, left = number * _GROUP, waiting[: (number + 1) * _GROUP]
            # The largest step first, and no more of them than are wanted.
            for step in reversed(range(len(skipped))):
                reach, size = 1 << step, _GROUP + (1 << step) - 1
                moved = [Mux(skipped[step], late, left[k]) for k, late in enumerate(left[reach : reach + size])]
                left = [named(m, v, f"left_{at}_{step}_{k}") for k, v in enumerate([*moved, *left[len(moved) : size]])]
            for k in range(at, at + _GROUP):
                left = [named(m, value, f"waiting_{k}_{n}") for n, value in enumerate(left)]
                spread.append(named(m, left[0][:3] & ends[k].replicate(3), f"remainder_{k}"))
                left = [Mux(ends[k], late, early) for early, late in pairwise(left)]
        return spread
