"""`thinwire validate`: the models beside silicon and cycle-accurate references."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from sim.output import check_writable, write_files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sim.validate_dram import Row

__all__ = ["app"]

app = typer.Typer(help="Models beside their references.", no_args_is_help=True, rich_markup_mode=None)

_NOTES = (
    "No figure is fitted: all are JEDEC's and the part's. The read strobe's delay (3 clocks, JEDEC's least) and the "
    "order of command and acceptance in one clock were settled by these times; else they are off by up to 0.4 %.",
    "Sequential runs refresh all banks at once, random ones bank by bank, as the reference's rates imply.",
    "Lines with a dash are parts of the line above; their error is in percent of the whole.",
    "Random reads of 256 B: eight bursts fill a bank's queue, which costs time, and with it background energy.",
)


@app.callback()
def validate() -> None:
    """Models beside their references."""


@app.command()
def dram(out: Annotated[Path | None, typer.Option(help="Folder for dram.svg and dram.png.")] = None) -> None:
    """Time and energy of external memory beside a cycle-accurate simulator and an IDD-based program."""
    from sim.dram_plot import time_figure
    from sim.validate_dram import energy_rows, time_rows

    if out:
        check_writable(out)
    console = Console()
    times = time_rows()
    _print("time against a cycle-accurate simulator", times, console)
    _print("energy against IDD figures", energy_rows(), console)
    for note in _NOTES:
        console.print(note)
    if out:
        write_files(out, _drawn("dram", time_figure(times)))


@app.command()
def eyeriss(
    out: Annotated[Path | None, typer.Option(help="Folder for eyeriss.md, .csv, .svg and .png.")] = None,
) -> None:
    """External bytes, time and power of AlexNet and VGG-16 beside the Eyeriss chip."""
    from sim.eyeriss_report import csv_text, eyeriss_figure, markdown, print_validation
    from sim.validate_eyeriss import validate_eyeriss

    if out:
        check_writable(out)
    validation = validate_eyeriss()
    print_validation(validation, Console())
    if out:
        texts: dict[str, bytes | str] = {"eyeriss.md": markdown(validation), "eyeriss.csv": csv_text(validation)}
        write_files(out, texts | _drawn("eyeriss", eyeriss_figure(validation)))


def _drawn(name: str, figure: Figure) -> dict[str, bytes | str]:
    from sim.plots import to_png, to_svg

    return {f"{name}.svg": to_svg(figure), f"{name}.png": to_png(figure)}


def _print(title: str, rows: Sequence[Row], console: Console) -> None:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column("", no_wrap=True)
    for heading in ("reference", "model", "unit", "error %"):
        table.add_column(heading, justify="left" if heading == "unit" else "right", no_wrap=True)
    for row in rows:
        table.add_row(row.name, _figure(row.reference), _figure(row.ours), row.unit, f"{row.error_pct:+.2f}")
    console.print(table)
    errors = [abs(row.error_pct) for row in rows]
    console.print(f"mean error {sum(errors) / len(errors):.2f} %, largest {max(errors):.2f} %")


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3f}"
