"""Figures of a report. Each function returns a `Figure`; `to_svg` and `to_png` make the same bytes each time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.break_even import BreakEven
from sim.summary import LayerRow, Summary

__all__ = ["COLORS", "break_even", "codecs", "energy_parts", "layers", "to_png", "to_svg", "zeros"]

COLORS = {
    "raw": "#9aa5b1",
    "srlc": "#c98b2b",
    "zrlc": "#7a5195",
    "zvc": "#2a9d8f",
    "prc": "#b5485d",
    "best": "#1f5fa8",
}
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
}


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
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
    axes.grid(axis="y", color="#e4e8ec", linewidth=0.8)
    return figure, axes


def _layer_ticks(axes: Axes, rows: Sequence[LayerRow]) -> None:
    axes.set_xticks(range(len(rows)), [row.layer for row in rows], rotation=90, fontsize=6.5)
    axes.set_xlim(-0.7, len(rows) - 0.3)


def layers(summary: Summary) -> Figure:
    """Bars per layer: bus bytes of all that the layer moves, raw against coded."""
    figure, axes = _figure(11, 3.8)
    rows, places = summary.layers, np.arange(len(summary.layers))
    codec = summary.config["codec"]
    axes.bar(places, [row.raw_bus_bytes / 1e3 for row in rows], 0.85, color="#d4dae0", label="raw")
    axes.bar(places, [row.bus_bytes / 1e3 for row in rows], 0.55, color=COLORS[codec], label=codec)
    axes.set_ylabel("bus traffic [kB per image]")
    axes.legend(frameon=False)
    _layer_ticks(axes, rows)
    return figure


def zeros(summary: Summary) -> Figure:
    """Zeros of each layer's output, coloured by activation, with the entropy of its symbols."""
    figure, axes = _figure(11, 3.4)
    rows = [row for row in summary.layers if row.zero_fraction is not None]
    kinds = list(dict.fromkeys(row.activation for row in rows))
    palette = [*(color for name, color in COLORS.items() if name != "raw"), "#9aa5b1", "#444b54"]
    for kind, color in zip(kinds, palette * (1 + len(kinds) // len(palette)), strict=False):
        chosen = [k for k, row in enumerate(rows) if row.activation == kind]
        axes.bar(chosen, [100 * (rows[k].zero_fraction or 0) for k in chosen], 0.8, color=color, label=kind)
    axes.set_ylabel("zeros [%]")
    axes.set_ylim(0, 100)
    axes.legend(frameon=False, ncols=4, loc="upper left")
    entropy = axes.twinx()
    entropy.plot(range(len(rows)), [row.entropy_bits_per_value or 0 for row in rows], ".", color="#222", markersize=4)
    entropy.set_ylabel("order-0 entropy [bits per value], dots")
    entropy.set_ylim(0, summary.config["word_bits"])
    _layer_ticks(axes, rows)
    return figure


def codecs(summary: Summary) -> Figure:
    """One bar per codec: raw bytes over bus bytes, with the spread over the images."""
    figure, axes = _figure(5.2, 3.2)
    for place, total in enumerate(summary.totals):
        axes.bar(place, total.ratio.mean, 0.65, color=COLORS[total.codec])
        around = [[total.ratio.mean - total.ratio.min], [total.ratio.max - total.ratio.mean]]
        axes.errorbar([place], [total.ratio.mean], around, color="#222", capsize=4, linewidth=1)
        axes.annotate(
            f"{total.ratio.mean:.3f}", (place, total.ratio.max), (0, 4), textcoords="offset points", ha="center"
        )
    axes.axhline(summary.entropy_ratio, color="#b5485d", linewidth=1, linestyle="--")
    axes.annotate(
        "order-0 entropy", (-0.35, summary.entropy_ratio), (0, 3), textcoords="offset points", color="#b5485d"
    )
    axes.set_xticks(range(len(summary.totals)), [total.codec for total in summary.totals])
    axes.set_ylabel("raw bytes / bus bytes")
    axes.set_ylim(0, 1.15 * max(summary.entropy_ratio, *(total.ratio.max for total in summary.totals)))
    return figure


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
    axes.legend(frameon=False, fontsize=7.5, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def break_even(curves: BreakEven, summary: Summary) -> Figure:
    """Ratio over the fraction of zeros: synthetic curves, and the run's own tensors as points."""
    figure, axes = _figure(7.2, 3.6)
    for codec, ratios in curves.ratios.items():
        axes.plot(100 * curves.zero_fractions, ratios, color=COLORS[codec], label=f"{codec}, synthetic", linewidth=1.4)
    rows = [row for row in summary.layers if row.output_ratio is not None and row.zero_fraction is not None]
    codec = summary.config["codec"]
    points = [(100 * (row.zero_fraction or 0), row.output_ratio or 0) for row in rows]
    across, up = np.array(points).reshape(-1, 2).T
    axes.plot(across, up, "o", markersize=4, color="#222", label=f"{codec}, this network's tensors", zorder=3)
    axes.axhline(1, color="#555", linewidth=0.8)
    axes.set_yscale("log", base=2)
    top = 1.2 * max([2.0, *(ratio for _, ratio in points)])
    axes.set_ylim(0.65, min(max(top, 4.0), 64.0))
    axes.set_yticks([tick for tick in (0.75, 1, 1.5, 2, 3, 4, 8, 16, 32) if tick < axes.get_ylim()[1]])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("zeros [%]")
    axes.set_ylabel("raw bytes / bus bytes")
    axes.legend(frameon=False, fontsize=7.5)
    return figure
