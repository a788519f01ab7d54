"""Whole bursts of prc tiles, checked, to their words as the decoder of prc takes them."""

from dataclasses import replace

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.activations.prc import PrcFormat
from golden.tile_format import CRC_BITS, MODES, TileFormat
from hw.activations.burst_reader import BurstReader
from hw.activations.ports import Entry, burst_words, word_bits
from hw.activations.prc_ports import StreamWord, prc_word_bits
from hw.activations.word_queue import WordQueue, queue_depth
from hw.packet import Packet

__all__ = ["PrcFeed", "prc_burst_words"]


def prc_burst_words(fmt: TileFormat) -> int:
    """Words of prc in a burst."""
    return fmt.burst_bits // prc_word_bits(PrcFormat(fmt.word_bits))


class PrcFeed(wiring.Component):
    """A `BurstReader` and a `WordQueue`: zero words at the end of the last burst are told by their number.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int
        Symbols per cycle of the whole decoder; its words are those of prc.

    Members
    -------
    i_entry : In(stream of Entry)
    i : In(stream of Packet(word))
    number_valid, number : In
        Tile number, wanted with the first word.
    o : Out(stream of StreamWord)
    """

    i_entry: stream.Interface
    i: stream.Interface
    o: stream.Interface

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        self._fmt, self._lanes = replace(fmt, modes=("raw",)), lanes
        prc = PrcFormat(fmt.word_bits)
        super().__init__(
            {
                "i_entry": In(stream.Signature(Entry())),
                "i": In(stream.Signature(Packet(word_bits(self._fmt, lanes)))),
                "number_valid": In(1),
                "number": In(CRC_BITS),
                "o": Out(stream.Signature(StreamWord(prc, prc_burst_words(fmt)))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        words = burst_words(self._fmt, self._lanes)
        m.submodules.reader = reader = BurstReader(self._fmt, self._lanes)
        width, place_bits = word_bits(self._fmt, self._lanes), len(reader.place)
        m.submodules.queue = queue = WordQueue(width + 1 + place_bits, queue_depth(words), provisional=True)
        wiring.connect(m, wiring.flipped(self.i), reader.i)
        # The reader is told of raw tiles alone, and takes what prc is made of as it takes these.
        entry = Signal(Entry())
        m.d.comb += [
            entry.eq(self.i_entry.payload),
            entry.mode.eq(MODES.index("raw")),
            reader.i_entry.payload.eq(entry),
            reader.i_entry.valid.eq(self.i_entry.valid),
            self.i_entry.ready.eq(reader.i_entry.ready),
            reader.number.eq(self.number),
            reader.number_valid.eq(self.number_valid),
            reader.writable.eq(queue.writable),
            reader.endable.eq(queue.endable),
            queue.write.eq(reader.write),
            queue.data.eq(Cat(reader.stored.word, reader.final, reader.place)),
            queue.keep.eq(reader.keep),
            queue.end.eq(reader.end),
            queue.bad.eq(reader.bad),
        ]
        word = self.o.payload
        m.d.comb += [
            self.o.valid.eq(queue.valid),
            queue.take.eq(self.o.valid & self.o.ready),
            word.word.eq(queue.word),
            word.final.eq(queue.word[width]),
            word.last.eq(queue.last),
            word.bad.eq(queue.last & queue.word_bad),
            word.zeros.eq(~queue.word[width + 1 :] & queue.last.replicate(place_bits)),
        ]
        return m
