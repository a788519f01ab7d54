"""``thinwire lighten``: the guideline's steps on a network until it meets a target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sim.accelerator import PRESETS, load_accelerator

__all__ = ["lighten"]


def lighten(
    model: Annotated[Path | None, typer.Argument(metavar="MODEL.onnx", help="Default: EfficientNet-Lite0.")] = None,
    target_ms: Annotated[float | None, typer.Option(help="Time of an image, milliseconds.")] = None,
    target_mb: Annotated[float | None, typer.Option(help="Stored parameters, megabytes.")] = None,
    target_mj: Annotated[float | None, typer.Option(help="Energy of an image, millijoule.")] = None,
    accelerator: Annotated[
        str, typer.Option(metavar="NAME|FILE.toml", help=f"One of {', '.join(PRESETS)}, or a file.")
    ] = "rk3399-gpu",
    images: Annotated[Path | None, typer.Option(help="Folder of calibration images; four photos by default.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the models and lighten.md.")] = Path("thinwire-lighten"),
    backbone: Annotated[str, typer.Option(metavar="mobilenetv2|shufflenetv2", help="Of G1.")] = "mobilenetv2",
    factorize: Annotated[
        str, typer.Option(metavar="bottleneck|separable|kernel", help="Of G2; transposed ones take the bottleneck.")
    ] = "separable",
    channels: Annotated[int, typer.Option(help="Of G2's bottleneck.")] = 64,
    density: Annotated[float, typer.Option(help="Share of weights that G5 keeps.")] = 0.3,
    least_agreement: Annotated[float, typer.Option(help="With less, G4 takes G3's place; 0..1.")] = 0.9,
    without: Annotated[list[str] | None, typer.Option(metavar="G1..G5", help="A step to leave out.")] = None,
    mean: Annotated[float, typer.Option(help="Pixel value that enters the network as 0.")] = 127.0,
    spread: Annotated[float, typer.Option(help="Pixel steps to 1.")] = 128.0,
) -> None:
    """Make a network light: backbone, convolutions, pruning, int8 or fp16, in order. Exit code 1: target missed."""
    from sim.lighten import Goal, Options
    from sim.lighten import lighten as walk
    from sim.output import check_writable

    goal = Goal(target_ms, target_mb, target_mj)
    options = Options(backbone, factorize, channels, density, least_agreement, tuple(without or ()))
    check_writable(out)
    from sim.images import PHOTOS, load_images, preprocess
    from sim.lighten_report import step_section, write_steps
    from sim.lighten_target import target_of
    from sim.lite0 import build_lite0
    from sim.network import load_network

    target = target_of(load_accelerator(accelerator))
    network = load_network(model if model else build_lite0())
    _, height, width = network.tensors[network.inputs[0]].shape
    pictures = preprocess(load_images(images or PHOTOS), height, width, mean, spread)
    steps = walk(network, target, goal, pictures, options)
    section = step_section(network.name, target, goal, steps)
    write_steps(out, section, steps)
    console = Console()
    section.print(console)
    console.print(f"written: {out}", highlight=False)
    if not goal.met(steps[-1].cost):
        raise typer.Exit(1)
