"""`thinwire reproduce`: the papers' tables again, the paper's value beside ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from golden.activations.scan import SCANS
from sim.output import check_writable, write_files
from sim.section import Section

if TYPE_CHECKING:
    from sim.hevc_sweep import SweepPoint
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
    sections = []
    for data_set, source in sources:
        try:
            name, images = source()
        except ValueError as error:
            if data_set == "ImageNet":
                raise
            sections.append(Section(data_set, (), (), (f"Row skipped: {error}",)))
            continue
        sections.append(_run_length_section(run_length_table(data_set, name, images), more))
    _tell("rlc", "Run-length coding of activations", sections, out)


@app.command()
def hevc(
    out: Annotated[Path | None, typer.Option(help="Folder for hevc.md and the figure.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small matrices, few crops and three QPs.")] = False,
) -> None:
    """Tables and figures of weights through a video codec (SKKU)."""
    from sim.hevc_sweep import QPS, figure, gaussian_rows, load_classifier, sweep
    from sim.plots import to_png, to_svg
    from sim.reproduce_weights import gaussian_section, sweep_section

    if out:
        check_writable(out)
    rows = gaussian_rows(256, 250) if quick else gaussian_rows()
    classifier = load_classifier(8 if quick else 128)
    points = sweep(classifier, QPS[::8] if quick else QPS, told=_note_point)
    sections = [gaussian_section(rows), sweep_section(points)]
    drawn = figure(points)
    _tell(
        "hevc", "Weights through a video codec", sections, out, {"hevc.svg": to_svg(drawn), "hevc.png": to_png(drawn)}
    )


@app.command()
def fusion(out: Annotated[Path | None, typer.Option(help="Folder for fusion.md.")] = None) -> None:
    """Bit fusion of two tasks' weights (Kyung Hee University): quality by width, storage, the told failure."""
    from sim.reproduce_weights import fusion_sections

    if out:
        check_writable(out)
    _tell("fusion", "Bit fusion of two tasks' weights", list(fusion_sections()), out)


def _note_point(point: SweepPoint) -> None:
    Console(stderr=True).print(f"{point.scheme}, QP {point.qp}: {point.ratio:.2f}x", highlight=False)


def _tell(
    name: str, title: str, sections: list[Section], out: Path | None, files: dict[str, bytes | str] | None = None
) -> None:
    console = Console()
    for section in sections:
        section.print(console)
    if out:
        text = f"# {title}\n\n" + "\n".join(section.markdown() for section in sections)
        write_files(out, (files or {}) | {f"{name}.md": text})
        console.print(f"written: {out / name}.md", highlight=False)


def _run_length_section(table: Table1, more: bool) -> Section:
    title = f"{table.data_set} ({table.network}, {table.tensors} tensors): bytes saved, % of raw"
    rows = tuple(_cells(row) for row in table.rows + (table.more if more else ()))
    return Section(title, ("method (R = 3, W = 8)", "paper", *SCANS), rows, _NOTES[table.data_set])


def _cells(row: Row) -> tuple[str, ...]:
    paper = "" if row.paper_pct is None else f"{row.paper_pct:.2f}"
    return row.method, paper, *(f"{row.saving_pct[scan]:.2f}" if scan in row.saving_pct else "" for scan in SCANS)
