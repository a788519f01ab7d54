"""Indices of an Ethos-U weight stream: quotients and remainders of a chunk."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from golden.weights.mlw_format import RAW_SYMBOLS_WIDE
from hw.bits import any_of
from hw.weights.mlw_ports import (
    INDEX_BITS,
    SLOTS,
    Chunk,
    SliceRules,
    named,
)

__all__ = ["IndexDecoder"]

_SHIFTS = 6
_WIDEST = 9
_CARRY_BITS = 9
_COUNT_BITS = bits_for(SLOTS)


class IndexDecoder(wiring.Component):
    """The indices whose remainders are in a chunk, in their order.

    The quotients that end in a chunk are moved together and kept; the next chunk, even if it is a cycle later or more,
    brings their remainders. A quotient that goes on is carried along.

    Members
    -------
    chunk, take : In
        A chunk, and that the next one follows.
    begin : In
        Forget all chunks.
    rules : In
    count, indices : Out
        Indices that this chunk completes.
    padding : Out
        Bits of WUNARY0 that are set behind the last index.
    """

    def __init__(self, place_bits: int) -> None:
        super().__init__(
            {
                "chunk": In(Chunk(place_bits)),
                "rules": In(SliceRules()),
                **dict.fromkeys(("take", "begin"), In(1)),
                "count": Out(_COUNT_BITS),
                "indices": Out(data.ArrayLayout(INDEX_BITS, SLOTS)),
                "padding": Out(SLOTS),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        chunk, rules = self.chunk, self.rules
        kept = self._quotients(m)
        with m.If(self.begin):
            m.d.sync += self.count.eq(0)
        with m.Elif(self.take):
            m.d.sync += self.count.eq(chunk.w_count)

        fields = chunk.fields
        of_width = [rules.width == width for width in range(_WIDEST + 1)]
        of_shift = [~rules.raw & (rules.wdiv == shift) for shift in range(_SHIFTS)]
        for k in range(SLOTS):
            widest = _WIDEST if k < RAW_SYMBOLS_WIDE else _SHIFTS - 1
            if k == 0:
                parts = [fields[:_WIDEST] & Cat(rules.width > bit for bit in range(_WIDEST))]
            else:
                parts = [fields[w * k :][:w] & of_width[w].replicate(w) for w in range(1, widest + 1)]
            parts += [Cat(Const(0, s), kept[k] & of_shift[s].replicate(len(kept[k]))) for s in range(_SHIFTS)]
            index = named(m, any_of(parts), f"index_{k}")
            m.d.comb += self.indices[k].eq(Cat(index[: INDEX_BITS - 1], index[INDEX_BITS - 1 :].any()))
        return m

    def _quotients(self, m: Module) -> list[Value]:
        """Quotients that ended in the chunk before; keeps those of this one."""
        chunk, rules = self.chunk, self.rules
        unary = Signal()
        m.d.comb += unary.eq(chunk.indices & ~rules.raw)
        unary0, unary1 = chunk.unary0, chunk.unary1
        twice, waiting = Signal(SLOTS), unary1
        for bit in range(SLOTS):
            m.d.comb += twice[bit].eq(unary0[bit] & waiting[0])
            if bit < SLOTS - 1:
                waiting = named(m, Mux(unary0[bit], waiting[1:], waiting[: SLOTS - bit - 1]), f"waiting_{bit}")
        goes_on = Signal(SLOTS)
        m.d.comb += goes_on.eq(twice & (~rules.truncated).replicate(SLOTS))
        before: list[Value] = [Const(0, 1)]
        # In a chain, as they are known one after the other.
        for bit in range(SLOTS):
            more = (before[-1] + twice[bit])[: bits_for(bit + 1)]
            before.append(named(m, more, f"before_{bit}"))
        for bit in range(SLOTS):
            ended = chunk.w_count + (before[bit] & (~rules.truncated).replicate(len(before[bit])))
            m.d.comb += self.padding[bit].eq(unary0[bit] & chunk.w_done & (ended <= bit))

        # Moved together: each by the bits before it that go on, the smallest steps first. What has moved away stays
        # behind, too, but is no symbol. Where quotients end at 2, all bits are symbols and stay.
        rows = [Cat(unary0[bit] & ~twice[bit], before[bit + 1], Const(0, 4))[:5] for bit in range(SLOTS)]
        lives = [~(twice[bit] | rules.truncated) for bit in range(SLOTS)]
        for step in range(4):
            reach = 1 << step
            comes = [lives[slot] & rows[slot][1 + step] for slot in range(SLOTS)] + [Const(0, 1)] * SLOTS
            moved = [Mux(comes[k + reach], rows[min(k + reach, SLOTS - 1)], rows[k]) for k in range(SLOTS)]
            stays = [comes[k + reach] | (lives[k] & ~rows[k][1 + step]) for k in range(SLOTS)]
            rows = [named(m, row, f"moved_{step}_{k}") for k, row in enumerate(moved)]
            lives = [named(m, live, f"lives_{step}_{k}") for k, live in enumerate(stays)]

        # A quotient is twice what the bits up to its own have grown by, and its last bit. The first one goes on from
        # the chunks before.
        carry = Signal(_CARRY_BITS)
        trailing = [Const(1, 1)]
        for bit in reversed(range(SLOTS)):
            trailing.append(named(m, trailing[-1] & goes_on[bit], f"trailing_{bit}"))
        late = any_of([(trailing[k] & ~trailing[k + 1]).replicate(4) & k for k in range(1, SLOTS)])
        longer = (carry[:-1] + SLOTS)[:_CARRY_BITS]
        with m.If(self.begin):
            m.d.sync += carry.eq(0)
        with m.Elif(self.take & unary):
            m.d.sync += carry.eq(Mux(~trailing[-1], late, Cat(longer[:-1], longer[-1] | carry[-1])))

        widths = [max(1, bits_for(SLOTS - 1 - k)) for k in range(SLOTS)]
        grown = [Signal(width, name=f"grown_{k}", reset_less=True) for k, width in enumerate(widths)]
        last, begun = Signal(SLOTS, reset_less=True), Signal(_CARRY_BITS, reset_less=True)
        with m.If(self.take):
            m.d.sync += [
                last.eq(Cat(row[0] for row in rows)),
                begun.eq(carry),
                *(bits.eq(row[1:]) for bits, row in zip(grown, rows, strict=True)),
            ]
        first = (begun[:-1] + grown[0])[:_CARRY_BITS]
        first = named(m, Cat(first[:-1], first[-1] | begun[-1]), "first")
        kept = []
        for k in range(SLOTS):
            since = first if k == 0 else named(m, (grown[k] - grown[k - 1])[: widths[k]], f"since_{k}")
            kept.append(Cat(last[k], since))
        return kept
