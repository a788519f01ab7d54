"""Weight sharing: one-dimensional k-means, its starts, and the fine-tuning of centroids.

Lloyd's iteration, exact and quick in one dimension: the weights are sorted once, clusters are then stretches of the
sorted array, cut midway between neighbouring centroids, and a cluster's sum is a difference of prefix sums. One
iteration takes k binary searches whatever the number of weights. A weight midway belongs to the lower cluster. The
iteration ends when no cut moves. A cluster that is or becomes empty keeps its centroid (the source is silent).

Starts (`start`), for weights of least l, greatest h and cumulative distribution F:

``linear``   l + (h - l) i / (k - 1): far weights, few but important, get centroids of their own; the source's best
``density``  F^-1((i + 1/2) / k): each centroid starts with an equal share of the weights
``random``   k weights drawn without repetition, from a seeded generator

Where the weights have k different values or fewer, those are the codebook, without iteration.

Fine-tuning: the gradient of a centroid is the sum of the gradients of its weights;
``centroid -= rate * sum(gradient[label == i])``.

Compression, for n weights of b bits and k centroids: ``n b / (n log2 k + k b)`` (`sharing_rate`).

Source: Han et al., "Deep Compression", arXiv 1510.00149, section 3, equation 1, figure 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "STARTS",
    "Codebook",
    "assign",
    "centroid_gradient",
    "fine_tune",
    "kmeans",
    "sharing_rate",
    "start_centroids",
]

STARTS = ("linear", "density", "random")

_MOST_ITERATIONS = 10_000

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Codebook:
    """What `kmeans` found.

    Attributes
    ----------
    centroids : ndarray of float64, shape (k,)
        Ascending.
    counts : ndarray of int64, shape (k,)
        Weights of each.
    iterations : int
        Until no cut moved.
    """

    centroids: NDArray[np.float64]
    counts: NDArray[np.int64]
    iterations: int


def kmeans(
    weights: ArrayLike,
    k: int,
    start: str | ArrayLike = "linear",
    seed: int = 0,
    most_iterations: int = _MOST_ITERATIONS,
) -> Codebook:
    """Find k centroids of the weights.

    Parameters
    ----------
    weights : array_like of float, any shape
        Not empty. Float32 or float64; sums are float64.
    k : int
        1 or more.
    start : str or array_like of float, shape (k,)
        A name of `STARTS`, or the centroids to start from.
    seed : int
        Of the random start.
    most_iterations : int
        Upper limit; 0 leaves the start as it is.

    Raises
    ------
    ValueError
        If there are no weights, one is not finite, or k or the start is wrong.
    """
    ordered = _sorted(weights)
    if k < 1:
        raise ValueError(f"k must be 1 or more, not {k!r}")
    if isinstance(start, str):
        levels = _levels(ordered, k + 1)
        given = start_centroids(ordered, k, start, seed)
        return _lloyd(ordered, levels if levels.size <= k else given, most_iterations)
    given = np.sort(np.asarray(start, np.float64).reshape(-1))
    if given.size != k:
        raise ValueError(f"start must be {k} centroids, not {given.size}")
    return _lloyd(ordered, given, most_iterations)


def start_centroids(weights: ArrayLike, k: int, start: str, seed: int = 0) -> NDArray[np.float64]:
    """The centroids that a named start gives, ascending; arguments and errors as `kmeans`."""
    ordered = _sorted(weights)
    if start == "linear":
        return np.linspace(float(ordered[0]), float(ordered[-1]), k)
    if start == "density":
        ranks = (2 * np.arange(k) + 1) * ordered.size // (2 * k)
        return ordered[ranks].astype(np.float64)
    if start == "random":
        chosen = np.random.default_rng(seed).choice(ordered.size, k, replace=ordered.size < k, shuffle=False)
        return np.sort(ordered[chosen].astype(np.float64))
    raise ValueError(f"start must be one of {STARTS}, not {start!r}")


def assign(weights: ArrayLike, centroids: ArrayLike) -> NDArray[np.uint16]:
    """The nearest of ascending centroids for each weight; midway, the lower."""
    book = np.asarray(centroids, np.float64)
    if not 1 <= book.size <= 1 << 16:
        raise ValueError(f"centroids must be 1 to 65536, not {book.size}")
    labels: NDArray[np.uint16] = _assign(_floats(weights), _cuts(book))
    return labels.reshape(np.shape(weights))


def centroid_gradient(gradient: ArrayLike, labels: ArrayLike, k: int) -> NDArray[np.float64]:
    """The sum of the gradients of each centroid's weights, shape (k,)."""
    flat = np.asarray(gradient, np.float64).reshape(-1)
    return np.bincount(np.asarray(labels).reshape(-1), flat, k).astype(np.float64)


def fine_tune(centroids: ArrayLike, gradient: ArrayLike, labels: ArrayLike, rate: float) -> NDArray[np.float64]:
    """One step of gradient descent on the centroids."""
    book = np.asarray(centroids, np.float64)
    return book - rate * centroid_gradient(gradient, labels, book.size)


def sharing_rate(count: int, k: int, weight_bits: int = 32) -> float:
    """Plain size over size with a codebook of k centroids: equation 1 of the source."""
    return count * weight_bits / (count * float(np.log2(k)) + k * weight_bits)


def _floats(weights: ArrayLike) -> Floats:
    """Weights flat, as float32 or float64."""
    array = np.asarray(weights)
    if array.dtype.kind != "f":
        raise TypeError(f"weights must be floats, not {array.dtype.name}")
    return array.reshape(-1).astype(np.float64 if array.dtype.itemsize > 4 else np.float32, copy=False)


def _sorted(weights: ArrayLike) -> Floats:
    flat = _floats(weights)
    if flat.size == 0:
        raise ValueError("weights must be one or more, not none")
    ordered = flat if (flat[1:] >= flat[:-1]).all() else np.sort(flat)
    # Sorting puts infinities at the ends and nan last.
    if not (np.isfinite(ordered[0]) and np.isfinite(ordered[-1])):
        raise ValueError(f"weight must be finite, not {flat[~np.isfinite(flat)][0]}")
    return ordered


def _cuts(centroids: NDArray[np.float64]) -> NDArray[np.float64]:
    """Midway between neighbours, shape (k - 1,)."""
    # Halves first: the sum of two large centroids could overflow.
    return centroids[:-1] / 2 + centroids[1:] / 2


def _lloyd(ordered: Floats, centroids: NDArray[np.float64], most_iterations: int) -> Codebook:
    sums = np.zeros(ordered.size + 1)
    np.cumsum(ordered, dtype=np.float64, out=sums[1:])
    starts = _cluster_starts(ordered, _cuts(centroids))
    for iterations in range(1, most_iterations + 1):
        counts = np.diff(starts)
        means = np.diff(sums[starts]) / np.maximum(counts, 1)
        centroids = np.where(counts > 0, means, centroids)
        moved = _cluster_starts(ordered, _cuts(centroids))
        if np.array_equal(moved, starts):
            return Codebook(_exact_means(ordered, starts, centroids), counts, iterations)
        starts = moved
    return Codebook(centroids, np.diff(starts), most_iterations)


def _exact_means(ordered: Floats, starts: NDArray[np.int64], centroids: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means from the weights themselves: differences of prefix sums carry the rounding of all that is before."""
    stretches = [ordered[a:b] for a, b in pairwise(starts.tolist())]
    means = [s.mean(dtype=np.float64) if s.size else c for s, c in zip(stretches, centroids, strict=True)]
    return np.array(means, np.float64)


@njit(cache=True, nogil=True)
def _count_up_to(ordered, limit):  # type: ignore[no-untyped-def]
    """How many of the ascending values are at most `limit`, compared in float64."""
    low, high = 0, ordered.size
    while low < high:
        middle = (low + high) >> 1
        if np.float64(ordered[middle]) <= limit:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _cluster_starts(ordered, cuts):  # type: ignore[no-untyped-def]
    """Where each cluster starts in the ascending weights, and their count; a weight on a cut is below it."""
    starts = np.zeros(cuts.size + 2, np.int64)
    for i in range(cuts.size):
        starts[i + 1] = _count_up_to(ordered, cuts[i])
    starts[-1] = ordered.size
    return starts


@njit(cache=True, nogil=True)
def _levels(ordered, most):  # type: ignore[no-untyped-def]
    """Different values, ascending; not more than `most` of them."""
    levels = np.zeros(most, np.float64)
    count = 0
    place = 0
    while place < ordered.size and count < most:
        levels[count] = ordered[place]
        count += 1
        place = _count_up_to(ordered, np.float64(ordered[place]))
    return levels[:count]


@njit(cache=True, nogil=True)
def _assign(weights, cuts):  # type: ignore[no-untyped-def]
    """The number of cuts below each weight."""
    labels = np.empty(weights.size, np.uint16)
    for i in range(weights.size):
        weight = np.float64(weights[i])
        low, high = 0, cuts.size
        while low < high:
            middle = (low + high) >> 1
            if cuts[middle] < weight:
                low = middle + 1
            else:
                high = middle
        labels[i] = low
    return labels
