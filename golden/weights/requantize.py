"""What a lossy coder of weights must beat: a uniform quantizer and an entropy coder, at the same error.

With c the weights' mean, rounded, a weight x gets the index ``sign(x - c) * floor(|x - c| / step + offset)``. Cells are
`step` wide, but for the middle one, which is ``2 (1 - offset) step`` (dead zone); an index comes back as the
mean of its weights. For each of some offsets the coarsest step is found whose mean squared error is no larger than
the one to be matched; the cheapest of them is taken.

Sizes: the order-0 entropy of the indices, which no spatial structure helps, and what a canonical Huffman code really
takes, its table and entry points included; 32 bits for each level's mean besides.

Source: Sullivan, "Efficient scalar quantization of exponential and Laplacian random variables", IEEE Trans. Information
Theory 42 (1996): a uniform quantizer with dead zone is all but optimal under an entropy coder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.weights.huffman import Huffman
from golden.weights.tensor import check_integers

__all__ = ["Requantized", "mean_squared_error", "requantize"]

_LOW, _HIGH = -255, 255
_LEVEL_BITS = 32
_OFFSETS = tuple(np.arange(6, 25) / 40)
"""Offsets tried: 0.15..0.6."""
_STEPS = 2.0 ** (np.arange(9 * 512 + 1) / 512)
"""Steps tried: 1..512, 0.14 % apart; all weights survive the first, none the last."""


@dataclass(frozen=True, eq=False)
class Requantized:
    """Integer weights, quantized again.

    Attributes
    ----------
    decoded : ndarray of float64
        The weights as they come back, in their shape.
    step, offset : float
    error : float
        Mean squared error.
    levels : int
        Indices that occur.
    entropy_bits, huffman_bits : float
        Size with an ideal order-0 coder and with a Huffman code, the levels' means included.
    """

    decoded: NDArray[np.float64]
    step: float
    offset: float
    error: float
    levels: int
    entropy_bits: float
    huffman_bits: float


@dataclass(frozen=True, eq=False)
class _Trial:
    """One quantizer on a histogram: the index of each value, their means, error and entropy."""

    step: float
    offset: float
    indices: NDArray[np.int64]
    means: NDArray[np.float64]
    error: float
    entropy_bits: float


def mean_squared_error(weights: ArrayLike, decoded: ArrayLike) -> float:
    """Mean of the squared differences, in float64; 0 for empty tensors."""
    difference = np.asarray(weights, np.float64) - np.asarray(decoded, np.float64)
    return float(np.square(difference).mean()) if difference.size else 0.0


def requantize(weights: ArrayLike, most_error: float) -> Requantized:
    """Find the cheapest such quantizer whose mean squared error is at most `most_error`.

    Parameters
    ----------
    weights : array_like of int, each in -255..255
    most_error : float
        In squared units of the weights, 0 or more.

    Raises
    ------
    TypeError, ValueError
        If the weights are not such integers or there are none, or the error is negative.
    """
    array = check_integers(weights, _LOW, _HIGH)
    if array.size == 0:
        raise ValueError("weights must be one or more, not none")
    if not most_error >= 0:
        raise ValueError(f"most_error must be 0 or more, not {most_error!r}")
    values, places, counts = np.unique(array.reshape(-1), return_inverse=True, return_counts=True)
    trials = [_coarsest(values.astype(np.int64), counts, offset, most_error) for offset in _OFFSETS]
    best = min(trials, key=lambda trial: trial.entropy_bits)
    level_bits = _LEVEL_BITS * best.means.size
    huffman_bits = Huffman().size_bits(best.indices[places].astype(np.int16))
    return Requantized(
        best.means[best.indices][places].reshape(array.shape),
        best.step,
        best.offset,
        best.error,
        best.means.size,
        best.entropy_bits + level_bits,
        huffman_bits + level_bits,
    )


def _coarsest(values: NDArray[np.int64], counts: NDArray[np.int64], offset: float, most_error: float) -> _Trial:
    """The coarsest step of one offset, by bisection: step 1 errs by nothing."""
    low, high = 0, _STEPS.size
    while high - low > 1:
        middle = (low + high) // 2
        if _try(values, counts, float(_STEPS[middle]), offset).error <= most_error:
            low = middle
        else:
            high = middle
    return _try(values, counts, float(_STEPS[low]), offset)


def _try(values: NDArray[np.int64], counts: NDArray[np.int64], step: float, offset: float) -> _Trial:
    centre = int(np.floor((values * counts).sum() / counts.sum() + 0.5))
    signed = np.sign(values - centre) * np.floor(np.abs(values - centre) / step + offset)
    _, indices = np.unique(signed, return_inverse=True)
    used = np.bincount(indices, counts)
    means = np.bincount(indices, values * counts) / used
    error = float((np.square(values - means[indices]) * counts).sum() / counts.sum())
    entropy = float((used * np.log2(used.sum() / used)).sum())
    return _Trial(step, offset, indices, means, error, entropy)
