"""Zero runs of an Ethos-U weight stream: a mask with a bit for each weight, clear for a zero of a run."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.bits import any_of
from hw.weights.mlw_ports import (
    MASK_BITS,
    REMAINDER_BITS,
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


class RunDecoder(wiring.Component):
    """Masks of the runs whose remainders are in a chunk; or all ones, in a slice without runs.

    A bit of ZUNARY that is set is ``2**zdiv`` zeros, whether its run ends in this chunk or not; one that is clear is as
    many zeros as the remainder says and the weight that follows. So a chunk is at most `MASK_BITS` weights, and nothing
    is carried. Bits and remainders are put side by side in the chunk after; lengths are added up in the cycle after.

    Members
    -------
    chunk, take : In
        A chunk, and that the next one follows.
    begin : In
        Forget all chunks.
    rules : In
    fields : In
        The chunk from its remainders on.
    ones : In
        Indices that the chunk completes: so many ones, in a slice without runs.
    ready : Out
        The chunk can be taken.
    z_bits : Out
        Bits of the remainders of runs that the chunk has.
    valid, mask, length, go : Out, Out, Out, In
        A mask, and that it is taken.
    padding : Out
        Bits of ZUNARY that are set behind the last run.
    """

    def __init__(self, place_bits: int) -> None:
        super().__init__(
            {
                "chunk": In(Chunk(place_bits)),
                "rules": In(SliceRules()),
                **dict.fromkeys(("take", "begin", "go"), In(1)),
                "fields": In(REMAINDER_BITS),
                "ones": In(_COUNT_BITS),
                **dict.fromkeys(("ready", "valid"), Out(1)),
                "z_bits": Out(bits_for(_FIELD_BITS)),
                "mask": Out(MASK_BITS),
                "length": Out(bits_for(MASK_BITS)),
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
        for k in range(SLOTS):
            behind = chunk.z_done & (before[k] >= chunk.z_count)
            final = chunk.z_done & (before[k] == chunk.z_count - 1)
            m.d.comb += [
                ends[k].eq(field[k] & ~bits[k] & ~behind),
                follows[k].eq(ends[k] & ~final),
                self.padding[k].eq(bits[k] & behind),
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
        remainders = self._spread(m, shifted(m, self.fields, chunk.w_bits, _FIELD_BITS, "fields"), kept.ends)
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

        # Added up.
        sums = self._sums(m, lengths, "sum")
        m.d.comb += self.length.eq(sums[-1])
        for place in range(MASK_BITS):
            marks = [follows[k] & (sums[k] == place + 1) for k in range(SLOTS) if k <= place < 8 * (k + 1)]
            m.d.comb += self.mask[place].eq(any_of(marks))
        return m

    def _spread(self, m: Module, fields: Value, ends: Value) -> list[Value]:
        """The remainder of each bit that ends a run, 0 of others."""
        zdiv = self.rules.zdiv
        waiting, spread = [], []
        for k in range(SLOTS):
            options = [fields[w * k :][:w] & (zdiv == w).replicate(w) for w in (1, 2, 3) if w * k < _FIELD_BITS]
            waiting.append(any_of(options))
        for k in range(SLOTS):
            slot = Signal(3, name=f"remainder_{k}")
            m.d.comb += slot.eq(waiting[0] & ends[k].replicate(3))
            spread.append(slot)
            pairs = pairwise(waiting)
            waiting = [named(m, Mux(ends[k], late, early), f"waiting_{k}_{n}") for n, (early, late) in enumerate(pairs)]
        return spread

    def _sums(self, m: Module, lengths: list[Value], name: str) -> list[Value]:
        """The sum of the first 1, 2, ... lengths, in a tree."""
        if len(lengths) == 1:
            return [lengths[0]]
        half = (len(lengths) + 1) // 2
        low, high = self._sums(m, lengths[:half], f"{name}l"), self._sums(m, lengths[half:], f"{name}h")
        sums = [(low[-1] + value)[: bits_for(8 * (half + k + 1))] for k, value in enumerate(high)]
        return low + [named(m, total, f"{name}_{k}") for k, total in enumerate(sums)]
