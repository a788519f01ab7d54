"""Builder and reader of the index: groups of 32 bytes for 8 tiles (bit layout: golden/tile_format.py)."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.crc import CCITT_16
from golden.tile_format import BASE_BITS, ENTRY_BITS, GROUP_BYTES, GROUP_TILES, MAX_BURSTS, RESERVED_BITS
from hw.activations.ports import Entry
from hw.crc import crc_step
from hw.packet import Packet

__all__ = ["GroupEntry", "IndexBuilder", "IndexReader"]

WORD_BITS = 64
NUMBER_BITS = CCITT_16.bits
_WORDS = 8 * GROUP_BYTES // WORD_BITS
# Of a base: the lower part, to which a length is added, holds one.
_LOW_BITS = 12


class GroupEntry(data.StructLayout):
    """An `Entry` read from a group: `entry`; `base`, burst number of the tile's payload; `error` of its group."""

    def __init__(self) -> None:
        super().__init__({"entry": Entry(), "base": BASE_BITS, "error": 1})


class IndexBuilder(wiring.Component):
    """Packs entries into index groups.

    An entry is taken each cycle, and each word leaves in the cycle whose entry fills it; the fourth follows in a cycle
    of its own. So a group takes 9 cycles, entries that are missing at its end one each. Back-pressure at `o` holds the
    entry that fills the word. What an entry says is not checked.

    Members
    -------
    i_group : In(stream of {base, number})
        One for each group: burst number of its first tile, group number mod 2^16; it must be there from the group's
        first entry on and is taken with the fourth word.
    i : In(stream of Packet(Entry))
        Entries; `last` with the last of the stream, which ends a group early (the rest of it is zero).
    o : Out(stream of Packet(64 bits))
        Four words a group, `last` with the fourth.
    """

    i_group: stream.Interface
    i: stream.Interface
    o: stream.Interface

    def __init__(self) -> None:
        super().__init__(
            {
                "i_group": In(stream.Signature(data.StructLayout({"base": BASE_BITS, "number": NUMBER_BITS}))),
                "i": In(stream.Signature(Packet(Entry()))),
                "o": Out(stream.Signature(Packet(WORD_BITS))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        group = self.i_group.payload
        place, fills = Signal(range(GROUP_TILES + 1)), Signal()
        check, check_before = Signal(NUMBER_BITS, reset_less=True), Signal(NUMBER_BITS)
        kept = [Signal(ENTRY_BITS, name=f"entry_{k}_before", reset_less=True) for k in (3, 2, 1)]
        entry, closes, present, go = Signal(ENTRY_BITS), Signal(), Signal(), Signal()
        recent = Cat(*kept, entry)

        m.d.comb += [
            closes.eq(place == GROUP_TILES),
            present.eq(self.i_group.valid & (self.i.valid | fills | closes)),
            entry.eq(Mux(fills, 0, self.i.payload.data)),
            check_before.eq(Mux(place == 0, ~group.number, check)),
            go.eq(present & (self.o.ready | ~self.o.valid)),
            self.i.ready.eq(go & ~fills & ~closes),
            self.i_group.ready.eq(go & closes),
            self.o.payload.last.eq(closes),
        ]
        # The word that ends in the entry at hand, from the newest four; the fourth has base and CRC.
        with m.Switch(place):
            for word in range(_WORDS - 1):
                fills_at = (WORD_BITS * (word + 1) - 1) // ENTRY_BITS
                with m.Case(fills_at):
                    start = WORD_BITS * word - ENTRY_BITS * (fills_at - 3)
                    m.d.comb += [self.o.valid.eq(present), self.o.payload.data.eq(recent[start:][:WORD_BITS])]
            with m.Case(GROUP_TILES):
                rest = kept[-1][-(GROUP_TILES * ENTRY_BITS % WORD_BITS) :]
                m.d.comb += self.o.valid.eq(present)
                m.d.comb += self.o.payload.data.eq(Cat(rest, group.base, crc_step(CCITT_16, check, group.base)))
        with m.If(go):
            m.d.sync += [
                Cat(kept).eq(recent[ENTRY_BITS:]),
                check.eq(crc_step(CCITT_16, check_before, entry)),
                place.eq(Mux(closes, 0, place + 1)),
                fills.eq((fills | (self.i.payload.last & ~closes)) & (place < GROUP_TILES - 1)),
            ]
        return m


class IndexReader(wiring.Component):
    """Checks index groups and gives their entries one by one.

    Words are taken one per cycle while there is no entry to give; the first entry is offered in the cycle after the
    word with `last`, then one per cycle. So a group of ``n`` tiles takes ``4 + n`` cycles. Back-pressure at `o` holds
    entries, and words behind them.

    The error of a group: CRC wrong; a reserved bit set or a length of 0 in an entry of a tile, any bit set in others;
    `last` not with the fourth word. A group that is too short or too long gives its entries, too, all with `error`.

    Parameters
    ----------
    slot_bursts : int
        Bursts from tile to tile in the layout ``slotted``; 0 for ``packed``, where tiles follow each other.

    Members
    -------
    i_group : In(stream of {tiles, number})
        One for each group: tiles in it less one (0..7), group number mod 2^16; it must be there from the group's first
        word on and is taken with the last entry.
    i : In(stream of Packet(64 bits))
        Four words a group, `last` with the fourth.
    o : Out(stream of Packet(GroupEntry))
        Its entries; `last` with the last of the group. With an error in the group all its entries carry `error`.
    """

    i_group: stream.Interface
    i: stream.Interface
    o: stream.Interface

    def __init__(self, slot_bursts: int = 0) -> None:
        if not 0 <= slot_bursts <= MAX_BURSTS:
            raise ValueError(f"slot_bursts must be in 0..{MAX_BURSTS}, not {slot_bursts!r}")
        self._slot_bursts = slot_bursts
        super().__init__(
            {
                "i_group": In(stream.Signature(data.StructLayout({"tiles": 3, "number": NUMBER_BITS}))),
                "i": In(stream.Signature(Packet(WORD_BITS))),
                "o": Out(stream.Signature(Packet(GroupEntry()))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        group = self.i_group.payload
        stored = Signal(WORD_BITS * _WORDS - NUMBER_BITS, reset_less=True)
        check, next_check = Signal(NUMBER_BITS, reset_less=True), Signal(NUMBER_BITS)
        word, excess, first = Signal(range(_WORDS)), Signal(), Signal(init=1)
        gives, place = Signal(), Signal(range(GROUP_TILES))
        accept, go = Signal(), Signal()
        # The group is judged while its first entry is given, all at once and with nothing before it in the cycle.
        fresh, misfit, wrong = Signal(), Signal(reset_less=True), Signal(reset_less=True)
        entries, base = stored[: GROUP_TILES * ENTRY_BITS], stored[GROUP_TILES * ENTRY_BITS :]
        entry = Entry()(entries[: ENTRY_BITS - RESERVED_BITS])

        # A CRC over the data and the CRC behind it is zero.
        m.d.comb += [
            self.i.ready.eq(self.i_group.valid & ~gives),
            accept.eq(self.i.valid & self.i.ready),
            next_check.eq(crc_step(CCITT_16, Mux(first, ~group.number, check), self.i.payload.data)),
            self.o.valid.eq(gives),
            self.o.payload.last.eq(place == group.tiles),
            self.o.payload.data.entry.eq(entry),
            self.o.payload.data.base.eq(base),
            self.o.payload.data.error.eq(Mux(fresh, misfit | (check != 0) | _faulty(entries, group.tiles), wrong)),
            go.eq(gives & self.o.ready),
            self.i_group.ready.eq(go & self.o.payload.last),
        ]
        with m.If(accept):
            m.d.sync += [
                stored.word_select(word, WORD_BITS).eq(self.i.payload.data),
                check.eq(next_check),
                word.eq(Mux(self.i.payload.last, 0, word + 1)),
                first.eq(self.i.payload.last),
                excess.eq(~self.i.payload.last & (excess | (word == _WORDS - 1))),
                gives.eq(self.i.payload.last),
                misfit.eq(excess | (word != _WORDS - 1)),
                fresh.eq(self.i.payload.last),
            ]
        with m.If(go):
            step = self._slot_bursts or entry.bursts
            m.d.sync += [
                entries.eq(entries[ENTRY_BITS:]),
                base.eq(_advanced(base, step)),
                place.eq(Mux(self.o.payload.last, 0, place + 1)),
                gives.eq(~self.o.payload.last),
                fresh.eq(0),
                wrong.eq(self.o.payload.data.error),
            ]
        return m


def _advanced(base: Value, step: Value | int) -> Value:
    """The sum, its upper part ready for a carry and for none."""
    low = base[:_LOW_BITS] + step
    return Cat(low[:_LOW_BITS], Mux(low[_LOW_BITS], base[_LOW_BITS:] + 1, base[_LOW_BITS:])[: BASE_BITS - _LOW_BITS])


def _faulty(entries: Value, tiles: Value) -> Value:
    """Whether an entry of a group has a reserved bit or no length, or is set and belongs to no tile."""
    faults = []
    for k in range(GROUP_TILES):
        bits = entries.word_select(k, ENTRY_BITS)
        entry = Entry()(bits[: ENTRY_BITS - RESERVED_BITS])
        faults.append(Mux(tiles >= k, (bits[-RESERVED_BITS:] != 0) | (entry.bursts == 0), bits != 0))
    return Cat(faults).any()
