"""Error over size: pruning alone, sharing alone, and both."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from golden.weights.relative import expected_fillers
from sim.deepcomp_sizes import INDEX_BITS, code_bits, shared_of
from sim.lenet_runs import CurvePoint, Run
from sim.plots import styled

__all__ = ["curve_figure", "size_points"]

_FLOAT_BITS = 32
_COLORS = {"pruning": "#7a5195", "sharing": "#c98b2b", "both": "#1f5fa8"}


def size_points(points: Sequence[CurvePoint]) -> list[float]:
    """Size of each point in percent of float32."""
    return [100 * _bits(point) / (_FLOAT_BITS * sum(w.size for w in point.weights)) for point in points]


def _bits(point: CurvePoint) -> float:
    """Pruned weights are float32 with an index, their fillers those of a geometric gap."""
    if point.way == "pruning":
        stored = (1 + expected_fillers(point.density, INDEX_BITS)) * (_FLOAT_BITS + INDEX_BITS)
        return point.density * stored * sum(w.size for w in point.weights)
    if point.way == "sharing":
        return sum(point.bits * w.size + _FLOAT_BITS * ((1 << point.bits) - 1) for w in point.weights)
    return sum(code_bits(shared_of(w), "Huffman, relative index", point.bits) for w in point.weights)


@styled
def curve_figure(points: Sequence[CurvePoint], baseline: Run) -> Figure:
    """Lines of error over size, one for each way; the dense network's error dashed."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    sizes = size_points(points)
    for way, color in _COLORS.items():
        line = sorted((size, point.error_pct) for point, size in zip(points, sizes, strict=True) if point.way == way)
        axes.plot(*zip(*line, strict=True), color=color, marker=".", label=f"{way} alone" if way != "both" else way)
    axes.axhline(baseline.errors_pct["dense"], color="#444b54", linewidth=0.9, linestyle="--", label="dense")
    axes.set_xscale("log")
    axes.set_ylim(0.9 * baseline.errors_pct["dense"], 6)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("size, % of float32")
    axes.set_ylabel("test error, %")
    axes.legend()
    return figure
