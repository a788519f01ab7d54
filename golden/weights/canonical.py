"""Canonical prefix codes of limited length, and the table that tells them.

Codewords follow from their lengths alone: sorted by length, then by symbol, each is the one before plus one, shifted
left where the length grows (RFC 1951, section 3.2.2). A codeword travels *most significant bit first*, so that a
decoder that takes the stream bit by bit can compare against the first codeword of each length, and one that looks at
several bits at once indexes a table with them as they lie in the LSB-first stream (`CodeTable.lookup`).

Stored table, LSB-first::

    | first : 16, two's complement | span - 1 : 9 | length steps ... |

for the symbols ``first .. first + span - 1``; the first and the last have a code. One step per symbol, in order;
``last`` is the length of the latest symbol that has a code, 0 at the start:

=====================  ==========  ===========================================================
bits, first sent left  name        meaning
=====================  ==========  ===========================================================
``0``                  same        length is ``last``
``1 0 s``              step        length is ``last + 1`` (s = 0) or ``last - 1`` (s = 1)
``1 1 0``              absent      the symbol has no code
``1 1 1 0 llll``       length      length is l (1..15); an encoder uses it where no shorter step says the same
``1 1 1 1 rrrrrr``     gap         r + 3 symbols have no code (3..66)
=====================  ==========  ===========================================================

A decoder accepts any steps that give lengths 1..15 and a full code (Kraft sum 1), or one symbol alone of length 1. It
refuses a length outside 1..15, a gap past the span, an end symbol without a code, an incomplete or oversubscribed set.

Lengths come from the package-merge algorithm: the least total under the limit. Ties: a symbol goes before a package
of equal weight, a lower symbol before a higher one.

Examples (frequencies, limit, lengths, codewords):

=====================  =====  ===============  ==========================
45 13 12 16 9 5        14     1 3 3 3 4 4      0 100 101 110 1110 1111
45 13 12 16 9 5        3      2 3 3 2 3 3      00 100 101 01 110 111
7                      14     1                0
=====================  =====  ===============  ==========================

Sources: Larmore, Hirschberg, "A fast algorithm for optimal length-limited Huffman codes", JACM 37 (1990). The stored
table is ours: neighbours in a histogram of weights have nearly equal lengths, so most symbols take 1 to 3 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from golden.bits import BitReader, BitWriter
from golden.codec import CorruptStreamError

__all__ = [
    "EMPTY_TABLE",
    "LONGEST",
    "MOST_SYMBOLS",
    "CodeTable",
    "check_levels",
    "check_max_length",
    "check_tables_end",
    "code_lengths",
    "look",
]

LONGEST = 15
"""Longest codeword that a table can tell: lengths are four bits in hardware."""
MOST_SYMBOLS = 512
"""Most symbols between the first and the last of a table: nine address bits."""

_LEAST = -(1 << 15)
_FIRST_BITS, _SPAN_BITS, _LENGTH_BITS, _GAP_BITS, _LEAST_GAP = 16, 9, 4, 6, 3


def check_max_length(max_length: int) -> None:
    """Refuse limits that no table has."""
    if not 1 <= max_length <= LONGEST:
        raise ValueError(f"max_length must be in 1..{LONGEST}, not {max_length!r}")


def code_lengths(counts: ArrayLike, max_length: int) -> NDArray[np.uint8]:
    """Lengths of the best prefix code whose codewords have at most `max_length` bits.

    Parameters
    ----------
    counts : array_like of int, shape (n,)
        How often each symbol occurs, from 0.
    max_length : int
        1..15 bits.

    Returns
    -------
    ndarray of uint8, shape (n,)
        0 where the count is 0; 1 for a symbol that is alone.

    Raises
    ------
    ValueError
        If more than ``2**max_length`` symbols occur, or a count is negative.
    """
    check_max_length(max_length)
    weights = np.asarray(counts, np.int64)
    if (weights < 0).any():
        raise ValueError(f"counts must be 0 or more, not {int(weights.min())}")
    lengths = np.zeros(weights.size, np.uint8)
    present = np.flatnonzero(weights)
    if present.size > 1 << max_length:
        raise ValueError(f"max_length must be {(present.size - 1).bit_length()} or more, not {max_length}")
    if present.size == 1:
        lengths[present] = 1
    if present.size > 1:
        order = present[np.argsort(weights[present], kind="stable")]
        lengths[order] = _package_merge(weights[order], max_length)
    return lengths


def _package_merge(weights: NDArray[np.int64], max_length: int) -> NDArray[np.uint8]:
    """Lengths for ascending `weights`, at least two."""
    merged, levels = weights, []
    for _ in range(max_length - 1):
        packages = merged[: merged.size & ~1].reshape(-1, 2).sum(axis=1)
        both = np.concatenate([weights, packages])
        order = np.argsort(both, kind="stable")
        merged = both[order]
        levels.append(order < weights.size)
    # The 2n - 2 lightest of the last level; each package among them opens two of the level before.
    lengths = np.zeros(weights.size, np.uint8)
    take = 2 * weights.size - 2
    for is_symbol in reversed(levels):
        symbols = int(np.count_nonzero(is_symbol[:take]))
        lengths[:symbols] += 1
        take = 2 * (take - symbols)
    lengths[:take] += 1
    return lengths


@dataclass(frozen=True)
class CodeTable:
    """A canonical code for the symbols ``first .. first + len(lengths) - 1``.

    Attributes
    ----------
    first : int
        Lowest symbol, -32768..32767.
    lengths : ndarray of uint8, shape (span,)
        Bits of each codeword, 1..15; 0 for a symbol without one.
    """

    first: int
    lengths: NDArray[np.uint8]

    @classmethod
    def from_counts(cls, first: int, counts: ArrayLike, max_length: int) -> CodeTable:
        """The best table for symbols that occur `counts` times, cut to those that do occur."""
        tally = np.asarray(counts, np.int64)
        present = np.flatnonzero(tally)
        if present.size == 0:
            return EMPTY_TABLE
        low, high = int(present[0]), int(present[-1])
        return cls(first + low, code_lengths(tally[low : high + 1], max_length))

    @classmethod
    def uniform(cls, first: int, width: int) -> CodeTable:
        """Plain fields as a code: each of the 2**width symbols from `first` has length `width`."""
        return cls(first, np.full(1 << width, width, np.uint8))

    @property
    def longest(self) -> int:
        """Bits of the longest codeword, 0 for an empty table."""
        return int(self.lengths.max(initial=0))

    @cached_property
    def codes(self) -> NDArray[np.uint16]:
        """Codewords as numbers, shape (span,): most significant bit is sent first."""
        codes = np.zeros(self.lengths.size, np.uint16)
        code, previous = 0, 0
        for symbol in np.argsort(self.lengths, kind="stable").tolist():
            length = int(self.lengths[symbol])
            if length:
                code <<= length - previous
                codes[symbol], previous = code, length
                code += 1
        return codes

    @cached_property
    def reversed_codes(self) -> NDArray[np.uint16]:
        """Codewords as they lie in an LSB-first stream, shape (span,)."""
        reversed_codes = np.zeros_like(self.codes)
        for k in range(LONGEST):
            bit = (self.codes >> np.uint16(k)) & np.uint16(1)
            place = np.maximum(self.lengths.astype(np.int64) - 1 - k, 0).astype(np.uint16)
            reversed_codes |= bit << place
        return reversed_codes

    @cached_property
    def lookup(self) -> NDArray[np.uint16]:
        """What the next `longest` bits of a stream begin with, shape (2**longest,).

        ``(symbol - first) << 4 | length``; 0 where no codeword fits.
        """
        table = np.zeros(1 << self.longest, np.uint16)
        for symbol in np.flatnonzero(self.lengths).tolist():
            length = int(self.lengths[symbol])
            table[int(self.reversed_codes[symbol]) :: 1 << length] = symbol << 4 | length
        return table

    def size_bits(self) -> int:
        """Bits of the stored table."""
        writer = BitWriter()
        self.write(writer)
        return writer.bits

    def write(self, writer: BitWriter) -> None:
        """Append the stored table. An empty table is no bits at all."""
        if self.lengths.size == 0:
            return
        writer.write_bits(self.first & 0xFFFF, _FIRST_BITS)
        writer.write_bits(self.lengths.size - 1, _SPAN_BITS)
        last, gap = 0, 0
        for length in self.lengths.tolist():
            if length == 0:
                gap += 1
                continue
            _write_gap(writer, gap)
            _write_length(writer, length, last)
            last, gap = length, 0

    @classmethod
    def read(cls, reader: BitReader) -> CodeTable:
        """Take a stored table.

        Raises
        ------
        CorruptStreamError
            If it is cut short or tells no code, with the bit position.
        """
        start = reader.position
        try:
            first = (reader.read_bits(_FIRST_BITS) ^ 0x8000) - 0x8000
            lengths = _read_lengths(reader, reader.read_bits(_SPAN_BITS) + 1)
        except CorruptStreamError:
            raise
        except ValueError as error:
            raise CorruptStreamError(f"table: {error}") from error
        kraft = int((1 << (LONGEST - lengths[lengths > 0].astype(np.int64))).sum())
        if kraft != 1 << LONGEST and lengths.tolist() != [1]:
            raise CorruptStreamError(
                f"code of the table at bit {start} must have Kraft sum 1, not {kraft / 2**LONGEST:.6g}"
            )
        return cls(first, lengths)


def _write_gap(writer: BitWriter, gap: int) -> None:
    while gap >= _LEAST_GAP:
        step = min(gap, _LEAST_GAP + (1 << _GAP_BITS) - 1)
        writer.write_bits(0b1111 | (step - _LEAST_GAP) << 4, 4 + _GAP_BITS)
        gap -= step
    for _ in range(gap):
        writer.write_bits(0b011, 3)


def _write_length(writer: BitWriter, length: int, last: int) -> None:
    if length == last:
        writer.write_bits(0, 1)
    elif abs(length - last) == 1:
        writer.write_bits(0b001 | (length < last) << 2, 3)
    else:
        writer.write_bits(0b0111 | length << 4, 4 + _LENGTH_BITS)


def _read_lengths(reader: BitReader, span: int) -> NDArray[np.uint8]:
    lengths = np.zeros(span, np.uint8)
    last, symbol = 0, 0
    while symbol < span:
        start = reader.position
        if not reader.read_bits(1):
            pass
        elif not reader.read_bits(1):
            last += -1 if reader.read_bits(1) else 1
        elif not reader.read_bits(1):
            symbol += 1
            continue
        elif not reader.read_bits(1):
            last = reader.read_bits(_LENGTH_BITS)
        else:
            symbol += reader.read_bits(_GAP_BITS) + _LEAST_GAP
            continue
        if not 1 <= last <= LONGEST:
            raise CorruptStreamError(f"table: length must be in 1..{LONGEST}, not {last}, at bit {start}")
        lengths[symbol] = last
        symbol += 1
    if symbol > span or lengths[-1] == 0 or lengths[0] == 0:
        raise CorruptStreamError(f"table: first and last of {span} symbols must have codes, at bit {reader.position}")
    return lengths


EMPTY_TABLE = CodeTable(0, np.zeros(0, np.uint8))
"""The code of no symbols at all."""


def check_tables_end(reader: BitReader, table_bits: int) -> None:
    """Refuse tables that are shorter or longer than was told."""
    if reader.position != table_bits:
        raise CorruptStreamError(f"tables must end at bit {table_bits}, not {reader.position}")


def check_levels(table: CodeTable, dtype: str) -> None:
    """Refuse a table with symbols that the weights' dtype does not hold."""
    limits = np.iinfo(dtype)
    last = table.first + table.lengths.size - 1
    if table.lengths.size and not max(limits.min, _LEAST) <= table.first <= last <= min(limits.max, -_LEAST - 1):
        raise CorruptStreamError(f"symbols of the table must be {dtype}, not {table.first}..{last}")


@njit(cache=True, nogil=True, inline="always")
def look(words, position, lookup):  # type: ignore[no-untyped-def]
    """The entry of `lookup` for the bits at `position`: ``symbol << 4 | length``. One word must follow the last."""
    word = position >> 6
    offset = np.uint64(position & 63)
    # Shifting left by 63 - offset and once more is shifting by 64 - offset, which at offset 0 would be undefined.
    bits = (words[word] >> offset) | ((words[word + 1] << np.uint64(1)) << (np.uint64(63) - offset))
    return np.int64(lookup[bits & np.uint64(lookup.size - 1)])
