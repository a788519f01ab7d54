"""Networks of other kinds through the simulator: what the last layer moves, by hand."""

import numpy as np
import pytest
from hand import hand_network
from tiny_models import model

from sim.accelerator import load_accelerator
from sim.config import RunConfig
from sim.images import Photo
from sim.network import load_network
from sim.simulated_layer import SimulationConfig
from sim.simulation import run_simulation
from sim.weight_tiles import layer_weights, unknown_layers

_KINDS_OF_LAYERS = {
    "concat": (
        "a = Conv(x, wa) b = Relu(a) c = Conv(x, wb) d = Relu(c) e = Concat<axis=1>(b, d) y = Conv(e, wc)",
        {"wa": (40, 3, 1, 1), "wb": (24, 3, 1, 1), "wc": (8, 64, 1, 1)},
        # The reader fetches both parts; 40 and 24 channels over nine codec tiles each of 64 pixels.
        {"input": (40 + 24) * 576, "output": 8 * 576},
    ),
    "deconv": (
        "a = Conv(x, wa) b = Relu(a) y = ConvTranspose<strides=[2,2],group=4>(b, wb)",
        {"wa": (40, 3, 1, 1), "wb": (40, 8, 2, 2)},
        {"input": 40 * 576, "output": 32 * 48 * 48},
    ),
    "flatten": (
        "a = Conv(x, wa) b = MaxPool<kernel_shape=[2,2],strides=[2,2]>(a) f = Flatten(b) y = Gemm<transB=1>(f, wg, bg)",
        {"wa": (40, 3, 1, 1), "wg": (10, 40 * 144), "bg": np.ones(10, np.float32)},
        # Tiles of the flattened tensor are fetched once, ten outputs are one burst.
        {"input": 40 * 144, "output": 32},
    ),
    "matmul": (
        "a = Conv(x, wa) s = Reshape(a, sh) y = MatMul(s, wm)",
        {"wa": (16, 3, 1, 1), "sh": np.array([1, 16, 576], np.int64), "wm": (576, 20)},
        {"input": 16 * 576, "output": 320},
    ),
    "resize": (
        'a = Conv(x, wa) b = Relu(a) c = Resize<mode="nearest">(b, , sc) y = Conv(c, wc)',
        {"wa": (40, 3, 1, 1), "sc": np.array([1, 1, 2, 2], np.float32), "wc": (8, 40, 1, 1)},
        {"input": 40 * 48 * 48, "output": 8 * 48 * 48},
    ),
    "upsampled output": (
        'a = Conv(x, wa) b = Relu(a) y = Resize<mode="linear">(b, , sc)',
        {"wa": (40, 3, 1, 1), "sc": np.array([1, 1, 3, 3], np.float32)},
        {"input": 40 * 576, "output": 40 * 72 * 72},
    ),
    "norm": (
        "a = Conv(x, wa) b = InstanceNormalization(a, g, h) y = LRN<size = 5>(b)",
        {"wa": (40, 3, 1, 1), "g": np.ones(40, np.float32), "h": np.ones(40, np.float32)},
        {"input": 40 * 576, "output": 40 * 576},
    ),
    "grouped": (
        "a = Conv(x, wa) b = Relu(a) y = Conv<group = 4, pads = [1, 1, 1, 1]>(b, wb)",
        {"wa": (64, 3, 1, 1), "wb": (64, 16, 3, 3)},
        {"input": 64 * 576, "weight": 64 * 16 * 9, "output": 64 * 576},
    ),
    "attention": (
        "a = Conv(x, wa) f = Reshape(a, sh) q = MatMul(f, wq) p = Softmax(q) y = MatMul(p, f)",
        {"wa": (16, 3, 1, 1), "sh": np.array([1, 16, 576], np.int64), "wq": (576, 16)},
        # 16 x 16 values times 16 x 576 that are no weights.
        {"input": 256 + 16 * 576, "weight": 0, "output": 16 * 576},
    ),
    "gate": (
        "a = Conv(x, wa) p = GlobalAveragePool(a) q = Conv(p, wb) r = Sigmoid(q) m = Mul(a, r) y = Conv(m, wc)",
        {"wa": (40, 3, 1, 1), "wb": (40, 40, 1, 1), "wc": (8, 40, 1, 1)},
        {"input": 40 * 576, "output": 8 * 576},
    ),
}


@pytest.mark.parametrize("name", _KINDS_OF_LAYERS)
def test_the_last_layer_of_other_networks_moves_its_tensors_once(name):
    body, weights, expected = _KINDS_OF_LAYERS[name]
    network = load_network(model(body, image="float[1,3,24,24] x", **weights))
    photo = Photo("noise", np.random.default_rng(7).integers(0, 256, (32, 32, 3), np.uint8))
    config = SimulationConfig(load_accelerator("mobile"), RunConfig("best"), "mlw", residency="none")
    result = run_simulation(config, network, (photo,))
    kinds = result.raw[-1].bytes_by_kind
    assert {kind: kinds[kind] for kind in expected} == expected
    assert kinds["refetch"] == kinds["partial"] == 0
    assert result.notes == ()
    coded, raw = (sum(layer.total_bytes for layer in layers) for layers in (result.coded, result.raw))
    assert coded <= 1.005 * raw + 32 * 2 * len(network.layers)


def test_weights_that_the_model_does_not_hold_as_floats_are_named():
    network = hand_network()
    for tensor in network.model.graph.initializer:
        if tensor.name == "wb":
            tensor.name = "hidden"
    assert unknown_layers(network, layer_weights(network)) == ("q",)
