"""Tables in the terminal, made to fit 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from sim.summary import Summary
from sim.units import ENERGIES, SIZES, unit_for

__all__ = ["print_codecs", "print_summary"]


def print_summary(summary: Summary, console: Console) -> None:
    """Print the totals of each codec."""
    images = f"{len(summary.images)} image" + "s" * (len(summary.images) != 1)
    title = f"{summary.network}: compulsory traffic for one image, mean of {images}"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("codec")
    raw = summary.codec("raw")
    size, energy = unit_for(SIZES, raw.moved_bytes), unit_for(ENERGIES, raw.dram_energy_pj)
    headings = ("bus", "index kB", "ratio ", "least image", "most image", "traffic", "saving %", "DRAM")
    units = {"bus": size.name, "traffic": size.name, "DRAM": energy.name}
    for heading in (f"{name} {units[name]}" if name in units else name for name in headings):
        table.add_column(heading.replace(" ", "\n"), justify="right", no_wrap=True)
    for total in summary.totals:
        table.add_row(
            total.codec,
            size(total.bus_bytes),
            f"{total.index_bytes / 1e3:.1f}",
            f"{total.ratio:.3f}",
            f"{total.ratio_images.min:.3f}",
            f"{total.ratio_images.max:.3f}",
            size(total.moved_bytes),
            f"{total.moved_saving_pct:.2f}",
            energy(total.dram_energy_pj),
            style="bold" if total.codec == summary.config["codec"] else "",
        )
    console.print(table)
    console.print("bus, ratio: activations, index included; traffic: all reads and writes, with weights")
    peaks = ", ".join(f"{row.layout} {row.peak_bytes / 1e3:.1f} kB" for row in summary.footprints)
    console.print(f"peak footprint of the activations: {peaks}")
    console.print(f"{summary.round_trip_tensors} tensors coded with {summary.config['codec']} and restored: all equal")
    for note in summary.notes:
        console.print(note, highlight=False, markup=False)


def print_codecs(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """Print a table of codecs for each side; `rows` as `sim.codec_table.codec_rows` makes them."""
    for side in dict.fromkeys(row["side"] for row in rows):
        table = Table(title=f"codecs of {side}", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left")
        for heading in ("codec", "mode", "lossless", "parameters (default)"):
            table.add_column(heading, no_wrap=True)
        table.add_column("what it does")
        for row in (row for row in rows if row["side"] == side):
            mode = "" if row["mode"] is None else str(row["mode"])
            parameters = "\n".join(f"{name}={value}" for name, value in row["parameters"].items())
            table.add_row(row["codec"], mode, "yes" if row["lossless"] else "no", parameters, row["summary"])
        console.print(table)
