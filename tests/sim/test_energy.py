"""Energy: products of the constants, by hand, and their sources."""

from dataclasses import asdict

import pytest

from sim.energy import CONSTANTS, dram_time_s, energy


def test_parts_are_bits_times_constants():
    parts = energy(1000, 500, 10)
    expected = {
        "dram_read_core_pj": 42080.0,  # 8000 bits * 5.26
        "dram_read_io_pj": 25680.0,  # 8000 * 3.21
        "dram_write_core_pj": 15480.0,  # 4000 * 3.87
        "dram_write_io_pj": 4680.0,  # 4000 * 1.17
        "dram_activate_pj": 882.568359375,  # 1500 / 2048 rows * 1205
        "dram_background_pj": 9436.177474,  # 12000 bits * .72 * 6.4 / 5.86: standby goes on at the lower rate too
        "dram_refresh_pj": 1459.044369,  # 5.7 mW for 1500 / 5.86e9 s
        "mac_pj": 3.0,  # 10 * (.2 + .1)
    }
    assert asdict(parts) == pytest.approx(expected, rel=1e-9)
    assert parts.dram_pj == pytest.approx(99697.790202)
    assert parts.total_pj == pytest.approx(99700.790202)


def test_time_of_a_sequential_transfer():
    assert dram_time_s(5.86e9) == 1
    assert dram_time_s(0) == 0


def test_energy_is_linear_so_sums_over_layers_are_totals():
    assert asdict(energy(96, 64, 5) + energy(32, 0, 7)) == pytest.approx(asdict(energy(128, 64, 12)))
    assert set(asdict(energy(0, 0, 0)).values()) == {0}


def test_sequential_reads_are_those_of_the_reference_program():
    """An IDD-based program on the same part: 6.25 pJ/bit without I/O for sequential reads, 4.86 for writes."""
    read, write = asdict(energy(1e6, 0, 0)), asdict(energy(0, 1e6, 0))
    core = sum(value for name, value in read.items() if not name.endswith("_io_pj")) / 8e6
    assert core == pytest.approx(6.25, rel=0.02)
    assert sum(value for name, value in write.items() if not name.endswith("_io_pj")) / 8e6 == pytest.approx(
        4.86, rel=0.02
    )


@pytest.mark.parametrize("constant", CONSTANTS.values(), ids=lambda constant: constant.name)
def test_every_constant_has_a_unit_a_process_and_a_source(constant):
    assert constant.value > 0
    assert constant.unit
    assert constant.process
    assert len(constant.source) > 10
    assert CONSTANTS[constant.name] is constant
