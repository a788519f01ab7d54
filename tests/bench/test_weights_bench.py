"""Speed of the weight codecs on a real network's weights; compilation is not counted.

Each benchmark tells weights per second of CPU time and, beside it, how many times longer than `numpy.copy` of the same
weights it takes, so that runs on different machines can be compared.
"""

import resource

import numpy as np
import pytest
from weight_rates import cpu_timed, report

from golden.weights.huffman import Huffman
from golden.weights.kmeans import assign, kmeans
from golden.weights.linear import quantize
from golden.weights.prune import prune
from golden.weights.relative import RelativeIndex
from golden.weights.runs import ZeroRuns
from sim.lite0 import build_lite0
from sim.weights import find_weights

pytestmark = [pytest.mark.bench, pytest.mark.benchmark(**cpu_timed)]

GIBIBYTE = 2**30


@pytest.fixture(scope="module")
def floats() -> np.ndarray:
    """All 4.6 M weights of EfficientNet-Lite0, one behind the other."""
    return np.concatenate([weight.values.ravel() for weight in find_weights(build_lite0())])


@pytest.fixture(scope="module")
def integers(floats) -> np.ndarray:
    return quantize(floats).values


CODECS = {
    "huffman int8": (Huffman(), 1.0),
    "zero-runs 80 %": (ZeroRuns(), 0.2),
    "zero-runs 90 %": (ZeroRuns(), 0.1),
    "relative-index 90 %": (RelativeIndex(), 0.1),
}


@pytest.mark.parametrize("name", CODECS)
def test_encode(name, integers, benchmark):
    codec, density = CODECS[name]
    weights = prune(integers, density)
    codec.encode(weights[:1000])
    benchmark.pedantic(codec.encode, (weights,), rounds=5)
    report(benchmark, [weights], 5e6)


@pytest.mark.parametrize("name", CODECS)
def test_decode(name, integers, benchmark):
    codec, density = CODECS[name]
    weights = prune(integers, density)
    encoded = codec.encode(weights)
    assert np.array_equal(codec.decode(encoded), weights)
    benchmark.pedantic(codec.decode, (encoded,), rounds=5)
    report(benchmark, [weights], 20e6)


@pytest.mark.parametrize("start", ["linear", "density", "random"])
def test_kmeans_of_a_network(start, floats, benchmark):
    kmeans(floats[:1000], 32, start)
    assign(floats[:1000], [0.0])

    def share():
        book = kmeans(floats, 32, start)
        return assign(floats, book.centroids)

    labels = benchmark.pedantic(share, rounds=3)
    assert labels.size == floats.size
    report(benchmark, [floats], floats.size / 2)


def test_kmeans_of_a_hundred_million(benchmark):
    weights = np.random.default_rng(7).standard_normal(100_000_000, dtype=np.float32)
    kmeans(weights[:1000], 32)
    assign(weights[:1000], [0.0])

    def share():
        book = kmeans(weights, 32)
        return assign(weights, book.centroids)

    assert benchmark.pedantic(share, rounds=1).size == weights.size
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    benchmark.extra_info["peak_gibibytes"] = round(peak_bytes / GIBIBYTE, 2)
    report(benchmark, [weights], weights.size / 30)
    assert peak_bytes <= 4 * GIBIBYTE
