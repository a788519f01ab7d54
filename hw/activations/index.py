"""Builder and reader of the index: groups of 32 bytes for 8 tiles (bit layout: golden/tile_format.py)."""

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.tile_format import BASE_BITS
from hw.activations.ports import Entry
from hw.packet import Packet

__all__ = ["GroupEntry", "IndexBuilder", "IndexReader"]

WORD_BITS = 64
NUMBER_BITS = 16


class GroupEntry(data.StructLayout):
    """An `Entry` read from a group: `entry`; `base`, burst number of the tile's payload; `error` of its group."""

    def __init__(self) -> None:
        super().__init__({"entry": Entry(), "base": BASE_BITS, "error": 1})


class IndexBuilder(wiring.Component):
    """Packs entries into index groups.

    Members
    -------
    i_group : In(stream of {base, number})
        One for each group: burst number of its first tile, group number mod 2^16; taken with the group's last entry.
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
        return Module()


class IndexReader(wiring.Component):
    """Checks index groups and gives their entries one by one.

    Members
    -------
    i_group : In(stream of {tiles, number})
        One for each group: tiles in it less one (0..7), group number mod 2^16.
    i : In(stream of Packet(64 bits))
        Four words a group, `last` with the fourth.
    o : Out(stream of Packet(GroupEntry))
        Its entries; `last` with the last of the group. With an error in the group all its entries carry `error`.
    """

    i_group: stream.Interface
    i: stream.Interface
    o: stream.Interface

    def __init__(self) -> None:
        super().__init__(
            {
                "i_group": In(stream.Signature(data.StructLayout({"tiles": 3, "number": NUMBER_BITS}))),
                "i": In(stream.Signature(Packet(WORD_BITS))),
                "o": Out(stream.Signature(Packet(GroupEntry()))),
            }
        )

    def elaborate(self, platform) -> Module:
        return Module()
