"""Layers as loops: what windows touch, and shapes out of networks."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from known_shapes import light_model, mobilenet_v2, resnet18
from tiny_models import model

from sim.layer_shape import LayerShape, conv, layer_shapes, touched_rows
from sim.network import load_network

SIZES = st.integers(1, 12)


def rows_of(output: int, size: int, kernel: int, stride: int, padding: int, transposed: bool) -> set[int]:
    """Input rows that make an output row, one by one."""
    if transposed:
        return {i for i in range(size) for k in range(kernel) if i * stride - padding + k == output}
    return {row for k in range(kernel) if 0 <= (row := output * stride - padding + k) < size}


@given(SIZES, SIZES, st.integers(1, 5), st.integers(1, 4), st.integers(0, 2), st.integers(1, 12), st.booleans())
def test_touched_rows_are_those_of_the_windows(outputs, size, kernel, stride, padding, tile, transposed):
    assume(not (transposed and stride > kernel))  # some outputs come from no input
    strips = [range(first, min(first + tile, outputs)) for first in range(0, outputs, tile)]
    window = (size, kernel, stride, padding, transposed)
    read = [len(set().union(*(rows_of(output, *window) for output in strip))) for strip in strips]
    assert touched_rows(outputs, tile, *window) == (sum(read), max(read))


@pytest.mark.parametrize("name", ["bvlc_alexnet", "resnet50", "squeezenet", "shufflenet", "densenet121"])
def test_shapes_agree_with_the_network(name):
    network = load_network(light_model(name))
    for layer, shape in zip(network.layers, layer_shapes(network), strict=True):
        assert shape.name == layer.name
        assert shape.macs == layer.macs
        assert shape.weights == (layer.weight_count if layer.op != "norm" else 0)
        read = sum(network.tensors[name].size for name in layer.inputs)
        whole = shape.batch * shape.channels * shape.height * shape.width * (not shape.input_on_chip)
        assert whole + shape.operands * shape.outputs == read
        assert shape.touched_inputs <= shape.channels * shape.height * shape.width
        if layer.output in network.tensors:
            assert shape.outputs == network.tensors[layer.output].size
        assert shape.output_on_chip == (layer.output not in network.tensors)


def test_residual_of_a_wide_block_is_an_operand():
    body = """
        a = Conv(x, wa)
        b = Conv(a, wb)
        c = Conv(b, wc)
        y = Add(c, a)
    """
    weights = {"wa": (16, 3, 1, 1), "wb": (4, 16, 1, 1), "wc": (16, 4, 1, 1)}
    shape = layer_shapes(load_network(model(body, **weights)))[-1]
    assert (shape.channels, shape.filters, shape.operands) == (4, 16, 1)


def test_concatenation_is_one_input():
    body = """
        a = Conv(x, wa)
        b = Conv(x, wb)
        c = Concat<axis = 1>(a, b)
        y = Conv(c, wy)
    """
    shape = layer_shapes(load_network(model(body, wa=(5, 3, 1, 1), wb=(7, 3, 1, 1), wy=(2, 12, 3, 3))))[-1]
    assert (shape.channels, shape.operands, shape.out_height, shape.padding) == (12, 0, 6, (0, 0))


def test_transposed_convolution():
    body = "y = ConvTranspose<strides = [2, 2], pads = [1, 1, 1, 1]>(x, w)"
    network = load_network(model(body, w=(3, 6, 4, 4)))
    (shape,) = layer_shapes(network)
    assert (shape.out_height, shape.padding, shape.transposed) == (16, (1, 1), True)
    assert (shape.macs, shape.weights) == (network.layers[0].macs, network.layers[0].weight_count)
    assert shape.touched_inputs == 3 * 8 * 8
    assert shape.rows(4) == (2 * 3 + 2 * 4, 4)  # four strips: rows 0..2, 1..4, 3..6, 5..7


def test_known_networks_have_their_published_sizes():
    assert sum(shape.weights for shape in resnet18()) == 11_678_912
    assert sum(shape.weights for shape in mobilenet_v2()) == 3_469_760
    assert sum(shape.macs for shape in mobilenet_v2()) == 300_774_272


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 0}, "channels of layer 'x' must be at least 1, not 0"),
        ({"groups": 2}, "groups of layer 'x' must divide its 3 channels and 4 filters, not 2"),
        ({"kernel": (0, 1)}, "kernel and stride of layer 'x' must be at least 1"),
    ],
)
def test_impossible_shapes_are_refused(change, message):
    sizes = {"channels": 3, "height": 8, "width": 8, "filters": 4, "out_height": 8, "out_width": 8}
    with pytest.raises(ValueError, match=message):
        LayerShape("x", **{**sizes, **change})


def test_steps_wider_than_the_window_skip_pixels():
    assert conv("x", 64, 56, 128, 1, 2).touched_inputs == 64 * 28 * 28
