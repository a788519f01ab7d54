"""The encoder of prc: four planes in step."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from golden.activations.prc import PrcFormat
from hw.activations.prc_emitter import UnitEmitter, tile_depth
from hw.activations.prc_lane_coder import LaneCoder
from hw.activations.prc_ports import PlaneOrder, check_parameters, prc_word_bits
from hw.activations.prc_size import SizeCounter, saved_bits
from hw.activations.prc_survey import LaneSurvey
from hw.memory import Memory
from hw.packet import Packet
from hw.queue import Queue

__all__ = ["PrcEncoder", "waiting_places"]


def waiting_places(tile: tuple[int, int, int]) -> int:
    """Places that wait for their planes' parameters, at most: two planes, or one and what is under way; a power of two.

    Parameters wait in as many, as planes may be of one place.
    """
    places = tile[0] * tile[1]
    return 1 << ceil_log2(places + max(places, 16))


class PrcEncoder(wiring.Component):
    """Codes tiles, one symbol of each of four planes per cycle.

    Symbols come in the order in which `PrcDecoder` sends them: planes 0..3 in step, place by place in raster order,
    then planes 4..7, and so on. A group of less than four planes takes as long as a full one.

    Three parts work one behind the other. The *survey* takes four planes into a memory with their residuals, and finds
    their parameters. The *coder* reads them again as soon as the parameters stand. The *emitter* keeps a tile's units
    until it is coded, and sends them while the next tiles are surveyed and coded.

    *Cycles*: a tile of h x w x c symbols takes ``max(h w ceil(c / 4), words)`` cycles, tiles back to back, whatever its
    symbols are; only tiles of a single step can have more words than steps. With two channels or more the first word
    leaves ``h w + 10`` cycles after the tile's last symbols came, if the tile before has left. Of tiles that are coded
    but not sent there can be four less than `tile_depth`, sixty in tiles of 8 x 8 x 32: where more of them come behind
    one that takes longer than they all do, symbols wait. When the sink is not ready, the emitter stands still, and
    symbols are taken until the memories are full.

    Parameters
    ----------
    fmt : PrcFormat
    tile : tuple of int
        Height, width and channels of the largest tile.
    judged : bool
        Whether tiles are judged before they are sent.

    Members
    -------
    i_tile : In(stream of PlaneOrder)
        One for each tile, taken before its first symbols.
    i : In(stream of ArrayLayout)
        A symbol of each lane; those of lanes without a plane are ignored.
    o : Out(stream of Packet(word))
        Streams, each filled up to whole words with zeros; `last` with the last word of each.
    o_saved : Out(stream of bits), if `judged`
        For each coded tile the bits that its stream saves against its symbols as they are; 0 if none.
    i_keep : In(stream of 1 bit), if `judged`
        Whether it is sent, or dropped.
    """

    i_tile: stream.Interface
    i: stream.Interface
    o: stream.Interface

    def __init__(self, fmt: PrcFormat, tile: tuple[int, int, int] = (8, 8, 32), judged: bool = False) -> None:
        check_parameters(fmt, tile)
        self._fmt, self._tile, self._judged = fmt, tile, judged
        saved = stream.Signature(saved_bits(fmt, tile))
        super().__init__(
            {
                "i_tile": In(stream.Signature(PlaneOrder(fmt, tile))),
                "i": In(stream.Signature(data.ArrayLayout(fmt.word_bits, fmt.lanes))),
                "o": Out(stream.Signature(Packet(prc_word_bits(fmt)))),
                **({"o_saved": Out(saved), "i_keep": In(stream.Signature(1))} if judged else {}),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fmt, lanes = self._fmt, self._fmt.lanes
        height, width, channels = self._tile
        order = self.i_tile.payload

        # The survey: where the symbol at the port is in its tile.
        busy, opening = Signal(), Signal()
        last_row, last_column = Signal(range(height)), Signal(bits_for(width - 1))
        row, column, left = Signal(range(height)), Signal(bits_for(width - 1)), Signal(range(channels + 1))
        row_0, row_start = Signal(), Signal()
        zero_point = Signal(fmt.word_bits)
        start, step, finish, roomy = Signal(), Signal(), Signal(), Signal()
        row_end, plane_end = Signal(), Signal()
        m.d.comb += [
            row_end.eq(column == last_column),
            plane_end.eq(row_end & (row == last_row)),
            finish.eq(step & plane_end & (left <= lanes)),
            start.eq(self.i_tile.valid & (~busy | finish)),
            self.i_tile.ready.eq(start),
            self.i.ready.eq(busy & roomy),
            step.eq(self.i.valid & self.i.ready),
        ]
        with m.If(start):
            m.d.sync += [
                busy.eq(1),
                opening.eq(1),
                last_row.eq(order.height - 1),
                last_column.eq(order.width - 1),
                zero_point.eq(order.zero_point),
                Cat(row, column).eq(0),
                Cat(row_0, row_start).eq(3),
                left.eq(order.channels),
            ]
        with m.Elif(step):
            m.d.sync += [busy.eq(~finish), opening.eq(0), column.eq(column + 1), row_start.eq(row_end)]
            with m.If(row_end):
                m.d.sync += [column.eq(0), row.eq(row + 1), row_0.eq(plane_end)]
            with m.If(plane_end):
                m.d.sync += [row.eq(0), left.eq(left - lanes)]

        mark_shape = data.StructLayout(
            {
                **dict.fromkeys(("opening", "first", "row_start", "edge", "plane_end", "final"), 1),
                "active": lanes,
            }
        )
        mark = Signal(mark_shape)
        m.d.comb += [
            mark.opening.eq(opening),
            mark.first.eq(row_0 & row_start),
            mark.row_start.eq(row_start),
            mark.edge.eq(row_start & (last_column != 0)),
            mark.plane_end.eq(plane_end),
            mark.final.eq(plane_end & (left <= lanes)),
            mark.active.eq(Cat(left > lane for lane in range(lanes))),
        ]
        late_shape = data.StructLayout({"mark": mark_shape, "row": range(height), "valid": 1})
        stages = [Signal(late_shape, name=f"stage_{n}") for n in range(4)]
        m.d.comb += [
            stages[0].mark.eq(mark),
            stages[0].row.eq(row),
            stages[0].valid.eq(step),
        ]
        m.d.sync += [late.eq(early) for early, late in pairwise(stages)]
        stage = stages[-1]
        places_7 = Signal(range(7 * height * width + 1))
        with m.If(stage.valid):
            m.d.sync += places_7.eq(Mux(stage.mark.first, 0, places_7) + 7)

        # What waits for its plane's parameter: symbols and residuals; and the parameters.
        place_shape = data.StructLayout({"symbol": fmt.word_bits, "residual": fmt.word_bits, "zero": 1})
        stored = data.StructLayout({"mark": mark_shape, "lanes": data.ArrayLayout(place_shape, lanes)})
        depth = waiting_places(self._tile)
        m.submodules.places = waiting = Memory(stored.size, depth)
        param_shape = data.StructLayout({"k": fmt.k_bits, "flagged": 1, "blank": height})
        params_shape = data.ArrayLayout(param_shape, lanes)
        # A plane's parameters have the address of its first place.
        m.submodules.params = params = Memory(params_shape.size, depth)
        surveys = []
        writes, planned = Signal(stored), Signal(params_shape)
        for lane in range(lanes):
            m.submodules[f"survey_{lane}"] = survey = LaneSurvey(fmt, self._tile)
            m.d.comb += [
                survey.step.eq(step),
                survey.symbol.eq(self.i.payload[lane]),
                survey.zero_point.eq(zero_point),
                survey.width_less_1.eq(last_column),
                survey.next_row_0.eq(Mux(row_end, plane_end, row_0)),
                survey.next_row_start.eq(row_end),
                survey.sum.eq(stage.valid),
                survey.sum_first.eq(stage.mark.first),
                survey.next_sum_first.eq(stages[-2].mark.first),
                survey.sum_row_start.eq(stage.mark.row_start),
                survey.sum_row.eq(stage.row),
                survey.places_7.eq(places_7),
                writes.lanes[lane].symbol.eq(survey.passed),
                writes.lanes[lane].residual.eq(survey.residual),
                writes.lanes[lane].zero.eq(survey.zero),
                planned[lane].k.eq(survey.k),
                planned[lane].flagged.eq(survey.flagged),
                planned[lane].blank.eq(survey.blank),
            ]
            surveys.append(survey)
        bits = ceil_log2(depth)
        place_tail, place_head, place_used = Signal(bits + 1), Signal(bits + 1), Signal(bits + 1)
        # Behind the last place whose plane's parameters stand.
        planned_tail = Signal(bits + 1)
        planned_now, fetch = Signal(), Signal()
        m.d.comb += [
            writes.mark.eq(stage.mark),
            waiting.write.eq(stage.valid),
            waiting.write_address.eq(place_tail),
            waiting.write_data.eq(writes),
            params.write.eq(planned_now),
            params.write_address.eq(planned_tail),
            params.write_data.eq(planned),
            roomy.eq(~place_used[-1]),
        ]
        m.d.sync += [
            place_tail.eq(place_tail + stage.valid),
            planned_now.eq(stage.valid & stage.mark.plane_end),
            # Counted when they are let in, so that nothing behind ever waits.
            place_used.eq(place_used + step - fetch),
        ]
        with m.If(planned_now):
            m.d.sync += planned_tail.eq(place_tail)
        # The coder: places of planes whose parameters are known, one a cycle.
        m.submodules.emitter = emitter = UnitEmitter(fmt, self._tile, self._judged)
        wiring.connect(m, emitter.o, wiring.flipped(self.o))
        fresh, reads = Signal(init=1), Signal(stored)
        m.d.comb += [
            reads.eq(waiting.read_data),
            fetch.eq((place_head != planned_tail) & emitter.roomy),
            waiting.read.eq(fetch),
            waiting.read_address.eq(place_head),
            params.read.eq(fetch & (fresh | reads.mark.plane_end)),
            params.read_address.eq(place_head),
        ]
        with m.If(fetch):
            m.d.sync += [place_head.eq(place_head + 1), fresh.eq(0)]

        fetched, put, flush = Signal(), Signal(), Signal()
        plans = Signal(params_shape)
        put_mark, row_now, row_before = Signal(mark_shape), Signal(range(height)), Signal(range(height))
        tile_lanes = Signal(3)
        m.d.comb += [
            plans.eq(params.read_data),
            row_now.eq(Mux(reads.mark.first, 0, row_before + reads.mark.row_start)),
        ]
        m.d.sync += [fetched.eq(fetch), put.eq(fetched), flush.eq(put & put_mark.final)]
        with m.If(fetched):
            m.d.sync += [row_before.eq(row_now), put_mark.eq(reads.mark)]
        with m.If(put & put_mark.opening):
            m.d.sync += tile_lanes.eq(sum(put_mark.active))
        m.d.comb += [emitter.ask_valid.eq(put & ~put_mark.opening), emitter.end.eq(flush), emitter.lanes.eq(tile_lanes)]
        asks = Signal(lanes)
        for lane in range(lanes):
            m.submodules[f"coder_{lane}"] = coder = LaneCoder(fmt)
            place, plan = reads.lanes[lane], plans[lane]
            m.d.comb += [
                coder.valid.eq(fetched & reads.mark.active[lane]),
                coder.first.eq(reads.mark.first),
                coder.row_start.eq(reads.mark.row_start),
                coder.edge.eq(reads.mark.edge),
                coder.symbol.eq(place.symbol),
                coder.residual.eq(place.residual),
                coder.zero.eq(place.zero),
                coder.k.eq(plan.k),
                coder.flagged.eq(plan.flagged),
                coder.blank.eq(plan.blank.bit_select(row_now, 1)),
                coder.put.eq(put & put_mark.active[lane]),
                coder.flush.eq(flush),
                asks[lane].eq(coder.ask),
                emitter.write[lane].eq(coder.write),
                emitter.units[lane].eq(coder.unit),
            ]
        m.d.comb += emitter.asks.eq(asks & put_mark.active)
        if self._judged:
            m.submodules.size = size = SizeCounter(fmt, self._tile)
            m.d.comb += [
                size.put.eq(put),
                size.opening.eq(put_mark.opening),
                size.active.eq(put_mark.active),
                size.asks.eq(emitter.asks),
                size.end.eq(flush),
                size.lanes.eq(tile_lanes),
                size.ahead.eq(asks),
            ]
            m.submodules.sizes = sizes = Queue(len(size.saved), tile_depth(self._tile))
            m.d.comb += [sizes.i.valid.eq(size.valid), sizes.i.payload.eq(size.saved)]
            wiring.connect(m, sizes.o, wiring.flipped(self.o_saved))
            wiring.connect(m, wiring.flipped(self.i_keep), emitter.i_keep)
        return m
