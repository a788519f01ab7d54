"""Sub-commands of the hardware, for the command line to register."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from golden.activations.scan import TILE_SCANS

__all__ = ["rtl", "run_cosim"]

_CODECS = "tile|raw|srlc|zrlc|zvc|prc|all|weights"


def rtl(
    codec: Annotated[
        str, typer.Argument(metavar=_CODECS, help="tile: all modes but prc; all: prc, too; weights: the decompressor.")
    ],
    lanes: Annotated[int, typer.Option(help="Symbols per cycle: 1, 2, 4 or 8; with prc up to 4.")] = 4,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.")] = Path("thinwire-rtl"),
    word_bits: Annotated[int, typer.Option(help="Bits of a symbol: 4, 8 or 16.")] = 8,
    run_bits: Annotated[int, typer.Option(help="Bits of a run in srlc and zrlc, 1..8.")] = 3,
    tile: Annotated[str, typer.Option(metavar="HxWxC", help="Size of a tile; by default 64 bursts at most.")] = "",
    scan: Annotated[str, typer.Option(metavar="|".join(TILE_SCANS), help="Order in a tile.")] = TILE_SCANS[0],
    burst: Annotated[int, typer.Option(help="Bytes of a memory burst: 32 or 64.")] = 32,
    bus: Annotated[int, typer.Option(help="Of the decompressor: bits of coded weights a cycle, 128 or 256.")] = 128,
) -> None:
    """Write encoder, decoder and index as SystemVerilog, with datasheet, vectors and a test bench."""
    from hw.generate import generate
    from hw.weights.generate import generate_decompressor

    sizes = tuple(int(size) for size in tile.lower().split("x")) if tile else (8, 8, 16 if word_bits == 16 else 32)
    form = {"word_bits": word_bits, "run_bits": run_bits, "tile": sizes, "scan": scan, "burst_bytes": burst}
    weights = codec == "weights"
    paths = generate_decompressor(out, bus_bits=bus) if weights else generate(codec, lanes, out, **form)
    console = Console(soft_wrap=True)
    for path in paths:
        if path.suffix != ".hex":
            console.print(str(path), highlight=False)
    console.print(f"{len(paths)} files; start with {out / 'datasheet.md'}", highlight=False)


def run_cosim(
    tensors: Iterable,
    total: int,
    lanes: int,
    fmt=None,
    cycles_off: Callable[..., int] | None = None,
) -> bool:
    """Co-simulate tensors, with a progress bar, and print a row for each.

    Parameters
    ----------
    tensors : iterable of hw.cosim.NamedTensor
    total : int
        Number of tensors.
    lanes : int
    fmt : TileFormat, optional
    cycles_off : callable, optional
        Cycles by which a `hw.cosim.Cosimulation` is off a timing model, summed over its tiles.

    Returns
    -------
    bool
        Whether every bit is equal and no cycle is off.
    """
    from hw.cosim import cosimulate

    table = Table("tensor", "symbols", "tiles", "coded B", "index B", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("encode cycles", "per cycle", "decode cycles", "per cycle", "equal", "cycles off"):
        table.add_column(heading, justify="right")
    for column in table.columns[1:]:
        column.justify = "right"
    sums = dict.fromkeys(("symbols", "tiles", "coded_bytes", "index_bytes"), 0)
    encode_cycles = decode_cycles = off = 0
    latencies: set[tuple[int, int]] = set()
    equal = True
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("compiling the models", total=total)
        for result in cosimulate(tensors, fmt, lanes):
            progress.update(task, advance=1, description=result.name)
            for name in sums:
                sums[name] += getattr(result, name)
            encode_cycles += result.encode.cycles
            decode_cycles += result.decode.cycles
            equal &= result.equal
            latencies.add((result.encode.latency, result.decode.latency))
            missed = cycles_off(result) if cycles_off else 0
            off += missed
            rates = result.symbols_per_cycle
            table.add_row(
                result.name,
                *(f"{getattr(result, name):,}" for name in sums),
                f"{result.encode.cycles:,}",
                f"{rates[0]:.3f}",
                f"{result.decode.cycles:,}",
                f"{rates[1]:.3f}",
                "yes" if result.equal else "NO",
                str(missed) if cycles_off else "",
            )
    totals = [f"{sums[name]:,}" for name in sums]
    rates = [f"{sums['symbols'] / max(cycles, 1):.3f}" for cycles in (encode_cycles, decode_cycles)]
    table.add_section()
    measured = (f"{encode_cycles:,}", rates[0], f"{decode_cycles:,}", rates[1])
    table.add_row("all", *totals, *measured, "yes" if equal else "NO", str(off) if cycles_off else "")
    _print_whole(table)
    encode, decode = (sorted(latency) for latency in zip(*latencies, strict=True))
    Console().print(
        f"First beat out after {encode[0]} to {encode[-1]} cycles (encoder), {decode[0]} to {decode[-1]} (decoder).",
        highlight=False,
    )
    return equal and not off


def _print_whole(table: Table) -> None:
    """Print a table in full width, whatever the terminal's."""
    console = Console()
    width = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    Console(width=max(width, console.width)).print(table)
