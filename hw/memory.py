"""The one memory of the project: what a vendor's macro replaces."""

from amaranth.hdl import Module, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["Memory"]


class Memory(wiring.Component):
    """A synchronous memory of `depth` words with one write and one read port on the same clock.

    A word that is read comes one cycle after its address and stays until the next read. Undefined are the contents at
    reset, and the word that is read while it is written. Cores do read such words: an empty queue reads in every cycle
    the place that is written next. What they read then they do not use: outputs depend on a word only if it was read
    in a later cycle than it was written in. `depth` need not be a power of two: a macro may be deeper.

    Parameters
    ----------
    width : int
        Bits of a word.
    depth : int
        Words, at least 2.

    Members
    -------
    write, write_address, write_data : In
    read, read_address : In
    read_data : Out
    """

    def __init__(self, width: int, depth: int) -> None:
        if width < 1:
            raise ValueError(f"width must be at least 1, not {width!r}")
        if depth < 2:
            raise ValueError(f"depth must be at least 2, not {depth!r}")
        self.width, self.depth = width, depth
        address_bits = ceil_log2(depth)
        super().__init__(
            {
                "write": In(1),
                "write_address": In(address_bits),
                "write_data": In(width),
                "read": In(1),
                "read_address": In(address_bits),
                "read_data": Out(width),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.store = store = memory.Memory(shape=unsigned(self.width), depth=self.depth, init=[])
        write, read = store.write_port(), store.read_port()
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.en.eq(self.read),
            read.addr.eq(self.read_address),
            self.read_data.eq(read.data),
        ]
        return m
