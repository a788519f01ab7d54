"""Linear quantization: the source's equations by hand, rounding, slices, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from golden.weights.linear import LinearFormat, dequantize, quantize, statistics

FLOATS = st.floats(-(2.0**20), 2.0**20, width=32)
FORMATS = st.builds(LinearFormat, st.integers(2, 8), st.sampled_from(["symmetric", "asymmetric"]), st.none())


def test_symmetric_by_hand():
    quantized = quantize(np.array([-0.5, 0, 0.25, 1]))
    # 127 * -0.5 = -63.5, and halves go up.
    assert quantized.values.tolist() == [-63, 0, 32, 127]
    assert (float(quantized.gain), float(quantized.offset)) == (127, 0)


def test_asymmetric_by_hand():
    quantized = quantize(np.array([-0.5, 0, 0.25, 1]), LinearFormat(scheme="asymmetric"))
    # q = 255 / 1.5 = 170, zp = -85; 42.5 + 85 = 127.5 goes up to 128, less 128.
    assert quantized.values.tolist() == [-128, -43, 0, 127]
    assert (float(quantized.gain), float(quantized.offset)) == (170, 128 - 85)


@pytest.mark.parametrize("bits", range(2, 9))
def test_extremes_reach_the_ends_of_the_range(bits):
    weights = np.array([-3.0, 0.7, 2.0])
    half = 1 << (bits - 1)
    assert quantize(weights, LinearFormat(bits)).values[0] == 1 - half
    assert quantize(weights, LinearFormat(bits, "asymmetric")).values[[0, 2]].tolist() == [-half, half - 1]


def test_slices_are_scaled_apart():
    weights = np.array([[1.0, -0.5], [100.0, 51.0]])
    quantized = quantize(weights, LinearFormat(axis=0))
    assert quantized.values.tolist() == [[127, -63], [127, 65]]
    assert quantize(weights, LinearFormat(axis=-1)).values.tolist() == [[1, -1], [127, 127]]
    assert np.abs(dequantize(quantized) - weights).max() <= 100 / 127 / 2


@given(arrays(np.float32, st.integers(0, 40), elements=FLOATS), FORMATS)
def test_error_is_at_most_half_a_step(weights, form):
    quantized = quantize(weights, form)
    step = 1 / float(quantized.gain)
    # The asymmetric offset is a float32: it may move all values by its own rounding.
    slack = abs(float(quantized.offset)) * 2.0**-23 * step + np.abs(weights).max(initial=0) * 2.0**-22
    error = np.abs(dequantize(quantized).astype(np.float64) - weights)
    assert (error <= step / 2 + slack).all()


@given(arrays(np.float32, st.integers(0, 40), elements=FLOATS), st.integers(2, 8))
def test_symmetric_quantization_keeps_zero_and_sign(weights, bits):
    values = quantize(weights, LinearFormat(bits)).values
    assert (values[weights == 0] == 0).all()
    assert (values * weights >= 0).all()


@pytest.mark.parametrize("scheme", ["symmetric", "asymmetric"])
def test_flat_tensors_are_kept(scheme):
    form = LinearFormat(scheme=scheme)
    assert dequantize(quantize(np.zeros(3), form)).tolist() == [0, 0, 0]
    assert quantize(np.zeros((0, 3)), form).values.shape == (0, 3)
    assert quantize(np.full(2, 1e-40), form).values.tolist() in ([0, 0], [-128, -128])


def test_equal_weights_are_one_level():
    quantized = quantize(np.full(3, 0.75), LinearFormat(scheme="asymmetric"))
    assert dequantize(quantized).tolist() == [0.75] * 3


def test_statistics_of_the_table():
    found = statistics(np.array([[1.0, 3.0], [-1.0, 1.0]]))
    assert (found.mean, found.variance, found.minimum, found.maximum) == (1, 2, -1, 3)


def test_statistics_of_a_real_classifier(lite0_floats):
    values = quantize(lite0_floats[-1]).values
    found = statistics(values)
    assert max(-found.minimum, found.maximum) == 127
    assert abs(found.mean) < 1
    assert found.variance == pytest.approx(float(values.astype(float).var()))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: LinearFormat(bits=9), ValueError, r"bits must be in 2..8, not 9"),
        (lambda: LinearFormat(scheme="log"), ValueError, "scheme must be one of .* not 'log'"),
        (lambda: quantize(np.zeros(3), LinearFormat(axis=1)), ValueError, r"axis must be below 1 .* not 1"),
        (lambda: quantize(np.array([1, 2])), TypeError, "weights must be floats, not int64"),
        (lambda: quantize(np.array([1, np.nan])), ValueError, "weight must be finite, not nan"),
        (lambda: statistics([]), ValueError, "values must be one or more"),
    ],
)
def test_refusals_name_the_value(call, error, message):
    with pytest.raises(error, match=message):
        call()
