"""The decoder of a tile stream, all modes in one datapath."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.tile_format import TileFormat
from hw.activations.burst_reader import BurstReader
from hw.activations.expander import Expander
from hw.activations.ports import (
    CheckedBeat,
    DecodeOrder,
    Entry,
    StoredWord,
    burst_words,
    check_parameters,
    word_bits,
)
from hw.activations.sight import Sight
from hw.activations.word_queue import WordQueue, queue_depth
from hw.packet import Packet

__all__ = ["Decoder"]


class Decoder(wiring.Component):
    """Decodes tiles of any of the format's modes.

    Cycles without stalls: a word comes in per cycle until two bursts wait, and a beat leaves per cycle, ``ceil(n / L)``
    for a tile of n symbols at L per cycle, tiles one behind the other. A tile's first beat leaves 5 cycles after its
    first word came (6 with bursts of 8 words), that of a tile of one burst 4 cycles after its last word. Output waits
    for short tiles, whose bursts have more words than they have beats, since words come one per cycle; and now and then
    a cycle or two before a tile of a few bursts, since the queue holds the end of one tile alone.

    Back-pressure at `o` stops the output at once and the input when the queue of two bursts is full. Whatever the
    payload and its entry are, a tile gives as many symbols as its order says and `error` with the last, if anything
    was wrong: CRC, mode, length, `last` at another word, a run or mask past the tile's end, bits set behind its last
    token. The next tile begins behind the word with `last`.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int
        Symbols per cycle: 1, 2, 4 or 8.

    Members
    -------
    i_tile : In(stream of DecodeOrder)
        One for each tile.
    i_entry : In(stream of Entry)
        The tile's index entry; offered before or with its payload.
    i : In(stream of Packet(word))
        Payload in whole bursts; `last` with the tile's last word (where it comes tells payloads that are cut or too
        long, and where the next tile begins).
    o : Out(stream of Packet(CheckedBeat))
        Exactly the ordered number of symbols, whatever the payload; `error` with the tile's last beat.
    """

    i_tile: stream.Interface
    i_entry: stream.Interface
    i: stream.Interface
    o: stream.Interface

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        check_parameters(fmt, lanes)
        self._fmt, self._lanes = fmt, lanes
        super().__init__(
            {
                "i_tile": In(stream.Signature(DecodeOrder(fmt))),
                "i_entry": In(stream.Signature(Entry())),
                "i": In(stream.Signature(Packet(word_bits(fmt, lanes)))),
                "o": Out(stream.Signature(Packet(CheckedBeat(fmt, lanes)))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fmt, lanes = self._fmt, self._lanes
        lane_bits = ceil_log2(lanes)
        m.submodules.reader = reader = BurstReader(fmt, lanes)
        m.submodules.queue = queue = WordQueue(
            StoredWord(fmt, lanes).size, queue_depth(burst_words(fmt, lanes)), provisional=True
        )
        m.submodules.sight = sight = Sight(fmt, lanes)
        m.submodules.expander = expander = Expander(fmt, lanes)

        wiring.connect(m, wiring.flipped(self.i), reader.i)
        wiring.connect(m, wiring.flipped(self.i_entry), reader.i_entry)
        m.d.comb += [
            reader.writable.eq(queue.writable),
            reader.endable.eq(queue.endable),
            queue.write.eq(reader.write),
            queue.data.eq(reader.stored),
            queue.keep.eq(reader.keep),
            queue.end.eq(reader.end),
            queue.bad.eq(reader.bad),
        ]

        # An order is at the port until its tile is begun here; the reader may have begun it before, but not the next.
        order = self.i_tile.payload
        announced, active = Signal(), Signal()
        beats_left = Signal(len(order.count) - lane_bits, reset_less=True)
        tail = Signal(lane_bits, reset_less=True)
        zero_point = Signal(fmt.word_bits, reset_less=True)
        begin, go, final = Signal(), Signal(), Signal(reset_less=True)
        beats_after, next_tail = Signal(len(beats_left)), Signal(lane_bits)
        live = Signal(lanes - 1, reset_less=True)
        m.d.comb += [
            reader.number.eq(order.number),
            reader.number_valid.eq(self.i_tile.valid & ~announced),
            self.i_tile.ready.eq(announced & (~active | (go & final))),
            begin.eq(self.i_tile.valid & self.i_tile.ready),
            beats_after.eq(
                Mux(begin, order.count[lane_bits:], beats_left)
                - Mux(begin, order.count[:lane_bits] == 0 if lane_bits else 1, 1)
            ),
        ]
        m.d.comb += next_tail.eq(Mux(begin, order.count - 1, tail))
        m.d.sync += announced.eq((announced | reader.opens) & ~begin)
        with m.If(begin):
            m.d.sync += [active.eq(1), zero_point.eq(order.zero_point), tail.eq(next_tail)]
        with m.Elif(go):
            m.d.sync += active.eq(~final)
        with m.If(begin | go):
            m.d.sync += [beats_left.eq(beats_after), final.eq(beats_after == 0)]
            m.d.sync += live.eq(Cat((beats_after != 0) | (next_tail >= k) for k in range(1, lanes)))

        o_tail = Signal(lane_bits, reset_less=True)
        o_last, misfit = Signal(reset_less=True), Signal(reset_less=True)
        m.d.comb += [
            sight.valid.eq(queue.valid),
            sight.stored.eq(queue.word),
            sight.last.eq(queue.last),
            sight.bad.eq(queue.word_bad),
            sight.primed.eq(queue.primed),
            queue.take.eq(sight.take),
            sight.run_takes.eq(expander.run_takes),
            sight.plain_takes.eq(expander.plain_takes),
            sight.opens_group.eq(expander.opens_group),
            sight.go.eq(go),
            sight.final.eq(final),
            expander.bits.eq(sight.bits),
            expander.word.eq(sight.stored.word),
            expander.opening.eq(sight.opening),
            expander.waits.eq(sight.waits),
            expander.rules.eq(sight.rules),
            expander.zero_point.eq(zero_point),
            expander.last.eq(final),
            expander.live.eq(Cat(1, live)),
            expander.go.eq(go),
            go.eq(active & sight.ready & (~self.o.valid | self.o.ready)),
            self.o.payload.data.symbols.eq(expander.symbols),
            self.o.payload.data.tail.eq(o_tail),
            self.o.payload.data.error.eq(self.o.payload.last & (sight.fault | misfit)),
            self.o.payload.last.eq(o_last),
        ]
        with m.If(go):
            m.d.sync += [self.o.valid.eq(1), o_tail.eq(tail), o_last.eq(final), misfit.eq(expander.fault)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
