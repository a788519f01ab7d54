"""`thinwire reproduce`: the papers' tables again, the paper's value beside ours."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from sim.output import check_writable, write_files

if TYPE_CHECKING:
    from sim.chapter import Chapter
    from sim.hevc_sweep import SweepPoint

__all__ = ["app"]

app = typer.Typer(help="The papers' tables again, from real data.", no_args_is_help=True, rich_markup_mode=None)

Out = Annotated[Path | None, typer.Option(help="Folder for tables in Markdown, figures and a page.")]
Quick = Annotated[bool, typer.Option("--quick", help="Small subsets of the data: minutes become seconds.")]


@app.callback()
def reproduce() -> None:
    """The papers' tables again, from real data."""


@app.command()
def rlc(
    out: Out = None,
    more: Annotated[bool, typer.Option("--more", help="Run widths, policies, other codecs too.")] = False,
    quick: Quick = False,
) -> None:
    """Table 1 of Kim et al. (KETI): bytes that run-length coding of activations saves."""
    from sim.reproduce_rlc_tables import rlc_chapter

    _tell([lambda: rlc_chapter(more, quick)], out)


@app.command()
def hevc(out: Out = None, quick: Quick = False) -> None:
    """Tables and figures of weights through a video codec (SKKU)."""
    from sim.reproduce_hevc import hevc_chapter

    _tell([lambda: hevc_chapter(quick, _note_point)], out)


@app.command()
def deepcomp(out: Out = None, quick: Quick = False) -> None:
    """Deep Compression's tables and its curve (Han et al.): LeNets trained, pruned, shared and coded."""
    from sim.reproduce_deepcomp import deepcomp_chapter

    _tell([lambda: deepcomp_chapter(quick)], out)


@app.command()
def fusion(out: Out = None, quick: Quick = False) -> None:
    """Bit fusion of two tasks' weights (Kyung Hee University): accuracy by width, storage, the told failure."""
    from sim.reproduce_fusion import fusion_chapter

    _tell([lambda: fusion_chapter(quick)], out)


@app.command()
def guideline(out: Out = None) -> None:
    """The guideline's case study (TTA report): PoseResNet-50 made light on an RK3399."""
    from sim.reproduce_guideline import guideline_chapter

    _tell([guideline_chapter], out)


@app.command(name="all")
def everything(out: Out = None, quick: Quick = False) -> None:
    """Every experiment, and one page of them."""
    from sim.reproduce_deepcomp import deepcomp_chapter
    from sim.reproduce_fusion import fusion_chapter
    from sim.reproduce_guideline import guideline_chapter
    from sim.reproduce_hevc import hevc_chapter
    from sim.reproduce_rlc_tables import rlc_chapter

    makers: list[Callable[[], Chapter]] = [
        lambda: rlc_chapter(True, quick),
        lambda: hevc_chapter(quick, _note_point),
        lambda: deepcomp_chapter(quick),
        lambda: fusion_chapter(quick),
        guideline_chapter,
    ]
    _tell(makers, out)


def _note_point(point: SweepPoint) -> None:
    Console(stderr=True).print(f"{point.scheme}, QP {point.qp}: {point.ratio:.2f}x", highlight=False)


def _tell(makers: list[Callable[[], Chapter]], out: Path | None) -> None:
    """Make the chapters one by one, print each; write them all at the end."""
    from sim.chapter import made_with

    if out:
        check_writable(out)
    console, chapters = Console(), []
    for make in makers:
        chapters.append(make())
        for section in chapters[-1].sections:
            section.print(console)
    if not out:
        return
    from sim.reproduce_page import reproduce_page

    made = made_with()
    page = reproduce_page(chapters, made, shlex.join(["thinwire", *sys.argv[1:]]))
    write_files(out, {name: text for one in chapters for name, text in one.files(made).items()} | {"index.html": page})
    for one in chapters:
        console.print(f"written: {out / one.name}.md", highlight=False)
