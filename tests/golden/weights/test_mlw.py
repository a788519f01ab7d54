"""Ethos-U weight streams: against the format's reference coder, laws, sizes, and streams that must be refused."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mlw_reference import run_reference

from golden.weights import mlw_format
from golden.weights.mlw import Mlw, read_stream, write_stream
from golden.weights.mlw_alphabet import DIRECT, ENTRIES, ENTRY_BITS, PALETTE, RAW_MODE, ROW, SHIFTS, WITH_RUNS
from golden.weights.mlw_encode import write_slice
from golden.weights.mlw_format import MlwFormat

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "mlw.json").read_text())
SETS = ["int8 per tensor", "int8 per channel", "pruned 50 %", "pruned 80 %", "pruned 90 %", "int4 per tensor"]
TENSORS = arrays(
    np.int16,
    st.integers(0, 700),
    elements=st.one_of(st.just(0), st.integers(-3, 3), st.integers(-255, 255)),
    fill=st.just(0),
)


def laplace(rng, n):
    return np.rint(rng.laplace(0, rng.uniform(0.3, 30), n)).clip(-255, 255)


def sparse(rng, n):
    return np.rint(rng.normal(0, rng.uniform(1, 60), n)).clip(-255, 255) * (rng.random(n) < rng.uniform(0.01, 0.6))


def pruned(rng, n):
    weights = np.rint(rng.normal(0, 30, n)).clip(-127, 127)
    return weights * (np.abs(weights) > np.quantile(np.abs(weights), rng.uniform(0.3, 0.97)))


def palette(rng, n):
    return rng.choice(rng.integers(-255, 256, rng.integers(1, 40)), n) * (rng.random(n) < rng.choice([0.3, 1]))


def skewed(rng, n):
    k = int(rng.integers(2, 33))
    return rng.choice(rng.permutation(np.arange(-127, 128))[:k], n, p=rng.dirichlet(np.full(k, 0.5)))


def scaled(rng, n):
    return np.rint(rng.normal(0, 1, n) * np.repeat(rng.uniform(1, 40, n // 64 + 1), 64)[:n]).clip(-127, 127)


KINDS = {
    "uniform": lambda rng, n: rng.integers(-255, 256, n),
    "unsigned": lambda rng, n: rng.integers(0, 256, n),
    "narrow": lambda rng, n: rng.integers(-3, 4, n),
    "laplace": laplace,
    "sparse": sparse,
    "pruned": pruned,
    "palette": palette,
    "skewed": skewed,
    "channels": scaled,
    "zeros first": lambda rng, n: np.append(np.zeros(n // 3), palette(rng, n - n // 3)),
    "zeros last": lambda rng, n: np.append(laplace(rng, n - n // 3), np.zeros(n // 3)),
    "zeros": lambda rng, n: np.zeros(n),
    "one value": lambda rng, n: np.full(n, rng.integers(-255, 256)),
    "lone value": lambda rng, n: np.where(rng.random(n) < 0.002, rng.integers(-255, 256), 0),
}


def drawn(kind: str) -> list[list[int]]:
    rng = np.random.default_rng(list(KINDS).index(kind))
    sizes = [*range(1, 26), *rng.integers(26, 2000, 12), 40_000]
    return [KINDS[kind](rng, int(n)).astype(int).tolist() for n in sizes]


@pytest.mark.parametrize("kind", KINDS)
def test_reference_coder_reads_ours_and_we_read_its(kind):
    tensors = drawn(kind)
    ours = [write_stream(np.array(weights)) for weights in tensors]
    answers = run_reference(tensors + ours)
    theirs, read = answers[: len(tensors)], answers[len(tensors) :]
    for weights, stream, its_stream, its_weights in zip(tensors, ours, theirs, read, strict=True):
        assert its_weights == weights
        assert read_stream(its_stream).tolist() == weights
        assert len(stream) <= 1.01 * len(its_stream)


def short_tensors():
    makers = list(KINDS.values())
    for seed in [*range(500), 1381, 8448]:
        rng = np.random.default_rng(seed)
        size = int(np.exp(rng.uniform(np.log(26), np.log(4000))))
        yield makers[seed % len(makers)](rng, size)
    for seed in range(300):
        rng = np.random.default_rng([17, seed])
        pieces = [makers[kind](rng, int(rng.integers(10, 600))) for kind in rng.integers(0, len(makers), 3)]
        yield np.concatenate(pieces)


def test_no_short_stream_is_a_step_of_16_bytes_longer():
    tensors = [weights.astype(int).tolist() for weights in short_tensors()]
    for weights, its_stream in zip(tensors, run_reference(tensors), strict=True):
        assert len(write_stream(np.array(weights))) <= 1.01 * len(its_stream)


def test_pieces_of_every_kind_are_found_in_one_tensor():
    rng = np.random.default_rng(11)
    tensors = []
    for _ in range(12):
        pieces = [KINDS[kind](rng, int(rng.integers(100, 5000))) for kind in rng.choice(list(KINDS), 6)]
        tensors.append(np.concatenate(pieces).astype(int).tolist())
    ours = [write_stream(np.array(weights)) for weights in tensors]
    answers = run_reference(tensors + ours)
    assert answers[12:] == tensors
    assert sum(map(len, ours)) < 0.99 * sum(map(len, answers[:12]))
    for stream, its_stream in zip(ours, answers, strict=False):
        assert len(stream) <= 1.01 * len(its_stream)


@pytest.mark.parametrize("which", SETS)
def test_every_tensor_of_lite0_comes_back_no_larger_than_the_reference(which, lite0_sets):
    tensors = lite0_sets[which]
    theirs = run_reference([values.ravel().tolist() for values in tensors])
    total = 0
    for values, its_stream in zip(tensors, theirs, strict=True):
        encoded = Mlw().encode(values)
        decoded = Mlw().decode(encoded)
        assert (decoded.dtype, decoded.shape) == (values.dtype, values.shape)
        assert np.array_equal(decoded, values)
        assert encoded.size_bits <= 1.01 * 8 * len(its_stream)
        total += encoded.size_bits
    per_weight = total / sum(values.size for values in tensors)
    assert per_weight <= {"int8 per tensor": 6.19, "int8 per channel": 7.35, "pruned 80 %": 1.966}.get(which, 9)


def random_stream(rng) -> tuple[bytes, list[int]]:
    """Slices that no search would choose, and their weights told by the rules."""
    words, position, weights, row = np.zeros(4000, np.uint64), 0, [], None
    for _ in range(rng.integers(1, 5)):
        new = row is None or rng.random() < 0.5
        if new:
            row = np.zeros(ROW, np.int64)
            row[WITH_RUNS], row[DIRECT], row[ENTRY_BITS] = rng.integers(0, 2), rng.integers(0, 32), rng.integers(2, 10)
            row[ENTRIES] = rng.choice([0, 2, 3, 5, 17, 31, 32])
            row[PALETTE : PALETTE + row[ENTRIES]] = rng.integers(0, 1 << row[ENTRY_BITS], row[ENTRIES])
        count, mode, zdiv = int(rng.integers(1, 100)), int(rng.integers(0, RAW_MODE + 1)), int(rng.integers(0, 4))
        highest = 511 + min(0, row[ENTRIES] - row[DIRECT])
        if mode == RAW_MODE:
            width = int(row[ENTRIES] - 1).bit_length() if row[ENTRIES] else row[ENTRY_BITS]
            highest = min(highest, (1 << width) - 1)
        else:
            highest = min(highest, ((32 if mode < SHIFTS else 3) << mode % SHIFTS) - 1)
        indices = np.minimum(rng.geometric(rng.uniform(0.01, 0.9), count) - 1, highest)
        runs = rng.geometric(rng.uniform(0.02, 1), count + 1) - 1
        position = write_slice(words, position, row, (count, mode, zdiv, int(new)), indices, runs)
        left = runs.tolist()
        if row[WITH_RUNS] and new:
            weights += [0] * left.pop(0)
        for index in indices:
            v = int(row[PALETTE + index] if index < row[ENTRIES] else index - row[ENTRIES] + row[DIRECT])
            weights.append(-(v >> 1) if v & 1 else v >> 1)
            weights += [0] * left.pop(0) if row[WITH_RUNS] else []
        if rng.random() < 0.2:
            position, row = _mark_end(words, position, 8), None
    position = _mark_end(words, position, 128)
    return words.tobytes()[: position // 8], weights


def _mark_end(words, position, unit) -> int:
    end = -(-(position + 3) // unit) * unit
    for bit in range(position, end):
        words[bit >> 6] |= np.uint64(1) << np.uint64(bit & 63)
    return end


def test_any_legal_slices_mean_the_same_to_the_reference_coder():
    streams, expected = zip(*(random_stream(np.random.default_rng(seed)) for seed in range(400)), strict=True)
    for stream, weights, its_weights in zip(streams, expected, run_reference(list(streams)), strict=True):
        assert its_weights == weights
        assert read_stream(stream).tolist() == weights


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_frozen_vectors(vector):
    weights = np.repeat(vector["weights"], vector["times"]).tolist()
    ours = bytes.fromhex(vector["ours"])
    assert write_stream(np.array(weights, int)) == ours
    assert read_stream(ours).tolist() == weights
    for stream in vector["reference"]:
        assert read_stream(bytes.fromhex(stream)).tolist() == weights


def test_examples_of_the_docstring():
    rows = re.findall(r"^([-\d ]+?|\(none\)) {3,}([0-9a-f]+) ", mlw_format.__doc__, re.MULTILINE)
    assert len(rows) == 3
    for told, stream in rows:
        weights = [] if told == "(none)" else [int(weight) for weight in told.split()]
        assert write_stream(np.array(weights, int)) == bytes.fromhex(stream).ljust(16, b"\xff")


@given(TENSORS, st.sampled_from([0, 64, 100, 16384]), st.data())
def test_laws(values, entry_weights, data):
    codec = Mlw(MlwFormat(entry_weights))
    before = values.tobytes()
    encoded = codec.encode(values)
    assert np.array_equal(codec.decode(encoded), values)
    assert values.tobytes() == before
    assert encoded.size_bits == codec.size_bits(values)
    assert encoded.bits % 128 == 0
    # Whole streams need no entry points.
    assert np.array_equal(read_stream(encoded.words.tobytes()[: encoded.bits // 8]), values)
    # Blocks decode alone.
    blocks = encoded.entries.size
    first = data.draw(st.integers(0, blocks))
    last = data.draw(st.integers(first, blocks))
    step = encoded.entry_weights or values.size
    assert np.array_equal(codec.decode_blocks(encoded, first, last), values[first * step : last * step])
    assert Mlw.from_config(codec.config()) == codec


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int64"])
def test_dtypes_and_shapes_are_kept(dtype):
    values = np.array([[0, 100], [1, 127]], dtype)
    decoded = Mlw().decode(Mlw().encode(values))
    assert decoded.dtype == dtype
    assert np.array_equal(decoded, values)


def test_any_weights_cost_at_most_nine_bits():
    values = np.random.default_rng(7).integers(-255, 256, 32767)
    assert Mlw(MlwFormat(0)).size_bits(values) <= 9 * values.size + 36 + 130
    values = np.random.default_rng(7).integers(-127, 128, 40_000)
    assert Mlw(MlwFormat(0)).size_bits(values) <= 8 * values.size + 36 + 23 + 36 + 130


def test_entry_points_are_farther_apart_where_weights_are_few():
    form = MlwFormat(64)
    assert form.block_weights(10_000, 10_000) == form.block_weights(10_000, 5_000) == 64
    assert form.block_weights(10_000, 4_999) == 128
    assert form.block_weights(10_000, 100) == 64 * 64
    assert form.block_weights(10_000, 0) >= 10_000
    encoded = Mlw(form).encode(np.tile([1, 0, 0, 0], 100))
    assert encoded.entries.size == 4
    assert encoded.entry_weights == 128


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.array([0, 256]), ValueError, r"weight must be in -255..255, not 256 \(weight 1\)"),
        (np.array([-256]), ValueError, r"weight must be in -255..255, not -256 \(weight 0\)"),
        (np.array([0.5]), TypeError, "weights must be integers, not float64"),
    ],
)
def test_weights_that_the_format_lacks_are_refused(values, error, message):
    with pytest.raises(error, match=message):
        Mlw().encode(values)


def test_formats_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="entry_weights must be 0 or 64 and more, not 10"):
        MlwFormat(10)
