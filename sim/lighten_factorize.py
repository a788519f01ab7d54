"""G2: a heavy convolution becomes two light ones that start as near to it as they can.

``bottleneck``   a pointwise convolution to a few channels in front of it; also of transposed convolutions
``separable``    depthwise and pointwise
``kernel``       N x N becomes 1 x N and N x 1 (described by the report, not recommended)

The new weights are the best of their shape in squared error: the first singular vectors of the old ones. That keeps
something of what the layer has learned; the network is to be trained again all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from sim.lighten_backbone import pruned_constants
from sim.network import Network
from sim.operators import attribute

__all__ = ["WAYS", "Factorized", "check_way", "factorize"]

Floats = NDArray[np.float32]
Parts = tuple[list[onnx.NodeProto], dict[str, Floats]]


@dataclass(frozen=True)
class Factorized:
    """A network with convolutions replaced, and the names of their layers."""

    model: onnx.ModelProto
    layers: tuple[str, ...]


def factorize(network: Network, way: str, channels: int = 64, least_share: float = 0.05) -> Factorized:
    """Replace heavy convolutions.

    Parameters
    ----------
    network : Network
    way : str
        One of `WAYS`; transposed convolutions take the bottleneck always.
    channels : int
        Of the bottleneck.
    least_share : float
        Of the network's MACs: what makes a convolution heavy.

    Raises
    ------
    ValueError
        If there is no such way, or `channels` is not positive.
    """
    check_way(way, channels)
    heavy = {layer.nodes[0]: layer.name for layer in network.layers if layer.macs >= least_share * network.macs}
    model = onnx.ModelProto()
    model.CopyFrom(network.model)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes, replaced = [], []
    for node in model.graph.node:
        name = node.name or node.output[0]
        parts = _parts(node, weights, way, channels) if name in heavy else None
        if parts is None:
            nodes.append(node)
            continue
        made, constants = parts
        nodes += made
        model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
        replaced.append(heavy[name])
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    del model.graph.value_info[:]
    model.graph.node.extend(kept)
    return Factorized(pruned_constants(model), tuple(replaced))


def check_way(way: str, channels: int) -> None:
    """Refuse what `factorize` refuses."""
    if way not in WAYS:
        raise ValueError(f"way must be one of {tuple(WAYS)}, not {way!r}")
    if channels < 1:
        raise ValueError(f"channels must be 1 or more, not {channels!r}")


def _parts(node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto], way: str, channels: int) -> Parts | None:
    """What stands in a node's place; None where it cannot be split or would not become lighter."""
    if (
        node.op_type not in ("Conv", "ConvTranspose")
        or attribute(node, "group", 1) != 1
        or node.input[1] not in weights
    ):
        return None
    values = np.asarray(numpy_helper.to_array(weights[node.input[1]]), np.float32)
    if values.ndim != 4 or max(values.shape[2:]) == 1:
        return None
    chosen = "bottleneck" if node.op_type == "ConvTranspose" else way
    if chosen == "bottleneck" and values.shape[0 if node.op_type == "ConvTranspose" else 1] <= channels:
        return None
    made, constants = WAYS[chosen](node, values, channels)
    return (made, constants) if _work(made, constants) < values.size else None


def _work(made: list[onnx.NodeProto], constants: Mapping[str, Floats]) -> float:
    """MACs of a pair for each pixel that the old node's MACs are counted at: a first one may work before a stride."""
    front, behind = made
    left = 1 if behind.op_type == "ConvTranspose" else prod(attribute(behind, "strides", [1, 1]))
    return left * constants[front.input[1]].size + constants[behind.input[1]].size


def _bottleneck(node: onnx.NodeProto, values: Floats, channels: int) -> Parts:
    by_input = values if node.op_type == "ConvTranspose" else values.swapaxes(0, 1)
    flat = by_input.reshape(by_input.shape[0], -1).astype(np.float64)
    basis = _basis(flat, channels)
    inner = (basis.T @ flat).reshape(channels, *by_input.shape[1:])
    inner = inner if node.op_type == "ConvTranspose" else inner.swapaxes(0, 1)
    name = node.name or node.output[0]
    point = np.ascontiguousarray(basis.T)[:, :, None, None].astype(np.float32)
    constants = {f"{name}.point": point, f"{name}.inner": np.ascontiguousarray(inner, np.float32)}
    front = helper.make_node(
        "Conv", [node.input[0], f"{name}.point"], [f"{name}.few"], f"{name}.few", kernel_shape=[1, 1]
    )
    behind = _like(node, f"{name}.few", f"{name}.inner")
    return [front, behind], constants


def _basis(flat: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The first left singular vectors, by subspace iteration: a whole decomposition takes a hundred times as long."""
    wide = min(count + 8, *flat.shape)
    basis = np.random.default_rng(0).standard_normal((flat.shape[0], wide))
    for _ in range(3):
        basis = np.linalg.qr(flat @ (flat.T @ (flat @ (flat.T @ basis))))[0]
    part = basis.T @ flat
    found: NDArray[np.float64] = (basis @ np.linalg.eigh(part @ part.T)[1])[:, : -count - 1 : -1]
    return found


def _separable(node: onnx.NodeProto, values: Floats, channels: int) -> Parts:
    outputs, inputs, *kernel = values.shape
    left, sizes, right = np.linalg.svd(values.swapaxes(0, 1).reshape(inputs, outputs, -1), full_matrices=False)
    root = np.sqrt(sizes[:, :1])
    name = node.name or node.output[0]
    constants = {
        f"{name}.depthwise": (root * right[:, 0]).reshape(inputs, 1, *kernel).astype(np.float32),
        f"{name}.point": np.ascontiguousarray((root * left[:, :, 0]).T)[:, :, None, None].astype(np.float32),
    }
    front = _like(node, node.input[0], f"{name}.depthwise", f"{name}.each", bias=False, group=inputs)
    inputs_behind = [f"{name}.each", f"{name}.point", *node.input[2:]]
    behind = helper.make_node("Conv", inputs_behind, list(node.output), name, kernel_shape=[1, 1])
    return [front, behind], constants


def _kernel(node: onnx.NodeProto, values: Floats, channels: int) -> Parts:
    outputs, inputs, rows, columns = values.shape
    middle = min(outputs, inputs * columns, outputs * rows)
    flat = values.transpose(0, 2, 1, 3).reshape(outputs * rows, inputs * columns)
    left, sizes, right = np.linalg.svd(flat, full_matrices=False)
    root = np.sqrt(sizes[:middle])
    down = (left[:, :middle] * root).reshape(outputs, rows, middle).transpose(0, 2, 1)[..., None]
    across = (root[:, None] * right[:middle]).reshape(middle, inputs, columns)[:, :, None]
    name = node.name or node.output[0]
    constants = {f"{name}.across": np.ascontiguousarray(across), f"{name}.down": np.ascontiguousarray(down)}
    pads, strides = attribute(node, "pads", [0] * 4), attribute(node, "strides", [1, 1])
    wide: dict[str, Any] = {"kernel_shape": [1, columns], "pads": [0, pads[1], 0, pads[3]], "strides": [1, strides[1]]}
    high: dict[str, Any] = {"kernel_shape": [rows, 1], "pads": [pads[0], 0, pads[2], 0], "strides": [strides[0], 1]}
    front = _like(node, node.input[0], f"{name}.across", f"{name}.row", bias=False, **wide)
    return [front, _like(node, f"{name}.row", f"{name}.down", **high)], constants


def _like(
    node: onnx.NodeProto, value: str, weight: str, output: str = "", bias: bool = True, **changed: Any
) -> onnx.NodeProto:
    """The node with other input, weights and attributes; its own name where `output` is empty."""
    made = onnx.NodeProto()
    made.CopyFrom(node)
    made.input[:] = [value, weight, *(node.input[2:] if bias else ())]
    if output:
        made.name, made.output[:] = output, [output]
    kept = [each for each in made.attribute if each.name not in changed]
    del made.attribute[:]
    made.attribute.extend([*kept, *(helper.make_attribute(name, number) for name, number in changed.items())])
    return made


WAYS: Mapping[str, Callable[[onnx.NodeProto, Floats, int], Parts]] = {
    "bottleneck": _bottleneck,
    "separable": _separable,
    "kernel": _kernel,
}
"""How a convolution is split."""
