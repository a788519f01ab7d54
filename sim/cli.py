"""The `thinwire` command."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from golden.activations.scan import TILE_SCANS
from golden.tile_format import LAYOUTS, MODES
from hw import cli as hw_cli
from sim import accelerator_cli, lighten_cli, reproduce_cli, simulate_cli, sweep_cli, validate_cli, weights_cli
from sim.config import BYPASSES, CODECS, RunConfig, parse_tile
from sim.progress import progress_bar

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(accelerator_cli.app, name="accelerators")
app.add_typer(reproduce_cli.app, name="reproduce")
app.add_typer(validate_cli.app, name="validate")
app.add_typer(weights_cli.app, name="weights")

_PIXEL_LIMIT = 1e6  # of mean and spread: beyond it pixels are lost in float32

CodecOption = Annotated[str, typer.Option(metavar="|".join(CODECS), help="Mode of the tiles; best: the smallest.")]
ScanOption = Annotated[str, typer.Option(metavar="|".join(TILE_SCANS), help="Order of the symbols inside a tile.")]
LayoutOption = Annotated[str, typer.Option(metavar="|".join(LAYOUTS), help="Where tiles lie in memory.")]
BypassOption = Annotated[str, typer.Option(metavar="|".join(BYPASSES), help="What is stored raw without an index.")]
TileOption = Annotated[
    str, typer.Option(metavar="HxWxC", help="Size of a tile; auto: 8x8x32, or 8x8x16 for 16-bit symbols.")
]
RunBitsOption = Annotated[int, typer.Option(help="Bits of a run in srlc and zrlc, 1..8.")]
BurstOption = Annotated[int, typer.Option("--burst", help="Bytes of a memory burst: 32 or 64.")]
WordBitsOption = Annotated[int, typer.Option(help="Bits of a symbol: 4, 8 or 16.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"thinwire {version('thinwire')}")
        raise typer.Exit


@app.callback()
def thinwire(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Compression of activations and weights on the way to external memory: what it saves, bit for bit."""


@app.command()
def report(
    model: Annotated[Path | None, typer.Argument(metavar="MODEL.onnx", help="Default: EfficientNet-Lite0.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of images; four photos by default.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("thinwire-report"),
    codec: CodecOption = "best",
    bypass: BypassOption = "tile",
    layout: LayoutOption = "slotted",
    scan: ScanOption = "tile-planar",
    tile: TileOption = "auto",
    run_bits: RunBitsOption = 3,
    word_bits: WordBitsOption = 8,
    burst: BurstOption = 32,
    mean: Annotated[float, typer.Option(help="Pixel value that enters the network as 0.")] = 127.0,
    spread: Annotated[float, typer.Option(help="Pixel steps to 1.")] = 128.0,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Run a network on images; write external-memory bytes and energy per layer as page, table and plots."""
    config = RunConfig(codec, bypass, layout, scan, parse_tile(tile, word_bits), run_bits, word_bits, burst)
    if not abs(mean) <= _PIXEL_LIMIT:
        raise ValueError(f"mean must be in -{_PIXEL_LIMIT:g}..{_PIXEL_LIMIT:g}, not {mean!r}")
    if not 1 / _PIXEL_LIMIT <= spread <= _PIXEL_LIMIT:
        raise ValueError(f"spread must be in {1 / _PIXEL_LIMIT:g}..{_PIXEL_LIMIT:g}, not {spread!r}")
    from sim.images import PHOTOS, load_images
    from sim.output import check_writable

    check_writable(out)
    photos = load_images(images or PHOTOS)
    from sim.lite0 import build_lite0
    from sim.network import load_network
    from sim.report import write_report
    from sim.run import run

    network = load_network(model if model else build_lite0())
    with progress_bar(quiet=json) as progress:
        task = progress.add_task(f"{network.name}: coding tensors", total=1.0)
        result = run(config, network, photos, mean, spread, lambda done: progress.update(task, completed=done))
    summary = write_report(result, out, shlex.join(["thinwire", *sys.argv[1:]]))
    if json:
        typer.echo(summary.model_dump_json(indent=1))
        return
    from sim.terminal import print_summary

    print_summary(summary, Console())
    Console(soft_wrap=True).print(f"page: {(out / 'index.html').resolve()}", highlight=False)


@app.command()
def codecs(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the codecs and their parameters."""
    from sim.codec_table import codec_rows

    rows = codec_rows()
    if json:
        from json import dumps

        typer.echo(dumps(rows, indent=1))
        return
    from sim.terminal import print_codecs

    print_codecs(rows, Console())


@app.command()
def encode(
    file: Annotated[Path, typer.Argument(metavar="FILE.npy", help="A tensor of 1 to 4 dimensions.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Default: FILE.tw beside it.")] = None,
    codec: CodecOption = "best",
    layout: LayoutOption = "packed",
    scan: ScanOption = "tile-planar",
    tile: TileOption = "auto",
    run_bits: RunBitsOption = 3,
    word_bits: Annotated[int, typer.Option(help="Bits of a symbol: 4, 8 or 16; 0 takes the array's own.")] = 0,
    burst: BurstOption = 32,
    zero_point: Annotated[int | None, typer.Option(help="Value that means zero; floats have 0.0.")] = None,
) -> None:
    """Code a tensor into a tile-stream file."""
    from sim.files import encode_file

    options = {"codec": codec, "layout": layout, "scan": scan, "run_bits": run_bits, "burst_bytes": burst}
    typer.echo(encode_file(file, out, zero_point, word_bits, tile, **options))


@app.command()
def decode(
    file: Annotated[Path, typer.Argument(metavar="FILE.tw", help="A tile-stream file.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Default: FILE.npy, where there is none yet.")] = None,
) -> None:
    """Restore the tensor of a tile-stream file; its header tells all that is needed."""
    from sim.files import decode_file

    typer.echo(decode_file(file, out))


@app.command()
def cosim(
    model: Annotated[Path | None, typer.Argument(metavar="MODEL.onnx", help="Default: EfficientNet-Lite0.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of images; the first one is used.")] = None,
    codec: Annotated[
        str, typer.Option(metavar="|".join((*CODECS, "all")), help="As of a report; all: the best, prc among them.")
    ] = "best",
    lanes: Annotated[int, typer.Option(help="Symbols per cycle: 1, 2, 4 or 8; with prc up to 4.")] = 4,
    run_bits: RunBitsOption = 3,
    word_bits: WordBitsOption = 8,
    weights: Annotated[
        bool, typer.Option("--weights", help="The weights instead, through the decompressor; --codec: all, or one.")
    ] = False,
    density: Annotated[float | None, typer.Option(help="Share of weights that stays; by default the codec's.")] = None,
    bus_bits: Annotated[int, typer.Option("--bus", help="Bits of coded weights a cycle: 128 or 256.")] = 128,
) -> None:
    """Send every activation of one image through encoder and decoder RTL in Verilator; compare bits and cycles."""
    if weights:
        _cosim_weights(model, codec, density, bus_bits)
        return
    known = "best" if codec == "all" else codec
    fmt = RunConfig(known, run_bits=run_bits, word_bits=word_bits, tile=parse_tile("auto", word_bits)).format_of(known)
    fmt = replace(fmt, modes=MODES) if codec == "all" else fmt
    from hw.cosim import NamedTensor
    from sim.images import PHOTOS, load_images, preprocess
    from sim.lite0 import build_lite0
    from sim.network import load_network
    from sim.tensors import Recorder
    from sim.timing import CodecTiming
    from sim.timing_mixed import MixedTiming
    from sim.timing_tiles import CodedTiles

    photos = load_images(images or PHOTOS)[:1]
    network = load_network(model if model else build_lite0())
    height, width = network.tensors[network.inputs[0]].shape[1:]
    recorder = Recorder(network, preprocess(photos, height, width), word_bits)
    sample = next(iter(recorder))
    tensors = (
        NamedTensor(tensor.name, sample.symbols[tensor.name], recorder.quantization[tensor.name].zero_point)
        for tensor in network.activations
    )
    timing = MixedTiming(fmt, lanes) if "prc" in fmt.modes else CodecTiming(fmt, lanes)

    def cycles_off(result: Any) -> int:
        batch, encoded, decoded = result.batch, result.encode.beats_out, result.decode.beats_out
        tiles = CodedTiles(batch.values, batch.starts, batch.shapes, batch.modes, batch.zero_point)
        return timing.cycles_off(tiles, batch.words, batch.bursts, encoded, decoded)

    if not hw_cli.run_cosim(tensors, len(network.activations), lanes, fmt, cycles_off):
        raise typer.Exit(1)


def _cosim_weights(path: Path | None, codec: str, density: float | None, bus_bits: int) -> None:
    """All weights of a network through the RTL, in one codec or in each."""
    from hw.weights.bench import WeightBench
    from hw.weights.cli import run_weight_cosim
    from sim.graph import read_model
    from sim.lite0 import build_lite0
    from sim.timing_weights import weight_cycles
    from sim.weights_cosim import COSIM_CODECS, coded_weights

    model = read_model(path) if path else build_lite0()
    bench, right = WeightBench(bus_bits=bus_bits), True
    expected = partial(weight_cycles, bus_bits=bus_bits)
    for name in COSIM_CODECS if codec in ("all", "best") else (codec,):
        tensors = coded_weights(model, name, density)
        title = f"{name}, {100 * (1 - tensors.recipe.density):g} % zeros, out as {tensors.form}"
        right &= run_weight_cosim(title, tensors, len(tensors), tensors.form, expected, bench)
    if not right:
        raise typer.Exit(1)


app.command()(hw_cli.rtl)
app.command()(simulate_cli.simulate)
app.command()(simulate_cli.energy)
app.command()(sweep_cli.sweep)
app.command()(sweep_cli.compare)
app.command()(lighten_cli.lighten)


def main() -> None:
    """Run the command; a wrong input is one line on stderr and exit code 2."""
    try:
        app()
    except ValueError as error:
        message = " ".join(str(error).split())
        print(f"thinwire: {message}", file=sys.stderr)
        raise SystemExit(2) from None
