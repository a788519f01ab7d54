"""Masks of an Ethos-U weight stream to those of beats."""

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from hw.bits import any_of, picked
from hw.queue import Queue
from hw.weights.mlw_ports import LAST_BITS, MASK_BITS, count_ones, named
from hw.weights.sums import difference, less_one, total

__all__ = ["MaskRows"]

_ROWS = 16


class MaskRows(wiring.Component):
    """Puts masks one behind the other and shows them beat by beat.

    Masks make up rows of 64 bits, which wait in a queue of 16. A beat's bits are taken from there, or from the row in
    the making as far as they are known, and are in sight in the cycle after.

    Parameters
    ----------
    lanes, block : int
        Bits of a beat; of each block of so many it is told whether they are known.

    Members
    -------
    begin : In
        Forget everything.
    go, free, last, mask, next_last : In, Out, Out, In, In
        A mask is taken, if there is room; its bits from the one after place `last` on, modulo 64; the place of its
        last one, not modulo 64, behind which bits may be set.
    next : In
        Show the next beat, if all of the one in sight is known.
    sight, full, ones, sure : Out
        The beat in sight, its unknown bits zero; which blocks are known; ones of each block; that no more bits wait.
    ahead : Out
        Beats, with a sign, from the one in sight to that of bit `last`.
    """

    def __init__(self, lanes: int, block: int) -> None:
        self._lanes, self._block = lanes, block
        # Rows in the queue, at its output and in the making, and the beat in sight.
        ahead_bits = bits_for((_ROWS + 2) * (MASK_BITS // lanes) + 1) + 1
        super().__init__(
            {
                **dict.fromkeys(("begin", "go", "next"), In(1)),
                "mask": In(MASK_BITS),
                "last": Out(LAST_BITS - 1),
                "next_last": In(LAST_BITS),
                "sight": Out(lanes),
                "full": Out(lanes // block),
                "ones": Out(data.ArrayLayout(bits_for(block), lanes // block)),
                **dict.fromkeys(("free", "sure"), Out(1)),
                "ahead": Out(signed(ahead_bits)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes, lane_bits, parts = self._lanes, ceil_log2(self._lanes), MASK_BITS // self._lanes
        m.submodules.rows = rows = ResetInserter(self.begin)(Queue(MASK_BITS, _ROWS))
        last, part = Signal.like(self.last, reset_less=True), Signal(range(parts), reset_less=True)
        ahead, full = Signal.like(self.ahead, reset_less=True), Signal.like(self.full, reset_less=True)
        looks, behind, wide, hidden = (Signal(name=name) for name in ("looks", "behind", "wide", "hidden"))
        m.d.comb += [
            self.last.eq(last),
            self.ahead.eq(ahead),
            self.full.eq(full),
            self.free.eq(rows.i.ready),
            looks.eq(~full[-1] | self.next),
            # Of the beat that is looked up: the one in sight or, behind one that is known, the next.
            behind.eq(ahead[-1] | (full[-1] & ~ahead.any())),
            wide.eq(~ahead[-1] & Mux(full[-1], ahead[1:].any(), ahead.any())),
            hidden.eq(rows.held & ~rows.o.valid),
        ]
        row = self._row(m, rows, last)
        sources = [(rows.o.payload, rows.o.valid), (row, ~rows.o.valid)]
        choices = [
            (source[at * lanes :][:lanes], select & (part == at)) for source, select in sources for at in range(parts)
        ]
        shown = any_of([bits & chosen.replicate(lanes) for bits, chosen in choices])
        known = Cat(~hidden & (wide | (~behind & (last[:lane_bits] >= lane))) for lane in range(lanes))
        known = named(m, known, "known")
        bits = named(m, shown & known, "bits")
        counted = [count_ones(m, list(bits[at:][: self._block]), f"block_{at}") for at in range(0, lanes, self._block)]
        sight, sure = Signal.like(self.sight, reset_less=True), Signal(name="sure_beat", reset_less=True)
        ones = Signal.like(self.ones.as_value(), reset_less=True)
        m.d.comb += [self.sight.eq(sight), self.sure.eq(sure), self.ones.as_value().eq(ones)]
        with m.If(looks):
            m.d.sync += [sight.eq(bits), full.eq(known[self._block - 1 :: self._block]), ones.eq(Cat(counted))]
            m.d.sync += sure.eq(~hidden)
        m.d.comb += rows.o.ready.eq(looks & known[-1] & (part == parts - 1))
        with m.If(self.begin):
            m.d.sync += [last.eq(-1), part.eq(0), ahead.eq(-1), full.eq(0)]
        with m.Else():
            with m.If(self.go):
                m.d.sync += last.eq(self.next_last)
            with m.If(looks & known[-1]):
                m.d.sync += part.eq(part + 1)
            m.d.sync += ahead.eq(self._ahead(m, ahead, last))
        return m

    def _row(self, m: Module, rows: Queue, last: Value) -> Value:
        """The row in the making.

        A mask's bits behind place `last` are of this row, the others of the next one. A row goes to the queue with its
        last bit: is that the last mask's, too, then all bits of a mask are of the next row.
        """
        row = [Signal(name=f"mask_{k}", reset_less=True) for k in range(MASK_BITS)]
        new, whole = self.next_last, named(m, last.all(), "whole")
        merged = []
        for k, bit in enumerate(row):
            above = named(m, last < k, f"above_{k}")
            merged.append(Mux(above | whole, self.mask[k], bit))
            with m.If(self.go & (above | new[-1])):
                m.d.sync += bit.eq(self.mask[k])
        m.d.comb += [
            # A mask may be empty: then nothing ends.
            rows.i.valid.eq(self.go & Mux(whole, new.all(), new[-1] | new[:-1].all())),
            rows.i.payload.eq(Cat(merged)),
        ]
        return Cat(row)

    def _ahead(self, m: Module, ahead: Value, last: Value) -> Value:
        """`ahead` in the next cycle, worked out for all cases: which it is comes late."""
        bits, lane_bits, new = len(ahead), ceil_log2(self._lanes), self.next_last
        held = Cat(last[lane_bits:], Const(0, bits))[:bits]
        stays = named(m, difference(ahead, held, bits), "begun")
        goes = named(m, less_one(stays), "begun_less")
        begun = [goes, stays]
        for number in range(1, 1 << (len(new) - lane_bits)):
            begun.append(named(m, total(stays, Const(number), bits), f"begun_{number}"))
        with_mask = [picked(choices, new[lane_bits:]) for choices in (begun[1:], begun[:-1])]
        return Mux(
            self.next,
            Mux(self.go, with_mask[1], less_one(ahead)),
            Mux(self.go, with_mask[0], ahead),
        )
