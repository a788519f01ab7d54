"""A comparison as terminal table and as a page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from sim.compare import Comparison, change_pct
from sim.html import image, render_template
from sim.output import write_file
from sim.plots import layer_ticks, styled, to_svg
from sim.units import ENERGIES, SIZES, TIMES, unit_for

__all__ = ["compare_page", "layer_bars", "print_comparison", "write_comparison"]

_SHOWN = 10  # layers in the terminal: those that differ most
_COLORS = ("#9aa5b1", "#1f5fa8")
_MORE, _LESS = "#b5485d", "#2a9d8f"


def write_comparison(found: Comparison, folder: Path, command: str) -> None:
    """Write the page into `folder`.

    Raises
    ------
    ValueError
        If the folder cannot be written.
    """
    write_file(folder / "index.html", compare_page(found, to_svg(layer_bars(found)), command))


def compare_page(found: Comparison, svg: str, command: str) -> str:
    """The page as text; `svg` is the figure of `layer_bars`."""
    totals = [total for _, *both in found.codecs for total in both if total]
    return render_template(
        "compare.html.j2",
        c=found,
        chosen=found.chosen,
        figure=image("layers", svg),
        change=_change,
        percent=change_pct,
        size=unit_for(SIZES, max(total.moved_bytes for total in totals)),
        energy=unit_for(ENERGIES, max(total.dram_energy_pj for total in totals)),
        time=unit_for(TIMES, max(total.dram_time_ms for total in totals)),
        command=command,
    )


def _change(a: float | None, b: float | None) -> str:
    """The change from A to B as text, empty where it has no meaning."""
    change = None if a is None or b is None else change_pct(a, b)
    return "" if change is None else f"{change:+.2f} %"


@styled
def layer_bars(found: Comparison) -> Figure:
    """Bars per layer: the bytes of both above, and below what B moves more or less."""
    pairs, places = found.layers, np.arange(len(found.layers))
    width_in = float(np.clip(2.5 + 0.35 * len(pairs), 5, 11))
    figure = Figure(figsize=(width_in, 4.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    for side, (name, color) in enumerate(zip("AB", _COLORS, strict=True)):
        rows = [(pair.a, pair.b)[side] for pair in pairs]
        top.bar(
            places + 0.4 * side - 0.2,
            [row.bus_bytes / 1e3 if row else 0 for row in rows],
            0.4,
            color=color,
            label=f"{name}: {_name(found, side)}",
        )
    added = [pair.added_bytes / 1e3 for pair in pairs]
    bottom.bar(places, added, 0.6, color=[_MORE if value > 0 else _LESS for value in added])
    bottom.axhline(0, color="#555", linewidth=0.8)
    top.set_ylabel("read + written\n[kB per image]")
    bottom.set_ylabel("B − A\n[kB per image]")
    for axes in (top, bottom):
        axes.grid(axis="y", color="#e4e8ec", linewidth=0.8)
    top.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    layer_ticks(bottom, [pair.layer for pair in pairs])
    top.tick_params(axis="x", length=0)
    return figure


def _name(found: Comparison, side: int) -> str:
    summary = (found.a, found.b)[side]
    return f"{summary.network}, {summary.config['codec']}"


def print_comparison(found: Comparison, console: Console) -> None:
    """Print what was asked differently, the totals and the layers that differ most."""
    for letter, name, side in zip("AB", found.names, (0, 1), strict=True):
        console.print(f"{letter}: {name} ({_name(found, side)})", highlight=False, markup=False, soft_wrap=True)
    for one in found.differences:
        console.print(f"   {one.name}: {one.a} | {one.b}", highlight=False, markup=False, soft_wrap=True)
    console.print(_totals_table(found))
    console.print(_layers_table(found))
    if found.unpaired:
        console.print(f"{found.unpaired} of {len(found.layers)} layers are in one report only")


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=bool(number))
    return table


def _totals_table(found: Comparison) -> Table:
    totals = [total for _, *both in found.codecs for total in both if total]
    size = unit_for(SIZES, max(total.moved_bytes for total in totals))
    energy = unit_for(ENERGIES, max(total.dram_energy_pj for total in totals))
    units = (f"traffic\nA {size.name}", f"\nB {size.name}", "\nchange", f"DRAM\nA {energy.name}", f"\nB {energy.name}")
    table = _table("all traffic of one image, codec by codec", "codec", "ratio\nA", "\nB", *units)
    for codec, a, b in found.codecs:
        table.add_row(
            codec,
            *(f"{total.ratio:.3f}" if total else "" for total in (a, b)),
            *(size(total.moved_bytes) if total else "" for total in (a, b)),
            _change(a.moved_bytes if a else None, b.moved_bytes if b else None),
            *(energy(total.dram_energy_pj) if total else "" for total in (a, b)),
        )
    return table


def _layers_table(found: Comparison) -> Table:
    most = sorted(found.layers, key=lambda pair: -abs(pair.added_bytes))[:_SHOWN]
    table = _table("layers that differ most", "layer", "A kB", "B kB", "B - A kB", "change")
    for pair in most:
        a, b = (row.bus_bytes if row else None for row in (pair.a, pair.b))
        sizes = ("" if value is None else f"{value / 1e3:.1f}" for value in (a, b))
        table.add_row(pair.layer, *sizes, f"{pair.added_bytes / 1e3:+.1f}", _change(a, b))
    return table
