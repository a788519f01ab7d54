"""A table with its notes, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

__all__ = ["Section"]


@dataclass(frozen=True)
class Section:
    """A titled table; the first column is text, the others are figures."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """The section as Markdown."""
        lines = [self.headings, ("---", *("---:" for _ in self.headings[1:])), *self.rows]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines) if self.rows else ""
        return "\n\n".join(part for part in (f"## {self.title}", table, *self.notes) if part) + "\n"

    def print(self, console: Console) -> None:
        """The section in the terminal; a table that is too wide for it runs over, no figure is cut."""
        if self.rows:
            widths = self._least_widths()
            need = sum(widths) + 3 * len(widths) + 2
            wide = console if need <= console.width else Console(file=console.file, width=need)
            wide.print(self._table(widths))
        else:
            console.print(self.title)
        for note in self.notes:
            console.print(note, highlight=False)
        console.print()

    def _least_widths(self) -> list[int]:
        """Letters of each column: whole cells, whole words of headings."""
        words = [self.headings[0:1], *(heading.split() or [""] for heading in self.headings[1:])]
        return [max(map(len, [*words[place], *(row[place] for row in self.rows)])) for place in range(len(words))]

    def _table(self, widths: Sequence[int]) -> Table:
        table = Table(title=self.title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left")
        for place, (heading, least) in enumerate(zip(self.headings, widths, strict=True)):
            table.add_column(heading, justify="right" if place else "left", no_wrap=not place, min_width=least)
        for row in self.rows:
            table.add_row(*row)
        return table
