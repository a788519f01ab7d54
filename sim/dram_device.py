"""A DRAM part: geometry, timing, currents and voltages.

Sources: JESD209-4 (LPDDR4-3200, x16, eight banks); currents of a Micron LPDDR4 part as the public configurations of
DRAMSys and DRAMPower give them. LPDDR4X is the same core with output drivers at 0.6 V (JESD209-4-1): only the energy
of the pins differs, here scaled by the voltage, which is approximate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sim.dram_timing import DramTiming

__all__ = ["DEVICES", "LPDDR4X_3200", "LPDDR4_3200", "DramCurrents", "DramDevice", "RailCurrents"]


@dataclass(frozen=True)
class RailCurrents:
    """One state's current in mA on each supply."""

    vdd1_ma: float
    vdd2_ma: float
    vddq_ma: float


@dataclass(frozen=True)
class DramCurrents:
    """Currents by JEDEC's measuring loops (IDD0 ... IDD6) and supply voltages.

    Attributes
    ----------
    activate : RailCurrents
        IDD0: one bank activated and precharged each RC.
    precharge_power_down, active_power_down : RailCurrents
        IDD2P, IDD3P.
    precharge_standby, active_standby : RailCurrents
        IDD2N, IDD3N.
    read, write : RailCurrents
        IDD4R, IDD4W: bursts without a gap.
    refresh : RailCurrents
        IDD5AB, burst: refreshes one RFCab apart.
    self_refresh : RailCurrents
        IDD6.
    """

    vdd1_v: float
    vdd2_v: float
    vddq_v: float
    activate: RailCurrents
    precharge_power_down: RailCurrents
    precharge_standby: RailCurrents
    active_power_down: RailCurrents
    active_standby: RailCurrents
    read: RailCurrents
    write: RailCurrents
    refresh: RailCurrents
    self_refresh: RailCurrents

    def core_mw(self, state: RailCurrents) -> float:
        """Power of the core supplies, VDD1 and VDD2."""
        return state.vdd1_ma * self.vdd1_v + state.vdd2_ma * self.vdd2_v

    def io_mw(self, state: RailCurrents) -> float:
        """Power of the pins' supply, VDDQ."""
        return state.vddq_ma * self.vddq_v


@dataclass(frozen=True)
class DramDevice:
    """One channel of a part.

    Attributes
    ----------
    name, source : str
        What it is and where its figures come from.
    data_bits : int
        Width of the data bus.
    banks, rows : int
        Of the channel, of each bank; powers of two.
    page_bytes : int
        One row of one bank; a power of two.
    """

    name: str
    source: str
    data_bits: int
    banks: int
    rows: int
    page_bytes: int
    timing: DramTiming
    currents: DramCurrents

    def __post_init__(self) -> None:
        for name in ("data_bits", "banks", "rows", "page_bytes", "burst_bytes"):
            value = getattr(self, name)
            if type(value) is not int:
                raise TypeError(f"{name} must be int, not {type(value).__name__}")
            if value < 1 or value & (value - 1):
                raise ValueError(f"{name} must be a power of two, not {value!r}")
        if self.banks > 64:
            raise ValueError(f"banks must be at most 64, not {self.banks!r}")
        if self.rows > 1 << 24:
            raise ValueError(f"rows must be at most 2**24, not {self.rows!r}")
        if self.page_bytes < self.burst_bytes:
            raise ValueError(f"page_bytes must be at least the {self.burst_bytes} of a burst, not {self.page_bytes!r}")

    @property
    def burst_bytes(self) -> int:
        """Bytes that one RD or WR moves."""
        return self.timing.burst_beats * self.data_bits // 8

    @property
    def capacity_bytes(self) -> int:
        """Bytes of the channel."""
        return self.banks * self.rows * self.page_bytes

    @property
    def peak_gb_s(self) -> float:
        """Bandwidth of the data bus in 10**9 bytes per second."""
        return self.burst_bytes / (self.timing.burst_clocks * self.timing.clock_ns)


_LPDDR4_3200 = DramTiming(
    clock_ns=0.625,
    burst_beats=16,
    ccd=8,
    ccdmw=32,
    rcd=29,
    rp_bank=29,
    rp_all=34,
    ras=68,
    rc=97,
    rrd=16,
    faw=64,
    ppd=4,
    rl=28,
    wl=14,
    wr=29,
    wtr=16,
    rtp=12,
    dqsck=3,
    wpre=2,
    rpst=0,
    rfc_all=448,
    rfc_bank=224,
    refi=6246,
    refi_bank=780,
    cke=12,
    xp=12,
    xsr=460,
)

_MICRON_LPDDR4 = DramCurrents(
    vdd1_v=1.8,
    vdd2_v=1.1,
    vddq_v=1.1,
    activate=RailCurrents(3.5, 45.0, 0.75),
    precharge_power_down=RailCurrents(1.2, 3.0, 0.75),
    precharge_standby=RailCurrents(2.0, 27.0, 0.75),
    active_power_down=RailCurrents(1.2, 9.0, 0.75),
    active_standby=RailCurrents(2.25, 30.0, 0.75),
    read=RailCurrents(2.25, 275.0, 150.0),
    write=RailCurrents(2.25, 210.0, 55.0),
    refresh=RailCurrents(10.0, 90.0, 0.75),
    self_refresh=RailCurrents(0.3, 0.5, 0.1),
)

LPDDR4_3200 = DramDevice(
    name="LPDDR4-3200 x16",
    source="JESD209-4 timing; currents of a Micron 8 Gb part",
    data_bits=16,
    banks=8,
    rows=65536,
    page_bytes=2048,
    timing=_LPDDR4_3200,
    currents=_MICRON_LPDDR4,
)

LPDDR4X_3200 = replace(
    LPDDR4_3200,
    name="LPDDR4X-3200 x16",
    source="JESD209-4-1: LPDDR4 with VDDQ = 0.6 V; the pins' currents are LPDDR4's, so their energy is approximate",
    currents=replace(_MICRON_LPDDR4, vddq_v=0.6),
)

DEVICES = {"lpddr4-3200": LPDDR4_3200, "lpddr4x-3200": LPDDR4X_3200}
