"""Laws that every grouping keeps, on random graphs."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import model

from sim.graph import read_graph
from sim.layer_fusion import fuse
from sim.network import load_network
from sim.session import open_session, values_of

CHANNELS = 4
WEIGHTS = {"w": (CHANNELS, CHANNELS, 1, 1), "wide": (CHANNELS, 2 * CHANNELS, 1, 1)}
CONSTANTS = {"two": np.float32(2), "shift": np.arange(CHANNELS, dtype=np.float32).reshape(1, CHANNELS, 1, 1)}
UNARY = ["Conv({}, w)", "Relu({})", "Sigmoid({})", "Identity({})", "Mul({}, two)", "Add({}, shift)", "HardSwish({})"]
BINARY = ["Add({}, {})", "Mul({}, {})", "Concat<axis=1>({}, {})"]


@st.composite
def bodies(draw):
    """Nodes v1, v2, ... that read any earlier value; a concatenation is brought back to four channels."""
    values, lines = ["x"], []
    for index in range(1, draw(st.integers(2, 14)) + 1):
        made = f"v{index}"
        operator = draw(st.sampled_from(UNARY * 2 + BINARY))
        operands = [draw(st.sampled_from(values[-4:])) for _ in range(operator.count("{}"))]
        lines.append(f"{made} = " + operator.format(*operands))
        if operator.startswith("Concat"):
            lines.append(f"{made}c = Conv({made}, wide)")
            made += "c"
        values.append(made)
    outputs = [values[-1], *(value for value in values[1:-1] if draw(st.integers(0, 9)) == 0)]
    return " ".join(lines), outputs


def tiny(body, outputs):
    named = ", ".join(f"float[] {name}" for name in outputs)
    return model(body, f"float[1,{CHANNELS},3,3] x", named, **WEIGHTS, **CONSTANTS)


@given(bodies())
def test_every_node_is_in_one_layer_or_moves_data(case):
    graph = read_graph(tiny(*case))
    fusion = fuse(graph)
    fused = [node.output[0] for group in fusion.groups for node in group.nodes]
    moved = [graph.nodes[index].output[0] for index in fusion.moves]
    assert sorted(fused + moved) == sorted(node.output[0] for node in graph.nodes)


@given(bodies())
def test_layers_run_in_order_and_read_what_is_written(case):
    network = load_network(tiny(*case))
    written = set(network.inputs)
    for layer in network.layers:
        assert written.issuperset(layer.inputs)
        assert layer.output not in written
        written.add(layer.output)
    assert written == set(network.tensors)
    assert written.issuperset(network.outputs)
    for tensor in network.tensors.values():
        assert list(tensor.consumers) == [x.name for x in network.layers if tensor.name in x.inputs]


@given(bodies())
def test_a_layer_needs_nothing_but_its_inputs(case):
    """Each layer, cut out with the moves before it, gives its output from its inputs alone."""
    made = tiny(*case)
    network = load_network(made)
    image = np.random.default_rng(7).normal(size=(1, CHANNELS, 3, 3)).astype(np.float32)
    names = [name for name in network.tensors if name != "x"]
    values = values_of(open_session(network.model, names), names, {"x": image}) | {"x": image}
    for layer in network.layers:
        cut = cut_out(network.model, layer.inputs, layer.output)
        found = values_of(open_session(cut, []), [layer.output], {name: values[name] for name in layer.inputs})
        np.testing.assert_allclose(found[layer.output], values[layer.output], rtol=1e-4, atol=1e-4)


def cut_out(whole, inputs, output):
    """The part of a model between values; it fails to load if it needs anything else."""
    needed, nodes = {output}, []
    for node in reversed(whole.graph.node):
        if node.output[0] in needed and node.output[0] not in inputs:
            nodes.append(node)
            needed.update(node.input)
    cut = onnx.ModelProto(ir_version=whole.ir_version, opset_import=whole.opset_import)
    cut.graph.name = "cut"
    cut.graph.node.extend(nodes[::-1])
    cut.graph.initializer.extend(whole.graph.initializer)
    make = onnx.helper.make_tensor_value_info
    cut.graph.input.extend(make(name, onnx.TensorProto.FLOAT, [1, CHANNELS, 3, 3]) for name in inputs)
    cut.graph.output.extend([onnx.ValueInfoProto(name=output)])
    return cut


def test_cutting_out_notices_a_missing_input():
    whole = tiny("v1 = Conv(x, w) v2 = Relu(x) v3 = Add(v1, v2)", ["v3"])
    with pytest.raises(ValueError, match="onnxruntime can run"):
        open_session(cut_out(whole, ["v1"], "v3"), [])
