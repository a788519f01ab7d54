"""Sixteen-bit floats against exact fractions; scales in whole numbers against the equations they stand for."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.weights.blockfloat import aligned, scaled
from golden.weights.linear import SCHEMES, LinearFormat, dequantize, quantize
from golden.weights.narrow import block_integers, brain_patterns, float_patterns, half_patterns
from golden.weights.rescale import FixedScales, fixed_scales, rescale

FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)


def value_of(pattern: int, exponent_bits: int, fraction_bits: int) -> Fraction:
    """What a finite pattern stands for."""
    exponent = pattern >> fraction_bits & ((1 << exponent_bits) - 1)
    significand = (pattern & ((1 << fraction_bits) - 1)) | (exponent > 0) << fraction_bits
    scale = Fraction(2) ** (max(exponent, 1) - (1 << exponent_bits - 1) + 1 - fraction_bits)
    return (-1) ** (pattern >> exponent_bits + fraction_bits) * significand * scale


@pytest.mark.parametrize(("form", "exponent_bits", "fraction_bits"), [("fp16", 5, 10), ("bf16", 8, 7)])
@given(value=FLOATS | st.floats(-70000, 70000, width=32) | st.floats(-(2.0**-13), 2.0**-13, width=32))
def test_floats_become_their_nearest_neighbour(form, exponent_bits, fraction_bits, value):
    pattern = int({"fp16": half_patterns, "bf16": brain_patterns}[form](np.float32(value)))
    magnitude, infinite = pattern & 0x7FFF, ((1 << exponent_bits) - 1) << fraction_bits
    assert pattern >> 15 == int(np.signbit(np.float32(value)))
    # An infinity stands for the number that would come next.
    around = [k for k in (magnitude - 1, magnitude, magnitude + 1) if 0 <= k < infinite]
    exact = abs(Fraction(value))
    top = value_of(infinite - 1, exponent_bits, fraction_bits)
    if magnitude == infinite:
        gap = top - value_of(infinite - 2, exponent_bits, fraction_bits)
        assert exact >= top + gap / 2
        return
    errors = {k: abs(value_of(k, exponent_bits, fraction_bits) - exact) for k in around}
    least = min(errors.values())
    nearest = [k for k in around if errors[k] == least]
    assert magnitude == (nearest[0] if len(nearest) == 1 else next(k for k in nearest if k % 2 == 0))


def test_values_that_do_not_fit_are_refused_with_their_place():
    assert float_patterns([1.5, -0.0], "fp16").tolist() == [0x3E00, 0x8000]
    with pytest.raises(ValueError, match=r"weight must fit fp16, not -65520\.0 \(weight 1\)"):
        float_patterns([65504.0, -65520.0], "fp16")
    with pytest.raises(ValueError, match=r"weight must fit bf16, not 3\.4e\+38 \(weight 0\)"):
        float_patterns([3.4e38], "bf16")
    with pytest.raises(ValueError, match=r"form must be one of \['bf16', 'fp16'\], not 'int8'"):
        float_patterns([1.0], "int8")


@given(st.lists(FLOATS, min_size=1, max_size=20), st.integers(1, 24))
def test_block_integers_are_the_mantissas_at_seven_bits(values, width):
    exponent, negative, mantissas = aligned(np.array(values, np.float32), width, True)
    integers = block_integers(scaled(exponent, negative, mantissas, width), exponent).tolist()
    for integer, sign, mantissa in zip(integers, negative.tolist(), mantissas.tolist(), strict=True):
        steps = Fraction(mantissa) * Fraction(2) ** (7 - width)
        assert integer == (-1 if sign else 1) * min(127, int(steps + Fraction(1, 2)))


@given(
    st.lists(st.floats(-4, 4, width=32), min_size=2, max_size=24),
    st.sampled_from(SCHEMES),
    st.sampled_from(["fp16", "bf16"]),
)
def test_scaled_integers_are_the_dequantized_weights_but_for_rounding(weights, scheme, form):
    rows = np.array(weights, np.float32).reshape(2 - len(weights) % 2, -1)
    quantized = quantize(rows, LinearFormat(8, scheme, 0))
    scales = fixed_scales(quantized.gain, quantized.offset)
    patterns = rescale(quantized.values, scales, 0, form)
    shift = np.uint32(16)
    made = patterns.view(np.float16) if form == "fp16" else (patterns.astype(np.uint32) << shift).view(np.float32)
    exact = dequantize(quantized).astype(np.float64)
    # The multiplier's half step counts once for each step of the integer; sixteen bits unless the offset is far off.
    integers = np.abs(quantized.values.astype(np.float64)) + 1
    steps = np.ldexp(1.0, scales.exponent - 150)[:, None] * (integers + 1) / 2
    ulp = {"fp16": 2.0**-11, "bf16": 2.0**-8}[form]
    assert (np.abs(made - exact) <= 1.01 * steps + ulp * np.abs(exact) * 1.01 + 2.0**-25).all()
    whole = (scales.multiplier >> 15 == 1) | (np.abs(quantized.offset.reshape(-1)) > 100)
    assert whole.all()


def test_scales_of_the_docstring():
    for gain, offset, low, expected in ((127, 0, -127, (33026, 0, 128)), (2, 128, -128, (32768, 1 << 22, 134))):
        scales = fixed_scales(gain, offset, low)
        assert (int(scales.multiplier[0]), int(scales.addend[0]), int(scales.exponent[0])) == expected
    assert scales.words.tolist() == [32768 | 1 << 22 + 16 | 134 << 41]


def test_scales_that_hardware_cannot_hold_are_refused():
    with pytest.raises(ValueError, match="gain must be above zero and finite, and offset finite"):
        fixed_scales([1.0, 0.0], [0.0, 0.0])
    with pytest.raises(ValueError, match="offset must leave 24 bits room"):
        fixed_scales(1.0, 1e9)
    with pytest.raises(ValueError, match=r"low and high must ascend in -256\.\.255, not 5 and -5"):
        fixed_scales(1.0, 0.0, 5, -5)
    one = np.ones(1, np.int64)
    with pytest.raises(ValueError, match="integer times multiplier must have 24 bits, not 25165824"):
        rescale([1], FixedScales(one << 15, one * (3 << 23) - (1 << 15), one * 150), None, "bf16")
