"""All chapters as one page that opens offline."""

from __future__ import annotations

from collections.abc import Sequence

from sim.chapter import Chapter
from sim.html import image, render_template
from sim.plots import to_svg

__all__ = ["reproduce_page"]


def reproduce_page(chapters: Sequence[Chapter], made: str, command: str) -> str:
    """The page as text.

    Parameters
    ----------
    chapters : sequence of Chapter
    made : str
        Date and versions.
    command : str
        What makes this page again.
    """
    figures = {c.name: {name: image(name, to_svg(drawn)) for name, drawn in c.figures.items()} for c in chapters}
    return render_template("reproduce.html.j2", chapters=chapters, figures=figures, made=made, command=command)
