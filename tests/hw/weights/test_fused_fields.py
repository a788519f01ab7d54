# amaranth: UnusedElaboratable=no
"""Field selection on Amaranth's simulator: both tasks and the plain codec, every form, golden's bits."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.bits import pack
from golden.weights.blockfloat import BlockFloat, BlockFloatFormat
from golden.weights.fusion import BitPlaneFormat, BitPlaneFusion, BlockFusion, BlockFusionFormat, Task, weave
from golden.weights.narrow import block_integers, brain_patterns, half_patterns
from hw.weights.fusion import Fusion, FusionOrder, block_float_fields, fused_fields, plane_fields
from hw.weights.narrower import BF16, FP16, INT8, INT16
from hw.weights.ports import Fault
from tests.hw.call import STALLS, call
from tests.hw.weights.beats import Came, payload_words, reports_of, tensors_of


@dataclass
class Tensor:
    """An order, its payload, and the patterns that must come; None for a weight that does not fit."""

    count: int
    exponent: int
    fields: dict
    words: np.ndarray
    expected: list

    @property
    def order(self) -> int:
        order = {"count": self.count, "exponent": self.exponent, "selection": self.fields}
        return FusionOrder().const(order).as_value().value

    @property
    def bits(self) -> int:
        return self.count * self.fields["width"]


def patterns(values, exponent, form):
    if form == INT8:
        return (block_integers(values, exponent).astype(np.int64) & 0xFFFF).ravel().tolist()
    made = (half_patterns if form == FP16 else brain_patterns)(values).ravel().tolist()
    return [None if pattern & 0x7FFF >= (0x7C00 if form == FP16 else 0x7F80) else pattern for pattern in made]


def tensor_of(kind: str, a: np.ndarray, b: np.ndarray, widths: tuple[int, int], task: Task, form: int) -> Tensor:
    """Two networks' weights fused (or A's alone as block floats), as one task is to get them."""
    if kind == "planes":
        form = FP16 if form == INT8 else form
        fmt = BitPlaneFormat(9 + widths[0] % 15)
        codec = BitPlaneFusion(fmt)
        fused = codec.encode(a, b)
        expected = patterns(codec.decode(fused, task), 0, form)
        return Tensor(a.size, 0, plane_fields(fmt, task) | {"form": form}, pack(fused.ravel(), 32)[0], expected)
    if kind == "blocks":
        fmt = BlockFloatFormat(widths[0])
        codec = BlockFloat(fmt)
        encoded = codec.encode(a)
        exponent = int(encoded.tables[0])
        expected = patterns(codec.decode(encoded), exponent, form)
        return Tensor(a.size, exponent, block_float_fields(fmt) | {"form": form}, encoded.words, expected)
    fmt = BlockFusionFormat(widths[0], min(widths[1], 30 - widths[0]))
    codec = BlockFusion(fmt)
    fused = codec.encode(a, b)
    exponent = fused.exponents[task.value]
    expected = patterns(codec.decode(fused, task), exponent, form)
    return Tensor(a.size, exponent, fused_fields(fmt, task) | {"form": form}, weave(fused).words, expected)


def weights(rng: np.random.Generator, count: int) -> np.ndarray:
    """Finite floats of any size, or as networks have them, or mostly small ones beside a great one."""
    kind = rng.integers(4)
    if kind == 0:
        values = rng.integers(0, 1 << 32, count, np.uint32)
        return np.where(values >> 23 & 255 == 255, np.float32(0), values.view(np.float32))
    values = rng.normal(0, 0.1, count) * 2.0 ** rng.integers(-40, 18)
    if kind == 2:
        values *= 2.0 ** -rng.integers(0, 30, count)
    return np.where(rng.random(count) < 0.2, 0, values).astype(np.float32)


def random_tensor(rng: np.random.Generator) -> Tensor:
    count = int(rng.choice([1, 2, 7, 8, 9, rng.integers(1, 70)]))
    widths = int(rng.integers(1, 25)), int(rng.integers(1, 25))
    kind = str(rng.choice(["planes", "blocks", "fused", "fused"]))
    task, form = Task(int(rng.integers(2))), int(rng.choice([INT8, FP16, BF16]))
    return tensor_of(kind, weights(rng, count), weights(rng, count), widths, task, form)


def run(word_bits: int, tensors: list[Tensor], payloads: list[list[int]], stall: str = "none"):
    core = Fusion(word_bits)
    inputs = {"order": [tensor.order for tensor in tensors], "i": [word for words in payloads for word in words]}
    beats = sum(-(-tensor.count // core.lanes) for tensor in tensors)
    return call(core, inputs, {"o": beats, "report": len(tensors)}, stall)


def golden(tensor: Tensor, lanes: int) -> tuple[Came, tuple[Fault, int]]:
    """The beat with the first weight that does not fit loses it, all later ones are zeros."""
    if None not in tensor.expected:
        return Came(tensor.expected, False), (Fault.NONE, 0)
    beat = tensor.expected.index(None) // lanes
    end = (beat + 1) * lanes
    kept = [pattern or 0 for pattern in tensor.expected[:end]]
    symbols = kept + [0] * (tensor.count - len(kept))
    return Came(symbols, True), (Fault.RANGE, beat * lanes * tensor.fields["width"])


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("word_bits", [64, 128, 256])
@settings(max_examples=4)
@given(seed=st.integers(0, 2**32 - 1))
def test_fields_become_goldens_weights(word_bits, stall, seed):
    rng = np.random.default_rng(seed)
    tensors = [random_tensor(rng) for _ in range(6)]
    made = run(word_bits, tensors, [payload_words(tensor.words, word_bits) for tensor in tensors], stall)
    lanes = word_bits // 32
    expected = [golden(tensor, lanes) for tensor in tensors]
    assert tensors_of(made["o"].values, 16, lanes) == [came for came, _ in expected]
    assert reports_of(made["report"].values) == [report for _, report in expected]


def test_a_beat_every_cycle_of_pairs_of_25_bits():
    rng = np.random.default_rng(7)
    a, b = rng.normal(0, 0.1, (2, 400)).astype(np.float32)
    tensors = [tensor_of("fused", a, b, (12, 11), task, FP16) for task in Task]
    payload = payload_words(tensors[0].words, 256)
    made = run(256, tensors, [payload, payload])
    cycles = made["o"].cycles
    assert [came.symbols for came in tensors_of(made["o"].values, 16, 8)] == [t.expected for t in tensors]
    assert cycles[49] - cycles[0] == 49
    assert cycles[99] - cycles[50] == 49
    # As the docstring has it: latency from the first word, and the gap between tensors.
    words = made["i"].cycles
    assert cycles[0] - words[0] == 6
    assert words[len(payload)] - words[len(payload) - 1] == 10


@pytest.mark.parametrize("wrong", ["cut", "long", "padded", "order", "exponent", "good"])
def test_bad_tensors_are_told_and_leave_their_neighbours_alone(wrong):
    rng = np.random.default_rng(5)
    a, b = rng.normal(0, 1, (2, 50)).astype(np.float32)
    good = tensor_of("fused", a, b, (9, 8), Task.A, BF16)
    bad = tensor_of("fused", a, b, (9, 8), Task.B, BF16)
    words = payload_words(good.words, 128)
    broken, expected, kept = list(words), (Fault.NONE, 0), 50
    match wrong:
        case "cut":
            broken = [*words[:4], words[4] | 1 << 128]
            expected, kept = (Fault.SHORT, 640), 640 // (4 * 19) * 4
        case "long":
            broken = [*words[:-1], words[-1] & ((1 << 128) - 1), 3, 1 << 128]
            expected = (Fault.LONG, bad.bits)
        case "padded":
            broken[-1] |= 1 << 127
            expected = (Fault.LONG, bad.bits)
        case "order":
            bad.fields["form"], expected, kept = INT16, (Fault.ORDER, 0), 0
        case "exponent":
            bad.exponent, expected, kept = 255, (Fault.TABLE, 0), 0
    made = run(128, [good, bad, good], [words, broken, words])
    came = tensors_of(made["o"].values, 16, 4)
    assert [tensor.error for tensor in came] == [False, wrong != "good", False]
    assert reports_of(made["report"].values) == [(Fault.NONE, 0), expected, (Fault.NONE, 0)]
    assert came[0].symbols == came[2].symbols == good.expected
    assert came[1].symbols == bad.expected[:kept] + [0] * (50 - kept)


def test_parameters_are_refused_in_words():
    with pytest.raises(ValueError, match="word_bits must be 64, 128 or 256, not 100"):
        Fusion(100)
    with pytest.raises(ValueError, match="pairs of hardware must have 32 bits or fewer, not 50"):
        fused_fields(BlockFusionFormat(24, 24), Task.A)
