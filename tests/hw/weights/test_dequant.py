# amaranth: UnusedElaboratable=no
"""Scaling on Amaranth's simulator: golden's whole numbers, per tensor and per slice, and what does not fit."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.weights.linear import SCHEMES, LinearFormat, quantize
from golden.weights.narrow import FORMS, float_patterns
from golden.weights.rescale import FixedScales, fixed_scales, rescale
from hw.packet import Packet
from hw.weights.dequant import Dequant, DequantOrder, Scale
from hw.weights.narrower import BF16, FP16
from hw.weights.ports import Fault, Weights
from tests.hw.call import STALLS, call
from tests.hw.weights.beats import Came, reports_of, tensors_of

_WHOLE = (1 << 32) - 1


def beats_of(values, lanes: int) -> list[int]:
    """Lanes of 32 bits."""
    shape, beats = Packet(Weights(32, lanes)), []
    flat = [int(value) & 0xFFFF_FFFF for value in np.ravel(values)]
    for start in range(0, len(flat), lanes):
        symbols = flat[start : start + lanes]
        last = start + lanes >= len(flat)
        weights = {"symbols": symbols + [7] * (lanes - len(symbols)), "tail": len(symbols) - 1, "error": 0}
        beats.append(shape.const({"data": weights, "last": last}).as_value().value)
    return beats


def order(form: int, slice_weights: int = _WHOLE, slices: int = 1, floats: int = 0) -> int:
    fields = {"form": form, "floats": floats, "slice_weights": slice_weights, "slices": slices}
    return DequantOrder().const(fields).as_value().value


def writes(scales: FixedScales) -> list[int]:
    words = enumerate(scales.words.tolist())
    return [Scale().const({"index": k, "word": word}).as_value().value for k, word in words]


def run(lanes: int, orders: list[int], tensors: list, scales: FixedScales, stall="none"):
    """The trace, and what came of each tensor; floats go first, so that all scales are written when they are needed."""
    floats = np.resize(np.array([1.5, -2, 0, 3e-7], np.float32), lanes * scales.words.size)
    orders, tensors = [order(FP16, floats=1), *orders], [floats.view(np.uint32), *tensors]
    inputs = {"i_scale": writes(scales), "order": orders, "i": [b for t in tensors for b in beats_of(t, lanes)]}
    made = call(Dequant(lanes, 64), inputs, {"o": len(inputs["i"]), "report": len(orders)}, stall)
    came = tensors_of(made["o"].values, 16, lanes)
    assert came[0] == Came(float_patterns(floats, "fp16").tolist(), False)
    return made, came[1:], reports_of(made["report"].values)[1:]


@pytest.mark.parametrize("stall", STALLS)
@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1))
def test_integers_are_scaled_as_golden_does(stall, seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, [5, 9, 7]).tolist())
    axis = [None, 0, 1, 2][rng.integers(4)]
    weights = (rng.normal(rng.choice([0, 0.3]), 0.1, shape) * 2.0 ** rng.integers(-18, 10)).astype(np.float32)
    quantized = quantize(weights, LinearFormat(8, str(rng.choice(SCHEMES)), axis))
    scales = fixed_scales(quantized.gain, quantized.offset)
    slice_weights = _WHOLE if axis is None else int(np.prod(shape[axis + 1 :]))
    orders = [order(form, slice_weights, scales.words.size) for form in (FP16, BF16)]
    floats = np.resize(weights, 11)
    tensors = [quantized.values, quantized.values, floats.view(np.uint32)]
    _, came, reports = run(4, [*orders, order(FP16, floats=1)], tensors, scales, stall)
    expected = [rescale(quantized.values, scales, axis, FORMS[form]) for form in (FP16, BF16)]
    assert came == [Came(made.ravel().tolist(), False) for made in [*expected, float_patterns(floats, "fp16")]]
    assert reports == [(Fault.NONE, 0)] * 3


def test_a_beat_costs_a_cycle_for_each_slice_in_it():
    scales = fixed_scales(np.arange(1, 13), np.zeros(12))
    values = np.arange(-54, 54)
    made, came, _ = run(16, [order(BF16), order(FP16, 9, 12)], [values, values], scales)
    cycles, taken = made["o"].cycles[12:], made["i"].cycles[12:]
    assert [b - a for a, b in pairwise(cycles[:7])] == [1] * 6
    # 16 lanes over slices of 9 weights: two or three slices begin or go on in each beat.
    pieces = [len({k // 9 for k in range(start, start + 16)}) for start in range(0, 108, 16)]
    assert [b - a for a, b in pairwise(cycles[7:])] == pieces[1:]
    assert came[1].symbols == rescale(values.reshape(12, 9), scales, 0, "fp16").ravel().tolist()
    assert cycles[0] - taken[0] == 7
    assert taken[0] - made["order"].cycles[1] == 2


@pytest.mark.parametrize(
    ("value", "scale", "form"),
    [
        (256, (1, 0, 150), FP16),
        (-257, (1, 0, 150), FP16),
        (255, (65535, 1 << 20, 100), BF16),
        (-256, (65535, -256, 100), BF16),
        (200, (40000, 0, 144), FP16),
        (255, (65535, 65790, 254), BF16),
    ],
    ids=["int10", "negative", "sum", "least sum", "half", "brain"],
)
def test_what_does_not_fit_is_told_and_zero_from_there_on(value, scale, form):
    multiplier, addend, exponent = (np.array([number]) for number in scale)
    tensor = [1, 2, 3, 4, 5, 1, value, 6, 7, 8, 9]
    scales = FixedScales(multiplier, addend, exponent)
    _, came, reports = run(4, [order(form)] * 2, [tensor, [1, 2]], scales)
    good = rescale(tensor[:6], scales, None, FORMS[form]).tolist()
    assert came[0].symbols[:6] == good
    # The beat's other weights are as they are.
    assert (came[0].symbols[6], came[0].symbols[8:], came[0].error) == (0, [0] * 3, True)
    assert came[1] == Came(good[:2], False)
    assert reports == [(Fault.RANGE, 4), (Fault.NONE, 0)]


@pytest.mark.parametrize("bad", [order(0), order(1), order(FP16, 4, 0), order(FP16, 0, 4), order(FP16, 4, 65)])
def test_orders_that_cannot_be_served_give_zeros(bad):
    scales = fixed_scales(1.0, 0.0)
    _, came, reports = run(4, [bad, order(FP16)], [[1, 2, 3, 4, 5], [1, 2]], scales)
    assert came == [Came([0] * 5, True), Came([0x3C00, 0x4000], False)]
    assert reports == [(Fault.ORDER, 0), (Fault.NONE, 0)]


def test_parameters_are_refused_in_words():
    with pytest.raises(ValueError, match="lanes must be a power of two of at least 2, not 3"):
        Dequant(3)
    with pytest.raises(ValueError, match=r"slices must be in 2\.\.32768, not 1"):
        Dequant(4, 1)
