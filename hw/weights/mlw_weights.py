"""Indices of an Ethos-U weight stream to weights: the palette, and what lies past it."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from golden.weights.mlw_format import PALETTE_ENTRIES
from hw.bits import any_of
from hw.weights.mlw_ports import INDEX_BITS, SLOTS, V_BITS, SliceRules, named
from hw.weights.sums import not_below

__all__ = ["WeightLookup"]

_PORTS = SLOTS // 2
_NEAR = 2
_COUNT_BITS = bits_for(SLOTS)
_SUM_BITS = V_BITS + 1


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
        rules = self.rules
        valid, second, again = Signal(), Signal(), Signal()
        count, rows = Signal(_COUNT_BITS, reset_less=True), Signal(data.ArrayLayout(INDEX_BITS, SLOTS), reset_less=True)
        m.d.comb += [self.valid.eq(valid), self.ready.eq(~valid | self.done)]
        m.d.comb += self.done.eq(valid & self.fits & (~again | second))
        with m.If(self.begin):
            m.d.sync += Cat(valid, second).eq(0)
        with m.Else():
            m.d.sync += second.eq(valid & self.fits & again & ~second)
            with m.If(self.load):
                m.d.sync += valid.eq(1)
            with m.Elif(self.done):
                m.d.sync += valid.eq(0)
        listed = [self._is_listed(index) for index in list(rows)[:_PORTS]]
        late_listed = Signal(SLOTS - _PORTS, name="late_listed", reset_less=True)
        listed += list(late_listed)
        with m.If(self.load):
            m.d.sync += [count.eq(self.count), rows.eq(self.indices)]
            m.d.sync += late_listed.eq(Cat(self._is_listed(self.indices[k]) for k in range(_PORTS, SLOTS)))

        palette, wide = self._palette(m)
        m.d.comb += self.slow.eq(valid & again & ~second & self.narrow & wide)
        filled = named(m, Cat(count > k for k in range(SLOTS)), "filled")
        far = [filled[k] & listed[k] & rows[k][1:5].any() for k in range(_PORTS, SLOTS)]
        m.d.comb += again.eq(Cat(far).any())
        ports = []
        for k in range(_PORTS):
            address = named(m, Mux(second, rows[k + _PORTS][:5], rows[k][:5]), f"address_{k}")
            words = [value & (address == n).replicate(V_BITS) for n, value in enumerate(palette)]
            ports.append(named(m, any_of(words), f"port_{k}"))

        # The entries and DIROFS make a number that is added to an index past the palette. Its sum's last bit is the
        # sign; of a negative weight's complement all others are one less, and so is what is added then.
        shift = named(m, (rules.offset - rules.entries)[:7], "shift").as_signed()
        half, turned = shift >> 1, Signal(reset_less=True)
        even, odd = (Signal(signed(7), name=name, reset_less=True) for name in ("even", "odd"))
        m.d.sync += [even.eq(Mux(shift[0], half - 1, half)), odd.eq(Mux(shift[0], half + 1, half - 1))]
        m.d.sync += turned.eq(shift[0])
        for k, index in enumerate(rows):
            negative, total = Signal(name=f"negative_{k}"), Signal(signed(_SUM_BITS), name=f"total_{k}")
            m.d.comb += [
                negative.eq(index[0] ^ turned),
                total.eq(index[1:V_BITS] + Mux(index[0], odd, even)),
            ]
            direct = (total ^ negative.replicate(_SUM_BITS))[:V_BITS]
            if k < _PORTS:
                choices = [(listed[k], ports[k]), (~listed[k], direct)]
            else:
                near = listed[k] & ~second
                choices = [(listed[k] & second, ports[k - _PORTS]), (~listed[k], direct)]
                choices += [(near & index[0], palette[1]), (near & ~index[0], palette[0])]
            # In gates, which are fewer than those of multiplexers.
            chosen = [value & when.replicate(V_BITS) for when, value in choices]
            weight = named(m, any_of(chosen), f"weight_{k}")
            past = ~total[-1] & (total[-2] | (negative & total[:-2].all()))
            outside = ~listed[k] & (index[V_BITS] | past)
            turn = ~again | (second if k >= _PORTS else ~second)
            broad = self.narrow & (weight[-1] ^ weight[-2]) & (turn | ~listed[k])
            m.d.comb += [
                self.weights[k].eq(weight),
                self.wrong[k].eq(valid & filled[k] & (outside | broad)),
                self.writes[k].eq(valid & self.fits & filled[k] & turn),
            ]
        return m

    def _is_listed(self, index: Value) -> Value:
        """Whether it is an entry of the palette."""
        return ~index[5:].any() & ~not_below(index[:5], self.rules.entries)

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
