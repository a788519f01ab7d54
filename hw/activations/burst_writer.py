"""Words of a tile to whole bursts and the tile's index entry."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.crc import TRINOMIAL_15
from golden.tile_format import CRC_BITS, MAX_BURSTS
from hw.activations.ports import Entry
from hw.crc import crc_step
from hw.packet import Packet

__all__ = ["BurstWriter"]


class BurstWriter(wiring.Component):
    """Fills the last burst of each tile with zero words, and counts and checks what it sends.

    Each word of a tile is sent as it comes, one per cycle; after the last one up to ``burst_words - 1`` zero words
    follow. With the tile's last word its entry is offered; the next tile goes on when both are taken. A tile of more
    than 127 bursts has an entry of length 0, which every reader refuses.

    Parameters
    ----------
    width : int
        Bits of a word.
    burst_words : int
        Words of a burst, a power of two.

    Members
    -------
    valid, word, last : In
        Words of a tile.
    take : Out
        The word is taken.
    mode, number : In
        Of the tile whose word comes while `opens` is up.
    opens : Out
        The first word of a tile is sent now.
    o : Out(stream of Packet(word))
        Whole bursts; `last` with the tile's last word.
    o_entry : Out(stream of Entry)
    """

    o: stream.Interface
    o_entry: stream.Interface

    def __init__(self, width: int, burst_words: int) -> None:
        self._burst_words = burst_words
        super().__init__(
            {
                "valid": In(1),
                "word": In(width),
                "last": In(1),
                "take": Out(1),
                "mode": In(2),
                "number": In(CRC_BITS),
                "opens": Out(1),
                "o": Out(stream.Signature(Packet(width))),
                "o_entry": Out(stream.Signature(Entry())),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        check, is_open, pads = Signal(CRC_BITS, reset_less=True), Signal(), Signal()
        place, bursts = Signal(ceil_log2(self._burst_words)), Signal(range(MAX_BURSTS + 1))
        mode = Signal(2, reset_less=True)
        word_sent, entry_sent = Signal(), Signal()
        present, ends_burst, final, go = Signal(), Signal(), Signal(), Signal()

        m.d.comb += [
            present.eq(self.valid | pads),
            ends_burst.eq(place == self._burst_words - 1),
            final.eq((self.last | pads) & ends_burst),
            self.o.valid.eq(present & ~word_sent),
            self.o.payload.data.eq(self.word & (~pads).replicate(len(self.word))),
            self.o.payload.last.eq(final),
            self.o_entry.valid.eq(present & final & ~entry_sent),
            self.o_entry.payload.mode.eq(Mux(is_open, mode, self.mode)),
            self.o_entry.payload.bursts.eq(bursts + 1),
            self.o_entry.payload.check.eq(
                crc_step(TRINOMIAL_15, Mux(is_open, check, ~self.number), self.o.payload.data)
            ),
            go.eq(present & (self.o.ready | word_sent) & (~final | self.o_entry.ready | entry_sent)),
            self.take.eq(go & ~pads),
            self.opens.eq(go & ~is_open),
        ]
        m.d.sync += [
            word_sent.eq(present & final & (self.o.ready | word_sent) & ~go),
            entry_sent.eq(present & final & (self.o_entry.ready | entry_sent) & ~go),
        ]
        with m.If(go):
            m.d.sync += [check.eq(self.o_entry.payload.check), is_open.eq(~final)]
            m.d.sync += [pads.eq((pads | self.last) & ~final), place.eq(place + 1)]
            with m.If(~is_open):
                m.d.sync += mode.eq(self.mode)
            with m.If(final):
                m.d.sync += bursts.eq(0)
            with m.Elif(ends_burst & (bursts != MAX_BURSTS)):
                m.d.sync += bursts.eq(bursts + 1)
        return m
