"""Symbols of the tile stream to four planes in step, as the encoder of prc takes them."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from golden.activations.prc import PrcFormat
from golden.tile_format import TileFormat
from hw.activations.plane_places import LANES, PlanePlaces, from_memories, ring_rows, row_turn, to_memories
from hw.activations.ports import Beat
from hw.activations.prc_ports import PlaneOrder, places_bits
from hw.bits import rotated
from hw.memory import Memory
from hw.packet import Packet
from hw.queue import Queue

__all__ = ["PlaneGather"]

_TILES = 16


class PlaneGather(wiring.Component):
    """A ring of rows of four symbols, filled beat by beat and read four planes in step.

    A step is read as soon as the symbols of all its planes are there: those of the first four planes of ``p`` places
    when three quarters of their symbols are, and then one a cycle. The rows of four planes are free when all are read.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int
        Symbols of a beat: 1, 2 or 4.

    Members
    -------
    i_tile : In(stream of PlaneOrder)
        Offered with every beat of the tile and taken with its first; ready with all others.
    i : In(stream of Packet(Beat))
    o_tile : Out(stream of PlaneOrder)
        Before the tile's first symbols.
    o : Out(stream of ArrayLayout)
        A symbol of each of four planes; those of planes that the tile does not have mean nothing.
    """

    i_tile: stream.Interface
    i: stream.Interface
    o_tile: stream.Interface
    o: stream.Interface

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        self._fmt, self._lanes = fmt, lanes
        order = PlaneOrder(PrcFormat(fmt.word_bits), fmt.tile)
        super().__init__(
            {
                "i_tile": In(stream.Signature(order)),
                "i": In(stream.Signature(Packet(Beat(fmt, lanes)))),
                "o_tile": Out(stream.Signature(order)),
                "o": Out(stream.Signature(data.ArrayLayout(fmt.word_bits, LANES))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fmt, most = self._fmt, self._fmt.tile[0] * self._fmt.tile[1]
        rows = ring_rows(fmt.tile)
        row_bits = ceil_log2(rows) + 1
        banks = [Memory(fmt.word_bits, rows) for _ in range(LANES)]
        for b, bank in enumerate(banks):
            m.submodules[f"bank_{b}"] = bank
        waiting = data.StructLayout(
            {"order": self.i_tile.payload.shape(), "places": places_bits(fmt.tile), "triple": places_bits(fmt.tile) + 2}
        )
        m.submodules.orders = orders = Queue(waiting, _TILES)
        written, base = Signal(row_bits, name="written"), Signal(row_bits, name="base")
        self._fill(m, banks, orders, written, base, rows)

        # Out: `base` is the first row of the planes that are read, `last` the number behind it of the symbol that the
        # highest of them gives next, and `come` so many rows of them are there.
        order, places, left = orders.o.payload.order, Signal(places_bits(fmt.tile)), Signal(bits_for(fmt.tile[2]))
        triple, next_triple = Signal(places_bits(fmt.tile) + 2, reset_less=True), Signal(places_bits(fmt.tile) + 2)
        next_places, next_left, after = Signal(len(places)), Signal(len(left)), Signal(row_bits)
        last, come = Signal(bits_for(4 * most), reset_less=True), Signal(row_bits)
        reading, told = Signal(), Signal()
        place_left = Signal(range(most))
        step, plane_end, tile_end, load = Signal(), Signal(), Signal(), Signal()
        m.submodules.walk = walk = PlanePlaces(places_bits(fmt.tile), row_bits)
        twice = Cat(Const(0, 1), next_places)
        m.d.comb += [
            walk.step.eq(step),
            walk.plane_end.eq(plane_end),
            walk.places.eq(places),
            walk.triple.eq(triple),
            next_triple.eq(Mux(load, orders.o.payload.triple, triple)),
            walk.base.eq(base),
            step.eq(reading & (come > last[2:]) & (~self.o.valid | self.o.ready)),
            plane_end.eq(place_left == 0),
            tile_end.eq(step & plane_end & (left <= LANES)),
            load.eq(orders.o.valid & ~told & (~reading | tile_end)),
            orders.o.ready.eq(load),
            self.o_tile.valid.eq(told),
            next_places.eq(Mux(load, orders.o.payload.places, places)),
            next_left.eq(Mux(load, order.channels, left - LANES)),
        ]
        m.d.comb += after.eq(base + last[2:] + 1)
        m.d.sync += come.eq(Mux(step & plane_end, written - after, written - base))
        with m.If(step & plane_end):
            m.d.sync += base.eq(after)
        with m.If(load):
            m.d.sync += [self.o_tile.payload.eq(order), places.eq(next_places), triple.eq(next_triple)]
        with m.If(load | (step & plane_end)):
            m.d.sync += [place_left.eq(next_places - 1), left.eq(next_left)]
            m.d.sync += last.eq(
                Mux(
                    next_left >= LANES,
                    next_triple,
                    Mux(next_left == 3, twice, Mux(next_left == 2, next_places, 0)),
                )
            )
        with m.Elif(step):
            m.d.sync += [place_left.eq(place_left - 1), last.eq(last + 1)]
        shown_kind, shown_place = Signal(2), Signal(2)
        m.d.sync += [
            reading.eq(load | (reading & ~tile_end)),
            told.eq(load | (told & ~self.o_tile.ready)),
            self.o.valid.eq(step | (self.o.valid & ~self.o.ready)),
        ]
        with m.If(step):
            m.d.sync += [shown_kind.eq(places), shown_place.eq(walk.numbers[0])]
        addresses = to_memories([number[2:] for number in walk.numbers], places, walk.numbers[0])
        for bank, address in zip(banks, addresses, strict=True):
            m.d.comb += [bank.read.eq(step), bank.read_address.eq(address)]
        symbols = from_memories([bank.read_data for bank in banks], shown_kind, shown_place)
        m.d.comb += [self.o.payload[lane].eq(symbol) for lane, symbol in enumerate(symbols)]
        return m

    def _fill(self, m: Module, banks: list[Memory], orders: Queue, written: Signal, base: Signal, rows: int) -> None:
        """Beats to rows, turned as the planes ask for it."""
        lanes, turns, order = self._lanes, LANES // self._lanes, self.i_tile.payload
        beat, row_bits = self.i.payload, len(written)
        roomy, fresh, accept = Signal(init=1), Signal(init=1), Signal()
        places = Signal(places_bits(self._fmt.tile))
        m.d.comb += [
            places.eq(order.height * order.width),
            orders.i.payload.order.eq(order),
            orders.i.payload.places.eq(places),
            orders.i.payload.triple.eq(places + Cat(Const(0, 1), places)),
            orders.i.valid.eq(accept & fresh),
            self.i_tile.ready.eq(roomy & (~fresh | orders.i.ready)),
            self.i.ready.eq(self.i_tile.valid & self.i_tile.ready),
            accept.eq(self.i.valid & self.i.ready),
        ]
        part, row_end = Signal(range(max(2, turns))), Signal()
        m.d.comb += row_end.eq(beat.last | (part == turns - 1))
        # As if a row came now.
        m.d.sync += [written.eq(written + (accept & row_end)), roomy.eq((written - base)[:row_bits] < rows - 1)]
        # A row's plane: planes, or pairs of planes, are of as many rows each.
        plane, left, left_now, span = Signal(2), Signal(len(places)), Signal(len(places)), Signal(len(places))
        m.d.comb += [
            span.eq(Mux(places[1], places[1:], places[2:]) - 1),
            left_now.eq(Mux(fresh, span, left)),
        ]
        with m.If(accept):
            m.d.sync += [part.eq(Mux(row_end, 0, part + 1)), fresh.eq(beat.last), left.eq(left_now - row_end)]
            with m.If(beat.last):
                m.d.sync += plane.eq(0)
            with m.Elif(row_end & (left_now == 0)):
                m.d.sync += [left.eq(span), plane.eq(plane + 1 + places[1])]
        turn = row_turn(places, plane)
        symbols = [beat.data.symbols[k % lanes] for k in range(LANES)]
        used = [accept & (part == k // lanes) for k in range(LANES)]
        for bank, moved in zip(
            banks, rotated([Cat(value, use) for value, use in zip(symbols, used, strict=True)], turn), strict=True
        ):
            m.d.comb += [
                bank.write.eq(moved[-1]),
                bank.write_address.eq(written),
                bank.write_data.eq(moved[:-1]),
            ]
