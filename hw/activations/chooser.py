"""The chooser: the mode that makes each tile smallest."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from golden.tile_format import CRC_BITS, MODE_BITS, TileFormat
from hw.activations.ports import (
    MODE_RAW,
    MODE_SRLC,
    MODE_ZRLC,
    MODE_ZVC,
    Beat,
    ChooseOrder,
    EncodeOrder,
    check_parameters,
    mask_bits,
)
from hw.memory import Memory
from hw.packet import Packet

__all__ = ["WAITING_TILES", "Chooser", "ring_beats"]

WAITING_TILES = 63
_SPARE_BEATS = 8


def ring_beats(fmt: TileFormat, lanes: int) -> int:
    """Beats of the tile buffer: a full tile and what comes in until it begins to leave."""
    check_parameters(fmt, lanes)
    return -(-fmt.tile_symbols // lanes) + _SPARE_BEATS


class Chooser(wiring.Component):
    """Holds a tile until the sizes of all modes are known, and sends it on with its order for the encoder.

    Tiles lie one behind the other in a ring of a full tile's beats and 8 more; a tile leaves while the next ones come
    in. Sizes are counted as bits saved against raw while the beats come in, all modes at once.

    Cycles without stalls: beats come in one per cycle, tiles of any lengths back to back. A tile whose last beat came
    in at cycle ``t`` leaves from ``max(t + 3, p + 1)`` on, one beat per cycle, where ``p`` is the cycle of the last
    beat of the tile before it. So no beat waits longer than a full tile takes, and the ring never fills. Up to
    `WAITING_TILES` whole tiles wait behind the one that leaves; one more (tiles shorter than a 63rd of a full one,
    behind a full one) has its last beat wait until another leaves.

    Back-pressure at `o` or `o_tile` stops the output at once, the input when the ring is full. A tile of more symbols
    than `fmt.tile_symbols` has no place and stops the core. A told mode is passed on, whatever it is.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int
        Symbols per cycle: 1, 2, 4 or 8.

    Members
    -------
    i_tile : In(stream of ChooseOrder)
        One for each tile; it is taken together with the tile's last beat and must be there from the first on.
    i : In(stream of Packet(Beat))
        Symbols of a tile, at most ``fmt.tile_symbols``.
    o_tile : Out(stream of EncodeOrder)
        To the encoder's `i_tile`; offered from the tile's first beat on.
    o : Out(stream of Packet(Beat))
        To the encoder's `i`.
    """

    i_tile: stream.Interface
    i: stream.Interface
    o_tile: stream.Interface
    o: stream.Interface

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        check_parameters(fmt, lanes)
        self._fmt, self._lanes = fmt, lanes
        super().__init__(
            {
                "i_tile": In(stream.Signature(ChooseOrder(fmt))),
                "i": In(stream.Signature(Packet(Beat(fmt, lanes)))),
                "o_tile": Out(stream.Signature(EncodeOrder(fmt))),
                "o": Out(stream.Signature(Packet(Beat(fmt, lanes)))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fmt, depth = self._fmt, ring_beats(self._fmt, self._lanes)
        m.submodules.ring = ring = Memory(len(self.i.payload.as_value()), depth)
        m.submodules.orders = orders = Memory(len(self.i_tile.payload.as_value()), WAITING_TILES + 1)
        m.submodules.choices = choices = Memory(2, WAITING_TILES + 1)
        accept, ends, first, decided = Signal(), Signal(), Signal(init=1), Signal()

        # In: beats to the ring; with the last one the order to its queue, and the choice one cycle later.
        begin, come, leave, after_come = (Signal(range(depth), name=n) for n in ("begin", "come", "leave", "after_come"))
        tile_known, tile_come, tile_leave = (
            Signal(range(WAITING_TILES + 1), name=n) for n in ("tile_known", "tile_come", "tile_leave")
        )
        m.d.comb += [
            after_come.eq(_around(come, depth)),
            tile_come.eq(tile_known + decided),
            self.i.ready.eq(
                self.i_tile.valid
                & (after_come != leave)
                & ~(self.i.payload.last & ((tile_come + 1)[: len(tile_come)] == tile_leave))
            ),
            accept.eq(self.i.valid & self.i.ready),
            ends.eq(accept & self.i.payload.last),
            self.i_tile.ready.eq(ends),
            ring.write.eq(accept),
            ring.write_address.eq(come),
            ring.write_data.eq(self.i.payload),
            orders.write.eq(ends),
            orders.write_address.eq(tile_come),
            orders.write_data.eq(self.i_tile.payload),
            choices.write.eq(decided),
            choices.write_address.eq(tile_known),
            choices.write_data.eq(self._choice(m, accept, first)),
        ]
        m.d.sync += [decided.eq(ends), tile_known.eq(tile_come)]
        with m.If(accept):
            m.d.sync += [come.eq(after_come), first.eq(self.i.payload.last)]

        # Out: a tile that has begun is there to its end, so only its first beat asks whether a tile is known.
        boundary, starts, step = Signal(), Signal(), Signal()
        order = Signal(ChooseOrder(fmt))
        m.d.comb += [
            boundary.eq(~self.o.valid | self.o.payload.last),
            starts.eq((tile_known != tile_leave) & (~self.o_tile.valid | self.o_tile.ready)),
            step.eq((~self.o.valid | self.o.ready) & (~boundary | starts)),
            ring.read.eq(step),
            ring.read_address.eq(leave),
            orders.read.eq(step & boundary),
            orders.read_address.eq(tile_leave),
            choices.read.eq(orders.read),
            choices.read_address.eq(tile_leave),
            order.eq(orders.read_data),
            self.o.payload.eq(ring.read_data),
            self.o_tile.payload.mode.eq(Mux(order.told, order.mode, choices.read_data)),
            self.o_tile.payload.zero_point.eq(order.zero_point),
            self.o_tile.payload.number.eq(order.number),
        ]
        m.d.sync += [
            self.o.valid.eq(step | (self.o.valid & ~self.o.ready)),
            self.o_tile.valid.eq(orders.read | (self.o_tile.valid & ~self.o_tile.ready)),
        ]
        with m.If(step):
            m.d.sync += leave.eq(_around(leave, depth))
        with m.If(orders.read):
            m.d.sync += tile_leave.eq(tile_leave + 1)
        return m

    def _choice(self, m: Module, accept: Value, first: Value) -> Value:
        """The best mode of the tile that ended in the cycle before.

        Lanes behind the tail count as symbols that add no bits: W bits saved in every mode but raw.
        """
        fmt, lanes = self._fmt, self._lanes
        symbols, last = self.i.payload.data.symbols, self.i.payload.last
        tail, zero_point = self.i.payload.data.tail, self.i_tile.payload.zero_point
        dead = [last & (tail < k) for k in range(lanes)]
        nonzero = [Signal(name=f"nonzero_{k}") for k in range(lanes)]
        m.d.comb += [flag.eq(symbols[k] != zero_point) for k, flag in enumerate(nonzero)]

        saved: list[tuple[int, Value]] = []
        if "srlc" in fmt.modes:
            before = Signal(fmt.word_bits, name="symbol_before", reset_less=True)
            with m.If(accept):
                m.d.sync += before.eq(symbols[-1])
            breaks = [symbols[k] != (symbols[k - 1] if k else before) for k in range(lanes)]
            saved.append((MODE_SRLC, self._runs(m, "srlc", breaks, dead, accept, first)))
        if "zrlc" in fmt.modes:
            level = Signal(name="level_before", reset_less=True)
            with m.If(accept):
                m.d.sync += level.eq(nonzero[-1])
            saved.append((MODE_ZRLC, self._runs(m, "zrlc", [level, *nonzero[:-1]], dead, accept, first)))
        if "zvc" in fmt.modes:
            saved.append((MODE_ZVC, self._zeros(m, nonzero, dead, accept, first)))
        if not saved:
            return Const(MODE_RAW, 2)
        mode: Value
        best: Value
        mode, best = Const(saved[0][0], 2), saved[0][1]
        for number, bits in saved[1:]:
            better = Signal(name=f"better_{number}")
            m.d.comb += better.eq(bits > best)
            mode, best = Mux(better, number, mode), Mux(better, bits, best)
        dead_lanes = Signal(ceil_log2(lanes), reset_less=True)
        with m.If(accept):
            m.d.sync += dead_lanes.eq(lanes - 1 - tail)
        return Mux(best > dead_lanes * fmt.word_bits, mode, MODE_RAW)

    def _sum(self, m: Module, name: str, part: Value, low: int, high: int, accept: Value, first: Value) -> Signal:
        """The sum of `part` over the beats of a tile, which is in `low` to `high`."""
        total = Signal(signed(max(bits_for(low, True), bits_for(high, True))), name=name, reset_less=True)
        with m.If(accept):
            m.d.sync += total.eq(Mux(first, 0, total) + part)
        return total

    def _runs(self, m: Module, name: str, breaks: list, dead: list, accept: Value, first: Value) -> Signal:
        """Bits saved by runs: W for a symbol that goes on with a token, -R for one that starts a token.

        `breaks` says before which symbols a token starts; others start one when the token before is full.
        """
        fmt, lanes = self._fmt, self._lanes
        limit = 1 << fmt.run_bits
        run = Signal(fmt.run_bits, name=f"{name}_run", reset_less=True)
        goes_on = []
        place: Value = run
        for k in range(lanes):
            breaks_here = Signal(name=f"{name}_breaks_{k}")
            m.d.comb += breaks_here.eq(breaks[k] | first if k == 0 else breaks[k])
            here = Signal(fmt.run_bits, name=f"{name}_place_{k}")
            m.d.comb += here.eq(Mux(breaks_here, 0, place))
            goes_on.append((here != 0) | dead[k])
            place = (here + 1) % limit
        with m.If(accept):
            m.d.sync += run.eq(place)
        count = Signal(range(lanes + 1), name=f"{name}_goes_on")
        m.d.comb += count.eq(sum(goes_on))
        token_bits = fmt.run_bits + fmt.word_bits
        part = count * token_bits - lanes * fmt.run_bits
        most = fmt.tile_symbols + lanes
        return self._sum(m, f"{name}_saved", part, -most * fmt.run_bits, most * fmt.word_bits, accept, first)

    def _zeros(self, m: Module, nonzero: list, dead: list, accept: Value, first: Value) -> Value:
        """Bits saved by masks: W for a zero, less the masks."""
        fmt, lanes = self._fmt, self._lanes
        group_bits = mask_bits(fmt)
        group_beats = max(1, group_bits // lanes)
        opens: Value = Const(1)
        if group_beats > 1:
            place = Signal(ceil_log2(group_beats), name="group_place", reset_less=True)
            now = Signal.like(place, name="group_now")
            m.d.comb += now.eq(Mux(first, 0, place))
            with m.If(accept):
                m.d.sync += place.eq(now + 1)
            opens = now == 0
        count = Signal(range(lanes + 1), name="zeros")
        m.d.comb += count.eq(sum(~flag | dead[k] for k, flag in enumerate(nonzero)))
        part = count - Mux(opens, group_bits // fmt.word_bits, 0)
        most = fmt.tile_symbols + lanes
        groups = -(-fmt.tile_symbols // group_bits)
        low = -groups * (group_bits // fmt.word_bits)
        total = self._sum(m, "zvc_saved", part, low, most, accept, first)
        return Cat(Const(0, ceil_log2(fmt.word_bits)), total).as_signed()


def _around(place: Value, depth: int) -> Value:
    """The next place of a ring: only `depth` itself has all of its own bits set, as places end there."""
    after = (place + 1)[: len(Const(depth))]
    wraps = (after & depth) == depth
    return (after & ~Mux(wraps, depth, 0))[: len(place)]
