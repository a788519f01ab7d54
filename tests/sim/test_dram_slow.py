"""The compiled controller does, clock for clock, what the slow one does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from dram_slow import Request, slow_run
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.dram import DramConfig, simulate
from sim.dram_device import LPDDR4_3200, DramDevice
from sim.dram_streams import Streams

BURST = 32
BANKS_LOW = "roco3baco"  # rows above, banks in the middle


@st.composite
def devices(draw: st.DrawFn) -> DramDevice:
    """Parts with other timing: short, so that little traces meet refreshes, and odd, so that no bound hides another."""
    some = draw(st.integers(0, 3))
    base = LPDDR4_3200.timing
    if some == 0:
        return replace(LPDDR4_3200, timing=replace(base, refi=700, refi_bank=450))

    def clocks(least: int, most: int) -> int:
        return draw(st.integers(least, most))

    ras, rp = clocks(5, 30), clocks(3, 15)
    rfc_bank, rfc_all = clocks(5, 60), clocks(10, 90)
    timing = replace(
        base,
        ccd=clocks(8, 10),
        ccdmw=clocks(8, 33),
        rcd=clocks(3, 15),
        rp_bank=rp,
        rp_all=rp + clocks(0, 4),
        ras=ras,
        rc=ras + rp,
        rrd=clocks(3, 16),
        faw=clocks(12, 64),
        rl=clocks(4, 28),
        wl=clocks(2, 14),
        wr=clocks(2, 30),
        wtr=clocks(2, 16),
        rtp=clocks(4, 14),
        rfc_all=rfc_all,
        rfc_bank=rfc_bank,
        refi=rfc_all + 190 + clocks(0, 200),
        refi_bank=rfc_bank + 190 + clocks(0, 200),
    )
    return replace(LPDDR4_3200, banks=draw(st.sampled_from([1, 2, 8])), timing=timing)


@st.composite
def traces(draw: st.DrawFn, banks: int) -> list[tuple[int, int, str, int]]:
    """Few rows and banks, so that hits, misses and full queues all occur."""
    count = draw(st.integers(0, 45))
    few = draw(st.integers(1, banks))
    rows = draw(st.integers(1, 4))
    kinds = draw(st.sampled_from([["RD"], ["WR"], ["RD", "WR"], ["RD", "WR", "MWR"]]))
    gap = draw(st.sampled_from([0, 0, 5, 120]))
    pick = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    arrivals = np.cumsum(pick.integers(0, gap + 1, count) * (pick.random(count) < 0.3))
    return [
        (int(pick.integers(few)), int(pick.integers(rows)), str(pick.choice(kinds)), int(arrival))
        for arrival in arrivals
    ]


def compiled(trace: list[tuple[int, int, str, int]], device: DramDevice, depth: int, refresh: str):
    bank_bits = device.banks.bit_length() - 1
    start = [(row << (11 + bank_bits)) | (bank << 8) for bank, row, _, _ in trace]
    size = [20 if kind == "MWR" else BURST for _, _, kind, _ in trace]
    write = np.array([kind != "RD" for _, _, kind, _ in trace], bool)
    arrival = [clock * device.timing.clock_ns for *_, clock in trace]
    streams = Streams(np.array(start, np.int64), np.array(size, np.int64), write, arrival)
    return simulate(streams, DramConfig(device, BANKS_LOW, refresh, queue_depth=depth))


@settings(max_examples=120)
@given(st.data())
def test_compiled_equals_clock_by_clock(data: st.DataObject) -> None:
    device = data.draw(devices())
    trace = data.draw(traces(device.banks))
    depth = data.draw(st.sampled_from([1, 3, 8]))
    refresh = data.draw(st.sampled_from(["none", "all-bank", "per-bank"]))
    slow = slow_run([Request(*item) for item in trace], device.timing, device.banks, depth, refresh)
    fast = compiled(trace, device, depth, refresh)
    assert fast.time_ns / device.timing.clock_ns == slow.end
    assert fast.activates == slow.count("ACT")
    assert fast.refreshes == slow.count("REF")
    assert (fast.read_bursts, fast.write_bursts) == (slow.count("RD"), slow.count("WR", "MWR"))
    assert fast.masked_write_bursts == slow.count("MWR")


@pytest.mark.parametrize("refresh", ["all-bank", "per-bank"])
def test_compiled_equals_clock_by_clock_over_many_refreshes(refresh: str) -> None:
    pick = np.random.default_rng(3)
    device = replace(LPDDR4_3200, timing=replace(LPDDR4_3200.timing, refi=900, refi_bank=450))
    trace = [
        (int(pick.integers(8)), int(pick.integers(3)), ("RD", "WR")[int(pick.random() < 0.3)], 0) for _ in range(400)
    ]
    slow = slow_run([Request(*item) for item in trace], device.timing, 8, 8, refresh)
    fast = compiled(trace, device, 8, refresh)
    assert slow.count("REF") > 5
    assert fast.time_ns / device.timing.clock_ns == slow.end
    assert fast.refreshes == slow.count("REF")


def test_slow_controller_by_hand() -> None:
    """One read: ACT at 0, RD 29 later, data ends RL + DQSCK + 8 + 3 after that."""
    run = slow_run([Request(0, 5, "RD")], LPDDR4_3200.timing, 8, 8, "none")
    assert run.commands == [(0, "ACT", 0), (29, "RD", 0)]
    assert run.end == 29 + 28 + 3 + 8 + 3
