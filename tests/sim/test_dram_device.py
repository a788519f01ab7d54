"""Parts, their timing, and where addresses lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.dram_device import DEVICES, LPDDR4_3200, LPDDR4X_3200
from sim.dram_mapping import AddressMapping

ORDERS = ["robaco", "rocoba", "baroco", "cobaro", "roco3baco", "ro8ba1rocoba", "ba2ro15coba1ro"]


def place(order: str, address: int) -> tuple[int, int]:
    """Bank and row, by the segments."""
    found = [0, 0]
    for field, low, mask, to in AddressMapping(order).segments(LPDDR4_3200).tolist():
        found[field] |= (address >> low & mask) << to
    return found[0], found[1]


def test_geometry() -> None:
    assert LPDDR4_3200.burst_bytes == 32
    assert LPDDR4_3200.capacity_bytes == 1 << 30
    assert LPDDR4_3200.peak_gb_s == pytest.approx(6.4)


def test_lpddr4x_differs_in_the_pins_supply_only() -> None:
    assert LPDDR4X_3200.timing == LPDDR4_3200.timing
    assert replace(LPDDR4X_3200.currents, vddq_v=1.1) == LPDDR4_3200.currents
    assert DEVICES == {"lpddr4-3200": LPDDR4_3200, "lpddr4x-3200": LPDDR4X_3200}


def test_spacing_by_hand() -> None:
    """JEDEC's intervals end with the commands; a short one after a long one starts two clocks later."""
    spacing = LPDDR4_3200.timing.spacing
    assert spacing.activate_precharge == 68 + 2
    assert spacing.precharge_activate == 29 - 2
    assert spacing.precharge_all_activate == 34 - 2
    assert spacing.refresh_all_activate == 448 - 2
    assert spacing.read_precharge == 8 + 12 - 8 + 2
    assert spacing.write_precharge == 14 + 1 + 8 + 29 + 2
    assert spacing.read_write == 28 + 3 + 8 - 14 + 2
    assert spacing.write_read == 14 + 1 + 8 + 16


def test_mappings_by_hand() -> None:
    assert place("robaco", 0x4801) == (1, 1)  # bank bits 11-13, row from 14 on
    assert place("rocoba", 0x4020) == (1, 1)  # bank bits 5-7, row from 14 on
    assert place("baroco", 1 << 27) == (1, 0)
    assert place("roco3baco", 1 << 8) == (1, 0)


@given(st.sampled_from(ORDERS), st.integers(0, (1 << 30) - 1))
def test_mappings_cover_each_bank_and_row(order: str, address: int) -> None:
    """Flipping a bit changes bank or row, or a column; there are as many of each as the part has."""
    at = place(order, address)
    moved = [place(order, address ^ 1 << bit) for bit in range(30)]
    banks, rows = zip(*moved, strict=True)
    assert sum(bank != at[0] for bank in banks) == 3
    assert sum(row != at[1] for row in rows) == 16
    assert len({bank ^ at[0] for bank in banks} | {0}) == 4
    assert len({row ^ at[1] for row in rows} | {0}) == 17


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ("", "order must be made of ro, ba and co with optional widths, not ''"),
        ("rowbaco", "order must be made of ro, ba and co"),
        ("roco", r"order must have the bank \(ba\), not 'roco'"),
        ("robacoba", "order must give widths to all places but one of the bank, not 'robacoba'"),
    ],
)
def test_mapping_refuses(order: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AddressMapping(order)


def test_mapping_refuses_other_types() -> None:
    with pytest.raises(TypeError, match="order must be str, not int"):
        AddressMapping(3)


@pytest.mark.parametrize("order", ["ro17baco", "robaco5", "ro20baroco"])
def test_mapping_refuses_widths_that_are_not_the_parts(order: str) -> None:
    with pytest.raises(ValueError, match=r"order must give \d+ bits to the (row|column) of LPDDR4-3200 x16"):
        AddressMapping(order).segments(LPDDR4_3200)


def test_segments_of_one_bank_are_the_row() -> None:
    one = replace(LPDDR4_3200, banks=1)
    assert np.array_equal(AddressMapping("robaco").segments(one), [[1, 11, 65535, 0]])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"clock_ns": 0.0}, ValueError, "clock_ns must be above 0, not 0.0"),
        ({"rcd": 0}, ValueError, r"rcd must be in 1\.\.65536, not 0"),
        ({"dqsck": -1}, ValueError, r"dqsck must be in 0\.\.65536, not -1"),
        ({"rcd": 2.5}, TypeError, "rcd must be int, not float"),
        ({"burst_beats": 15}, ValueError, "burst_beats must be even, not 15"),
        ({"ccd": 7}, ValueError, "ccd must be at least the 8 clocks of a burst, not 7"),
        ({"refi": 634}, ValueError, "refi must be above 634 clocks, not 634"),
    ],
)
def test_timing_refuses(changes: dict[str, float], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        replace(LPDDR4_3200.timing, **changes)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"banks": 6}, ValueError, "banks must be a power of two, not 6"),
        ({"banks": 128}, ValueError, "banks must be at most 64, not 128"),
        ({"rows": 1 << 25}, ValueError, r"rows must be at most 2\*\*24, not 33554432"),
        ({"page_bytes": 16}, ValueError, "page_bytes must be at least the 32 of a burst, not 16"),
        ({"data_bits": 16.0}, TypeError, "data_bits must be int, not float"),
    ],
)
def test_device_refuses(changes: dict[str, float], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        replace(LPDDR4_3200, **changes)
