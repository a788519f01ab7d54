"""An ONNX file as a checked graph: who makes a value, who reads it, its shape, whether it is a constant.

A value is *static* when it does not depend on the image: initializers, constants, shapes, and all that is
computed from those alone. Nodes that make static values cost nothing at run time and make no layers.
The batch is one image: a symbolic batch size becomes 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, inliner, numpy_helper, shape_inference

from sim.operators import role_of
from sim.session import open_session, values_of

__all__ = ["Graph", "read_graph", "read_model"]

_SMALL = 1024  # values; constants above this size are weights, which shapes never depend on
_STATIC_OPS = {"Constant", "Shape", "Size"}


@dataclass(frozen=True, eq=False)
class Graph:
    """A network with one image input.

    Attributes
    ----------
    model : onnx.ModelProto
        The network, its batch set to 1.
    nodes : tuple of NodeProto
        In topological order: those the outputs depend on and the image reaches.
    image : str
        Name of the image input.
    outputs : tuple of str
        Names of the outputs.
    producer : dict of str to int
        Index in `nodes` of the node that makes a value.
    readers : dict of str to tuple of int
        Indices of the nodes that read a value.
    static : frozenset of str
        Values that do not depend on the image.
    shapes : dict of str to tuple of int
        Shapes with the batch in front.
    constants : dict of str to ndarray
        Contents of static values that are at hand and small.
    """

    model: onnx.ModelProto
    nodes: tuple[onnx.NodeProto, ...]
    image: str
    outputs: tuple[str, ...]
    producer: dict[str, int]
    readers: dict[str, tuple[int, ...]]
    static: frozenset[str]
    shapes: dict[str, tuple[int, ...]]
    constants: dict[str, np.ndarray]

    def dynamic_inputs(self, node: onnx.NodeProto) -> list[str]:
        """Inputs of `node` that depend on the image."""
        return [name for name in node.input if name and name not in self.static]


def read_model(source: str | Path | onnx.ModelProto) -> onnx.ModelProto:
    """Load and check a model; local functions are inlined.

    Raises
    ------
    ValueError
        If the file is missing, is not ONNX, misses its external data, or breaks the standard's rules.
    """
    if isinstance(source, onnx.ModelProto):
        model = onnx.ModelProto()
        model.CopyFrom(source)
    else:
        model = _load(Path(source))
    try:
        onnx.checker.check_model(model)
        return inliner.inline_local_functions(model) if model.functions else model
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise ValueError(f"network must be valid ONNX: {' '.join(str(error).split())}") from error


def _load(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise ValueError(f"network must be a file that exists, not {str(path)!r}")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's and the system's have no common class
        raise ValueError(f"network must be an ONNX file, not {str(path)!r}") from error
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # missing, too short, outside the folder: each version has its own class
        raise ValueError(f"external data of {str(path)!r} must lie beside it: {error}") from error
    return model


def read_graph(source: str | Path | onnx.ModelProto) -> Graph:
    """Read a network.

    Parameters
    ----------
    source : path or onnx.ModelProto
        A model is copied, never changed.

    Raises
    ------
    ValueError
        If the model cannot be read (`read_model`), does not have exactly one float32 image input of
        four dimensions, has shapes that depend on more than the batch, an output that does not depend on the
        image, or an operator that cannot be placed.
    """
    model = read_model(source)
    graph = model.graph
    image = _image_input(graph)
    _set_batch(image)
    outputs = tuple(value.name for value in graph.output)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    static = _static_values(graph, set(constants) | {sparse.values.name for sparse in graph.sparse_initializer})
    for name in static.intersection(outputs):
        raise ValueError(f"outputs of the network must depend on the image, not {name!r}")
    nodes = _live_nodes([node for node in graph.node if not static.issuperset(node.output)], outputs)
    for node in nodes:
        role_of(node)  # refused by name, before anything is computed
    readers: dict[str, list[int]] = {}
    for index, node in enumerate(nodes):
        for name in dict.fromkeys(node.input):
            readers.setdefault(name, []).append(index)
    firsts = {node.output[0]: None for node in nodes}
    used = firsts | {name: None for node in nodes for name in node.output if name in readers or name in outputs}
    return Graph(
        model=model,
        nodes=tuple(nodes),
        image=image.name,
        outputs=outputs,
        producer={name: index for index, node in enumerate(nodes) for name in node.output},
        readers={name: tuple(indices) for name, indices in readers.items()},
        static=frozenset(static),
        shapes=_shapes(model, image, list(used)),
        constants=dict(_small_constants(graph)),
    )


def _image_input(graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise ValueError(f"network must have exactly one input, the image, not {len(inputs)}: {names}")
    image: onnx.ValueInfoProto = inputs[0]
    kind = image.type.tensor_type
    if kind.elem_type != TensorProto.FLOAT:
        word = TensorProto.DataType.Name(kind.elem_type).lower()
        raise ValueError(f"input {image.name!r} must be float, not {word}")
    if len(kind.shape.dim) != 4:
        raise ValueError(f"input {image.name!r} must have 4 dimensions, not {len(kind.shape.dim)}")
    return image


def _set_batch(image: onnx.ValueInfoProto) -> None:
    batch, *sizes = image.type.tensor_type.shape.dim
    if batch.dim_value > 1:
        raise ValueError(f"batch of input {image.name!r} must be 1 or left open, not {batch.dim_value}")
    if any(size.dim_value < 1 for size in sizes):
        text = " x ".join(str(size.dim_value or size.dim_param or "?") for size in sizes)
        raise ValueError(f"size of input {image.name!r} must be fixed, not {text}")
    batch.dim_value = 1


def _static_values(graph: onnx.GraphProto, known: set[str]) -> set[str]:
    static = set(known) | {""}
    for node in graph.node:
        if node.op_type in _STATIC_OPS or (static.issuperset(node.input) and not _has_subgraph(node)):
            static.update(node.output)
    return static


def _has_subgraph(node: onnx.NodeProto) -> bool:
    return any(attribute.type == onnx.AttributeProto.GRAPH for attribute in node.attribute)


def _live_nodes(nodes: list[onnx.NodeProto], outputs: tuple[str, ...]) -> list[onnx.NodeProto]:
    """Nodes that an output depends on."""
    needed, live = set(outputs), []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            live.append(node)
            needed.update(node.input)
    return live[::-1]


def _small_constants(graph: onnx.GraphProto) -> Iterator[tuple[str, np.ndarray]]:
    for tensor in graph.initializer:
        if np.prod(tensor.dims) <= _SMALL:
            yield tensor.name, numpy_helper.to_array(tensor)
    for node in graph.node:
        for attribute in node.attribute if node.op_type == "Constant" else ():
            if attribute.name == "value":
                yield node.output[0], numpy_helper.to_array(attribute.t)
            elif attribute.name.startswith("value_"):
                yield node.output[0], np.asarray(helper.get_attribute_value(attribute))


def _shapes(model: onnx.ModelProto, image: onnx.ValueInfoProto, values: list[str]) -> dict[str, tuple[int, ...]]:
    """Shapes of all values: inferred, and where inference falls short, seen in a run on a black image."""
    try:
        inferred = shape_inference.infer_shapes(_without_weights(model), data_prop=True)
    except shape_inference.InferenceError as error:
        raise ValueError(f"shapes of the network must agree: {' '.join(str(error).split())}") from error
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for value in (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output):
        kind = value.type.tensor_type
        dims = tuple(dim.dim_value for dim in kind.shape.dim)
        if kind.HasField("shape") and (value.name in shapes or min(dims, default=1) > 0):
            shapes.setdefault(value.name, dims)
    missing = [name for name in values if name not in shapes]
    if missing:
        size = tuple(dim.dim_value for dim in image.type.tensor_type.shape.dim)
        black = {image.name: np.zeros(size, np.float32)}
        seen = values_of(open_session(model, missing), missing, black)
        shapes.update({name: array.shape for name, array in seen.items()})
    return shapes


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose large initializers are inputs: as good for shapes, and small."""
    graph = model.graph
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    light.graph.name = graph.name
    light.graph.node.extend(graph.node)
    light.graph.output.extend(onnx.ValueInfoProto(name=value.name) for value in graph.output)
    known = {value.name for value in graph.input}
    light.graph.input.extend(graph.input)
    light.graph.sparse_initializer.extend(graph.sparse_initializer)
    for tensor in graph.initializer:
        if np.prod(tensor.dims) <= _SMALL:
            light.graph.initializer.append(tensor)
        elif tensor.name not in known:
            info = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            light.graph.input.append(info)
    return light
