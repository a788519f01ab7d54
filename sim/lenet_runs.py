"""Runs of Deep Compression's three steps on a LeNet, cached: weights and test errors after each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.datasets import Dataset
from sim.lenet import Lenet
from sim.torch_fit import Schedule
from sim.train_lenet import Recipe, Tuned, error_pct, retrain_pruned, share_and_tune, train_dense
from sim.trained import cached

__all__ = ["STEPS", "CurvePoint", "Run", "curve", "dense_run", "run"]

STEPS = ("dense", "pruned", "shared")


@dataclass(frozen=True, eq=False)
class Run:
    """One network trained once.

    Attributes
    ----------
    net : Lenet
    data, seed
        Name of the data set, seed of the run.
    steps : dict of str to Tuned
        Weights after each of `STEPS`.
    errors_pct : dict of str to float
        Of the test pictures, after each.
    """

    net: Lenet
    data: str
    seed: int
    steps: dict[str, Tuned]
    errors_pct: dict[str, float]


def run(net: Lenet, data: Dataset, seed: int, recipe: Recipe | None = None) -> Run:
    """Train, prune, share; from the cache where it was done before.

    Raises
    ------
    ValueError
        If the run is not cached and torch is not installed.
    """
    chosen = Recipe() if recipe is None else recipe
    name = f"{net.name}-{data.name}-{seed}".lower()
    key = (net, data.source, chosen, seed)
    arrays = cached(name, key, lambda: dict(_train(net, data, seed, chosen)))
    steps = {step: _tuned(arrays, step, len(net.layers)) for step in STEPS}
    return Run(net, data.name, seed, steps, {step: float(arrays[f"{step}.error"]) for step in STEPS})


def _train(net: Lenet, data: Dataset, seed: int, recipe: Recipe) -> Iterator[tuple[str, NDArray[Any]]]:
    dense = train_dense(net, data, recipe.dense, seed)
    pruned = retrain_pruned(net, data, dense, recipe.pruned, seed)
    shared = share_and_tune(net, data, pruned, dense, recipe, seed)
    for step, tuned in zip(STEPS, (dense, pruned, shared), strict=True):
        yield from _named(tuned, step)
        yield f"{step}.error", np.array(error_pct(net, data, tuned))


def _named(tuned: Tuned, step: str) -> Iterator[tuple[str, NDArray[Any]]]:
    for kind, arrays in (("weight", tuned.weights), ("bias", tuned.biases)):
        for place, array in enumerate(arrays):
            yield f"{step}.{kind}{place}", array


def _tuned(arrays: dict[str, NDArray[Any]], step: str, layers: int) -> Tuned:
    weights, biases = (tuple(arrays[f"{step}.{kind}{place}"] for place in range(layers)) for kind in ("weight", "bias"))
    return Tuned(weights, biases)


def dense_run(net: Lenet, data: Dataset, schedule: Schedule, seed: int = 0) -> Tuned:
    """The first step alone, from the cache where it was done before; errors as `run`."""
    key = (net, data.source, len(data.train), schedule, seed)
    name = f"{net.name}-{data.name}-dense-{seed}".lower()
    arrays = cached(name, key, lambda: dict(_named(train_dense(net, data, schedule, seed), "dense")))
    return _tuned(arrays, "dense", len(net.layers))


@dataclass(frozen=True, eq=False)
class CurvePoint:
    """A network made small one way: `density` of each layer's weights, or 2**bits - 1 centroids, or both."""

    way: str
    density: float
    bits: int
    error_pct: float
    weights: tuple[NDArray[np.float32], ...]


CURVE_DENSITIES = (0.2, 0.1, 0.06, 0.04, 0.025, 0.015)
CURVE_BITS = (6, 5, 4, 3, 2)
_CURVE_PRUNING = Schedule(4, 1.5e-3)
_CURVE_SHARING = Schedule(1, 2e-4)
_DENSE_BITS = 32


def curve(net: Lenet, data: Dataset, dense: Tuned, seed: int = 0) -> list[CurvePoint]:
    """Error over size for pruning alone, sharing alone, and both: the paper's figure 6.

    Every layer has one density here; retraining is short: 4 epochs for pruning, 1 for the centroids.
    """
    key = (net, data.source, seed, CURVE_DENSITIES, CURVE_BITS, _CURVE_PRUNING, _CURVE_SHARING)
    arrays = cached(f"{net.name}-{data.name}-curve".lower(), key, lambda: dict(_train_curve(net, data, dense, seed)))
    ways = [("pruning", density, _DENSE_BITS) for density in CURVE_DENSITIES]
    ways += [("sharing", 1.0, bits) for bits in CURVE_BITS]
    ways += [("both", density, 5) for density in CURVE_DENSITIES]
    points = []
    for way, density, bits in ways:
        name = f"{way}-{density:g}-{bits}"
        weights = tuple(arrays[f"{name}.weight{place}"] for place in range(len(net.layers)))
        points.append(CurvePoint(way, density, bits, float(arrays[f"{name}.error"]), weights))
    return points


def _train_curve(net: Lenet, data: Dataset, dense: Tuned, seed: int) -> Iterator[tuple[str, NDArray[Any]]]:
    made: list[tuple[str, Tuned]] = []
    for density in CURVE_DENSITIES:
        even = replace(net, layers=tuple(replace(layer, density=density) for layer in net.layers))
        pruned = retrain_pruned(even, data, dense, _CURVE_PRUNING, seed)
        recipe = Recipe(shared=_CURVE_SHARING)
        made.append((f"pruning-{density:g}-{_DENSE_BITS}", pruned))
        made.append((f"both-{density:g}-5", share_and_tune(even, data, pruned, dense, recipe, seed)))
    for bits in CURVE_BITS:
        recipe = Recipe(bits, shared=_CURVE_SHARING)
        made.append((f"sharing-1-{bits}", share_and_tune(net, data, dense, dense, recipe, seed)))
    for name, tuned in made:
        yield from _named(tuned, name)
        yield f"{name}.error", np.array(error_pct(net, data, tuned))
