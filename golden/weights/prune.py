"""Magnitude pruning: the weights of least magnitude become zero, a given share stays.

``keep = floor(density * n + 0.5)`` weights stay. Among equal magnitudes at the limit the first in C order stay, so the
result is one array and not one of many. *Per layer*, each tensor keeps its own share; *globally*, one limit holds for
all tensors together, taken in order as if they were one.

Source: Han et al., "Learning both weights and connections", NIPS 2015; "Deep Compression", section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["check_density", "prune", "prune_below", "prune_globally"]


def check_density(density: float) -> None:
    """Refuse shares that are none."""
    if not 0 <= density <= 1:
        raise ValueError(f"density must be in 0..1, not {density!r}")


def prune(weights: ArrayLike, density: float) -> NDArray[Any]:
    """Keep the share `density` of a tensor.

    Parameters
    ----------
    weights : array_like of float or int, any shape
    density : float
        0 (nothing stays) .. 1 (everything does).

    Returns
    -------
    ndarray
        A copy, of the same dtype and shape.

    Raises
    ------
    ValueError
        If the density is outside 0..1 or a weight is not a number.
    """
    return prune_globally([weights], density)[0]


def prune_globally(tensors: Sequence[ArrayLike], density: float) -> list[NDArray[Any]]:
    """Keep the share `density` of all tensors together. Arguments and errors as `prune`."""
    check_density(density)
    pruned = [np.array(tensor) for tensor in tensors]
    magnitudes = [_magnitudes(tensor) for tensor in pruned]
    everything = np.concatenate(magnitudes) if magnitudes else np.zeros(0)
    keep = int(np.floor(density * everything.size + 0.5))
    if keep == everything.size:
        return pruned
    limit = np.partition(everything, everything.size - keep - 1)[everything.size - keep - 1] if keep else np.inf
    spare = keep - int(np.count_nonzero(everything > limit))
    for tensor, magnitude in zip(pruned, magnitudes, strict=True):
        drop = magnitude <= limit
        equal = np.flatnonzero(magnitude == limit)[:spare]
        drop[equal] = False
        spare -= equal.size
        tensor[drop.reshape(tensor.shape)] = 0
    return pruned


def prune_below(weights: ArrayLike, limit: float) -> NDArray[Any]:
    """Keep the weights of at least the magnitude `limit`."""
    array = np.array(weights)
    array[_magnitudes(array).reshape(array.shape) < limit] = 0
    return array


def _magnitudes(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind not in "iuf":
        raise TypeError(f"weights must be numbers, not {array.dtype.name}")
    # The magnitude of the least integer of a dtype does not fit that dtype.
    wide = array if array.dtype.kind == "f" else array.astype(np.int64)
    magnitudes: NDArray[Any] = np.abs(wide).reshape(-1)
    if np.isnan(magnitudes).any():
        raise ValueError("weight must be a number, not nan")
    return magnitudes
