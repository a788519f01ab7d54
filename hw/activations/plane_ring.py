"""Symbols of a decoder in the order of the tile stream, and tiles in their order, whichever core they come from."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.activations.prc import PrcFormat
from golden.tile_format import TileFormat
from hw.activations.plane_places import LANES, PlanePlaces, ring_rows, to_memories
from hw.activations.ports import CheckedBeat
from hw.activations.prc_ports import PlaneBeat, places_bits
from hw.bits import rotated
from hw.memory import Memory
from hw.packet import Packet

__all__ = ["PlaneRing"]


class PlaneRing(wiring.Component):
    """A ring of rows of four symbols, which tiles of planes fill four planes in step, others beat by beat.

    Four planes are let out when they are complete. Room is counted from the first of them, as if planes were as large
    as can be; and once the ring is empty, nothing is let out until there is no more room, or until a tile is complete.
    From then on a beat leaves in every cycle as long as a row comes in each cycle; a ring of twice four planes forgives
    some cycles in which none comes.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int
        Symbols of a beat: 1, 2 or 4.

    Members
    -------
    i_turn : In(stream of 1 bit)
        For each tile whether it comes as planes; taken with its end.
    i_planes : In(stream of Packet(PlaneBeat))
    i : In(stream of Packet(CheckedBeat))
    o : Out(stream of Packet(CheckedBeat))
    """

    i_turn: stream.Interface
    i_planes: stream.Interface
    i: stream.Interface
    o: stream.Interface

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        self._fmt, self._lanes = fmt, lanes
        super().__init__(
            {
                "i_turn": In(stream.Signature(1)),
                "i_planes": In(stream.Signature(Packet(PlaneBeat(PrcFormat(fmt.word_bits), fmt.tile)))),
                "i": In(stream.Signature(Packet(CheckedBeat(fmt, lanes)))),
                "o": Out(stream.Signature(Packet(CheckedBeat(fmt, lanes)))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fmt, lanes, turns = self._fmt, self._lanes, LANES // self._lanes
        rows, most = ring_rows(fmt.tile), fmt.tile[0] * fmt.tile[1]
        row_bits = ceil_log2(rows) + 1
        # A symbol, whether it is its tile's last one, and then whether the tile is wrong.
        place_shape = data.StructLayout({"symbol": fmt.word_bits, "end": 1, "error": 1})
        banks = [Memory(place_shape.size + (0 if b else 2), rows) for b in range(LANES)]
        for b, bank in enumerate(banks):
            m.submodules[f"bank_{b}"] = bank

        # In: `base` is the row behind all that is complete, and `ahead`, as the row at hand, at most one less than the
        # row that comes next; but it is no less than `base`.
        planes, beat = Signal(self.i_planes.payload.shape(), reset_less=True), self.i.payload
        planes_held, triple = Signal(), Signal(places_bits(fmt.tile) + 2, reset_less=True)
        come = self.i_planes.payload
        with m.If(self.i_planes.ready):
            m.d.sync += [
                planes.eq(come),
                planes_held.eq(self.i_planes.valid),
                triple.eq(come.data.places + Cat(Const(0, 1), come.data.places)),
            ]
        by_planes, beats_go, planes_go, roomy = Signal(), Signal(), Signal(), Signal(init=1)
        base, ahead, next_base, next_ahead, read_row = (
            Signal(row_bits, name=n) for n in ("base", "ahead", "next_base", "next_ahead", "read_row")
        )
        m.submodules.walk = walk = PlanePlaces(places_bits(fmt.tile), row_bits)
        m.d.comb += [
            by_planes.eq(self.i_turn.payload),
            self.i.ready.eq(self.i_turn.valid & ~by_planes & roomy),
            self.i_planes.ready.eq(~planes_held | planes_go),
            beats_go.eq(self.i.valid & self.i.ready),
            planes_go.eq(planes_held & self.i_turn.valid & by_planes & roomy),
            self.i_turn.ready.eq((beats_go & beat.last) | (planes_go & planes.last)),
            walk.step.eq(planes_go),
            walk.plane_end.eq(planes.data.plane_end),
            walk.places.eq(planes.data.places),
            walk.triple.eq(triple),
            walk.base.eq(base),
        ]
        part, row_end = Signal(range(max(2, turns))), Signal()
        m.d.comb += row_end.eq(beat.last | (part == turns - 1))
        with m.If(beats_go):
            m.d.sync += part.eq(Mux(row_end, 0, part + 1))
        end_row = Signal(row_bits)
        with m.Switch(planes.data.tail):
            for lane, number in enumerate(walk.numbers):
                with m.Case(lane):
                    m.d.comb += end_row.eq(number[2:] + 1)
        m.d.comb += next_base.eq(base)
        with m.If(beats_go & row_end):
            m.d.comb += next_base.eq(base + 1)
        with m.If(planes_go & planes.data.plane_end):
            m.d.comb += next_base.eq(Mux(planes.last, end_row, base + planes.data.places))
        with m.If(planes_go):
            m.d.comb += next_ahead.eq(Mux(planes.data.plane_end, base + planes.data.places, walk.numbers[0][2:]))
        with m.Elif(beats_go):
            m.d.comb += next_ahead.eq(base + row_end)
        with m.Else():
            m.d.comb += next_ahead.eq(ahead)
        m.d.sync += [
            base.eq(next_base),
            ahead.eq(next_ahead),
            roomy.eq((next_ahead - read_row)[:row_bits] <= rows - 3 - 3 * most // 4),
        ]

        places = []
        for lane in range(LANES):
            ends = planes.last & (planes.data.tail == lane)
            used = planes.data.tail >= lane
            value = Cat(planes.data.symbols[lane], ends, planes.data.error)
            places.append(Cat(used, value, walk.numbers[lane]))
        kind, place = planes.data.places[:2], walk.numbers[0][:2]
        for b, (bank, moved) in enumerate(zip(banks, to_memories(places, kind, place), strict=True)):
            used, value, number = moved[0], moved[1 : 1 + place_shape.size], moved[1 + place_shape.size :]
            lane = b % lanes
            plain = Cat(beat.data.symbols[lane], beat.last & (beat.data.tail == lane), beat.data.error)
            turned = number[:2] if b == 0 else Const(0, 0)
            m.d.comb += [
                bank.write.eq(Mux(by_planes, planes_go & used, beats_go & (part == b // lanes))),
                bank.write_address.eq(Mux(by_planes, number[2:], base)),
                bank.write_data.eq(Mux(by_planes, Cat(value, turned), plain)),
            ]

        # Out.
        running, empty, read, shown = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            empty.eq(read_row == base),
            read.eq(running & ~empty & (~shown | (self.o.ready & self._ends_row(m, banks, place_shape)))),
            *(bank.read.eq(read) for bank in banks),
            *(bank.read_address.eq(read_row) for bank in banks),
            self.o.valid.eq(shown),
        ]
        m.d.sync += running.eq((running & ~empty) | ~roomy | self.i_turn.ready)
        with m.If(read):
            m.d.sync += [read_row.eq(read_row + 1), shown.eq(1)]
        with m.Elif(self.o.ready & self._row_ends):
            m.d.sync += shown.eq(0)
        return m

    def _ends_row(self, m: Module, banks: list[Memory], shape: data.StructLayout):
        """Whether the beat at the output is the last of its row; the beat itself."""
        lanes, turns = self._lanes, LANES // self._lanes
        size, beat = shape.size, self.o.payload
        turned = banks[0].read_data[size:]
        symbols = [data.View(shape, value) for value in rotated([bank.read_data[:size] for bank in banks], turned)]
        part = Signal(range(max(2, turns)), name="part_out")
        with m.Switch(part):
            for n in range(turns):
                with m.Case(n):
                    for lane in range(lanes):
                        m.d.comb += beat.data.symbols[lane].eq(symbols[n * lanes + lane].symbol)
                    # The first end counts: what lies behind it is of other tiles.
                    for lane in reversed(range(lanes)):
                        with m.If(symbols[n * lanes + lane].end):
                            m.d.comb += [
                                beat.data.tail.eq(lane),
                                beat.last.eq(1),
                                beat.data.error.eq(symbols[n * lanes + lane].error),
                            ]
        self._row_ends = Signal(name="row_ends")
        m.d.comb += self._row_ends.eq(beat.last | (part == turns - 1))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += part.eq(Mux(self._row_ends, 0, part + 1))
        return self._row_ends
