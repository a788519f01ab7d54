"""``thinwire simulate`` and ``thinwire energy``: functions that the command registers."""

from __future__ import annotations

import gc
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from golden.tile_format import LAYOUTS
from sim.accelerator import PRESETS, WEIGHT_CODECS, Accelerator, load_accelerator
from sim.config import BYPASSES, CODECS, RunConfig, parse_tile

RESIDENCIES, OBJECTIVES = ("none", "long", "all"), ("bytes", "energy", "time")  # as sim.residency, sim.objective

__all__ = ["energy", "simulate"]

AcceleratorOption = Annotated[
    str, typer.Option(metavar="NAME|FILE.toml", help=f"One of {', '.join(PRESETS)}, or a file.")
]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without searches for cycles among objects, a tenth of a run's time: nearly all of them live to its end."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_uncollected()
def simulate(
    model: Annotated[Path | None, typer.Argument(metavar="MODEL.onnx", help="Default: EfficientNet-Lite0.")] = None,
    accelerator: AcceleratorOption = "mobile",
    images: Annotated[Path | None, typer.Option(help="Folder of images; four photos by default.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("thinwire-simulation"),
    codec: Annotated[
        str | None, typer.Option(metavar="|".join(CODECS), help="Of activations. Default: the accelerator's.")
    ] = None,
    weights_codec: Annotated[
        str | None, typer.Option(metavar="|".join(WEIGHT_CODECS), help="Default: the accelerator's.")
    ] = None,
    tile: Annotated[
        str | None, typer.Option(metavar="HxWxC", help="Codec tile. Default: the accelerator's, else 8x8x32.")
    ] = None,
    layout: Annotated[str, typer.Option(metavar="|".join(LAYOUTS), help="Where tiles lie in memory.")] = "slotted",
    bypass: Annotated[str, typer.Option(metavar="|".join(BYPASSES), help="What is stored raw.")] = "tile",
    codec_units: Annotated[
        int | None, typer.Option(help="Codecs side by side on each port. Default: the accelerator's.")
    ] = None,
    read_fifo: Annotated[int, typer.Option(help="Bytes between memory and decoder.")] = 512,
    write_fifo: Annotated[int, typer.Option(help="Bytes between encoder and memory.")] = 512,
    index_cache: Annotated[int, typer.Option(help="Index groups of 32 bytes that a port keeps.")] = 128,
    residency: Annotated[
        str, typer.Option(metavar="|".join(RESIDENCIES), help="Tensors that stay in the buffer when they fit.")
    ] = "long",
    fuse: Annotated[bool, typer.Option("--fuse", help="Run layers that follow each other strip by strip.")] = False,
    objective: Annotated[
        str, typer.Option(metavar="|".join(OBJECTIVES), help="What mappings are chosen for.")
    ] = "bytes",
    batch: Annotated[int, typer.Option(help="Images that pass each layer before the next one.")] = 1,
    mappings: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Mappings to pin.")] = None,
    layer: Annotated[str | None, typer.Option(help="Layer of the timeline; default: the longest.")] = None,
    process: Annotated[int | None, typer.Option(help="Scale the chip's energies to 65, 45, 32, 16 or 7 nm.")] = None,
    voltage: Annotated[float | None, typer.Option(help="Supply in that process.")] = None,
    mean: Annotated[float, typer.Option(help="Pixel value that enters the network as 0.")] = 127.0,
    spread: Annotated[float, typer.Option(help="Pixel steps to 1.")] = 128.0,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Simulate a network on an accelerator: bytes, time and energy per layer, with codecs and without."""
    design = _accelerator(accelerator, process, voltage)
    bits = design.words.activation_bits
    if not abs(mean) <= 1e6 or not 1e-6 <= spread <= 1e6:
        raise ValueError(f"mean must be in -1e6..1e6 and spread in 1e-6..1e6, not {mean!r} and {spread!r}")
    chosen = weights_codec or design.ports.weights.codec
    if chosen not in WEIGHT_CODECS:
        raise ValueError(f"weights-codec must be one of {', '.join(WEIGHT_CODECS)}, not {chosen!r}")
    port, word = design.ports.activations, min(bits, 16)
    run = RunConfig(codec or port.codec, bypass, layout, tile=parse_tile(tile or port.tile, word), word_bits=word)
    from sim.images import PHOTOS, load_images
    from sim.layer_shape import layer_shapes
    from sim.lite0 import build_lite0
    from sim.mapping_file import read_mappings
    from sim.network import load_network
    from sim.output import check_writable
    from sim.pipeline import PipelineParameters
    from sim.simulated_layer import SimulationConfig
    from sim.simulation import run_simulation
    from sim.simulation_report import write_simulation

    check_writable(out)
    buffers = 2 if design.buffers.double_buffered else 1
    pipeline = PipelineParameters(read_fifo, write_fifo, buffers=buffers)
    config = SimulationConfig(
        design, run, chosen, pipeline, codec_units, index_cache, residency, fuse, objective, batch
    )
    photos = load_images(images or PHOTOS)
    network = load_network(model if model else build_lite0())
    pinned = read_mappings(mappings, layer_shapes(network)) if mappings else None
    if layer is not None and layer not in {one.name for one in network.layers}:
        raise ValueError(f"layer must be one of the network's, not {layer!r}")
    result = run_simulation(config, network, photos, mean, spread, pinned)
    summary = write_simulation(result, out, shlex.join(["thinwire", *sys.argv[1:]]), layer)
    if json:
        typer.echo(summary.model_dump_json(indent=1))
        return
    from sim.simulation_terminal import print_simulation

    print_simulation(summary, Console())
    Console(soft_wrap=True).print(f"page: {(out / 'index.html').resolve()}", highlight=False)


def energy(
    accelerator: AcceleratorOption = "mobile",
    process: Annotated[int | None, typer.Option(help="Scale the chip's energies to 65, 45, 32, 16 or 7 nm.")] = None,
    voltage: Annotated[float | None, typer.Option(help="Supply in that process.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print every energy constant of an accelerator: value, unit, process, source."""
    from dataclasses import asdict

    from sim.chip_energy import constants

    found = constants(_accelerator(accelerator, process, voltage))
    if json:
        from json import dumps

        typer.echo(dumps([asdict(constant) for constant in found], indent=1))
        return
    console = Console()
    if not found:
        console.print("no energies are told for this accelerator, and its memory is a bandwidth alone", highlight=False)
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("constant", "value", "unit", "source"):
        table.add_column(name, justify="right" if name in ("value", "source") else "left", no_wrap=True)
    places = {key: number for number, key in enumerate(dict.fromkeys((one.process, one.source) for one in found), 1)}
    for one in found:
        table.add_row(one.name, f"{one.value:.4g}", one.unit, str(places[one.process, one.source]))
    console.print(table)
    for key, number in places.items():
        told = ": ".join(text for text in key if text)
        console.print(f"{number}  {told}", highlight=False, markup=False)


def _accelerator(name: str, process: int | None, voltage: float | None) -> Accelerator:
    design = load_accelerator(name)
    if process is None:
        if voltage is not None:
            raise ValueError("voltage must come with a process")
        return design
    if design.energy is None:
        raise ValueError(f"accelerator must have energies to be scaled, not {design.name!r}")
    from sim.chip_energy import scaled

    return design.model_copy(update={"energy": scaled(design.energy, process, voltage)})
