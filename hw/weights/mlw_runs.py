"""Zero runs of an Ethos-U weight stream: a mask with a bit for each weight, clear for a zero of a run."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, Value
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
    prefix_counts,
    shifted,
    times,
)
from hw.weights.mlw_sizes import HEAD_BITS, unary_fields

__all__ = ["RunDecoder"]

_FIELD_BITS = 24
_COUNT_BITS = bits_for(SLOTS)
_MARK_BITS = bits_for(MASK_BITS - 1)


class RunDecoder(wiring.Component):
    """Masks of the runs whose remainders are in a chunk; or all ones, in a slice without runs.

    A bit of ZUNARY that is set is ``2**zdiv`` zeros, whether its run ends in this chunk or not; one that is clear is as
    many zeros as the remainder says and the weight that follows. So a chunk is at most `MASK_BITS` weights, and nothing
    is carried. Bits and remainders are put side by side in the chunk after; lengths are added up, and become a mask, in
    the cycle after.

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
                **dict.fromkeys(("ready", "valid"), Out(1)),
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
        unary, coarse = Signal(), Signal()
        m.d.comb += [unary.eq(chunk.indices & ~rules.raw), coarse.eq(rules.zdiv == 3)]
        _, bits, _ = unary_fields(m, chunk.bits[:HEAD_BITS], unary, chunk.runs, coarse)

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
        with m.If(self.begin):
            m.d.sync += [kept_valid.eq(0), kept_count.eq(0)]
        with m.Elif(self.take):
            m.d.sync += [kept_valid.eq(chunk.runs), kept_count.eq(chunk.z_count)]
            m.d.sync += [kept.bits.eq(bits), kept.ends.eq(ends), kept.follows.eq(follows)]

        # Side by side with their remainders.
        m.d.comb += self.z_bits.eq(times(m, kept_count, rules.zdiv, 3, "z_bits"))
        remainders = self._spread(m, shifted(m, chunk.bits, chunk.middle, _FIELD_BITS, "fields"), kept.ends)
        valid = Signal()
        follows = Signal(SLOTS, reset_less=True)
        lengths = [Signal(4, name=f"length_{k}", reset_less=True) for k in range(SLOTS)]
        arrives = Mux(rules.runs, kept_valid | chunk.leads, self.ones != 0)
        m.d.comb += [self.ready.eq(~arrives | ~valid | self.go), self.valid.eq(valid)]
        with m.If(self.begin):
            m.d.sync += valid.eq(0)
        with m.Elif(self.take & arrives):
            alone = Signal(SLOTS)
            m.d.comb += alone.eq(Mux(chunk.leads, 1, Cat(self.ones > k for k in range(SLOTS))))
            from_runs = rules.runs & ~chunk.leads
            m.d.sync += [
                valid.eq(1),
                follows.eq(Mux(from_runs, kept.follows, alone)),
            ]
            unit = Cat(rules.zdiv >= 1, rules.zdiv >= 2, coarse)
            for k in range(SLOTS):
                zeros = remainders[k] | (unit & kept.bits[k].replicate(3))
                counts = Mux(from_runs, kept.bits[k] | kept.follows[k], alone[k])
                m.d.sync += lengths[k].eq((zeros & from_runs.replicate(3)) + counts)
        with m.Elif(self.go):
            m.d.sync += valid.eq(0)
        self._masks(m, lengths, follows)
        return m

    def _masks(self, m: Module, lengths: list[Value], follows: Value) -> None:
        """The mask of lengths that are added up from the last mask's last bit on."""
        lasts = self._sums(m, [self.last, *lengths], "last")[1:]
        marks = []
        for k, last in enumerate(lasts):
            low = [last[:3] == n for n in range(8)]
            high = [(last[3:_MARK_BITS] == n) & follows[k] for n in range(8)]
            marks.append((named(m, Cat(low), f"low_{k}"), named(m, Cat(high), f"high_{k}")))
        m.d.comb += self.next_last.eq(lasts[-1])
        for place in range(MASK_BITS):
            m.d.comb += self.mask[place].eq(any_of([low[place & 7] & high[place >> 3] for low, high in marks]))

    def _spread(self, m: Module, fields: Value, ends: Value) -> list[Value]:
        """The remainder of each bit that ends a run, 0 of others."""
        zdiv = self.rules.zdiv
        waiting = []
        for k in range(SLOTS):
            options = [fields[w * k :][:w] & (zdiv == w).replicate(w) for w in (1, 2, 3) if w * k < _FIELD_BITS]
            waiting.append(named(m, any_of(options), f"waiting_{k}"))
        spread = []
        for k in range(SLOTS):
            spread.append(named(m, waiting[0][:3] & ends[k].replicate(3), f"remainder_{k}"))
            pairs = pairwise(waiting)
            waiting = [named(m, Mux(ends[k], late, early), f"waiting_{k}_{n}") for n, (early, late) in enumerate(pairs)]
        return spread

    def _sums(self, m: Module, values: list[Value], name: str) -> list[Value]:
        """The sum of the first 1, 2, ... values, in a tree."""
        if len(values) == 1:
            return [values[0]]
        half = (len(values) + 1) // 2
        low, high = self._sums(m, values[:half], f"{name}l"), self._sums(m, values[half:], f"{name}h")
        return low + [named(m, (low[-1] + value)[:LAST_BITS], f"{name}_{k}") for k, value in enumerate(high)]
