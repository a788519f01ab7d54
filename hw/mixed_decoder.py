"""The decoder of a tile stream whose modes include prc."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.activations.prc import PrcFormat
from golden.tile_format import TileFormat
from hw.activations.plane_ring import PlaneRing
from hw.activations.ports import CheckedBeat, DecodeOrder, Entry, word_bits
from hw.activations.prc_decoder import PrcDecoder
from hw.activations.prc_feed import PrcFeed, prc_burst_words
from hw.activations.prc_ports import PlaneOrder
from hw.activations.tile_decoder import Decoder
from hw.mixed_ports import MODE_PRC, ShapedDecodeOrder, check_parameters, plain_format
from hw.packet import Packet
from hw.queue import BitQueue

__all__ = ["MixedDecoder"]

_TURNS = 4


class MixedDecoder(wiring.Component):
    """A `Decoder` and a `PrcDecoder` that take the tiles by their mode, and a `PlaneRing` that sets them in order.

    Symbols come in the order of the tile stream whatever the mode.

    *Cycles* without stalls: a beat leaves in every cycle, tiles of any modes back to back, if each tile's payload has
    no more words than the tile has beats, and channels are a multiple of 4 in tiles of prc (``h w ceil(c / 4)`` cycles
    else). The ring lets nothing out before it is as full as can be or holds a whole tile; so the first beat of a stream
    leaves after ``h w`` beats or so (`sim/timing_mixed.py`: after 132 cycles with prc in tiles of 8 x 8 x 32), and a
    tile of prc behind a first tile that is smaller than four planes may wait once. Back-pressure stops all parts, each
    when what is behind it is full. Fewer lanes than 4 take as long in proportion; prc then works in one of 2 cycles, or
    of 4.

    *Bad payloads*: the exact number of symbols comes out, `error` with the last, and the next tile is read as if
    nothing had been: flipped bits, a wrong CRC, length or mode, payloads cut or too long, and streams of prc that
    golden refuses.

    Parameters
    ----------
    fmt : TileFormat
        Its modes include prc.
    lanes : int
        Symbols per cycle: 1, 2 or 4.

    Members
    -------
    i_tile : In(stream of ShapedDecodeOrder)
        One for each tile; taken with the tile's first word.
    i_entry : In(stream of Entry)
        The tile's index entry; taken with its last word.
    i : In(stream of Packet(word))
        Payload in whole bursts, `last` with the tile's last word.
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
                "i_tile": In(stream.Signature(ShapedDecodeOrder(fmt))),
                "i_entry": In(stream.Signature(Entry())),
                "i": In(stream.Signature(Packet(word_bits(plain_format(fmt), lanes)))),
                "o": Out(stream.Signature(Packet(CheckedBeat(fmt, lanes)))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fmt, lanes, prc_fmt = self._fmt, self._lanes, PrcFormat(self._fmt.word_bits)
        plain = plain_format(fmt)
        m.submodules.plain = decoder = Decoder(plain, lanes)
        m.submodules.feed = feed = PrcFeed(fmt, lanes)
        m.submodules.prc = prc = PrcDecoder(prc_fmt, fmt.tile, prc_burst_words(fmt))
        m.submodules.ring = ring = PlaneRing(fmt, lanes)
        m.submodules.turns = turns = BitQueue(_TURNS)
        wiring.connect(m, feed.o, prc.i)
        wiring.connect(m, prc.o, ring.i_planes)
        wiring.connect(m, decoder.o, ring.i)
        wiring.connect(m, ring.o, wiring.flipped(self.o))

        # A tile's order, entry and words go where its mode belongs. An order goes on with the first word, and stays
        # until its tile is begun.
        order, entry = self.i_tile.payload, self.i_entry.payload
        is_open, by_prc, opens = Signal(), Signal(), Signal()
        offers, accept, first = Signal(), Signal(), Signal()
        kept_plain, kept_planes = Signal(DecodeOrder(fmt), reset_less=True), Signal(PlaneOrder(prc_fmt, fmt.tile))
        plain_kept, planes_kept = Signal(), Signal()
        m.d.comb += [
            by_prc.eq(entry.mode == MODE_PRC),
            opens.eq(self.i_tile.valid & self.i_entry.valid & turns.i.ready & ~is_open),
            offers.eq(self.i.valid & (is_open | opens)),
            decoder.i.payload.eq(self.i.payload),
            decoder.i.valid.eq(offers & ~by_prc),
            decoder.i_entry.payload.eq(entry),
            decoder.i_entry.valid.eq(self.i_entry.valid & ~by_prc),
            decoder.i_tile.valid.eq(plain_kept | (opens & ~by_prc)),
            feed.i.payload.eq(self.i.payload),
            feed.i.valid.eq(offers & by_prc),
            feed.i_entry.payload.eq(entry),
            feed.i_entry.valid.eq(self.i_entry.valid & by_prc),
            feed.number.eq(order.number),
            feed.number_valid.eq(opens & ~planes_kept),
            prc.i_tile.payload.eq(kept_planes),
            prc.i_tile.valid.eq(planes_kept),
            self.i.ready.eq((is_open | opens) & Mux(by_prc, feed.i.ready, decoder.i.ready)),
            self.i_entry.ready.eq((is_open | opens) & Mux(by_prc, feed.i_entry.ready, decoder.i_entry.ready)),
            accept.eq(self.i.valid & self.i.ready),
            first.eq(accept & ~is_open),
            self.i_tile.ready.eq(first),
            turns.i.valid.eq(first),
            turns.i.payload.eq(by_prc),
        ]
        for name in ("count", "zero_point", "number"):
            kept, now = getattr(kept_plain, name), getattr(order, name)
            m.d.comb += getattr(decoder.i_tile.payload, name).eq(Mux(plain_kept, kept, now))
            with m.If(first & ~by_prc):
                m.d.sync += kept.eq(now)
        with m.If(first & by_prc):
            m.d.sync += [
                getattr(kept_planes, name).eq(getattr(order, name))
                for name in ("height", "width", "channels", "zero_point")
            ]
        m.d.sync += [
            plain_kept.eq((plain_kept & ~decoder.i_tile.ready) | (first & ~by_prc)),
            planes_kept.eq((planes_kept & ~prc.i_tile.ready) | (first & by_prc)),
        ]
        with m.If(accept):
            m.d.sync += is_open.eq(~self.i.payload.last)
        wiring.connect(m, turns.o, ring.i_turn)
        return m
