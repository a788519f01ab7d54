"""The summary in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from sim.summary import Summary

__all__ = ["print_summary"]


def print_summary(summary: Summary, console: Console) -> None:
    """Print the totals of each codec."""
    images = f"{len(summary.images)} image" + "s" * (len(summary.images) != 1)
    title = f"{summary.network}: compulsory traffic for one image, mean of {images}"
    table = Table(title=title)
    table.add_column("codec")
    for heading in ("bus MB", "index kB", "ratio", "least", "most", "traffic MB", "saving %", "DRAM µJ"):
        table.add_column(heading, justify="right")
    for total in summary.totals:
        table.add_row(
            total.codec,
            f"{total.bus_bytes / 1e6:.3f}",
            f"{total.index_bytes / 1e3:.1f}",
            f"{total.ratio.mean:.3f}",
            f"{total.ratio.min:.3f}",
            f"{total.ratio.max:.3f}",
            f"{total.moved_bytes / 1e6:.3f}",
            f"{total.moved_saving_pct:.2f}",
            f"{total.dram_energy_pj / 1e6:.1f}",
            style="bold" if total.codec == summary.config["codec"] else "",
        )
    console.print(table)
    console.print("bus, ratio: activations, index included; traffic: all that is read and written, with weights")
    peaks = ", ".join(f"{row.layout} {row.peak_bytes / 1e3:.0f} kB" for row in summary.footprints)
    console.print(f"peak footprint of the activations: {peaks}")
    console.print(f"{summary.round_trip_tensors} tensors coded with {summary.config['codec']} and restored: all equal")
