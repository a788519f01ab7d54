"""A simulation in the terminal."""

from __future__ import annotations

from rich.console import Console

from sim.section import Section
from sim.simulation_findings import slower
from sim.simulation_summary import SimulatedDesign, SimulationSummary

__all__ = ["print_simulation"]

_HEADINGS = ("design", "MB", "weights", "index", "refetch", "ms", "array %", "DRAM µJ", "all µJ")


def print_simulation(summary: SimulationSummary, console: Console) -> None:
    """Print totals of both designs and what bounds their layers."""
    same = summary.raw.name == summary.coded.name
    designs = (summary.coded,) if same else (summary.raw, summary.coded)
    notes = [f"{design.name}: {_bounds(design)}" for design in designs]
    if reason := slower(summary):
        notes.append(f"codecs slow this design down: {reason}")
    title = f"{summary.network} on {summary.accelerator['name']}, one image"
    rows = tuple(_row(design) for design in designs)
    Section(title, _HEADINGS, rows, tuple(notes)).print(console)


def _row(design: SimulatedDesign) -> tuple[str, ...]:
    kinds = design.bytes_by_kind
    sizes = (design.total_bytes, kinds["weight"], kinds["index"], kinds["refetch"])
    return (
        design.name,
        *(f"{size / 1e6:.3f}" for size in sizes),
        f"{design.time_ms:.3f}",
        f"{100 * design.utilization:.0f}",
        f"{design.dram_energy_pj / 1e6:.1f}",
        f"{design.total_energy_pj / 1e6:.1f}",
    )


def _bounds(design: SimulatedDesign) -> str:
    bound = ", ".join(f"{count} by {name}" for name, count in design.layers_by_bottleneck.items() if count)
    return (
        f"layers bound {bound}; FIFOs that never stall memory: {design.read_fifo_bytes} / {design.write_fifo_bytes} B"
    )
