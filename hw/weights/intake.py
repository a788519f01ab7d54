"""A tensor's body as a file holds it, from the bus to its decoder: parts skipped, words aligned, checksum taken."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.crc import crc_step
from hw.packet import Packet
from hw.weights.ports import POSITION_BITS, Fault
from hw.weights.sums import more_one, not_below, total

__all__ = ["BUS_BITS", "WORDS_BITS", "WORD_BITS", "BodyBeat", "Intake"]

WORD_BITS = 64
"""Bits of a word, of which each part of a body is a whole number."""
BUS_BITS = 128
"""Bits of a transfer: two words."""
WORDS_BITS = POSITION_BITS - 6
"""Bits of a number of words."""

_CHECK_BITS = 32


@dataclass(frozen=True)
class _Crc32:
    """The CRC-32 of zlib (ISO 3309), as `hw.crc.crc_step` takes it."""

    bits: int = _CHECK_BITS
    reflected: int = 0xEDB88320


class BodyBeat(data.StructLayout):
    """Words of one cycle: `symbols`; in the body's last transfer `tail` tells whether it has the second."""

    def __init__(self) -> None:
        super().__init__({"symbols": data.ArrayLayout(WORD_BITS, BUS_BITS // WORD_BITS), "tail": 1})


class Intake(wiring.Component):
    """Passes a body's words on from word `head` as they come: two a cycle to `wide`, one to `narrow`.

    What lies in front of them is dropped, two words a cycle; one of those words is kept. If `head` is even no cycle is
    lost on the way, else one for each body. Nothing is stored but a word. A body that ends before its decoder has had
    a word gives it a word of zeros, so that it ends, too.

    Members
    -------
    i : In(stream of Packet(BodyBeat))
        A body; `last` with its last transfer. None comes for a body of no words.
    wide : Out(stream of Packet(128)), narrow : Out(stream of Packet(64))
        What is missing of a last wide word is zero.
    begin : In
        A body begins; only if `done`. The following ones are read in all cycles from then on.
    words, head, kept : In
        Words of the body, words that are dropped, and which of those is kept.
    feeds, feeds_wide : In
        A decoder waits, and at which of the two.
    check : In
        The body's CRC-32.
    kept_word, passed : Out
        The word that was kept, and whether all words in front were taken.
    seen : Out
        Words that were taken.
    done : Out
        The body has been taken and passed on.
    fault, position, starved : Out
        `SHORT`, `LONG` or `CHECK`, and the bit of the body; whether the decoder had but zeros.
    """

    i: stream.Interface
    wide: stream.Interface
    narrow: stream.Interface

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(Packet(BodyBeat()))),
                "wide": Out(stream.Signature(Packet(BUS_BITS))),
                "narrow": Out(stream.Signature(Packet(WORD_BITS))),
                "begin": In(1),
                "words": In(WORDS_BITS),
                "head": In(WORDS_BITS),
                "kept": In(WORDS_BITS),
                "feeds": In(1),
                "feeds_wide": In(1),
                "check": In(_CHECK_BITS),
                "kept_word": Out(WORD_BITS),
                "passed": Out(1),
                "seen": Out(WORDS_BITS),
                "done": Out(1),
                "fault": Out(Fault),
                "position": Out(POSITION_BITS),
                "starved": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        held, has_held, ended = Signal(WORD_BITS, reset_less=True), Signal(), Signal()
        low, high = (self.i.payload.data.symbols[k] for k in range(2))
        pair, accept = Signal(), Signal()
        left, number = Signal(WORDS_BITS, reset_less=True), Signal(WORDS_BITS - 1, reset_less=True)
        seen = self.seen
        m.d.comb += [
            pair.eq(~self.i.payload.last | self.i.payload.data.tail),
            accept.eq(self.i.valid & self.i.ready),
        ]
        state = Signal(_CHECK_BITS, reset_less=True)
        after_low, after_high = Signal(_CHECK_BITS), Signal(_CHECK_BITS)
        m.d.comb += [after_low.eq(crc_step(_Crc32(), state, low)), after_high.eq(crc_step(_Crc32(), after_low, high))]
        with m.If(accept):
            m.d.sync += [state.eq(Mux(pair, after_high, after_low)), seen.eq(total(seen, Const(1), WORDS_BITS, pair))]
            m.d.sync += ended.eq(self.i.payload.last)

        with m.FSM():
            with m.State("Done"):
                m.d.comb += self.done.eq(1)
                m.d.sync += [has_held.eq(0), state.eq((1 << _CHECK_BITS) - 1)]
                with m.If(self.begin):
                    m.d.sync += [ended.eq(0), seen.eq(0), number.eq(0), self.starved.eq(0), self.passed.eq(0)]
                    m.next = "Begin"
            with m.State("Begin"):
                m.d.sync += [left.eq(self.head), self.passed.eq(self.head == 0)]
                with m.If(self.words == 0):
                    m.d.sync += [self.starved.eq(1), self.passed.eq(1)]
                    m.next = "Starve"
                with m.Elif(self.head != 0):
                    m.next = "Head"
                with m.Else():
                    m.next = "Body"
            with m.State("Head"):
                one, ends = left == 1, Signal()
                m.d.comb += [self.i.ready.eq(~ended), ends.eq(one | (pair & (left == 2)))]
                with m.If(accept):
                    # Two words less, or one: less two and one more.
                    m.d.sync += left.eq(total(left, Const(-2, WORDS_BITS), WORDS_BITS, ~pair))
                    m.d.sync += number.eq(more_one(number))
                    m.d.sync += [held.eq(high), has_held.eq(pair & one)]
                    with m.If(number == self.kept[1:]):
                        m.d.sync += self.kept_word.eq(Mux(self.kept[0], high, low))
                    with m.If(ends):
                        m.d.sync += self.passed.eq(1)
                        m.next = "Body"
                with m.If(ended):
                    m.d.sync += [self.starved.eq(1), self.passed.eq(1)]
                    m.next = "Starve"
            with m.State("Body"):
                wide, narrow = self.wide, self.narrow
                m.d.comb += [
                    wide.p.data.eq(Mux(has_held, Cat(held, Mux(ended, 0, low)), Cat(low, Mux(pair, high, 0)))),
                    wide.p.last.eq(Mux(has_held, ended | ~pair, self.i.payload.last)),
                    narrow.p.data.eq(Mux(has_held, held, low)),
                    narrow.p.last.eq(Mux(has_held, ended, ~pair)),
                ]
                with m.If(ended & ~has_held):
                    m.d.sync += self.starved.eq(1)
                    m.next = "Starve"
                with m.Elif(~self.feeds):
                    m.d.comb += self.i.ready.eq(~ended)
                    with m.If(ended | (accept & self.i.payload.last)):
                        m.next = "Check"
                with m.Elif(self.feeds_wide):
                    m.d.comb += [
                        wide.valid.eq(self.i.valid & ~ended | has_held & ended),
                        self.i.ready.eq(wide.ready & ~ended),
                    ]
                    with m.If(wide.valid & wide.ready):
                        m.d.sync += [held.eq(high), has_held.eq(has_held & pair & ~ended)]
                        with m.If(wide.p.last):
                            m.next = "Check"
                with m.Else():
                    m.d.comb += [narrow.valid.eq(has_held | self.i.valid), self.i.ready.eq(narrow.ready & ~has_held)]
                    with m.If(narrow.valid & narrow.ready):
                        m.d.sync += [held.eq(high), has_held.eq(~has_held & pair)]
                        with m.If(narrow.p.last):
                            m.next = "Check"
            with m.State("Starve"):
                m.d.comb += [
                    self.wide.p.last.eq(1),
                    self.narrow.p.last.eq(1),
                    self.wide.valid.eq(self.feeds & self.feeds_wide),
                    self.narrow.valid.eq(self.feeds & ~self.feeds_wide),
                ]
                with m.If(~self.feeds | (self.wide.valid & self.wide.ready) | (self.narrow.valid & self.narrow.ready)):
                    m.next = "Check"
            with m.State("Check"):
                m.d.sync += self.position.eq(seen << 6)
                m.d.sync += self.fault.eq(Fault.NONE)
                with m.If((self.words != 0) & (~state != self.check)):
                    m.d.sync += self.fault.eq(Fault.CHECK)
                with m.If(self.starved & self.feeds):
                    m.d.sync += self.fault.eq(Fault.SHORT)
                with m.If(~not_below(seen, self.words)):
                    m.d.sync += self.fault.eq(Fault.SHORT)
                with m.If(~not_below(self.words, seen)):
                    m.d.sync += [self.fault.eq(Fault.LONG), self.position.eq(self.words << 6)]
                m.next = "Done"
        return m
