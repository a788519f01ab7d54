"""Timing of a DRAM part, in clocks.

JEDEC counts from the last clock of one command to the last clock of another. Commands of different length therefore
start closer or farther apart than JEDEC's figure says; `DramTiming.spacing` gives start to start, which is what a
scheduler needs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

__all__ = ["DramTiming", "Spacing"]

LONG_COMMAND_CLOCKS = 4  # ACT, RD, WR: two commands of two clocks each (JESD209-4, command truth table)
SHORT_COMMAND_CLOCKS = 2  # PRE, REF
MOST_CLOCKS = 1 << 16


class Spacing(NamedTuple):
    """Clocks from the start of one command to the earliest start of another."""

    activate_column: int
    activate_precharge: int
    activate_same: int
    activate_other: int
    four_activates: int
    activate_refresh: int
    activate_refresh_other: int
    precharge_activate: int
    precharge_refresh: int
    precharge_precharge: int
    precharge_all_activate: int
    precharge_all_refresh: int
    column_column: int
    write_masked: int
    read_precharge: int
    read_write: int
    read_end: int
    write_precharge: int
    write_read: int
    write_end: int
    refresh_all_activate: int
    refresh_bank_activate: int
    refresh_bank_activate_other: int
    refresh_all_cycle: int
    refresh_bank_cycle: int
    refresh_all_interval: int
    refresh_bank_interval: int
    burst: int
    power_down_least: int
    power_down_exit: int
    self_refresh_exit: int


@dataclass(frozen=True)
class DramTiming:
    """JEDEC timing in clocks of the command bus; names as in JESD209-4.

    Attributes
    ----------
    clock_ns : float
        One clock; two data beats.
    burst_beats : int
        BL.
    dqsck : int
        From the read latency to the first data; JEDEC's least value, rounded up to clocks.
    wpre, rpst : int
        Write preamble, read postamble.
    rtp : int
        From the read to the precharge of its bank, at least 8.
    """

    clock_ns: float
    burst_beats: int
    ccd: int
    ccdmw: int
    rcd: int
    rp_bank: int
    rp_all: int
    ras: int
    rc: int
    rrd: int
    faw: int
    ppd: int
    rl: int
    wl: int
    wr: int
    wtr: int
    rtp: int
    dqsck: int
    wpre: int
    rpst: int
    rfc_all: int
    rfc_bank: int
    refi: int
    refi_bank: int
    cke: int
    xp: int
    xsr: int

    def __post_init__(self) -> None:
        if not self.clock_ns > 0:
            raise ValueError(f"clock_ns must be above 0, not {self.clock_ns!r}")
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if type(value) is not int:
                raise TypeError(f"{field.name} must be int, not {type(value).__name__}")
            least = 0 if field.name in ("dqsck", "wpre", "rpst") else 1
            if not least <= value <= MOST_CLOCKS:
                raise ValueError(f"{field.name} must be in {least}..{MOST_CLOCKS}, not {value!r}")
        if self.burst_beats % 2:
            raise ValueError(f"burst_beats must be even, not {self.burst_beats!r}")
        if self.ccd < self.burst_clocks:
            raise ValueError(f"ccd must be at least the {self.burst_clocks} clocks of a burst, not {self.ccd!r}")
        self._check_refresh()

    def _check_refresh(self) -> None:
        """Between two refreshes at least one row must open and serve a burst, or the channel would never get on."""
        spacing = self.spacing
        late = max(spacing.write_precharge, spacing.read_precharge, spacing.activate_refresh) + self.rp_all
        room = late + self.rcd + self.rrd + 2 * LONG_COMMAND_CLOCKS
        for name, cycle in (("refi", self.rfc_all), ("refi_bank", self.rfc_bank)):
            if getattr(self, name) <= cycle + room:
                raise ValueError(f"{name} must be above {cycle + room} clocks, not {getattr(self, name)!r}")

    @property
    def burst_clocks(self) -> int:
        """Clocks of one burst on the data bus."""
        return self.burst_beats // 2

    @property
    def spacing(self) -> Spacing:
        """Clocks from start to start.

        JEDEC counts from last clock to last clock, so that an interval from a long command to a short one is
        `later` clocks longer from start to start, and one from a short command to a long one is as much shorter.
        """
        later = LONG_COMMAND_CLOCKS - SHORT_COMMAND_CLOCKS
        data = LONG_COMMAND_CLOCKS - 1 + self.burst_clocks
        return Spacing(
            activate_column=self.rcd,
            activate_precharge=self.ras + later,
            activate_same=self.rc,
            activate_other=self.rrd,
            four_activates=self.faw,
            activate_refresh=self.rc + later,
            activate_refresh_other=self.rrd + later,
            precharge_activate=self.rp_bank - later,
            precharge_refresh=self.rp_bank,
            precharge_precharge=self.ppd,
            precharge_all_activate=self.rp_all - later,
            precharge_all_refresh=self.rp_all,
            column_column=self.ccd,
            write_masked=self.ccdmw,
            read_precharge=self.burst_clocks + max(self.rtp, 8) - 8 + later,
            read_write=self.rl + self.dqsck + self.burst_clocks - self.wl + self.wpre + self.rpst,
            read_end=self.rl + self.dqsck + data,
            write_precharge=self.wl + 1 + self.burst_clocks + self.wr + later,
            write_read=self.wl + 1 + self.burst_clocks + self.wtr,
            write_end=self.wl + data,
            refresh_all_activate=self.rfc_all - later,
            refresh_bank_activate=self.rfc_bank - later,
            refresh_bank_activate_other=self.rrd - later,
            refresh_all_cycle=self.rfc_all,
            refresh_bank_cycle=self.rfc_bank,
            refresh_all_interval=self.refi,
            refresh_bank_interval=self.refi_bank,
            burst=self.burst_clocks,
            power_down_least=self.cke,
            power_down_exit=self.xp,
            self_refresh_exit=self.xsr,
        )
