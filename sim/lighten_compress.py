"""G3, G4, G5: quantization with calibration pictures, half precision, pruning; each a model that onnxruntime runs."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from golden.weights.container import WeightFile
from sim.network import Network
from sim.weights import Recipe, compress, decompress

__all__ = ["Quantized", "halve", "prune_network", "quantize_network"]

_CONVERSIONS = {"QuantizeLinear", "DequantizeLinear"}
_QUANTIZED = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "MaxPool", "AveragePool", "GlobalAveragePool", "Concat")


@dataclass(frozen=True)
class Quantized:
    """A network in int8, and what of it is not.

    Attributes
    ----------
    model : onnx.ModelProto
        Quantized tensors stand between QuantizeLinear and DequantizeLinear.
    islands : tuple of str
        Layers that stay float, each with conversions around it.
    conversions : int
        Conversions that the islands need: one for each tensor that enters or leaves one.
    """

    model: onnx.ModelProto
    islands: tuple[str, ...]
    conversions: int


class _Pictures:
    """Calibration data as onnxruntime's quantizer reads it."""

    def __init__(self, name: str, pictures: NDArray[np.float32]) -> None:
        self._feeds: Iterator[dict[str, NDArray[np.float32]]] = ({name: one[None]} for one in pictures)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next picture, or None at the end."""
        return next(self._feeds, None)


def quantize_network(network: Network, pictures: NDArray[np.float32], float_only: frozenset[str]) -> Quantized:
    """Quantize statically: weights symmetric per channel, activations affine per tensor.

    Parameters
    ----------
    network : Network
    pictures : ndarray of float32, shape (n, channels, height, width)
        As the network takes them: they tell the ranges of activations.
    float_only : frozenset of str
        Operators that stay float.
    """
    from onnxruntime.quantization import QuantType, quantize_static

    logging.getLogger().setLevel(logging.ERROR)  # its advice to preprocess is of no use here
    with tempfile.TemporaryDirectory(prefix="thinwire-") as folder:
        source, made = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(network.model, source)
        quantize_static(
            source,
            made,
            _Pictures(network.inputs[0], pictures),
            op_types_to_quantize=[op for op in _QUANTIZED if op not in float_only],
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
        model = onnx.load(made)
    islands = tuple(layer.name for layer in network.layers if _is_island(network, layer.nodes[0], float_only))
    return Quantized(model, islands, _conversions(network, set(islands)))


def _is_island(network: Network, name: str, float_only: frozenset[str]) -> bool:
    ops = {node.name or node.output[0]: node.op_type for node in network.model.graph.node}
    return ops.get(name) in float_only


def _conversions(network: Network, islands: set[str]) -> int:
    """Edges between a float layer and an int8 one, in either direction."""
    edges = 0
    for layer in network.layers:
        for name in layer.inputs:
            producer = network.tensors[name].producer
            edges += (layer.name in islands) != (producer in islands)
    return edges


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network in half precision; inputs and outputs stay float32."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    made: onnx.ModelProto = convert_float_to_float16(copied, keep_io_types=True)
    _sort_nodes(made.graph)
    return made


def _sort_nodes(graph: onnx.GraphProto) -> None:
    """Put nodes in order of execution: the converter appends casts of inputs at the end."""
    known = {"", *(value.name for value in (*graph.input, *graph.initializer))}
    waiting = [onnx.NodeProto.FromString(node.SerializeToString()) for node in graph.node]
    del graph.node[:]
    while ready := [node for node in waiting if known.issuperset(node.input)]:
        graph.node.extend(ready)
        known.update(name for node in ready for name in node.output)
        waiting = [node for node in waiting if not known.issuperset(node.output)]


def prune_network(model: onnx.ModelProto, density: float, bits: int = 8) -> tuple[onnx.ModelProto, WeightFile]:
    """Prune each tensor to a density, share what stays, and store it by ``deepcomp``.

    Parameters
    ----------
    model : onnx.ModelProto
    density : float
        Share of each tensor's weights that stays.
    bits : int
        Of a shared weight: 2**bits - 1 values and zero.

    Returns
    -------
    tuple of onnx.ModelProto and WeightFile
        The network as it comes back from the file, and the file.

    Raises
    ------
    ValueError
        If the density is not in 0..1.
    """
    file = compress(model, Recipe("deepcomp", bits=bits, density=density))
    return decompress(file), file


def formats_after(network: Network, islands: tuple[str, ...]) -> dict[str, str]:
    """The format of each layer of a quantized network."""
    return {layer.name: "fp32" if layer.name in islands else "int8" for layer in network.layers}
