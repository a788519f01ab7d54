"""The weight decompressor as a peripheral: bodies in and weights out on AXI4-Stream, registers on AXI4-Lite."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.axis import Channel, Shell, channels_of
from hw.weights.axi_lite import AXI_LITE_PORTS, AxiLite, axi_lite_ports
from hw.weights.datapath import Datapath
from hw.weights.datapath_ports import Engine
from hw.weights.intake import BUSES
from hw.weights.ports import Fault
from hw.weights.registers import ADDRESS_BITS, MAP, VERSION, Register

__all__ = ["Decompressor"]

_STREAMS = ("i", "o")


class Decompressor(wiring.Component):
    """The datapath (hw/weights/datapath.py), a tensor at a time, as a processor sees it.

    Write the scales, if integers are to become floats; write the descriptor; write `start`; send the body. The line
    `irq` rises with the end of the tensor, be it good or bad; then the registers tell fault, position and counters.
    The body may be sent before. Registers: hw/weights/registers.py; a change of the descriptor while a tensor is
    decoded counts for the next one, but scales are those that are there: write them while ready.

    Throughput and latency are the datapath's; ports are registered, one cycle each way.

    Parameters
    ----------
    slices, entries, engines, bus_bits
        As of `Datapath`.

    Members
    -------
    s_axis_..., m_axis_... : In or Out
        The datapath's `i` and `o` (hw/axis.py): ``tkeep`` of the body tells which words of 8 bytes its last
        transfer has, that of the weights their bytes; ``tuser`` comes with ``tlast`` of a tensor with a fault.
    s_axil_... : In or Out
        AXI4-Lite.
    irq : Out
    """

    def __init__(
        self,
        slices: int = 2048,
        entries: int = 512,
        engines: Sequence[Engine] = tuple(Engine),
        bus_bits: int = BUSES[0],
    ) -> None:
        self._core = Datapath(slices, entries, engines, bus_bits)
        self._channels = {channel.member: channel for channel in channels_of(self._core)}
        ports = {name: port for member in _STREAMS for name, port in self._channels[member].ports.items()}
        ports |= {f"{AXI_LITE_PORTS}_{name}": port for name, port in axi_lite_ports(ADDRESS_BITS).items()}
        members = {name: In(width) if is_input else Out(width) for name, (width, is_input) in ports.items()}
        super().__init__(members | {"irq": Out(1)})

    @property
    def datapath(self) -> Datapath:
        """What decodes."""
        return self._core

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The streams, input first."""
        return tuple(self._channels[member] for member in _STREAMS)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.shell = shell = Shell(self._core)
        m.submodules.bus = bus = AxiLite(ADDRESS_BITS)
        for channel in self.channels:
            for name, (_, is_input) in channel.ports.items():
                inner, outer = getattr(shell, name), getattr(self, name)
                m.d.comb += inner.eq(outer) if is_input else outer.eq(inner)
        for name, (_, is_input) in axi_lite_ports(ADDRESS_BITS).items():
            inner, outer = getattr(bus, name), getattr(self, f"{AXI_LITE_PORTS}_{name}")
            m.d.comb += inner.eq(outer) if is_input else outer.eq(inner)

        held = {register.name: Signal(32, name=register.name) for register in MAP.registers}
        writes = self._writes(m, bus, held)
        busy, starts = Signal(), Signal()
        m.d.comb += starts.eq(writes["start"] & bus.write_data[0] & bus.write_mask[0] & ~busy)
        self._order(m, shell, held, starts)
        self._scales(m, shell, held, writes["scale_high"] & bus.write_mask.any(), bus.write_data & bus.write_mask)
        m.d.comb += [
            held["version"].eq(VERSION),
            held["status"].eq(Cat(~busy, busy)),
            self.irq.eq((held["interrupt"] & held["enable"]).any()),
        ]
        with m.If(starts):
            m.d.sync += [busy.eq(1), held["cycles"].eq(0)]
        with m.Elif(busy):
            m.d.sync += held["cycles"].eq(held["cycles"] + 1)

        with m.If(writes["interrupt"]):
            m.d.sync += held["interrupt"].eq(held["interrupt"] & ~(bus.write_data & bus.write_mask))
        prefix = self._channels["report"].prefix
        m.d.comb += getattr(shell, f"{prefix}_tready").eq(1)
        with m.If(getattr(shell, f"{prefix}_tvalid")):
            told = {
                field.name: _bits(shell, self._channels["report"], field) for field in self._channels["report"].fields
            }
            failed = told["fault"] != Fault.NONE.value
            kept = Mux(writes["interrupt"], held["interrupt"] & ~(bus.write_data & bus.write_mask), held["interrupt"])
            m.d.sync += [
                busy.eq(0),
                held["interrupt"].eq(kept | Cat(~failed, failed)),
                held["fault"].eq(Cat(told["fault"], told["where"])),
                held["position"].eq(Mux(failed, told["position"], 0)),
                held["words"].eq(told["words"]),
                held["beats"].eq(told["beats"]),
            ]
        return m

    def _writes(self, m: Module, bus: AxiLite, held: dict[str, Signal]) -> dict[str, Value]:
        """The bus on the registers: which is written now; those that keep what is written do."""
        writes = {}
        m.d.comb += [bus.read_unknown.eq(1), bus.write_unknown.eq(1)]
        for register in MAP.registers:
            hit = Signal(name=f"writes_{register.name}")
            writes[register.name] = hit
            with m.If(bus.write_address[2:] == register.address >> 2):
                m.d.comb += [hit.eq(bus.write), bus.write_unknown.eq(register.access == "ro")]
            with m.If(bus.read_address[2:] == register.address >> 2):
                m.d.comb += [
                    bus.read_unknown.eq(0),
                    bus.read_data.eq(0 if register.access == "wo" else held[register.name]),
                ]
            if register.access == "rw":
                mask = bus.write_mask & _implemented(register)
                with m.If(hit):
                    m.d.sync += held[register.name].eq((held[register.name] & ~mask) | (bus.write_data & mask))
        return writes

    def _order(self, m: Module, shell: Shell, held: dict[str, Signal], starts: Value) -> None:
        channel = self._channels["order"]
        valid = getattr(shell, f"{channel.prefix}_tvalid")
        pending = Signal()
        m.d.comb += valid.eq(pending)
        with m.If(starts):
            m.d.sync += pending.eq(1)
        with m.Elif(getattr(shell, f"{channel.prefix}_tready")):
            m.d.sync += pending.eq(0)
        places = {field.path: (register, field) for register in MAP.descriptor for field in register.fields}
        for field in channel.fields:
            if field.path in places:
                register, part = places[field.path]
                m.d.comb += _bits(shell, channel, field).eq(held[register.name][part.first_bit :][: part.bits])

    def _scales(self, m: Module, shell: Shell, held: dict[str, Signal], writes: Value, high: Value) -> None:
        channel = self._channels["i_scale"]
        index, word = (_bits(shell, channel, field) for field in channel.fields)
        m.d.comb += [
            getattr(shell, f"{channel.prefix}_tvalid").eq(writes),
            index.eq(held["scale_index"]),
            word.eq(Cat(held["scale_low"], high)),
        ]
        with m.If(writes):
            m.d.sync += held["scale_index"].eq((held["scale_index"] + 1)[:16])


def _bits(shell: Shell, channel: Channel, field) -> Value:
    """A field in a port of the shell."""
    return getattr(shell, f"{channel.prefix}_tdata")[8 * field.first_byte :][: field.bits]


def _implemented(register: Register) -> Const:
    """The bits of a register that are there."""
    return Const(sum(((1 << field.bits) - 1) << field.first_bit for field in register.fields), 32)
