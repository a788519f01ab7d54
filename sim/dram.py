"""Time and energy of external memory for any streams of reads and writes.

Each channel is one controller and one LPDDR4 part (`sim.dram_kernel`: scheduling by oldest row hit, open page, in-order
acceptance, refresh); addresses are dealt out to channels in blocks. Channels run apart from each other: each takes its
own bursts in order and never waits for another's, as behind a front end that is deep enough. The time is that of the
channel that ends last, to its last data beat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.dram_device import LPDDR4_3200, DramDevice
from sim.dram_energy import DramActivity, DramEnergy, dram_energy
from sim.dram_kernel import run_channel
from sim.dram_mapping import AddressMapping
from sim.dram_state import (
    ACTIVATES,
    ARRIVAL,
    END_BYTE,
    END_CLOCK,
    FIRST_BYTE,
    IS_WRITE,
    MASKED_WRITES,
    MISSES,
    POWER_DOWN_ACTIVE_CLOCKS,
    POWER_DOWN_CLOCKS,
    PRECHARGED_CLOCKS,
    PRECHARGES,
    READS,
    REFRESHES,
    SELF_REFRESH_CLOCKS,
    STREAM_FIELDS,
    WRITES,
    Rules,
)
from sim.dram_streams import Streams

__all__ = ["IDLE", "REFRESH", "DramConfig", "DramResult", "simulate"]

REFRESH = ("none", "all-bank", "per-bank")
IDLE = ("standby", "power-down", "self-refresh")


@dataclass(frozen=True)
class DramConfig:
    """A memory of one or more equal channels.

    Attributes
    ----------
    device : DramDevice
        One channel's part.
    mapping : str
        Order of the address' fields inside a channel, as in `sim.dram_mapping.AddressMapping`.
    refresh : str
        One of `REFRESH`.
    idle : str
        What a channel does without requests: ``standby``, ``power-down`` at once, or ``self-refresh`` from the next
        refresh on if the pause lasts (before it, power-down).
    queue_depth : int
        Requests that each bank holds.
    channels, interleave_bytes : int
        Powers of two: consecutive blocks of `interleave_bytes` lie in consecutive channels.
    """

    device: DramDevice = LPDDR4_3200
    mapping: str = "robaco"
    refresh: str = "all-bank"
    idle: str = "standby"
    queue_depth: int = 8
    channels: int = 1
    interleave_bytes: int = 256

    def __post_init__(self) -> None:
        for name, choices in (("refresh", REFRESH), ("idle", IDLE)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}, not {getattr(self, name)!r}")
        for name in ("queue_depth", "channels", "interleave_bytes"):
            if type(getattr(self, name)) is not int:
                raise TypeError(f"{name} must be int, not {type(getattr(self, name)).__name__}")
        if not 1 <= self.queue_depth <= 1024:
            raise ValueError(f"queue_depth must be in 1..1024, not {self.queue_depth!r}")
        if not 1 <= self.channels <= 64 or self.channels & (self.channels - 1):
            raise ValueError(f"channels must be a power of two in 1..64, not {self.channels!r}")
        least, most = self.device.burst_bytes, self.device.capacity_bytes
        if not least <= self.interleave_bytes <= most or self.interleave_bytes & (self.interleave_bytes - 1):
            raise ValueError(
                f"interleave_bytes must be a power of two in {least}..{most}, not {self.interleave_bytes!r}"
            )
        AddressMapping(self.mapping).segments(self.device)

    @property
    def capacity_bytes(self) -> int:
        """Bytes of all channels."""
        return self.channels * self.device.capacity_bytes


@dataclass(frozen=True)
class DramResult:
    """What a memory did for some streams.

    Attributes
    ----------
    time_ns : float
        From the first stream's earliest arrival (time 0) to the last data beat.
    read_bursts, write_bursts, masked_write_bursts : int
        Bursts on the bus; masked writes, of bursts that a stream covers in part, are among `write_bursts`.
    row_hits, row_misses : int
        Bursts that found their row open, and those an activate was made for.
    activates, precharges, refreshes : int
    asked_bytes, bus_bytes : int
        Bytes of the streams; bytes of the bursts.
    bus_busy : float
        Share of the data buses' time in which data moves.
    channel_time_ns : tuple of float
    activity : DramActivity
        What the energy is computed from.
    energy : DramEnergy
    """

    time_ns: float
    read_bursts: int
    write_bursts: int
    masked_write_bursts: int
    row_hits: int
    row_misses: int
    activates: int
    precharges: int
    refreshes: int
    asked_bytes: int
    bus_bytes: int
    bus_busy: float
    channel_time_ns: tuple[float, ...]
    activity: DramActivity
    energy: DramEnergy

    @property
    def bursts(self) -> int:
        """All bursts."""
        return self.read_bursts + self.write_bursts

    @property
    def gb_s(self) -> float:
        """10**9 bytes on the bus per second."""
        return self.bus_bytes / self.time_ns if self.time_ns else 0.0


def simulate(streams: Streams, config: DramConfig | None = None) -> DramResult:
    """Serve streams, each as soon as it has arrived and those before it are accepted.

    Raises
    ------
    ValueError
        If a stream reaches past the memory's capacity.
    """
    config = config or DramConfig()
    if len(streams) and streams.end.max() > config.capacity_bytes:
        raise ValueError(f"streams must end below {config.capacity_bytes}, not at {streams.end.max()}")
    counts = [_channel(streams, config, channel) for channel in range(config.channels)]
    end_clock = max(int(count[END_CLOCK]) for count in counts)
    activity = sum((_activity(count, end_clock, config) for count in counts), DramActivity())
    return _result(np.sum(counts, axis=0), counts, end_clock, activity, streams, config)


def _channel(streams: Streams, config: DramConfig, channel: int) -> NDArray[np.int64]:
    table = np.empty((STREAM_FIELDS, len(streams)), np.int64)
    table[FIRST_BYTE] = streams.start
    table[END_BYTE] = streams.end
    table[IS_WRITE] = streams.write
    table[ARRIVAL] = np.ceil(streams.arrival_ns / config.device.timing.clock_ns)
    rules = Rules(
        depth=config.queue_depth,
        burst_bytes=config.device.burst_bytes,
        refresh=REFRESH.index(config.refresh),
        idle=IDLE.index(config.idle),
        shift=config.interleave_bytes.bit_length() - 1,
        width=config.channels.bit_length() - 1,
        channel=channel,
    )
    segments = AddressMapping(config.mapping).segments(config.device)
    return run_channel(table, segments, config.device.timing.spacing, config.device.banks, rules)


def _activity(count: NDArray[np.int64], end_clock: int, config: DramConfig) -> DramActivity:
    """One channel's activity until the last channel ends.

    A channel that is done waits in standby or power-down, with rows open if it has done anything, and refreshes.
    """
    timing = config.device.timing
    rest = end_clock - int(count[END_CLOCK])
    used = bool(count[ACTIVATES])
    asleep = config.idle != "standby"
    states = {
        "precharged_ns": int(count[PRECHARGED_CLOCKS]),
        "active_power_down_ns": int(count[POWER_DOWN_ACTIVE_CLOCKS]),
        "power_down_ns": int(count[POWER_DOWN_CLOCKS]),
        "self_refresh_ns": int(count[SELF_REFRESH_CLOCKS]),
    }
    states["active_ns"] = int(count[END_CLOCK]) - sum(states.values())
    states[("active" if used else "precharged", "active_power_down" if used else "power_down")[asleep] + "_ns"] += rest
    interval = timing.refi if config.refresh == "all-bank" else timing.refi_bank
    refreshes = int(count[REFRESHES]) + (rest // interval if config.refresh != "none" else 0)
    return DramActivity(
        reads=int(count[READS]),
        writes=int(count[WRITES] + count[MASKED_WRITES]),
        activates=int(count[ACTIVATES]),
        refreshes_all=refreshes if config.refresh == "all-bank" else 0,
        refreshes_bank=refreshes if config.refresh == "per-bank" else 0,
        **{name: clocks * timing.clock_ns for name, clocks in states.items()},
    )


def _result(
    total: NDArray[np.int64],
    counts: list[NDArray[np.int64]],
    end_clock: int,
    activity: DramActivity,
    streams: Streams,
    config: DramConfig,
) -> DramResult:
    timing = config.device.timing
    bursts = activity.reads + activity.writes
    return DramResult(
        time_ns=end_clock * timing.clock_ns,
        read_bursts=activity.reads,
        write_bursts=activity.writes,
        masked_write_bursts=int(total[MASKED_WRITES]),
        row_hits=bursts - int(total[MISSES]),
        row_misses=int(total[MISSES]),
        activates=activity.activates,
        precharges=int(total[PRECHARGES]),
        refreshes=activity.refreshes_all + activity.refreshes_bank,
        asked_bytes=streams.read_bytes + streams.write_bytes,
        bus_bytes=bursts * config.device.burst_bytes,
        bus_busy=bursts * timing.burst_clocks / (end_clock * config.channels) if end_clock else 0.0,
        channel_time_ns=tuple(int(count[END_CLOCK]) * timing.clock_ns for count in counts),
        activity=activity,
        energy=dram_energy(activity, config.device),
    )
