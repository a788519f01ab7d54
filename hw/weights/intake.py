"""A tensor's body as a file holds it, from the bus to its decoder: parts skipped, words aligned, checksum taken."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.bits import picked
from hw.crc import crc_step
from hw.packet import Packet
from hw.weights.ports import POSITION_BITS, Fault
from hw.weights.sums import less_one, more_one, not_below, total

__all__ = ["BUSES", "WORDS_BITS", "WORD_BITS", "BodyBeat", "Intake"]

WORD_BITS = 64
"""Bits of a word, of which each part of a body is a whole number."""
BUSES = (128, 256)
"""Bits that a transfer may have."""
WORDS_BITS = POSITION_BITS - 6
"""Bits of a number of words."""

_CHECK_BITS = 32


@dataclass(frozen=True)
class _Crc32:
    """The CRC-32 of zlib (ISO 3309), as `hw.crc.crc_step` takes it."""

    bits: int = _CHECK_BITS
    reflected: int = 0xEDB88320


class BodyBeat(data.StructLayout):
    """Words of one cycle: `symbols`; in the body's last transfer `tail` tells which of them is the last."""

    def __init__(self, bus_bits: int = BUSES[0]) -> None:
        words = bus_bits // WORD_BITS
        super().__init__({"symbols": data.ArrayLayout(WORD_BITS, words), "tail": ceil_log2(words)})


class Intake(wiring.Component):
    """Passes a body's words on from word `head` as they come: all of a transfer to `wide`, one a cycle to `narrow`.

    What lies in front of them is dropped, a transfer a cycle, and shown as it passes; one of those words is kept. If
    words in front are whole transfers no cycle is lost on the way, else one for each body. Nothing is stored but a
    transfer. A body that ends before its decoder has had a word gives it a word of zeros, so that it ends, too.

    Parameters
    ----------
    bus_bits : int
        Of `BUSES`.

    Members
    -------
    i : In(stream of Packet(BodyBeat))
        A body; `last` with its last transfer. None comes for a body of no words.
    wide : Out(stream of Packet(BodyBeat)), narrow : Out(stream of Packet(64))
        What is missing of a last wide word is zero.
    begin : In
        A body begins; only if `done`.
    words, head, kept, check : In
        Of the body that begins: its words, those that are dropped, which of these is kept, and its CRC-32.
    feeds, feeds_wide : In
        A decoder waits, and at which of the two; in all cycles from the one behind `begin` on.
    shows, shown : Out
        A transfer of words in front passes; those of its words, others zero.
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

    def __init__(self, bus_bits: int = BUSES[0]) -> None:
        if bus_bits not in BUSES:
            raise ValueError(f"bus_bits must be one of {BUSES}, not {bus_bits!r}")
        self.bus_bits = bus_bits
        super().__init__(
            {
                "i": In(stream.Signature(Packet(BodyBeat(bus_bits)))),
                "wide": Out(stream.Signature(Packet(BodyBeat(bus_bits)))),
                "narrow": Out(stream.Signature(Packet(WORD_BITS))),
                "begin": In(1),
                "words": In(WORDS_BITS),
                "head": In(WORDS_BITS),
                "kept": In(WORDS_BITS),
                "check": In(_CHECK_BITS),
                "feeds": In(1),
                "feeds_wide": In(1),
                "shows": Out(1),
                "shown": Out(bus_bits),
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
        lanes = self.bus_bits // WORD_BITS
        lane_bits = ceil_log2(lanes)
        beat, ends_body = self.i.payload.data, self.i.payload.last
        there, accept, take, ended = Signal(lanes), Signal(), Signal(), Signal()
        total_words, kept = (Signal(WORDS_BITS, name=name, reset_less=True) for name in ("total_words", "kept_place"))
        check = Signal(_CHECK_BITS, reset_less=True)
        # Words in front: those that share a transfer with others, and whole transfers; transfers that have passed.
        offset = Signal(lane_bits, reset_less=True)
        left, number = (Signal(WORDS_BITS - lane_bits, name=name, reset_less=True) for name in ("left", "number"))
        # Words of the transfer before that the decoder has not had; whose turn it is at `narrow`.
        before, has_before, place = Signal(self.bus_bits, reset_less=True), Signal(), Signal(lane_bits)
        m.d.comb += [
            there.eq(Cat(~ends_body | (beat.tail >= lane) for lane in range(lanes))),
            accept.eq(self.i.valid & self.i.ready),
        ]
        words = [beat.symbols[lane] & there[lane].replicate(WORD_BITS) for lane in range(lanes)]
        fresh = [word & (~ended).replicate(WORD_BITS) for word in words]
        with m.If(accept):
            m.d.sync += [ended.eq(ends_body), before.eq(Cat(words))]
        state = self._checksum(m, accept)

        wide, narrow = self.wide, self.narrow
        behind, at_end = Signal(), Signal()
        self._align(m, fresh, before, offset, ended, accept)
        m.d.comb += [
            behind.eq(picked(list(there), offset)),
            wide.p.last.eq(Mux(offset == 0, ends_body, ended | ~behind)),
            at_end.eq(Mux(ends_body, beat.tail == place, place == lanes - 1)),
            narrow.p.data.eq(picked(fresh, place)),
            narrow.p.last.eq(ends_body & at_end),
        ]
        with m.FSM():
            with m.State("Done"):
                m.d.comb += self.done.eq(1)
                m.d.sync += [has_before.eq(0), place.eq(0), state.eq((1 << _CHECK_BITS) - 1)]
                with m.If(self.begin):
                    empty, plain = self.words == 0, self.head == 0
                    m.d.sync += [total_words.eq(self.words), kept.eq(self.kept), check.eq(self.check)]
                    m.d.sync += [Cat(offset, left).eq(self.head), number.eq(0), self.seen.eq(0)]
                    m.d.sync += [self.starved.eq(empty), ended.eq(empty), self.passed.eq(empty | plain)]
                    with m.If(empty):
                        m.next = "Starve"
                    with m.Elif(plain):
                        m.next = "Body"
                    with m.Else():
                        m.next = "Head"
            with m.State("Head"):
                # The transfer holds the last word in front; besides, others, which `narrow` takes from where they are.
                final, shared, stays, last_word = Signal(), Signal(), Signal(), Signal(lane_bits)
                m.d.comb += [
                    last_word.eq(Mux(left == 0, offset - 1, lanes - 1)),
                    final.eq(((left == 0) | ((left == 1) & (offset == 0))) & picked(list(there), last_word)),
                    shared.eq((left == 0) & behind),
                    stays.eq(shared & self.feeds & ~self.feeds_wide),
                    take.eq(self.i.valid & ~ended),
                    self.i.ready.eq(~ended & ~stays),
                    self.shows.eq(take),
                ]
                with m.If(take):
                    m.d.sync += [left.eq(less_one(left)), number.eq(more_one(number)), has_before.eq(shared)]
                    with m.If(number == kept[lane_bits:]):
                        m.d.sync += self.kept_word.eq(picked(list(beat.symbols), kept[:lane_bits]))
                    with m.If(stays):
                        m.d.sync += place.eq(offset)
                    with m.If(final):
                        m.d.sync += self.passed.eq(1)
                        m.next = "Body"
                with m.If(ended):
                    m.d.sync += [self.starved.eq(1), self.passed.eq(1)]
                    m.next = "Starve"
            with m.State("Body"):
                with m.If(ended & ~has_before):
                    m.d.sync += self.starved.eq(1)
                    m.next = "Starve"
                with m.Elif(~self.feeds):
                    m.d.comb += self.i.ready.eq(~ended)
                    with m.If(ended | (accept & ends_body)):
                        m.next = "Check"
                with m.Elif(self.feeds_wide):
                    m.d.comb += [wide.valid.eq(self.i.valid | ended), self.i.ready.eq(wide.ready & ~ended)]
                    with m.If(wide.valid & wide.ready):
                        m.d.sync += has_before.eq(has_before & behind & ~ended)
                        with m.If(wide.p.last):
                            m.next = "Check"
                with m.Else():
                    m.d.comb += [narrow.valid.eq(self.i.valid), self.i.ready.eq(narrow.ready & at_end)]
                    with m.If(narrow.valid & narrow.ready):
                        m.d.sync += place.eq(Mux(at_end, 0, more_one(place)))
                        with m.If(narrow.p.last):
                            m.next = "Check"
            with m.State("Starve"):
                m.d.comb += [
                    wide.p.last.eq(1),
                    narrow.p.last.eq(1),
                    wide.valid.eq(self.feeds & self.feeds_wide),
                    narrow.valid.eq(self.feeds & ~self.feeds_wide),
                ]
                with m.If(~self.feeds | (wide.valid & wide.ready) | (narrow.valid & narrow.ready)):
                    m.next = "Check"
            with m.State("Check"):
                seen = self.seen
                m.d.sync += self.position.eq(seen << 6)
                m.d.sync += self.fault.eq(Fault.NONE)
                with m.If((total_words != 0) & (~state != check)):
                    m.d.sync += self.fault.eq(Fault.CHECK)
                with m.If(self.starved & self.feeds):
                    m.d.sync += self.fault.eq(Fault.SHORT)
                with m.If(~not_below(seen, total_words)):
                    m.d.sync += self.fault.eq(Fault.SHORT)
                with m.If(~not_below(total_words, seen)):
                    m.d.sync += [self.fault.eq(Fault.LONG), self.position.eq(total_words << 6)]
                m.next = "Done"

        fronts = [((left != 0) | (offset > lane)).replicate(WORD_BITS) for lane in range(lanes)]
        m.d.comb += self.shown.eq(Cat(word & front for word, front in zip(words, fronts, strict=True)))
        return m

    def _checksum(self, m: Module, accept: Value) -> Signal:
        """The register of the CRC, which takes the words of a transfer, and the count of them."""
        beat, states = self.i.payload.data, []
        state = after = Signal(_CHECK_BITS, reset_less=True)
        for lane, word in enumerate(beat.symbols):
            after, earlier = Signal(_CHECK_BITS, name=f"after_{lane}"), after
            m.d.comb += after.eq(crc_step(_Crc32(), earlier, word))
            states.append(after)
        last = Mux(self.i.payload.last, beat.tail, len(states) - 1)
        with m.If(accept):
            m.d.sync += [state.eq(picked(states, last)), self.seen.eq(total(self.seen, last, WORDS_BITS, 1))]
        return state

    def _align(self, m: Module, fresh: list, before: Value, offset: Value, ended: Value, accept: Value) -> None:
        """Words from `offset` on of the transfer before, then those of this one."""
        lanes, wide, tail = len(fresh), self.wide.p.data, self.i.payload.data.tail
        held = [before.word_select(lane, WORD_BITS) for lane in range(lanes)]
        for lane in range(lanes):
            m.d.comb += wide.symbols[lane].eq(picked([fresh[lane], *[*held, *fresh][lane + 1 : lane + lanes]], offset))
        tail_before = Signal.like(tail)
        with m.If(accept):
            m.d.sync += tail_before.eq(tail)
        m.d.comb += wide.tail.eq(Mux(ended, tail_before, tail) - offset)
