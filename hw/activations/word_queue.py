"""A queue of payload words that learns only afterwards which word was a tile's last."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.memory import Memory

__all__ = ["WordQueue", "queue_depth"]


def queue_depth(burst_words: int) -> int:
    """Words of the queue of an encoder or decoder: two bursts, at least 4."""
    return max(4, 2 * burst_words)


class WordQueue(wiring.Component):
    """Words in order, the newest held back until it is known whether it is the last of its tile.

    A word that is written but not kept is provisional: when the tile ends, provisional words at its end are dropped
    (trailing zero words of a payload); a kept word keeps those before it. One ended tile may be in the queue at a
    time. A word comes out two cycles after it was written and another was kept or the tile ended, one word per cycle.

    Parameters
    ----------
    width : int
        Bits of a word.
    depth : int
        Words, a power of two.
    provisional : bool
        Whether words may be written without being kept.

    Members
    -------
    writable : Out
        There is room for a word.
    endable : Out
        No ended tile is in the queue.
    write, data, keep : In
        Append `data`, only if `writable`; `keep` it (ignored if nothing is provisional).
    end, bad : In
        The tile ends with its newest kept word, which may be the one being written; only if `endable`.
    valid, word, last, word_bad : Out
        The oldest word; `word_bad` is what `bad` was when the tile ended and holds with `last`.
    take : In
        Go on to the next word, only if `valid`.
    primed : Out
        Half of the queue is filled, or the tile's last word is in it: a reader that takes no more words than come can
        go on without waiting.
    """

    def __init__(self, width: int, depth: int, provisional: bool) -> None:
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two of at least 2, not {depth!r}")
        self.width, self.depth, self.provisional = width, depth, provisional
        super().__init__(
            {
                "writable": Out(1),
                "endable": Out(1),
                "write": In(1),
                "data": In(width),
                "keep": In(1),
                "end": In(1),
                "bad": In(1),
                "valid": Out(1),
                "word": Out(width),
                "last": Out(1),
                "word_bad": Out(1),
                "take": In(1),
                "primed": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(self.width, self.depth)
        bits = ceil_log2(self.depth)
        # One bit more than an address, so that full and empty differ.
        tail, head = Signal(bits + 1), Signal(bits + 1)
        kept = Signal(bits + 1) if self.provisional else tail
        ended, end_place, end_bad = Signal(), Signal(bits, reset_less=True), Signal(reset_less=True)
        keeps, at_end, load = Signal(), Signal(), Signal()
        behind, following = Signal(bits + 1), Signal(bits + 1)

        m.d.comb += [
            self.writable.eq((tail ^ head) != self.depth),
            self.endable.eq(~ended),
            memory.write.eq(self.write),
            memory.write_address.eq(tail),
            memory.write_data.eq(self.data),
            behind.eq(tail + 1),
            keeps.eq(self.write & (self.keep if self.provisional else 1)),
        ]
        with m.If(self.write):
            m.d.sync += tail.eq(behind)
        with m.If(keeps):
            m.d.sync += kept.eq(behind)
        with m.If(self.end):
            m.d.sync += [ended.eq(1), end_place.eq(Mux(keeps, tail, kept - 1)), end_bad.eq(self.bad)]
            if self.provisional:
                m.d.sync += tail.eq(Mux(keeps, behind, kept))

        m.d.comb += [
            following.eq(head + 1),
            at_end.eq(ended & (head[:bits] == end_place)),
            load.eq((at_end | ((kept != head) & (kept != following))) & (~self.valid | self.take)),
            memory.read.eq(load),
            memory.read_address.eq(head),
            self.word.eq(memory.read_data),
        ]
        last, word_bad = Signal(reset_less=True), Signal(reset_less=True)
        m.d.comb += [self.last.eq(last), self.word_bad.eq(word_bad)]
        if self.provisional:
            level = Signal(bits + 1)
            m.d.comb += [level.eq(kept - head), self.primed.eq((level >= self.depth // 2) | ended | last)]
        with m.If(load):
            m.d.sync += [head.eq(following), self.valid.eq(1), last.eq(at_end), word_bad.eq(end_bad)]
            with m.If(at_end):
                m.d.sync += ended.eq(0)
        with m.Elif(self.take):
            m.d.sync += self.valid.eq(0)
        return m
