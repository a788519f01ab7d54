"""Packed integers: each weight in a plain field.

::

    payload   | weight : B | weight : B | ...        in C order, least significant bit first

Fields of a signed dtype are two's complement, those of an unsigned one count from 0. B = `bits` (2..8). Weight i starts
at payload bit B i, so there are no entry points to store; there are no tables. Out of band: count, dtype, B. Size:
``B n`` bits, for every content. The last weight is followed by zero padding (checked).

===================  =====================
weights (B = 4)      bytes
===================  =====================
1 -1 7 -8            F1 87
1 15 7 8 (uint8)     F1 87
-8                   08
===================  =====================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from golden.bits import pack, unpack
from golden.codec import CorruptStreamError
from golden.weights.tensor import EncodedWeights, WeightCodec, check_integers, check_stream

__all__ = ["Packed", "PackedFormat"]


@dataclass(frozen=True)
class PackedFormat:
    """Fields of `bits` (2..8) bits."""

    bits: int = 8

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 8:
            raise ValueError(f"bits must be in 2..8, not {self.bits!r}")


class Packed(WeightCodec[PackedFormat]):
    """Plain fields."""

    codec_id = "packed"
    format_type = PackedFormat

    def encode(self, values: ArrayLike) -> EncodedWeights:
        array = self._checked(values)
        width = self.format.bits
        words, bits = pack(array.reshape(-1).astype(np.int64) & ((1 << width) - 1), width)
        return EncodedWeights(words, bits, array.shape, array.dtype.name)

    def decode(self, encoded: EncodedWeights) -> NDArray[Any]:
        check_stream(encoded)
        width = self.format.bits
        if encoded.bits != width * encoded.count or encoded.table_bits:
            raise CorruptStreamError(
                f"stream of {encoded.count} weights must be {width * encoded.count} bits and no tables, "
                f"not {encoded.bits} and {encoded.table_bits}"
            )
        sign = -_least(encoded.dtype, width)
        fields = unpack(encoded.words, width, encoded.count).astype(np.int64)
        return ((fields ^ sign) - sign).astype(encoded.dtype).reshape(encoded.shape)

    def size_bits(self, values: ArrayLike) -> int:
        return self.format.bits * int(self._checked(values).size)

    def _checked(self, values: ArrayLike) -> NDArray[Any]:
        least = _least(np.asarray(values).dtype, self.format.bits)
        return check_integers(values, least, least + (1 << self.format.bits) - 1)


def _least(dtype: DTypeLike, bits: int) -> int:
    """The least weight that a field holds."""
    return 0 if np.dtype(dtype).kind == "u" else -(1 << (bits - 1))
