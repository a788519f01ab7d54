"""Block floating point: one exponent for a tensor, a sign and n mantissa bits for each weight.

::

    tables    | exponent : 8 |
    payload   | mantissa : n | sign : 1 | mantissa : n | sign : 1 | ...        in C order

The exponent E is the field of the greatest magnitude as IEEE 754 binary32 holds it (bits 23..30), 1 for subnormals, 0
for a tensor of zeros. A weight of exponent field e (1 for subnormals) has a 24-bit significand s, hidden bit included::

    mantissa = s >> (E - e + 24 - n)                  truncated
    mantissa = (s + half) >> (E - e + 24 - n)         rounded, half of what the shift drops; 2^n saturates to 2^n - 1
    |weight| = mantissa * 2^(E - 126 - n)             exact in binary32

n is 1..24. The sign of a mantissa of zero is written 0 and ignored by the decoder, which returns 0. Weight i starts at
payload bit (n + 1) i, so no entry points are stored. Out of band: count, n. Size: (n + 1) bits for each weight and 8,
whatever the weights. Truncation errs by up to one step, always towards zero; rounding by half a step.

============================  ==========================================================
weights                       n = 3
============================  ==========================================================
1.5 -0.25 0.3                 E = 127; mantissas 6 1 1, signs 0 1 0; rounded the same
0.99                          E = 126; mantissa 7 truncated; 8 rounded, saturates to 7
0 0                           E = 0; mantissas 0 0
============================  ==========================================================

Source: Bae, Bae (Kyung Hee University), section 4; do Nascimento et al., "DSConv", ICCV 2019. Rounding is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.bits import pack, unpack
from golden.codec import CorruptStreamError
from golden.weights.tensor import EncodedWeights, WeightCodec, check_stream

__all__ = [
    "EXPONENT_BITS",
    "MOST_MANTISSA_BITS",
    "BlockFloat",
    "BlockFloatFormat",
    "SnrRow",
    "aligned",
    "check_floats",
    "check_mantissa_bits",
    "scaled",
    "snr_db",
    "snr_table",
]

EXPONENT_BITS = 8
"""Bits of a tensor's exponent."""
MOST_MANTISSA_BITS = 24
"""A binary32 significand, hidden bit included."""

_FRACTION_BITS = 23
_BIAS = 126
_FAR = 62


@dataclass(frozen=True)
class BlockFloatFormat:
    """`mantissa_bits` (1..24) per weight, rounded or truncated."""

    mantissa_bits: int = 8
    rounded: bool = True

    def __post_init__(self) -> None:
        check_mantissa_bits("mantissa_bits", self.mantissa_bits)


class BlockFloat(WeightCodec[BlockFloatFormat]):
    """Float weights with one exponent; lossy."""

    codec_id = "block-float"
    format_type = BlockFloatFormat
    lossless = False
    takes = "f"

    def encode(self, values: ArrayLike) -> EncodedWeights:
        array = check_floats(values)
        width = self.format.mantissa_bits
        exponent, negative, mantissas = aligned(array, width, self.format.rounded)
        words, bits = pack(negative.astype(np.uint64) << np.uint64(width) | mantissas, width + 1)
        tables, table_bits = pack([exponent], EXPONENT_BITS)
        return EncodedWeights(words, bits, array.shape, "float32", tables, table_bits)

    def decode(self, encoded: EncodedWeights) -> NDArray[Any]:
        check_stream(encoded)
        width = self.format.mantissa_bits
        if encoded.bits != (width + 1) * encoded.count or encoded.table_bits != EXPONENT_BITS:
            raise CorruptStreamError(
                f"stream of {encoded.count} weights must be {(width + 1) * encoded.count} bits and {EXPONENT_BITS} "
                f"of tables, not {encoded.bits} and {encoded.table_bits}"
            )
        fields = unpack(encoded.words, width + 1, encoded.count)
        mantissas = fields & np.uint64((1 << width) - 1)
        exponent = int(encoded.tables[0])
        if exponent == 255:
            raise CorruptStreamError("tables: exponent must be in 0..254, not 255 (bit 0)")
        return scaled(exponent, fields >> np.uint64(width), mantissas, width).reshape(encoded.shape)

    def size_bits(self, values: ArrayLike) -> int:
        return (self.format.mantissa_bits + 1) * int(check_floats(values).size) + EXPONENT_BITS


def check_mantissa_bits(name: str, bits: int) -> None:
    """Refuse mantissas that a binary32 significand cannot fill."""
    if not 1 <= bits <= MOST_MANTISSA_BITS:
        raise ValueError(f"{name} must be in 1..{MOST_MANTISSA_BITS}, not {bits!r}")


def check_floats(values: ArrayLike) -> NDArray[np.float32]:
    """Return finite float weights as contiguous float32; refuse others.

    Raises
    ------
    TypeError
        If they are not floats.
    ValueError
        If one is not finite as float32.
    """
    array = np.asarray(values)
    if array.dtype.kind != "f":
        raise TypeError(f"weights must be floats, not {array.dtype.name}")
    with np.errstate(over="ignore"):
        single = np.asarray(array, np.float32, order="C")
    if not np.isfinite(single).all():
        wrong = int(np.flatnonzero(~np.isfinite(single.ravel()))[0])
        raise ValueError(f"weight must be finite as float32, not {float(array.ravel()[wrong])} (weight {wrong})")
    return single


def aligned(
    values: NDArray[np.float32], width: int, rounded: bool
) -> tuple[int, NDArray[np.bool_], NDArray[np.uint64]]:
    """Exponent, signs and mantissas of `width` bits of finite weights, flat in C order."""
    patterns = values.reshape(-1).view(np.uint32).astype(np.int64)
    magnitudes = patterns & 0x7FFFFFFF
    fields = magnitudes >> _FRACTION_BITS
    exponent = int(max(fields.max(), 1)) if magnitudes.any() else 0
    significands = (magnitudes & (1 << _FRACTION_BITS) - 1) | (fields > 0).astype(np.int64) << _FRACTION_BITS
    shifts = np.minimum(exponent - np.maximum(fields, 1) + MOST_MANTISSA_BITS - width, _FAR)
    # A tensor of zeros has a lower exponent than its weights' fields, taken as 1.
    shifts = np.maximum(shifts, 0)
    half = (np.int64(1) << shifts) >> 1 if rounded else 0
    mantissas = np.minimum((significands + half) >> shifts, (1 << width) - 1)
    return exponent, (patterns >> 31 == 1) & (mantissas > 0), mantissas.astype(np.uint64)


def scaled(exponent: int, negative: NDArray[Any], mantissas: NDArray[np.uint64], width: int) -> NDArray[np.float32]:
    """The weights that signs and mantissas of `width` bits stand for; never a negative zero."""
    signed = np.where(negative.astype(bool), -mantissas.astype(np.int64), mantissas.astype(np.int64))
    return np.ldexp(signed.astype(np.float64), exponent - _BIAS - width).astype(np.float32)


@dataclass(frozen=True)
class SnrRow:
    """Signal-to-noise ratio of weights with mantissas of `mantissa_bits`, truncated and rounded."""

    mantissa_bits: int
    truncated_db: float
    rounded_db: float

    @property
    def gain_db(self) -> float:
        """What rounding is worth."""
        return self.rounded_db - self.truncated_db


def snr_db(weights: ArrayLike, decoded: ArrayLike) -> float:
    """Signal-to-noise ratio ``10 log10(sum w^2 / sum (w - w')^2)``; infinite where nothing is lost."""
    exact = np.asarray(weights, np.float64)
    noise = float(np.square(exact - np.asarray(decoded, np.float64)).sum())
    return float(10 * np.log10(np.square(exact).sum() / noise)) if noise else float("inf")


def snr_table(weights: ArrayLike, widths: range = range(1, MOST_MANTISSA_BITS + 1)) -> tuple[SnrRow, ...]:
    """Signal-to-noise ratio for each mantissa width."""
    values = check_floats(weights).reshape(-1)
    rows = []
    for width in widths:
        results = []
        for rounded in (False, True):
            exponent, negative, mantissas = aligned(values, width, rounded)
            results.append(snr_db(values, scaled(exponent, negative, mantissas, width)))
        rows.append(SnrRow(width, *results))
    return tuple(rows)
