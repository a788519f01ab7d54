"""What each ONNX operator is to an accelerator, and which activation function a node stands for.

Four roles. *Anchors* start a layer and stream a tensor through the array or a window unit. *Pointwise* operators
work value by value and join the layer that makes their input. *Moves* change addresses, not values: they make no
tensor (a concatenation is written in place by its parts, padding is made on the fly); quantizing and dequantizing are
moves, too: what lies in memory is quantized anyway. Every other operator is *unknown*: a layer of its own that reads
and writes its tensors, whose arithmetic is not counted. Operators of other domains than ONNX' and onnxruntime's are
refused by name.
"""

from enum import Enum
from typing import Any

import numpy as np
import onnx
from onnx import helper

__all__ = ["RECTIFIED", "Role", "activation_of", "attribute", "block_activation", "layer_op", "role_of"]


class Role(Enum):
    """Role of an operator."""

    ANCHOR = "anchor"
    POINTWISE = "pointwise"
    MOVE = "move"
    UNKNOWN = "unknown"


RECTIFIED = frozenset({"relu", "relu6"})  # activations whose zeros an affine function after them would spoil

_ANCHORS = {
    "Conv": "conv",
    "ConvTranspose": "deconv",
    "Gemm": "gemm",
    "MatMul": "gemm",
    "MaxPool": "pool",
    "AveragePool": "pool",
    "LpPool": "pool",
    "GlobalAveragePool": "pool",
    "GlobalMaxPool": "pool",
    "GlobalLpPool": "pool",
    "ReduceMean": "pool",
    "ReduceMax": "pool",
    "ReduceSum": "pool",
    "LRN": "norm",
    "InstanceNormalization": "norm",
    "LayerNormalization": "norm",
    "GroupNormalization": "norm",
    "LpNormalization": "norm",
    "MeanVarianceNormalization": "norm",
    "Resize": "resize",
    "Upsample": "resize",
}

_ACTIVATIONS = {
    "Relu": "relu",
    "ThresholdedRelu": "relu",
    "LeakyRelu": "leaky_relu",
    "PRelu": "prelu",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "hard_sigmoid",
    "HardSwish": "hard_swish",
    "Swish": "swish",
    "Tanh": "tanh",
    "Elu": "elu",
    "Selu": "selu",
    "Celu": "celu",
    "Gelu": "gelu",
    "Mish": "mish",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
}

_ARITHMETIC = {
    *("Add", "Sub", "Mul", "Div", "Sum", "Mean", "Max", "Min", "Clip", "BatchNormalization"),
    *("Pow", "Sqrt", "Exp", "Log", "Erf", "Reciprocal", "Neg", "Abs", "Sign", "Floor", "Ceil", "Round"),
    *("Sin", "Cos", "Mod", "Shrink"),
}

_MOVES = {
    *("Identity", "Dropout", "Cast", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Pad"),
    *("DepthToSpace", "SpaceToDepth", "Slice", "Split", "Gather", "Expand", "Tile"),
    *("QuantizeLinear", "DequantizeLinear"),
}

_DOMAINS = {"", "ai.onnx", "com.microsoft"}


def role_of(node: onnx.NodeProto) -> Role:
    """Role of a node.

    Raises
    ------
    ValueError
        If the operator is of a domain that onnxruntime does not bring, with its name and the node's.
    """
    if node.domain in _DOMAINS:
        if node.op_type in _ANCHORS:
            return Role.ANCHOR
        if node.op_type in _ACTIVATIONS or node.op_type in _ARITHMETIC:
            return Role.POINTWISE
        if node.op_type in _MOVES:
            return Role.MOVE
        return Role.UNKNOWN
    operator = f"{node.domain}.{node.op_type}".lstrip(".")
    where = node.name or node.output[0]
    raise ValueError(f"operator must be one the simulator can place, not {operator!r} (node {where!r})")


def layer_op(node: onnx.NodeProto) -> str:
    """Word for a layer that starts with `node`; grouping of convolutions is not told apart here."""
    if node.op_type in _ANCHORS:
        return _ANCHORS[node.op_type]
    if node.op_type in _ACTIVATIONS or node.op_type == "Clip":
        return "activation"
    return "norm" if node.op_type == "BatchNormalization" else node.op_type.lower()


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """An attribute's value, or `default` where the node does not give it."""
    for entry in node.attribute:
        if entry.name == name:
            return helper.get_attribute_value(entry)
    return default


def activation_of(node: onnx.NodeProto, before: str, constants: dict[str, np.ndarray]) -> str:
    """Activation function of a value after one pointwise node.

    Parameters
    ----------
    node : NodeProto
        Pointwise.
    before : str
        Activation function of the node's input.
    constants : dict of str to ndarray
        Constants at hand, for limits and factors.

    Returns
    -------
    str
        ``"linear"`` for anything that does not bound or bend the value. A positive factor keeps the function
        (but no ReLU6, whose limit moves), an upper limit on ReLU makes ReLU6 if it is 6.
    """
    if node.op_type in _ACTIVATIONS:
        return _ACTIVATIONS[node.op_type]
    if node.op_type == "Clip":
        return _clip(*_clip_limits(node, constants), before)
    operand = _scalar(node.input[1], constants) if len(node.input) == 2 else None
    if operand is None:
        return "linear"
    if node.op_type == "Min" and before in RECTIFIED:
        return _clip(0.0, operand, before)
    if node.op_type == "Max" and operand == 0:
        return "relu"
    if node.op_type in ("Mul", "Div") and operand > 0:
        return "relu" if before == "relu6" else before
    return "linear"


def _clip_limits(node: onnx.NodeProto, constants: dict[str, np.ndarray]) -> tuple[float | None, float | None]:
    """Limits of a Clip; `None` where there is none or it is not known."""
    if attribute(node, "max", None) is not None or attribute(node, "min", None) is not None:
        return attribute(node, "min", None), attribute(node, "max", None)
    names = [*node.input[1:], "", ""]
    return _scalar(names[0], constants), _scalar(names[1], constants)


def _clip(low: float | None, high: float | None, before: str) -> str:
    if low == 0 or (before in RECTIFIED and (low is None or low < 0)):
        return "relu6" if high == 6 or before == "relu6" else "relu"
    return "clip"


def _scalar(name: str, constants: dict[str, np.ndarray]) -> float | None:
    values = constants.get(name)
    return float(values.reshape(-1)[0]) if values is not None and values.size == 1 else None


def block_activation(nodes: list[onnx.NodeProto]) -> str:
    """Activation function of several pointwise nodes that branch and meet again, as exporters write them."""
    ops = {node.op_type for node in nodes}
    if "Erf" in ops:
        return "gelu"
    if "Softplus" in ops and "Tanh" in ops:
        return "mish"
    if "Mul" in ops and "Sigmoid" in ops:
        return "swish"
    if "Mul" in ops and ops & {"HardSigmoid", "Clip", "Min"}:
        return "hard_swish"
    return "linear"
