"""The page of a simulation: one file that opens offline, figures inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sim.html import image, render_template
from sim.simulation_findings import findings, slower
from sim.simulation_summary import SimulationSummary
from sim.units import ENERGIES, SIZES, TIMES, unit_for

__all__ = ["render_simulation"]


@dataclass(frozen=True)
class _Column:
    field: str
    title: str
    unit: str = ""
    format: str = "%.1f"
    scale: float = 1e-3
    text: bool = False
    total: bool = True


_COLUMNS = (
    _Column("layer", "name", text=True),
    _Column("op", "op", text=True),
    _Column("macs", "MACs", "M", "%.2f", 1e-6),
    _Column("steps", "steps", "", "%d", 1),
    *(_Column(f"{kind}_bytes", kind, "kB") for kind in ("input", "output", "weight", "index", "refetch", "partial")),
    _Column("total_bytes", "all", "kB"),
    _Column("raw_total_bytes", "no codecs", "kB"),
    _Column("time_us", "time", "µs", "%.1f", 1),
    _Column("raw_time_us", "no codecs", "µs", "%.1f", 1),
    _Column("bottleneck", "bottleneck", text=True),
    _Column("bottleneck_share", "busy", "% of time", "%.0f", 100, total=False),
    _Column("utilization", "array", "% of MACs", "%.0f", 100, total=False),
    *(_Column(f"{name}_us", name, "µs", "%.1f", 1) for name in ("memory", "decode", "compute", "encode")),
    _Column("dram_energy_pj", "DRAM", "µJ", "%.1f", 1e-6),
    _Column("energy_pj", "energy", "µJ", "%.1f", 1e-6),
    _Column("raw_energy_pj", "no codecs", "µJ", "%.1f", 1e-6),
    _Column("codec_pj", "codecs", "µJ", "%.2f", 1e-6),
    _Column("on_chip", "stays on chip", text=True),
    _Column("mapping", "mapping", text=True),
)


@dataclass(frozen=True)
class _Moved:
    """A part of the energy, how far the total moves with it, and the saving when it is 20 % greater."""

    part: str
    energy_pj: float
    moves_pct: float
    saving_pct: float


def render_simulation(summary: SimulationSummary, figures: Mapping[str, str], command: str) -> str:
    """The page as HTML; `figures` are SVG texts by name."""
    totals = {
        column.field: sum(getattr(row, column.field) for row in summary.layers)
        for column in _COLUMNS
        if column.total and not column.text
    }
    return render_template(
        "simulation.html.j2",
        s=summary,
        figure=lambda name: image(name, figures[name]),
        command=command,
        columns=_COLUMNS,
        totals=totals,
        moved=_moved(summary),
        memory=_memory(summary),
        slower=slower(summary),
        findings=findings(summary),
        change=_change,
        size=unit_for(SIZES, summary.raw.total_bytes),
        energy=unit_for(ENERGIES, summary.coded.total_energy_pj),
        time=unit_for(TIMES, summary.coded.time_ms),
    )


def _change(before: float, after: float) -> str:
    if not before:
        return "none"
    percent = 100 * (after / before - 1)
    if abs(percent) < 0.05:
        return "no change"
    return f"{abs(percent):.1f} % {'less' if percent < 0 else 'more'}"


def _moved(summary: SimulationSummary) -> list[_Moved]:
    coded, raw = summary.coded, summary.raw
    rows = []
    for part, value in coded.energy_pj.items():
        if not (value or raw.energy_pj[part]):
            continue
        base = raw.total_energy_pj + 0.2 * raw.energy_pj[part]
        saving = 100 * (1 - (coded.total_energy_pj + 0.2 * value) / base) if base else 0.0
        name = part.removesuffix("_pj").replace("dram_", "DRAM ").replace("_", " ")
        rows.append(_Moved(name, value, coded.sensitivity_20_pct[part], saving))
    return sorted(rows, key=lambda row: -row.energy_pj)


def _memory(summary: SimulationSummary) -> str:
    memory = summary.accelerator["memory"]
    if memory["device"] is None:
        return f"{memory['bandwidth_gbps']:g} GB/s of memory"
    return (
        f"{memory['channels']} × {memory['device']}, blocks of {memory['interleave_bytes']} bytes, {memory['mapping']}"
    )
