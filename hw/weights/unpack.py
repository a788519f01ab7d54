"""Packed integers of 2 to 8 bits to beats of weights or of codebook numbers (golden/weights/packed.py)."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.bits import any_of
from hw.packet import Packet
from hw.weights.ports import COUNT_BITS, POSITION_BITS, Fault, Report, Weights
from hw.weights.sums import carry_save, less_one, more_one, total

__all__ = ["UnpackOrder", "Unpacker"]

_WIDEST, _LEAST = 8, 2


class UnpackOrder(data.StructLayout):
    """A tensor: `width` of its fields (2..8), whether they are `negative` or codes from 0, `count` of weights."""

    def __init__(self) -> None:
        super().__init__({"width": 4, "negative": 1, "count": COUNT_BITS})


class Unpacker(wiring.Component):
    """Unpacks fields, as many in a cycle as a beat has lanes.

    A word has 8 bits for each lane, so that a beat of fields of B bits takes B eighths of a word and begins at one of
    eight places.

    *Cycles*: one for each beat; the last one leaves 2 cycles after the one before it, when the end has been looked at.
    The first leaves 2 cycles after its word comes. A word is taken in the cycle that needs it; a sink that waits holds
    it back.

    *Bad tensors*: SHORT, at the payload's end, if it ends before the last weight; LONG, behind the last weight, if it
    goes on there or a bit of the padding is set; ORDER for a width outside 2..8. Weights that do not come are zeros.

    Parameters
    ----------
    lanes : int
        Weights of a beat, a power of two of at least 2; words have ``8 * lanes`` bits.

    Members
    -------
    order : In(stream of UnpackOrder)
    i : In(stream of Packet(word))
        The payload; none for a tensor of no weights.
    o : Out(stream of Packet(Weights))
        8-bit weights, sign-extended if `negative`.
    report : Out(stream of Report)
    """

    order: stream.Interface
    i: stream.Interface
    o: stream.Interface
    report: stream.Interface

    def __init__(self, lanes: int = 16) -> None:
        if lanes < 2 or lanes & (lanes - 1):
            raise ValueError(f"lanes must be a power of two of at least 2, not {lanes!r}")
        self.lanes, self.word_bits = lanes, _WIDEST * lanes
        super().__init__(
            {
                "order": In(stream.Signature(UnpackOrder())),
                "i": In(stream.Signature(Packet(self.word_bits))),
                "o": Out(stream.Signature(Packet(Weights(_WIDEST, lanes)))),
                "report": Out(stream.Signature(Report())),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes, lane_bits, word_bits = self.lanes, ceil_log2(self.lanes), self.word_bits
        order, left = Signal(UnpackOrder()), Signal(COUNT_BITS)
        # The word in work, the eighth of it where the next beat begins, and whether the payload's last word was taken.
        low, has_low, place, ended = Signal(word_bits, reset_less=True), Signal(), Signal(3), Signal()
        # Words are counted a cycle after they were taken.
        words, taken = Signal(POSITION_BITS - ceil_log2(word_bits)), Signal()
        beat, result = Signal.like(self.o.payload), Signal(Report())
        m.d.comb += [
            self.o.payload.eq(beat),
            self.o.payload.data.error.eq(beat.last & (result.fault != Fault.NONE)),
            self.report.payload.eq(result),
        ]

        # Of the last beat: its tail, whether it is next, and where its fields would end if it were, in bits of a word.
        # Where those of any other beat end, in eighths.
        last, tail = Signal(reset_less=True), Signal(lane_bits, reset_less=True)
        ends_at, behind = Signal(lane_bits + 4, reset_less=True), Signal(4, reset_less=True)
        bad, short = Signal(reset_less=True), Signal()
        enough, go, moves, accept, drain = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            moves.eq(Mux(last, ends_at[-1], behind[-1])),
            short.eq(ended & (~has_low | Mux(last, ends_at > word_bits, behind > 8))),
            enough.eq(short | (has_low & (ended | ~moves | self.i.valid))),
            accept.eq(self.i.valid & self.i.ready),
        ]
        stays, goes = (self._ends(m, tail, order.width, where) for where in (place, behind[:3]))
        m.d.sync += ends_at.eq(Mux(go, goes, stays))
        m.d.sync += behind.eq(Mux(go, order.width + behind[:3], order.width + place))
        m.d.sync += taken.eq(accept)
        with m.If(taken):
            m.d.sync += words.eq(more_one(words))
        end, fields = Signal(lane_bits + 3), Signal(word_bits)
        m.d.comb += fields.eq(self._fields(m, low, place, order, last, tail))
        with m.If(accept):
            m.d.sync += ended.eq(self.i.payload.last)
        with m.If(accept & ~drain):
            m.d.sync += [low.eq(self.i.payload.data), has_low.eq(1)]
        with m.Elif(go & moves):
            m.d.sync += has_low.eq(0)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

        with m.FSM():
            with m.State("Idle"):
                m.d.comb += self.order.ready.eq(1)
                m.d.sync += [order.eq(self.order.payload), left.eq(self.order.payload.count), result.eq(0)]
                m.d.sync += [has_low.eq(0), ended.eq(0), place.eq(0), words.eq(0)]
                count, width = self.order.payload.count, self.order.payload.width
                m.d.sync += [
                    bad.eq((width < _LEAST) | (width > _WIDEST)),
                    tail.eq(less_one(count[:lane_bits])),
                    last.eq(_is_within(count, lane_bits, 1)),
                ]
                with m.If(self.order.valid):
                    m.next = "Beats"
                    with m.If(self.order.payload.count == 0):
                        m.next = "Report"
            with m.State("Beats"):
                m.d.comb += [
                    go.eq((~self.o.valid | self.o.ready) & (enough | bad)),
                    self.i.ready.eq(~ended & (~has_low | (go & moves))),
                ]
                with m.If(go):
                    m.d.sync += [
                        beat.data.symbols.eq(Mux(short | bad, 0, fields)),
                        beat.data.tail.eq(tail),
                        beat.last.eq(last),
                        self.o.valid.eq(~last),
                        left[lane_bits:].eq(less_one(left[lane_bits:])),
                        last.eq(_is_within(left, lane_bits, 2)),
                        place.eq(behind),
                        end.eq(ends_at),
                    ]
                    with m.If((short | bad) & (result.fault == Fault.NONE)):
                        m.d.sync += result.fault.eq(Mux(bad, Fault.ORDER, Fault.SHORT))
                    with m.If(last):
                        m.next = "Padding"
            with m.State("Padding"):
                more = has_low & ((end == 0) | _set_from(low, end, lanes))
                with m.If(result.fault == Fault.SHORT):
                    m.d.sync += result.position.eq(Cat(Const(0, lane_bits + 3), words))
                with m.Elif((result.fault == Fault.NONE) & (more | ~ended)):
                    m.d.sync += result.fault.eq(Fault.LONG)
                    m.d.sync += result.position.eq(Cat(end, Mux(has_low & ~taken, less_one(words), words)))
                m.next = "Drain"
                with m.If(ended):
                    m.d.sync += self.o.valid.eq(1)
                    m.next = "Send"
            with m.State("Drain"):
                m.d.comb += [drain.eq(1), self.i.ready.eq(~ended)]
                with m.If(ended):
                    m.d.sync += self.o.valid.eq(1)
                    m.next = "Send"
            with m.State("Send"), m.If(self.o.ready):
                m.next = "Report"
            with m.State("Report"):
                m.d.comb += self.report.valid.eq(1)
                with m.If(self.report.ready):
                    m.next = "Idle"
        return m

    def _ends(self, m: Module, tail: Value, width: Value, place: Value) -> Value:
        """Where ``tail + 1`` fields end that begin at an eighth of a word, in bits."""
        fields, bits = more_one(Cat(tail, Const(0, 1))), len(tail) + 4
        rows = [Cat(Const(0, k), fields & bit.replicate(len(fields))) for k, bit in enumerate(width)]
        return total(*carry_save(m, [*rows, Cat(Const(0, len(tail)), place)], bits), bits)

    def _fields(self, m: Module, low: Value, place: Value, order, last: Value, tail: Value) -> Value:
        """The fields of a beat; lanes past the tail are zero."""
        lanes = self.lanes
        sight: Value = Cat(low, self.i.payload.data[:-lanes])
        for k in reversed(range(3)):
            shifted = Signal(lanes * (_WIDEST - 1 + (1 << k)), name=f"sight_{k}")
            m.d.comb += shifted.eq(Mux(place[k], sight[lanes << k :], sight))
            sight = shifted
        fields = []
        for lane in range(lanes):
            field = Signal(_WIDEST, name=f"field_{lane}")
            with m.Switch(order.width):
                for width in range(_LEAST, _WIDEST + 1):
                    bits = sight[lane * width : (lane + 1) * width]
                    with m.Case(width):
                        m.d.comb += field.eq(Cat(bits, (bits[-1] & order.negative).replicate(_WIDEST - width)))
            fields.append(field & (~last | (tail >= lane)).replicate(_WIDEST))
        return Cat(fields)


def _is_within(count: Value, lane_bits: int, beats: int) -> Value:
    """Whether `count` weights are so many beats, 1 or 2; they are not fewer."""
    whole, rest = count[lane_bits:], count[:lane_bits].any()
    return Mux(rest, whole == beats - 1, whole == beats)


def _set_from(word: Value, end: Value, part_bits: int) -> Value:
    """Whether a bit of `word` at `end` or behind is set."""
    low_bits = ceil_log2(part_bits)
    found = []
    for k in range(len(word) // part_bits):
        part = word[k * part_bits : (k + 1) * part_bits]
        behind = any_of([part[j] & (end[:low_bits] <= j) for j in range(part_bits)])
        found.append(Mux(end[low_bits:] == k, behind, (end[low_bits:] < k) & part.any()))
    return any_of(found)
