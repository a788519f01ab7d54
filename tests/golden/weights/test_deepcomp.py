"""Deep Compression: the paper's tables against the size formula, random layers really coded, steps, breakdown."""

import csv
from pathlib import Path

import numpy as np
import pytest

from golden.weights.deepcomp import DeepComp, DeepCompFormat, Shared, model_ratio
from golden.weights.kmeans import fine_tune
from golden.weights.relative import expected_fillers

UNITS = {"K": 10**3, "M": 10**6}
TABLES = Path(__file__).parents[3] / "sim" / "data" / "deep-compression.csv"
MOST_CODED = 200_000


def rows() -> list[dict[str, str]]:
    with TABLES.open() as file:
        return [row for row in csv.DictReader(file) if row["layer"] != "total"]


def weights_of(row: dict[str, str]) -> int:
    if row_name(row) == "VGG-16 conv1_1":
        return 3 * 3 * 3 * 64  # "2K" in the table: too coarse for a layer whose codebook is a seventh of it
    return int(float(row["weights"][:-1]) * UNITS[row["weights"][-1]])


def row_name(row: dict[str, str]) -> str:
    return f"{row['network']} {row['layer']}"


def test_formula_gives_the_rows_of_the_paper():
    misses = []
    for row in rows():
        bits, index_bits = int(row["weight_bits"]), int(row["index_bits"])
        for told, codes in (
            ("size_pct_pruned_quantized", (bits, index_bits)),
            ("size_pct_huffman", (float(row["weight_bits_huffman"]), float(row["index_bits_huffman"]))),
        ):
            ratio = model_ratio(float(row["kept_pct"]) / 100, weights_of(row), bits, index_bits, *codes)
            if abs(100 * ratio - float(row[told])) > 1:
                misses.append((row_name(row), told))
    assert 2 * len(rows()) == 62
    assert len(misses) <= 2, misses


@pytest.mark.parametrize("row", rows(), ids=row_name)
def test_a_random_layer_really_takes_the_size_of_the_formula(row):
    density, bits, index_bits = float(row["kept_pct"]) / 100, int(row["weight_bits"]), int(row["index_bits"])
    count = min(weights_of(row), MOST_CODED)
    form = DeepCompFormat(density, bits, "relative-index", index_bits, huffman=False, start="density", entry_weights=0)
    codec = DeepComp(form)
    weights = np.random.default_rng(7).standard_normal(count).astype(np.float32)
    encoded = codec.encode(weights)
    model_bits = 32 * count * model_ratio(density, count, bits, index_bits, bits, index_bits)
    # Fillers are drawn, so small and sparse layers scatter: five standard deviations of their number.
    stored = density * count
    fillers = stored * expected_fillers(density, index_bits)
    scatter_bits = 5 * np.sqrt(fillers + 1) * (bits + index_bits) + bits + index_bits
    # Both tables are plain here, so they tell only two widths.
    described_bits = encoded.breakdown["tables"]
    assert abs(encoded.size_bits - described_bits - model_bits) <= scatter_bits + 8 + 32
    assert np.array_equal(codec.decode(encoded) != 0, codec.prune(weights) != 0)


def test_fillers_are_as_many_as_expected():
    density, index_bits, count = 0.05, 4, 1_000_000
    weights = (np.random.default_rng(7).random(count) < density).astype(np.int8)
    form = DeepCompFormat(1.0, 5, "relative-index", index_bits, huffman=False, entry_weights=0)
    encoded = DeepComp(form).encode(weights)
    entries = encoded.breakdown["index"] // index_bits
    kept = np.count_nonzero(weights)
    assert (entries - kept) / kept == pytest.approx(expected_fillers(density, index_bits), rel=0.01)


def test_example_of_the_docstring():
    codec = DeepComp(DeepCompFormat(0.5, 2, "relative-index", 2, huffman=False))
    pruned = codec.prune(np.array([0.9, 0, 0, -1, 0.1, 1.1]))
    shared = codec.share(pruned)
    assert shared.centroids.tolist() == np.float32([-1, 0.9, 1.1]).tolist()
    assert shared.symbols.tolist() == [2, 0, 0, 1, 0, 3]
    # (0, 2) (2, 1) (1, 3), both fields most significant bit first; symbols 1..3 are fields 0..2 less their first.
    assert f"{int(codec.encode_shared(shared).words[0]):012b}"[::-1] == "000110000110"


def test_centroids_may_be_tuned_between_sharing_and_encoding():
    codec = DeepComp(DeepCompFormat(density=0.5, bits=3))
    weights = np.random.default_rng(7).standard_normal((20, 30))
    shared = codec.share(codec.prune(weights))
    gradient = np.append(0, shared.centroids)[shared.symbols] - weights
    book = np.append(0, shared.centroids).astype(np.float64)
    rate = 1 / np.bincount(shared.symbols.ravel())[1:].max()
    tuned = fine_tune(book, gradient, shared.symbols, rate)[1:].astype(np.float32)
    better = Shared(shared.symbols, tuned)
    assert np.array_equal(codec.decode(codec.encode_shared(better)), better.weights)
    kept = shared.symbols != 0
    assert np.square(better.weights - weights)[kept].sum() <= np.square(shared.weights - weights)[kept].sum() * 1.0001


def test_a_centroid_of_zero_is_no_level():
    shared = DeepComp(DeepCompFormat(density=1.0, bits=2)).share(np.float32([-5, -1, 1, 5]))
    assert 0 not in shared.centroids
    codec = DeepComp(DeepCompFormat(density=1.0, bits=1))
    encoded = codec.encode(np.float32([-1, 1, 2, -2]))
    assert codec.decode(encoded).tolist() == [0, 0, 0, 0]


def test_breakdown_adds_up_over_a_real_network(lite0_floats):
    codec = DeepComp(DeepCompFormat(density=0.1, bits=5))
    encoded = [codec.encode(weights) for weights in lite0_floats]
    for part in encoded:
        assert set(part.breakdown) == {"weights", "index", "codebook", "tables", "entries"}
        assert sum(part.breakdown.values()) == part.size_bits
        assert part.breakdown["weights"] + part.breakdown["index"] == part.bits
        assert part.breakdown["codebook"] + part.breakdown["tables"] == part.table_bits
    for weights, part in zip(lite0_floats, encoded, strict=True):
        shared = codec.share(codec.prune(weights))
        assert np.array_equal(codec.decode(part), shared.weights)
        assert np.count_nonzero(shared.symbols) == int(np.floor(0.1 * weights.size + 0.5))
    total = sum(part.size_bits for part in encoded)
    assert total / sum(weights.size for weights in lite0_floats) < 0.9


def test_codebooks_that_are_none_are_refused():
    codec = DeepComp(DeepCompFormat(bits=2))
    symbols = np.array([0, 1], np.uint8)
    with pytest.raises(ValueError, match="centroids must be 3 or fewer, not 4"):
        codec.encode_shared(Shared(symbols, np.float32([1, 2, 3, 4])))
    for centroids in ([2, 1], [1, 1], [0, 1], [1, np.inf]):
        with pytest.raises(ValueError, match="centroids must be finite, ascend and not be zero"):
            codec.encode_shared(Shared(symbols, np.float32(centroids)))
    with pytest.raises(ValueError, match=r"density must be above 0 and at most 1, not 0"):
        expected_fillers(0, 4)
