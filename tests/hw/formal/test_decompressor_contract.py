"""The decompressor's registers and orders, by induction: whatever a manager writes and whenever tensors end, for ever.

In its datapath's place is anything that takes an order when it likes and reports it once, later, with what it likes;
the manager drives AXI4-Lite as it likes. Registers, register slices and the bus are the real ones. Proved:

* a one that is written to `start` while ready begins a tensor; while busy it does nothing;
* a tensor that began is one order, with the descriptor as it was then; its report alone ends it, two cycles later;
* a report sets `done` or `error`, never both; a one that is written clears a bit, unless a report sets it just then;
* the line is up exactly while an enabled bit of `interrupt` is;
* `cycles` counts the cycles of being busy; fault, position, words and beats are those of the latest report;
* registers keep what is written to them, byte by byte, in the bits that are there, and nothing else changes them;
* a read gives what its register holds; what is unknown, or written to a register that cannot be, is told to the bus;
* each write of a byte or more of `scale_high` is one scale, of the index that goes up then.
"""

import pytest
from amaranth.hdl import Assert, Assume, Cat, ClockDomain, Elaboratable, Fragment, Module, Mux, Signal, Value
from amaranth.lib.wiring import In
from prover import held, run_sby

from hw.weights.datapath import Datapath
from hw.weights.datapath_ports import Verdict
from hw.weights.decompressor import Decompressor
from hw.weights.ports import Fault
from hw.weights.registers import MAP, VERSION, Register

pytestmark = pytest.mark.formal

_TOLD = ("position", "words", "beats")


class _Anything(Datapath):
    """In a datapath's place: `takes`, `ends` and `verdict` are free; it `owes` a report."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.takes, self.ends, self.owes, self.verdict = Signal(), Signal(), Signal(), Signal(Verdict())

    def elaborate(self, platform) -> Module:
        m = Module()
        m.d.comb += [
            self.i_scale.ready.eq(1),
            self.order.ready.eq(self.takes & ~self.owes),
            self.report.valid.eq(self.ends & self.owes),
            self.report.payload.eq(self.verdict),
        ]
        with m.If(self.order.valid & self.order.ready):
            m.d.sync += self.owes.eq(1)
        with m.If(self.report.valid & self.report.ready):
            m.d.sync += self.owes.eq(0)
        return m


class _Peripheral(Elaboratable):
    """The decompressor; its registers and what is between them and the datapath are seen by their names."""

    def __init__(self) -> None:
        self.core = core = Decompressor()
        self.datapath = core._core
        self.domain = ClockDomain("sync", reset_less=True)
        inputs = [value for _, member, value in core.signature.flatten(core) if member.flow == In]
        free = (self.datapath.takes, self.datapath.ends, self.datapath.verdict.as_value())
        self.ports = [self.domain.clk, *inputs, *free]

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains += self.domain
        m.submodules.core = fragment = Fragment.get(self.core, platform)
        driven = {signal.name: signal for part in fragment.statements.values() for signal in part._lhs_signals()}
        self.registers = {name: driven.get(name, Value.cast(0)) for name in MAP.by_name}
        self.pending = driven["pending"]
        self.bus, self.shell = (fragment.find_subfragment(name).origins[0] for name in ("bus", "shell"))
        m.d.comb += Assume(held(m, "report", self.datapath.report))
        starts, told, verdict = self.tensors(m)
        self.interrupts(m, told, verdict)
        self.latest(m, starts, told, verdict)
        self.scales(m)
        for register in MAP.registers:
            self.access(m, register)
        return m

    def hits(self, name: str) -> Value:
        """Whether a register is written now."""
        return self.bus.write & (self.bus.write_address[2:] == MAP.by_name[name].address >> 2)

    def written(self, name: str) -> Value:
        """The bits that are set by a write in this cycle."""
        return (self.bus.write_data & self.bus.write_mask) & self.hits(name).replicate(32)

    @property
    def scale_leaves(self) -> Value:
        """Whether `scale_high` is written, at least one byte of it."""
        return self.hits("scale_high") & self.bus.write_mask.any()

    def before(self, m: Module, value: Value, name: str) -> Signal:
        past = Signal(Value.cast(value).shape(), name=f"{name}_before")
        m.d.sync += past.eq(value)
        return past

    def tensors(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """Starts and reports take turns; each start is an order. A start, and a report, one cycle later."""
        datapath, status = self.datapath, self.registers["status"]
        starts, told, busy = Signal(), Signal(), Signal()
        verdict, descriptor = Signal(Verdict()), Signal(32 * len(MAP.descriptor))
        m.d.comb += starts.eq(self.written("start")[0] & ~busy)
        m.d.sync += [told.eq(datapath.report.valid & datapath.report.ready), verdict.eq(datapath.report.payload)]
        m.d.sync += busy.eq(starts | (busy & ~told))
        now = Cat(self.registers[register.name] for register in MAP.descriptor)
        with m.If(starts):
            m.d.sync += descriptor.eq(now)
        on_its_way = Signal(3)
        m.d.comb += [
            Assert(status == Mux(busy, 2, 1)),
            on_its_way.eq(self.pending + datapath.order.valid + datapath.owes + told),
            Assert(on_its_way == busy),
            Assert(self.shell.s_axis_order_tready & self.shell.m_axis_report_tready),
            Assert(self.shell.m_axis_report_tvalid == told),
            Assert(~self.pending | (now == descriptor)),
        ]
        for number, register in enumerate(MAP.descriptor):
            for field in register.fields:
                value = datapath.order.payload
                for key in field.path:
                    value = value[key]
                wanted = descriptor.word_select(number, 32)[field.first_bit :][: field.bits]
                m.d.comb += Assert(~datapath.order.valid | (Value.cast(value) == wanted))
        return starts, told, verdict

    def interrupts(self, m: Module, told: Signal, verdict: Signal) -> None:
        interrupt, enable = self.registers["interrupt"], self.registers["enable"]
        failed = verdict.fault != Fault.NONE
        bits = Mux(told, Mux(failed, 2, 1), 0)
        expected = self.before(m, (interrupt & ~self.written("interrupt")) | bits, "expected")
        m.d.comb += [Assert(interrupt == expected), Assert(self.core.irq == (interrupt & enable).any())]

    def latest(self, m: Module, starts: Signal, told: Signal, verdict: Signal) -> None:
        """Registers that tell of the latest tensor."""
        cycles, fault = self.registers["cycles"], self.registers["fault"]
        failed = verdict.fault != Fault.NONE
        counted = Mux(starts, 0, cycles + self.registers["status"][1])
        m.d.comb += Assert(cycles == self.before(m, counted[:32], "counted"))
        kind = Cat(verdict.fault, verdict.where)
        m.d.comb += Assert(fault == self.before(m, Mux(told, kind, fault), "kind"))
        for name in _TOLD:
            latest = Mux(failed, verdict.position, 0) if name == "position" else verdict[name]
            expected = self.before(m, Mux(told, latest, self.registers[name]), name)
            m.d.comb += Assert(self.registers[name] == expected)

    def scales(self, m: Module) -> None:
        """A scale leaves in the cycle behind each write."""
        wrote = self.before(m, self.scale_leaves, "wrote")
        high = self.written("scale_high")[: MAP.by_name["scale_high"].fields[0].bits]
        word = self.before(m, Cat(self.registers["scale_low"], high), "word")
        index = self.before(m, self.registers["scale_index"][:16], "index")
        scale = self.datapath.i_scale
        m.d.comb += [
            Assert(scale.valid == wrote),
            Assert(~wrote | ((scale.payload.index == index) & (scale.payload.word == word))),
            Assert(self.shell.s_axis_scale_tready),
        ]

    def access(self, m: Module, register: Register) -> None:
        """What the bus reads and writes of a register."""
        bus, now, name = self.bus, self.registers[register.name], register.name
        reads, hits = bus.read_address[2:] == register.address >> 2, self.hits(name)
        value = VERSION if name == "version" else 0 if register.access == "wo" else now
        m.d.comb += Assert(~reads | ((bus.read_data == value) & ~bus.read_unknown))
        m.d.comb += Assert(~hits | (bus.write_unknown == (register.access == "ro")))
        if register.access == "rw":
            there = sum(((1 << field.bits) - 1) << field.first_bit for field in register.fields)
            mask = bus.write_mask & there & hits.replicate(32)
            changed = Signal(32, name=f"{name}_changed")
            m.d.comb += changed.eq((now & ~mask) | (bus.write_data & mask))
            if name == "scale_index":
                with m.If(self.scale_leaves):
                    m.d.comb += changed.eq((now + 1)[:16])
            m.d.comb += Assert(now == self.before(m, changed, name))


def test_orders_registers_and_the_line_are_what_they_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("hw.weights.decompressor.Datapath", _Anything)
    bench = _Peripheral()
    assert run_sby(bench, bench.ports, "prove", 2, tmp_path, flat=True) == "PASS"
