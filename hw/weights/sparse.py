"""Runs of zeros and weights to beats: what a group of symbols means, and the expansion.

A *group* is what comes in one cycle: up to `slots` symbols, each a run or a weight. `Tally` finds where in the group
each weight lies and whether the group keeps to its block; `Expander`, a step later, puts the weights into beats of
`lanes`. Runs do not differ by form here: a filler is a run and a weight of zero, an escape a run alone.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from hw.bits import any_of
from hw.packet import Packet
from hw.weights.ports import COUNT_BITS, Weights
from hw.weights.sums import less_one, total

__all__ = ["RUN_BITS", "Expander", "Group", "offset_bits"]

RUN_BITS = 8
"""Bits of a run: at most 255 zeros."""


def offset_bits(slots: int) -> int:
    """Bits of a number of weights in a group."""
    return bits_for(slots * ((1 << RUN_BITS) - 1))


class Group(data.StructLayout):
    """Weights of a group.

    `present`: which slots hold a weight; `offsets`: weights of the group before it, zeros included; `weights`;
    `count`: all weights of the group; `finish`: the tensor ends with it.
    """

    def __init__(self, slots: int, weight_bits: int) -> None:
        bits = offset_bits(slots)
        super().__init__(
            {
                "present": slots,
                "offsets": data.ArrayLayout(bits, slots),
                "weights": data.ArrayLayout(weight_bits, slots),
                "count": bits,
                "finish": 1,
            }
        )


class Expander(wiring.Component):
    """Groups to beats of weights.

    A group takes a cycle, or as many as it ends beats, if these are more: one beat leaves in a cycle. The group that
    ends the tensor ends one beat more than others, unless the beat is full.

    *Void*: whatever was to come, the rest of the tensor is zeros. A tensor that was begun always ends with as many
    weights as were told. Its last beat waits for `settled`, and groups are taken meanwhile.

    Parameters
    ----------
    lanes : int
        Weights of a beat, a power of two of at least 2.
    slots : int
        Symbols of a group.
    weight_bits : int

    Members
    -------
    start, count : In
        A tensor of so many weights, at least 1, begins.
    valid, group, ready : In, In, Out
        A group; it is gone when it was `ready`.
    void : In
        The rest is zeros; groups are ignored. Not while a group waits.
    settled, error : In
        What is known of the tensor is known: its last beat may leave, and says so.
    active : Out
        The last beat has not left.
    o : Out(stream of Packet(Weights))
    """

    o: stream.Interface

    def __init__(self, lanes: int, slots: int, weight_bits: int) -> None:
        if lanes < 2 or lanes & (lanes - 1):
            raise ValueError(f"lanes must be a power of two of at least 2, not {lanes!r}")
        self.lanes, self.slots, self.weight_bits = lanes, slots, weight_bits
        super().__init__(
            {
                "start": In(1),
                "count": In(COUNT_BITS),
                "valid": In(1),
                "group": In(Group(slots, weight_bits)),
                "ready": Out(1),
                "void": In(1),
                "settled": In(1),
                "error": In(1),
                "active": Out(1),
                "o": Out(stream.Signature(Packet(Weights(weight_bits, lanes)))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes, lane_bits = self.lanes, ceil_log2(self.lanes)
        bits = offset_bits(self.slots)
        valid, group = Signal(), Signal(Group(self.slots, self.weight_bits), reset_less=True)
        begun = Signal(data.ArrayLayout(self.weight_bits, lanes))
        fill, left = Signal(lane_bits), Signal(COUNT_BITS)
        places = [Signal(bits + 1, name=f"place_{k}") for k in range(self.slots)]
        emits, closes, last, go, done = Signal(), Signal(), Signal(), Signal(), Signal()
        ends, kept, whole = Signal(), Signal(), Signal()
        end, beats_0, beats_1, stays = Signal(lane_bits + 1), Signal(), Signal(), Signal()

        def is_last(weights: Value) -> Value:
            """Whether so many fit a beat."""
            return ~weights[lane_bits + 1 :].any() & (~weights[lane_bits] | (weights[:lane_bits] == 0))

        beat = self.o.payload
        # What is in the beat already, less a beat.
        below = Cat(fill, Const(-1, bits - lane_bits))
        m.d.comb += [
            *(place.eq(total(fill, offset, bits + 1)) for place, offset in zip(places, group.offsets, strict=True)),
            # Where the group ends, and whether it alone is less than a beat, or than two.
            end.eq(total(fill, group.count[:lane_bits], lane_bits + 1)),
            stays.eq(~group.finish | (end[:lane_bits] == 0)),
            ends.eq(valid & (group.finish | ~beats_0 | end[-1])),
            # The tensor's last group waits in the beat and not in the way: behind it may come what is wrong.
            kept.eq(ends & last & ~self.settled),
            emits.eq(self.active & (self.void | whole | ends)),
            closes.eq(Mux(end[-1], beats_0 & stays, beats_0 | (beats_1 & stays))),
            self.o.valid.eq(emits & (~last | self.settled)),
            go.eq(self.o.valid & self.o.ready),
            done.eq(~emits | kept | (self.o.ready & (~last | self.settled) & closes)),
            self.ready.eq(~valid | done),
            beat.last.eq(last),
            beat.data.tail.eq(left - 1),
            beat.data.error.eq(last & self.error),
        ]

        here, next_ = self._scatter(m, group, places)
        for lane in range(lanes):
            m.d.comb += beat.data.symbols[lane].eq(begun[lane] | here[lane])
            with m.If(go):
                m.d.sync += begun[lane].eq(Mux(last, 0, next_[lane]))
            with m.Elif(valid & done):
                m.d.sync += begun[lane].eq(begun[lane] | here[lane])

        with m.If(valid & done):
            m.d.sync += [fill.eq(end), whole.eq(whole | kept)]
        with m.If(go):
            lefts = Cat(left[:lane_bits], less_one(left[lane_bits:]))
            m.d.sync += [left.eq(lefts), last.eq(is_last(lefts))]
            with m.If(last):
                m.d.sync += [self.active.eq(0), fill.eq(0), whole.eq(0)]
            with m.If(~closes):
                left_over = total(below, group.count, bits)
                m.d.sync += [fill.eq(0), group.count.eq(left_over)]
                m.d.sync += [beats_0.eq(left_over[lane_bits:] == 0), beats_1.eq(left_over[lane_bits:] == 1)]
                for k, place in enumerate(places):
                    m.d.sync += [
                        group.offsets[k].eq(total(below, group.offsets[k], bits)),
                        group.present[k].eq(group.present[k] & (place >= lanes)),
                    ]
        with m.If(self.ready | self.void):
            new_beats = self.group.count[lane_bits:]
            m.d.sync += [group.eq(self.group), valid.eq(self.valid & ~self.void)]
            m.d.sync += [beats_0.eq(new_beats == 0), beats_1.eq(new_beats == 1)]
            with m.If(self.void | ~self.valid):
                m.d.sync += group.present.eq(0)
        with m.If(self.start):
            m.d.sync += [left.eq(self.count), last.eq(is_last(self.count)), self.active.eq(self.count != 0)]
        return m

    def _scatter(self, m: Module, group, places: list[Signal]) -> tuple[list[Value], list[Value]]:
        """What the group puts into the lanes of this beat, and of the next one."""
        lane_bits = ceil_log2(self.lanes)
        beats: list[list[list[Value]]] = [[[] for _ in range(self.lanes)] for _ in range(2)]
        for k, place in enumerate(places):
            for number, beat in enumerate(beats):
                hit = Signal(name=f"hit_{number}_{k}")
                m.d.comb += hit.eq(group.present[k] & (place[lane_bits:] == number))
                for lane in range(self.lanes):
                    here = hit & (place[:lane_bits] == lane)
                    beat[lane].append(group.weights[k] & here.replicate(self.weight_bits))
        here, next_ = ([any_of(parts) for parts in beat] for beat in beats)
        return here, next_
