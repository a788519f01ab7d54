"""Two tasks in one tensor: bit planes, block floating point, and what becomes of integers."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from golden.bits import bytes_from_words, unpack
from golden.codec import CorruptStreamError
from golden.weights.blockfloat import BlockFloat, BlockFloatFormat, aligned, snr_db, snr_table
from golden.weights.fusion import (
    STORAGE,
    BitPlaneFormat,
    BitPlaneFusion,
    BlockFusion,
    BlockFusionFormat,
    FusedBlocks,
    Task,
    fuse_integers,
    weave,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "fusion.json").read_text())
FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)
TENSORS = arrays(np.float32, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5), elements=FLOATS)
WIDTHS = st.integers(1, 24)


def pairs(elements=FLOATS):
    shapes = array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)
    return shapes.flatmap(lambda shape: st.tuples(*2 * [arrays(np.float32, shape, elements=elements)]))


def patterns(values) -> list[int]:
    return np.asarray(values, np.float32).view(np.uint32).ravel().tolist()


@given(pairs(), st.integers(9, 23))
def test_bit_planes_keep_the_patterns_of_both(pair, filled):
    a, b = pair
    codec = BitPlaneFusion(BitPlaneFormat(filled))
    fused = codec.encode(a, b)
    assert (fused.dtype, fused.shape) == (np.uint32, a.shape)
    for word, x, y, for_a, for_b in zip(
        fused.ravel().tolist(),
        patterns(a),
        patterns(b),
        patterns(codec.decode(fused, Task.A)),
        patterns(codec.decode(fused, Task.B)),
        strict=True,
    ):
        assert f"{word:032b}" == f"{x:032b}"[: 32 - filled] + f"{y:032b}"[:filled]
        assert for_a == word
        assert f"{for_b:032b}" == f"{y:032b}"[:filled] + "0" * (32 - filled)
    again = codec.encode(codec.decode(fused, Task.A), codec.decode(fused, Task.B))
    assert np.array_equal(again, fused)


def test_bit_planes_of_the_docstring():
    codec = BitPlaneFusion(BitPlaneFormat(16))
    fused = codec.encode(np.array([1.0]), np.array([-2.0]))
    assert fused.tolist() == [0x3F80C000]
    assert codec.decode(fused, Task.A).tolist() == [1.005859375]
    assert codec.decode(fused, Task.B).tolist() == [-2.0]


def reference(values, bits: int, rounded: bool) -> list[float]:
    """The definition, in exact fractions of the greatest power of two."""
    greatest = max((abs(float(value)) for value in values), default=0.0)
    if greatest == 0:
        return [0.0] * len(values)
    exponent = max(math.frexp(greatest)[1], -125)
    result = []
    for value in values:
        steps = math.ldexp(abs(float(value)), bits - exponent)
        steps = min(math.floor(steps + 0.5 if rounded else steps), (1 << bits) - 1)
        result.append(math.copysign(math.ldexp(steps, exponent - bits), float(value)))
    return result


@given(TENSORS, WIDTHS, st.booleans())
def test_block_floats_are_what_the_definition_says(values, bits, rounded):
    codec = BlockFloat(BlockFloatFormat(bits, rounded))
    before = values.tobytes()
    encoded = codec.encode(values)
    decoded = codec.decode(encoded)
    assert decoded.ravel().tolist() == reference(values.ravel(), bits, rounded)
    assert (decoded.dtype, decoded.shape) == (np.float32, values.shape)
    assert encoded.bits == values.size * (bits + 1)
    assert encoded.size_bits == codec.size_bits(values) == values.size * (bits + 1) + 8
    assert values.tobytes() == before
    again = codec.encode(decoded)
    assert (again.words.tolist(), again.tables.tolist()) == (encoded.words.tolist(), encoded.tables.tolist())
    assert BlockFloat.from_config(codec.config()) == codec


@pytest.mark.parametrize(
    ("weights", "exponent", "truncated", "rounded", "negative"),
    [
        ([1.5, -0.25, 0.3], 127, [6, 1, 1], [6, 1, 1], [0, 1, 0]),
        ([0.99], 126, [7], [7], [0]),
        ([0.0, -0.0], 0, [0, 0], [0, 0], [0, 0]),
        ([1.0, -0.01], 127, [4, 0], [4, 0], [0, 0]),
        ([1.9, -1.2, 0.13], 127, [7, 4, 0], [7, 5, 1], [0, 1, 0]),
        ([1e-45], 1, [0], [0], [0]),
        ([3.4028235e38, -1e-45], 254, [7, 0], [7, 0], [0, 0]),
    ],
)
def test_mantissas_by_hand(weights, exponent, truncated, rounded, negative):
    for flag, mantissas in ((False, truncated), (True, rounded)):
        told = aligned(np.array(weights, np.float32), 3, flag)
        assert (told[0], told[1].astype(int).tolist(), told[2].tolist()) == (exponent, negative, mantissas)


@given(pairs(), WIDTHS, WIDTHS)
def test_woven_pairs_hold_the_same_bits(pair, a_bits, b_bits):
    fused = BlockFusion(BlockFusionFormat(a_bits, b_bits)).encode(*pair)
    woven, width = weave(fused), a_bits + b_bits
    assert (woven.bits, woven.size_bits, woven.shape) == (fused.bits, fused.size_bits, fused.shape)
    fields = unpack(woven.words, width + 2, fused.count).tolist()
    assert [field & (1 << width) - 1 for field in fields] == unpack(fused.mantissas, width, fused.count).tolist()
    planes = [unpack(plane, 1, fused.count).tolist() for plane in fused.signs]
    assert [field >> width for field in fields] == [b | a << 1 for a, b in zip(*planes, strict=True)]
    assert tuple(unpack(woven.tables, 8, 2).tolist()) == fused.exponents


def test_whole_significands_lose_nothing_near_the_greatest_weight():
    values = np.array([1.0000001, -1.9999999, 1.25], np.float32)
    codec = BlockFloat(BlockFloatFormat(24, rounded=False))
    assert np.array_equal(codec.decode(codec.encode(values)), values)
    tiny = np.array([1e-45, -1.1754942e-38], np.float32)
    assert np.array_equal(codec.decode(codec.encode(tiny)), tiny)


@given(pairs(), WIDTHS, WIDTHS, st.booleans())
def test_fused_tasks_are_what_each_is_alone(pair, a_bits, b_bits, rounded):
    codec = BlockFusion(BlockFusionFormat(a_bits, b_bits, rounded))
    fused = codec.encode(*pair)
    assert fused.bits == pair[0].size * (a_bits + b_bits + 2)
    assert fused.size_bits == fused.bits + 16
    stored = fused.mantissas.size + sum(plane.size for plane in fused.signs)
    assert stored == sum(-(-bits * pair[0].size // 64) for bits in (a_bits + b_bits, 1, 1))
    for task, values, bits in zip(Task, pair, (a_bits, b_bits), strict=True):
        alone = BlockFloat(BlockFloatFormat(bits, rounded))
        decoded = codec.decode(fused, task)
        assert np.array_equal(decoded, alone.decode(alone.encode(values)))
        assert (decoded.dtype, decoded.shape) == (np.float32, values.shape)
    assert BlockFusion.from_config(codec.config()) == codec


@given(pairs(), WIDTHS, WIDTHS, st.sampled_from(Task), st.randoms(use_true_random=False))
def test_neither_task_reads_a_bit_of_the_other(pair, a_bits, b_bits, task, random):
    codec = BlockFusion(BlockFusionFormat(a_bits, b_bits))
    fused = codec.encode(*pair)
    other = Task(1 - task.value)
    count, width = pair[0].size, a_bits + b_bits
    own = {Task.A: range(b_bits, width), Task.B: range(b_bits)}[task]
    mantissas, plane = fused.mantissas.copy(), fused.signs[other.value].copy()
    for pair_number in range(count):
        plane[pair_number >> 6] ^= np.uint64(random.getrandbits(1) << (pair_number & 63))
        for bit in range(width):
            if bit not in own:
                position = pair_number * width + bit
                mantissas[position >> 6] ^= np.uint64(random.getrandbits(1) << (position & 63))
    signs, exponents = list(fused.signs), list(fused.exponents)
    signs[other.value], exponents[other.value] = plane, random.randrange(255)
    scrambled = FusedBlocks(mantissas, tuple(signs), tuple(exponents), fused.shape, fused.pair_bits)
    assert np.array_equal(codec.decode(scrambled, task), codec.decode(fused, task))


def test_fused_word_of_the_docstring():
    codec = BlockFusion(BlockFusionFormat(3, 2))
    fused = codec.encode(np.array([1.5]), np.array([-0.75]))
    assert fused.mantissas.tolist() == [0b11011]
    assert [plane.tolist() for plane in fused.signs] == [[0], [1]]
    assert fused.exponents == (127, 126)
    assert fused.bits == 3 + 2 + 2


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_frozen_vectors(vector):
    a, b = (np.array(vector[name], np.float32) for name in "ab")
    planes = BitPlaneFusion(BitPlaneFormat(vector["filled_bits"]))
    assert [f"{word:08x}" for word in planes.encode(a, b)] == vector["planes"]
    codec = BlockFusion(BlockFusionFormat(vector["a_bits"], vector["b_bits"], vector["rounded"]))
    fused = codec.encode(a, b)
    width = (vector["a_bits"] + vector["b_bits"]) * a.size
    assert bytes_from_words(fused.mantissas, width).hex() == vector["mantissas"]
    assert [bytes_from_words(plane, a.size).hex() for plane in fused.signs] == vector["signs"]
    assert list(fused.exponents) == vector["exponents"]
    assert codec.decode(fused, Task.A).tolist() == vector["decoded_a"]
    assert codec.decode(fused, Task.B).tolist() == vector["decoded_b"]


def test_rounding_is_worth_six_decibels(lite0_floats):
    weights = np.concatenate([values.ravel()[::16] / np.abs(values).max() for values in lite0_floats])
    rows = {row.mantissa_bits: row for row in snr_table(weights, range(2, 17))}
    print()
    print("mantissa bits   truncated dB   rounded dB   gain dB")
    for row in rows.values():
        print(f"{row.mantissa_bits:13} {row.truncated_db:14.2f} {row.rounded_db:12.2f} {row.gain_db:9.2f}")
    for bits in range(8, 17):
        assert rows[bits].gain_db == pytest.approx(20 * math.log10(2), abs=0.07)
        assert rows[bits].rounded_db - rows[bits - 1].rounded_db == pytest.approx(6.02, abs=0.1)
    assert [rows[bits].gain_db < rows[8].gain_db for bits in (2, 4, 6)] == [True, True, True]


def test_snr_by_hand():
    assert snr_db([3.0, 4.0], [3.0, 3.5]) == pytest.approx(20)
    assert snr_db([1.0], [1.0]) == math.inf


def test_small_integers_are_swamped():
    assert fuse_integers(np.array([240, 1], np.uint8), np.array([255, 240], np.uint8)).tolist() == [255, 15]
    assert fuse_integers(np.array([1, -1], np.int8), np.array([-16, 0], np.int8)).view(np.int8).tolist() == [15, -16]
    rng = np.random.default_rng(7)
    weights = np.rint(rng.normal(0, 12, 20_000)).clip(-127, 127)
    fused = fuse_integers(weights.astype(np.int8), rng.permutation(weights).astype(np.int8)).view(np.int8)
    relative = np.abs(fused - weights) / np.maximum(np.abs(weights), 1)
    assert relative[np.abs(weights) <= 4].mean() > 10 * relative[np.abs(weights) >= 40].mean()
    # The same eight bits a pair as block floats, and what that gains.
    shared = BlockFusion(BlockFusionFormat(3, 3))
    block = shared.decode(shared.encode(weights.astype(np.float32), weights.astype(np.float32)), Task.A)
    assert shared.format.pair_bits == 8
    assert snr_db(weights, block) > snr_db(weights, fused) + 1


def test_storage_as_told_and_as_it_is():
    units = {"alpha": 32, "beta": 1, "s": 1, "e": 8}
    for row in STORAGE:
        terms = [term.split() for term in row.formula.split(" + ")]
        assert row.told_bits == sum(int(term[0]) * units[term[1]] if len(term) == 2 else 32 for term in terms)
    assert STORAGE[-1].stored_bits == BlockFusionFormat(12, 11).pair_bits == 25
    assert STORAGE[-1].told_bits == 34
    assert STORAGE[-2].stored_bits == np.dtype(np.uint32).itemsize * 8


ONES = np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: BitPlaneFormat(8), ValueError, r"filled_bits must be in 9..23, not 8"),
        (lambda: BitPlaneFormat(24), ValueError, r"filled_bits must be in 9..23, not 24"),
        (lambda: BlockFusionFormat(0, 4), ValueError, r"a_bits must be in 1..24, not 0"),
        (lambda: BlockFusionFormat(4, 25), ValueError, r"b_bits must be in 1..24, not 25"),
        (lambda: BlockFloatFormat(25), ValueError, r"mantissa_bits must be in 1..24, not 25"),
        (lambda: BlockFusion().encode(ONES, ONES[:2]), ValueError, r"shapes of A and B must be equal, not \(3,\)"),
        (lambda: BitPlaneFusion().encode(ONES, np.ones(3, int)), TypeError, "weights must be floats, not int64"),
        (
            lambda: BlockFloat().encode(np.array([1, np.inf])),
            ValueError,
            r"finite as float32, not inf \(weight 1\)",
        ),
        (lambda: BitPlaneFusion().encode(np.array([1e39]), np.array([1.0])), ValueError, "finite as float32, not 1e"),
        (lambda: fuse_integers([1.0], [2.0]), TypeError, "weights must be uint8 or int8, not float64"),
        (lambda: fuse_integers(np.zeros(2, np.int8), np.zeros(3, np.int8)), ValueError, "shapes of A and B"),
        (
            lambda: fuse_integers(np.zeros(2, np.int8), np.zeros(2, np.int8), 8),
            ValueError,
            r"filled_bits must be in 1..7, not 8",
        ),
    ],
)
def test_wrong_weights_and_formats_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_broken_parts_are_refused():
    codec = BlockFusion(BlockFusionFormat(3, 2))
    fused = codec.encode(ONES, ONES)
    parts = vars(fused)
    for change, message in (
        ({"mantissas": np.zeros(2, np.uint64)}, "mantissas of 15 bits must be 1 words, not 2"),
        ({"mantissas": np.full(1, 1 << 15, np.uint64)}, "mantissas: padding must be zero, not set past bit 15"),
        ({"signs": (np.full(1, 8, np.uint64), fused.signs[1])}, "signs of A: padding must be zero"),
        ({"exponents": (255, 127)}, r"exponent of A must be in 0..254, not 255"),
    ):
        with pytest.raises(CorruptStreamError, match=message):
            codec.decode(FusedBlocks(**{**parts, **change}), Task.A)
    single = BlockFloat(BlockFloatFormat(7))
    encoded = single.encode(ONES)
    stray = {**vars(encoded), "shape": (4,)}
    with pytest.raises(CorruptStreamError, match="stream of 4 weights must be 32 bits and 8 of tables, not 24 and 8"):
        single.decode(type(encoded)(**stray))
    stray = {**vars(encoded), "tables": np.full(1, 255, np.uint64)}
    with pytest.raises(CorruptStreamError, match=r"tables: exponent must be in 0..254, not 255 \(bit 0\)"):
        single.decode(type(encoded)(**stray))
