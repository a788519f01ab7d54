"""The `thinwire` command."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from golden.activations.scan import TILE_SCANS
from golden.tile_format import LAYOUTS
from sim import reproduce_cli, weights_cli
from sim.config import BYPASSES, CODECS, RunConfig

__all__ = ["app", "main"]

app = typer.Typer(
    help="Compression of activations and weights on the way to external memory: what it saves, bit for bit.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(reproduce_cli.app, name="reproduce")
app.add_typer(weights_cli.app, name="weights")

CodecOption = Annotated[str, typer.Option(metavar="|".join(CODECS), help="Mode of the tiles; best: the smallest.")]
ScanOption = Annotated[str, typer.Option(metavar="|".join(TILE_SCANS), help="Order of the symbols inside a tile.")]
LayoutOption = Annotated[str, typer.Option(metavar="|".join(LAYOUTS), help="Where tiles lie in memory.")]
BypassOption = Annotated[str, typer.Option(metavar="|".join(BYPASSES), help="What is stored raw without an index.")]
TileOption = Annotated[str, typer.Option(metavar="HxWxC", help="Size of a tile.")]
RunBitsOption = Annotated[int, typer.Option(help="Bits of a run in srlc and zrlc, 1..8.")]
BurstOption = Annotated[int, typer.Option("--burst", help="Bytes of a memory burst: 32 or 64.")]
WordBitsOption = Annotated[int, typer.Option(help="Bits of a symbol: 4, 8 or 16.")]


def parse_tile(text: str) -> tuple[int, int, int]:
    """Read "8x8x32".

    Raises
    ------
    ValueError
        If it is not three whole numbers.
    """
    sizes = text.lower().split("x")
    if len(sizes) != 3 or not all(size.isdecimal() for size in sizes):
        raise ValueError(f"tile must be three sizes as in 8x8x32, not {text!r}")
    return int(sizes[0]), int(sizes[1]), int(sizes[2])


@app.command()
def report(
    model: Annotated[Path | None, typer.Argument(metavar="[MODEL.onnx]", help="Default: EfficientNet-Lite0.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of images; four photos by default.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("thinwire-report"),
    codec: CodecOption = "best",
    bypass: BypassOption = "tile",
    layout: LayoutOption = "slotted",
    scan: ScanOption = "tile-planar",
    tile: TileOption = "8x8x32",
    run_bits: RunBitsOption = 3,
    word_bits: WordBitsOption = 8,
    burst: BurstOption = 32,
    mean: Annotated[float, typer.Option(help="Pixel value that enters the network as 0.")] = 127.0,
    spread: Annotated[float, typer.Option(help="Pixel steps to 1.")] = 128.0,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Run a network on images; write external-memory bytes and energy per layer as page, table and plots."""
    config = RunConfig(codec, bypass, layout, scan, parse_tile(tile), run_bits, word_bits, burst)
    if not spread > 0:
        raise ValueError(f"spread must be positive, not {spread!r}")
    from sim.images import PHOTOS, load_images
    from sim.output import check_writable

    check_writable(out)
    photos = load_images(images or PHOTOS)
    from sim.lite0 import build_lite0
    from sim.network import load_network
    from sim.report import write_report
    from sim.run import run

    network = load_network(model if model else build_lite0())
    with _progress(quiet=json) as progress:
        task = progress.add_task(f"{network.name}: coding tensors", total=1.0)
        result = run(config, network, photos, mean, spread, lambda done: progress.update(task, completed=done))
    summary = write_report(result, out, shlex.join(["thinwire", *sys.argv[1:]]))
    if json:
        typer.echo(summary.model_dump_json(indent=1))
        return
    from sim.terminal import print_summary

    print_summary(summary, Console())
    Console(soft_wrap=True).print(f"page: {(out / 'index.html').resolve()}", highlight=False)


def _progress(quiet: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), disable=quiet)


@app.command()
def codecs(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the codecs and their parameters."""
    from sim.codec_table import codec_rows

    rows = codec_rows()
    if json:
        from json import dumps

        typer.echo(dumps(rows, indent=1))
        return
    table = Table("codec", "side", "mode", "lossless", "parameters (default)", "what it does")
    for row in rows:
        mode = "" if row["mode"] is None else str(row["mode"])
        parameters = ", ".join(f"{name}={value}" for name, value in row["parameters"].items())
        table.add_row(row["codec"], row["side"], mode, "yes" if row["lossless"] else "no", parameters, row["summary"])
    Console().print(table)


@app.command()
def encode(
    file: Annotated[Path, typer.Argument(metavar="FILE.npy", help="A tensor of 1 to 4 dimensions.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Default: FILE.tw beside it.")] = None,
    codec: CodecOption = "best",
    layout: LayoutOption = "packed",
    scan: ScanOption = "tile-planar",
    tile: TileOption = "8x8x32",
    run_bits: RunBitsOption = 3,
    word_bits: Annotated[int, typer.Option(help="Bits of a symbol: 4, 8 or 16; 0 takes the array's own.")] = 0,
    burst: BurstOption = 32,
    zero_point: Annotated[int | None, typer.Option(help="Value that means zero; floats have 0.0.")] = None,
) -> None:
    """Code a tensor into a tile-stream file."""
    from sim.files import encode_file

    options = {"codec": codec, "layout": layout, "scan": scan, "tile": parse_tile(tile)}
    typer.echo(encode_file(file, out, zero_point, run_bits=run_bits, word_bits=word_bits, burst_bytes=burst, **options))


@app.command()
def decode(
    file: Annotated[Path, typer.Argument(metavar="FILE.tw", help="A tile-stream file.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Default: FILE.npy beside it.")] = None,
) -> None:
    """Restore the tensor of a tile-stream file; its header tells all that is needed."""
    from sim.files import decode_file

    typer.echo(decode_file(file, out))


def main() -> None:
    """Run the command; a wrong input is one line on stderr and exit code 2."""
    try:
        app()
    except ValueError as error:
        message = " ".join(str(error).split())
        print(f"thinwire: {message}", file=sys.stderr)
        raise SystemExit(2) from None
