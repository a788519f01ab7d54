"""Energy of commands, states and whole runs."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.dram import DramConfig, simulate
from sim.dram_device import LPDDR4_3200, LPDDR4X_3200
from sim.dram_energy import DramActivity, command_energy, dram_energy
from sim.dram_streams import Streams
from sim.dram_traces import sequential
from sim.validate_dram import Row, energy_rows

ROWS = energy_rows()

activities = st.builds(
    DramActivity,
    *[st.integers(0, 10**6)] * 5,
    *[st.floats(0, 1e9)] * 5,
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_energy_is_within_2_pct_of_the_reference(row: Row) -> None:
    assert abs(row.error_pct) <= 2


def test_commands_by_hand() -> None:
    each = command_energy(LPDDR4_3200)
    assert each.read_pj == pytest.approx((275 - 30) * 1.1 * 5)
    assert each.read_io_pj == pytest.approx((150 - 0.75) * 1.1 * 5)
    assert each.write_pj == pytest.approx((210 - 30) * 1.1 * 5)
    assert each.write_io_pj == pytest.approx((55 - 0.75) * 1.1 * 5)
    assert each.activate_pj == pytest.approx(1.8 * 80.3125 + 1.1 * 963.75)
    assert each.refresh_all_pj == pytest.approx((1.8 * 7.75 + 1.1 * 60) * 280)
    assert each.refresh_bank_pj == pytest.approx(each.refresh_all_pj / 8)
    assert (each.active_mw, each.precharged_mw) == pytest.approx((37.05, 33.3))
    assert (each.active_power_down_mw, each.power_down_mw, each.self_refresh_mw) == pytest.approx((12.06, 5.46, 1.09))


def test_lpddr4x_saves_in_the_pins_only() -> None:
    activity = DramActivity(reads=10, writes=20, activates=3, active_ns=1000.0, self_refresh_ns=50.0)
    ours, other = dram_energy(activity, LPDDR4_3200), dram_energy(activity, LPDDR4X_3200)
    assert other.core_pj == pytest.approx(ours.core_pj)
    assert other.io_pj == pytest.approx(ours.io_pj * 0.6 / 1.1)


@given(activities, activities)
def test_energy_adds_up(one: DramActivity, two: DramActivity) -> None:
    total = dram_energy(one + two, LPDDR4_3200)
    apart = dram_energy(one, LPDDR4_3200) + dram_energy(two, LPDDR4_3200)
    assert asdict(total) == pytest.approx(asdict(apart))
    assert total.total_pj == pytest.approx(sum(asdict(total).values()))
    assert total.core_pj + total.io_pj == pytest.approx(total.total_pj)


@pytest.mark.parametrize("field", list(asdict(DramActivity())))
def test_each_part_of_the_activity_costs(field: str) -> None:
    assert dram_energy(DramActivity(**{field: 1}), LPDDR4_3200).total_pj > 0


def test_energy_of_a_run_is_that_of_its_activity() -> None:
    result = simulate(Streams([0, 100, 5000], [64, 64, 3], np.array([False, True, True])), DramConfig(channels=2))
    assert result.energy == dram_energy(result.activity, LPDDR4_3200)
    assert (result.activity.reads, result.activity.writes) == (2, 4)


@pytest.mark.parametrize(("refresh", "share"), [("all-bank", 1), ("per-bank", 1 / 8)])
def test_refreshes_of_all_and_of_one_bank_differ(refresh: str, share: float) -> None:
    result = simulate(sequential(4096), DramConfig(refresh=refresh))
    assert result.refreshes > 1
    assert result.energy.refresh_pj == pytest.approx(
        result.refreshes * share * command_energy(LPDDR4_3200).refresh_all_pj
    )
