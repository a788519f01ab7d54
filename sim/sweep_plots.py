"""The figure of a sweep: for each network what its designs save, and what they need on chip for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.plots import COLORS, styled
from sim.sweep_grid import NO_ACCELERATOR
from sim.sweep_table import Row, pareto_front, varying_axes

__all__ = ["pareto", "row_label"]

_ALL_LABELLED = 12  # points of a network; among more, only those on the front bear a label
_LABEL_POINTS = 6.5
_LETTER, _LINE = 0.017, 0.05  # of a label, as shares of the points' spread
_GREY = "#9aa5b1"
_Place = tuple[float, float]

_GROUP = ("network", "images", "mean", "spread", "accelerator")


@styled
def pareto(rows: Sequence[Row]) -> Figure:
    """Two plots for each network and accelerator: ratio over energy, and energy over the tile on chip with its front.

    Parameters
    ----------
    rows : sequence of Row
        At least one, none failed.
    """
    groups = list(dict.fromkeys(row.group for row in rows))
    figure = Figure(figsize=(10.4, 3.6 * len(groups)), layout="constrained")
    axes = figure.subplots(len(groups), 2, squeeze=False)
    for group, (left, right) in zip(groups, axes, strict=True):
        members = [row for row in rows if row.group == group]
        names = {row: row_label(row, rows) for row in members if row.pareto or len(members) <= _ALL_LABELLED}
        _saved(left, members, names)
        _needed(right, members, names)
        chip = "" if group[-1] == NO_ACCELERATOR else f" on {Path(group[-1]).stem}"
        left.set_title(Path(group[0]).stem + chip, loc="left")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels))
    return figure


def row_label(row: Row, rows: Sequence[Row]) -> str:
    """What tells a point from the others of its network."""
    axes = [name for name in varying_axes(rows) if name not in _GROUP]
    return " ".join(_short(name, row.outcome.point[name]) for name in axes) or str(row.outcome.point["codec"])


def _short(axis: str, value: object) -> str:
    """A value as a word that tells its axis, too."""
    shapes = {"word_bits": "{}-bit", "run_bits": "run {}", "burst_bytes": "{} B", "scan": "{}", "bypass": "{} bypass"}
    shapes |= {"residency": "{} resident", "fuse": "fused {}"}
    return shapes.get(axis, "{}").format(value)


def _saved(axes: Axes, rows: Sequence[Row], names: dict[Row, str]) -> None:
    _points(axes, rows, names, [(row.figures.dram_energy_pj / 1e6, row.figures.ratio) for row in rows])
    axes.set_xlabel("external-memory energy [µJ per image]")
    axes.set_ylabel("raw bytes / bus bytes\nof the activations")


def _needed(axes: Axes, rows: Sequence[Row], names: dict[Row, str]) -> None:
    places = [(float(row.figures.tile_bytes), row.figures.dram_energy_pj / 1e6) for row in rows]
    front = pareto_front(places)
    axes.step(*zip(*front, strict=True), where="post", color="#222222", linewidth=1, zorder=1)
    _points(axes, rows, names, places)
    sizes = sorted({place[0] for place in places})
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.minorticks_off()
    axes.set_xlim(sizes[0] / 1.5, sizes[-1] * 2.5)  # room for the labels
    axes.set_xlabel("tile on chip [bytes]")
    axes.set_ylabel("external-memory energy\n[µJ per image]")


def _points(axes: Axes, rows: Sequence[Row], names: dict[Row, str], places: Sequence[tuple[float, float]]) -> None:
    """A dot for each row in its codec's colour, hollow off the front; a label where there is room."""
    axes.grid(color="#e4e8ec", linewidth=0.8)
    for codec, color in COLORS.items():
        for full in (True, False):
            chosen = [
                place
                for row, place in zip(rows, places, strict=True)
                if row.outcome.point["codec"] == codec and row.pareto == full
            ]
            face = color if full else "none"
            across, up = zip(*chosen, strict=True) if chosen else ((), ())
            axes.plot(across, up, "o", markersize=5, markerfacecolor=face, markeredgecolor=color)
        if any(row.outcome.point["codec"] == codec for row in rows):
            axes.plot([], [], "o", markersize=5, color=color, label=codec)
    labels: dict[_Place, list[str]] = {}
    for row, place in sorted(zip(rows, places, strict=True), key=lambda pair: not pair[0].pareto):
        if row in names:
            labels.setdefault(place, []).append(names[row])
    for place, text in _apart({place: ", ".join(texts) for place, texts in labels.items()}).items():
        axes.annotate(text, place, (5, 2), textcoords="offset points", fontsize=_LABEL_POINTS, color="#444")
    axes.margins(x=0.15, y=0.12)


def _apart(labels: dict[_Place, str]) -> dict[_Place, str]:
    """The labels, first ones first, that do not lie on those before them."""
    across, up = (max(values) - min(values) or 1.0 for values in zip(*labels, strict=True)) if labels else (1.0, 1.0)
    kept: dict[_Place, str] = {}
    for (x, y), text in labels.items():
        width = _LETTER * across
        near = [(left, told) for (left, height), told in kept.items() if abs(height - y) < _LINE * up]
        if not any(left - width * len(text) < x < left + width * len(told) for left, told in near):
            kept[x, y] = text
    return kept
