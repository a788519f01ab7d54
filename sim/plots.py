"""Figures of a report. Each function returns a `Figure`; `to_svg` and `to_png` make the same bytes each time."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.break_even import BreakEven
from sim.summary import LayerRow, Summary

__all__ = [
    "COLORS",
    "break_even",
    "codecs",
    "energy_parts",
    "layer_ticks",
    "layers",
    "styled",
    "to_png",
    "to_svg",
    "zeros",
]

COLORS = {
    "raw": "#9aa5b1",
    "srlc": "#c98b2b",
    "zrlc": "#7a5195",
    "zvc": "#2a9d8f",
    "prc": "#b5485d",
    "best": "#1f5fa8",
}
_INK, _PALE, _LIMIT = "#222222", "#d4dae0", "#b5485d"
_PARTS = {
    "DRAM read": (("dram_read_core_pj", "dram_read_io_pj"), "#1f5fa8"),
    "DRAM write": (("dram_write_core_pj", "dram_write_io_pj"), "#2a9d8f"),
    "activate": (("dram_activate_pj",), "#c98b2b"),
    "background + refresh": (("dram_background_pj", "dram_refresh_pj"), "#9aa5b1"),
    "MAC": (("mac_pj",), "#7a5195"),
}
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "thinwire",
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
}
_LABELS = 70  # layers that have room for a name each
_LABEL_LETTERS = 22

_Arguments = ParamSpec("_Arguments")


def styled(draw: Callable[_Arguments, Figure]) -> Callable[_Arguments, Figure]:
    """Draw in our style, whatever the settings outside."""

    @wraps(draw)
    def inside(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Figure:
        with rc_context(_STYLE):
            return draw(*args, **kwargs)

    return inside


def to_svg(figure: Figure) -> str:
    """The figure as SVG text, without a date."""
    buffer = io.StringIO()
    with rc_context(_STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return buffer.getvalue()


def to_png(figure: Figure, dots_per_inch: int = 150) -> bytes:
    """The figure as PNG."""
    buffer = io.BytesIO()
    with rc_context(_STYLE):
        figure.savefig(buffer, format="png", dpi=dots_per_inch, metadata={"Software": None}, bbox_inches="tight")
    return buffer.getvalue()


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    _rule(axes)
    return figure, axes


def _rule(axes: Axes) -> None:
    axes.grid(axis="y", color="#e4e8ec", linewidth=0.8)


def _width(rows: Sequence[LayerRow]) -> float:
    """Inches for a bar per layer."""
    return float(np.clip(2.5 + 0.35 * len(rows), 5, 11))


def layer_ticks(axes: Axes, layers: Sequence[str]) -> None:
    """A name under each bar; under every second, third... where there are many."""
    step = -(-len(layers) // _LABELS) or 1
    names = [_short(layer) for layer in layers[::step]]
    flat = len(layers) <= 8 and max(map(len, names), default=0) <= 8
    axes.set_xticks(range(0, len(layers), step), names, rotation=0 if flat else 90, fontsize=9 if flat else 6.5)
    axes.set_xlim(-0.7, len(layers) - 0.3)


def _short(name: str) -> str:
    """The end of a long name: exporters put the module in front."""
    return name if len(name) <= _LABEL_LETTERS else "…" + name[1 - _LABEL_LETTERS :]


def _legend(axes: Axes, columns: int) -> None:
    """Above the axes, where no bar can be."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.2)


@styled
def layers(summary: Summary) -> Figure:
    """Bars per layer: activations on the bus, raw against coded, and below them the weights."""
    rows, places = summary.layers, np.arange(len(summary.layers))
    codec = summary.config["codec"]
    figure = Figure(figsize=(_width(rows), 4.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    raw = [(row.raw_bus_bytes - row.weight_bytes) / 1e3 for row in rows]
    top.bar(places, raw, 0.85, color=_PALE, label="activations, raw")
    coded = [(row.bus_bytes - row.weight_bytes) / 1e3 for row in rows]
    top.bar(places, coded, 0.55, color=COLORS[codec], label=f"activations, {codec}")
    top.set_ylabel("read + written\n[kB per image]")
    bottom.bar(places, [row.weight_bytes / 1e3 for row in rows], 0.55, color="#5b6875", label="weights")
    bottom.set_ylabel("weights\n[kB per image]")
    _rule(top)
    _rule(bottom)
    _legend(top, 2)
    layer_ticks(bottom, [row.layer for row in rows])
    top.tick_params(axis="x", length=0)
    return figure


@styled
def zeros(summary: Summary) -> Figure:
    """Zeros of each layer's output, coloured by activation, with the entropy of its symbols."""
    rows = [row for row in summary.layers if row.zero_fraction is not None]
    figure, axes = _figure(_width(rows), 3.4)
    kinds = list(dict.fromkeys(row.activation for row in rows))
    palette = [*(color for name, color in COLORS.items() if name != "raw"), "#9aa5b1", "#444b54"]
    for kind, color in zip(kinds, palette * (1 + len(kinds) // len(palette)), strict=False):
        chosen = [k for k, row in enumerate(rows) if row.activation == kind]
        axes.bar(chosen, [100 * (rows[k].zero_fraction or 0) for k in chosen], 0.8, color=color, label=kind)
    axes.set_ylabel("zeros [%]")
    axes.set_ylim(0, 100)
    entropy = axes.twinx()
    heights = [row.entropy_bits_per_value or 0 for row in rows]
    entropy.plot(range(len(rows)), heights, ".", color=_INK, markersize=4, clip_on=False)
    axes.plot([], [], ".", color=_INK, markersize=4, label="entropy (right axis)")
    entropy.set_ylabel("order-0 entropy\n[bits per value]")
    entropy.set_ylim(0, summary.config["word_bits"])
    entropy.spines["right"].set_visible(True)
    _legend(axes, 5)
    layer_ticks(axes, [row.layer for row in rows])
    return figure


@styled
def codecs(summary: Summary) -> Figure:
    """One bar per codec: raw bytes over bus bytes, with the spread over the images."""
    figure, axes = _figure(5.2, 3.2)
    for place, total in enumerate(summary.totals):
        ratio, images = total.ratio, total.ratio_images
        axes.bar(place, ratio, 0.65, color=COLORS[total.codec])
        around = [[max(ratio - images.min, 0)], [max(images.max - ratio, 0)]]
        axes.errorbar([place], [ratio], around, color=_INK, capsize=4, linewidth=1)
        above = (place, max(ratio, images.max))
        axes.annotate(f"{ratio:.3f}", above, (0, 4), textcoords="offset points", ha="center")
    highest = max(max(total.ratio, total.ratio_images.max) for total in summary.totals)
    if summary.entropy_ratio is not None and summary.entropy_ratio < 4 * highest:
        highest = max(highest, summary.entropy_ratio)
        axes.axhline(summary.entropy_ratio, color=_LIMIT, linewidth=1, linestyle="--")
        start = (-0.35, summary.entropy_ratio)
        axes.annotate("order-0 entropy", start, (0, 3), textcoords="offset points", color=_LIMIT)
    axes.set_xticks(range(len(summary.totals)), [total.codec for total in summary.totals])
    axes.set_ylabel("raw bytes / bus bytes")
    axes.set_ylim(0, 1.15 * highest)
    return figure


@styled
def energy_parts(summary: Summary) -> Figure:
    """Energy of one image by part, one stacked bar per codec."""
    figure, axes = _figure(5.2, 3.2)
    bottoms = np.zeros(len(summary.totals))
    for label, (names, color) in _PARTS.items():
        heights = np.array([sum(total.energy_pj[name] for name in names) / 1e6 for total in summary.totals])
        axes.bar(range(len(heights)), heights, 0.65, bottoms, color=color, label=label)
        bottoms += heights
    axes.set_xticks(range(len(summary.totals)), [total.codec for total in summary.totals])
    axes.set_ylabel("energy [µJ per image]")
    axes.legend(fontsize=7.5, loc="upper left", bbox_to_anchor=(1, 1), reverse=True)
    return figure


@styled
def break_even(curves: BreakEven, summary: Summary) -> Figure:
    """Ratio over the fraction of zeros: synthetic curves, and the run's own tensors as points."""
    figure, axes = _figure(7.2, 3.6)
    for codec, ratios in curves.ratios.items():
        line: dict[str, Any] = {"linewidth": 5, "alpha": 0.3, "zorder": 1} if codec == "best" else {"linewidth": 1.4}
        axes.plot(100 * curves.zero_fractions, ratios, color=COLORS[codec], label=f"{codec}, synthetic", **line)
    rows = [row for row in summary.layers if row.output_ratio is not None and row.zero_fraction is not None]
    codec = summary.config["codec"]
    points = [(100 * (row.zero_fraction or 0), row.output_ratio or 0) for row in rows]
    across, up = np.array(points).reshape(-1, 2).T
    axes.plot(across, up, "o", markersize=4, color=_INK, label=f"{codec}, this network's tensors", zorder=3)
    axes.axhline(1, color="#555", linewidth=0.8)
    axes.set_yscale("log", base=2)
    ends = [ratio for _, ratio in points]
    low, high = 0.9 * min([0.75, *ends]), 1.2 * max([4.0, *ends])
    axes.set_ylim(low, high)
    axes.set_yticks([tick for tick in (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 8, 16, 32, 64) if low < tick < high])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_xlabel("zeros [%]")
    axes.set_ylabel("raw bytes / bus bytes")
    axes.legend(fontsize=7.5, loc="upper left", bbox_to_anchor=(1, 1))
    return figure
