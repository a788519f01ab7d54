"""The run in numbers: a versioned schema that `summary.json`, the page and the terminal share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from golden.tile_format import MODES
from sim.energy import CONSTANTS, EnergyParts, dram_time_s, energy
from sim.measure import TensorSizes
from sim.run import Result
from sim.traffic import Moved

__all__ = ["CodecTotals", "LayerRow", "Spread", "Summary", "summarize"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Spread(_Model):
    """A figure over the images: mean, standard deviation (population), least and greatest."""

    mean: float
    std: float
    min: float
    max: float


class CodecTotals(_Model):
    """All activations of the network under one codec, for one image.

    ``ratio`` is raw bytes over bus bytes (whole bursts and index) of the activations, each counted once, of all
    images together; ``saving_pct`` is the same as a saving, ``ratio_images`` that of each image alone.
    ``moved_bytes`` and ``dram_energy_pj`` are of all traffic, weights included.
    """

    codec: str
    coded_bytes: float
    payload_bytes: float
    index_bytes: float
    bus_bytes: float
    ratio: float
    ratio_images: Spread
    saving_pct: float
    mode_tiles: dict[str, float]
    moved_bytes: float
    moved_saving_pct: float
    read_bytes: float
    write_bytes: float
    dram_time_ms: float
    dram_energy_pj: float
    energy_pj: dict[str, float]
    break_even_zero_fraction: float | None


class LayerRow(_Model):
    """One layer, means over the images; the codec is the run's.

    ``output_ratio`` is of all images together, ``output_ratio_std`` the standard deviation of each image's.
    """

    layer: str
    op: str
    activation: str
    output_shape: str
    macs: int
    weight_bytes: int
    zero_fraction: float | None
    entropy_bits_per_value: float | None
    output_raw_bytes: int
    output_coded_bits: float
    output_index_bytes: float
    output_bus_bytes: float
    output_ratio: float | None
    output_ratio_std: float | None
    read_bytes: float
    write_bytes: float
    bus_bytes: float
    raw_bus_bytes: float
    saving_pct: float
    dram_energy_pj: float
    raw_dram_energy_pj: float
    dram_time_us: float


class FootprintRow(_Model):
    """Peak memory of the activations in one layout, the greatest over the images."""

    layout: str
    peak_bytes: int
    layer: str


class QuantizationRow(_Model):
    """How a tensor became symbols."""

    tensor: str
    scale: float
    zero_point: int


class Summary(_Model):
    """A run. ``entropy_ratio`` is None where every activation is constant; `notes` tell what is not modelled.

    Schema 1 had no notes.
    """

    schema_version: Literal[1, 2] = 2
    thinwire_version: str
    network: str
    images: tuple[str, ...]
    config: dict[str, Any]
    best_modes: tuple[str, ...]
    layers_count: int
    activation_tensors: int
    macs: int
    weight_count: int
    activation_raw_bytes: int
    activation_zero_fraction: float
    entropy_ratio: float | None
    round_trip_tensors: int
    totals: tuple[CodecTotals, ...]
    footprints: tuple[FootprintRow, ...]
    quantization: tuple[QuantizationRow, ...]
    energy_constants: tuple[dict[str, Any], ...]
    layers: tuple[LayerRow, ...]
    notes: tuple[str, ...] = ()

    def codec(self, name: str) -> CodecTotals:
        """Totals of one codec."""
        return next(total for total in self.totals if total.codec == name)


def summarize(result: Result) -> Summary:
    """Reduce a run to its summary."""
    network, config = result.network, result.config
    coded = [[size for size in image.values() if size.coded] for image in result.sizes]
    raw_bytes = sum(size.raw_bytes for size in coded[0])
    values = sum(size.values for image in coded for size in image)
    return Summary(
        thinwire_version=version("thinwire"),
        network=network.name,
        images=result.images,
        config=config.to_json(),
        best_modes=config.format_of("best").modes,
        layers_count=len(network.layers),
        activation_tensors=len(coded[0]),
        macs=network.macs,
        weight_count=network.weight_count,
        activation_raw_bytes=raw_bytes,
        activation_zero_fraction=sum(size.zeros for image in coded for size in image) / max(values, 1),
        entropy_ratio=_entropy_ratio(8 * len(coded) * raw_bytes, [size for image in coded for size in image]),
        round_trip_tensors=sum(len(image) for image in coded),
        totals=tuple(_totals(result, codec) for codec in config.codecs),
        footprints=_footprints(result),
        quantization=tuple(
            QuantizationRow(tensor=name, scale=found.scale, zero_point=found.zero_point)
            for name, found in result.quantization.items()
        ),
        energy_constants=tuple(asdict(constant) for constant in CONSTANTS.values()),
        layers=tuple(_layer_row(result, number) for number in range(len(network.layers))),
        notes=network.notes,
    )


def _ratio(raw: float, coded: float) -> float:
    return raw / coded if coded else 1.0


def _entropy_ratio(raw_bits: int, sizes: list[TensorSizes]) -> float | None:
    """None where all activations are constant: there is no limit."""
    coded_bits = sum(size.entropy_bits for size in sizes)
    return _ratio(raw_bits, coded_bits) if coded_bits or not raw_bits else None


def _saving_pct(raw: float, coded: float) -> float:
    return 100 * (1 - coded / raw) if raw else 0.0


def _spread(values: Iterable[float]) -> Spread:
    array = np.array(list(values))
    return Spread(mean=array.mean(), std=array.std(), min=array.min(), max=array.max())


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _layers_moved(result: Result, codec: str, image: int) -> Moved:
    return sum((layer.moved[codec] for layer in result.traffic[image]), Moved())


def _totals(result: Result, codec: str) -> CodecTotals:
    images = range(len(result.images))
    coded = [[size.coded[codec] for size in image.values() if size.coded] for image in result.sizes]
    raw_bytes = sum(size.raw_bytes for size in result.sizes[0].values() if size.coded)
    bus = [sum(size.bus_bytes for size in image) for image in coded]
    moved = [_layers_moved(result, codec, image) for image in images]
    raw_moved = _mean(_layers_moved(result, "raw", image).bus_bytes for image in images)
    parts = _energy(result, moved)
    tiles = [[size.mode_tiles for size in image] for image in coded]
    mode_tiles = np.array(tiles).reshape(len(coded), -1, len(MODES)).sum(axis=1).mean(axis=0)
    return CodecTotals(
        codec=codec,
        coded_bytes=_mean(sum(size.coded_bits for size in image) / 8 for image in coded),
        payload_bytes=_mean(sum(size.payload_bytes for size in image) for image in coded),
        index_bytes=_mean(sum(size.index_bytes for size in image) for image in coded),
        bus_bytes=_mean(bus),
        ratio=_ratio(raw_bytes, _mean(bus)),
        ratio_images=_spread(_ratio(raw_bytes, size) for size in bus),
        saving_pct=_saving_pct(raw_bytes, _mean(bus)),
        mode_tiles={name: count for name, count in zip(MODES, mode_tiles.tolist(), strict=True) if count},
        moved_bytes=_mean(one.bus_bytes for one in moved),
        moved_saving_pct=_saving_pct(raw_moved, _mean(one.bus_bytes for one in moved)),
        read_bytes=_mean(one.read_bytes for one in moved),
        write_bytes=_mean(one.write_bytes for one in moved),
        dram_time_ms=1e3 * dram_time_s(_mean(one.bus_bytes for one in moved)),
        dram_energy_pj=parts.dram_pj,
        energy_pj=asdict(parts),
        break_even_zero_fraction=result.break_even.first_gain.get(codec),
    )


def _energy(result: Result, moved: list[Moved]) -> EnergyParts:
    read, written = _mean(one.read_bytes for one in moved), _mean(one.write_bytes for one in moved)
    return energy(read, written, result.network.macs)


def _footprints(result: Result) -> tuple[FootprintRow, ...]:
    def row(layout: str, key: Callable[[Any], tuple[int, str]]) -> FootprintRow:
        size, layer = max((key(one) for one in result.footprints), key=lambda peak: peak[0])
        return FootprintRow(layout=layout, peak_bytes=size, layer=layer)

    return (
        row("raw", lambda one: (one.raw_bytes, one.raw_layer)),
        row("slotted", lambda one: (one.slotted_bytes, one.slotted_layer)),
        row("packed", lambda one: (one.packed_bytes, one.packed_layer)),
    )


def _layer_row(result: Result, number: int) -> LayerRow:
    config, layer = result.config, result.network.layers[number]
    moved = [image[number].moved[config.codec] for image in result.traffic]
    raw = [image[number].moved["raw"] for image in result.traffic]
    bus, raw_bus = _mean(one.bus_bytes for one in moved), _mean(one.bus_bytes for one in raw)
    tensor = result.network.tensors.get(layer.output)
    sizes = [image[layer.output] for image in result.sizes] if tensor else []
    coded = [size.coded[config.codec] for size in sizes if size.coded]
    ratios = [_ratio(size.raw_bytes, size.coded[config.codec].bus_bytes) for size in sizes if size.coded]
    dram_pj = _energy(result, moved).dram_pj
    return LayerRow(
        layer=layer.name,
        op=layer.op,
        activation=tensor.activation if tensor else "on chip",
        output_shape="x".join(map(str, tensor.shape)) if tensor else "",
        macs=layer.macs,
        weight_bytes=moved[0].weight_bytes,
        zero_fraction=_mean(size.zero_fraction for size in sizes) if sizes else None,
        entropy_bits_per_value=_mean(size.entropy_bits / size.values for size in sizes) if sizes else None,
        output_raw_bytes=sizes[0].raw_bytes if sizes else 0,
        output_coded_bits=_mean(size.coded_bits for size in coded) if coded else 8 * sizes[0].raw_bytes if sizes else 0,
        output_index_bytes=_mean(size.index_bytes for size in coded) if coded else 0,
        output_bus_bytes=_mean(one.write_bytes for one in moved),
        output_ratio=_ratio(sizes[0].raw_bytes, _mean(size.bus_bytes for size in coded)) if coded else None,
        output_ratio_std=float(np.std(ratios)) if ratios else None,
        read_bytes=_mean(one.read_bytes for one in moved),
        write_bytes=_mean(one.write_bytes for one in moved),
        bus_bytes=bus,
        raw_bus_bytes=raw_bus,
        saving_pct=_saving_pct(raw_bus, bus),
        dram_energy_pj=dram_pj,
        raw_dram_energy_pj=_energy(result, raw).dram_pj,
        dram_time_us=1e6 * dram_time_s(bus),
    )
