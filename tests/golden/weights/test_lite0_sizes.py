"""All 50 weight tensors of a trained network: exact round trips, and sizes with tables and entry points."""

import numpy as np
import pytest

from golden.registry import WEIGHT_CODECS
from golden.weights.deepcomp import DeepComp, DeepCompFormat
from golden.weights.huffman import Huffman
from golden.weights.runs import ZeroRuns

OWN = ("packed", "huffman", "zero-runs", "relative-index")
SETS = ["int8 per tensor", "int8 per channel", "pruned 50 %", "pruned 80 %", "pruned 90 %", "int4 per tensor"]


def bits_per_weight(codec, tensors) -> float:
    return sum(codec.size_bits(values) for values in tensors) / sum(values.size for values in tensors)


def entropy(tensors) -> float:
    bits = 0.0
    for values in tensors:
        counts = np.unique(values, return_counts=True)[1]
        bits += float((counts * np.log2(values.size / counts)).sum())
    return bits / sum(values.size for values in tensors)


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("which", SETS)
def test_every_tensor_comes_back(name, which, lite0_sets):
    codec = WEIGHT_CODECS[name]()
    for values in lite0_sets[which]:
        encoded = codec.encode(values)
        assert encoded.size_bits == codec.size_bits(values)
        assert np.array_equal(codec.decode(encoded), values)


def test_the_sets_are_those_of_the_published_figures(lite0_sets):
    told = {"int8 per tensor": 6.089, "int8 per channel": 7.216, "pruned 80 %": 1.839, "pruned 90 %": 1.016}
    for which, bits in told.items():
        assert entropy(lite0_sets[which]) == pytest.approx(bits, abs=0.0006)
    assert entropy(lite0_sets["int4 per tensor"]) == pytest.approx(1.987, abs=0.0006)


def test_huffman_on_int8(lite0_sets):
    assert Huffman().format.entry_weights >= 8192
    assert bits_per_weight(Huffman(), lite0_sets["int8 per tensor"]) <= 6.15
    assert bits_per_weight(Huffman(), lite0_sets["int8 per channel"]) <= 7.27


@pytest.mark.parametrize(("which", "most"), [("pruned 80 %", 1.88), ("pruned 90 %", 1.05)])
def test_zero_runs_on_pruned_weights(which, most, lite0_sets):
    assert bits_per_weight(ZeroRuns(), lite0_sets[which]) <= most
    assert bits_per_weight(DeepComp(DeepCompFormat(density=1.0)), lite0_sets[which]) <= most


def test_deep_compression_prunes_integers_itself(lite0_floats, lite0_sets):
    integers = lite0_sets["int8 per tensor"][10]
    codec = DeepComp(DeepCompFormat(density=0.2))
    kept = codec.decode(codec.encode(integers))
    assert np.count_nonzero(kept) == int(np.floor(0.2 * integers.size + 0.5))
    assert np.array_equal(kept[kept != 0], integers[kept != 0])
