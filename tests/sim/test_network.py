"""Fusion of ONNX graphs into layers: small graphs whose answer is known."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from tiny_models import model, norm

from sim.network import load_network
from sim.tensors import capture


def layers_of(network):
    """(operator, inputs, output) of every layer."""
    return [(layer.op, layer.inputs, layer.output) for layer in network.layers]


def activations_of(network):
    return {tensor.name: tensor.activation for tensor in network.tensors.values()}


def test_convolution_norm_and_activation_are_one_layer():
    body = "c = Conv<pads=[1,1,1,1], strides=[2,2]>(x, w) d = BatchNormalization(c, g, b, m, v) y = Relu(d)"
    network = load_network(model(body, w=(4, 3, 3, 3), **norm(4)))
    (layer,) = network.layers
    assert (layer.op, layer.inputs, layer.output) == ("conv", ("x",), "y")
    assert (layer.weight_count, layer.bias_count, layer.macs) == (108, 4, 4 * 4 * 4 * 27)
    assert (layer.kernel, layer.stride, layer.groups) == ((3, 3), (2, 2), 1)
    assert layer.nodes == ("c", "d", "y")
    assert (network.inputs, network.outputs) == (("x",), ("y",))
    assert network.tensors["y"].shape == (4, 4, 4)
    assert activations_of(network) == {"x": "image", "y": "relu"}
    assert network.activations == ()


def test_depthwise_and_grouped_convolutions_are_told_apart():
    body = "a = Conv<group=3>(x, p) y = Conv<group=2>(a, q)"
    first, second = load_network(model(body, p=(6, 1, 1, 1), q=(4, 3, 1, 1))).layers
    assert (first.op, first.groups, first.macs) == ("depthwise", 3, 6 * 64)
    assert (second.op, second.groups, second.macs) == ("conv", 2, 4 * 64 * 3)


def test_one_channel_does_not_make_a_depthwise_convolution():
    (layer,) = load_network(model("y = Conv(x, w)", image="float[1,1,8,8] x", w=(4, 1, 3, 3))).layers
    assert layer.op == "conv"


def test_residual_add_joins_the_operand_made_last():
    body = """
        s = Conv(x, stem) t = Relu(s)
        a = Conv(t, w1) b = Relu(a) c = Conv(b, w2)
        d = Conv(t, w3)
        e = Add(d, c) y = Relu(e)"""
    w = (4, 4, 1, 1)
    network = load_network(model(body, stem=(4, 3, 1, 1), w1=w, w2=w, w3=w))
    assert layers_of(network) == [
        ("conv", ("x",), "t"),
        ("conv", ("t",), "b"),
        ("conv", ("b",), "c"),
        ("conv", ("t", "c"), "y"),
    ]
    assert activations_of(network)["c"] == "linear"
    assert network.tensors["t"].consumers == ("a", "d")
    assert network.tensors["c"].producer == "c"


def test_identity_shortcut_is_read_by_the_adding_layer():
    body = "t = Conv(x, p) u = Identity(t) a = Conv(t, q) y = Add(u, a)"
    network = load_network(model(body, p=(4, 3, 1, 1), q=(4, 4, 1, 1)))
    assert layers_of(network) == [("conv", ("x",), "t"), ("conv", ("t",), "y")]


@pytest.mark.parametrize(
    ("body", "activation"),
    [
        ("s = Sigmoid(c) y = Mul(s, c)", "swish"),
        ("y = HardSwish(c)", "hard_swish"),
        ("s = HardSigmoid(c) y = Mul(c, s)", "hard_swish"),
        ("a = Add(c, three) s = Clip(a, zero, six) t = Mul(c, s) y = Div(t, six)", "hard_swish"),
        ("s = Softplus(c) t = Tanh(s) y = Mul(c, t)", "mish"),
        ("a = Div(c, six) e = Erf(a) o = Add(e, three) p = Mul(c, o) y = Mul(p, six)", "gelu"),
        ("y = Clip(c, zero, six)", "relu6"),
        ("r = Relu(c) y = Min(r, six)", "relu6"),
        ("r = Relu(c) y = Min(r, three)", "relu"),
        ("y = Clip(c, zero)", "relu"),
        ("y = Clip(c, zero, three)", "relu"),
        ("y = Clip(c, three, six)", "clip"),
        ("k = Constant<value_float=6.0>() y = Clip(c, zero, k)", "relu6"),
        ("y = Sigmoid(c)", "sigmoid"),
        ("d = Dropout(c) y = Relu(d)", "relu"),
        ("r = Clip(c, zero, six) y = Mul(r, six)", "relu"),
        ("r = Relu(c) y = Mul(r, minus)", "linear"),
        ("y = Mul(c, six)", "linear"),
        ("y = Identity(c)", "linear"),
    ],
)
def test_activation_is_fused_and_named(body, activation):
    constants = {name: np.float32(value) for name, value in {"zero": 0, "three": 3, "six": 6, "minus": -2}.items()}
    network = load_network(model("c = Conv(x, w) " + body, w=(4, 3, 1, 1), **constants))
    (layer,) = network.layers
    assert network.tensors[layer.output].activation == activation
    assert network.outputs == (layer.output,)


def test_clip_of_old_opsets_has_its_limits_in_attributes():
    network = load_network(model("c = Conv(x, w) y = Clip<min=0.0, max=6.0>(c)", opset=8, w=(4, 3, 1, 1)))
    assert activations_of(network)["y"] == "relu6"


def test_concatenation_is_read_in_parts():
    body = """
        s = Conv(x, w1) t = Relu(s)
        a = Conv(t, w2) b = Relu(a)
        c = Conv<pads=[1,1,1,1]>(t, w3) d = Relu(c)
        e = Concat<axis=1>(b, d)
        p = MaxPool<kernel_shape=[2,2], strides=[2,2]>(e)
        y = Conv(p, w4)"""
    weights = {"w1": (2, 3, 1, 1), "w2": (4, 2, 1, 1), "w3": (4, 2, 3, 3), "w4": (5, 8, 1, 1)}
    network = load_network(model(body, **weights))
    assert layers_of(network)[1:] == [
        ("conv", ("t",), "b"),
        ("conv", ("t",), "d"),
        ("pool", ("b", "d"), "p"),
        ("conv", ("p",), "y"),
    ]
    assert "e" not in network.tensors
    assert network.tensors["p"].shape == (8, 4, 4)
    assert network.tensors["p"].activation == "relu"


def test_classifier_with_flatten_dropout_and_softmax():
    body = """
        a = Conv(x, w) b = Relu(a) c = MaxPool<kernel_shape=[2,2], strides=[2,2]>(b)
        n = LRN<size=3>(c) f = Flatten(n)
        g = Gemm<transB=1>(f, u, k) h = Relu(g) i = Dropout(h) j = MatMul(i, z) l = Add(j, o) y = Softmax(l)"""
    network = load_network(model(body, w=(4, 3, 1, 1), u=(10, 64), k=(10,), z=(10, 5), o=(5,)))
    assert layers_of(network) == [
        ("conv", ("x",), "b"),
        ("pool", ("b",), "c"),
        ("norm", ("c",), "n"),
        ("gemm", ("n",), "h"),
        ("gemm", (), "y"),
    ]
    *_, hidden, last = network.layers
    assert (hidden.weight_count, hidden.bias_count, hidden.macs) == (640, 10, 640)
    assert (last.weight_count, last.bias_count, last.macs) == (50, 5, 50)
    assert network.tensors["n"].shape == (4, 4, 4)
    assert activations_of(network) == {"x": "image", "b": "relu", "c": "relu", "n": "relu", "y": "softmax"}


def test_vectors_stay_on_the_chip():
    body = """
        c = Conv(x, w) p = GlobalAveragePool(c)
        s = Conv(p, w1) t = Relu(s) u = Conv(t, w2) g = Sigmoid(u)
        m = Mul(c, g) y = Conv(m, w3)"""
    network = load_network(model(body, w=(4, 3, 1, 1), w1=(2, 4, 1, 1), w2=(4, 2, 1, 1), w3=(4, 4, 1, 1)))
    assert layers_of(network) == [
        ("conv", ("x",), "c"),
        ("pool", ("c",), "p"),
        ("conv", (), "t"),
        ("conv", (), "g"),
        ("mul", ("c",), "m"),
        ("conv", ("m",), "y"),
    ]
    assert list(network.tensors) == ["x", "c", "m", "y"]


def test_norm_behind_a_rectifier_is_applied_on_reading():
    body = "a = Conv(x, p) r = Relu(a) n = BatchNormalization(r, g, b, m, v) y = Conv(n, q)"
    network = load_network(model(body, p=(4, 3, 1, 1), q=(4, 4, 1, 1), **norm(4)))
    assert layers_of(network) == [("conv", ("x",), "r"), ("conv", ("r",), "y")]
    assert activations_of(network)["r"] == "relu"


def test_norm_behind_a_rectifier_is_written_where_it_is_the_output():
    body = "a = Conv(x, p) r = Relu(a) y = BatchNormalization(r, g, b, m, v)"
    network = load_network(model(body, p=(4, 3, 1, 1), **norm(4)))
    assert layers_of(network) == [("conv", ("x",), "y")]
    assert activations_of(network)["y"] == "linear"


def test_norm_behind_a_shared_rectifier_is_a_layer_where_it_is_an_output():
    body = "a = Conv(x, p) r = Relu(a) y = BatchNormalization(r, g, b, m, v) z = Conv(r, q)"
    made = model(body, outputs="float[] y, float[] z", p=(4, 3, 1, 1), q=(4, 4, 1, 1), **norm(4))
    network = load_network(made)
    assert layers_of(network) == [("conv", ("x",), "r"), ("norm", ("r",), "y"), ("conv", ("r",), "z")]
    assert network.outputs == ("y", "z")


@pytest.mark.parametrize(
    ("first", "second", "pooled"),
    [
        ("Relu(a)", "Relu(a)", "relu"),
        ("Clip(a, zero, six)", "Clip(a, zero, six)", "relu6"),
        ("Relu(a)", "Clip(a, zero, six)", "relu"),
        ("Relu(a)", "Sigmoid(a)", "linear"),
        ("Identity(x)", "Identity(x)", "linear"),
    ],
)
def test_pooling_keeps_the_activation_of_what_it_reads(first, second, pooled):
    body = f"a = Conv(x, w) b = {first} c = {second} d = Concat<axis=1>(b, c) y = MaxPool<kernel_shape=[2,2]>(d)"
    network = load_network(model(body, w=(3, 3, 1, 1), zero=np.float32(0), six=np.float32(6)))
    assert activations_of(network)["y"] == pooled


def test_preactivation_is_a_layer_where_its_input_is_needed_too():
    body = """
        a = Conv(x, p) n = BatchNormalization(a, g, b, m, v) r = Relu(n)
        c = Conv(r, q) y = Add(a, c)"""
    network = load_network(model(body, p=(4, 3, 1, 1), q=(4, 4, 1, 1), **norm(4)))
    assert layers_of(network) == [("conv", ("x",), "a"), ("norm", ("a",), "r"), ("conv", ("r", "a"), "y")]
    assert (network.layers[1].weight_count, network.layers[1].bias_count) == (4, 4)


def test_padding_and_resizing():
    body = 'p = Pad(x, pads) c = Conv(p, w) y = Resize<mode = "nearest">(c, , scales)'
    pads, scales = np.array([0, 0, 1, 1, 0, 0, 1, 1]), np.array([1, 1, 2, 2], np.float32)
    network = load_network(model(body, w=(4, 3, 3, 3), pads=pads, scales=scales))
    assert layers_of(network) == [("conv", ("x",), "c"), ("resize", ("c",), "y")]
    assert [tensor.shape for tensor in network.tensors.values()] == [(3, 8, 8), (4, 8, 8), (4, 16, 16)]


def test_transposed_convolution_counts_its_inputs():
    network = load_network(model("y = ConvTranspose<strides=[2,2]>(x, w)", w=(3, 4, 2, 2)))
    (layer,) = network.layers
    assert (layer.op, layer.macs, layer.weight_count) == ("deconv", 3 * 64 * 16, 48)


def test_product_of_two_activations_has_no_weights():
    body = "a = Conv(x, p) b = Conv(x, q) y = MatMul(a, b)"
    layer = load_network(model(body, p=(4, 3, 1, 1), q=(4, 3, 1, 1))).layers[-1]
    assert (layer.op, layer.inputs, layer.weight_count, layer.macs) == ("matmul", ("a", "b"), 0, 4 * 8 * 8 * 8)


def test_image_with_channels_last_is_turned_on_reading():
    body = "t = Transpose<perm=[0,3,1,2]>(x) c = Conv(t, w) y = Relu(c)"
    network = load_network(model(body, image="float[1,6,8,3] x", w=(4, 3, 1, 1)))
    assert network.channels_last
    assert layers_of(network) == [("conv", ("x",), "y")]
    assert network.tensors["x"].shape == (3, 6, 8)
    images = np.random.default_rng(7).normal(size=(2, 3, 6, 8)).astype(np.float32)
    upright = load_network(model("c = Conv(x, w) y = Relu(c)", image="float[1,3,6,8] x", w=(4, 3, 1, 1)))
    turned, expected = capture(network, images), capture(upright, images)
    for name in ("x", "y"):
        np.testing.assert_array_equal(turned.symbols[name], expected.symbols[name])


def test_shapes_computed_at_run_time_are_resolved():
    body = """
        c = Conv(x, w) s = Shape(c) n = Gather(s, zero) u = Unsqueeze(n, axes)
        t = Concat<axis=0>(u, rest) f = Reshape(c, t) y = Gemm(f, k)"""
    constants = {"zero": np.int64(0), "axes": np.array([0]), "rest": np.array([-1])}
    made = model(body, image="float[N,3,8,8] x", w=(4, 3, 1, 1), k=(256, 10), **constants)
    network = load_network(made)
    assert layers_of(network) == [("conv", ("x",), "c"), ("gemm", ("c",), "y")]
    assert network.layers[1].macs == 2560
    assert made.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


def test_shapes_that_inference_cannot_find_are_seen_in_a_run():
    body = """
        c = Conv(x, w) m = Relu(k) z = NonZero(m) i = ReduceMax<keepdims=0>(z)
        h = Unsqueeze(i, axes) t = Concat<axis=0>(one, h, rest) f = Reshape(c, t) y = Relu(f)"""
    constants = {"k": np.array([1, 1, 1], np.float32), "axes": np.array([0]), "one": np.array([1])}
    network = load_network(model(body, w=(4, 3, 1, 1), rest=np.array([-1, 8]), **constants))
    assert network.tensors["y"].shape == (2, 16, 8)


def test_nodes_that_no_output_needs_are_left_out():
    network = load_network(model("y = Relu(x) z = Conv(x, w)", w=(4, 3, 1, 1)))
    assert layers_of(network) == [("activation", ("x",), "y")]


def test_layers_of_one_name_are_told_apart():
    made = model("a = Conv(x, p) y = Conv(a, q)", p=(4, 3, 1, 1), q=(4, 4, 1, 1))
    for node in made.graph.node:
        node.name = "conv"
    network = load_network(made)
    assert [layer.name for layer in network.layers] == ["conv", "y"]
    assert network.tensors["a"].consumers == ("y",)


def test_local_functions_are_inlined():
    made = model("c = Conv(x, w) y = Relu(c)", w=(4, 3, 1, 1))
    made.graph.node[1].domain, made.graph.node[1].op_type = "ours", "Rectify"
    opset = onnx.helper.make_opsetid("", 17)
    body = [onnx.helper.make_node("Relu", ["i"], ["o"])]
    made.functions.append(onnx.helper.make_function("ours", "Rectify", ["i"], ["o"], body, [opset]))
    made.opset_import.append(onnx.helper.make_opsetid("ours", 1))
    network = load_network(made)
    assert layers_of(network) == [("conv", ("x",), "y")]


KNOWN = [  # name, layers, MMAC, million weights, tensors: the published counts of these networks
    ("resnet50", 56, 4089.2, 25.50, 54),
    ("vgg19", 24, 19632.1, 143.65, 21),
    ("squeezenet", 30, 349.2, 1.2316, 29),
    ("bvlc_alexnet", 13, 654.6, 60.95, 10),
    ("inception_v1", 74, 1431.6, 6.990, 72),
    ("shufflenet", 58, 124.7, 1.365, 56),
    ("densenet121", 188, 2834.2, 7.928, 186),
]


@pytest.mark.parametrize(("name", "layers", "mega_macs", "mega_weights", "tensors"), KNOWN, ids=lambda v: str(v))
def test_known_networks_have_their_published_counts(name, layers, mega_macs, mega_weights, tensors):
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    network = load_network(folder / f"light_{name}.onnx")
    assert len(network.layers) == layers
    assert network.macs / 1e6 == pytest.approx(mega_macs, abs=0.05)
    assert network.weight_count / 1e6 == pytest.approx(mega_weights, rel=1e-3)
    assert len(network.activations) == tensors
