"""The transaction-level simulation: network -> plan -> transactions -> memory and pipeline -> energy, layer by layer.

Layers run one after the other; what each moves, takes and costs is the mean over the images. Two designs run on the
same plan: the codecs asked for, and none (raw activations, packed weights). Raw activations depend on shapes alone:
where no codec is asked for, the network does not run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sim.coded_tensors import batches, coded_images, raw_tensors
from sim.external import TensorBytes, transactions
from sim.footprint import peak_bytes
from sim.images import Photo
from sim.mapping import Mapping as LayerMapping
from sim.network import Network
from sim.network_plan import plan_network
from sim.residency import Residency
from sim.run import record
from sim.simulated_layer import LayerResult, SimulationConfig, simulate_layer
from sim.tile_plan import LayerPlan
from sim.weight_tiles import CodedTiles, code_tiles, layer_weights, unknown_layers

__all__ = ["Simulation", "run_simulation", "simulate_plans"]

_RAW, _PACKED = "raw", "packed"


@dataclass(frozen=True, eq=False)
class Simulation:
    """A network on a design, and on the same without codecs.

    `peak_bytes` is the most external memory that activations take at one time (the greatest of the images), `notes` are
    the assumptions that this network adds.
    """

    config: SimulationConfig
    network: Network
    images: tuple[str, ...]
    coded: tuple[LayerResult, ...]
    raw: tuple[LayerResult, ...]
    residency: Residency
    peak_bytes: int
    raw_peak_bytes: int
    notes: tuple[str, ...]

    def time_ms(self, layers: Iterable[LayerResult]) -> float:
        """Time of an image: its layers', and what the accelerator's programs take besides."""
        return sum(layer.time_ns for layer in layers) / 1e6 + self.config.accelerator.software.image_ms


def run_simulation(
    config: SimulationConfig,
    network: Network,
    photos: tuple[Photo, ...],
    mean: float = 127.0,
    spread: float = 128.0,
    pinned: Mapping[str, LayerMapping] | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Simulation:
    """Simulate a network on all photos.

    Parameters
    ----------
    mean, spread : float
        A pixel value v enters the network as ``(v - mean) / spread``.
    pinned : mapping of layer name to Mapping, optional
        Mappings that are not searched.
    progress : callable
        Called with the fraction of images done.

    Raises
    ------
    ValueError
        If network and photos do not fit, a layer does not fit the buffer, or a codec cannot hold the weights.
    """
    plans, residency = plan_network(config, network, pinned or {})
    if config.run.codec == _RAW:
        tensors = raw_tensors(network, config.run, config.accelerator.words.activation_bits)
        return simulate_plans(config, network, plans, residency, [tensors], ("shapes alone",), progress)
    samples = record(network, photos, mean, spread, config.run.word_bits)
    passing = {tensor.name for tensor in network.activations} - residency.kept
    lanes = config.accelerator.ports.activations.symbols_per_cycle
    images = coded_images(network, config.run, lanes, samples, passing)
    return simulate_plans(config, network, plans, residency, images, tuple(photo.name for photo in photos), progress)


def simulate_plans(
    config: SimulationConfig,
    network: Network,
    plans: tuple[LayerPlan, ...],
    residency: Residency,
    images: Iterable[Mapping[str, TensorBytes]],
    names: tuple[str, ...],
    progress: Callable[[float], None] = lambda fraction: None,
    known: dict[Any, CodedTiles] | None = None,
) -> Simulation:
    """Simulate planned layers.

    Parameters
    ----------
    plans, residency
        As `sim.network_plan.plan_network` makes them.
    images : iterable of mapping
        For each image, tensor name to its tiles; those of tensors that stay on the chip are not looked at.
    names : tuple of str
        Of the images.
    progress : callable
        Called with the fraction of images done.
    known : dict, optional
        That of `sim.weight_tiles.code_tiles`.

    Raises
    ------
    ValueError
        If a codec cannot hold the weights.
    """
    own = layer_weights(network)
    burst, words = config.run.burst_bytes, config.accelerator.words
    lanes = config.accelerator.ports.weights.symbols_per_cycle
    weights = {
        codec: code_tiles(plans, own, codec, burst, words.weight_bits, config.weight_units, lanes, known)
        for codec in {config.weight_codec, _PACKED}
    }
    plain = raw_tensors(network, config.run, words.activation_bits, config.batch)
    raw = _layers(config, plans, plain, weights[_PACKED])
    coded, peak = [], 0
    for number, tensors in enumerate(batches(images, config.batch), start=1):
        coded.append(_layers(config, plans, tensors, weights[config.weight_codec]))
        peak = max(peak, _peak(network, tensors, config.run.layout, residency))
        progress(min(1.0, number * config.batch / len(names)))
    notes = [f"weights of {name} are no initializer: counted uncoded" for name in unknown_layers(network, own)]
    raw_peak = _peak(network, plain, "packed", residency)
    return Simulation(
        config,
        network,
        names,
        _means(coded, config.batch),
        _means([raw], config.batch),
        residency,
        peak,
        raw_peak,
        (*notes, *network.notes),
    )


def _peak(network: Network, tensors: Mapping[str, TensorBytes], layout: str, residency: Residency) -> int:
    memory = {
        name: 0 if name in residency.kept else tensor.memory_bytes(layout if tensor.indexed else "packed")
        for name, tensor in tensors.items()
    }
    return peak_bytes(network, memory)[0]


def _layers(
    config: SimulationConfig,
    plans: tuple[LayerPlan, ...],
    tensors: Mapping[str, TensorBytes],
    weights: tuple[CodedTiles, ...],
) -> list[LayerResult]:
    moved = transactions(
        plans,
        tensors,
        tuple(tiles.size_bytes for tiles in weights),
        layout=config.run.layout,
        burst_bytes=config.run.burst_bytes,
        partial_bits=config.accelerator.words.partial_bits,
        index_cache_groups=config.index_cache_groups,
    )
    return [simulate_layer(config, *layer) for layer in zip(plans, moved, weights, strict=True)]


def _means(batches: list[list[LayerResult]], batch: int) -> tuple[LayerResult, ...]:
    return tuple(_mean(list(layer), batch) for layer in zip(*batches, strict=True))


def _mean(layers: list[LayerResult], batch: int) -> LayerResult:
    """Of one image."""

    def over(name: str) -> dict[str, float]:
        first = getattr(layers[0], name)
        return {key: float(np.mean([getattr(layer, name)[key] for layer in layers])) / batch for key in first}

    def alone(name: str) -> float:
        return float(np.mean([getattr(layer, name) for layer in layers])) / batch

    return replace(
        layers[0],
        bytes_by_kind=over("bytes_by_kind"),
        read_bytes=alone("read_bytes"),
        write_bytes=alone("write_bytes"),
        memory_ns=alone("memory_ns"),
        time_ns=alone("time_ns"),
        busy_ns=over("busy_ns"),
        energy_pj=over("energy_pj"),
        fifo_bytes=(max(layer.fifo_bytes[0] for layer in layers), max(layer.fifo_bytes[1] for layer in layers)),
    )
