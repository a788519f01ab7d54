"""Weights as memory holds them: the weights of each tile of the mapping coded on their own, in whole bursts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from golden.weights.linear import quantize
from sim.layer_shape import LayerShape
from sim.network import Layer, Network
from sim.tile_plan import LayerPlan
from sim.weights import Recipe, Weight, find_weights

_AXES = {"Conv": 0, "ConvTranspose": 1, "Gemm": 1, "MatMul": -1}  # of the output channels

__all__ = ["layer_weights", "unknown_layers", "weight_bytes"]


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


def weight_bytes(
    plans: Iterable[LayerPlan],
    weights: Mapping[str, Weight],
    codec: str,
    burst_bytes: int,
    word_bits: int = 8,
    units: int = 1,
    known: dict[Any, NDArray[np.int64]] | None = None,
) -> tuple[NDArray[np.int64], ...]:
    """Bytes of each weight tile of each plan.

    Parameters
    ----------
    plans : iterable of LayerPlan
    weights : mapping of layer name to Weight
        A layer that is not among them is counted uncoded.
    codec : str
        A weight codec of the registry; integers are quantized per tensor to `word_bits`.
    burst_bytes : int
    word_bits : int
        Bits of an uncoded weight.
    units : int
        Decoders that share a tile, each with a stream of its own for a part of the filters.
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
        key = plan.layer.name, plan.weight_tiles, codec, burst_bytes, word_bits, units
        if key not in known:
            known[key] = _layer(plan, weights.get(plan.layer.name), recipe, burst_bytes, word_bits, units)
        found.append(known[key])
    return tuple(found)


def _layer(
    plan: LayerPlan, weight: Weight | None, recipe: Recipe, burst_bytes: int, word_bits: int, units: int
) -> NDArray[np.int64]:
    burst_bits = 8 * burst_bytes
    if weight is not None and recipe.codec != "packed":
        bursts = [sum(-(-bits // burst_bits) for bits in streams) for streams in _coded(plan, weight, recipe, units)]
    else:
        counts = [_count(plan, number) for number in range(len(plan.weight_tiles))]
        bursts = [-(-count * word_bits // burst_bits) for count in counts]
    return np.array(bursts, np.int64) * burst_bytes


def _count(plan: LayerPlan, number: int) -> int:
    tile = plan.weight_tiles[number]
    filters, channels = tile.end_filter - tile.first_filter, tile.end_channel - tile.first_channel
    return filters * channels * (plan.shape.weights // (plan.shape.filters * plan.shape.group_channels))


def _coded(plan: LayerPlan, weight: Weight, recipe: Recipe, units: int) -> Iterator[list[int]]:
    """Bits of each tile's streams."""
    values = weight.values
    if recipe.takes_floats:
        values = values.astype(np.float32) if values.dtype.kind == "i" else values
    elif values.dtype.kind != "i":
        values = quantize(values, recipe.linear(weight.channel_axis % values.ndim)).values
    ordered, codec = _filters_first(values, weight, plan.layer, plan.shape), recipe.make()
    for tile in plan.weight_tiles:
        part = ordered[tile.first_filter : tile.end_filter, tile.first_channel : tile.end_channel]
        shares = np.array_split(part, min(units, len(part)))
        yield [codec.size_bits(np.ascontiguousarray(share)) for share in shares]


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
