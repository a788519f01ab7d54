"""Networks that are quantized already: the graph's own scales, integers and weights."""

import numpy as np
import pytest
from tiny_models import model

from sim.accelerator import load_accelerator
from sim.config import RunConfig
from sim.images import Photo
from sim.network import Network, load_network
from sim.simulated_layer import SimulationConfig
from sim.simulation import run_simulation
from sim.tensors import Recorder
from sim.weight_tiles import layer_weights, unknown_layers

_BODY = """
    xq = QuantizeLinear(x, sx, zx)
    xd = DequantizeLinear(xq, sx, zx)
    wad = DequantizeLinear<axis=0>(wa, swa, zwa)
    a = Conv(xd, wad)
    aq = QuantizeLinear(a, sa, za)
    ad = DequantizeLinear(aq, sa, za)
    wbd = DequantizeLinear(wb, s, z)
    b = Conv(ad, wbd)
    bq = QuantizeLinear(b, s, z)
    bd = DequantizeLinear(bq, s, z)
    c = Add(bd, ad)
    cq = QuantizeLinear(c, s, z)
    cd = DequantizeLinear(cq, s, z)
    wcd = DequantizeLinear(wc, s, z)
    y = Conv(cd, wcd)
"""


def quantized(kind=np.int8) -> Network:
    rng = np.random.default_rng(7)
    low = np.iinfo(kind).min
    return load_network(
        model(
            _BODY,
            sx=np.float32(0.02),
            zx=kind(low + 120),
            sa=np.float32(0.05),
            za=kind(low),
            s=np.float32(0.1),
            z=np.int8(3),
            wa=rng.integers(-127, 128, (4, 3, 1, 1)).astype(np.int8),
            swa=np.full(4, 0.01, np.float32),
            zwa=np.zeros(4, np.int8),
            wb=rng.integers(-127, 128, (4, 4, 1, 1)).astype(np.int8),
            wc=rng.integers(-127, 128, (2, 4, 1, 1)).astype(np.int8),
        )
    )


def test_quantizing_makes_no_layers_and_joins_a_residual():
    network = quantized()
    assert [(layer.op, layer.inputs, layer.output, layer.weight_count) for layer in network.layers] == [
        ("conv", ("x",), "a", 12),
        ("conv", ("a",), "c", 16),
        ("conv", ("c",), "y", 8),
    ]
    # All that is below the zero point is cut, as by a ReLU; `c` has its zero in the middle.
    assert [tensor.activation for tensor in network.tensors.values()] == ["image", "relu", "linear", "linear"]


@pytest.mark.parametrize("kind", [np.int8, np.uint8], ids=["int8", "uint8"])
def test_symbols_are_the_graphs_own_integers_without_sign(kind):
    network = quantized(kind)
    scales = {name: (scale.scale, scale.zero_point, scale.offset) for name, scale in network.scales.items()}
    offset = 128 if kind is np.int8 else 0
    near = pytest.approx
    assert scales == {"x": (near(0.02), 120, offset), "a": (near(0.05), 0, offset), "c": (near(0.1), 131, 128)}
    image = np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)
    recorder = Recorder(network, image)
    (sample,) = recorder
    quantization = recorder.quantization
    assert (quantization["a"].scale, quantization["a"].zero_point) == (near(0.05), 0)
    # The convolution by hand, on the graph's integers, in steps of the output's scale.
    x = (sample.symbols["x"].astype(np.float64) - 120) * np.float32(0.02)
    weights = layer_weights(network)["a"].values.reshape(4, 3) * 0.01
    a = np.clip(np.rint(np.einsum("fc,chw->fhw", weights, x) / np.float32(0.05)), 0, 255)
    assert sample.symbols["a"].dtype == np.uint8
    assert np.abs(sample.symbols["a"].astype(int) - a).max() <= 1
    assert (sample.symbols["a"] == 0).mean() > 0.2
    assert np.array_equal(sample.symbols["x"], np.clip(np.floor(image[0] / np.float32(0.02) + 0.5) + 120, 0, 255))


def test_other_word_sizes_are_quantized_anew():
    image = np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)
    assert Recorder(quantized(), image, 4).quantization["a"].scale != pytest.approx(0.05)


def test_weights_are_the_graphs_integers():
    network = quantized()
    weights = layer_weights(network)
    assert [weights[layer.name].values.dtype for layer in network.layers] == [np.dtype(np.int8)] * 3
    assert unknown_layers(network, weights) == ()
    config = SimulationConfig(load_accelerator("mobile"), RunConfig("best"), "mlw", residency="none")
    photo = Photo("noise", np.random.default_rng(7).integers(0, 256, (8, 8, 3), np.uint8))
    result = run_simulation(config, network, (photo,))
    assert result.notes == ()
    assert [layer.bytes_by_kind["output"] > 0 for layer in result.coded] == [True] * 3
