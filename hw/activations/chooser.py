"""The chooser: the mode that makes each tile smallest."""

from amaranth.hdl import Assert, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from golden.tile_format import MODE_BITS, TileFormat
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

__all__ = ["Choice", "Chooser", "ring_beats", "saved_bits", "waiting_tiles"]

# Of a place in the tiles' queue; more where a tile's mode is chosen elsewhere.
_TILE_BITS, _LATE_TILE_BITS = 6, 7
_SPARE_BEATS = 8
# Of a sum: those that are added up while the carry of the others is under way.
_UPPER_BITS = 5


def ring_beats(fmt: TileFormat, lanes: int) -> int:
    """Beats of the tile buffer: a full tile and what comes in until it begins to leave."""
    check_parameters(fmt, lanes)
    return -(-fmt.tile_symbols // lanes) + _SPARE_BEATS


def waiting_tiles(waits: bool) -> int:
    """Whole tiles that wait behind the one that leaves, at most; more if modes are waited for."""
    return (1 << (_LATE_TILE_BITS if waits else _TILE_BITS)) - 2


def saved_bits(fmt: TileFormat) -> int:
    """Bits of the number of bits that a mode saves against raw."""
    return bits_for(fmt.tile_symbols * fmt.word_bits)


class Choice(data.StructLayout):
    """The best mode of a tile: `mode`, and the bits that it saves against raw, `saved`."""

    def __init__(self, fmt: TileFormat) -> None:
        super().__init__({"mode": MODE_BITS, "saved": saved_bits(fmt)})


class Chooser(wiring.Component):
    """Holds a tile until the sizes of all modes are known, and sends it on with its order for the encoder.

    Tiles lie one behind the other in a ring of a full tile's beats and 8 more; a tile leaves while the next ones come
    in. Sizes are counted as bits saved against raw while the beats come in, all modes at once: one
    cycle to tell symbols apart, one to add up, one to compare.

    Cycles without stalls: beats come in one per cycle, tiles of any lengths back to back. A tile whose last beat came
    in at cycle ``t`` leaves from ``max(t + 4, p + 1)`` on, one beat per cycle, where ``p`` is the cycle of the last
    beat of the tile before it. So no beat waits longer than a full tile takes, and the ring never fills. Up to 62 whole
    tiles wait behind the one that leaves, 126 if modes are waited for; one more (tiles shorter than a 62nd of a full
    one, behind a full one) has its last beat wait until another leaves.

    Back-pressure at `o` or `o_tile` stops the output at once, the input when the ring is full. A tile of more symbols
    than `fmt.tile_symbols` has no place and stops the core. A told mode is passed on, whatever it is.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int
        Symbols per cycle: 1, 2, 4 or 8.
    waits : int
        Beats that come in while a tile waits to be let out, as its mode is chosen elsewhere; by default it is not.

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
    o_choice : Out(stream of Choice), if it `waits`
        The best mode of each tile; sinks have room for all that can wait.
    i_choice : In(stream of bits), if it `waits`
        The mode of each tile, told or not; always ready.
    """

    i_tile: stream.Interface
    i: stream.Interface
    o_tile: stream.Interface
    o: stream.Interface

    def __init__(self, fmt: TileFormat, lanes: int, waits: int = 0) -> None:
        check_parameters(fmt, lanes)
        self._fmt, self._lanes, self._waits = fmt, lanes, waits
        choice = stream.Signature(MODE_BITS)
        super().__init__(
            {
                "i_tile": In(stream.Signature(ChooseOrder(fmt))),
                "i": In(stream.Signature(Packet(Beat(fmt, lanes)))),
                "o_tile": Out(stream.Signature(EncodeOrder(fmt))),
                "o": Out(stream.Signature(Packet(Beat(fmt, lanes)))),
                **({"o_choice": Out(stream.Signature(Choice(fmt))), "i_choice": In(choice)} if waits else {}),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fmt, depth = self._fmt, ring_beats(self._fmt, self._lanes) + self._waits
        tile_bits = _LATE_TILE_BITS if self._waits else _TILE_BITS
        m.submodules.ring = ring = Memory(len(self.i.payload.as_value()), depth)
        m.submodules.orders = orders = Memory(len(self.i_tile.payload.as_value()), 1 << tile_bits)
        m.submodules.choices = choices = Memory(MODE_BITS if self._waits else 2, 1 << tile_bits)
        accept, ends, first = Signal(), Signal(), Signal(init=1)
        found, saved, beats_raw, raw = self._choice(m, accept, first)
        ended, measured, decided, choice = Signal(), Signal(), Signal(), Signal(choices.width)
        m.d.comb += [decided.eq(measured), choice.eq(Mux(beats_raw, found, MODE_RAW))]
        if self._waits:
            # What is left of the choice comes in the next cycle.
            late_found, late_saved, late_beats_raw, late_raw = (
                Signal(value.shape(), reset_less=True) for value in (found, saved, beats_raw, raw)
            )
            m.d.sync += [
                self.o_choice.valid.eq(measured),
                late_found.eq(found),
                late_saved.eq(saved),
                late_beats_raw.eq(beats_raw),
                late_raw.eq(raw),
            ]
            m.d.comb += [
                self.o_choice.payload.mode.eq(Mux(late_beats_raw, late_found, MODE_RAW)),
                self.o_choice.payload.saved.eq(Mux(late_beats_raw, late_saved - late_raw, 0)),
                self.i_choice.ready.eq(1),
                decided.eq(self.i_choice.valid),
                choice.eq(self.i_choice.payload),
            ]
            m.d.sync += Assert(~self.o_choice.valid | self.o_choice.ready)

        # In: beats to the ring; with the last one the order to its queue, and the choice when it is known.
        come, leave, after_come = (Signal(range(depth), name=n) for n in ("come", "leave", "after_come"))
        tile_known, tile_come, tile_leave = (
            Signal(tile_bits, init=1, name=n) for n in ("tile_known", "tile_come", "tile_leave")
        )
        m.d.comb += [
            after_come.eq(_around(come, depth)),
            self.i.ready.eq(
                self.i_tile.valid
                & (after_come != leave)
                & ~(self.i.payload.last & (_next_tile(tile_come) == tile_leave))
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
            choices.write_data.eq(choice),
        ]
        m.d.sync += [ended.eq(ends), measured.eq(ended)]
        with m.If(ends):
            m.d.sync += tile_come.eq(_next_tile(tile_come))
        with m.If(decided):
            m.d.sync += tile_known.eq(_next_tile(tile_known))
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
            m.d.sync += tile_leave.eq(_next_tile(tile_leave))
        return m

    def _choice(self, m: Module, accept: Value, first: Value) -> tuple[Value, Value, Value, Value]:
        """The best mode but raw of the tile whose last beat came two cycles ago, bits saved, whether it beats raw.

        Lanes behind the tail count as symbols that add no bits: W bits saved in every mode but raw. What is last is the
        bits of these, which a mode has to save to be as good as raw.
        """
        fmt, lanes = self._fmt, self._lanes
        beat, zero_point = self.i.payload.data, self.i_tile.payload.zero_point
        symbols = beat.symbols
        zero, same, live = Signal(lanes), Signal(lanes), Signal(lanes)
        before, zero_before = Signal(fmt.word_bits, reset_less=True), Signal(reset_less=True)
        for k in range(lanes):
            m.d.comb += zero[k].eq(symbols[k] == zero_point)
            m.d.comb += live[k].eq(~self.i.payload.last | (beat.tail >= k))
        # What goes before each symbol; nothing before the first.
        zeros_before = Cat(zero_before & ~first, zero[:-1])
        if "srlc" in fmt.modes:
            m.d.comb += same.eq(Cat(symbols[k] == (symbols[k - 1] if k else before) for k in range(lanes)))
        else:
            m.d.comb += same.eq(zero & zeros_before)
        fulls = self._fulls(m, Cat(same[0] & ~first, same[1:]), accept)
        goes_on = {MODE_SRLC: Cat(same[0] & ~first, same[1:]) & ~fulls, MODE_ZRLC: zeros_before & ~fulls}
        dead_lanes = Signal(ceil_log2(lanes), reset_less=True)
        with m.If(accept):
            m.d.sync += [before.eq(symbols[-1]), zero_before.eq(zero[-1]), dead_lanes.eq(~beat.tail)]

        # From here on a cycle later.
        counted, opens_tile, dead = Signal(), Signal(reset_less=True), Signal.like(dead_lanes)
        m.d.sync += [counted.eq(accept), opens_tile.eq(first), dead.eq(dead_lanes)]
        saved: list[tuple[int, Value]] = []
        for number, name in ((MODE_SRLC, "srlc"), (MODE_ZRLC, "zrlc")):
            if name in fmt.modes:
                flags = goes_on[number] | ~live
                saved.append((number, self._saved_by_runs(m, name, flags, counted, opens_tile)))
        if "zvc" in fmt.modes:
            saved.append(
                (
                    MODE_ZVC,
                    self._saved_by_masks(m, zero | ~live, self._group_opens(m, accept, first), counted, opens_tile),
                )
            )
        if not saved:
            return Const(MODE_RAW, 2), Const(0), Const(0, 1), Const(0)
        # All comparisons at once. A candidate: its mode, what it saves, whether it beats raw, and which of those behind
        # beat it.
        raw = Cat(Const(0, ceil_log2(fmt.word_bits)), dead, Const(0, 1))
        best: list[Value] = []
        for at, (number, bits) in enumerate(saved):
            beaten = [_greater(others, bits) for _, others in saved[at + 1 :]]
            candidate = [Const(number, 2), bits, _greater(bits, raw), *beaten]
            best = (
                [Mux(best[3], new, old) for new, old in zip(candidate, [*best[:3], *best[4:]], strict=True)]
                if best
                else candidate
            )
        return best[0], best[1], best[2], raw

    def _fulls(self, m: Module, same: Value, accept: Value) -> Value:
        """Before which symbols a token is full, if runs go on with symbols that are the same as the one before.

        It holds for both kinds of runs: zeros count alike in both, and nothing else counts in zrlc.
        """
        lanes, limit = self._lanes, 1 << self._fmt.run_bits
        run = Signal(self._fmt.run_bits, reset_less=True)
        places = []
        for k in range(lanes + 1):
            place: Value = (run + k)[: len(run)]
            for j in range(k):
                place = Mux(same[j], place, (k - j) % limit)
            places.append(place)
        with m.If(accept):
            m.d.sync += run.eq(places[lanes])
        return Cat(place == 0 for place in places[:lanes])

    def _saved_by_runs(self, m: Module, name: str, goes_on: Value, counted: Value, first: Value) -> Signal:
        """Bits saved by tokens: W for a symbol that goes on with a token, -R for one that starts a token."""
        fmt, lanes = self._fmt, self._lanes
        token_bits = fmt.run_bits + fmt.word_bits
        symbols = lanes * -(-fmt.tile_symbols // lanes)
        high = symbols * fmt.word_bits - -(-fmt.tile_symbols >> fmt.run_bits) * token_bits
        parts = [k * token_bits - lanes * fmt.run_bits for k in range(lanes + 1)]
        return _total(m, name, sum(goes_on), parts, (-symbols * fmt.run_bits, high), counted, first)

    def _group_opens(self, m: Module, accept: Value, first: Value) -> Value:
        """Whether a mask comes before the beat."""
        group_beats = max(1, mask_bits(self._fmt) // self._lanes)
        if group_beats == 1:
            return Const(1)
        place = Signal(ceil_log2(group_beats), name="group_place", reset_less=True)
        now = Signal.like(place, name="group_now")
        m.d.comb += now.eq(Mux(first, 0, place))
        with m.If(accept):
            m.d.sync += place.eq(now + 1)
        return now == 0

    def _saved_by_masks(self, m: Module, zero: Value, opens: Value, counted: Value, first: Value) -> Value:
        """Bits saved by masks: W for a zero, less the masks."""
        fmt, lanes = self._fmt, self._lanes
        group_bits = mask_bits(fmt)
        mask_symbols = group_bits // fmt.word_bits
        groups = -(-fmt.tile_symbols // group_bits)
        symbols = lanes * -(-fmt.tile_symbols // lanes)
        bounds = -groups * mask_symbols, symbols - groups * mask_symbols
        parts = [zeros - mask for mask in (0, mask_symbols) for zeros in range(lanes + 1)]
        total = _total(m, "zvc", sum(zero) + Mux(opens, lanes + 1, 0), parts, bounds, counted, first)
        return Cat(Const(0, ceil_log2(fmt.word_bits)), total).as_signed()


def _total(m, name: str, which: Value, parts: list[int], bounds, counted: Value, first: Value) -> Signal:
    """The sum of ``parts[which]`` over the beats of a tile."""
    total = Signal(signed(max(bits_for(bound, True) for bound in bounds)), name=f"{name}_saved", reset_less=True)
    part = Signal(range(min(parts), max(parts) + 1), name=f"{name}_part", reset_less=True)
    with m.Switch(which):
        for number, value in enumerate(parts):
            with m.Case(number):
                m.d.sync += part.eq(value)
    kept = total & (~first).replicate(len(total))
    # The uppermost bits are ready for a carry and for none.
    upper = max(0, min(_UPPER_BITS, len(total) - len(part)))
    lower, sign = len(total) - upper, part[-1]
    low = kept[:lower] + Cat(part, sign.replicate(lower - len(part)))
    high = kept[lower:] + sign.replicate(upper)
    with m.If(counted):
        m.d.sync += total.eq(Cat(low[:lower], Mux(low[lower], high + 1, high)[:upper]))
    return total


def _greater(one: Value, other: Value) -> Value:
    """Whether a signed number is the greater one, bit by bit: a tree of carries takes half as many gates again."""
    width = max(len(one), len(other))
    one, other = (Cat(number, number[-1].replicate(width - len(number))) for number in (one, other))
    greater: Value = Const(0)
    for mine, its in zip(one[:-1], other[:-1], strict=True):
        greater = Mux(mine ^ its, mine, greater)
    return Mux(one[-1] ^ other[-1], other[-1], greater)


def _next_tile(place: Value) -> Value:
    """The next place in the tiles' queue, as a shift register counts (x^n + x^(n - 1) + 1, n = 6 or 7): no carry."""
    return Cat(place[-1] ^ place[-2], place[:-1])


def _around(place: Value, depth: int) -> Value:
    """The next place of a ring: only `depth` itself has all of its own bits set, as places end there."""
    after = (place + 1)[: len(Const(depth))]
    wraps = (after & depth) == depth
    return (after & ~Mux(wraps, depth, 0))[: len(place)]
