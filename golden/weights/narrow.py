"""Sixteen-bit floats and bytes: the forms in which weights leave a decoder for an array that computes in them.

========  ===========================  =======================================================================
form      bits, most significant left  value
========  ===========================  =======================================================================
``int8``  8                            two's complement; of block floating point, see `block_integers`
``int16`` 16                           two's complement
``fp16``  sign 1, exponent 5, 10       IEEE 754 binary16
``bf16``  sign 1, exponent 8, 7        the upper half of a binary32
========  ===========================  =======================================================================

A float is rounded once, to the nearest, ties to an even last bit, subnormals included; one that would become infinite
does not fit. A negative value that rounds to zero is a negative zero, as IEEE 754 has it.

=======================  ======  ======
value                    fp16    bf16
=======================  ======  ======
1.5                      3e00    3fc0
-2^-24                   8001    b380
1 + 2^-8                 3c04    3f80
65504, 65520             7bff -  4780
=======================  ======  ======

Source: IEEE 754-2019, sections 3.4 and 4.3.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FORMS", "block_integers", "brain_patterns", "float_patterns", "half_patterns"]

FORMS = ("int8", "int16", "fp16", "bf16")
"""The forms; hardware numbers them in this order."""

_BLOCK_BIAS = 133
_INFINITE = {"fp16": 0x7C00, "bf16": 0x7F80}


def half_patterns(values: ArrayLike) -> NDArray[np.uint16]:
    """The binary16 patterns of numbers that float64 holds; infinite where they do not fit."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float64).astype(np.float16).view(np.uint16)


def brain_patterns(values: ArrayLike) -> NDArray[np.uint16]:
    """The bfloat16 patterns of numbers that float32 holds; infinite where they do not fit."""
    patterns = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    odd = patterns >> np.uint64(16) & np.uint64(1)
    return np.asarray((patterns + np.uint64(0x7FFF) + odd) >> np.uint64(16)).astype(np.uint16)


def float_patterns(values: ArrayLike, form: str) -> NDArray[np.uint16]:
    """The patterns of finite numbers in a float form.

    Parameters
    ----------
    values : array_like of float
        Numbers that float32 holds.
    form : str
        ``fp16`` or ``bf16``.

    Raises
    ------
    ValueError
        If the form is another, or a value does not fit it, naming its place in C order.
    """
    if form not in _INFINITE:
        raise ValueError(f"form must be one of {sorted(_INFINITE)}, not {form!r}")
    patterns = half_patterns(values) if form == "fp16" else brain_patterns(values)
    wrong = np.flatnonzero((patterns & np.uint16(0x7FFF)).reshape(-1) >= _INFINITE[form])
    if wrong.size:
        value = float(np.asarray(values, np.float64).reshape(-1)[wrong[0]])
        raise ValueError(f"weight must fit {form}, not {value!r} (weight {int(wrong[0])})")
    return patterns


def block_integers(values: ArrayLike, exponent: int) -> NDArray[np.int8]:
    """Weights of a block with the exponent field `exponent` as integers of ``2**(exponent - 133)`` each.

    Magnitudes of 7 bits: ``min(127, floor(|w| * 2**(133 - exponent) + 0.5))``. Mantissas of up to 7 bits lose nothing.

    Parameters
    ----------
    values : array_like of float
        Each below ``2**(exponent - 126)`` in magnitude.
    exponent : int
        0..254 (golden/weights/blockfloat.py).
    """
    exact = np.asarray(values, np.float64)
    magnitudes = np.minimum(127, np.floor(np.ldexp(np.abs(exact), _BLOCK_BIAS - exponent) + 0.5))
    integers: NDArray[Any] = np.where(exact < 0, -magnitudes, magnitudes)
    return integers.astype(np.int8)
