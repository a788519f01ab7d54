"""A table with its notes, for the terminal and for Markdown."""

from __future__ import annotations

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
        """The section in the terminal."""
        if self.rows:
            console.print(self._table())
        else:
            console.print(self.title)
        for note in self.notes:
            console.print(note, highlight=False)
        console.print()

    def _table(self) -> Table:
        table = Table(title=self.title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left")
        table.add_column(self.headings[0], no_wrap=True)
        for heading in self.headings[1:]:
            table.add_column(heading, justify="right")
        for row in self.rows:
            table.add_row(*row)
        return table
