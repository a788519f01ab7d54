"""The `thinwire weights` commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    import onnx

    from golden.weights.container import WeightFile

__all__ = ["app"]

app = typer.Typer(help="A network's weights through the weight codecs.", no_args_is_help=True, rich_markup_mode=None)

ModelArgument = Annotated[Path | None, typer.Argument(metavar="MODEL.onnx", help="Default: EfficientNet-Lite0.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="What compress wrote.")]
BitsOption = Annotated[int, typer.Option(help="Bits of a quantized or shared weight.")]
DensityOption = Annotated[float, typer.Option(help="Share of weights that stays, by magnitude: 0..1.")]
ScopeOption = Annotated[str, typer.Option(metavar="layer|network", help="Where that share is counted.")]
SchemeOption = Annotated[str, typer.Option(metavar="symmetric|asymmetric", help="Quantizer, for integer codecs.")]
ChannelOption = Annotated[bool, typer.Option("--per-channel", help="A scale per output channel.")]
SettingOption = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Of the codec's format.")]


@app.command()
def compress(
    model: ModelArgument = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")] = Path("weights.tww"),
    codec: Annotated[str, typer.Option(help="A codec of weights; `thinwire codecs` lists them.")] = "huffman",
    bits: BitsOption = 8,
    density: DensityOption = 1.0,
    scope: ScopeOption = "layer",
    scheme: SchemeOption = "symmetric",
    per_channel: ChannelOption = False,
    settings: SettingOption = None,
) -> None:
    """Code a network's weights into a file that holds all of the network."""
    from golden.weights.container import dump
    from sim.output import write_file
    from sim.weights import Recipe, parse_settings
    from sim.weights import compress as compress_model

    recipe = Recipe(codec, bits, density, scope, scheme, per_channel, parse_settings(settings or []))
    file = compress_model(_network(model), recipe)
    data = dump(file)
    write_file(out, data)
    weights = sum(tensor.encoded.count for tensor in file.tensors)
    coded_bits = sum(tensor.size_bits for tensor in file.tensors)
    typer.echo(
        f"{out}: {weights} weights, {coded_bits / weights:.4f} bits each, {32 * weights / coded_bits:.2f}x "
        f"({len(data)} bytes in the file, {len(file.attachment)} of them graph and biases)"
    )


@app.command()
def decompress(
    file: FileArgument,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Default: FILE.onnx beside it.")] = None,
) -> None:
    """Restore the network of a file as ONNX."""
    from sim.output import write_file
    from sim.weights import decompress as decompress_file

    stored = _load(file)
    target = out or file.with_suffix(".onnx")
    data = decompress_file(stored).SerializeToString(deterministic=True)
    write_file(target, data)
    typer.echo(f"{target}: {len(stored.tensors)} weight tensors, {len(data)} bytes")


@app.command()
def inspect(file: FileArgument, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show what a file holds, tensor by tensor."""
    from sim.weights_report import inspect_rows, inspect_table

    stored = _load(file)
    if json:
        from json import dumps

        typer.echo(dumps(inspect_rows(stored), indent=1))
        return
    Console().print(inspect_table(stored))


@app.command()
def compare(
    model: ModelArgument = None,
    bits: BitsOption = 8,
    density: DensityOption = 1.0,
    scope: ScopeOption = "layer",
    scheme: SchemeOption = "symmetric",
    per_channel: ChannelOption = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every codec on a network's weights: size beside entropy, error and time."""
    from sim.weights import Recipe
    from sim.weights import compare as compare_codecs
    from sim.weights_report import compare_rows, compare_table

    recipe = Recipe("huffman", bits, density, scope, scheme, per_channel)
    rows = compare_rows(compare_codecs(_network(model), recipe))
    if json:
        from json import dumps

        typer.echo(dumps(rows, indent=1))
        return
    Console().print(compare_table(rows, recipe))


def _network(path: Path | None) -> onnx.ModelProto:
    from sim.graph import read_model

    if path is not None:
        return read_model(path)
    from sim.lite0 import build_lite0

    return build_lite0()


def _load(path: Path) -> WeightFile:
    from golden.weights.container import load

    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"file must be readable, not {str(path)!r}: {error.strerror}") from error
    return load(data)
