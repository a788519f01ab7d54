"""Stage: outcomes of a sweep -> files: `results.csv`, `results.parquet`, the plot and the page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sim.html import image, render_template
from sim.output import write_files
from sim.plots import to_png, to_svg
from sim.sweep_grid import AXES
from sim.sweep_plots import pareto
from sim.sweep_point import Figures, Outcome
from sim.sweep_table import COLUMNS, Row, rows_csv, table_rows, varying_axes

__all__ = ["check_parquet", "rows_parquet", "sweep_page", "write_sweep"]


@dataclass(frozen=True)
class _Column:
    """A figure in the page's table."""

    field: str
    title: str
    unit: str
    format: str = "%.1f"
    scale: float = 1


_FIGURES = (
    _Column("ratio", "ratio", "raw / bus", "%.3f"),
    _Column("ratio_least_image", "least", "image", "%.3f"),
    _Column("ratio_most_image", "most", "image", "%.3f"),
    _Column("activation_bus_bytes", "on bus", "kB, activations", scale=1e-3),
    _Column("index_bytes", "index", "kB", scale=1e-3),
    _Column("moved_bytes", "all traffic", "kB, weights too", scale=1e-3),
    _Column("saving_pct", "saving", "% of all traffic", "%.2f"),
    _Column("dram_energy_pj", "DRAM energy", "µJ", scale=1e-6),
    _Column("dram_time_ms", "DRAM time", "ms", "%.3f"),
    _Column("time_ms", "time", "ms", "%.3f"),
    _Column("raw_time_ms", "no codecs", "ms", "%.3f"),
    _Column("peak_bytes", "peak memory", "kB, activations", scale=1e-3),
    _Column("tile_bytes", "tile on chip", "bytes", "%d"),
)


def check_parquet() -> None:
    """Refuse before any work if Parquet cannot be written.

    Raises
    ------
    ValueError
        If pyarrow is not installed.
    """
    _pyarrow()


def write_sweep(outcomes: Sequence[Outcome], folder: Path, command: str) -> tuple[Row, ...]:
    """Write all that a sweep found into `folder`.

    Raises
    ------
    ValueError
        If pyarrow is not installed or the folder cannot be written.
    """
    rows = table_rows(outcomes)
    found = [row for row in rows if row.outcome.figures]
    figure = pareto(found) if found else None
    svg = to_svg(figure) if figure else None
    files: dict[str, bytes | str] = {"results.csv": rows_csv(rows), "results.parquet": rows_parquet(rows)}
    if figure and svg:
        files |= {"pareto.svg": svg, "pareto.png": to_png(figure)}
    # The page comes last: where it stands, all else does.
    write_files(folder, files | {"index.html": sweep_page(rows, svg, command)})
    return rows


def rows_parquet(rows: Sequence[Row]) -> bytes:
    """The table as a Parquet file; figures of failed points are null."""
    pyarrow, parquet = _pyarrow()
    kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    types: dict[str, Any] = {axis.name: type(axis.default) for axis in AXES}
    types |= {name: int if field.annotation is int else float for name, field in Figures.model_fields.items()}
    types |= {"id": str, "pareto": bool, "reason": str}
    schema = pyarrow.schema([(name, kinds[types[name]]) for name in COLUMNS])
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist([row.to_json() for row in rows], schema), buffer)
    return buffer.getvalue()


def sweep_page(rows: Sequence[Row], svg: str | None, command: str) -> str:
    """The page as text; `svg` is the figure, None where all points failed."""
    axes = varying_axes(rows)
    first = rows[0].outcome.point
    return render_template(
        "sweep.html.j2",
        found=[row for row in rows if row.outcome.figures],
        failed=[row for row in rows if not row.outcome.figures],
        axes=axes or ("codec",),
        texts={axis.name for axis in AXES if isinstance(axis.default, str)},
        fixed={axis.name: first[axis.name] for axis in AXES if axis.name not in axes},
        columns=[column for column in _FIGURES if any(_known(row, column.field) for row in rows)],
        figure=image("pareto", svg) if svg else "",
        command=command,
        version=version("thinwire"),
    )


def _known(row: Row, field: str) -> bool:
    return row.outcome.figures is not None and getattr(row.outcome.figures, field) is not None


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ValueError("results in Parquet need pyarrow: install the extra thinwire[sweep]") from error
    return pyarrow, pyarrow.parquet
