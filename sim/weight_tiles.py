"""Weights as memory holds them: the weights of each tile of the mapping coded on their own, in whole bursts.

A decoder takes the stream of its share of a tile as one tensor, for as many cycles as hardware takes from descriptor to
verdict (`sim.timing_weights`); tensors do not overlap in it. These cycles hold what the codec and 128 bits of body a
cycle allow, so that the port has no say in them. Only a codec without a decoder in hardware takes the port's symbols
per cycle: there is nothing else to go by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from golden.weights.container import StoredWeights
from golden.weights.linear import quantize
from golden.weights.tensor import WeightCodec
from sim.layer_shape import LayerShape
from sim.network import Layer, Network
from sim.tile_plan import LayerPlan
from sim.timing_weights import has_cycles, weight_cycles
from sim.weights import Recipe, Weight, find_weights

_AXES = {"Conv": 0, "ConvTranspose": 1, "Gemm": 1, "MatMul": -1}  # of the output channels

__all__ = ["CodedTiles", "code_tiles", "layer_weights", "unknown_layers"]

_Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CodedTiles:
    """The weight tiles of a layer.

    Attributes
    ----------
    size_bytes : ndarray of int64, shape (tiles,)
        Whole bursts of all streams.
    cycles : ndarray of int64, shape (tiles,)
        Of the decoder that works longest; 0 where weights are not coded.
    work_cycles : ndarray of int64, shape (tiles,)
        Of all decoders together.
    """

    size_bytes: _Ints
    cycles: _Ints
    work_cycles: _Ints


def layer_weights(network: Network) -> dict[str, Weight]:
    """The weights of each layer that has some in the model, by the layer's name.

    They are floats, or the integers of a network that is quantized already (QDQ format).
    """
    try:
        known = {weight.name: weight for weight in find_weights(network.model)}
    except ValueError:
        known = {}
    known |= _integers(network)
    read = {node.name or node.output[0]: list(node.input) for node in network.model.graph.node}
    found: dict[str, Weight] = {}
    for layer in network.layers:
        names = [name for node in layer.nodes for name in read.get(node, []) if name in known]
        if names and known[names[0]].values.size == layer.weight_count:
            found[layer.name] = known[names[0]]
    return found


def _integers(network: Network) -> dict[str, Weight]:
    """Initializers of 8 bits behind a DequantizeLinear, by its output, centred on their zero points."""
    graph = network.model.graph
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    axes = {node.input[1]: _channel_axis(node) for node in graph.node if node.op_type in _AXES}
    found = {}
    for node in graph.node:
        tensor = initializers.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if tensor is None or len(tensor.dims) < 2 or node.output[0] not in axes:
            continue
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.uint8:
            values = (values.astype(np.int16) - 128).astype(np.int8)
        if values.dtype == np.int8:
            found[node.output[0]] = Weight(node.output[0], values, axes[node.output[0]])
    return found


def _channel_axis(node: onnx.NodeProto) -> int:
    turned = any(item.name == "transB" and item.i for item in node.attribute)
    return 0 if node.op_type == "Gemm" and turned else _AXES[node.op_type]


def code_tiles(
    plans: Iterable[LayerPlan],
    weights: Mapping[str, Weight],
    codec: str,
    burst_bytes: int,
    word_bits: int = 8,
    units: int = 1,
    lanes: int = 8,
    known: dict[Any, CodedTiles] | None = None,
) -> tuple[CodedTiles, ...]:
    """Bytes and cycles of each weight tile of each plan.

    Parameters
    ----------
    plans : iterable of LayerPlan
    weights : mapping of layer name to Weight
        A layer that is not among them is counted uncoded.
    codec : str
        A weight codec of the registry; integers are quantized per tensor to `word_bits`. ``packed`` is none.
    burst_bytes : int
    word_bits : int
        Bits of an uncoded weight.
    units : int
        Decoders that share a tile, each with a stream of its own for a part of the filters.
    lanes : int
        Weights that a decoder takes in a cycle if its codec has none in hardware.
    known : dict, optional
        What was found for other plans of the same network: looked up, and filled.

    Raises
    ------
    ValueError
        If the codec cannot hold some weights.
    """
    recipe = Recipe(codec=codec)
    known, found = {} if known is None else known, []
    for plan in plans:
        key = plan.layer.name, plan.weight_tiles, codec, burst_bytes, word_bits, units, lanes
        if key not in known:
            weight = weights.get(plan.layer.name)
            if weight is None or codec == "packed":
                known[key] = _uncoded(plan, burst_bytes, word_bits)
            else:
                known[key] = _coded(plan, weight, recipe, burst_bytes, units, lanes)
        found.append(known[key])
    return tuple(found)


def _uncoded(plan: LayerPlan, burst_bytes: int, word_bits: int) -> CodedTiles:
    """Plain fields, without decoders."""
    counts = np.array([_count(plan, number) for number in range(len(plan.weight_tiles))], np.int64)
    nothing = np.zeros(counts.size, np.int64)
    return CodedTiles(-(-counts * word_bits // (8 * burst_bytes)) * burst_bytes, nothing, nothing)


def _count(plan: LayerPlan, number: int) -> int:
    tile = plan.weight_tiles[number]
    filters, channels = tile.end_filter - tile.first_filter, tile.end_channel - tile.first_channel
    return filters * channels * (plan.shape.weights // (plan.shape.filters * plan.shape.group_channels))


def _coded(plan: LayerPlan, weight: Weight, recipe: Recipe, burst_bytes: int, units: int, lanes: int) -> CodedTiles:
    codec, rows = recipe.make(), []
    for shares in _shares(plan, weight, recipe, units):
        bits, cycles = zip(*(_stream(share, codec, lanes) for share in shares), strict=True)
        bursts = sum(-(-each // (8 * burst_bytes)) for each in bits)
        rows.append((bursts * burst_bytes, max(cycles), sum(cycles)))
    return CodedTiles(*np.array(rows, np.int64).reshape(-1, 3).T)


def _stream(share: NDArray[Any], codec: WeightCodec[Any], lanes: int) -> tuple[int, int]:
    """Bits and cycles of a decoder's share."""
    if not has_cycles(codec):
        return codec.size_bits(share), -(-share.size // lanes)
    encoded = codec.encode(share)
    cycles = weight_cycles(StoredWeights("", codec, encoded))
    assert cycles is not None
    return encoded.size_bits, cycles


def _shares(plan: LayerPlan, weight: Weight, recipe: Recipe, units: int) -> Iterator[list[NDArray[Any]]]:
    """The weights of each tile, a part of the filters for each decoder."""
    values = weight.values
    if recipe.takes_floats:
        values = values.astype(np.float32) if values.dtype.kind == "i" else values
    elif values.dtype.kind != "i":
        values = quantize(values, recipe.linear(weight.channel_axis % values.ndim)).values
    ordered = _filters_first(values, weight, plan.layer, plan.shape)
    for tile in plan.weight_tiles:
        part = ordered[tile.first_filter : tile.end_filter, tile.first_channel : tile.end_channel]
        yield [np.ascontiguousarray(share) for share in np.array_split(part, min(units, len(part)))]


def _filters_first(values: NDArray[Any], weight: Weight, layer: Layer, shape: LayerShape) -> NDArray[Any]:
    """Weights as (M, C / G, window)."""
    if layer.op == "deconv":
        split = values.reshape(shape.groups, shape.group_channels, shape.group_filters, -1)
        return split.transpose(0, 2, 1, 3).reshape(shape.filters, shape.group_channels, -1)
    axis = weight.channel_axis % values.ndim
    return np.moveaxis(values, axis, 0).reshape(shape.filters, shape.group_channels, -1)


def unknown_layers(network: Network, weights: Mapping[str, Weight]) -> tuple[str, ...]:
    """Layers whose weights are no initializers of floats or 8-bit integers: they are counted uncoded."""
    return tuple(layer.name for layer in network.layers if layer.weight_count and layer.name not in weights)
