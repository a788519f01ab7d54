"""Whether groups of symbols keep to the blocks of their tensor."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.bits import any_of
from hw.weights.pair_ports import Symbols
from hw.weights.ports import COUNT_BITS, POSITION_BITS, Fault
from hw.weights.sparse import offset_bits
from hw.weights.sums import cut_difference, difference, less_one, total

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
    wrong, fault, position : Out
        Whether this group has a fault; which, and where, a cycle later.
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
                "wrong": Out(1),
                "fault": Out(Fault),
                "position": Out(POSITION_BITS),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        bits = offset_bits(self.slots)
        symbols = self.symbols
        # Weights that the block misses, and those of the tensor behind it. A cycle after these: the next block's, and
        # those behind it. No block ends within two cycles behind another.
        room, behind, next_room = (Signal(COUNT_BITS, name=name) for name in ("room", "behind", "next_room"))
        next_behind, more, alone, is_last = Signal(COUNT_BITS), Signal(), Signal(), Signal()
        opening, at = Signal(2), Signal(POSITION_BITS)
        # A block of what is behind, if it is as much.
        rest, is_less = cut_difference(m, behind, self.entry_weights, "rest")
        m.d.sync += [alone.eq(self.entry_weights == 0), more.eq(behind.any())]
        m.d.comb += [
            is_last.eq(alone | is_less),
            next_room.eq(Mux(is_last, behind, self.entry_weights)),
            next_behind.eq(Mux(is_last, 0, rest)),
        ]
        near, low = Signal(), Signal(bits)
        # Of the upper bits one may be owed to the lower ones since the cycle before.
        owed, upper = Signal(), room[bits:]
        m.d.comb += [near.eq(Mux(owed, upper == 1, upper == 0)), low.eq(room)]

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

        faults, wrongs = [], []
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
            wrongs.append(symbols.taken[k] & (full | over | filled | symbols.past[k]))
        at_end = Signal(Fault)
        early, late = Signal(), Signal()
        m.d.comb += [
            early.eq(~near | (low != symbols.count) | (symbols.final & more)),
            late.eq(~symbols.final & ~more),
            self.wrong.eq(
                any_of([*wrongs, ~symbols.taken[0] & (symbols.wrong != Fault.NONE), symbols.ends & (early | late)])
            ),
        ]
        with m.If(symbols.ends):
            with m.If(early):
                m.d.comb += at_end.eq(Fault.SHORT)
            with m.Elif(late):
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

        moves, opened = Signal(), opening[-1]
        m.d.comb += moves.eq(self.step & self.valid)
        m.d.sync += opening.eq(Cat(self.start, opening))
        m.d.sync += owed.eq(0)
        with m.If(owed):
            m.d.sync += upper.eq(less_one(upper))
        with m.If(opened | (moves & symbols.ends)):
            m.d.sync += upper.eq(next_room[bits:])
        with m.If(opened | moves):
            left = difference(low, symbols.count, bits + 1)
            m.d.sync += room[:bits].eq(Mux(opened | symbols.ends, next_room[:bits], left[:-1]))
            m.d.sync += owed.eq(left[-1] & ~opened & ~symbols.ends)
        with m.If(self.start | opened | (moves & symbols.ends)):
            m.d.sync += behind.eq(Mux(self.start, self.count, next_behind))
        with m.If(self.start):
            m.d.sync += at.eq(0)
        return m
