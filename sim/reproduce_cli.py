"""`thinwire reproduce`: the papers' tables again, the paper's value beside ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from golden.activations.scan import SCANS
from sim.output import check_writable, write_file

if TYPE_CHECKING:
    from sim.reproduce_rlc import Activation, Row, Table1

__all__ = ["app"]

app = typer.Typer(help="The papers' tables again, from real data.", no_args_is_help=True, rich_markup_mode=None)

_NOTES = {
    "ImageNet": (
        "The paper retrained EfficientNet-B0 with ReLU6; this is its published sibling Lite0 with its trained weights.",
        "The paper names neither quantizer nor images: here ReLU6 outputs have scale 6/255, others are affine.",
        "Its scan (figure 3b) is tile-channel-first: there ZRLC gains, since zeros cluster over channels, and SRLC "
        "loses, since neighbouring channels are rarely equal.",
        "The paper has that gain, and that loss in its CIFAR-10 row (23.87 to 8.68); its 11.25 that no scan moves "
        "fits tile-planar.",
    ),
    "CIFAR-10": (
        "The paper's network for CIFAR-10 is EfficientNet-B0; this is a plain CNN with ReLU, which has more zeros.",
        "No tensor of it is linear, so BYPASS changes nothing. SRLC falls with the scan as in the paper.",
    ),
}


@app.callback()
def reproduce() -> None:
    """The papers' tables again, from real data."""


@app.command()
def rlc(
    out: Annotated[Path | None, typer.Option(help="Folder for rlc.md.")] = None,
    more: Annotated[bool, typer.Option("--more", help="Print run widths, policies, other codecs too.")] = False,
) -> None:
    """Table 1 of Kim et al. (KETI): bytes that run-length coding of activations saves."""
    from sim.reproduce_rlc import cifar10, imagenet, run_length_table

    if out:
        check_writable(out)
    sources: tuple[tuple[str, Callable[[], tuple[str, list[list[Activation]]]]], ...] = (
        ("ImageNet", imagenet),
        ("CIFAR-10", cifar10),
    )
    console, parts = Console(), []
    for data_set, source in sources:
        try:
            name, images = source()
        except ValueError as error:
            if data_set == "ImageNet":
                raise
            console.print(f"{data_set}: row skipped: {error}", style="yellow")
            parts.append(f"## {data_set}\n\nRow skipped: {error}\n")
            continue
        table = run_length_table(data_set, name, images)
        _print(table, console, more)
        parts.append(_markdown(table))
    if out:
        write_file(out / "rlc.md", "# Run-length coding of activations\n\n" + "\n".join(parts))
        console.print(f"written: {out / 'rlc.md'}")


def _heading(table: Table1) -> str:
    return f"{table.data_set} ({table.network}, {table.tensors} tensors): bytes saved, % of raw"


def _cells(row: Row) -> list[str]:
    paper = "" if row.paper_pct is None else f"{row.paper_pct:.2f}"
    return [row.method, paper, *(f"{row.saving_pct[scan]:.2f}" if scan in row.saving_pct else "" for scan in SCANS)]


def _print(table: Table1, console: Console, more: bool) -> None:
    shown = Table("method (R = 3, W = 8)", title=_heading(table))
    for heading in ("paper", *SCANS):
        shown.add_column(heading, justify="right")
    for row in table.rows + (table.more if more else ()):
        shown.add_row(*_cells(row))
    console.print(shown)
    for note in _NOTES[table.data_set]:
        console.print(f"  {note}", highlight=False)


def _markdown(table: Table1) -> str:
    lines = [f"## {_heading(table)}", "", "| method (R = 3, W = 8) | paper | " + " | ".join(SCANS) + " |"]
    lines += ["|---|" + "---:|" * (1 + len(SCANS))]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in table.rows + table.more]
    return "\n".join([*lines, "", *_NOTES[table.data_set], ""])
