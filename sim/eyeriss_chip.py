"""What was measured on Eyeriss, and what ran on it: `sim/data`, read and checked."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files

from sim.layer_shape import LayerShape, conv
from sim.row_stationary import PassPlan
from sim.toml_file import Table, parse_toml

__all__ = ["NETWORKS", "ChipLayer", "Measured", "chip_layers"]

NETWORKS = {"AlexNet": "eyeriss-alexnet", "VGG-16": "eyeriss-vgg16"}


class _Pair(Table):
    filters: int
    channels: int


class _Tile(Table):
    filters: int
    images: int
    rows: int


class _Layer(Table):
    name: str
    channels: int
    padded_size: int
    filters: int
    kernel: int
    stride: int
    groups: int
    per_pe: _Pair
    sets: _Pair
    tile: _Tile | None = None
    output_density: float | None = None
    pooled: bool = False


class _Run(Table):
    images: int
    layers: list[_Layer]


@dataclass(frozen=True)
class Measured:
    """One row of the paper's table; bytes are read as multiples of 10^6."""

    power_mw: float
    processing_ms: float
    active_elements: int
    zero_fraction: float
    buffer_bytes: float
    external_bytes: float


@dataclass(frozen=True)
class ChipLayer:
    """A layer as it ran.

    Attributes
    ----------
    shape : LayerShape
        Its input with the padding, as the paper counts it.
    tile : tuple of int or None
        (filters m, images n, rows e) where the paper tells them.
    output_density : float or None
        Share of non-zeros in what the layer writes, where it is known.
    pooled : bool
        Whether a 2 x 2 pooling lies between this layer and the next.
    """

    shape: LayerShape
    plan: PassPlan
    tile: tuple[int, int, int] | None
    output_density: float | None
    pooled: bool
    measured: Measured


def chip_layers(network: str) -> tuple[ChipLayer, ...]:
    """Layers of one of `NETWORKS`, in order."""
    name = NETWORKS[network]
    folder = files("sim") / "data"
    run = parse_toml((folder / f"{name}.toml").read_text("utf-8"), _Run, f"{name}.toml")
    rows = csv.reader((folder / f"{name}.csv").read_text("utf-8").splitlines())
    measured = {row[0].strip().lower(): _measured(row) for row in list(rows)[1:]}
    return tuple(_chip_layer(layer, run.images, measured[layer.name]) for layer in run.layers)


def _measured(row: list[str]) -> Measured:
    power, _, processing, _, elements, zeros, buffer, external = (cell.strip(" %") for cell in row[1:])
    return Measured(
        float(power), float(processing), int(elements), float(zeros) / 100, float(buffer) * 1e6, float(external) * 1e6
    )


def _chip_layer(layer: _Layer, images: int, measured: Measured) -> ChipLayer:
    window = (layer.kernel, layer.stride, 0, layer.groups)
    shape = conv(layer.name, layer.channels, layer.padded_size, layer.filters, *window, batch=images)
    plan = PassPlan(layer.per_pe.filters, layer.per_pe.channels, layer.sets.filters, layer.sets.channels)
    tile = (layer.tile.filters, layer.tile.images, layer.tile.rows) if layer.tile else None
    return ChipLayer(shape, plan, tile, layer.output_density, layer.pooled, measured)
