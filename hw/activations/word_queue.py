"""A queue of payload words that learns only afterwards which word was a tile's last."""

from amaranth.hdl import Cat, Module, Mux, Signal
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
        A quarter of the queue is filled, or a tile's last word is in it: a reader that takes no more words than come
        hardly waits.
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
        # One bit more than an address, so that full and empty differ. `head` is the word that is shown. `take` comes
        # late: all that follows from it is ready for both cases and chosen in the next cycle.
        tail, head = Signal(bits + 1), Signal(bits + 1)
        was_head, moved = Signal(bits + 1), Signal()
        kept = Signal(bits + 1) if self.provisional else tail
        ended, was_ended, was_last, shown = Signal(), Signal(), Signal(), Signal(2)
        end_place, end_bad = Signal(bits, reset_less=True), Signal(reset_less=True)
        keeps, behind, following = Signal(), Signal(bits + 1), Signal(bits + 1)

        m.d.comb += [
            self.writable.eq((tail ^ head) != self.depth),
            ended.eq(was_ended & ~(moved & was_last)),
            self.valid.eq(Mux(moved, shown[1], shown[0])),
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
            m.d.sync += [end_place.eq(Mux(keeps, tail, kept - 1)), end_bad.eq(self.bad)]
            if self.provisional:
                m.d.sync += tail.eq(Mux(keeps, behind, kept))

        # Whether a word is its tile's last and whether it can be shown: the one at the head, and the one behind it.
        ends, shows = [], []
        for name, place in (("head", head), ("following", following)):
            end, show = Signal(name=f"{name}_ends"), Signal(name=f"{name}_shown")
            m.d.comb += end.eq(ended & (place[:bits] == end_place))
            m.d.comb += show.eq(end | ((kept != place) & (kept != (place + 1)[: bits + 1])))
            ends.append(end)
            shows.append(show)
        m.d.comb += [
            head.eq(was_head + moved),
            following.eq(head + 1),
            memory.read.eq(self.take | ~self.valid),
            memory.read_address.eq(Mux(self.valid, following, head)),
            self.word.eq(memory.read_data),
            self.last.eq(ends[0]),
            self.word_bad.eq(end_bad),
        ]
        m.d.sync += [
            was_head.eq(head),
            moved.eq(self.take),
            shown.eq(Cat(shows)),
            was_ended.eq(self.end | ended),
            was_last.eq(ends[0]),
        ]
        if self.provisional:
            level = Signal(bits + 1)
            m.d.comb += [level.eq(kept - head), self.primed.eq((level >= self.depth // 4) | ended)]
        return m
