"""One experiment of a paper as it is told: tables, figures, and what they were made with."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from matplotlib.figure import Figure

from sim.plots import to_svg
from sim.section import Section

__all__ = ["Chapter", "made_with", "skipped"]

_PACKAGES = ("thinwire", "numpy", "onnxruntime", "torch", "av")


@dataclass(frozen=True)
class Chapter:
    """An experiment.

    Attributes
    ----------
    name : str
        Of the command and of its files.
    title, source : str
        Heading, and the paper.
    sections : tuple of Section
    figures : mapping of str to Figure
        By the name of the file, without ending; each with a caption in `captions`.
    captions : mapping of str to str
    """

    name: str
    title: str
    source: str
    sections: tuple[Section, ...]
    figures: Mapping[str, Figure] = field(default_factory=dict)
    captions: Mapping[str, str] = field(default_factory=dict)

    def markdown(self, made: str) -> str:
        """The chapter as Markdown, its figures beside it; `made` tells date and versions."""
        parts = [f"# {self.title}\n", f"{self.source}. `thinwire reproduce {self.name}`; {made}.\n"]
        parts += [section.markdown() for section in self.sections]
        parts += [f"![{self.captions[name]}]({name}.svg)\n\n{self.captions[name]}\n" for name in self.figures]
        return "\n".join(parts)

    def files(self, made: str) -> dict[str, str]:
        """Markdown and figures by the names of their files."""
        return {f"{name}.svg": to_svg(figure) for name, figure in self.figures.items()} | {
            f"{self.name}.md": self.markdown(made)
        }


def skipped(title: str, error: ValueError) -> Section:
    """A table that could not be made, and why."""
    return Section(title, (), (), (f"Skipped: {error}.",))


def made_with() -> str:
    """Date and versions in one line."""
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return f"made on {datetime.now(UTC):%Y-%m-%d} with Python {platform.python_version()}, {', '.join(found)}"
