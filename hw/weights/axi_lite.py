"""AXI4-Lite to reads and writes of 32-bit registers."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["AXI_LITE_PORTS", "AxiLite", "axi_lite_ports"]

DATA_BITS = 32
AXI_LITE_PORTS = "s_axil"
"""What the names of the ports begin with."""

_OKAY, _SLAVE_ERROR = 0, 2


def axi_lite_ports(address_bits: int) -> dict[str, tuple[int, bool]]:
    """Port, without its prefix, to (width, whether it is an input)."""
    return {
        "awaddr": (address_bits, True),
        "awprot": (3, True),
        "awvalid": (1, True),
        "awready": (1, False),
        "wdata": (DATA_BITS, True),
        "wstrb": (DATA_BITS // 8, True),
        "wvalid": (1, True),
        "wready": (1, False),
        "bresp": (2, False),
        "bvalid": (1, False),
        "bready": (1, True),
        "araddr": (address_bits, True),
        "arprot": (3, True),
        "arvalid": (1, True),
        "arready": (1, False),
        "rdata": (DATA_BITS, False),
        "rresp": (2, False),
        "rvalid": (1, False),
        "rready": (1, True),
    }


class AxiLite(wiring.Component):
    """A subordinate: one read and one write at a time, each answered two cycles after it came.

    All outputs come from flip-flops. An access that is `unknown` is answered with SLVERR. ``awprot`` and ``arprot``
    are ignored.

    Parameters
    ----------
    address_bits : int

    Members
    -------
    awaddr ... rready : In or Out
        As the standard names them.
    write, write_address, write_data, write_mask : Out
        A write, and the bits that it changes.
    write_unknown : In
        In the same cycle: it is not for any register.
    read_address : Out
    read_data, read_unknown : In
        In the same cycle.
    """

    def __init__(self, address_bits: int) -> None:
        self.address_bits = address_bits
        ports = axi_lite_ports(address_bits).items()
        super().__init__(
            {name: In(width) if is_input else Out(width) for name, (width, is_input) in ports}
            | {
                "write": Out(1),
                "write_address": Out(address_bits),
                "write_data": Out(DATA_BITS),
                "write_mask": Out(DATA_BITS),
                "write_unknown": In(1),
                "read_address": Out(address_bits),
                "read_data": In(DATA_BITS),
                "read_unknown": In(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        has_address, has_data, reads = Signal(), Signal(), Signal()
        strobes = Signal(DATA_BITS // 8, reset_less=True)
        m.d.comb += [
            self.awready.eq(~has_address),
            self.wready.eq(~has_data),
            self.arready.eq(~reads),
            self.write.eq(has_address & has_data & ~self.bvalid),
            *(self.write_mask[8 * k : 8 * k + 8].eq(strobes[k].replicate(8)) for k in range(len(strobes))),
        ]
        with m.If(self.awvalid & self.awready):
            m.d.sync += [has_address.eq(1), self.write_address.eq(self.awaddr)]
        with m.If(self.wvalid & self.wready):
            m.d.sync += [has_data.eq(1), self.write_data.eq(self.wdata), strobes.eq(self.wstrb)]
        with m.If(self.bready):
            m.d.sync += self.bvalid.eq(0)
        with m.If(self.write):
            m.d.sync += [has_address.eq(0), has_data.eq(0), self.bvalid.eq(1)]
            m.d.sync += self.bresp.eq(_OKAY)
            with m.If(self.write_unknown):
                m.d.sync += self.bresp.eq(_SLAVE_ERROR)

        with m.If(self.arvalid & self.arready):
            m.d.sync += [reads.eq(1), self.read_address.eq(self.araddr)]
        with m.If(self.rready):
            m.d.sync += self.rvalid.eq(0)
        with m.If(reads & ~self.rvalid):
            m.d.sync += [reads.eq(0), self.rvalid.eq(1), self.rdata.eq(self.read_data), self.rresp.eq(_OKAY)]
            with m.If(self.read_unknown):
                m.d.sync += [self.rdata.eq(0), self.rresp.eq(_SLAVE_ERROR)]
        return m
