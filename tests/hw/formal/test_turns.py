"""Two registers in turn are a register slice: whatever comes, in every cycle."""

import pytest
from amaranth.hdl import Assert, ClockDomain, Elaboratable, Module, Signal
from prover import run_sby

from hw.axis import Slice
from hw.weights.turns import Turns

pytestmark = pytest.mark.formal


class _Same(Elaboratable):
    """Both, side by side, with the same inputs."""

    def __init__(self, payload_bits: int) -> None:
        self.core, self.like = Turns(payload_bits), Slice(payload_bits)
        self.valid, self.payload, self.ready = Signal(), Signal(payload_bits), Signal()
        self.domain = ClockDomain("sync", reset_less=True)
        self.ports = [self.valid, self.payload, self.ready, self.domain.clk]

    def elaborate(self, platform):
        m = Module()
        m.domains += self.domain
        m.submodules.core, m.submodules.like = core, like = self.core, self.like
        for one in (core, like):
            m.d.comb += [one.i.valid.eq(self.valid), one.i.payload.eq(self.payload), one.o.ready.eq(self.ready)]
        m.d.comb += [
            Assert(core.i.ready == like.i.ready),
            Assert(core.o.valid == like.o.valid),
            Assert(~core.o.valid | (core.o.payload == like.o.payload)),
        ]
        return m


def test_it_is_a_slice(tmp_path):
    bench = _Same(2)
    assert run_sby(bench, bench.ports, "bmc", 14, tmp_path) == "PASS"
