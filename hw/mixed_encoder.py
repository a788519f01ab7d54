"""The encoder of a tile stream whose modes include prc."""

from amaranth.hdl import Assert, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.activations.prc import PrcFormat
from golden.tile_format import TileFormat
from hw.activations.chooser import Choice, Chooser, waiting_tiles
from hw.activations.plane_gather import PlaneGather
from hw.activations.ports import MODE_RAW, Beat, EncodeOrder, Entry, word_bits
from hw.activations.prc_encoder import PrcEncoder
from hw.activations.prc_ports import prc_word_bits
from hw.activations.tile_encoder import Encoder
from hw.mixed_ports import MODE_PRC, ShapedChooseOrder, check_parameters, plain_format
from hw.packet import Packet
from hw.queue import BitQueue, Queue

__all__ = ["MixedEncoder", "waiting_beats"]

_ENTRIES = 4
# What waits between the choice and the encoder: the beginning of a tile while prc's words of the one before leave, and
# those words while the tile before them does.
_LATE_TILES, _LATE_BEATS, _LATE_WORDS, _VERDICTS = 8, 32, 16, 4


def waiting_beats(fmt: TileFormat) -> int:
    """Beats that come behind a tile until it is known what prc makes of it, at most; some to spare."""
    places = fmt.tile[0] * fmt.tile[1]
    return places + 3 * places // 4 + 48


class RivalChoice(data.StructLayout):
    """The best of the other modes, and whether a tile `may` or `must` go by prc."""

    def __init__(self, fmt: TileFormat) -> None:
        super().__init__({"best": Choice(fmt), "may": 1, "must": 1})


class MixedEncoder(wiring.Component):
    """Codes each tile in the mode that makes it smallest, or in the one that is told.

    A `Chooser` holds the tile and finds the best of the other modes while a `PrcEncoder` codes it and measures what
    comes out. Then an `Encoder` takes either the symbols or, as if they were symbols to be sent raw, the words of prc.
    A tile whose other mode is told does not go to prc.

    *Cycles* without stalls: a beat is taken in every cycle, tiles of any shapes back to back, if no payload has more
    words than its tile has beats, and prc takes no longer, ``h w ceil(c / 4)`` cycles: at 4 lanes channels are a
    multiple of 4. More than 126 tiles of five beats or less in a row, behind a full one, wait as the `Chooser` tells.
    The first word leaves some 140 cycles after the last beat of a tile of 8 x 8 planes, when prc has coded the last
    four of them. Of a told tile that prc makes longer than its symbols, `lanes` symbols' bits leave a cycle.
    Back-pressure at either output stops the encoder, then what is in front of it; the input when memories are full.

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
        m.submodules.choices = choices = Queue(RivalChoice(plain), waiting_tiles(waits=True) + 2)
        wiring.connect(m, gather.o_tile, prc.i_tile)
        wiring.connect(m, gather.o, prc.i)
        wiring.connect(m, encoder.o, wiring.flipped(self.o))

        # A beat goes to the chooser and, if prc may be the mode, to prc. Whether it may, and must, is told with the
        # best of the other modes, three cycles after the tile's last beat.
        order, beat = self.i_tile.payload, self.i.payload
        may, must, open_to_all, accept, shift = Signal(), Signal(), Signal(), Signal(), Signal(6)
        m.d.comb += [
            must.eq(order.told & (order.mode == MODE_PRC)),
            may.eq(~order.told | must),
            open_to_all.eq(~may | gather.i_tile.ready),
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
            choices.i.valid.eq(chooser.o_choice.valid),
            choices.i.payload.best.eq(chooser.o_choice.payload),
            Cat(choices.i.payload.may, choices.i.payload.must).eq(shift[4:]),
            chooser.o_choice.ready.eq(choices.i.ready),
        ]
        m.d.sync += shift.eq(Cat(may, must, shift[:4]))
        late = data.StructLayout({"by_prc": 1, "order": EncodeOrder(plain)})
        m.submodules.orders = orders = Queue(late, _LATE_TILES)
        m.submodules.beats = beats = Queue(Packet(Beat(plain, lanes)), _LATE_BEATS)
        m.submodules.words = words = Queue(prc.o.payload.shape(), _LATE_WORDS)
        wiring.connect(m, prc.o, words.i)
        self._judge(m, choices, prc, chooser)
        self._part(m, chooser, orders, beats)
        self._send(m, orders, beats, words, encoder)
        self._entries(m, orders, encoder)
        return m

    def _judge(self, m: Module, choices: Queue, prc: PrcEncoder, chooser: Chooser) -> None:
        """The mode of each tile as soon as all sizes are known."""
        m.submodules.verdicts = verdicts = BitQueue(_VERDICTS)
        wiring.connect(m, verdicts.o, prc.i_keep)
        choice, by_prc, known, judged = choices.o.payload, Signal(), Signal(), Signal()
        m.d.comb += [
            by_prc.eq(choice.may & (choice.must | (prc.o_saved.payload > choice.best.saved))),
            known.eq(~choice.may | (prc.o_saved.valid & verdicts.i.ready)),
            judged.eq(choices.o.valid & known),
            choices.o.ready.eq(known),
            prc.o_saved.ready.eq(judged & choice.may),
            verdicts.i.valid.eq(judged & choice.may),
            verdicts.i.payload.eq(by_prc),
            chooser.i_choice.valid.eq(judged),
            chooser.i_choice.payload.eq(Mux(by_prc, MODE_PRC, choice.best.mode)),
        ]

    def _part(self, m: Module, chooser: Chooser, orders: Queue, beats: Queue) -> None:
        """Beats go on or, if prc has won, are dropped; the order goes on with the first one."""
        beat, order, late = chooser.o.payload, chooser.o_tile.payload, orders.i.payload
        fresh, drops, go = Signal(init=1), Signal(), Signal()
        m.d.comb += [
            drops.eq(order.mode == MODE_PRC),
            chooser.o.ready.eq((~fresh | orders.i.ready) & (drops | beats.i.ready)),
            beats.i.payload.eq(beat),
            beats.i.valid.eq(chooser.o.valid & (~fresh | orders.i.ready) & ~drops),
            go.eq(chooser.o.valid & chooser.o.ready),
            chooser.o_tile.ready.eq(go & beat.last),
            orders.i.valid.eq(go & fresh),
            late.by_prc.eq(drops),
            late.order.eq(order),
        ]
        with m.If(drops):
            m.d.comb += late.order.mode.eq(MODE_RAW)
        with m.If(go):
            m.d.sync += fresh.eq(beat.last)

    def _send(self, m: Module, orders: Queue, beats: Queue, words: Queue, encoder: Encoder) -> None:
        """Beats to the encoder in the order of the tiles: symbols, or parts of prc's words."""
        bits, by_prc = self._lanes * self._fmt.word_bits, orders.o.payload.by_prc
        parts = prc_word_bits(PrcFormat(self._fmt.word_bits)) // bits
        part, part_end = Signal(range(parts)), Signal()
        m.d.comb += [
            part_end.eq(part == parts - 1),
            encoder.i_tile.valid.eq(orders.o.valid),
            encoder.i_tile.payload.eq(orders.o.payload.order),
            orders.o.ready.eq(encoder.i_tile.ready),
            encoder.i.valid.eq(orders.o.valid & Mux(by_prc, words.o.valid, beats.o.valid)),
            encoder.i.payload.eq(beats.o.payload),
            beats.o.ready.eq(orders.o.valid & ~by_prc & encoder.i.ready),
            words.o.ready.eq(orders.o.valid & by_prc & encoder.i.ready & part_end),
        ]
        with m.If(by_prc):
            m.d.comb += [
                encoder.i.payload.data.symbols.eq(words.o.payload.data.word_select(part, bits)),
                encoder.i.payload.data.tail.eq(self._lanes - 1),
                encoder.i.payload.last.eq(words.o.payload.last & part_end),
            ]
        with m.If(by_prc & encoder.i.valid & encoder.i.ready):
            m.d.sync += part.eq(Mux(part_end, 0, part + 1))

    def _entries(self, m: Module, orders: Queue, encoder: Encoder) -> None:
        """Entries with the mode that the words are of."""
        m.submodules.kinds = kinds = BitQueue(_ENTRIES)
        m.d.comb += [
            kinds.i.payload.eq(orders.o.payload.by_prc),
            kinds.i.valid.eq(orders.o.valid & orders.o.ready),
            kinds.o.ready.eq(self.o_entry.valid & self.o_entry.ready),
            self.o_entry.valid.eq(encoder.o_entry.valid),
            encoder.o_entry.ready.eq(self.o_entry.ready),
            self.o_entry.payload.eq(encoder.o_entry.payload),
        ]
        with m.If(kinds.o.payload):
            m.d.comb += self.o_entry.payload.mode.eq(MODE_PRC)
        # An encoder has begun no more tiles than their kinds are kept.
        m.d.sync += Assert(~kinds.i.valid | kinds.i.ready)
