"""A network as an accelerator sees it: fused layers, and the tensors that reach external memory.

A layer starts at an anchor (convolution, matrix product, pooling, ...) and takes in what follows value by value
on the way to memory: batch norm, residual add, activation, in any order, branches that meet again (swish) included.
The rules:

* A layer takes in following nodes as far as all of them together leave one value for the rest of the network.
  A residual add joins the operand that is made last and reads the other one from memory.
* An affine function after a rectifier (batch norm after ReLU) is applied on reading, where it folds into the
  next weights: the rectified tensor, with its zeros, is what lies in memory.
* A concatenation is no layer: its parts are written where they belong, and its readers read them all.
* A vector (one value per channel: height = width = 1) is small and stays on the chip; inputs and outputs of the
  network never do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from types import MappingProxyType

import onnx

from sim.graph import Graph, read_graph
from sim.graph_scales import GraphScale, graph_scales
from sim.layer_fusion import Group, fuse
from sim.operators import Role, attribute, layer_op, role_of

__all__ = ["Layer", "Network", "Tensor", "load_network"]

_IMAGE_CHANNELS = (1, 3, 4)
_WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


@dataclass(frozen=True)
class Tensor:
    """A tensor in external memory.

    Attributes
    ----------
    name : str
        Its ONNX value.
    shape : tuple of int
        (C, H, W), or (n,), without the batch; as its producer writes it.
    activation : str
        Function that made its values: ``"relu6"``, ``"relu"``, ``"linear"``, ``"sigmoid"``, ``"swish"``, ...;
        pooling keeps that of its input; ``"image"`` for the network's input.
    producer : str or None
        Layer that writes it; None for the network's input.
    consumers : tuple of str
        Layers that read it; empty for an output that nothing else reads.
    """

    name: str
    shape: tuple[int, ...]
    activation: str
    producer: str | None
    consumers: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)


@dataclass(frozen=True)
class Layer:
    """A fused layer.

    Attributes
    ----------
    name : str
        Name of its first node, or of that node's output where it has none.
    op : str
        ``"conv"``, ``"depthwise"``, ``"deconv"``, ``"gemm"``, ``"pool"``, ``"norm"``, ``"resize"``,
        ``"activation"``, ``"add"``, ``"mul"``, ...
    inputs : tuple of str
        Tensors it reads from memory, residual included. Vectors on the chip are not among them.
    output : str
        Value it makes; a tensor in memory only if it is a key of ``Network.tensors``.
    weight_count, bias_count : int
        Parameters it reads, batch norm folded.
    macs : int
        Multiplications with accumulation, for one image.
    nodes : tuple of str
        ONNX nodes it fuses.
    kernel, stride : tuple of int
        (height, width) of the window and its step; 1 where there is none.
    groups : int
        Groups of the convolution.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    output: str
    weight_count: int
    bias_count: int
    macs: int
    nodes: tuple[str, ...]
    kernel: tuple[int, ...] = (1, 1)
    stride: tuple[int, ...] = (1, 1)
    groups: int = 1


@dataclass(frozen=True)
class Network:
    """Layers in order of execution, and the tensors between them that reach memory.

    ``channels_last`` says that the model takes its image as (1, H, W, C); `tensors` shows it as (C, H, W). `scales` are
    the graph's own quantizations, of the tensors that have one. `notes` tell what of the network is not modelled.
    """

    name: str
    layers: tuple[Layer, ...]
    tensors: Mapping[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    model: onnx.ModelProto = field(repr=False, compare=False)
    channels_last: bool = False
    scales: Mapping[str, GraphScale] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def macs(self) -> int:
        """Multiplications with accumulation, for one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weight_count(self) -> int:
        """Weights, biases not counted."""
        return sum(layer.weight_count for layer in self.layers)

    @property
    def activations(self) -> tuple[Tensor, ...]:
        """Tensors in memory that are neither input nor output of the network."""
        ends = {*self.inputs, *self.outputs}
        return tuple(tensor for tensor in self.tensors.values() if tensor.name not in ends)


def load_network(source: str | Path | onnx.ModelProto) -> Network:
    """Read an ONNX network and fuse its layers.

    Parameters
    ----------
    source : path or onnx.ModelProto
        A model is not changed.

    Raises
    ------
    ValueError
        If the file is missing or broken, has other inputs than one image of fixed size, or holds an operator
        that onnxruntime does not have.
    """
    graph = read_graph(source)
    groups = fuse(graph)
    outputs = tuple(dict.fromkeys(name for value in graph.outputs for name in groups.origin(value)))
    stored = {graph.image, *outputs}
    stored.update(group.output for group in groups.groups if not _is_vector(graph.shapes[group.output]))
    layers, names = [], set[str]()
    for group in groups.groups:
        layers.append(_layer(graph, group, stored, names))
        names.add(layers[-1].name)
    tensors = _tensors(graph, groups.groups, layers, stored)
    scales = graph_scales(graph, tensors)
    tensors = MappingProxyType({name: _clipped(tensor, scales.get(name)) for name, tensor in tensors.items()})
    name = graph.model.graph.name or "network"
    turned = _is_channels_last(graph.shapes[graph.image])
    notes = tuple(
        f"operator {group.nodes[0].op_type!r} of {layer.name} is not known: its tensors travel, its arithmetic is not "
        "counted"
        for group, layer in zip(groups.groups, layers, strict=True)
        if role_of(group.nodes[0]) is Role.UNKNOWN
    )
    return Network(name, tuple(layers), tensors, (graph.image,), outputs, graph.model, turned, scales, notes)


def _tensors(graph: Graph, groups: list[Group], layers: list[Layer], stored: set[str]) -> Mapping[str, Tensor]:
    """Tensors in memory, in the order in which they are made."""
    consumers: dict[str, list[str]] = {name: [] for name in stored}
    for layer in layers:
        for name in layer.inputs:
            consumers[name].append(layer.name)
    image = graph.shapes[graph.image][1:]
    if _is_channels_last(graph.shapes[graph.image]):
        image = (image[2], *image[:2])
    tensors = [Tensor(graph.image, image, "image", None, tuple(consumers[graph.image]))]
    for group, layer in zip(groups, layers, strict=True):
        if (name := group.output) in stored:
            shape = graph.shapes[name][1:]
            tensors.append(Tensor(name, shape, group.activation, layer.name, tuple(consumers[name])))
    return MappingProxyType({tensor.name: tensor for tensor in tensors})


def _clipped(tensor: Tensor, scale: GraphScale | None) -> Tensor:
    """A tensor whose own quantization cuts all below zero is rectified: quantizers drop a ReLU before them."""
    rectified = scale is not None and scale.zero_point == 0 and tensor.activation == "linear"
    return replace(tensor, activation="relu") if rectified else tensor


def _is_channels_last(image: tuple[int, ...]) -> bool:
    """Whether an image of this shape, batch in front, has its channels at the end: told by their number."""
    return image[3] in _IMAGE_CHANNELS and image[1] not in _IMAGE_CHANNELS


def _is_vector(shape: tuple[int, ...]) -> bool:
    return prod(shape[1:]) == max(shape[1:], default=1)


def _layer(graph: Graph, group: Group, stored: set[str], taken: set[str]) -> Layer:
    anchor = group.nodes[0]
    names = (anchor.name, anchor.output[0], f"layer{len(taken)}/{anchor.output[0]}")
    name = next(name for name in names if name and name not in taken)
    op, groups = layer_op(anchor), 1
    if op in ("conv", "deconv"):
        groups = attribute(anchor, "group", 1)
        if op == "conv" and 1 < groups == graph.shapes[anchor.input[0]][1]:
            op = "depthwise"
    if op == "gemm" and anchor.input[1] not in graph.static:
        op = "matmul"
    window = len(graph.shapes[anchor.input[0]]) - 2 or 2
    return Layer(
        name=name,
        op=op,
        inputs=tuple(tensor for tensor in group.inputs if tensor in stored),
        output=group.output,
        weight_count=_weight_count(graph, anchor),
        bias_count=_bias_count(graph, group),
        macs=_macs(graph, anchor),
        nodes=tuple(node.name or node.output[0] for node in group.nodes),
        kernel=_kernel(graph, anchor, window),
        stride=tuple(attribute(anchor, "strides", [1] * window)),
        groups=groups,
    )


def _kernel(graph: Graph, anchor: onnx.NodeProto, window: int) -> tuple[int, ...]:
    if anchor.op_type in ("Conv", "ConvTranspose"):
        return graph.shapes[anchor.input[1]][2:]
    if anchor.op_type.startswith("Global"):
        return graph.shapes[anchor.input[0]][2:]
    return tuple(attribute(anchor, "kernel_shape", [1] * window))


def _weight_count(graph: Graph, anchor: onnx.NodeProto) -> int:
    """Values of the second operand; batch norm that stands alone has a gain per channel."""
    if anchor.op_type in _WEIGHTED:
        return sum(prod(graph.shapes[name]) for name in anchor.input[:2] if name in graph.static)
    if anchor.op_type == "BatchNormalization":
        return prod(graph.shapes[anchor.input[1]])
    return 0


def _bias_count(graph: Graph, group: Group) -> int:
    """One bias per channel if any node of the layer adds one: folded, they are one."""
    anchor, *rest = group.nodes
    channels = graph.shapes[anchor.output[0]][-1 if anchor.op_type in ("Gemm", "MatMul") else 1]
    biased = anchor.op_type in _WEIGHTED and len(anchor.input) > 2 and bool(anchor.input[2])
    shifts = [node for node in group.nodes if node.op_type == "BatchNormalization"]
    shifts += [node for node in rest if node.op_type in ("Add", "Sub") and len(graph.dynamic_inputs(node)) == 1]
    per_channel = [node for node in shifts if any(prod(graph.shapes.get(n, ())) > 1 for n in _static(graph, node))]
    return channels if biased or per_channel else 0


def _static(graph: Graph, node: onnx.NodeProto) -> list[str]:
    return [name for name in node.input if name and name in graph.static]


def _macs(graph: Graph, anchor: onnx.NodeProto) -> int:
    if anchor.op_type not in _WEIGHTED:
        return 0
    source, weight, made = (graph.shapes[name] for name in (*anchor.input[:2], anchor.output[0]))
    if anchor.op_type == "Conv":
        return prod(made) * prod(weight[1:])
    if anchor.op_type == "ConvTranspose":
        return prod(source) * prod(weight[1:])
    depth = source[0] if attribute(anchor, "transA", 0) else source[-1]
    return prod(made) * depth
