"""Indices of an Ethos-U weight stream to weights: the palette, and what lies past it."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from golden.weights.mlw_format import PALETTE_ENTRIES
from hw.bits import any_of
from hw.memory import Memory
from hw.weights.mlw_ports import INDEX_BITS, SLOTS, V_BITS, SliceRules, named, slot_bits

__all__ = ["WeightLookup"]

_PORTS = SLOTS // 2
_NEAR = 2
_COUNT_BITS = bits_for(SLOTS)
_HALF_BITS = 6
"""Bits of half of DIROFS less entries, with a sign."""


class WeightLookup(wiring.Component):
    """Weights of a row of indices.

    The palette is a table with six ports, a memory each. They serve the first six indices of a row, and the others in a
    cycle more if one of these is an entry past the palette's first two, which are registers as well.

    Members
    -------
    begin, load, count, indices : In
        Forget the row; take one of so many indices, if `ready`.
    rules, narrow : In
    store, entry, v : In
        Entry `entry` of the palette becomes `v`.
    fits : In
        The row can be written, in this cycle and the next.
    ready, valid : Out
        A row can be taken; one is held.
    slow : Out
        What is wrong with the row may be seen a cycle late.
    weights, writes, done, number : Out
        Weights that are written now, which, and that they are the row's last; how many it has.
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
                "number": Out(_COUNT_BITS),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        valid, second, again, turns = (Signal(name=name) for name in ("valid", "second", "again", "turns"))
        count = Signal(_COUNT_BITS, reset_less=True)
        rows = [Signal(slot_bits(k), name=f"row_{k}", reset_less=True) for k in range(SLOTS)]
        m.d.comb += [self.valid.eq(valid), self.ready.eq(~valid | self.done), self.number.eq(count)]
        m.d.comb += [turns.eq(valid & self.fits & again & ~second), self.done.eq(second | (valid & self.fits & ~again))]
        with m.If(self.begin):
            m.d.sync += Cat(valid, second).eq(0)
        with m.Else():
            m.d.sync += second.eq(turns)
            with m.If(self.load):
                m.d.sync += valid.eq(1)
            with m.Elif(self.done):
                m.d.sync += valid.eq(0)
        filled = named(m, Cat(count > k for k in range(SLOTS)), "filled")
        listed = Signal(SLOTS, reset_less=True)
        far = [filled[k] & listed[k] & rows[k][1:5].any() for k in range(_PORTS, SLOTS)]
        m.d.comb += again.eq(Cat(far).any())
        with m.If(self.load):
            m.d.sync += [count.eq(self.count), listed.eq(Cat(self._is_listed(index) for index in self.indices))]
            m.d.sync += [row.eq(index) for row, index in zip(rows, self.indices, strict=True)]
        ports, near, wide = self._palette(m, turns, rows[_PORTS:])
        m.d.comb += self.slow.eq(valid & again & ~second & self.narrow & wide)
        totals = self._totals(m, rows)
        for k, (index, (negative, total)) in enumerate(zip(rows, totals, strict=True)):
            direct = total ^ negative.replicate(V_BITS)
            choices = [(~listed[k], direct)]
            if k < _PORTS:
                turn = ~second
                choices += [(listed[k], ports[k])]
            else:
                turn, at_once = ~again | second, listed[k] & ~second
                choices += [(listed[k] & second, ports[k - _PORTS])]
                choices += [(at_once & index[0], near[1]), (at_once & ~index[0], near[0])]
            # In gates, which are fewer than those of multiplexers.
            chosen = [value & when.replicate(V_BITS) for when, value in choices]
            weight = named(m, any_of(chosen), f"weight_{k}")
            # A sum of less than 9 bits of an index is never past the highest weight.
            past: Value = (total[-1] & ~total[-2]) | (negative & ~total[-1] & total[:-1].all())
            outside = ~listed[k] & (index[V_BITS:].any() | past) if len(index) >= V_BITS else Const(0, 1)
            broad = self.narrow & (weight[-1] ^ weight[-2]) & (turn | ~listed[k])
            m.d.comb += [
                self.weights[k].eq(weight),
                self.wrong[k].eq(valid & filled[k] & (outside | broad)),
                self.writes[k].eq((second | (valid & self.fits)) & filled[k] & turn),
            ]
        return m

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

    def _palette(self, m: Module, turns: Value, late: list[Value]) -> tuple[list[Value], list[Value], Value]:
        """Entries that the row's indices name, or from the cycle after `turns` on those of its `late` ones; the first
        entries; whether one of all was past -128..127.
        """
        v = self.v
        weight = named(m, ((Cat(v[1:], 0) ^ v[0].replicate(V_BITS)) + v[0])[:V_BITS], "stored")
        ports = []
        for k in range(_PORTS):
            m.submodules[f"palette_{k}"] = port = Memory(V_BITS, PALETTE_ENTRIES)
            bits = len(port.read_address)
            m.d.comb += [
                port.write.eq(self.store),
                port.write_address.eq(self.entry),
                port.write_data.eq(weight),
                port.read.eq(self.load | turns),
                port.read_address.eq(Mux(turns, late[k][:bits], self.indices[k][:bits])),
            ]
            ports.append(port.read_data)
        near = [Signal(V_BITS, name=f"entry_{k}", reset_less=True) for k in range(_NEAR)]
        for k, value in enumerate(near):
            with m.If(self.store & (self.entry == k)):
                m.d.sync += value.eq(weight)
        wide = Signal()
        with m.If(self.begin):
            m.d.sync += wide.eq(0)
        with m.Elif(self.store & (weight[-1] ^ weight[-2])):
            m.d.sync += wide.eq(1)
        return ports, near, wide
