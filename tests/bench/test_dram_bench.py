"""Speed of the memory model on the reference's traces, in CPU time; compilation is not counted."""

import time
from statistics import fmean

import numpy as np
import pytest

from sim.dram import DramConfig, simulate
from sim.dram_streams import Streams
from sim.dram_traces import TRACES, trace

pytestmark = pytest.mark.bench

MODES = [(mapping, refresh) for mapping in ("robaco", "rocoba") for refresh in ("all-bank", "per-bank")]
RUNS = 5


def bursts_per_s(streams: Streams, config: DramConfig) -> float:
    """Best of some runs."""
    best_s = float("inf")
    for _ in range(RUNS):
        started = time.process_time()
        result = simulate(streams, config)
        best_s = min(best_s, time.process_time() - started)
    return result.bursts / best_s


def test_bursts_per_second_of_the_traces() -> None:
    """Mean at least 5 M bursts/s, random ones at least 2 M."""
    simulate(trace("mix", 64))
    rates = {
        (name, *mode): bursts_per_s(trace(name, 65536), DramConfig(mapping=mode[0], refresh=mode[1]))
        for name in TRACES
        for mode in MODES
    }
    for run, rate in rates.items():
        print(f"{' '.join(run)}: {rate / 1e6:.1f} M bursts/s")
    print(f"mean {fmean(rates.values()) / 1e6:.1f} M bursts/s")
    assert fmean(rates.values()) >= 5e6
    assert min(rate for run, rate in rates.items() if run[0] == "rand32") >= 2e6


def test_long_streams_need_no_more_memory_than_their_ends() -> None:
    """64 MB in four streams, two channels: two million bursts, never listed."""
    streams = Streams(np.arange(4) << 26, 1 << 24, np.array([False, True, False, True]))
    rate = bursts_per_s(streams, DramConfig(channels=2))
    print(f"long streams: {rate / 1e6:.1f} M bursts/s")
    assert rate >= 5e6


def test_random_mixes_of_row_hits_reads_and_writes() -> None:
    """Hits, misses and turns of direction at random: at least 2 M bursts/s."""
    pick, count = np.random.default_rng(11), 65536
    for share in (0.0, 0.5, 0.9):
        rows, stays = pick.integers(0, 1 << 19, count), pick.random(count) < share
        rows = rows[np.maximum.accumulate(np.where(stays, 0, np.arange(count)))]
        address = rows * 2048 + pick.integers(0, 64, count) * 32
        streams = Streams(address, np.full(count, 32), pick.random(count) < 0.3)
        for mapping, refresh in MODES:
            rate = bursts_per_s(streams, DramConfig(mapping=mapping, refresh=refresh))
            print(f"{share:.0%} row hits, {mapping}, {refresh}: {rate / 1e6:.1f} M bursts/s")
            assert rate >= 2e6
