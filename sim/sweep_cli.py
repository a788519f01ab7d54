"""`thinwire sweep` and `thinwire compare`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from sim.output import check_writable
from sim.progress import progress_bar

if TYPE_CHECKING:
    from sim.sweep_table import Row

__all__ = ["compare", "sweep"]

_SHOWN = 20  # rows in the terminal

GridArgument = Annotated[Path, typer.Argument(metavar="GRID.toml", help="Axes and their values.")]
SchedulerOption = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Of a Dask scheduler, as tcp://HOST:PORT; else this machine.")
]
JobsOption = Annotated[int | None, typer.Option(min=1, help="Processes on this machine; by default its cores.")]


def sweep(
    grid: GridArgument,
    scheduler: SchedulerOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the results; a sweep goes on there.")] = Path("thinwire-sweep"),
    jobs: JobsOption = None,
) -> None:
    """Run every combination of networks, codecs, tiles and the like; write table, Pareto plot and page."""
    from sim.sweep_grid import read_grid
    from sim.sweep_report import check_parquet, write_sweep

    points = read_grid(grid)
    check_parquet()
    check_writable(out)
    from sim.sweep import sweep as run_sweep
    from sim.sweep_maps import dask_map, local_map

    workers = min(jobs or os.cpu_count() or 1, len(points))
    mapped = partial(dask_map, address=scheduler) if scheduler else partial(local_map, workers=workers)
    with progress_bar() as progress:
        task = progress.add_task(f"{len(points)} points", total=len(points))
        outcomes = run_sweep(
            points, out, mapped, progress=lambda done, total: progress.update(task, completed=done, total=total)
        )
    rows = write_sweep(outcomes, out, shlex.join(["thinwire", *sys.argv[1:]]))
    _print(rows, Console())
    Console(soft_wrap=True).print(f"page: {(out / 'index.html').resolve()}", highlight=False)
    if any(not row.outcome.figures for row in rows):
        raise typer.Exit(1)


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Folder of a report or simulation.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Folder of another.")],
    out: Annotated[Path, typer.Option(help="Folder for the page.")] = Path("thinwire-compare"),
) -> None:
    """Lay two reports, or two simulations, side by side: totals, layer by layer, as tables and page."""
    from sim.compare_simulations import is_simulation

    command, console = shlex.join(["thinwire", *sys.argv[1:]]), Console()
    if is_simulation(a) or is_simulation(b):
        from sim.compare_simulations import compare_simulations
        from sim.compare_simulations_report import print_simulations, write_simulations

        designs = compare_simulations(a, b)
        check_writable(out)
        write_simulations(designs, out, command)
        print_simulations(designs, console)
    else:
        from sim.compare import compare as compare_reports
        from sim.compare_report import print_comparison, write_comparison

        found = compare_reports(a, b)
        check_writable(out)
        write_comparison(found, out, command)
        print_comparison(found, console)
    Console(soft_wrap=True).print(f"page: {(out / 'index.html').resolve()}", highlight=False)


def _print(rows: Sequence[Row], console: Console) -> None:
    """The Pareto front, and what failed."""
    from sim.sweep_table import varying_axes

    axes = varying_axes(rows) or ("codec",)
    front = [row for row in rows if row.pareto]
    table = Table(title="Pareto front: DRAM energy and tile on chip", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for axis in axes:
        table.add_column(axis.replace("_", "\n"))
    for heading in ("ratio", "traffic\nMB", "saving\n%", "DRAM\nµJ", "tile\nbytes"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in front[:_SHOWN]:
        found = row.figures
        table.add_row(
            *(str(row.outcome.point[axis]) for axis in axes),
            f"{found.ratio:.3f}",
            f"{found.moved_bytes / 1e6:.3f}",
            f"{found.saving_pct:.2f}",
            f"{found.dram_energy_pj / 1e6:.1f}",
            str(found.tile_bytes),
        )
    if front:
        console.print(table)
    failed = [row.outcome for row in rows if not row.outcome.figures]
    for outcome in failed[:_SHOWN]:
        words = " ".join(str(outcome.point[axis]) for axis in axes)
        console.print(f"failed: {words}: {outcome.reason}", highlight=False, markup=False, soft_wrap=True)
    more = f", {len(failed)} failed" if failed else ""
    console.print(f"{len(rows)} point{'s' * (len(rows) != 1)}, {len(front)} on the front{more}")
