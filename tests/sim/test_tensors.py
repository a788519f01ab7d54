"""Running a network and quantizing what reaches memory."""

from decimal import ROUND_FLOOR, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import model

from sim.network import load_network
from sim.tensors import Quantization, Recorder, capture, quantize

WORDS = (4, 8, 16)
FINITE = st.floats(-1e6, 1e6, width=32)


def network_of(body, image="float[1,1,2,2] x", **constants):
    return load_network(model(body, image, **constants))


def image_of(*values):
    return np.array(values, np.float32).reshape(1, 1, 2, 2)


@given(st.sampled_from(WORDS), FINITE, FINITE)
def test_zero_is_a_symbol_and_the_range_is_covered(word_bits, low, high):
    low, high = sorted((low, high))
    quantization = Quantization.of_range(low, high, word_bits)
    ends = np.array([0.0, low, high])
    symbols = quantize(ends, quantization)
    assert symbols[0] == quantization.zero_point
    back = (symbols.astype(np.float64) - quantization.zero_point) * quantization.scale
    assert np.abs(back - ends).max() <= quantization.scale * (0.5 + 1e-9)


@given(st.sampled_from(WORDS), st.lists(FINITE, min_size=1, max_size=20), FINITE, FINITE)
def test_symbols_follow_the_formula(word_bits, values, low, high):
    quantization = Quantization.of_range(low, high, word_bits)
    top = 2**word_bits - 1
    expected = []
    for value in np.array(values, np.float32):
        steps = Decimal(float(np.float64(value) / quantization.scale + 0.5))
        floor = int(steps.to_integral_value(ROUND_FLOOR))
        expected.append(min(max(floor + quantization.zero_point, 0), top))
    assert quantize(np.array(values, np.float32), quantization).tolist() == expected


@pytest.mark.parametrize("word_bits", WORDS)
def test_relu6_has_a_fixed_scale(word_bits):
    top = 2**word_bits - 1
    network = network_of("y = Clip(x, zero, six)", zero=np.float32(0), six=np.float32(6))
    captured = capture(network, image_of(-1, 0, 3, 4), word_bits)
    assert captured.quantization["y"] == Quantization(6 / top, 0, word_bits)
    assert captured.symbols["y"].ravel().tolist() == [0, 0, top // 2 + 1, (4 * top + 3) // 6]


def test_values_beyond_the_range_are_clipped():
    symbols = quantize(np.array([-9.0, 9.0, 1e30], np.float32), Quantization(0.01, 7))
    assert symbols.tolist() == [0, 255, 255]


def test_rectified_tensors_use_the_range_seen():
    captured = capture(network_of("y = Relu(x)"), image_of(-4, 0, 1, 51))
    assert captured.quantization["y"] == Quantization(51 / 255, 0)
    assert captured.symbols["y"].ravel().tolist() == [0, 0, 5, 255]


def test_signed_tensors_use_the_range_of_all_images():
    images = np.concatenate([image_of(-1, 0, 0, 0), image_of(0, 1, 0.5, 0)])
    captured = capture(network_of("y = Identity(x)"), images)
    assert captured.quantization["x"] == Quantization(2 / 255, 128)
    assert captured.symbols["x"].reshape(2, 4).tolist() == [
        [1, 128, 128, 128],
        [128, 255, 192, 128],
    ]  # -127.5 rounds up


@pytest.mark.parametrize(("value", "symbol", "zero_point"), [(0, 0, 0), (3, 255, 0), (-3, 0, 255)])
def test_constant_tensors(value, symbol, zero_point):
    captured = capture(network_of("y = Identity(x)"), image_of(*[value] * 4))
    assert captured.quantization["x"].zero_point == zero_point
    assert (captured.symbols["x"] == symbol).all()


@pytest.mark.parametrize(("word_bits", "dtype"), [(4, np.uint8), (8, np.uint8), (16, np.uint16)])
def test_symbols_fit_their_words(word_bits, dtype):
    network = network_of("y = Conv(x, w)", w=(3, 1, 1, 1))
    captured = capture(network, image_of(-1, 2, 3, 4), word_bits)
    for name, symbols in captured.symbols.items():
        assert symbols.dtype == dtype
        assert symbols.shape == (1, *network.tensors[name].shape)
        assert symbols.max() <= 2**word_bits - 1


def test_values_are_those_of_the_network():
    weight = np.array([2, -1], np.float32).reshape(2, 1, 1, 1)
    body = "c = Conv(x, w) r = Relu(c) f = Flatten(r) y = Gemm(f, k)"
    network = network_of(body, w=weight, k=np.eye(8, dtype=np.float32)[:, ::-1])
    captured = capture(network, image_of(1, -2, 3, -4))
    expected = [2, 0, 6, 0, 0, 2, 0, 4]
    np.testing.assert_array_equal(captured.outputs["y"], [expected[::-1]])
    quantization = captured.quantization["r"]
    assert captured.symbols["r"].shape == (1, 2, 2, 2)
    np.testing.assert_allclose(captured.symbols["r"].ravel() * quantization.scale, expected, atol=6 / 255)


def test_recorder_gives_one_image_at_a_time_and_the_same_each_time():
    network = network_of("c = Conv(x, w) y = Relu(c)", w=(3, 1, 1, 1))
    images = np.random.default_rng(7).normal(size=(3, 1, 2, 2)).astype(np.float32)
    recorder, captured = Recorder(network, images), capture(network, images)
    assert len(recorder) == 3
    for _ in range(2):
        for index, sample in enumerate(recorder):
            assert set(sample.symbols) == {"x", "y"}
            np.testing.assert_array_equal(sample.symbols["y"], captured.symbols["y"][index])
            np.testing.assert_array_equal(sample.outputs["y"], captured.outputs["y"][index])
        assert index == 2
    assert recorder.quantization == captured.quantization


def test_images_are_not_changed():
    images = image_of(1, 2, 3, 4)
    capture(network_of("y = Relu(x)"), images)
    assert images.ravel().tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_input_that_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match=r"^tensor 'x' must hold finite values, not NaN or infinity$"):
        capture(network_of("y = Relu(x)"), image_of(1, bad, 2, 3))


def test_tensor_that_is_not_finite_is_named():
    body = "a = Conv(x, w) b = Log(a) y = Conv(b, w)"
    with pytest.raises(ValueError, match=r"^tensor 'b' must hold finite values"):
        capture(network_of(body, w=np.ones((1, 1, 1, 1), np.float32)), image_of(1, 0, 2, 3))


@pytest.mark.parametrize("shape", [(1, 1, 3, 2), (1, 3, 2, 2), (0, 1, 2, 2), (1, 2, 2)])
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"images must have shape \(N, 1, 2, 2\) with N >= 1, not \("):
        capture(network_of("y = Relu(x)"), np.zeros(shape, np.float32))


def test_integer_tensor_is_refused():
    network = load_network(model("c = Cast<to=7>(x) d = Neg(c) y = Identity(d)", outputs="int64[] y"))
    with pytest.raises(ValueError, match="tensor 'd' must be float32, not int64"):
        capture(network, np.zeros((1, 3, 8, 8), np.float32))


@pytest.mark.parametrize("word_bits", [0, 7, 32])
def test_other_words_are_refused(word_bits):
    with pytest.raises(ValueError, match=f"word_bits must be one of 4, 8, 16, not {word_bits}"):
        Recorder(network_of("y = Relu(x)"), image_of(1, 2, 3, 4), word_bits)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((0.0, 0), "scale must be positive and finite, not 0.0"),
        ((float("nan"), 0), "scale must be positive and finite, not nan"),
        ((1.0, -1), "zero_point must be in 0..255, not -1"),
        ((1.0, 16, 4), "zero_point must be in 0..15, not 16"),
        ((1.0, 0, 5), "word_bits must be one of 4, 8, 16, not 5"),
    ],
)
def test_quantization_refuses_what_cannot_work(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        Quantization(*arguments)
