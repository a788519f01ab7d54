"""Figures of a simulation: bytes by kind, time, energy by part, roofline, timeline. Each returns a `Figure`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.pipeline import STAGES, Timeline
from sim.simulated_layer import LayerResult
from sim.simulation import Simulation
from sim.simulation_summary import SimulatedLayer, SimulationSummary

__all__ = ["energy_parts", "kinds", "network_timeline", "roofline", "time_per_layer", "timeline"]

_KINDS = {
    "input": "#1f5fa8",
    "output": "#2a9d8f",
    "weight": "#5b6875",
    "index": "#c98b2b",
    "refetch": "#b5485d",
    "partial": "#7a5195",
}
_RESOURCES = {"memory": "#1f5fa8", "decode": "#2a9d8f", "compute": "#5b6875", "encode": "#c98b2b"}
_STAGE_COLORS = ("#1f5fa8", "#2a9d8f", "#5b6875", "#c98b2b", "#7a5195")
_PARTS = {
    "DRAM read": (("dram_read_pj",), "#1f5fa8"),
    "DRAM write": (("dram_write_pj",), "#2a9d8f"),
    "DRAM I/O": (("dram_read_io_pj", "dram_write_io_pj", "dram_standby_io_pj"), "#6fb1e0"),
    "activate": (("dram_activate_pj",), "#c98b2b"),
    "background": (("dram_background_pj", "dram_power_down_pj"), "#9aa5b1"),
    "refresh": (("dram_refresh_pj",), "#d9b38c"),
    "MAC": (("mac_pj",), "#7a5195"),
    "registers": (("register_pj",), "#b08fc7"),
    "buffers": (("buffer_pj",), "#b5485d"),
    "codecs": (("codec_logic_pj", "codec_memory_pj", "weight_decoder_pj"), "#e07a3f"),
    "idle": (("idle_pj",), "#444b54"),
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
_MOST_LABELS = 70
_LETTERS = 22

_Arguments = ParamSpec("_Arguments")


def _styled(draw: Callable[_Arguments, Figure]) -> Callable[_Arguments, Figure]:
    @wraps(draw)
    def inside(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Figure:
        with rc_context(_STYLE):
            return draw(*args, **kwargs)

    return inside


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    """Axes of so many inches; labels and legends come on top, as files are cut around all that is drawn."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.grid(axis="y", color="#e4e8ec", linewidth=0.8)
    return figure, axes


def _width(layers: tuple[SimulatedLayer, ...]) -> float:
    return float(np.clip(2 + 0.35 * len(layers), 4.5, 10.4))


def _names(axes: Axes, layers: tuple[SimulatedLayer, ...]) -> None:
    step = -(-len(layers) // _MOST_LABELS)
    names = [row.layer if len(row.layer) <= _LETTERS else "…" + row.layer[1 - _LETTERS :] for row in layers[::step]]
    axes.set_xticks(range(0, len(layers), step), names, rotation=90, fontsize=6.5)
    axes.set_xlim(-0.7, len(layers) - 0.3)


def _legend(axes: Axes, columns: int) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.2)


@_styled
def kinds(summary: SimulationSummary) -> Figure:
    """Stacked bars per layer: bytes by kind; a tick where the design without codecs stands."""
    figure, axes = _axes(_width(summary.layers), 2.6)
    places, bottoms = np.arange(len(summary.layers)), np.zeros(len(summary.layers))
    for kind, color in _KINDS.items():
        heights = np.array([getattr(row, f"{kind}_bytes") / 1e3 for row in summary.layers])
        if heights.any():
            axes.bar(places, heights, 0.75, bottoms, color=color, label=kind)
        bottoms += heights
    raw = [row.raw_total_bytes / 1e3 for row in summary.layers]
    axes.plot(places, raw, "_", color="#222222", markersize=7, label="without codecs")
    axes.set_ylabel("external [kB per image]")
    _legend(axes, 7)
    _names(axes, summary.layers)
    return figure


@_styled
def time_per_layer(summary: SimulationSummary) -> Figure:
    """Bars per layer: time, coloured by bottleneck; a tick where the design without codecs stands."""
    figure, axes = _axes(_width(summary.layers), 2.4)
    for resource, color in _RESOURCES.items():
        chosen = [k for k, row in enumerate(summary.layers) if row.bottleneck == resource]
        if chosen:
            axes.bar(chosen, [summary.layers[k].time_us for k in chosen], 0.75, color=color, label=resource)
    raw = [row.raw_time_us for row in summary.layers]
    axes.plot(range(len(raw)), raw, "_", color="#222222", markersize=7, label="without codecs")
    axes.set_ylabel("time [µs per image]")
    _legend(axes, 5)
    _names(axes, summary.layers)
    return figure


@_styled
def energy_parts(summary: SimulationSummary) -> Figure:
    """Energy of one image by part, a stacked bar for each design."""
    figure, axes = _axes(3.2, 3.1)
    designs = (summary.raw, summary.coded)
    bottoms = np.zeros(len(designs))
    for label, (names, color) in _PARTS.items():
        heights = np.array([sum(design.energy_pj[name] for name in names) / 1e6 for design in designs])
        if heights.any():
            axes.bar(range(len(designs)), heights, 0.55, bottoms, color=color, label=label)
        bottoms += heights
    axes.set_xticks(range(len(designs)), [design.name for design in designs])
    axes.set_ylabel("energy [µJ per image]")
    if bottoms.any():
        axes.legend(fontsize=7.5, loc="upper left", bbox_to_anchor=(1, 1), reverse=True)
    return figure


@_styled
def roofline(summary: SimulationSummary, peak_macs_per_s: float, bytes_per_s: float) -> Figure:
    """Rate of each layer over its MACs per external byte, under the roofs of array and memory."""
    figure, axes = _axes(5.0, 3.1)
    rows = [row for row in summary.layers if row.macs]
    sets = (
        ([(row.macs / row.raw_total_bytes, row.macs / row.raw_time_us) for row in rows], "#9aa5b1", "without codecs"),
        ([(row.macs / row.total_bytes, row.macs / row.time_us) for row in rows], "#1f5fa8", "with codecs"),
    )
    across = [point[0] for points, _, _ in sets for point in points] or [1.0]
    line = np.geomspace(min(across) / 2, max([*across, peak_macs_per_s / bytes_per_s]) * 2, 50)
    roof = np.minimum(peak_macs_per_s, line * bytes_per_s) / 1e9
    axes.plot(line, roof, color="#b5485d", linewidth=1.2, label="roof: memory, array")
    for points, color, label in sets:
        if points:
            axes.plot(*np.array(points).T * [[1], [1e-3]], "o", markersize=4, color=color, alpha=0.8, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("MACs per external byte")
    axes.set_ylabel("10⁹ MACs per second")
    axes.legend(fontsize=7.5, loc="lower right")
    return figure


@_styled
def timeline(layer: LayerResult) -> Figure:
    """Gantt chart of one layer of the first image: a row for each stage, a bar for each step."""
    figure, axes = _axes(7.9, 1.7)
    _gantt(axes, layer.timeline)
    axes.set_title(f"{layer.plan.layer.name}, {layer.plan.steps} steps", loc="left", fontsize=9)
    return figure


def _gantt(axes: Axes, found: Timeline) -> None:
    for place, color in enumerate(_STAGE_COLORS):
        bars = [(low / 1e3, (high - low) / 1e3) for low, high in found.spans_ns[place].tolist() if high > low]
        axes.broken_barh(bars, (place - 0.38, 0.76), facecolors=color, edgecolor="white", linewidth=0.6)
    axes.set_yticks(range(len(STAGES)), STAGES)
    axes.invert_yaxis()
    axes.grid(axis="x", color="#e4e8ec", linewidth=0.8)
    axes.set_xlabel("time [µs]")


@_styled
def network_timeline(result: Simulation) -> Figure:
    """When which resource works, layer after layer: the share of each layer's time in which it is busy."""
    figure, axes = _axes(9.9, 1.9)
    ends = np.cumsum([layer.time_ns / 1e3 for layer in result.coded])
    for place, resource in enumerate(_RESOURCES):
        for end, layer in zip(ends.tolist(), result.coded, strict=True):
            width = layer.time_ns / 1e3
            share = min(1.0, layer.busy_ns[resource] / layer.time_ns) if layer.time_ns else 0.0
            color = _RESOURCES[resource]
            axes.broken_barh([(end - width, width)], (place + 0.4 - 0.8 * share, 0.8 * share), facecolors=color)
    axes.set_yticks(range(len(_RESOURCES)), list(_RESOURCES))
    axes.invert_yaxis()
    axes.set_xlim(0, float(ends[-1]))
    axes.set_xlabel("time [µs], layers one after the other; height: share of the layer's time")
    return figure
