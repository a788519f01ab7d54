"""`thinwire accelerators`: the presets, and their files to start one's own from."""

from __future__ import annotations

from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

__all__ = ["app"]

app = typer.Typer(help="Accelerators that come with thinwire.", rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def accelerators(
    context: typer.Context, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the accelerators that come with thinwire."""
    if context.invoked_subcommand:
        return
    from sim.accelerator import PRESETS, load_accelerator

    presets = [load_accelerator(name) for name in PRESETS]
    if json:
        from json import dumps

        typer.echo(dumps([preset.model_dump() for preset in presets], indent=1))
        return
    table = Table(title="accelerators", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left")
    for heading in ("name", "MACs/cycle", "MHz", "GMAC/s", "buffer KiB", "bits", "memory GB/s", "codecs"):
        table.add_column(heading, justify="left" if heading in ("name", "codecs") else "right", overflow="fold")
    for preset in presets:
        table.add_row(
            preset.name,
            str(preset.array.macs_per_cycle),
            f"{preset.array.clock_mhz:g}",
            f"{preset.peak_macs_per_s / 1e9:.1f}",
            f"{preset.buffers.size_kib + (preset.buffers.weights_kib or 0):g}",
            str(preset.words.activation_bits),
            f"{preset.bandwidth_bytes_per_s / 1e9:.2f}",
            f"{preset.ports.activations.codec}, {preset.ports.weights.codec}",
        )
    console = Console()
    console.print(table)
    console.print("thinwire accelerators show NAME > mine.toml: the file of one, to change and use", highlight=False)


@app.command()
def show(name: Annotated[str, typer.Argument(metavar="NAME", help="A preset, or a .toml file to check.")]) -> None:
    """Print an accelerator's file, once it is checked."""
    from pathlib import Path

    from sim.accelerator import load_accelerator, preset_text

    load_accelerator(name)
    typer.echo(Path(name).read_text("utf-8") if name.endswith(".toml") else preset_text(name), nl=False)
