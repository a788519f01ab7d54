"""Indices of an Ethos-U weight stream to weights: the palette, and what lies past it."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from golden.weights.mlw_format import PALETTE_ENTRIES
from hw.bits import any_of
from hw.weights.mlw_ports import INDEX_BITS, SLOTS, V_BITS, SliceRules, named, slot_bits

__all__ = ["WeightLookup"]

_PORTS = SLOTS // 2
_COUNT_BITS = bits_for(SLOTS)
_HALF_BITS = 6
"""Bits of half of DIROFS less entries, with a sign."""


class WeightLookup(wiring.Component):
    """Weights of a row of indices.

    The whole palette is read through six ports. They serve the first six indices of a row, and the others in a cycle
    more if one of these is an entry past the palette's first two.

    Members
    -------
    begin, load, count, indices : In
        Forget the row; take one of so many indices, if `ready`.
    rules, narrow : In
    store, entry, v : In
        Entry `entry` of the palette becomes `v`.
    fits : In
        The row can be written.
    ready, valid : Out
        A row can be taken; one is held.
    slow : Out
        What is wrong with the row may be seen a cycle late.
    weights, writes, done : Out
        Weights that are written now, which, and that they are the row's last.
    wrong : Out
        Weights of the row past -255..255, or past -128..127 and `narrow` is set.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                **dict.fromkeys(("begin", "load", "narrow", "store", "fits"), In(1)),
                "count": In(_COUNT_BITS),
                "indices": In(data.ArrayLayout(INDEX_BITS, SLOTS)),
                "rules": In(SliceRules()),
                "entry": In(ceil_log2(PALETTE_ENTRIES)),
                "v": In(V_BITS),
                **dict.fromkeys(("ready", "valid", "done", "slow"), Out(1)),
                "weights": Out(data.ArrayLayout(signed(V_BITS), SLOTS)),
                **dict.fromkeys(("writes", "wrong"), Out(SLOTS)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        valid, second, again = Signal(), Signal(), Signal()
        count = Signal(_COUNT_BITS, reset_less=True)
        rows = [Signal(slot_bits(k), name=f"row_{k}", reset_less=True) for k in range(SLOTS)]
        m.d.comb += [self.valid.eq(valid), self.ready.eq(~valid | self.done)]
        m.d.comb += self.done.eq(valid & self.fits & (~again | second))
        with m.If(self.begin):
            m.d.sync += Cat(valid, second).eq(0)
        with m.Else():
            m.d.sync += second.eq(valid & again & (self.fits ^ second))
            with m.If(self.load):
                m.d.sync += valid.eq(1)
            with m.Elif(self.done):
                m.d.sync += valid.eq(0)
        palette, wide = self._palette(m)
        filled = named(m, Cat(count > k for k in range(SLOTS)), "filled")
        late_listed = Signal(SLOTS - _PORTS, reset_less=True)
        far = [filled[k] & late_listed[k - _PORTS] & rows[k][1:5].any() for k in range(_PORTS, SLOTS)]
        m.d.comb += again.eq(Cat(far).any())
        m.d.comb += self.slow.eq(valid & again & ~second & self.narrow & wide)
        new_listed = [named(m, self._is_listed(index), f"new_listed_{k}") for k, index in enumerate(self.indices)]
        # In which half of the palette an index of the first six is, or one of the others in the second cycle.
        lower, upper = (Signal(_PORTS, name=name, reset_less=True) for name in ("lower", "upper"))
        with m.If(self.load):
            m.d.sync += [count.eq(self.count), late_listed.eq(Cat(new_listed[_PORTS:]))]
            for k, (row, index) in enumerate(zip(rows, self.indices, strict=True)):
                m.d.sync += row.eq(index)
                if k < _PORTS:
                    m.d.sync += [lower[k].eq(new_listed[k] & ~index[4]), upper[k].eq(new_listed[k] & index[4])]
        with m.Elif(valid & self.fits & again):
            for k, late in enumerate(rows[_PORTS:]):
                m.d.sync += [rows[k][:4].eq(late[:4]), lower[k].eq(~late[4]), upper[k].eq(late[4])]
        ports = [self._port(m, palette, rows[k][:4], lower[k], upper[k], f"port_{k}") for k in range(_PORTS)]
        totals = self._totals(m, rows)
        for k, (index, (negative, total)) in enumerate(zip(rows, totals, strict=True)):
            direct = total ^ negative.replicate(V_BITS)
            if k < _PORTS:
                listed, turn, held = lower[k] | upper[k], Const(1, 1), valid & ~second
                choices = [(Const(1, 1), ports[k]), (~listed, direct)]
            else:
                listed, turn, held = late_listed[k - _PORTS], ~again | second, valid
                near = listed & ~second
                choices = [(listed & second, ports[k - _PORTS]), (~listed, direct)]
                choices += [(near & index[0], palette[1]), (near & ~index[0], palette[0])]
            # In gates, which are fewer than those of multiplexers.
            chosen = [value & when.replicate(V_BITS) for when, value in choices]
            weight = named(m, any_of(chosen), f"weight_{k}")
            # A sum of less than 9 bits of an index is never past the highest weight.
            past: Value = (total[-1] & ~total[-2]) | (negative & ~total[-1] & total[:-1].all())
            outside = ~listed & (index[V_BITS:].any() | past) if len(index) >= V_BITS else Const(0, 1)
            broad = self.narrow & (weight[-1] ^ weight[-2]) & (turn | ~listed)
            m.d.comb += [
                self.weights[k].eq(weight),
                self.wrong[k].eq(held & filled[k] & (outside | broad)),
                self.writes[k].eq(held & self.fits & filled[k] & turn),
            ]
        return m

    def _port(self, m: Module, palette: list[Value], place: Value, lower: Value, upper: Value, name: str) -> Value:
        """The entry at a place in the lower or the upper half of the palette, or 0."""
        places, halves = [place == n for n in range(PALETTE_ENTRIES // 2)], []
        for number, half in enumerate((palette[: len(places)], palette[len(places) :])):
            entry = any_of([value & at.replicate(V_BITS) for value, at in zip(half, places, strict=True)])
            halves.append(named(m, entry, f"{name}_half_{number}"))
        chosen = [half & when.replicate(V_BITS) for half, when in zip(halves, (lower, upper), strict=True)]
        return named(m, any_of(chosen), name)

    def _totals(self, m: Module, rows: list[Value]) -> list[tuple[Value, Value]]:
        """Weights past the palette: whether they are negative, and their bits, or their complement's if they are.

        The entries and DIROFS make a number that is added to an index past the palette. Its sum's last bit is the
        sign; of a negative weight's complement all others are one less, and so is what is added then.
        """
        rules = self.rules
        shift = named(m, (rules.offset - rules.entries)[:7], "shift").as_signed()
        half, turned = shift >> 1, Signal(reset_less=True)
        even, odd = (Signal(signed(_HALF_BITS), name=name, reset_less=True) for name in ("even", "odd"))
        m.d.sync += [even.eq(Mux(shift[0], half - 1, half)), odd.eq(Mux(shift[0], half + 1, half - 1))]
        m.d.sync += turned.eq(shift[0])
        totals = []
        for k, index in enumerate(rows):
            total = Signal(V_BITS, name=f"total_{k}")
            m.d.comb += total.eq(index[1:V_BITS] + Mux(index[0], odd, even))
            totals.append((named(m, index[0] ^ turned, f"negative_{k}"), total))
        return totals

    def _is_listed(self, index: Value) -> Value:
        """Whether it is an entry of the palette."""
        entries = self.rules.entries
        return ~index[5:].any() & (entries[5] | (index[:5] < entries[:5]))

    def _palette(self, m: Module) -> tuple[list[Value], Value]:
        """Its entries as weights, and whether one of them was past -128..127."""
        palette = [Signal(V_BITS, name=f"palette_{k}", reset_less=True) for k in range(PALETTE_ENTRIES)]
        v = self.v
        weight = named(m, ((Cat(v[1:], 0) ^ v[0].replicate(V_BITS)) + v[0])[:V_BITS], "stored")
        for k, value in enumerate(palette):
            with m.If(self.store & (self.entry == k)):
                m.d.sync += value.eq(weight)
        wide = Signal()
        with m.If(self.begin):
            m.d.sync += wide.eq(0)
        with m.Elif(self.store & (weight[-1] ^ weight[-2])):
            m.d.sync += wide.eq(1)
        return palette, wide
