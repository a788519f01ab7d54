"""A coded tensor as it lies in a file, bit by bit: a window over its words, part by part."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.bits import any_of
from hw.packet import Packet
from hw.weights.ports import POSITION_BITS
from hw.weights.sums import less_one, shifted, total

__all__ = ["BODY_WORDS_BITS", "PART_WORDS_BITS", "PLACE_BITS", "SIGHT_BITS", "TAKEN_BITS", "WORD_BITS", "BodyReader"]

PLACE_BITS = 6
"""Bits of a place in a word."""
WORD_BITS = 1 << PLACE_BITS
SIGHT_BITS = 42
"""Bits that are seen at once."""
TAKEN_BITS = 32
"""Most bits that are taken at once: a centroid, an entry point."""
BODY_WORDS_BITS = POSITION_BITS - PLACE_BITS + 2
"""Bits of a number of words of all parts together."""
PART_WORDS_BITS = 9
"""Bits of a count of words within tables: all that tables can tell is shorter."""


class BodyReader(wiring.Component):
    """Words of a tensor in, the next bits out.

    Two words are in sight and one waits. As many words are asked for as the tensor has; behind them, zeros can be taken
    without end. What is taken is added to the place in the next cycle, so that a decoder has its own cycle for itself.

    Members
    -------
    i : In(stream of Packet(64))
    start, words : In
        A tensor of so many words begins: nothing of one before is left.
    sight, ready : Out
        The next bits, and whether they are there.
    place, word : Out
        Where they begin: bit of the word, word of the part.
    take, size : In
        So many bits are taken, 32 at most; only if `ready`.
    stepped : Out
        What was taken in the cycle before.
    part : In
        Go on to the next word, if this one is begun, and count from there; only where words begin or two cycles after
        the last bits were taken.
    rest : Out
        A bit of what `part` would leave behind is set; three cycles after the last bits were taken.
    dry, short : Out
        Nothing is in sight but zeros behind the tensor's words; none come after the word in sight, though they should.
        `dry` is set for both.
    drain : In
        Take words up to the packet's last one.
    drained, cut, over : Out
        The packet has ended; before its time; there were more words than told.
    """

    i: stream.Interface

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(Packet(WORD_BITS))),
                "start": In(1),
                "words": In(BODY_WORDS_BITS),
                "sight": Out(SIGHT_BITS),
                "ready": Out(1),
                "place": Out(PLACE_BITS),
                "word": Out(PART_WORDS_BITS),
                "take": In(1),
                "size": In(range(TAKEN_BITS + 1)),
                "stepped": Out(range(TAKEN_BITS + 1)),
                "part": In(1),
                "rest": Out(1),
                "dry": Out(1),
                "short": Out(1),
                "drain": In(1),
                "drained": Out(1),
                "cut": Out(1),
                "over": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        low, high, spare = (Signal(WORD_BITS, name=name, reset_less=True) for name in ("low", "high", "spare"))
        has_low, has_high, has_spare = Signal(), Signal(), Signal()
        left, wanted, ended = Signal(BODY_WORDS_BITS), Signal(), Signal()
        accept, last, moves, fills = Signal(), self.i.payload.last, Signal(), Signal()
        # The place before the latest step; behind it, perhaps in the next word.
        place, at, took = Signal(PLACE_BITS), Signal(PLACE_BITS + 1), Signal()
        step = Signal.like(self.size, reset_less=True)
        word, passed, tail = Signal(PART_WORDS_BITS), Signal(), Signal(SIGHT_BITS - 1)
        m.d.comb += [
            self.stepped.eq(step & took.replicate(len(step))),
            at.eq(total(place, self.stepped, len(at))),
            passed.eq(at[-1]),
            self.place.eq(at),
            self.word.eq(total(word, Const(0), len(word), passed)),
            self.i.ready.eq(Mux(self.drain, ~self.drained, wanted & ~has_spare)),
            accept.eq(self.i.valid & self.i.ready),
            moves.eq(~has_low | passed | (self.part & (self.place != 0))),
            fills.eq(moves | ~has_high),
            ended.eq(~wanted & ~has_spare),
            self.ready.eq(Mux(passed, has_high & has_spare | ended, (has_low & has_high) | (ended & ~has_high))),
            self.short.eq(ended & self.cut & (passed | ~has_high)),
            self.dry.eq((ended & ~has_high & (passed | ~has_low)) | self.short),
            tail.eq(spare & has_spare.replicate(len(tail))),
        ]
        m.d.comb += self.sight.eq(shifted(m, Cat(low, high, tail), at, SIGHT_BITS))

        with m.If(moves):
            m.d.sync += [low.eq(high), has_low.eq(has_high)]
        with m.If(fills):
            m.d.sync += [high.eq(Mux(has_spare, spare, 0)), has_high.eq(has_spare), has_spare.eq(0)]
        with m.If(accept & ~self.drain):
            m.d.sync += [spare.eq(self.i.payload.data), has_spare.eq(1), left.eq(less_one(left))]
            m.d.sync += wanted.eq(~last & (left != 1))
            m.d.sync += self.cut.eq(last & (left != 1))
        with m.If(self.drain):
            m.d.sync += wanted.eq(0)
        with m.If(accept):
            m.d.sync += self.drained.eq(last)
            m.d.sync += self.over.eq(self.drain)
        m.d.sync += [place.eq(at), step.eq(self.size), took.eq(self.take), word.eq(self.word)]
        with m.If(self.part):
            m.d.sync += [place.eq(0), took.eq(0), word.eq(0)]
        with m.If(self.start):
            m.d.sync += [place.eq(0), took.eq(0), word.eq(0), left.eq(self.words), wanted.eq(self.words != 0)]
            m.d.sync += [self.drained.eq(self.words == 0), self.cut.eq(0), self.over.eq(0)]
            m.d.sync += [has_low.eq(0), has_high.eq(0), has_spare.eq(0), high.eq(0)]

        # Bits of the word in sight behind the place: shared by halves, for every place at once.
        begun = [Signal(name=f"begun_{k}") for k in range(8)]
        bytes_of = [low[8 * k : 8 * k + 8] for k in range(8)]
        m.d.comb += [flag.eq(Const(k, 4) >= place[3:]) for k, flag in enumerate(begun)]
        parts = []
        for k, byte in enumerate(bytes_of):
            behind = any_of([byte[j] & (place[:3] <= j) for j in range(8)])
            parts.append(Mux(place[3:] == k, behind, begun[k] & byte.any()))
        m.d.sync += self.rest.eq(has_low & (place != 0) & any_of(parts))
        return m
