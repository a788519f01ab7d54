"""Indices of an Ethos-U weight stream: quotients and remainders of a chunk to weights."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from golden.weights.mlw_format import PALETTE_ENTRIES, RAW_SYMBOLS_WIDE
from hw.bits import any_of
from hw.weights.mlw_ports import (
    REMAINDER_BITS,
    SLOTS,
    V_BITS,
    Chunk,
    SliceRules,
    first_of,
    named,
    prefix_counts,
    shifted,
)
from hw.weights.mlw_sizes import HEAD_BITS, unary_fields

__all__ = ["IndexDecoder"]

_SHIFTS = 6
_WIDEST = 9
_Q_BITS = 5
"""Bits of a quotient that begins in its chunk: at most 2 x 11 + 1, or 2 + 1 truncated."""
_CARRY_BITS = 9
_COUNT_BITS = bits_for(SLOTS)


class IndexDecoder(wiring.Component):
    """Weights of the indices whose remainders are in a chunk, in their order.

    The quotients that end in a chunk are moved together and kept; the next chunk, even if it is a cycle later or more,
    brings their remainders. A quotient that goes on is carried along.

    Members
    -------
    chunk, take : In
        A chunk, and that the next one follows.
    begin : In
        Forget all chunks.
    rules, narrow : In
    store, entry, v : In
        Entry `entry` of the palette becomes `v`.
    fields : Out
        The chunk from its remainders on.
    count, weights : Out
        Weights that this chunk completes.
    wrong : Out
        Which of them are past -255..255, or past -128..127 and `narrow` is set.
    padding : Out
        Bits of WUNARY0 that are set behind the last index.
    """

    def __init__(self, place_bits: int) -> None:
        super().__init__(
            {
                "chunk": In(Chunk(place_bits)),
                "rules": In(SliceRules()),
                **dict.fromkeys(("take", "begin", "narrow", "store"), In(1)),
                "entry": In(ceil_log2(PALETTE_ENTRIES)),
                "v": In(V_BITS),
                "fields": Out(REMAINDER_BITS),
                "count": Out(_COUNT_BITS),
                "weights": Out(data.ArrayLayout(signed(V_BITS), SLOTS)),
                "wrong": Out(SLOTS),
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

        fields = self.fields
        m.d.comb += fields.eq(shifted(m, chunk.bits, chunk.base, REMAINDER_BITS, "shifted"))
        of_width = [rules.width == width for width in range(_WIDEST + 1)]
        of_shift = [~rules.raw & (rules.wdiv == shift) for shift in range(_SHIFTS)]
        palette = self._palette(m)
        for k in range(SLOTS):
            valid = Signal(name=f"valid_{k}")
            index = Signal(2 * _WIDEST if k == 0 else _WIDEST + 1, name=f"index_{k}")
            widest = _WIDEST if k < RAW_SYMBOLS_WIDE else _SHIFTS - 1
            parts = [fields[k * w :][:w] & of_width[w].replicate(w) for w in range(1, widest + 1)]
            parts += [Cat(Const(0, s), kept[k] & of_shift[s].replicate(len(kept[k]))) for s in range(_SHIFTS)]
            m.d.comb += [valid.eq(self.count > k), index.eq(any_of(parts))]
            self._weight(m, k, index, valid, palette)
        return m

    def _quotients(self, m: Module) -> list[Value]:
        """Quotients that ended in the chunk before; keeps those of this one."""
        chunk, rules = self.chunk, self.rules
        unary = Signal()
        m.d.comb += unary.eq(chunk.indices & ~rules.raw)
        unary0, _, unary1 = unary_fields(m, chunk.bits[:HEAD_BITS], unary, chunk.runs, rules.zdiv == 3)
        twice, waiting = Signal(SLOTS), unary1
        for bit in range(SLOTS):
            m.d.comb += twice[bit].eq(unary0[bit] & waiting[0])
            waiting = named(m, Mux(unary0[bit], waiting[1:], waiting[: SLOTS - bit - 1]), f"waiting_{bit}")
        goes_on = Signal(SLOTS)
        m.d.comb += goes_on.eq(twice & (~rules.truncated).replicate(SLOTS))
        before = prefix_counts(m, list(goes_on), "goes")
        for bit in range(SLOTS):
            m.d.comb += self.padding[bit].eq(unary0[bit] & chunk.w_done & (chunk.w_count + before[bit] <= bit))

        # Moved together: each by the bits before it that go on, the smallest steps first. What has moved away stays
        # behind, too, but is no symbol.
        rows = [Cat(unary0[bit] & ~twice[bit], before[bit], Const(0, 4))[:5] for bit in range(SLOTS)]
        lives = [~goes_on[bit] for bit in range(SLOTS)]
        for step in range(4):
            comes = [lives[slot] & rows[slot][1 + step] for slot in range(SLOTS)] + [Const(0, 1)] * SLOTS
            reach = 1 << step
            moved = [Mux(comes[k + reach], rows[min(k + reach, SLOTS - 1)], rows[k]) for k in range(SLOTS)]
            stays = [comes[k + reach] | (lives[k] & ~rows[k][1 + step]) for k in range(SLOTS)]
            rows = [named(m, row, f"moved_{step}_{k}") for k, row in enumerate(moved)]
            lives = [named(m, live, f"lives_{step}_{k}") for k, live in enumerate(stays)]

        # A quotient is twice what the bits before it have grown by, and its last bit. The first one goes on from the
        # chunks before.
        carry, begun, ends = Signal(_CARRY_BITS), Signal(_CARRY_BITS), ~goes_on.all()
        leading, trailing = first_of(~goes_on), first_of(Cat(reversed(~goes_on)))
        early = any_of([leading[k].replicate(4) & k for k in range(1, SLOTS)])
        late = any_of([trailing[k].replicate(4) & k for k in range(1, SLOTS)])
        m.d.comb += begun.eq(carry[:-1] + Mux(ends, early, SLOTS))
        large = carry[-1] | begun[-1]
        with m.If(self.begin):
            m.d.sync += carry.eq(0)
        with m.Elif(self.take & unary):
            m.d.sync += carry.eq(Mux(ends, late, Cat(begun[:-1], large)))

        grown, last = Signal(data.ArrayLayout(4, SLOTS), reset_less=True), Signal(SLOTS, reset_less=True)
        second, first = Signal(SLOTS, reset_less=True), Signal(_CARRY_BITS, reset_less=True)
        with m.If(self.take):
            live = unary.replicate(SLOTS)
            m.d.sync += [
                last.eq(Cat(row[0] for row in rows) & live),
                second.eq(twice & live & rules.truncated.replicate(SLOTS)),
                first.eq(Cat(begun[:-1], large) & unary.replicate(_CARRY_BITS)),
                *(grown[k].eq(rows[k][1:] & unary.replicate(4)) for k in range(SLOTS)),
            ]
        kept = []
        for k in range(SLOTS):
            since = first if k == 0 else named(m, (grown[k] - grown[k - 1])[:4], f"since_{k}")
            kept.append(Cat(last[k], since[0] | second[k], since[1:]))
        return kept

    def _palette(self, m: Module) -> list[Signal]:
        palette = [Signal(V_BITS, name=f"palette_{k}", reset_less=True) for k in range(PALETTE_ENTRIES)]
        for k, value in enumerate(palette):
            with m.If(self.store & (self.entry == k)):
                m.d.sync += value.eq(self.v)
        return palette

    def _weight(self, m: Module, k: int, index: Signal, valid: Signal, palette: list[Signal]) -> None:
        """The weight of slot `k`."""
        rules = self.rules
        listed, v, direct = Signal(name=f"listed_{k}"), Signal(V_BITS, name=f"v_{k}"), Signal(11, name=f"direct_{k}")
        chosen = any_of([value & (index[:5] == n).replicate(V_BITS) for n, value in enumerate(palette)])
        low, high = index[:V_BITS], index[V_BITS:]
        m.d.comb += [
            listed.eq((index[5:] == 0) & (index[:5] < rules.entries)),
            direct.eq(low + (rules.offset - rules.entries)),
            v.eq(Mux(listed, chosen, direct)),
            self.weights[k].eq((Cat(v[1:], 0) ^ v[0].replicate(V_BITS)) + v[0]),
        ]
        outside = ~listed & (high.any() | direct[V_BITS])
        broad = self.narrow & v[-1] & (v != 257)
        m.d.comb += self.wrong[k].eq(valid & (outside | broad))
