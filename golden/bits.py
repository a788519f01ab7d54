"""Bits in 64-bit words: the one bit order of the project.

A stream is an array of ``uint64`` words. Bit ``p`` of the stream is bit ``p % 64`` of word ``p // 64``, so the
first bit is the least significant bit of word 0; seen as bytes (little-endian) it is bit ``p % 8`` of byte
``p // 8``. A field's least significant bit comes first. Bits past the end of a stream are zero.

Three ways to the same bits: `BitWriter` and `BitReader` for headers, field by field; `pack` and `unpack`,
vectorized, for whole arrays; `put_bits` and `get_bits`, compiled, for the serial loops of the codecs.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "WORD_BITS",
    "BitReader",
    "BitWriter",
    "bytes_from_words",
    "get_bits",
    "pack",
    "put_bits",
    "unpack",
    "words_for",
    "words_from_bytes",
]

WORD_BITS = 64

Words = NDArray[np.uint64]


def words_for(bits: int) -> int:
    """Number of 64-bit words that hold `bits` bits."""
    return -(-bits // WORD_BITS)


@njit(cache=True, nogil=True, inline="always")
def put_bits(words, position, value, width):  # type: ignore[no-untyped-def]
    """OR the `width` (1..64) low bits of `value` into zeroed `words` at bit `position`; return the next one."""
    word = position >> 6
    offset = position & 63
    words[word] |= np.uint64(value) << np.uint64(offset)
    if offset + width > 64:
        words[word + 1] |= np.uint64(value) >> np.uint64(64 - offset)
    return position + width


@njit(cache=True, nogil=True, inline="always")
def get_bits(words, position, width):  # type: ignore[no-untyped-def]
    """Read `width` (1..63) bits at bit `position`. The caller has checked that they exist."""
    word = position >> 6
    offset = position & 63
    # No branch on the position; a shift by 64 is undefined, so by 63 and once more.
    following = words[min(word + 1, words.size - 1)]
    value = words[word] >> np.uint64(offset) | (following << np.uint64(63 - offset)) << np.uint64(1)
    return value & ((np.uint64(1) << np.uint64(width)) - np.uint64(1))


def pack(values: ArrayLike, widths: ArrayLike) -> tuple[Words, int]:
    """Pack fields one behind the other.

    Parameters
    ----------
    values : array_like of unsigned int, shape (n,)
        Fields, each below ``2**width``.
    widths : array_like of int, shape () or (n,)
        Their widths in bits, 0..64; one number serves all.

    Returns
    -------
    words : ndarray of uint64
    bits : int
        Exact length; the bits past it are zero.

    Raises
    ------
    TypeError
        If values are not integers.
    ValueError
        If a width is outside 0..64, or a value is negative or does not fit its width.
    """
    given = np.asarray(values)
    if given.size and given.dtype.kind not in "ui":
        raise TypeError(f"values must be integers, not {given.dtype}")
    if given.dtype.kind == "i" and given.min(initial=0) < 0:
        raise ValueError(f"value must be 0 or more, not {int(given.min())}")
    fields = np.ascontiguousarray(given, dtype=np.uint64).reshape(-1)
    width = np.broadcast_to(np.asarray(widths, dtype=np.int64), fields.shape)
    if fields.size == 0:
        return np.zeros(0, np.uint64), 0
    if width.min() < 0 or width.max() > WORD_BITS:
        raise ValueError(f"width must be in 0..64, not {int(width[(width < 0) | (width > 64)][0])}")
    limited = width < WORD_BITS
    wide = fields[limited] >> width[limited].astype(np.uint64)
    if wide.any():
        worst = int(np.flatnonzero(limited)[np.flatnonzero(wide)[0]])
        raise ValueError(f"value must fit {int(width[worst])} bits, not {int(fields[worst])} (field {worst})")
    ends = np.cumsum(width)
    starts = ends - width
    bits = int(ends[-1])
    words = np.zeros(words_for(bits), np.uint64)
    present = width > 0
    fields, starts, width = fields[present], starts[present], width[present]
    offset = starts & 63
    _or_at(words, starts >> 6, fields << offset.astype(np.uint64))
    split = offset + width > WORD_BITS
    shift = (WORD_BITS - offset[split]).astype(np.uint64)
    _or_at(words, (starts[split] >> 6) + 1, fields[split] >> shift)
    return words, bits


def _or_at(words: Words, where: NDArray[np.int64], values: Words) -> None:
    """``words[where] |= values`` for ascending `where` that may repeat."""
    if where.size == 0:
        return
    first = np.flatnonzero(np.diff(where, prepend=-1))
    words[where[first]] |= np.bitwise_or.reduceat(values, first)


def unpack(words: Words, widths: ArrayLike, count: int | None = None) -> Words:
    """Read fields one behind the other: the inverse of `pack`.

    Parameters
    ----------
    words : ndarray of uint64
    widths : array_like of int, shape () or (n,)
        Widths in bits, 0..64.
    count : int, optional
        Number of fields where `widths` is one number.

    Returns
    -------
    ndarray of uint64, shape (n,)

    Raises
    ------
    ValueError
        If a width is outside 0..64 or the words end before the last field.
    """
    width = np.asarray(widths, dtype=np.int64)
    if width.ndim == 0:
        if count is None:
            raise ValueError("count must be given with a single width")
        width = np.full(count, width, np.int64)
    if width.size == 0:
        return np.zeros(0, np.uint64)
    if width.min() < 0 or width.max() > WORD_BITS:
        raise ValueError(f"width must be in 0..64, not {int(width[(width < 0) | (width > 64)][0])}")
    ends = np.cumsum(width)
    if int(ends[-1]) > words.size * WORD_BITS:
        raise ValueError(f"stream must hold {int(ends[-1])} bits, not {words.size * WORD_BITS}")
    starts = ends - width
    padded = np.append(words, np.zeros(2, np.uint64))
    offset = (starts & 63).astype(np.uint64)
    low = padded[starts >> 6] >> offset
    # A shift by 64 is undefined: shift by 63 and once more.
    high = (padded[(starts >> 6) + 1] << (np.uint64(63) - offset)) << np.uint64(1)
    keep = (WORD_BITS - np.maximum(width, 1)).astype(np.uint64)
    mask = np.where(width > 0, np.uint64(2**64 - 1) >> keep, np.uint64(0))
    fields: Words = (low | high) & mask
    return fields


class BitWriter:
    """Writes fields of a header one by one."""

    def __init__(self) -> None:
        self._value = 0
        self.bits = 0

    def write_bits(self, value: int, width: int) -> None:
        """Append the `width`-bit field `value`.

        Raises
        ------
        ValueError
            If `value` does not fit.
        """
        if value < 0 or value >> width:
            raise ValueError(f"value must fit {width} bits, not {value!r}")
        self._value |= value << self.bits
        self.bits += width

    def to_bytes(self) -> bytes:
        """All fields so far, zero-padded to whole bytes."""
        return self._value.to_bytes(-(-self.bits // 8), "little")


class BitReader:
    """Reads what `BitWriter` wrote."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")
        self._bits = 8 * len(data)
        self.position = 0

    def read_bits(self, width: int) -> int:
        """Take the next `width`-bit field.

        Raises
        ------
        ValueError
            If the width is negative or the data end before it, with the bit position.
        """
        if width < 0:
            raise ValueError(f"width must be 0 or more, not {width!r}")
        if self.position + width > self._bits:
            raise ValueError(f"stream ends at bit {self._bits} inside the field at bit {self.position}")
        field = self._value >> self.position & ((1 << width) - 1)
        self.position += width
        return field


def words_from_bytes(data: bytes) -> Words:
    """Bytes as words, little-endian, zero-padded to whole words."""
    return np.frombuffer(data + bytes(-len(data) % 8), "<u8").astype(np.uint64)


def bytes_from_words(words: Words, bits: int) -> bytes:
    """The bytes that hold the first `bits` bits."""
    return words.astype("<u8").tobytes()[: -(-bits // 8)]
