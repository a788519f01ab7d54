"""G1: a light backbone in the heavy one's place, the tensor behind it of the same size.

The backbone ends where the network is one tensor wide for the last time before its head: before the first global
pooling, transposed convolution, resize or flattening. An adaptor, a convolution of 1 x 1, gives the tensor its channels
back where they differ. The new weights are seeded: the network is to be trained again.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2

import onnx

from sim.graph import Graph, read_graph
from sim.light_networks import BACKBONES
from sim.onnx_builder import Builder

__all__ = ["Cut", "find_cut", "swap_backbone"]

_HEADS = {"GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ConvTranspose", "Resize", "Upsample", "Flatten", "Gemm"}
_POINTWISE = {"Relu", "Clip", "LeakyRelu", "HardSwish", "BatchNormalization"}


@dataclass(frozen=True)
class Cut:
    """Where a network's backbone ends.

    Attributes
    ----------
    value : str
        Its last value.
    shape : tuple of int
        (channels, height, width) of it.
    halvings : int
        How often height and width are halved from the image to it.
    """

    value: str
    shape: tuple[int, int, int]
    halvings: int


def find_cut(graph: Graph) -> Cut:
    """The end of the backbone.

    Raises
    ------
    ValueError
        If the network has no head that is known, or its backbone no single tensor whose size is a power of two below
        the image's.
    """
    head = next((node for node in graph.nodes if node.op_type in _HEADS), None)
    if head is None:
        raise ValueError(f"network must have a head that starts with one of {sorted(_HEADS)}")
    value = graph.dynamic_inputs(head)[0]
    place = graph.producer.get(value, -1)
    before = {name for node in graph.nodes[: place + 1] for name in node.output} - {value}
    crossing = [n for node in graph.nodes[place + 1 :] for n in node.input if n in before or n == graph.image]
    shape, image = graph.shapes[value][1:], graph.shapes[graph.image][1:]
    if place < 0 or crossing or len(shape) != 3:
        raise ValueError(f"backbone must end in one picture-like tensor, not {value!r} beside {sorted(set(crossing))}")
    halvings = round(log2(image[1] / shape[1]))
    if halvings < 1 or any(ceil(image[k] / 2**halvings) != shape[k] for k in (1, 2)):
        raise ValueError(f"backbone must halve its picture a whole number of times, not {image[1:]} to {shape[1:]}")
    return Cut(value, (shape[0], shape[1], shape[2]), halvings)


def swap_backbone(model: onnx.ModelProto, name: str, seed: int = 0) -> onnx.ModelProto:
    """The network with another backbone of `BACKBONES`.

    Raises
    ------
    ValueError
        As `find_cut`, or if the new backbone cannot be brought to the old one's size.
    """
    graph = read_graph(model)
    cut = find_cut(graph)
    channels, height, width = graph.shapes[graph.image][1:]
    builder = Builder(graph.image, (channels, height, width), f"{name}/", seed)
    value = BACKBONES[name](builder, graph.image, cut.halvings)
    if builder.shapes[value][1:] != cut.shape[1:]:
        raise ValueError(
            f"{name} must end in {cut.shape[1:]} pixels as the backbone does, not {builder.shapes[value][1:]}"
        )
    if builder.shapes[value][0] != cut.shape[0]:
        value = builder.conv(value, "adaptor", cut.shape[0])
    last = graph.nodes[graph.producer[cut.value]]
    if last.op_type in _POINTWISE and last.op_type != "BatchNormalization" and "adaptor" in value:
        value = builder.relu(value)
    return _joined(graph, cut.value, builder, value)


def _joined(graph: Graph, cut: str, builder: Builder, value: str) -> onnx.ModelProto:
    """The builder's nodes, then what of the network stands behind the cut."""
    needed = {name for node in graph.nodes[graph.producer[cut] + 1 :] for name in node.output}
    made = onnx.ModelProto()
    made.CopyFrom(graph.model)
    rest = []
    static = [node for node in made.graph.node if all(name in graph.static for name in node.output)]
    for node in [*static, *(n for n in made.graph.node if set(n.output) & needed)]:
        copied = onnx.NodeProto()
        copied.CopyFrom(node)
        copied.input[:] = [value if name == cut else name for name in node.input]
        rest.append(copied)
    del made.graph.node[:]
    del made.graph.value_info[:]
    made.graph.node.extend([*builder.nodes, *rest])
    made.graph.initializer.extend(builder.constants)
    return pruned_constants(made)


def pruned_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without initializers and static nodes that nothing reads; changed in place."""
    while True:
        read = {name for node in model.graph.node for name in node.input} | {out.name for out in model.graph.output}
        idle = [node for node in model.graph.node if not set(node.output) & read]
        for node in idle:
            model.graph.node.remove(node)
        if not idle:
            break
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model
