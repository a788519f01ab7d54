"""The encoder of a tile stream, all modes in one datapath."""

from amaranth.hdl import Assert, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.tile_format import CRC_BITS, MODES, TileFormat
from hw.activations.burst_writer import BurstWriter
from hw.activations.ports import Beat, EncodeOrder, Entry, burst_words, check_parameters, field_bits, word_bits
from hw.activations.tokenizer import Tokenizer
from hw.activations.word_queue import WordQueue, queue_depth
from hw.bits import Packer
from hw.packet import Packet

__all__ = ["Encoder"]


class Encoder(wiring.Component):
    """Codes tiles in the mode they are told.

    Cycles without stalls: a beat comes in per cycle, ``ceil(n / L)`` for a tile of n symbols at L per cycle, tiles one
    behind the other. A payload word leaves ``s + 3`` cycles after the beat that fills the next one or ends the tile,
    with ``s = max(1, G / L - 1)`` for groups of ``G = max(8, W)`` symbols (formats without zvc: ``s = 1``); the zero
    words that fill the last burst follow. Only short tiles, whose bursts have more words than they have beats, make
    the input wait: words leave one per cycle.

    Back-pressure at `o` or `o_entry` stops the output at once and the input when the queue of two bursts is full. A
    mode that the format has not is coded as raw. A tile of more than 127 bursts gets an entry of length 0, which
    every reader refuses.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int
        Symbols per cycle: 1, 2, 4 or 8.

    Members
    -------
    i_tile : In(stream of EncodeOrder)
        One for each tile; it is taken together with the tile's last beat and must be there from the first on.
    i : In(stream of Packet(Beat))
        Symbols of a tile.
    o : Out(stream of Packet(word))
        Payload in whole bursts, `last` with the tile's last word.
    o_entry : Out(stream of Entry)
        The tile's index entry, offered with its last word.
    """

    i_tile: stream.Interface
    i: stream.Interface
    o: stream.Interface
    o_entry: stream.Interface

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        check_parameters(fmt, lanes)
        self._fmt, self._lanes = fmt, lanes
        super().__init__(
            {
                "i_tile": In(stream.Signature(EncodeOrder(fmt))),
                "i": In(stream.Signature(Packet(Beat(fmt, lanes)))),
                "o": Out(stream.Signature(Packet(word_bits(fmt, lanes)))),
                "o_entry": Out(stream.Signature(Entry())),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fmt, lanes = self._fmt, self._lanes
        width, words = word_bits(fmt, lanes), burst_words(fmt, lanes)
        m.submodules.tokenizer = tokenizer = Tokenizer(fmt, lanes)
        m.submodules.packer = packer = Packer(width, field_bits(fmt, lanes))
        m.submodules.queue = queue = WordQueue(width, queue_depth(words), provisional=False)
        m.submodules.writer = writer = BurstWriter(width, words)

        # A tile's order stays at the port until its last beat. Its number and mode are wanted once more when its first
        # word leaves: those of a short tile, which is over by then, wait in `late`.
        order = self.i_tile.payload
        mode = Signal(2)
        late, port_opened = Signal(), Signal()
        late_mode, late_number = Signal(2, reset_less=True), Signal(CRC_BITS, reset_less=True)
        accept, ends, blocked = Signal(), Signal(), Signal()
        with m.If(sum(order.mode == MODES.index(name) for name in fmt.modes)):
            m.d.comb += mode.eq(order.mode)
        m.d.comb += [
            blocked.eq(~self.i_tile.valid | (self.i.payload.last & late & ~writer.opens)),
            tokenizer.valid.eq(self.i.valid & ~blocked),
            tokenizer.beat.eq(self.i.payload),
            tokenizer.mode.eq(mode),
            tokenizer.zero_point.eq(order.zero_point),
            self.i.ready.eq(tokenizer.ready & ~blocked),
            accept.eq(self.i.valid & self.i.ready),
            ends.eq(accept & self.i.payload.last),
            self.i_tile.ready.eq(ends),
            writer.mode.eq(Mux(late, late_mode, mode)),
            writer.number.eq(Mux(late, late_number, order.number)),
        ]
        with m.If(ends):
            m.d.sync += [late_mode.eq(mode), late_number.eq(order.number), port_opened.eq(0)]
            m.d.sync += late.eq(~port_opened & ~(writer.opens & ~late))
        with m.Elif(writer.opens):
            m.d.sync += late.eq(0)
            with m.If(~late):
                m.d.sync += port_opened.eq(1)

        m.d.comb += [
            packer.valid.eq(tokenizer.field_valid),
            packer.field.eq(tokenizer.field),
            packer.size.eq(tokenizer.size),
            packer.last.eq(tokenizer.last),
            tokenizer.field_ready.eq(packer.ready),
            packer.writable.eq(queue.writable),
            packer.endable.eq(queue.endable),
            queue.write.eq(packer.write),
            queue.data.eq(packer.word),
            queue.end.eq(packer.end),
            writer.valid.eq(queue.valid),
            writer.word.eq(queue.word),
            writer.last.eq(queue.last),
            queue.take.eq(writer.take),
        ]
        wiring.connect(m, writer.o, wiring.flipped(self.o))
        wiring.connect(m, writer.o_entry, wiring.flipped(self.o_entry))
        # The first word of a tile leaves while its order is at hand.
        m.d.sync += Assert(~writer.opens | late | self.i_tile.valid)
        return m
