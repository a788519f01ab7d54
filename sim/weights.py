"""A network's weights through a weight codec: to a file, back to a working network, and all codecs side by side.

Weights are the float initializers of two or more dimensions that convolutions and matrix products read. The rest of
the network (graph, biases) travels in the file as it is. Codecs of integers get the weights linearly quantized, and the
file keeps the scales; codecs of floats get them as they are.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from golden.registry import WEIGHT_CODECS, weight_codec_from_config
from golden.weights.container import Scales, StoredWeights, WeightFile
from golden.weights.linear import LinearFormat, quantize
from golden.weights.prune import check_density, prune, prune_globally
from golden.weights.tensor import WeightCodec

__all__ = [
    "SCOPES",
    "Comparison",
    "Recipe",
    "Weight",
    "compare",
    "compress",
    "decompress",
    "find_weights",
    "order0_bits",
    "parse_settings",
    "store",
]

SCOPES = ("layer", "network")

_FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE}


@dataclass(frozen=True)
class Recipe:
    """How weights are compressed.

    Attributes
    ----------
    codec : str
        A name of the registry.
    bits : int
        Of a quantized or shared weight.
    density : float
        Share of weights that stays, by magnitude.
    scope : str
        ``layer``: each tensor keeps that share; ``network``: all together do.
    scheme, per_channel : str, bool
        Linear quantization, for codecs of integers; a scale per output channel.
    settings : mapping
        Further parameters of the codec's format.
    """

    codec: str = "huffman"
    bits: int = 8
    density: float = 1.0
    scope: str = "layer"
    scheme: str = "symmetric"
    per_channel: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_density(self.density)
        if self.scope not in SCOPES:
            raise ValueError(f"scope must be one of {SCOPES}, not {self.scope!r}")
        if self.density < 1 and self.scheme != "symmetric" and not self.takes_floats:
            raise ValueError("scheme must be symmetric where weights are pruned: the other has no level for zero")
        if not self.takes_floats:
            _ = self.linear(0)

    def make(self) -> WeightCodec[Any]:
        """The codec, with `bits` and `density` where its format has them."""
        if self.codec not in WEIGHT_CODECS:
            raise ValueError(f"codec must be one of {sorted(WEIGHT_CODECS)}, not {self.codec!r}")
        known = {item.name for item in fields(WEIGHT_CODECS[self.codec].format_type)}
        density = self.density if self.scope == "layer" else 1.0
        shared = {"bits": self.bits, "density": density}
        given = {name: value for name, value in shared.items() if name in known}
        try:
            return weight_codec_from_config({"codec": self.codec, **given, **self.settings})
        except TypeError as error:
            raise ValueError(f"settings of {self.codec} must have the kinds of its defaults: {error}") from error

    @property
    def takes_floats(self) -> bool:
        """Whether the codec takes the weights as they are."""
        return "f" in self.make().takes

    def linear(self, axis: int) -> LinearFormat:
        """The quantizer of a tensor whose output channels lie along `axis`."""
        return LinearFormat(self.bits, self.scheme, axis if self.per_channel else None)


@dataclass(frozen=True)
class Weight:
    """A weight tensor of a network: its initializer, its values, and the axis of its output channels."""

    name: str
    values: NDArray[Any]
    channel_axis: int


@dataclass(frozen=True)
class Comparison:
    """What a codec makes of a network's weights.

    Attributes
    ----------
    codec : str
    weights : int
        Number of weights.
    size_bits : int
        All that is stored for them: payloads, tables, entry points, scales.
    entropy_bits : float
        Order-0 entropy of the restored values, tensor by tensor, times their number: what no code of single values
        can beat.
    error : float
        Root of the summed squared differences over that of the summed squared weights; 0 is exact.
    encode_s, decode_s : float
        Seconds, without compilation.
    fault : str
        Why there is no result, or empty.
    """

    codec: str
    weights: int = 0
    size_bits: int = 0
    entropy_bits: float = 0.0
    error: float = 0.0
    encode_s: float = 0.0
    decode_s: float = 0.0
    fault: str = ""


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """Read ``name=value`` pairs; a value is JSON, or else text.

    Raises
    ------
    ValueError
        If a text is no such pair.
    """
    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"setting must be name=value, not {text!r}")
        try:
            settings[name] = json.loads(value)
        except json.JSONDecodeError:
            settings[name] = value
    return settings


def find_weights(model: onnx.ModelProto) -> list[Weight]:
    """The network's weights, in the order in which nodes read them.

    Raises
    ------
    ValueError
        If there are none, or one is not finite.
    """
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    found: dict[str, Weight] = {}
    for node in model.graph.node:
        for name, axis in _reads(node):
            tensor = initializers.get(name)
            if tensor is not None and name not in found and tensor.data_type in _FLOATS and len(tensor.dims) >= 2:
                found[name] = Weight(name, numpy_helper.to_array(tensor), axis)
    if not found:
        raise ValueError("network must have weights: float initializers that a convolution or matrix product reads")
    for weight in found.values():
        if not np.isfinite(weight.values).all():
            raise ValueError(f"weights {weight.name!r} must be finite")
    return list(found.values())


def _reads(node: onnx.NodeProto) -> list[tuple[str, int]]:
    """Inputs of a node that may be weights, with the axis of the output channels."""
    transposed = any(item.name == "transB" and item.i for item in node.attribute)
    if node.op_type == "MatMul":
        return [(node.input[0], 0), (node.input[1], -1)]
    axes = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0 if transposed else 1}
    return [(node.input[1], axes[node.op_type])] if node.op_type in axes else []


def compress(model: onnx.ModelProto, recipe: Recipe) -> WeightFile:
    """Code a network's weights.

    Raises
    ------
    ValueError
        If it has none, or the codec cannot hold them.
    """
    weights = find_weights(model)
    tensors = tuple(
        _store(weight, values, recipe) for weight, values in zip(weights, _pruned(weights, recipe), strict=True)
    )
    skeleton = onnx.ModelProto()
    skeleton.CopyFrom(model)
    names = {weight.name for weight in weights}
    for tensor in skeleton.graph.initializer:
        if tensor.name in names:
            empty = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
            tensor.CopyFrom(empty)
    return WeightFile(tensors, skeleton.SerializeToString(deterministic=True))


def store(weight: Weight, recipe: Recipe) -> StoredWeights:
    """Code one tensor, pruned by itself.

    Raises
    ------
    ValueError
        If the codec cannot hold it.
    """
    return _store(weight, prune(weight.values, recipe.density), recipe)


def _pruned(weights: list[Weight], recipe: Recipe) -> list[NDArray[Any]]:
    values = [weight.values for weight in weights]
    if recipe.scope == "network":
        return prune_globally(values, recipe.density)
    return [prune(array, recipe.density) for array in values]


def _store(weight: Weight, values: NDArray[Any], recipe: Recipe) -> StoredWeights:
    codec = recipe.make()
    try:
        if recipe.takes_floats:
            return StoredWeights(weight.name, codec, codec.encode(values))
        quantized = quantize(values, recipe.linear(weight.channel_axis % values.ndim))
        return StoredWeights(weight.name, codec, codec.encode(quantized.values), Scales.of(quantized))
    except ValueError as error:
        raise ValueError(f"weights {weight.name!r}: {error}") from error


def decompress(file: WeightFile) -> onnx.ModelProto:
    """The network of a file, with its weights restored.

    Raises
    ------
    ValueError
        If a tensor is corrupt, or the file holds no network, or another one than its weights belong to.
    """
    model = onnx.ModelProto()
    try:
        model.ParseFromString(file.attachment)
    except Exception as error:  # protobuf's own class
        raise ValueError("file must hold a network beside its weights") from error
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    for stored in file.tensors:
        tensor = initializers.get(stored.name)
        if tensor is None or tuple(tensor.dims) != stored.encoded.shape:
            raise ValueError(f"network of the file must have weights {stored.name!r} of shape {stored.encoded.shape}")
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        tensor.raw_data = stored.restore().astype(dtype).tobytes()
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ValueError(f"network of the file must be valid ONNX: {' '.join(str(error).split())}") from error
    return model


def order0_bits(values: NDArray[Any]) -> float:
    """Order-0 entropy of an array, in bits for all of it."""
    counts = np.unique(values, return_counts=True)[1]
    return float((counts * np.log2(values.size / counts)).sum())


def compare(model: onnx.ModelProto, recipe: Recipe, codecs: Iterable[str] = tuple(WEIGHT_CODECS)) -> list[Comparison]:
    """Measure codecs on a network, each with the recipe's bits and density.

    A codec that cannot do it gives a row with its reason.

    Raises
    ------
    ValueError
        If the network has no weights.
    """
    weights = find_weights(model)
    return [_measure(weights, recipe, name) for name in codecs]


def _measure(weights: list[Weight], shared: Recipe, codec: str) -> Comparison:
    try:
        recipe = replace(shared, codec=codec, settings={})
        values = _pruned(weights, recipe)
        # Compiles: the least tensor once through, unmeasured.
        least = min(range(len(weights)), key=lambda k: values[k].size)
        _store(weights[least], values[least], recipe).restore()
        started = time.perf_counter()
        stored = [_store(weight, array, recipe) for weight, array in zip(weights, values, strict=True)]
        encoded = time.perf_counter()
        restored = [tensor.restore() for tensor in stored]
        decoded = time.perf_counter()
    except ValueError as error:
        return Comparison(codec, fault=str(error))
    return Comparison(
        codec,
        sum(weight.values.size for weight in weights),
        sum(tensor.size_bits for tensor in stored),
        sum(order0_bits(array) for array in restored),
        _relative_error([weight.values for weight in weights], restored),
        encoded - started,
        decoded - encoded,
    )


def _relative_error(originals: list[NDArray[Any]], restored: list[NDArray[Any]]) -> float:
    pairs = zip(originals, restored, strict=True)
    lost = sum(float(np.square(a.astype(np.float64) - b).sum()) for a, b in pairs)
    power = sum(float(np.square(a.astype(np.float64)).sum()) for a in originals)
    return float(np.sqrt(lost / power)) if power else float(lost > 0)
