"""The decoder of prc: four planes in step."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from golden.activations.prc import PrcFormat
from hw.activations.prc_lane import LaneReader, LaneRebuilder
from hw.activations.prc_ports import PlaneBeat, PlaneOrder, StreamWord, check_parameters
from hw.activations.prc_units import UnitQueue
from hw.packet import Packet

__all__ = ["PrcDecoder"]


class PrcDecoder(wiring.Component):
    """Decodes tiles, one symbol of each of four planes per cycle.

    *Order of symbols*: planes 0..3 in step, place by place in raster order, then planes 4..7, and so on. No memory puts
    them in another order here: whoever wants one plane after the other keeps four of them. A group of less than four
    planes takes as long as a full one.

    *Cycles*: a tile of h x w x c symbols takes ``max(h w ceil(c / 4), words)`` cycles, tiles back to back, whatever its
    symbols are: words of the next tile come in while a tile is read. The first beat leaves 5 cycles after the first
    word comes. (Tiles of a single step can have two words; all others have at most one a step.) A decoder that waits
    for a word or for its sink stands still and loses nothing else.

    *Bad streams*: every tile ends with its last symbol, whatever the words are. `error` is set if the golden decoder
    refuses the stream (a code passes its end, a residual is too large, a bit behind a lane's last code is set), if the
    last code does not end in the last burst, if bits are set behind it, or if the stream is told to be bad. Of a stream
    that is too long the rest is dropped, and the next tile is read as if nothing had been.

    Parameters
    ----------
    fmt : PrcFormat
    tile : tuple of int
        Height, width and channels of the largest tile.
    burst_words : int
        Words of a burst, a power of two; 1 if streams are not filled up.

    Members
    -------
    i_tile : In(stream of PlaneOrder)
        One for each tile, taken before its first step.
    i : In(stream of StreamWord)
        Streams; `last` with the last word of each, which is filled up with zeros.
    o : Out(stream of Packet(PlaneBeat))
        `last` with the tile's last beat.
    """

    i_tile: stream.Interface
    i: stream.Interface
    o: stream.Interface

    def __init__(self, fmt: PrcFormat, tile: tuple[int, int, int] = (8, 8, 32), burst_words: int = 1) -> None:
        check_parameters(fmt, tile)
        self._fmt, self._tile, self._burst_words = fmt, tile, burst_words
        super().__init__(
            {
                "i_tile": In(stream.Signature(PlaneOrder(fmt, tile))),
                "i": In(stream.Signature(StreamWord(fmt, burst_words))),
                "o": Out(stream.Signature(Packet(PlaneBeat(fmt, tile)))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fmt, lanes = self._fmt, self._fmt.lanes
        height, width, channels = self._tile
        order = self.i_tile.payload
        m.submodules.units = units = UnitQueue(fmt, self._burst_words)
        wiring.connect(m, wiring.flipped(self.i), units.i)

        # Where the next step is in its tile; `left` channels are still to be read, this step's among them.
        busy, opening = Signal(), Signal()
        last_row = Signal(range(height), reset_less=True)
        last_column = Signal(bits_for(width - 1), reset_less=True)
        row, column, left = Signal(range(height)), Signal(bits_for(width - 1)), Signal(range(channels + 1))
        row_0, row_start, full = Signal(), Signal(), Signal(reset_less=True)
        zero_point = Signal(fmt.word_bits, reset_less=True)
        places = Signal(bits_for(height * width), reset_less=True)
        start, step, finish = Signal(), Signal(), Signal()
        row_end, plane_end = Signal(), Signal()
        # Lanes that have a plane in this step, and whether the tile's last planes are read.
        active, closing, tail = Signal(lanes), Signal(), Signal(2)
        m.d.comb += [
            row_end.eq(column == last_column),
            plane_end.eq(row_end & (row == last_row)),
            tail.eq(Mux(active[-1], lanes - 1, left - 1)),
            finish.eq(step & plane_end & closing),
            start.eq(self.i_tile.valid & units.startable & (~busy | finish)),
            self.i_tile.ready.eq(start),
        ]
        with m.If(start):
            m.d.sync += [
                busy.eq(1),
                opening.eq(1),
                last_row.eq(order.height - 1),
                last_column.eq(order.width - 1),
                zero_point.eq(order.zero_point),
                places.eq(order.height * order.width),
                full.eq(order.channels >= lanes),
                Cat(row, column).eq(0),
                Cat(row_0, row_start).eq(3),
                left.eq(order.channels),
                active.eq(Cat(order.channels > lane for lane in range(lanes))),
                closing.eq(order.channels <= lanes),
            ]
        with m.Elif(step):
            m.d.sync += [busy.eq(~finish), opening.eq(0), column.eq(column + 1), row_start.eq(row_end)]
            with m.If(row_end):
                m.d.sync += [column.eq(0), row.eq(row + 1), row_0.eq(plane_end)]
            with m.If(plane_end):
                m.d.sync += [
                    row.eq(0),
                    left.eq(left - lanes),
                    active.eq(Cat(left > lanes + lane for lane in range(lanes))),
                    closing.eq(left <= 2 * lanes),
                ]

        # Two cycles from codes to symbols: what is told of a step goes along, and rows end for the rebuilders a cycle
        # later than for the readers.
        about = data.StructLayout({"last": 1, "tail": 2, "plane_end": 1, "places": len(places), "wrong": 1})
        middle, beat = Signal(about, reset_less=True), Signal(about, reset_less=True)
        middle_valid, beat_valid, moves, free = Signal(), Signal(), Signal(), Signal()
        middle_row_0, middle_row_start = Signal(reset_less=True), Signal(reset_less=True)
        middle_last_column = Signal(len(last_column), reset_less=True)
        m.d.comb += [
            free.eq(~beat_valid | self.o.ready),
            moves.eq(middle_valid & free),
            step.eq(busy & (units.ready | opening) & (~middle_valid | free)),
            units.lanes.eq(Mux(order.channels >= lanes, lanes, order.channels)),
            units.start.eq(start),
            units.busy.eq(busy),
            units.step.eq(step),
            units.finish.eq(finish),
        ]
        with m.If(step):
            m.d.sync += [
                middle.last.eq(finish),
                middle.tail.eq(tail),
                middle.plane_end.eq(plane_end),
                middle.places.eq(places),
                middle.wrong.eq(units.wrong),
                middle_row_0.eq(row_0),
                middle_row_start.eq(row_start),
                middle_last_column.eq(last_column),
            ]
        broken, dirty, reached = Signal(), Signal(), Signal()
        with m.If(moves):
            m.d.sync += [
                Cat(beat.last, beat.tail, beat.plane_end, beat.places).eq(middle.as_value()[:-1]),
                beat.wrong.eq(middle.last & (middle.wrong | broken | dirty | ~reached)),
            ]
        m.d.sync += [middle_valid.eq(step | (middle_valid & ~free)), beat_valid.eq(middle_valid | ~free)]

        readers = []
        for lane in range(lanes):
            m.submodules[f"reader_{lane}"] = reader = LaneReader(fmt)
            m.submodules[f"rebuilder_{lane}"] = rebuilder = LaneRebuilder(fmt, width)
            m.d.comb += [
                reader.step.eq(step),
                reader.active.eq(active[lane]),
                reader.used.eq(full | active[lane]),
                reader.opening.eq(opening),
                reader.first.eq(row_0 & row_start),
                reader.edge.eq(row_start & (last_column != 0)),
                reader.row_start.eq(row_start),
                reader.zero_point.eq(zero_point),
                reader.start.eq(start),
                reader.unit.eq(units.units[lane]),
                units.asks[lane].eq(reader.ask & active[lane]),
                *(reader.start_units[n].eq(units.start_units[lane][n]) for n in range(2)),
                rebuilder.step.eq(moves),
                rebuilder.width_less_1.eq(middle_last_column),
                rebuilder.row_start.eq(middle_row_start),
                rebuilder.row_0.eq(middle_row_0),
                rebuilder.value.eq(reader.value),
                rebuilder.direct.eq(reader.direct),
                self.o.payload.data.symbols[lane].eq(rebuilder.symbol),
            ]
            readers.append(reader)
        m.d.comb += [
            broken.eq(Cat(reader.broken for reader in readers).any()),
            dirty.eq(Cat(reader.dirty for reader in readers).any()),
            reached.eq(Cat(reader.reached for reader in readers).any()),
            self.o.valid.eq(beat_valid),
            self.o.payload.last.eq(beat.last),
            self.o.payload.data.tail.eq(beat.tail),
            self.o.payload.data.plane_end.eq(beat.plane_end),
            self.o.payload.data.places.eq(beat.places),
            self.o.payload.data.error.eq(beat.wrong),
        ]
        return m
