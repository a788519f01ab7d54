"""What a sweep found as a table: a row for each point, and which of them an architect need not look at."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sim.sweep_grid import AXES
from sim.sweep_point import Figures, Outcome

__all__ = ["COLUMNS", "Row", "pareto_front", "rows_csv", "table_rows", "varying_axes"]

_GROUP = (
    "network",
    "images",
    "mean",
    "spread",
    "accelerator",
)  # what is asked of a design; designs are compared inside a group
COLUMNS = ("id", *(axis.name for axis in AXES), *Figures.model_fields, "pareto", "reason")


@dataclass(frozen=True)
class Row:
    """A point in the table.

    Attributes
    ----------
    outcome : Outcome
    pareto : bool
        Whether no other point of the same network, images and accelerator needs less external-memory energy without a
        larger tile on chip, or a smaller tile without more energy.
    """

    outcome: Outcome
    pareto: bool

    @property
    def group(self) -> tuple[Any, ...]:
        """Network, images and accelerator."""
        return tuple(self.outcome.point[name] for name in _GROUP)

    @property
    def figures(self) -> Figures:
        """Of a point that did not fail."""
        assert self.outcome.figures, "a failed point has no figures"
        return self.outcome.figures

    def to_json(self) -> dict[str, Any]:
        """Plain values by column; figures of a failed point are None."""
        point, figures = self.outcome.point, self.outcome.figures
        found = figures.model_dump() if figures else dict.fromkeys(Figures.model_fields)
        return {"id": point.id, **point.to_json(), **found, "pareto": self.pareto, "reason": self.outcome.reason}


def table_rows(outcomes: Sequence[Outcome]) -> tuple[Row, ...]:
    """Rows in the order of the points."""
    plain = [Row(outcome, False) for outcome in outcomes]
    fronts: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
    for row in plain:
        if row.outcome.figures:
            fronts.setdefault(row.group, []).append(_costs(row))
    kept = {group: set(pareto_front(costs)) for group, costs in fronts.items()}
    return tuple(Row(row.outcome, bool(row.outcome.figures) and _costs(row) in kept[row.group]) for row in plain)


def _costs(row: Row) -> tuple[float, float]:
    return row.figures.tile_bytes, row.figures.dram_energy_pj


def pareto_front(costs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The pairs that no other pair betters in one cost without being worse in the other, by their first cost."""
    front: list[tuple[float, float]] = []
    for first, second in sorted(set(costs)):
        if not front or second < front[-1][1]:
            front.append((first, second))
    return front


def varying_axes(rows: Sequence[Row]) -> tuple[str, ...]:
    """Axes with more than one value among the rows."""
    return tuple(axis.name for axis in AXES if len({row.outcome.point[axis.name] for row in rows}) > 1)


def rows_csv(rows: Sequence[Row]) -> str:
    """The table with a heading; units stand in the names, what is missing is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.to_json() for row in rows)
    return text.getvalue()
