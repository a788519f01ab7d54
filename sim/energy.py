"""Stage: traffic -> energy. A table of constants, each with its source, and sums of products.

External memory is LPDDR4-3200. Core and I/O energy per bit follow from the part's currents (IDD4R, IDD4W less the
standby that goes on anyway); a row activation is shared by the 2 KiB page that a sequential transfer reads from it;
background and refresh are paid for the time the transfer takes at the sequential bandwidth. What the transfer does not
cause (self-refresh, idle time) is not counted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["CONSTANTS", "Constant", "EnergyParts", "dram_time_s", "energy"]


@dataclass(frozen=True)
class Constant:
    """A number with its unit and where it comes from."""

    name: str
    value: float
    unit: str
    process: str
    source: str


_LPDDR4 = "LPDDR4-3200 x16, 1.8/1.1/1.1 V"
_IDD = "IDD currents of a Micron LPDDR4 part at JEDEC timing (JESD209-4)"
_HOROWITZ = "Horowitz, ISSCC 2014, figure 1.1.9"

CONSTANTS = {
    constant.name: constant
    for constant in (
        Constant("dram_read_core", 5.26, "pJ/bit", _LPDDR4, _IDD),
        Constant("dram_read_io", 3.21, "pJ/bit", _LPDDR4, _IDD + ", VDDQ"),
        Constant("dram_write_core", 3.87, "pJ/bit", _LPDDR4, _IDD),
        Constant("dram_write_io", 1.17, "pJ/bit", _LPDDR4, _IDD + ", VDDQ"),
        Constant("dram_row", 1205.0, "pJ", _LPDDR4, _IDD + ": one activate and precharge"),
        Constant("dram_page", 2048.0, "byte", _LPDDR4, "JESD209-4: page of a x16 channel"),
        Constant("dram_background", 0.72, "pJ/bit", _LPDDR4, _IDD + ": active standby at 6.4 GB/s"),
        Constant("dram_peak", 6.4e9, "byte/s", _LPDDR4, "JESD209-4: 3200 MT/s x 16 bit"),
        Constant("dram_refresh", 5.7e-3, "W", _LPDDR4, _IDD),
        Constant("dram_sequential", 5.86e9, "byte/s", _LPDDR4, "cycle-accurate simulation, sequential reads, refresh"),
        Constant("int8_multiply", 0.2, "pJ", "45 nm, 0.9 V", _HOROWITZ),
        Constant("int32_add", 0.1, "pJ", "45 nm, 0.9 V", _HOROWITZ),
    )
}


@dataclass(frozen=True)
class EnergyParts:
    """Energy by part, in picojoule."""

    dram_read_core_pj: float
    dram_read_io_pj: float
    dram_write_core_pj: float
    dram_write_io_pj: float
    dram_activate_pj: float
    dram_background_pj: float
    dram_refresh_pj: float
    mac_pj: float

    @property
    def dram_pj(self) -> float:
        """All that external memory takes."""
        return self.total_pj - self.mac_pj

    @property
    def total_pj(self) -> float:
        """All parts."""
        return float(sum(asdict(self).values()))

    def __add__(self, other: EnergyParts) -> EnergyParts:
        return EnergyParts(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))


def _value(name: str) -> float:
    return CONSTANTS[name].value


def dram_time_s(bus_bytes: float) -> float:
    """Seconds that one channel needs for sequential transfers of `bus_bytes`."""
    return bus_bytes / _value("dram_sequential")


def energy(read_bytes: float, write_bytes: float, macs: float) -> EnergyParts:
    """Energy of moving bytes over external memory and of the arithmetic beside it.

    Parameters
    ----------
    read_bytes, write_bytes : float
        Whole bursts on the bus.
    macs : float
        Multiplications of two int8 with accumulation in int32.
    """
    moved_bytes = read_bytes + write_bytes
    time_s = dram_time_s(moved_bytes)
    standby_w = _value("dram_background") * 1e-12 * 8 * _value("dram_peak")
    return EnergyParts(
        dram_read_core_pj=8 * read_bytes * _value("dram_read_core"),
        dram_read_io_pj=8 * read_bytes * _value("dram_read_io"),
        dram_write_core_pj=8 * write_bytes * _value("dram_write_core"),
        dram_write_io_pj=8 * write_bytes * _value("dram_write_io"),
        dram_activate_pj=moved_bytes / _value("dram_page") * _value("dram_row"),
        dram_background_pj=standby_w * time_s * 1e12,
        dram_refresh_pj=_value("dram_refresh") * time_s * 1e12,
        mac_pj=macs * (_value("int8_multiply") + _value("int32_add")),
    )
