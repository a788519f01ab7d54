"""The memory model's times beside the reference's, as a figure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from sim.validate_dram import Row

__all__ = ["time_figure"]

_REFERENCE, _OURS = "#9aa5b1", "#1f5fa8"


def time_figure(rows: Sequence[Row]) -> Figure:
    """Bars of the reference's and our time of each run, the error written beside them.

    Parameters
    ----------
    rows : sequence of Row
        As `sim.validate_dram.time_rows` gives them, in ns.
    """
    figure = Figure(figsize=(7.0, 1.2 + 0.36 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    places = range(len(rows))
    axes.barh([place - 0.19 for place in places], [row.reference / 1e3 for row in rows], 0.36, color=_REFERENCE)
    axes.barh([place + 0.19 for place in places], [row.ours / 1e3 for row in rows], 0.36, color=_OURS)
    for place, row in zip(places, rows, strict=True):
        longest = max(row.reference, row.ours) / 1e3
        axes.annotate(
            f"{row.error_pct:+.2f} %", (longest, place), xytext=(4, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(list(places), [row.name for row in rows])
    axes.invert_yaxis()
    axes.margins(x=0.14, y=0.02)
    axes.set_xlabel("time of 65,536 requests of 32 bytes, µs")
    axes.set_title("One LPDDR4-3200 x16 channel: the model beside a cycle-accurate simulator", loc="left", fontsize=10)
    axes.legend(["cycle-accurate", "model"], loc="upper left", bbox_to_anchor=(0, -0.12), ncols=2, frameon=False)
    return figure
