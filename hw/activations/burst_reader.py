"""Whole bursts of a tile, checked, to the words that matter."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.crc import TRINOMIAL_15
from golden.tile_format import CRC_BITS, LENGTH_BITS, MODES, TileFormat
from hw.activations.ports import (
    MODE_SRLC,
    MODE_ZRLC,
    MODE_ZVC,
    Entry,
    StoredWord,
    burst_words,
    check_parameters,
    word_bits,
)
from hw.crc import crc_step
from hw.packet import Packet

__all__ = ["BurstReader"]


class BurstReader(wiring.Component):
    """Takes a tile's payload word by word into a `WordQueue`, without the zero words at its end.

    Of the last burst only the words up to the last non-zero one are kept, at least one: the decoder reads zeros behind
    them and need not wait while padding comes in. CRC, mode, and length against the entry and against `last` are
    known with the last word and go with the tile as `bad`. A payload that is too long is read to its `last`.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int

    Members
    -------
    i_entry : In(stream of Entry)
        Taken with the last word of the payload.
    i : In(stream of Packet(word))
    number_valid, number : In
        Tile number, wanted with the first word.
    opens : Out
        The first word of a tile is taken now.
    writable, endable : In
    write, stored, keep, end, bad : Out
        To the queue.
    final, place : Out
        The word is of the last burst, and which of its burst.
    """

    i_entry: stream.Interface
    i: stream.Interface

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        check_parameters(fmt, lanes)
        self._fmt, self._burst_words = fmt, burst_words(fmt, lanes)
        width = word_bits(fmt, lanes)
        super().__init__(
            {
                "i_entry": In(stream.Signature(Entry())),
                "i": In(stream.Signature(Packet(width))),
                "number_valid": In(1),
                "number": In(CRC_BITS),
                "opens": Out(1),
                "writable": In(1),
                "endable": In(1),
                "write": Out(1),
                "stored": Out(StoredWord(fmt, lanes)),
                "keep": Out(1),
                "end": Out(1),
                "bad": Out(1),
                "final": Out(1),
                "place": Out(ceil_log2(self._burst_words)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        entry, word, last = self.i_entry.payload, self.i.payload.data, self.i.payload.last
        check, is_open, excess = Signal(CRC_BITS, reset_less=True), Signal(), Signal()
        place, burst = Signal.like(self.place), Signal(LENGTH_BITS, init=1)
        next_check = Signal(CRC_BITS)
        final_burst, expected_end, ends, known, accept, nonzero = (Signal() for _ in range(6))
        top, nonzero_word = _highest(word)
        rules, modes = self.stored.rules, self._fmt.modes

        m.d.comb += [
            nonzero.eq(nonzero_word),
            self.stored.top.eq(top),
            next_check.eq(crc_step(TRINOMIAL_15, Mux(is_open, check, ~self.number), word)),
            final_burst.eq(burst == entry.bursts),
            expected_end.eq(final_burst & (place == self._burst_words - 1)),
            known.eq(sum(entry.mode == MODES.index(name) for name in modes) != 0),
            rules.copies.eq(entry.mode == MODE_SRLC if "srlc" in modes else 0),
            rules.has_runs.eq(rules.copies | (entry.mode == MODE_ZRLC if "zrlc" in modes else 0)),
            rules.masked.eq(entry.mode == MODE_ZVC if "zvc" in modes else 0),
            self.i.ready.eq(
                self.i_entry.valid & (excess | (self.writable & (self.endable | ~ends) & (is_open | self.number_valid)))
            ),
            accept.eq(self.i.valid & self.i.ready),
            self.i_entry.ready.eq(accept & last),
            self.opens.eq(accept & ~is_open & ~excess),
            self.stored.word.eq(word),
            self.final.eq(final_burst),
            self.place.eq(place),
            self.write.eq(accept & ~excess),
            self.keep.eq(~final_burst | nonzero | (place == 0)),
            self.end.eq(self.write & ends),
            ends.eq(last | expected_end),
            self.bad.eq(~(last & expected_end) | (next_check != entry.check) | ~known | (entry.bursts == 0)),
        ]
        with m.If(accept):
            m.d.sync += [check.eq(next_check), excess.eq(~last & (excess | expected_end))]
            m.d.sync += is_open.eq(~ends & ~excess)
            with m.If(ends | excess):
                m.d.sync += [place.eq(0), burst.eq(1)]
            with m.Else():
                m.d.sync += place.eq(place + 1)
                with m.If(place == self._burst_words - 1):
                    m.d.sync += burst.eq(burst + 1)
        return m


def _highest(word) -> tuple:
    """Index of the highest set bit of a word whose width is a power of two, and whether there is one."""
    if len(word) == 1:
        return Cat(), word
    half = len(word) // 2
    low, low_any = _highest(word[:half])
    high, high_any = _highest(word[half:])
    return Cat(Mux(high_any, high, low) if len(low) else Cat(), high_any), low_any | high_any
