"""Linear quantization: real weights to n-bit integers, and back.

With n = `bits`, x the weights of a tensor (or of one slice along `axis`), all in float64::

    symmetric     q = (2^(n-1) - 1) / max|x|         xq = round(q x)                    1 - 2^(n-1) .. 2^(n-1) - 1
    asymmetric    q = (2^n - 1) / (max x - min x)    xq = round(q x - zp) - 2^(n-1)        -2^(n-1) .. 2^(n-1) - 1
                  zp = min(q x)

``round(v)`` is ``floor(v + 0.5)``: halves go up. q is rounded to float32, and so is ``zp + 2^(n-1)``, since that is
how they are stored; the equations use the rounded numbers and xq is clipped to its range. Back: ``x' = xq / q`` and
``x' = (xq + 2^(n-1) + zp) / q``. A slice whose q would not be a float32 (all zero; all equal; an extent below 1e-36)
has q = 1. `zp` is a real number, as in the source, so zero is not an integer level of the asymmetric form. The source's
equation gives 0 .. 2^n - 1 while its table 1 shows -128..127: the shift by 2^(n-1) is ours.

Source: Kim et al. (SKKU), equations 1-5 and table 1.

==========================  =========================================================
weights (n = 8)             integers
==========================  =========================================================
-0.5, 0, 0.25, 1            symmetric, q = 127: -63 0 32 127
-0.5, 0, 0.25, 1            asymmetric, q = 170, zp = -85: -128 -43 0 127
0, 0                        0 0; asymmetric -128 -128
==========================  =========================================================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["SCHEMES", "LinearFormat", "Quantized", "Statistics", "dequantize", "quantize", "statistics"]

SCHEMES = ("symmetric", "asymmetric")

_LEAST_EXTENT = 1e-36


@dataclass(frozen=True)
class LinearFormat:
    """`bits` (2..8) per weight, `scheme`, and the `axis` whose slices are scaled apart (None: one scale for all)."""

    bits: int = 8
    scheme: str = "symmetric"
    axis: int | None = None

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 8:
            raise ValueError(f"bits must be in 2..8, not {self.bits!r}")
        if self.scheme not in SCHEMES:
            raise ValueError(f"scheme must be one of {SCHEMES}, not {self.scheme!r}")


@dataclass(frozen=True)
class Quantized:
    """Integer weights and what turns them back.

    Attributes
    ----------
    values : ndarray of int8
        Shape of the weights.
    gain : ndarray of float32, shape () or (slices,)
        The equations' q: integer steps per unit of weight.
    offset : ndarray of float32, shape () or (slices,)
        Added to an integer before it is divided by `gain`: 0, or ``2**(bits - 1) + zp``.
    axis : int or None
        The axis of the slices.
    """

    values: NDArray[np.int8]
    gain: NDArray[np.float32]
    offset: NDArray[np.float32]
    axis: int | None = None


@dataclass(frozen=True)
class Statistics:
    """Mean, variance (of the population), least and greatest value."""

    mean: float
    variance: float
    minimum: float
    maximum: float


def statistics(values: ArrayLike) -> Statistics:
    """The columns of the source's table 1, in float64.

    Raises
    ------
    ValueError
        If there are no values.
    """
    array = np.asarray(values, np.float64)
    if array.size == 0:
        raise ValueError("values must be one or more, not none")
    return Statistics(float(array.mean()), float(array.var()), float(array.min()), float(array.max()))


def quantize(weights: ArrayLike, format: LinearFormat | None = None) -> Quantized:
    """Quantize a tensor.

    Parameters
    ----------
    weights : array_like of float, any shape
    format : LinearFormat
        Default: 8 bits, symmetric, per tensor.

    Raises
    ------
    TypeError
        If the weights are not floats.
    ValueError
        If one is not finite, or there is no such axis.
    """
    format = format or LinearFormat()
    given = np.asarray(weights)
    if given.dtype.kind != "f":
        raise TypeError(f"weights must be floats, not {given.dtype.name}")
    if not np.isfinite(given).all():
        raise ValueError(f"weight must be finite, not {given[~np.isfinite(given)][0]}")
    array = given.astype(np.float64)
    if format.axis is not None and not -array.ndim <= format.axis < array.ndim:
        raise ValueError(f"axis must be below {array.ndim} for shape {array.shape}, not {format.axis!r}")
    low, high = _extent(array, format.axis)
    half = 1 << (format.bits - 1)
    if format.scheme == "symmetric":
        gain = _gain(half - 1, np.maximum(-low, high))
        least, offset = 1 - half, np.zeros_like(gain)
    else:
        gain = _gain(2 * half - 1, high - low)
        # Rounding is monotonic, so the least product is the product of the least weight.
        least, offset = -half, (gain * low + half).astype(np.float32)
    scaled = array * _along(gain, array.ndim, format.axis) - _along(offset, array.ndim, format.axis)
    integers = np.clip(np.floor(scaled + 0.5), least, half - 1)
    return Quantized(integers.astype(np.int8), gain, offset, format.axis)


def dequantize(quantized: Quantized) -> NDArray[np.float32]:
    """The weights that integers stand for, rounded to float32 once."""
    values = quantized.values
    offset = _along(quantized.offset, values.ndim, quantized.axis)
    gain = _along(quantized.gain, values.ndim, quantized.axis)
    return np.asarray((values + offset) / gain).astype(np.float32)


def _extent(array: NDArray[np.float64], axis: int | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    others = None if axis is None else tuple(k for k in range(array.ndim) if k != axis % array.ndim)
    if array.size == 0:
        empty = np.zeros(() if axis is None else array.shape[axis])
        return empty, empty
    return np.asarray(array.min(axis=others)), np.asarray(array.max(axis=others))


def _gain(steps: int, extent: NDArray[np.float64]) -> NDArray[np.float32]:
    flat = extent < _LEAST_EXTENT
    return np.asarray(np.where(flat, 1.0, steps / np.where(flat, 1.0, extent))).astype(np.float32)


def _along(slices: NDArray[np.float32], ndim: int, axis: int | None) -> NDArray[np.float64]:
    """Per-slice numbers in float64, shaped to meet an array along `axis`."""
    numbers = slices.astype(np.float64)
    if axis is None:
        return numbers
    shape = [1] * ndim
    shape[axis] = -1
    return numbers.reshape(shape)
