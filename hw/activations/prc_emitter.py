"""Units of an encoder of prc in the order in which a decoder asks for them, to words."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.activations.prc import PrcFormat
from hw.activations.prc_ports import prc_word_bits
from hw.memory import Memory
from hw.packet import Packet

__all__ = ["UnitEmitter", "tile_depth", "unit_depth"]

# Of the tiles that are kept, those that come after there is no more room.
_LATE_TILES = 4


def _steps(tile: tuple[int, int, int]) -> int:
    height, width, channels = tile
    return height * width * -(-channels // 4)


def tile_depth(tile: tuple[int, int, int]) -> int:
    """Tiles that are kept: as many of eight steps as come while the largest one is sent."""
    return 1 << ceil_log2(max(16, _steps(tile) // 8))


def _margin(tile: tuple[int, int, int]) -> int:
    """Units of a lane, for all tiles that are kept, of which no step's asks tell: the first two, and one left out."""
    return 3 * tile_depth(tile)


def unit_depth(tile: tuple[int, int, int]) -> int:
    """Units that each lane's memory holds, and steps whose asks are remembered: a tile's and those of the next."""
    steps = _steps(tile)
    return 1 << ceil_log2(max(64, steps + 2 * _margin(tile), steps + steps // 4))


class UnitEmitter(wiring.Component):
    """Keeps units and asks of a tile until it is coded; then lets the units out in the order of the asks.

    A step's asks are one memory word, and each lane has its own memories, so that a step's units come in one cycle. A
    tile's first step has two units a lane, four a cycle. What lanes ask for behind their last code is zero, and is left
    out once no lane has any more. Memories are read in every cycle in which units are on their way; what was not
    written yet is not used.

    Members
    -------
    roomy : Out
        There is room for another step.
    ask_valid, asks : In
        A step but a tile's first is put: the lanes that ask before it.
    write, units : In
        Units that are full, of any lanes.
    end, lanes : In
        With the last units of a tile: it is coded, and began with so many lanes.
    i_keep : In(stream of 1 bit), if `judged`
        Whether a tile is sent or dropped, for each before it is.
    o : Out(stream of Packet(word))
    """

    o: stream.Interface

    def __init__(self, fmt: PrcFormat, tile: tuple[int, int, int], judged: bool = False) -> None:
        self._fmt, self._tile, self._judged = fmt, tile, judged
        super().__init__(
            {
                "roomy": Out(1),
                "ask_valid": In(1),
                "asks": In(fmt.lanes),
                "write": In(fmt.lanes),
                "units": In(fmt.unit_bits).array(fmt.lanes),
                "end": In(1),
                "lanes": In(3),
                "o": Out(stream.Signature(Packet(prc_word_bits(fmt)))),
                **({"i_keep": In(stream.Signature(1))} if judged else {}),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fmt, lanes, depth, most_tiles = self._fmt, self._fmt.lanes, unit_depth(self._tile), tile_depth(self._tile)
        unit_bits, bits = fmt.unit_bits, ceil_log2(depth)
        m.submodules.asked = asked = Memory(lanes, depth)
        tile_bits = ceil_log2(most_tiles)
        m.submodules.tiles = tiles = Memory(3 + bits + lanes * bits, most_tiles)
        # A lane's units lie in two memories, so that the first two of a tile can be read at once; each tile begins in
        # the first of them.
        banks = []
        for lane in range(lanes):
            pair = [Memory(unit_bits, depth // 2) for _ in range(2)]
            for parity, bank in enumerate(pair):
                m.submodules[f"units_{lane}_{parity}"] = bank
            banks.append(pair)

        ask_tail, ask_head = Signal(bits), Signal(bits)
        tile_tail, tile_head = Signal(tile_bits + 1), Signal(tile_bits + 1)
        used, tiles_used = Signal(bits), Signal(tile_bits + 1)
        m.d.comb += [
            used.eq(ask_tail - ask_head),
            tiles_used.eq(tile_tail - tile_head),
            asked.write.eq(self.ask_valid),
            asked.write_address.eq(ask_tail),
            asked.write_data.eq(self.asks),
        ]
        m.d.sync += self.roomy.eq((used < depth - _margin(self._tile)) & (tiles_used < most_tiles - _LATE_TILES))
        with m.If(self.ask_valid):
            m.d.sync += ask_tail.eq(ask_tail + 1)
        with m.If(self.end):
            m.d.sync += tile_tail.eq(tile_tail + 1)
        behinds = []
        for lane in range(lanes):
            row, odd, write = Signal(bits - 1, name=f"row_{lane}"), Signal(name=f"odd_{lane}"), self.write[lane]
            next_row, behind = Signal(bits - 1, name=f"next_row_{lane}"), Signal(bits, name=f"behind_{lane}")
            m.d.comb += [next_row.eq(row + 1), behind.eq(Cat(odd ^ write, Mux(odd & write, next_row, row)))]
            m.d.sync += odd.eq(behind[0] & ~self.end)
            with m.If(Mux(self.end, odd | write, odd & write)):
                m.d.sync += row.eq(next_row)
            for parity, bank in enumerate(banks[lane]):
                m.d.comb += [
                    bank.write.eq(write & (odd == parity)),
                    bank.write_address.eq(row),
                    bank.write_data.eq(self.units[lane]),
                ]
            behinds.append(behind)
        m.d.comb += [
            tiles.write.eq(self.end),
            tiles.write_address.eq(tile_tail),
            tiles.write_data.eq(Cat(self.lanes, ask_tail, *behinds)),
        ]

        # A tile: its first two units a lane in one step or two, then those of each step until the last real one.
        info = tiles.read_data
        first_lanes, ask_end = info[:3], info[3 : 3 + bits]
        stops = [info[3 + bits * (lane + 1) : 3 + bits * (lane + 2)] for lane in range(lanes)]
        active, phase = Signal(), Signal(2)
        go, done, full_go = Signal(), Signal(), Signal()
        # A tile that is judged is kept, or all that was put of it is passed over.
        kept, drops, present = Signal(init=not self._judged), Signal(), Signal()
        m.d.comb += [present.eq(tiles_used != 0), drops.eq(active & ~kept)]
        if self._judged:
            m.d.comb += [present.eq((tiles_used != 0) & self.i_keep.valid), self.i_keep.ready.eq(tiles.read)]
            with m.If(tiles.read):
                m.d.sync += kept.eq(self.i_keep.payload)

        opening = Signal(2)
        m.d.comb += opening.eq(Cat(phase == 0, phase == 1))
        heads, reals, ends = [], [], []
        for lane, stop in enumerate(stops):
            row, odd = Signal(bits - 1, name=f"head_row_{lane}"), Signal(name=f"head_odd_{lane}")
            next_row = Signal(bits - 1, name=f"head_next_row_{lane}")
            here, next_here, last = (Signal(name=f"{n}_{lane}") for n in ("here", "next_here", "last"))
            one, two, wants = (Signal(name=f"{n}_{lane}") for n in ("one", "two", "wants"))
            takes_one, takes_two = Signal(name=f"takes_one_{lane}"), Signal(name=f"takes_two_{lane}")
            m.d.comb += [
                next_row.eq(row + 1),
                here.eq(row == stop[1:]),
                next_here.eq(next_row == stop[1:]),
                # Units that are left: at least one, just one; and two of a tile's first ones.
                one.eq(~here | (odd != stop[0])),
                last.eq(Mux(odd, next_here & ~stop[0], here & stop[0])),
                two.eq(~here),
                wants.eq(Mux(phase[1], asked.read_data[lane], opening[lane // 2])),
                takes_two.eq(wants & two & ~phase[1]),
                takes_one.eq(wants & one & ~takes_two),
            ]
            heads.append(odd)
            reals.append((one, two, wants))
            # No unit is left behind this step.
            ends.append(~one | (wants & (last | (~phase[1] & next_here & ~stop[0]))))
            with m.If(drops | (full_go & done)):
                # Each tile begins in a lane's first memory.
                m.d.sync += [odd.eq(0), row.eq(stop[1:] + stop[0])]
            with m.Elif(full_go):
                m.d.sync += [odd.eq(odd ^ takes_one), row.eq(Mux(takes_two | (takes_one & odd), next_row, row))]
            for parity, bank in enumerate(banks[lane]):
                address = row if parity else Mux(odd, next_row, row)
                m.d.comb += [bank.read.eq(full_go), bank.read_address.eq(address)]
        m.d.comb += [
            full_go.eq(go & active & kept),
            done.eq(Cat(ends).all()),
            asked.read.eq(full_go),
            asked.read_address.eq(ask_head),
            tiles.read_address.eq(tile_head),
            tiles.read.eq((~active | (full_go & done) | drops) & present),
        ]
        with m.If(tiles.read):
            m.d.sync += [active.eq(1), phase.eq(0), tile_head.eq(tile_head + 1)]
        with m.Elif((full_go & done) | drops):
            m.d.sync += active.eq(0)
        with m.Elif(full_go):
            m.d.sync += phase.eq(Mux((phase == 0) & (first_lanes > 2), 1, 2))
        with m.If(full_go | drops):
            with m.If(done | drops):
                m.d.sync += ask_head.eq(ask_end)
            with m.Elif((phase != 0) | (first_lanes <= 2)):
                m.d.sync += ask_head.eq(ask_head + 1)

        # The units of a step stand in up to four slots; those behind a tile's last real one are left out.
        slot_asked, slot_real = Signal(4), Signal(4)
        pairs = []
        for lower in (0, 2):
            flags = []
            for lane in (lower, lower + 1):
                one, two, _ = reals[lane]
                exists = 1 if lane == 0 else first_lanes > lane
                flags.append((exists, one, two))
            pairs.append((Cat(flags[0][0], flags[0][0], flags[1][0], flags[1][0]), Cat(flags[0][1:], flags[1][1:])))
        with m.Switch(phase):
            for n, (asks, real) in enumerate(pairs):
                with m.Case(n):
                    m.d.comb += [slot_asked.eq(asks), slot_real.eq(real)]
            with m.Default():
                m.d.comb += [slot_asked.eq(asked.read_data), slot_real.eq(Cat(one & wants for one, _, wants in reals))]
        push, push_done, push_phase = Signal(), Signal(), Signal(2)
        push_asked, push_real, push_parity = Signal(4), Signal(4), Signal(4)
        with m.If(go):
            m.d.sync += [
                push.eq(active & kept),
                push_done.eq(done),
                push_phase.eq(phase),
                push_asked.eq(Cat(slot_asked[n] & (~done | slot_real[n:].any()) for n in range(4))),
                push_real.eq(slot_real),
                push_parity.eq(Cat(heads)),
            ]

        slots = []
        for n in range(4):
            low, high = n // 2, 2 + n // 2
            slot = Signal(unit_bits, name=f"slot_{n}")
            single = Mux(push_parity[n], banks[n][1].read_data, banks[n][0].read_data)
            first, second = banks[low][n % 2].read_data, banks[high][n % 2].read_data
            m.d.comb += slot.eq(
                Mux(push_phase[1], single, Mux(push_phase[0], second, first)) & push_real[n].replicate(unit_bits)
            )
            slots.append(slot)
        self._pack(m, go, push, push_done, push_asked, slots)
        return m

    def _pack(self, m: Module, go: Value, push: Value, done: Value, asked: Value, slots: list[Value]) -> None:
        """Units of slots to words; a tile's last word may leave while the next tile's units come."""
        unit_bits, width = self._fmt.unit_bits, prc_word_bits(self._fmt)
        held, held_units, closing = Signal(width), Signal(3), Signal()
        count, field = Signal(3), Signal(width)
        m.d.comb += count.eq(sum(asked))
        packed = Cat(slots[3])
        for n in (2, 1, 0):
            packed = Mux(asked[n], Cat(slots[n], packed), packed)
        m.d.comb += field.eq(packed)
        spills, total, both, whole = Signal(), Signal(4), Signal(2 * width), Signal()
        m.d.comb += [
            whole.eq(closing | held_units[2]),
            total.eq(held_units + count),
            both.eq(held | (field << (held_units[:2] * unit_bits))),
            spills.eq(total > 4),
        ]
        fills = push & ((total >= 4) | done)
        m.d.comb += [
            self.o.valid.eq(Mux(whole, closing | push, fills)),
            self.o.payload.data.eq(Mux(whole, held, both)),
            self.o.payload.last.eq(Mux(whole, closing, done & ~spills)),
            go.eq(~self.o.valid | self.o.ready),
        ]
        with m.If(go & whole & (closing | push)):
            m.d.sync += [
                held.eq(field & push.replicate(width)),
                held_units.eq(Mux(push, count, 0)),
                closing.eq(push & done),
            ]
        with m.Elif(go & push):
            with m.If(total >= 4):
                m.d.sync += [held.eq(both[width:]), held_units.eq(total - 4), closing.eq(done & spills)]
            with m.Elif(done):
                m.d.sync += [held.eq(0), held_units.eq(0), closing.eq(0)]
            with m.Else():
                m.d.sync += [held.eq(both), held_units.eq(total)]
