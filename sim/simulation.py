"""The transaction-level simulation: network -> plan -> transactions -> memory and pipeline -> energy, layer by layer.

Layers run one after the other; what each moves, takes and costs is the mean over the images. Two designs run on the
same plan: the codecs asked for, and none (raw activations, packed weights).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from golden.activations.bypass import is_bypassed
from golden.activations.scan import scan_order
from golden.tile_index import index_bytes
from golden.tile_stream import tensor_sizes
from sim.aligned_mapping import align
from sim.config import RunConfig
from sim.external import TensorBytes, transactions
from sim.images import Photo
from sim.layer_shape import LayerShape, layer_shapes
from sim.mapping import Mapping as LayerMapping
from sim.mapping_search import evaluate
from sim.network import Network
from sim.run import record
from sim.simulated_layer import LayerResult, SimulationConfig, simulate_layer
from sim.tensors import Sample
from sim.tile_plan import LayerPlan, plan_layer
from sim.weight_tiles import layer_weights, unknown_layers, weight_bytes

__all__ = ["Simulation", "run_simulation"]

_RAW, _PACKED = "raw", "packed"


@dataclass(frozen=True, eq=False)
class Simulation:
    """A network on a design, and on the same without codecs; `notes` are the assumptions that this network adds."""

    config: SimulationConfig
    network: Network
    images: tuple[str, ...]
    coded: tuple[LayerResult, ...]
    raw: tuple[LayerResult, ...]
    notes: tuple[str, ...]


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
    recorder = record(network, photos, mean, spread, config.run.word_bits)
    plans = _plans(config, network, pinned or {})
    known = layer_weights(network)
    burst, word = config.run.burst_bytes, config.accelerator.words.weight_bits
    weights = {codec: weight_bytes(plans, known, codec, burst, word) for codec in {config.weight_codec, _PACKED}}
    coded: list[list[LayerResult]] = []
    raw: list[list[LayerResult]] = []
    zero_points = {name: quantization.zero_point for name, quantization in recorder.quantization.items()}
    for number, sample in enumerate(recorder, start=1):
        tensors = _tensors(network, sample, zero_points, config.run, config.run.codec)
        coded.append(_layers(config, plans, tensors, weights[config.weight_codec], config.weight_codec))
        if not raw:  # the same for every image
            tensors = _tensors(network, sample, zero_points, config.run, _RAW)
            raw.append(_layers(config, plans, tensors, weights[_PACKED], _PACKED))
        progress(number / len(photos))
    notes = tuple(
        f"weights of {name} are no float initializer: counted uncoded" for name in unknown_layers(network, known)
    )
    names = tuple(photo.name for photo in photos)
    return Simulation(config, network, names, _means(coded), _means(raw), notes)


def _plans(config: SimulationConfig, network: Network, pinned: Mapping[str, LayerMapping]) -> tuple[LayerPlan, ...]:
    buffer, tile = config.accelerator.buffer, config.run.tile
    known: dict[LayerShape, LayerMapping] = {}
    plans = []
    for layer, shape in zip(network.layers, layer_shapes(network), strict=True):
        key = replace(shape, name="")
        if shape.name in pinned:
            mapping = evaluate(shape, pinned[shape.name], buffer).mapping
        else:
            mapping = known[key] = known.get(key) or align(shape, buffer, tile)
        plans.append(plan_layer(network, layer, shape, mapping, tile))
    return tuple(plans)


def _tensors(
    network: Network, sample: Sample, zero_points: Mapping[str, int], run: RunConfig, codec: str
) -> dict[str, TensorBytes]:
    """What each tensor's tiles become; the network's input and outputs stay raw."""
    inner = {tensor.name for tensor in network.activations}
    return {
        name: _tensor(
            sample.symbols[name], zero_points[name], tensor.activation, run, codec if name in inner else "raw"
        )
        for name, tensor in network.tensors.items()
    }


def _tensor(
    symbols: NDArray[np.unsignedinteger], zero_point: int, activation: str, run: RunConfig, codec: str
) -> TensorBytes:
    fmt = run.format_of(codec)
    tiles = scan_order(symbols.shape, fmt.scan, fmt.tile)[1]
    counts = np.asarray(tiles.symbols, np.int64)
    raw = -(-counts * run.word_bits // fmt.burst_bits)
    bursts, indexed = raw, False
    if codec != "raw":
        coded = tensor_sizes(symbols, fmt, zero_point).bursts
        whole = int(coded.sum()) * fmt.burst_bits + 8 * index_bytes(counts.size)
        if not is_bypassed(run.bypass, activation, int(raw.sum()) * fmt.burst_bits, whole):
            bursts, indexed = coded, True
    return TensorBytes(bursts * fmt.burst_bytes, counts, fmt.slot_bursts * fmt.burst_bytes, indexed)


def _layers(
    config: SimulationConfig,
    plans: tuple[LayerPlan, ...],
    tensors: Mapping[str, TensorBytes],
    weights: tuple[NDArray[np.int64], ...],
    weight_codec: str,
) -> list[LayerResult]:
    moved = transactions(
        plans,
        tensors,
        weights,
        layout=config.run.layout,
        burst_bytes=config.run.burst_bytes,
        partial_bits=config.accelerator.words.partial_bits,
        index_cache_groups=config.index_cache_groups,
    )
    return [simulate_layer(config, plan, own, weight_codec) for plan, own in zip(plans, moved, strict=True)]


def _means(images: list[list[LayerResult]]) -> tuple[LayerResult, ...]:
    return tuple(_mean(list(layer)) for layer in zip(*images, strict=True))


def _mean(layers: list[LayerResult]) -> LayerResult:
    def over(name: str) -> dict[str, float]:
        first = getattr(layers[0], name)
        return {key: float(np.mean([getattr(layer, name)[key] for layer in layers])) for key in first}

    def alone(name: str) -> float:
        return float(np.mean([getattr(layer, name) for layer in layers]))

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
