"""Integer weights times a scale, in whole numbers: what hardware does in place of ``(integer + offset) / gain``.

A slice's scale (golden/weights/linear.py) becomes three numbers, 49 bits::

    | multiplier m : 16 | addend a : 25, two's complement | exponent e : 8 |        first bit left, LSB-first

    weight = (integer * m + a) * 2^(e - 150)

``integer * m + a`` has at most 24 bits of magnitude, so that the weight is a binary32, exactly; it leaves in one of
the 16-bit float forms (golden/weights/narrow.py), rounded once. `fixed_scales` takes m and a as the numbers nearest
to 1 / gain and offset / gain in the finest steps of 2^(e - 150) that hold them: m has 16 bits where the offset lets it,
an error below 2^-16 of the weight, a sixteenth of what bf16 and half of what fp16 rounding adds.

=================================  ======================  ==========================
gain, offset, integers -127..127   m, a, e                 weights of 1, 64 (exactly)
=================================  ======================  ==========================
127, 0                             33026, 0, 128           0.0078740, 0.503937
2, 0                               32768, 0, 134           0.5, 32
2, 128 (integers -128..127)        32768, 4194304, 134     64.5, 96
=================================  ======================  ==========================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.weights.narrow import float_patterns

__all__ = [
    "ADDEND_BITS",
    "EXPONENT_BITS",
    "MAGNITUDE_BITS",
    "MULTIPLIER_BITS",
    "SCALE_BITS",
    "FixedScales",
    "fixed_scales",
    "rescale",
]

MULTIPLIER_BITS, ADDEND_BITS, EXPONENT_BITS = 16, 25, 8
SCALE_BITS = MULTIPLIER_BITS + ADDEND_BITS + EXPONENT_BITS
MAGNITUDE_BITS = 24
"""Bits of ``|integer * m + a|``: a binary32 significand."""

_BIAS = 150
_MOST_EXPONENT = 254


@dataclass(frozen=True, eq=False)
class FixedScales:
    """The scales of a tensor's slices.

    Attributes
    ----------
    multiplier : ndarray of int64, shape (slices,)
        0..65535.
    addend : ndarray of int64, shape (slices,)
        Below 2**24 in magnitude.
    exponent : ndarray of int64, shape (slices,)
        0..254.
    """

    multiplier: NDArray[np.int64]
    addend: NDArray[np.int64]
    exponent: NDArray[np.int64]

    @property
    def words(self) -> NDArray[np.uint64]:
        """Each slice's scale as it lies in a memory of hardware, shape (slices,)."""
        addend = self.addend & ((1 << ADDEND_BITS) - 1)
        words = self.multiplier | addend << MULTIPLIER_BITS | self.exponent << (MULTIPLIER_BITS + ADDEND_BITS)
        return words.astype(np.uint64)


def fixed_scales(gain: ArrayLike, offset: ArrayLike, low: int = -128, high: int = 127) -> FixedScales:
    """The scales nearest to ``(integer + offset) / gain`` for integers `low` to `high`.

    Parameters
    ----------
    gain, offset : array_like of float32, shape () or (slices,)
        As `golden.weights.linear.Quantized` has them; gains above zero.
    low, high : int
        -256..255.

    Raises
    ------
    ValueError
        If a gain is not above zero and finite, an offset is not finite or too far off for the integers to count, or
        `low` and `high` are not such numbers.
    """
    if not -256 <= low <= high <= 255:
        raise ValueError(f"low and high must ascend in -256..255, not {low!r} and {high!r}")
    gains = np.atleast_1d(np.asarray(gain, np.float64))
    offsets = np.atleast_1d(np.asarray(offset, np.float64))
    if not (np.isfinite(gains) & (gains > 0) & np.isfinite(offsets)).all():
        raise ValueError("gain must be above zero and finite, and offset finite")
    step = 1 / gains
    # The finest steps of a 16-bit multiplier, then coarser ones until every sum fits.
    fraction_bits = np.minimum(MULTIPLIER_BITS - np.frexp(step)[1].astype(np.int64), _BIAS)
    ends = np.array([low, high])[:, None]
    while True:
        multiplier = np.floor(np.ldexp(step, fraction_bits) + 0.5)
        addend = np.floor(np.ldexp(offsets * step, fraction_bits) + 0.5)
        greatest = np.maximum(np.abs(ends * multiplier + addend).max(axis=0), np.abs(addend))
        wide = (multiplier >= 1 << MULTIPLIER_BITS) | (greatest >= 1 << MAGNITUDE_BITS)
        if not wide.any():
            break
        fraction_bits = fraction_bits - wide
    exponent = _BIAS - fraction_bits
    if (multiplier == 0).any() or (exponent > _MOST_EXPONENT).any():
        raise ValueError("offset must leave 24 bits room for a step of the integers, and gain be above 2**-104")
    return FixedScales(multiplier.astype(np.int64), addend.astype(np.int64), exponent)


def rescale(values: ArrayLike, scales: FixedScales, axis: int | None, form: str) -> NDArray[np.uint16]:
    """The patterns of scaled integers.

    Parameters
    ----------
    values : array_like of int
        -256..255.
    scales : FixedScales
        One for each index of `axis`, or one for all.
    axis : int or None
    form : str
        ``fp16`` or ``bf16``.

    Raises
    ------
    ValueError
        If a sum has more than 24 bits, or a weight does not fit the form.
    """
    integers = np.asarray(values, np.int64)
    shape = [1] * integers.ndim
    if axis is not None:
        shape[axis] = -1
    parts: list[NDArray[Any]] = [scales.multiplier, scales.addend, scales.exponent]
    multiplier, addend, exponent = (part.reshape(shape) for part in parts)
    sums = integers * multiplier + addend
    if integers.size and int(np.abs(sums).max()) >> MAGNITUDE_BITS:
        raise ValueError(f"integer times multiplier must have {MAGNITUDE_BITS} bits, not {int(np.abs(sums).max())}")
    return float_patterns(np.ldexp(sums.astype(np.float64), exponent - _BIAS), form)
