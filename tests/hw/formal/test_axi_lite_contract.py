"""Registers on AXI4-Lite: one answer for each access, in time, and held until it is taken; by induction, for ever."""

import pytest
from amaranth.hdl import Assert, Cat, ClockDomain, Elaboratable, Module, Signal
from amaranth.lib.wiring import In
from prover import run_sby

from hw.weights.axi_lite import AxiLite

pytestmark = pytest.mark.formal

_SLAVE_ERROR = 2


class _Accesses(Elaboratable):
    """A manager that does what it likes, and registers that know what they like."""

    def __init__(self) -> None:
        self.core = AxiLite(4)
        self.domain = ClockDomain("sync", reset_less=True)
        inputs = [value for _, member, value in self.core.signature.flatten(self.core) if member.flow == In]
        self.ports = [self.domain.clk, *inputs]

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains += self.domain
        m.submodules.core = core = self.core
        self.answers_once(m, "aw", "b")
        self.answers_once(m, "w", "b")
        self.answers_once(m, "ar", "r")
        self.holds(m, "b", core.bresp)
        self.holds(m, "r", Cat(core.rresp, core.rdata))
        self.answers_soon(m, "write", ~core.awready & ~core.wready & ~core.bvalid)
        self.answers_soon(m, "read", ~core.arready & ~core.rvalid)
        wrote, unknown, told = Signal(), Signal(), Signal(2)
        m.d.sync += [wrote.eq(core.write), unknown.eq(core.write_unknown)]
        m.d.comb += [
            told.eq(unknown * _SLAVE_ERROR),
            Assert(~core.write | (~core.awready & ~core.wready)),
            Assert(~wrote | (core.bvalid & (core.bresp == told) & ~core.write)),
        ]
        return m

    def answers_once(self, m: Module, asked: str, answered: str) -> None:
        """Every access that was taken waits in the core, or its answer does."""
        owed = Signal(2, name=f"{asked}_owed")
        valid, ready, answer, taken = (
            getattr(self.core, name)
            for name in (f"{asked}valid", f"{asked}ready", f"{answered}valid", f"{answered}ready")
        )
        m.d.sync += owed.eq(owed + (valid & ready) - (answer & taken))
        m.d.comb += Assert(owed == answer + ~ready)

    def holds(self, m: Module, channel: str, payload) -> None:
        """An answer waits unchanged."""
        valid, ready = getattr(self.core, f"{channel}valid"), getattr(self.core, f"{channel}ready")
        before, waited = Signal(len(payload), name=f"{channel}_before"), Signal(name=f"{channel}_waited")
        m.d.sync += [before.eq(payload), waited.eq(valid & ~ready)]
        m.d.comb += Assert(~waited | (valid & (payload == before)))

    def answers_soon(self, m: Module, name: str, waits) -> None:
        """No access that is complete is without an answer for two cycles."""
        before = Signal(name=f"{name}_waits")
        m.d.sync += before.eq(waits)
        m.d.comb += Assert(~(before & waits))


def test_every_access_is_answered_once_and_soon(tmp_path):
    bench = _Accesses()
    assert run_sby(bench, bench.ports, "prove", 3, tmp_path) == "PASS"
