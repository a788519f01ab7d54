"""The memory model beside a cycle-accurate simulator's times and an IDD-based program's energies.

Times: 65,536 requests of 32 bytes back to back, one LPDDR4-3200 x16 channel of eight banks, by a cycle-accurate LPDDR4
simulator with oldest-row-hit-first scheduling, open page, eight requests a bank. Energies: per command as the currents
of the part give them, and per bit of whole runs by a program of that kind on the same part, core without I/O.

No figure is fitted: all are JEDEC's and the part's. Two choices that JEDEC leaves open were settled by these times: the
read strobe's delay (3 clocks, its least value, not 6, its greatest) and that a command is chosen without the request
accepted in its clock. Settled otherwise, no time is off by more than 0.4 %.

The energy runs are refreshed as the rates they are given with imply: 5.86 GB/s is the sequential rate with all banks
refreshed at once, 2.92 GB/s the random one with refreshes bank by bank.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.dram import DramConfig, DramResult, simulate
from sim.dram_device import LPDDR4_3200, LPDDR4X_3200
from sim.dram_energy import command_energy
from sim.dram_traces import random, sequential, trace

__all__ = ["REFERENCE_TIMES_NS", "Row", "energy_rows", "time_rows"]

_REQUESTS = 65536

# (mapping, refresh, trace): ns; also in tests/data/dram-reference.csv.
REFERENCE_TIMES_NS = {
    ("robaco", "all-bank", "seqr"): 357895.0,
    ("robaco", "all-bank", "rand32"): 772090.0,
    ("robaco", "all-bank", "mix"): 551328.75,
    ("robaco", "per-bank", "seqr"): 332770.625,
    ("robaco", "per-bank", "rand32"): 719355.625,
    ("robaco", "per-bank", "mix"): 508335.0,
    ("rocoba", "all-bank", "seqr"): 357921.25,
    ("rocoba", "all-bank", "rand32"): 774559.375,
    ("rocoba", "all-bank", "mix"): 380963.75,
    ("rocoba", "per-bank", "seqr"): 329463.75,
    ("rocoba", "per-bank", "rand32"): 719635.625,
    ("rocoba", "per-bank", "mix"): 378998.75,
}


@dataclass(frozen=True)
class Row:
    """A reference figure and ours. Of a part, `whole` is the reference figure of what it is part of."""

    name: str
    unit: str
    reference: float
    ours: float
    whole: float | None = None

    @property
    def error_pct(self) -> float:
        """Ours above the reference, in percent of it; of a part, in percent of the whole."""
        return 100 * (self.ours - self.reference) / (self.whole or self.reference)


def time_rows(count: int = _REQUESTS) -> list[Row]:
    """Time of each reference run; with fewer requests than the reference's, scaled to them."""
    rows = []
    for (mapping, refresh, name), reference_ns in REFERENCE_TIMES_NS.items():
        result = simulate(trace(name, count), DramConfig(mapping=mapping, refresh=refresh))
        ours_ns = result.time_ns * _REQUESTS / count
        rows.append(Row(f"{mapping} {refresh} {name}", "ns", reference_ns, ours_ns))
    return rows


def energy_rows(count: int = _REQUESTS) -> list[Row]:
    """Energy of each command, then of whole runs, core without I/O."""
    return [*_command_rows(), *_run_rows(count)]


def _command_rows() -> list[Row]:
    each, other = command_energy(LPDDR4_3200), command_energy(LPDDR4X_3200)
    burst_bits = 8 * LPDDR4_3200.burst_bytes
    timing = LPDDR4_3200.timing
    return [
        Row("read, core", "pJ/bit", 5.26, each.read_pj / burst_bits),
        Row("read, VDDQ", "pJ/bit", 3.21, each.read_io_pj / burst_bits),
        Row("read, VDDQ of LPDDR4X", "pJ/bit", 1.75, other.read_io_pj / burst_bits),
        Row("write, core", "pJ/bit", 3.87, each.write_pj / burst_bits),
        Row("write, VDDQ", "pJ/bit", 1.17, each.write_io_pj / burst_bits),
        Row("activate and precharge", "pJ", 1205.0, each.activate_pj),
        Row("refresh", "mW", 5.7, each.refresh_all_pj / (timing.refi * timing.clock_ns)),
        Row("active standby at full rate", "pJ/bit", 0.72, each.active_mw / (8 * LPDDR4_3200.peak_gb_s)),
    ]


def _run_rows(count: int) -> list[Row]:
    def per_bit(result: DramResult) -> float:
        return result.energy.core_pj / (8 * result.bus_bytes)

    per_bank = DramConfig(refresh="per-bank")
    read = simulate(sequential(count))
    bits = 8 * read.bus_bytes
    return [
        Row("sequential reads", "pJ/bit", 6.25, per_bit(read)),
        Row("- read", "pJ/bit", 5.26, read.energy.read_pj / bits, 6.25),
        Row("- activate, precharge", "pJ/bit", 0.07, read.energy.activate_pj / bits, 6.25),
        Row("- background", "pJ/bit", 0.79, read.energy.background_pj / bits, 6.25),
        Row("- refresh", "pJ/bit", 0.12, read.energy.refresh_pj / bits, 6.25),
        Row("sequential writes", "pJ/bit", 4.86, per_bit(simulate(sequential(count, write=True)))),
        Row("random reads of 256 B", "pJ/bit", 6.76, per_bit(simulate(random(count // 8, 256), per_bank))),
        Row("random reads of 32 B", "pJ/bit", 11.80, per_bit(simulate(random(count), per_bank))),
    ]
