"""The validation against Eyeriss as tables in the terminal, Markdown, CSV rows and a figure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from sim.validate_eyeriss import ASSUMPTIONS, LIMITS_PCT, LayerCheck, Validation

__all__ = ["csv_text", "eyeriss_figure", "markdown", "print_validation"]

_FIGURES = {"bytes": ("external MB", 1e-6, 2), "time": ("processing ms", 1.0, 1), "power": ("power mW", 1.0, 0)}
_MODEL, _CHIP = "#1f5fa8", "#9aa5b1"


def print_validation(validation: Validation, console: Console) -> None:
    """Print a table for each network, the constants, limits and assumptions."""
    for network, rows in validation.networks.items():
        table = Table(title=_title(network), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left")
        table.add_column("layer", no_wrap=True)
        for heading in _headings():
            table.add_column(heading.replace(" ", "\n", 1), justify="right", no_wrap=True)
        for row in rows:
            table.add_row(row.layer.shape.name, *_cells(row))
        console.print(table)
        for line in _summary(validation, network):
            console.print(line, highlight=False, soft_wrap=True)
        console.print()
    console.print(_constants(validation), highlight=False, soft_wrap=True)
    console.print("; ".join(validation.misses) or "all limits hold", highlight=False)
    console.print("\nassumed where the paper is silent:")
    for note in ASSUMPTIONS:
        console.print(textwrap.fill(note, 78, initial_indent="* ", subsequent_indent="  "), highlight=False)


def markdown(validation: Validation) -> str:
    """The same as Markdown."""
    lines = ["# Eyeriss: model and silicon", ""]
    for network, rows in validation.networks.items():
        lines += [f"## {_title(network)}", "", "| layer | " + " | ".join(_headings()) + " |"]
        lines += ["|---|" + "---:|" * len(list(_headings()))]
        lines += [f"| {row.layer.shape.name} | " + " | ".join(_cells(row)) + " |" for row in rows]
        lines += ["", *(f"* {line}" for line in _summary(validation, network)), ""]
    lines += [_constants(validation), "", "Assumed where the paper is silent:", ""]
    return "\n".join([*lines, *(f"* {note}" for note in ASSUMPTIONS), ""])


def csv_text(validation: Validation) -> str:
    """One line for each layer, with its mapping and bytes by kind."""
    names = ("network", "layer", "filters", "images", "rows", "input_bytes", "weight_bytes", "output_bytes")
    figures = ("bytes", "time_ms", "power_mw", "buffer_bytes")
    lines = [",".join([*names, *(f"{side}_{name}" for name in figures for side in ("model", "chip"))])]
    for network, rows in validation.networks.items():
        for row in rows:
            tile = (row.mapping.filters, row.mapping.images, row.mapping.rows)
            kinds = (row.input_bytes, row.weight_bytes, row.output_bytes)
            pairs = [side[name.split("_")[0]] for name in figures for side in (row.model, row.chip)]
            values = [*(f"{value:.0f}" for value in kinds), *(f"{value:.6g}" for value in pairs)]
            lines.append(",".join([network, row.layer.shape.name, *map(str, tile), *values]))
    return "\n".join([*lines, ""])


def eyeriss_figure(validation: Validation) -> Figure:
    """Bars of model and chip for each layer: external bytes, time and power, a column for each network."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    widths = [len(rows) + 2 for rows in validation.networks.values()]
    grid = figure.subplots(len(_FIGURES), len(widths), squeeze=False, width_ratios=widths)
    for column, (network, rows) in enumerate(validation.networks.items()):
        for line, name in enumerate(_FIGURES):
            _bars(grid[line, column], rows, name)
            grid[line, column].set_title(_error_words(validation, network, name), fontsize=8, loc="left")
        grid[0, column].text(0, 1.2, network, transform=grid[0, column].transAxes, fontsize=10, weight="bold")
    grid[0, -1].legend(frameon=False, ncols=2, fontsize=8)
    return figure


def _bars(axes: Axes, rows: tuple[LayerCheck, ...], name: str) -> None:
    label, scale, _ = _FIGURES[name]
    places = np.arange(len(rows))
    axes.bar(places - 0.2, [scale * row.chip[name] for row in rows], 0.4, color=_CHIP, label="chip")
    axes.bar(places + 0.2, [scale * row.model[name] for row in rows], 0.4, color=_MODEL, label="model")
    axes.set_ylabel(f"{label.rsplit(' ', 1)[0]} [{label.rsplit(' ', 1)[1]}]", fontsize=8)
    names = [row.layer.shape.name.removeprefix("conv") for row in rows]
    axes.set_xticks(places, names, fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="#e4e8ec", linewidth=0.8)


def _title(network: str) -> str:
    return f"{network} on Eyeriss: chip, model, error of the model"


def _headings() -> Iterator[str]:
    for label, _, _ in _FIGURES.values():
        yield from (f"{label.rsplit(' ', 1)[0]} {label.rsplit(' ', 1)[1]}", "model", "%")


def _cells(row: LayerCheck) -> Iterator[str]:
    for name, (_, scale, digits) in _FIGURES.items():
        yield f"{scale * row.chip[name]:.{digits}f}"
        yield f"{scale * row.model[name]:.{digits}f}"
        yield f"{row.error_pct(name):+.1f}"


def _error_words(validation: Validation, network: str, figure: str) -> str:
    errors = validation.errors_pct(network, figure)
    total = "" if figure == "power" else f", total {errors['total']:+.1f} %"
    return f"mean error {errors['mean']:.1f} %, greatest {errors['max']:.1f} %{total}"


def _summary(validation: Validation, network: str) -> Iterator[str]:
    for figure, (label, _, _) in _FIGURES.items():
        limits = [
            f"{kind} {LIMITS_PCT[key]:g}"
            for kind in ("mean", "max", "total")
            if (key := (network, figure, kind)) in LIMITS_PCT
        ]
        asked = f" (limits: {', '.join(limits)})" if limits else " (no limit set)"
        yield f"{label.rsplit(' ', 1)[0]}: {_error_words(validation, network, figure)}{asked}"
    errors = validation.errors_pct(network, "buffer")
    yield f"buffer accesses, for information: mean error {errors['mean']:.1f} %, greatest {errors['max']:.1f} %"


def _constants(validation: Validation) -> str:
    found = validation.constants
    return (
        "fitted on AlexNet, for all layers of both networks: one constant of time, "
        f"{found.overhead_cycles:.0f} cycles of set-up a pass; two of power, {found.mac_pj:.2f} pJ a MAC and "
        f"{found.idle_mw:.0f} mW idle"
    )
