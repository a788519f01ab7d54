"""The decoder of a tile stream, all modes in one datapath."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.tile_format import TileFormat
from hw.activations.burst_reader import BurstReader
from hw.activations.expander import Expander
from hw.activations.ports import (
    CheckedBeat,
    DecodeOrder,
    Entry,
    burst_words,
    check_parameters,
    field_bits,
    mask_bits,
    word_bits,
)
from hw.activations.word_queue import WordQueue, queue_depth
from hw.bits import window
from hw.packet import Packet

__all__ = ["Decoder"]


class Decoder(wiring.Component):
    """Decodes tiles of any of the format's modes.

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
        width, words = word_bits(fmt, lanes), burst_words(fmt, lanes)
        lane_bits = ceil_log2(lanes)
        m.submodules.reader = reader = BurstReader(fmt, lanes)
        stored = data.StructLayout({"word": width, "mode": 2, "top": ceil_log2(width)})
        m.submodules.queue = queue = WordQueue(stored.size, queue_depth(words), provisional=True)
        m.submodules.expander = expander = Expander(fmt, lanes)

        wiring.connect(m, wiring.flipped(self.i), reader.i)
        wiring.connect(m, wiring.flipped(self.i_entry), reader.i_entry)
        m.d.comb += [
            reader.writable.eq(queue.writable),
            reader.endable.eq(queue.endable),
            queue.write.eq(reader.write),
            queue.data.eq(Cat(reader.word, reader.mode, reader.top)),
            queue.keep.eq(reader.keep),
            queue.end.eq(reader.end),
            queue.bad.eq(reader.bad),
        ]

        # An order is at the port until its tile is begun here; the reader may have begun it before, but not the next.
        order = self.i_tile.payload
        announced, active, skips = Signal(), Signal(), Signal()
        beats_left = Signal(len(order.count) - lane_bits, reset_less=True)
        tail = Signal(lane_bits, reset_less=True)
        zero_point = Signal(fmt.word_bits, reset_less=True)
        begin, go, final = Signal(), Signal(), Signal(reset_less=True)
        beats_after = Signal(len(beats_left))
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
        m.d.sync += announced.eq((announced | reader.opens) & ~begin)
        with m.If(begin):
            m.d.sync += [active.eq(1), zero_point.eq(order.zero_point), tail.eq(order.count - 1)]
        with m.Elif(go):
            m.d.sync += active.eq(~final)
        with m.If(begin | go):
            m.d.sync += [beats_left.eq(beats_after), final.eq(beats_after == 0)]

        # The words in sight: `held` and the queue's, which is zero behind the tile's last word.
        following = Signal(stored)
        held, held_last = Signal(width, reset_less=True), Signal()
        held_bad, held_top = Signal(reset_less=True), Signal(ceil_log2(width), reset_less=True)
        sight, sight_top = Signal(width), Signal(ceil_log2(width))
        place, total = Signal(ceil_log2(width), init=width - 1), Signal(ceil_log2(width))
        word_place, first = Signal(ceil_log2(words), init=words - 1), Signal(init=1)
        mode, mode_now = Signal(2, reset_less=True), Signal(2)
        crosses, past, padded = Signal(), Signal(), Signal()
        m.d.comb += [
            following.eq(queue.word),
            sight.eq(following.word & (~held_last).replicate(width)),
            sight_top.eq(following.top & (~held_last).replicate(len(sight_top))),
            mode_now.eq(Mux(first, following.mode, mode)),
            expander.bits.eq(window(held, sight, place, field_bits(fmt, lanes))),
            expander.mode.eq(mode_now),
            expander.zero_point.eq(zero_point),
            expander.last.eq(final),
            expander.tail.eq(tail),
            expander.go.eq(go),
            queue.take.eq(Mux(crosses, (go & ~held_last) | (skips & queue.valid), skips & queue.valid)),
        ]
        # For each number of tokens the place behind them, and whether bits are set there, are ready before the number.
        choices = []
        for k in range(lanes + 1):
            behind, set_behind = Signal(len(total) + 1, name=f"behind_{k}"), Signal(name=f"set_behind_{k}")
            plain = Mux(expander.opens_group, mask_bits(fmt) + k * fmt.word_bits, k * fmt.word_bits)
            m.d.comb += [
                behind.eq(place + Mux(expander.has_runs, k * (fmt.run_bits + fmt.word_bits), plain)),
                set_behind.eq(Mux(behind[-1], sight_top, held_top) > behind[:-1]),
            ]
            choices.append(Cat(behind, set_behind))
        m.d.comb += Cat(total, crosses, padded).eq(_choose(choices, expander.takes))
        with m.If(go):
            m.d.sync += [place.eq(total), first.eq(0), mode.eq(mode_now)]
            with m.If(crosses):
                m.d.sync += [
                    held.eq(sight),
                    held_last.eq(held_last | queue.last),
                    held_top.eq(sight_top),
                    word_place.eq(word_place + 1),
                    past.eq(past | (held_last & (word_place == words - 1))),
                ]
                with m.If(~held_last):
                    m.d.sync += held_bad.eq(queue.word_bad)
            with m.If(final):
                m.d.sync += [place.eq(width - 1), first.eq(1), held_last.eq(0), word_place.eq(words - 1), past.eq(0)]

        # With the last beat the word that it ends in must be the tile's last, and zero behind it.
        too_long, short, bad = Signal(), Signal(), Signal()
        m.d.comb += [
            too_long.eq(~held_last & ~(crosses & queue.last)),
            short.eq(past | (crosses & held_last & (word_place == words - 1))),
            bad.eq(Mux(held_last, held_bad, queue.word_bad)),
            self.o.valid.eq(active & ~skips & (queue.valid | held_last) & (~first | queue.primed)),
            self.o.payload.data.symbols.eq(expander.symbols),
            self.o.payload.data.tail.eq(tail),
            self.o.payload.last.eq(final),
            self.o.payload.data.error.eq(final & (too_long | padded | short | bad | expander.fault)),
            go.eq(self.o.valid & self.o.ready),
        ]
        # After a payload that is too long: to its last word.
        with m.If(go & final):
            m.d.sync += skips.eq(too_long)
        with m.Elif(skips & queue.valid & queue.last):
            m.d.sync += skips.eq(0)
        return m


def _choose(choices: list[Value], takes: Value) -> Value:
    """The choice whose number is how many bits of `takes` are set, from bit 0 without a gap."""
    if len(choices) == 1:
        return choices[0]
    half = len(choices) // 2
    return Mux(takes[half - 1], _choose(choices[half:], takes[half:]), _choose(choices[:half], takes))
