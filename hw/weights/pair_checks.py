"""Whether groups of symbols keep to the blocks of their tensor."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.weights.pair_ports import Symbols
from hw.weights.ports import COUNT_BITS, POSITION_BITS, Fault
from hw.weights.sparse import offset_bits
from hw.weights.sums import difference, total

__all__ = ["Checked", "PairChecks"]


class Checked(Symbols):
    """`Symbols` with `offsets` (weights of the group before each), `count` (of all), `past` (past the codebook)."""

    def __init__(self, slots: int) -> None:
        bits = offset_bits(slots)
        super().__init__(slots, {"offsets": data.ArrayLayout(bits, slots), "count": bits, "past": slots})


class PairChecks(wiring.Component):
    """Follows a tensor's groups through its blocks and names the first fault.

    A block ends where its weights and its bits end, both at once: bits end behind a group that `ends`, weights when
    the block is full. Positions are counted here, from the sizes of the codewords.

    Members
    -------
    start, count, entry_weights, escape_form : In
        A tensor begins; whether a run may end its block.
    step, valid, symbols : In
        A group goes on.
    fault, position : Out
        Of this group; where, a cycle later.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        super().__init__(
            {
                "start": In(1),
                "count": In(COUNT_BITS),
                "entry_weights": In(COUNT_BITS),
                "escape_form": In(1),
                "step": In(1),
                "valid": In(1),
                "symbols": In(Checked(slots)),
                "fault": Out(Fault),
                "position": Out(POSITION_BITS),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        bits = offset_bits(self.slots)
        symbols = self.symbols
        # Weights that the block misses, and those of the tensor behind it. A cycle later: the next block's, and those
        # behind it.
        room, behind, next_room = (Signal(COUNT_BITS, name=name) for name in ("room", "behind", "next_room"))
        next_behind, more = Signal(COUNT_BITS), Signal()
        opening, at = Signal(2), Signal(POSITION_BITS)
        rest = Signal(COUNT_BITS + 1)
        m.d.comb += [rest.eq(difference(behind, self.entry_weights, COUNT_BITS + 1)), more.eq(behind.any())]
        with m.If((self.entry_weights == 0) | rest[-1]):
            m.d.sync += [next_room.eq(behind), next_behind.eq(0)]
        with m.Else():
            m.d.sync += [next_room.eq(self.entry_weights), next_behind.eq(rest)]
        near, low = Signal(), Signal(bits)
        m.d.comb += [near.eq(room[bits:] == 0), low.eq(room)]

        offsets = [*symbols.offsets, symbols.count]
        places, ahead = [], Signal(range(16 * self.slots + 1))
        sums: Value = Const(0, 1)
        for k in range(self.slots):
            places.append(sums)
            sum_bits = bits_for(16 * (k + 1))
            behind_it = Signal(sum_bits, name=f"bits_{k}")
            m.d.comb += behind_it.eq(Mux(symbols.taken[k], total(sums, symbols.sizes[k], sum_bits, 1), sums))
            sums = behind_it
        places.append(sums)

        faults = []
        for k in range(self.slots):
            full = near & (low == offsets[k])
            over = ~symbols.seconds[k] & near & (offsets[k + 1] > low)
            filled = ~symbols.seconds[k] & ~self.escape_form & near & (offsets[k + 1] == low)
            fault = Signal(Fault, name=f"fault_{k}")
            with m.If(symbols.taken[k]):
                with m.If(full):
                    m.d.comb += fault.eq(Fault.LONG)
                with m.Elif(over | filled):
                    m.d.comb += fault.eq(Fault.OVERRUN)
                with m.Elif(symbols.past[k]):
                    m.d.comb += fault.eq(Fault.RANGE)
            with m.Elif((symbols.wrong != Fault.NONE) if k == 0 else 0):
                m.d.comb += fault.eq(Mux(full, Fault.LONG, symbols.wrong))
            faults.append(fault)
        at_end = Signal(Fault)
        with m.If(symbols.ends):
            with m.If(~near | (low != symbols.count) | (symbols.final & more)):
                m.d.comb += at_end.eq(Fault.SHORT)
            with m.Elif(~symbols.final & ~more):
                m.d.comb += at_end.eq(Fault.LONG)
        faults.append(at_end)
        found = [(fault.as_value(), place) for fault, place in zip(faults, places, strict=True)]
        while len(found) > 1:
            nearer = [
                (Mux(one.any(), one, other), Mux(one.any(), here, there))
                for (one, here), (other, there) in zip(found[::2], found[1::2], strict=False)
            ]
            found = nearer + found[len(found) & ~1 :]
        m.d.comb += [self.fault.eq(found[0][0]), ahead.eq(found[0][1])]
        # Counted a cycle later: neither a fault nor the bits of a group are found early in its cycle.
        seen_bits, seen_ahead = Signal.like(ahead), Signal.like(ahead)
        m.d.sync += [
            seen_bits.eq(Mux(self.step & self.valid, sums, 0)),
            at.eq(total(at, seen_bits, POSITION_BITS)),
            seen_ahead.eq(ahead),
        ]
        m.d.comb += self.position.eq(total(at, seen_ahead, POSITION_BITS))

        with m.If(self.start):
            m.d.sync += [behind.eq(self.count), opening.eq(1), at.eq(0)]
        with m.Else():
            m.d.sync += opening.eq(opening << 1)
        with m.If(opening[-1] | (self.step & self.valid & symbols.ends)):
            m.d.sync += [room.eq(next_room), behind.eq(next_behind)]
        with m.Elif(self.step & self.valid):
            m.d.sync += room.eq(difference(room, symbols.count, COUNT_BITS))
        return m
