"""Grows an ONNX graph layer by layer: nodes, seeded weights, and the size of every value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

__all__ = ["Builder", "Chw"]

Chw = tuple[int, int, int]

_OPSET, _IR_VERSION = 17, 8


class Builder:
    """Nodes and constants under one prefix.

    Parameters
    ----------
    image : str
        The value that everything starts from.
    shape : tuple of int
        Its (channels, height, width).
    prefix : str
        In front of every name that is made.
    seed : int
        Of the weights, which are normal with He's spread: what is built is to be trained.

    Attributes
    ----------
    nodes, constants : list
        In order of execution; initializers.
    shapes : dict of str to tuple of int
        (channels, height, width) of each value.
    """

    def __init__(self, image: str, shape: Chw, prefix: str = "", seed: int = 0) -> None:
        self.image = image
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.shapes: dict[str, Chw] = {image: shape}
        self._prefix = prefix
        self._rng = np.random.default_rng(seed)

    def node(self, op: str, inputs: Sequence[str], name: str, shape: Chw, **attributes: Any) -> str:
        """Add a node with one output of a known size; return the output's name."""
        full = self._prefix + name
        self.nodes.append(helper.make_node(op, list(inputs), [full], full, **attributes))
        self.shapes[full] = shape
        return full

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add an initializer; return its name."""
        full = self._prefix + name
        self.constants.append(numpy_helper.from_array(values, full))
        return full

    def conv(self, value: str, name: str, filters: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> str:
        """A convolution with bias, padded so that stride 1 keeps the size."""
        channels, height, width = self.shapes[value]
        spread = np.sqrt(2 / (channels // groups * kernel * kernel))
        shape = filters, channels // groups, kernel, kernel
        weight = self.constant(f"{name}.weight", (self._rng.standard_normal(shape, np.float32) * np.float32(spread)))
        bias = self.constant(f"{name}.bias", np.zeros(filters, np.float32))
        around = kernel // 2
        out = filters, *((size + 2 * around - kernel) // stride + 1 for size in (height, width))
        return self.node(
            "Conv",
            [value, weight, bias],
            name,
            (out[0], out[1], out[2]),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[around] * 4,
            group=groups,
        )

    def transposed(self, value: str, name: str, filters: int, kernel: int = 4, stride: int = 2) -> str:
        """A transposed convolution that multiplies height and width by its stride."""
        channels, height, width = self.shapes[value]
        spread = np.sqrt(2 * stride * stride / (channels * kernel * kernel))
        shape = channels, filters, kernel, kernel
        weight = self.constant(f"{name}.weight", (self._rng.standard_normal(shape, np.float32) * np.float32(spread)))
        bias = self.constant(f"{name}.bias", np.zeros(filters, np.float32))
        around = (kernel - stride) // 2
        sizes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [around] * 4}
        out = (filters, height * stride, width * stride)
        return self.node("ConvTranspose", [value, weight, bias], name, out, **sizes)

    def relu(self, value: str, most: float | None = None) -> str:
        """ReLU, or ReLU6 where `most` is 6."""
        name = value.removeprefix(self._prefix)
        if most is None:
            return self.node("Relu", [value], f"{name}.relu", self.shapes[value])
        limits = [self.constant(f"{name}.{k}", np.array(v, np.float32)) for k, v in (("low", 0), ("high", most))]
        return self.node("Clip", [value, *limits], f"{name}.clip", self.shapes[value])

    def add(self, a: str, b: str, name: str) -> str:
        """Sum of two values of one size."""
        return self.node("Add", [a, b], name, self.shapes[a])

    def pool(self, value: str, name: str) -> str:
        """Max pooling, 3 x 3 with stride 2 and padding 1."""
        channels, height, width = self.shapes[value]
        sizes = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}
        return self.node("MaxPool", [value], name, (channels, (height + 1) // 2, (width + 1) // 2), **sizes)

    def finish(self, value: str, name: str) -> onnx.ModelProto:
        """Close the graph: one image in, `value` out."""
        image = helper.make_tensor_value_info(self.image, TensorProto.FLOAT, [1, *self.shapes[self.image]])
        result = helper.make_tensor_value_info(value, TensorProto.FLOAT, [1, *self.shapes[value]])
        graph = helper.make_graph(self.nodes, name, [image], [result], self.constants)
        opsets = [helper.make_opsetid("", _OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="thinwire")
