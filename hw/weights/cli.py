"""Co-simulation of weights for the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from golden.weights.container import StoredWeights
from hw.weights.bench import WeightBench
from hw.weights.cosim import WeightCosimulation, cosimulate_weights

__all__ = ["run_weight_cosim"]

# With widths that hold millions: where there is little room, names are cut and numbers are not.
_COLUMNS = {"weights": 9, "bytes": 9, "cycles": 9, "per cycle": 9, "in stream": 9, "equal": 5, "off": 3}
_SUMMED = ("weights", "body_bytes", "cycles", "stream_weights", "stream_cycles")
_CAPTION = "per cycle: from descriptor to verdict; in stream: from the first beat to the last but one"


def run_weight_cosim(
    title: str,
    tensors: Iterable[StoredWeights],
    total: int,
    form: str,
    expected: Callable[[StoredWeights], int | None],
    bench: WeightBench | None = None,
) -> bool:
    """Co-simulate the tensors of one codec, with a progress bar, and print a row for each.

    Parameters
    ----------
    title : str
        What stands above the table.
    tensors : iterable of StoredWeights
    total : int
        How many there are.
    form : str
        Of the weights that leave.
    expected : callable
        The cycles that the timing model tells of a tensor, or None if it tells none.
    bench : WeightBench, optional
        By default one of its own.

    Returns
    -------
    bool
        Whether all values were equal and all cycles right.
    """
    table = Table(title=title, box=box.SIMPLE, show_edge=False, collapse_padding=True, caption=_CAPTION)
    table.add_column("tensor", overflow="ellipsis")
    for column, width in _COLUMNS.items():
        table.add_column(column, justify="right", no_wrap=True, min_width=width)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    told: list[int | None] = []
    results: list[WeightCosimulation] = []
    began = monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=total)
        for result in cosimulate_weights(_noted(tensors, expected, told), form, bench):
            results.append(result)
            progress.update(task, advance=1)
    offs = [
        None if cycles is None else abs(result.cycles - cycles) for result, cycles in zip(results, told, strict=True)
    ]
    for result, off in zip(results, offs, strict=True):
        table.add_row(*_row(result, off))
    known = [off for off in offs if off is not None]
    equal = all(result.equal for result in results)
    sums = [sum(getattr(result, name) for result in results) for name in _SUMMED]
    table.add_section()
    table.add_row(*_row(WeightCosimulation("all", *sums, equal), sum(known) if known else None))
    Console().print(table)
    Console(stderr=True).print(f"{monotonic() - began:.0f} s", highlight=False)
    return equal and not any(known)


def _noted(tensors: Iterable[StoredWeights], expected: Callable, told: list[int | None]) -> Iterable[StoredWeights]:
    for tensor in tensors:
        told.append(expected(tensor))
        yield tensor


def _row(result: WeightCosimulation, off: int | None) -> tuple[str, ...]:
    return (
        result.name,
        f"{result.weights:,}",
        f"{result.body_bytes:,}",
        f"{result.cycles:,}",
        f"{result.rate:.3f}",
        "" if result.stream_rate is None else f"{result.stream_rate:.3f}",
        "yes" if result.equal else "NO",
        "" if off is None else str(off),
    )
