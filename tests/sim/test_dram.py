"""The memory as a whole: the reference's runs, laws, counting, channels, pauses, errors."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.dram import IDLE, REFRESH, DramConfig, DramResult, simulate
from sim.dram_device import LPDDR4_3200
from sim.dram_streams import Streams
from sim.dram_traces import mixed, random, sequential, trace

DATA = Path(__file__).parents[1] / "data" / "dram-reference.csv"
REFERENCE = list(csv.DictReader(DATA.read_text().splitlines()))
CLOCK_NS = LPDDR4_3200.timing.clock_ns
SPACING = LPDDR4_3200.timing.spacing
MAPPINGS = ["robaco", "rocoba", "baroco", "roco3baco", "ro8baro8co"]

configs = st.builds(
    DramConfig,
    mapping=st.sampled_from(MAPPINGS),
    refresh=st.sampled_from(REFRESH),
    queue_depth=st.sampled_from([1, 2, 5, 8]),
    channels=st.sampled_from([1, 1, 2, 4]),
    interleave_bytes=st.sampled_from([32, 256, 4096]),
)


@st.composite
def streams(draw: st.DrawFn, most: int = 40) -> Streams:
    """Runs of any length at any byte, near each other or far apart."""
    count = draw(st.integers(0, most))
    pick = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    span = draw(st.sampled_from([1 << 12, 1 << 17, 1 << 29]))
    size = pick.integers(1, draw(st.sampled_from([2, 65, 3000])), count)
    return Streams(pick.integers(0, span, count), size, pick.random(count) < draw(st.sampled_from([0, 0.4, 1])))


def bursts_of(asked: Streams) -> np.ndarray:
    return (asked.end + 31) // 32 - asked.start // 32


@pytest.mark.parametrize("row", REFERENCE, ids=lambda row: "-".join(list(row.values())[:3]))
def test_time_equals_a_cycle_accurate_simulator(row: dict[str, str]) -> None:
    refresh = {"AllBank": "all-bank", "PerBank": "per-bank"}[row["refresh"]]
    asked = trace(row["trace"], int(row["requests"]))
    result = simulate(asked, DramConfig(mapping=row["address_mapping"], refresh=refresh))
    assert result.time_ns == float(row["total_time_ns"])
    assert result.bursts == int(row["requests"])
    assert round(result.gb_s, 2) == float(row["GBps"])


def test_one_read_by_hand() -> None:
    """ACT, 29 clocks to RD, then command, latency, strobe and data."""
    result = simulate(Streams([0], 32), DramConfig(refresh="none"))
    assert result.time_ns == (29 + 3 + 28 + 3 + 8) * CLOCK_NS
    assert (result.activates, result.row_misses, result.row_hits) == (1, 1, 0)
    assert result.bus_busy == pytest.approx(8 / 71)


def test_write_then_read_by_hand() -> None:
    """WR to RD of an open row: write latency, one clock, data, WTR."""
    result = simulate(Streams([0, 32], 32, np.array([True, False])), DramConfig(refresh="none"))
    assert result.time_ns == (29 + (14 + 1 + 8 + 16) + 3 + 28 + 3 + 8) * CLOCK_NS


def test_masked_writes_of_one_bank_keep_their_distance() -> None:
    masked = simulate(Streams([0, 32, 64], 20, True), DramConfig(refresh="none"))
    whole = simulate(Streams([0, 32, 64], 32, True), DramConfig(refresh="none"))
    assert masked.masked_write_bursts == 3
    assert masked.time_ns - whole.time_ns == 2 * (32 - 8) * CLOCK_NS


def test_nothing_asked_takes_no_time() -> None:
    result = simulate(Streams([], 32))
    assert (result.time_ns, result.bursts, result.energy.total_pj, result.bus_busy, result.gb_s) == (0, 0, 0, 0, 0)


@given(streams(), configs)
def test_bytes_are_conserved(asked: Streams, config: DramConfig) -> None:
    result = simulate(asked, config)
    bursts = bursts_of(asked)
    assert result.read_bursts == bursts[~asked.write].sum()
    assert result.write_bursts == bursts[asked.write].sum()
    assert result.bus_bytes == 32 * bursts.sum() >= result.asked_bytes == asked.size_bytes.sum()
    assert result.row_hits + result.row_misses == result.bursts
    assert result.row_misses <= result.activates
    assert 0 <= result.activates - result.precharges <= 8 * config.channels


@given(streams(), configs)
def test_partly_covered_bursts_are_masked_writes(asked: Streams, config: DramConfig) -> None:
    partial = 0
    for start, end in zip(asked.start[asked.write], asked.end[asked.write], strict=True):
        burst = np.arange(start // 32 * 32, end, 32)
        partial += int(((burst < start) | (burst + 32 > end)).sum())
    assert simulate(asked, config).masked_write_bursts == partial


def serial_clocks(asked: Streams, config: DramConfig) -> float:
    """Each burst alone: row closed and opened, command, all of its turn-round; and refreshes beside."""
    each = SPACING.precharge_activate + SPACING.activate_same + SPACING.write_precharge + SPACING.read_end
    clocks = int(bursts_of(asked).sum()) * (each + SPACING.write_masked)
    if config.refresh == "none":
        return clocks
    cycle = SPACING.refresh_all_cycle + SPACING.precharge_all_refresh + SPACING.activate_refresh
    return (clocks + cycle) / (1 - cycle / SPACING.refresh_bank_interval) + cycle


@given(streams(), configs)
def test_between_the_data_bus_and_one_at_a_time(asked: Streams, config: DramConfig) -> None:
    result = simulate(asked, config)
    clocks = result.time_ns / CLOCK_NS
    assert clocks * config.channels >= 8 * result.bursts
    assert clocks <= serial_clocks(asked, config)
    assert 0 <= result.bus_busy <= 1


@given(streams(), configs, st.integers(1, 30))
def test_fewer_requests_take_no_longer(asked: Streams, config: DramConfig, fewer: int) -> None:
    """Within a row cycle and a turn-round: a late row hit may reorder what waits, as any greedy schedule."""
    kept = max(len(asked) - fewer, 0)
    part = Streams(asked.start[:kept], asked.size_bytes[:kept], asked.write[:kept])
    slack_ns = (SPACING.activate_same + SPACING.write_precharge) * CLOCK_NS
    assert simulate(part, config).time_ns <= simulate(asked, config).time_ns + slack_ns


@given(st.integers(1, 400), st.integers(1, 400), configs)
def test_longer_sequential_reads_take_longer(bursts: int, more: int, config: DramConfig) -> None:
    short = simulate(Streams([0], 32 * bursts), config)
    long = simulate(Streams([0], 32 * (bursts + more)), config)
    assert short.time_ns < long.time_ns or config.channels > 1
    assert short.time_ns <= long.time_ns


@given(st.lists(st.integers(1, 200), min_size=1, max_size=10), configs, st.integers(0, 999), st.booleans())
def test_time_is_independent_of_splitting(pieces: list[int], config: DramConfig, first: int, write: bool) -> None:
    size = 32 * np.array(pieces)
    start = 32 * first + np.cumsum(size) - size
    assert simulate(Streams(start, size, write), config) == simulate(Streams([32 * first], size.sum(), write), config)


@given(streams(), configs)
def test_states_last_as_long_as_the_run(asked: Streams, config: DramConfig) -> None:
    result = simulate(asked, config)
    done = result.activity
    states = (done.active_ns, done.precharged_ns, done.active_power_down_ns, done.power_down_ns, done.self_refresh_ns)
    assert min(states) >= 0
    assert sum(states) == pytest.approx(result.time_ns * config.channels)
    assert max(result.channel_time_ns) == result.time_ns


def test_two_channels_halve_sequential_time() -> None:
    one, two = (simulate(sequential(8192), DramConfig(channels=channels)) for channels in (1, 2))
    assert two.time_ns / one.time_ns == pytest.approx(0.5, abs=0.02)
    assert two.bus_busy == pytest.approx(one.bus_busy, abs=0.02)
    assert len(two.channel_time_ns) == 2


def test_a_channel_serves_its_own_blocks() -> None:
    """All in the second of two channels: as one channel with the addresses closed up."""
    blocks = np.arange(64)
    second = simulate(Streams(512 * blocks + 256, 256), DramConfig(channels=2))
    alone = simulate(Streams(256 * blocks, 256))
    assert second.channel_time_ns == (0.0, alone.time_ns)
    assert second.activates == alone.activates
    assert second.activity.precharged_ns >= alone.time_ns


def test_mappings_differ_as_they_say() -> None:
    """A column walk of one bank, in both: hits; bank bits below the columns spread it."""
    walk = Streams(np.arange(64) * 256, 32)
    results = {order: simulate(walk, DramConfig(mapping=order, refresh="none")) for order in ("robaco", "rocoba")}
    assert results["robaco"].activates == 8
    assert results["rocoba"].activates == 1


def test_per_bank_refresh_keeps_the_other_banks_going() -> None:
    times = {refresh: simulate(random(4096), DramConfig(refresh=refresh)).time_ns for refresh in REFRESH}
    assert times["none"] < times["per-bank"] < times["all-bank"]


@pytest.mark.parametrize("refresh", ["all-bank", "per-bank"])
def test_every_interval_has_its_refresh(refresh: str) -> None:
    result = simulate(mixed(65536), DramConfig(refresh=refresh))
    interval = SPACING.refresh_all_interval if refresh == "all-bank" else SPACING.refresh_bank_interval
    assert result.refreshes == pytest.approx(result.time_ns / CLOCK_NS / interval, abs=1)


def paused(idle: str, pause_ns: float = 50_000.0, refresh: str = "all-bank") -> DramResult:
    return simulate(Streams([0, 0], 32, False, [0.0, pause_ns]), DramConfig(idle=idle, refresh=refresh))


def test_pauses_sleep_and_wake_late() -> None:
    results = {idle: paused(idle) for idle in IDLE}
    times = [results[idle].time_ns for idle in IDLE]
    assert times[1] - times[0] == SPACING.power_down_exit * CLOCK_NS
    assert times[2] - times[1] > (SPACING.self_refresh_exit - SPACING.power_down_exit) * CLOCK_NS
    energies = [results[idle].energy.total_pj for idle in IDLE]
    assert energies[0] > 2.5 * energies[1]
    assert energies[1] > 4 * energies[2]
    interval_ns = SPACING.refresh_all_interval * CLOCK_NS
    assert results["standby"].activity.power_down_ns == 0
    assert results["power-down"].activity.active_power_down_ns == pytest.approx(interval_ns, rel=0.03)
    assert results["self-refresh"].activity.self_refresh_ns == pytest.approx(50_000 - interval_ns, rel=0.01)
    assert [results[idle].refreshes for idle in IDLE] == [12, 12, 1]


def test_short_pauses_do_not_sleep() -> None:
    """The read ends at clock 71; eleven clocks later is too soon to have slept, twelve is not."""
    for idle in IDLE:
        assert paused(idle, 82 * CLOCK_NS).activity.active_power_down_ns == 0
    assert paused("power-down", 83 * CLOCK_NS).activity.active_power_down_ns == 12 * CLOCK_NS


def test_streams_do_not_start_before_they_arrive() -> None:
    result = simulate(Streams([0, 4096], 32, False, [0.0, 1000.3]), DramConfig(refresh="none"))
    arrival_clock = 1601  # 1000.3 / .625, rounded up
    assert result.time_ns == (arrival_clock + 29 + 3 + 28 + 3 + 8) * CLOCK_NS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"refresh": "AllBank"}, "refresh must be one of .* not 'AllBank'"),
        ({"idle": "sleep"}, "idle must be one of .* not 'sleep'"),
        ({"queue_depth": 0}, r"queue_depth must be in 1\.\.1024, not 0"),
        ({"channels": 3}, r"channels must be a power of two in 1\.\.64, not 3"),
        ({"interleave_bytes": 16}, r"interleave_bytes must be a power of two in 32\.\.1073741824, not 16"),
        ({"interleave_bytes": 96}, "interleave_bytes must be a power of two"),
        ({"mapping": "rocoxx"}, "order must be made of ro, ba and co"),
        ({"mapping": "roco3baco9"}, "order must give 6 bits to the column"),
    ],
)
def test_config_refuses(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DramConfig(**arguments)


def test_config_refuses_wrong_types() -> None:
    with pytest.raises(TypeError, match="channels must be int, not float"):
        DramConfig(channels=2.0)


def test_streams_past_the_end_are_refused() -> None:
    with pytest.raises(ValueError, match="streams must end below 1073741824, not at 1073741825"):
        simulate(Streams([(1 << 30) - 32], 33))
    assert simulate(Streams([(1 << 30) - 32], 32)).bursts == 1
    assert simulate(Streams([1 << 30], 32), DramConfig(channels=2)).bursts == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([0.5], 32), TypeError, "start must be integers, not float64"),
        (([[0]], 32), ValueError, "start must have one axis, not 2"),
        (([-1], 32), ValueError, "start must be at least 0, not -1"),
        (([0], 0), ValueError, "size_bytes must be at least 1, not 0"),
        (([0, 1], [1, 2, 3]), ValueError, r"size_bytes must have the shape of start, \(2,\), not \(3,\)"),
        (([0], 1, 1), TypeError, "write must be bool, not int64"),
        (([0, 0], 1, False, [2.0, 1.0]), ValueError, "arrival_ns must not fall, but does after stream 0"),
        (([0], 1, False, float("nan")), ValueError, "arrival_ns must be finite and at least 0"),
        (([1 << 50], 1), ValueError, r"start must be at most 2\*\*48, not 1125899906842624"),
    ],
)
def test_streams_refuse(arguments: tuple[object, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Streams(*arguments)


def test_unknown_trace_is_refused() -> None:
    with pytest.raises(ValueError, match=r"name must be one of .* not 'walk'"):
        trace("walk")


def test_a_part_that_cannot_get_on_is_refused() -> None:
    with pytest.raises(ValueError, match="refi_bank must be above 410 clocks, not 410"):
        replace(LPDDR4_3200.timing, refi_bank=410)
