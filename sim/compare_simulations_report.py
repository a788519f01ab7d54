"""Two simulations side by side: terminal table and page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from sim.compare_simulations import SimulationComparison, Total
from sim.html import image, render_template
from sim.output import write_file
from sim.plots import layer_ticks, styled, to_svg
from sim.section import Section
from sim.simulation_summary import SimulationSummary

__all__ = ["print_simulations", "simulation_bars", "write_simulations"]

_COLORS = ("#9aa5b1", "#1f5fa8")
_FIELDS = (("total_bytes", 1e-3, "external\n[kB per image]"), ("time_us", 1.0, "time\n[µs per image]"))


def write_simulations(found: SimulationComparison, folder: Path, command: str) -> None:
    """Write the page into `folder`.

    Raises
    ------
    ValueError
        If the folder cannot be written.
    """
    page = render_template(
        "compare_simulations.html.j2",
        c=found,
        labels=(_label(found.a), _label(found.b)),
        figure=image("layers", to_svg(simulation_bars(found))),
        change=change,
        command=command,
    )
    write_file(folder / "index.html", page)


def change(total: Total) -> str:
    """The change as text, empty where it has no meaning."""
    return "" if total.change_pct is None else f"{total.change_pct:+.1f} %"


def _label(summary: SimulationSummary) -> str:
    return f"{summary.network} on {summary.accelerator['name']}, {summary.coded.name}"


@styled
def simulation_bars(found: SimulationComparison) -> Figure:
    """Bars per layer, both designs: bytes above, time below."""
    width_in = float(np.clip(2.5 + 0.35 * len(found.layers), 5, 11))
    figure = Figure(figsize=(width_in, 5.2), layout="constrained")
    rows = figure.subplots(len(_FIELDS), 1, sharex=True)
    for axes, (field, scale, label) in zip(rows, _FIELDS, strict=True):
        _bars(axes, found, field, scale)
        axes.set_ylabel(label)
        axes.grid(axis="y", color="#e4e8ec", linewidth=0.8)
    rows[0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    rows[0].tick_params(axis="x", length=0)
    layer_ticks(rows[-1], [pair.layer for pair in found.layers])
    return figure


def _bars(axes: Axes, found: SimulationComparison, field: str, scale: float) -> None:
    places = np.arange(len(found.layers))
    for side, (letter, color) in enumerate(zip("AB", _COLORS, strict=True)):
        sides = [(pair.a, pair.b)[side] for pair in found.layers]
        heights = [getattr(row, field) * scale if row else 0.0 for row in sides]
        label = f"{letter}: {_label((found.a, found.b)[side])}"
        axes.bar(places + 0.4 * side - 0.2, heights, 0.4, color=color, label=label)


def print_simulations(found: SimulationComparison, console: Console) -> None:
    """Print what was asked differently, and the totals."""
    for letter, name, summary in zip("AB", found.names, (found.a, found.b), strict=True):
        console.print(f"{letter}: {name} ({_label(summary)})", highlight=False, markup=False, soft_wrap=True)
    for setting, a, b in found.differences:
        console.print(f"   {setting}: {a} | {b}", highlight=False, markup=False, soft_wrap=True)
    rows = tuple((total.name, f"{total.a:.3f}", f"{total.b:.3f}", total.unit, change(total)) for total in found.totals)
    Section("one image, with codecs", ("", "A", "B", "unit", "change"), rows, ()).print(console)
