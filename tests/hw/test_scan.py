"""The shell of two pins, and the choice of a device."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hw.axis import Slice
from hw.ecp5 import Placed, place, smallest_device
from hw.scan import Scan


class _Inverter(wiring.Component):
    a: In(3)
    b: In(1)
    y: Out(4)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [self.y[:3].eq(~self.a), self.y[3].eq(self.b)]
        return m


def test_every_input_is_shifted_in_and_every_output_folded_out():
    dut = Scan(_Inverter())
    sent, seen = [1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0], []

    async def bench(ctx):
        for bit in sent:
            ctx.set(dut.scan_in, bit)
            seen.append(ctx.get(dut.scan_out))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()

    chain, caught, folded, expected = [0] * 4, [0] * 4, [0] * 4, []
    for bit in sent:
        expected.append(folded[-1])
        outputs = [1 - value for value in chain[:3]] + [chain[3]]
        folded = [one ^ other for one, other in zip(caught, [bit, *folded], strict=False)]
        chain, caught = [bit, *chain[:3]], outputs
    assert seen == expected
    assert 1 in seen


@pytest.mark.parametrize(
    ("cells", "device"),
    [
        ({"LUT4": 100}, "25F"),
        ({"LUT4": 20_000, "CCU2C": 1000}, "45F"),
        ({"LUT4": 100, "DP16KD": 120}, "85F"),
    ],
)
def test_device_is_the_smallest_that_holds_the_design(cells, device):
    assert smallest_device(cells) == device


def test_design_that_no_device_holds_is_refused():
    with pytest.raises(RuntimeError, match="must fit a device, not take 90000 LUTs and 0 block memories"):
        smallest_device({"LUT4": 90_000})


def test_design_that_is_not_placed_has_no_clock(tmp_path):
    placed = place(Slice(4), tmp_path, ())
    assert placed == Placed("25F", placed.luts, 10, 0)
    assert placed.clock_mhz is None
    assert placed.luts > 0
