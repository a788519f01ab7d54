"""Energy of a DRAM channel: of each command and of each state, from the part's currents.

What a command takes is the difference between JEDEC's measuring loop of it and what the part draws anyway:

* activate and precharge of a row: IDD0 over RC, less active standby (IDD3N) over RAS and precharge standby (IDD2N) over
  the rest;
* read, write: IDD4R, IDD4W, less IDD3N, over one burst; on the pins' supply (VDDQ) the same;
* refresh: IDD5 less IDD3N over RFCab; a refresh of one bank takes the share of one bank.

To this comes the standing power of the state the channel is in: active standby while a row is open or a refresh goes
on, else precharge standby, power-down (IDD2P, IDD3P) or self-refresh (IDD6). The method is Micron's technical note
TN-41-01 and DRAMPower's. Reads and writes of any data take the same: currents are those of JEDEC's test pattern.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sim.dram_device import DramDevice, RailCurrents

__all__ = ["CommandEnergy", "DramActivity", "DramEnergy", "command_energy", "dram_energy"]


@dataclass(frozen=True)
class CommandEnergy:
    """Energy of one command; power of one state, of the core (VDD1, VDD2) and of the pins' supply (io).

    A picojoule per nanosecond is a milliwatt.
    """

    activate_pj: float
    read_pj: float
    read_io_pj: float
    write_pj: float
    write_io_pj: float
    refresh_all_pj: float
    refresh_bank_pj: float
    active_mw: float
    precharged_mw: float
    active_power_down_mw: float
    power_down_mw: float
    self_refresh_mw: float
    standby_io_mw: float
    self_refresh_io_mw: float


@dataclass(frozen=True)
class DramActivity:
    """What channels did: commands, and the time spent in each state, summed over channels.

    `writes` contains masked writes. Times do not overlap: their sum is the elapsed time times the channels.
    """

    reads: int = 0
    writes: int = 0
    activates: int = 0
    refreshes_all: int = 0
    refreshes_bank: int = 0
    active_ns: float = 0.0
    precharged_ns: float = 0.0
    active_power_down_ns: float = 0.0
    power_down_ns: float = 0.0
    self_refresh_ns: float = 0.0

    def __add__(self, other: DramActivity) -> DramActivity:
        return DramActivity(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))


@dataclass(frozen=True)
class DramEnergy:
    """Energy by part, in picojoule."""

    activate_pj: float
    read_pj: float
    write_pj: float
    read_io_pj: float
    write_io_pj: float
    standby_io_pj: float
    background_pj: float
    power_down_pj: float
    self_refresh_pj: float
    refresh_pj: float

    @property
    def io_pj(self) -> float:
        """What the pins' supply gives."""
        return self.read_io_pj + self.write_io_pj + self.standby_io_pj

    @property
    def core_pj(self) -> float:
        """All but the pins' supply."""
        return self.total_pj - self.io_pj

    @property
    def total_pj(self) -> float:
        """All parts."""
        return float(sum(asdict(self).values()))

    def __add__(self, other: DramEnergy) -> DramEnergy:
        return DramEnergy(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))


def command_energy(device: DramDevice) -> CommandEnergy:
    """Energy of each command and power of each state of a device."""
    timing, currents = device.timing, device.currents
    core, io = currents.core_mw, currents.io_mw
    active, closed = core(currents.active_standby), core(currents.precharge_standby)
    open_ns, cycle_ns = timing.ras * timing.clock_ns, timing.rc * timing.clock_ns
    refresh_all = (core(currents.refresh) - active) * timing.rfc_all * timing.clock_ns

    def burst_pj(state: RailCurrents) -> tuple[float, float]:
        burst_ns = timing.burst_clocks * timing.clock_ns
        return (core(state) - active) * burst_ns, (io(state) - io(currents.active_standby)) * burst_ns

    read_pj, read_io_pj = burst_pj(currents.read)
    write_pj, write_io_pj = burst_pj(currents.write)
    return CommandEnergy(
        activate_pj=core(currents.activate) * cycle_ns - active * open_ns - closed * (cycle_ns - open_ns),
        read_pj=read_pj,
        read_io_pj=read_io_pj,
        write_pj=write_pj,
        write_io_pj=write_io_pj,
        refresh_all_pj=refresh_all,
        refresh_bank_pj=refresh_all / device.banks,
        active_mw=active,
        precharged_mw=closed,
        active_power_down_mw=core(currents.active_power_down),
        power_down_mw=core(currents.precharge_power_down),
        self_refresh_mw=core(currents.self_refresh),
        standby_io_mw=io(currents.active_standby),
        self_refresh_io_mw=io(currents.self_refresh),
    )


def dram_energy(activity: DramActivity, device: DramDevice) -> DramEnergy:
    """Energy of an activity, by part."""
    each = command_energy(device)
    awake_ns = activity.active_ns + activity.precharged_ns + activity.active_power_down_ns + activity.power_down_ns
    return DramEnergy(
        activate_pj=activity.activates * each.activate_pj,
        read_pj=activity.reads * each.read_pj,
        write_pj=activity.writes * each.write_pj,
        read_io_pj=activity.reads * each.read_io_pj,
        write_io_pj=activity.writes * each.write_io_pj,
        standby_io_pj=awake_ns * each.standby_io_mw + activity.self_refresh_ns * each.self_refresh_io_mw,
        background_pj=activity.active_ns * each.active_mw + activity.precharged_ns * each.precharged_mw,
        power_down_pj=activity.active_power_down_ns * each.active_power_down_mw
        + activity.power_down_ns * each.power_down_mw,
        self_refresh_pj=activity.self_refresh_ns * each.self_refresh_mw,
        refresh_pj=activity.refreshes_all * each.refresh_all_pj + activity.refreshes_bank * each.refresh_bank_pj,
    )
