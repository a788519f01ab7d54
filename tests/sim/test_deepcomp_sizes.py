"""Deep Compression's sizes: what a layer takes, beside the codecs themselves and the paper's rows."""

import numpy as np
import pytest

from golden.weights.deepcomp import DeepComp, DeepCompFormat
from golden.weights.mlw import Mlw
from sim.deepcomp_plot import size_points
from sim.deepcomp_shapes import SHAPES, shape_rows
from sim.deepcomp_sizes import CODES, code_bits, layer_size, paper_rows, ratio, shared_of, signed_levels
from sim.lenet_runs import CurvePoint

BITS = 4


@pytest.fixture(scope="module")
def weights():
    values = np.random.default_rng(7).normal(size=(40, 60)).astype(np.float32)
    codec = DeepComp(DeepCompFormat(density=0.1, bits=BITS))
    return codec.share(codec.prune(values)).weights


def test_shared_weights_come_back(weights):
    shared = shared_of(weights)
    assert np.array_equal(shared.weights, weights)
    levels = signed_levels(shared)
    assert np.array_equal(np.sign(levels), np.sign(weights))
    assert np.unique(levels).size == shared.centroids.size + 1


def test_a_layer_is_what_its_stream_takes(weights):
    size = layer_size(weights, BITS)
    fmt = DeepCompFormat(bits=BITS, form="relative-index", index_bits=5, entry_weights=0)
    encoded = DeepComp(fmt).encode_shared(shared_of(weights))
    assert size.huffman_bits == encoded.size_bits
    assert round(size.entries * (size.weight_huffman + size.index_huffman)) == encoded.bits
    assert size.kept == np.count_nonzero(weights)
    assert size.huffman_bits < size.quantized_bits < 32 * weights.size * 0.1 * 1.3


def test_every_code_holds_the_codebook(weights):
    shared = shared_of(weights)
    sizes = {code: code_bits(shared, code, BITS) for code in CODES}
    assert sizes["MLW"] == Mlw().size_bits(signed_levels(shared)) + 32 * shared.centroids.size
    assert min(sizes.values()) > 32 * shared.centroids.size
    with pytest.raises(ValueError, match="code must be one of"):
        code_bits(shared, "zip", BITS)


def test_ratio_counts_biases_on_both_sides():
    layers = [np.zeros(100, np.float32)]
    assert ratio(layers, 320) == 10
    assert ratio(layers, 320, [np.zeros(10)]) == pytest.approx((3200 + 320) / (320 + 320))


@pytest.mark.parametrize("network", SHAPES)
def test_sizes_from_shapes_stand_near_the_papers(network):
    rows = shape_rows(network)
    told = paper_rows(network)[-1].weights
    assert sum(row.count for row in rows) == pytest.approx(told, rel=0.01)
    for row in rows:
        assert row.quantized_pct == pytest.approx(row.paper.quantized_pct, abs=2)
        assert row.huffman_pct == pytest.approx(row.paper.huffman_pct, abs=0.6)


def test_a_network_outside_the_paper_is_refused():
    with pytest.raises(ValueError, match="network must be one of"):
        paper_rows("ResNet")


def test_the_curves_sizes_follow_from_the_way(weights):
    ways = [("pruning", 0.1, 32), ("sharing", 1.0, BITS), ("both", 0.1, BITS)]
    pruned, shared, both = size_points([CurvePoint(*way, 1.0, (weights,)) for way in ways])
    assert shared == pytest.approx(100 * (BITS / 32 + 15 / weights.size))
    assert 100 * 0.1 * 37 / 32 < pruned < 100 * 0.1 * 37 / 32 * 1.1
    assert both == pytest.approx(100 * layer_size(weights, BITS).huffman_bits / (32 * weights.size))
