"""The encoder of a tile stream whose modes include prc."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.activations.prc import PrcFormat
from golden.tile_format import CRC_BITS, TileFormat
from hw.activations.chooser import WAITING_TILES, Chooser
from hw.activations.plane_gather import PlaneGather
from hw.activations.ports import MODE_RAW, Beat, Entry, word_bits
from hw.activations.prc_encoder import PrcEncoder
from hw.activations.prc_ports import prc_word_bits
from hw.activations.tile_encoder import Encoder
from hw.mixed_ports import MODE_PRC, ShapedChooseOrder, check_parameters, plain_format
from hw.packet import Packet
from hw.queue import BitQueue, Queue

__all__ = ["MixedEncoder", "waiting_beats"]

_ENTRIES = 4


def waiting_beats(fmt: TileFormat) -> int:
    """Beats that come behind a tile until it is known what prc makes of it, at most; some to spare."""
    places = fmt.tile[0] * fmt.tile[1]
    return places + 3 * places // 4 + 48


class MixedEncoder(wiring.Component):
    """Codes each tile in the mode that makes it smallest, or in the one that is told.

    A `Chooser` holds the tile and finds the best of the other modes while a `PrcEncoder` codes it and measures what
    comes out. Then an `Encoder` takes either the symbols or, as if they were symbols to be sent raw, the words of prc.
    A tile whose other mode is told does not go to prc.

    Parameters
    ----------
    fmt : TileFormat
        Its modes include prc.
    lanes : int
        Symbols per cycle: 1, 2 or 4.

    Members
    -------
    i_tile : In(stream of ShapedChooseOrder)
        One for each tile; it is taken together with the tile's last beat and must be there from the first on.
    i : In(stream of Packet(Beat))
        Symbols of a tile: as many as its shape has.
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
                "i_tile": In(stream.Signature(ShapedChooseOrder(fmt))),
                "i": In(stream.Signature(Packet(Beat(fmt, lanes)))),
                "o": Out(stream.Signature(Packet(word_bits(plain_format(fmt), lanes)))),
                "o_entry": Out(stream.Signature(Entry())),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fmt, lanes, plain = self._fmt, self._lanes, plain_format(self._fmt)
        m.submodules.chooser = chooser = Chooser(plain, lanes, waiting_beats(fmt))
        m.submodules.gather = gather = PlaneGather(fmt, lanes)
        m.submodules.prc = prc = PrcEncoder(PrcFormat(fmt.word_bits), fmt.tile, judged=True)
        m.submodules.encoder = encoder = Encoder(plain, lanes)
        m.submodules.marks = marks = Queue(2, WAITING_TILES + 2)
        wiring.connect(m, gather.o_tile, prc.i_tile)
        wiring.connect(m, gather.o, prc.i)
        wiring.connect(m, encoder.o, wiring.flipped(self.o))

        # A beat goes to the chooser and, if prc may be the mode, to prc; with a tile's last beat it is marked whether
        # it may, and whether it must.
        order, beat = self.i_tile.payload, self.i.payload
        may, must, open_to_all, accept = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            must.eq(order.told & (order.mode == MODE_PRC)),
            may.eq(~order.told | must),
            open_to_all.eq((~may | gather.i_tile.ready) & (~beat.last | marks.i.ready)),
            chooser.i.payload.eq(beat),
            chooser.i.valid.eq(self.i.valid & open_to_all),
            chooser.i_tile.valid.eq(self.i_tile.valid),
            *(
                getattr(chooser.i_tile.payload, name).eq(getattr(order, name))
                for name in ("mode", "zero_point", "number", "told")
            ),
            self.i.ready.eq(chooser.i.ready & open_to_all),
            self.i_tile.ready.eq(chooser.i_tile.ready),
            accept.eq(self.i.valid & self.i.ready),
            gather.i.payload.eq(beat),
            gather.i.valid.eq(accept & may),
            gather.i_tile.valid.eq(self.i_tile.valid),
            *(
                getattr(gather.i_tile.payload, name).eq(getattr(order, name))
                for name in ("height", "width", "channels", "zero_point")
            ),
            marks.i.payload.eq(Cat(may, must)),
            marks.i.valid.eq(accept & beat.last),
        ]
        self._judge(m, chooser, prc, encoder, marks)
        return m

    def _judge(self, m: Module, chooser: Chooser, prc: PrcEncoder, encoder: Encoder, marks: Queue) -> None:
        """With a tile's first beat out of the chooser it is decided; then its beats go on or are dropped."""
        lanes, word_bits_of_symbol = self._lanes, self._fmt.word_bits
        beat, order = chooser.o.payload, chooser.o_tile.payload
        may, must = marks.o.payload[0], marks.o.payload[1]
        fresh, dropping, drops, decided, go = Signal(init=1), Signal(), Signal(), Signal(), Signal()
        sending, number = Signal(), Signal(CRC_BITS, reset_less=True)
        parts = prc_word_bits(PrcFormat(word_bits_of_symbol)) // (lanes * word_bits_of_symbol)
        part, part_end = Signal(range(parts)), Signal()
        m.d.comb += [
            decided.eq(~fresh | (chooser.o_tile.valid & marks.o.valid & ~sending & (~may | prc.offers))),
            drops.eq(Mux(fresh, may & (must | (prc.saved > chooser.o_saved)), dropping)),
            chooser.o.ready.eq(decided & (drops | (encoder.i.ready & ~sending))),
            go.eq(chooser.o.valid & chooser.o.ready),
            chooser.o_tile.ready.eq(Mux(drops, go & beat.last, encoder.i_tile.ready & ~sending)),
            marks.o.ready.eq(go & fresh),
            prc.judge.eq(go & fresh & may),
            prc.keep.eq(drops),
        ]
        with m.If(go):
            m.d.sync += [fresh.eq(beat.last), dropping.eq(drops)]
        with m.If(prc.judge & prc.keep):
            m.d.sync += [sending.eq(1), number.eq(order.number)]

        part_end = part == parts - 1
        symbols = prc.o.payload.data.word_select(part, lanes * word_bits_of_symbol)
        mode = encoder.i_tile.payload
        m.d.comb += [
            encoder.i.valid.eq(Mux(sending, prc.o.valid, chooser.o.valid & decided & ~drops)),
            encoder.i_tile.valid.eq(sending | (chooser.o_tile.valid & decided & ~drops)),
            encoder.i.payload.eq(beat),
            encoder.i_tile.payload.eq(order),
            prc.o.ready.eq(sending & encoder.i.ready & part_end),
        ]
        with m.If(sending):
            m.d.comb += [
                encoder.i.payload.data.symbols.eq(symbols),
                encoder.i.payload.data.tail.eq(lanes - 1),
                encoder.i.payload.last.eq(prc.o.payload.last & part_end),
                mode.mode.eq(MODE_RAW),
                mode.number.eq(number),
            ]
            with m.If(prc.o.valid & encoder.i.ready):
                m.d.sync += part.eq(Mux(part_end, 0, part + 1))
                with m.If(encoder.i.payload.last):
                    m.d.sync += sending.eq(0)
        self._entries(m, encoder, sending)

    def _entries(self, m: Module, encoder: Encoder, sending: Signal) -> None:
        """Entries with the mode that the words are of."""
        m.submodules.kinds = kinds = BitQueue(_ENTRIES)
        m.d.comb += [
            kinds.i.payload.eq(sending),
            kinds.i.valid.eq(encoder.i.valid & encoder.i.ready & encoder.i.payload.last),
            kinds.o.ready.eq(self.o_entry.valid & self.o_entry.ready),
            self.o_entry.valid.eq(encoder.o_entry.valid),
            encoder.o_entry.ready.eq(self.o_entry.ready),
            self.o_entry.payload.eq(encoder.o_entry.payload),
        ]
        with m.If(kinds.o.payload):
            m.d.comb += self.o_entry.payload.mode.eq(MODE_PRC)
