"""Canonical Huffman coding of integer weights.

::

    tables    | first : 16 | span - 1 : 9 | length steps |      golden/weights/canonical.py
    payload   | codeword | codeword | ...                       one per weight, in C order

Codewords travel most significant bit first in an LSB-first stream. Each has at most `max_length` bits (15 at most; 14
by default costs Lite0 nothing that shows). A new block starts at every `entry_weights` weights, without padding; its
payload position is an entry point (golden/weights/tensor.py), so that several decoders work at once. Nothing but the
table is shared between blocks. Out of band: count, dtype, payload length, entry points.

Size: the sum of the codewords' lengths, below entropy + 1 bit per weight without the limit; worst case `max_length`
bits per weight never arises, since a uniform code of ceil(log2 span) bits is always open. An empty tensor has no
payload and no table. A tensor of one level takes one bit per weight.

A decoder refuses bits that begin no codeword, a codeword past its block's end and a block that does not end where the
next one starts.

===========================  =========================================  =====================
weights                      table                                      payload, first sent left
===========================  =========================================  =====================
0 0 1 0 -1 0                 first -1, lengths 2 1 2                     0 0 11 0 10 0
5 5 5                        first 5, length 1                           0 0 0
(none)                       none                                        none
===========================  =========================================  =====================

Source: Han et al., "Deep Compression", arXiv 1510.00149, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from golden.bits import BitReader, BitWriter, bytes_from_words, put_bits, words_for, words_from_bytes
from golden.codec import CorruptStreamError
from golden.weights.canonical import (
    EMPTY_TABLE,
    MOST_SYMBOLS,
    CodeTable,
    check_levels,
    check_max_length,
    check_tables_end,
    look,
)
from golden.weights.tensor import (
    ENTRY_BITS,
    EncodedWeights,
    WeightCodec,
    block_starts,
    check_blocks,
    check_entry_weights,
    check_integers,
    check_stream,
)

__all__ = ["Huffman", "HuffmanFormat"]

_LIMIT = 1 << 15


@dataclass(frozen=True)
class HuffmanFormat:
    """Codewords of at most `max_length` bits; an entry point at every `entry_weights` weights (0: none)."""

    max_length: int = 14
    entry_weights: int = 8192

    def __post_init__(self) -> None:
        check_max_length(self.max_length)
        check_entry_weights(self.entry_weights)


class Huffman(WeightCodec[HuffmanFormat]):
    """A canonical code of limited length for the levels of a tensor."""

    codec_id = "huffman"
    format_type = HuffmanFormat

    def encode(self, values: ArrayLike) -> EncodedWeights:
        """Code integers of at most 512 levels between the least and the greatest, within -32768..32767."""
        array, symbols, table, bits = self._plan(values)
        starts = block_starts(symbols.size, self.format.entry_weights)
        words = np.zeros(words_for(bits), np.uint64)
        entries = np.zeros(starts.size - 1, np.int64)
        _encode(symbols, starts, table.reversed_codes, table.lengths, words, entries)
        writer = BitWriter()
        table.write(writer)
        return EncodedWeights(
            words,
            bits,
            array.shape,
            array.dtype.name,
            words_from_bytes(writer.to_bytes()),
            writer.bits,
            entries,
            self.format.entry_weights,
        )

    def decode(self, encoded: EncodedWeights) -> NDArray[Any]:
        return self.decode_blocks(encoded, 0, encoded.entries.size).reshape(encoded.shape)

    def decode_blocks(self, encoded: EncodedWeights, first: int, last: int) -> NDArray[Any]:
        check_stream(encoded)
        check_blocks(encoded, first, last)
        reader = BitReader(bytes_from_words(encoded.tables, encoded.table_bits))
        table = CodeTable.read(reader) if encoded.count else EMPTY_TABLE
        check_tables_end(reader, encoded.table_bits)
        check_levels(table, encoded.dtype)
        starts = encoded.weight_bounds[first : last + 1]
        weights = np.zeros(starts[-1] - starts[0], np.int16)
        padded = np.append(encoded.words, np.uint64(0))
        bounds = encoded.payload_bounds[first : last + 1]
        block, position = _decode(padded, bounds, starts - starts[0], table.lookup, table.first, weights)
        if block >= 0:
            raise CorruptStreamError(f"block {first + block}: no codeword of this block at bit {position}")
        return weights.astype(encoded.dtype)

    def size_bits(self, values: ArrayLike) -> int:
        _, symbols, table, bits = self._plan(values)
        blocks = block_starts(symbols.size, self.format.entry_weights).size - 1
        return bits + table.size_bits() + ENTRY_BITS * (blocks - 1)

    def _plan(self, values: ArrayLike) -> tuple[NDArray[Any], NDArray[np.uint16], CodeTable, int]:
        """The checked array, its symbols from 0, their table and the payload's bits."""
        array = check_integers(values, -_LIMIT, _LIMIT - 1)
        if array.size == 0:
            return array, np.zeros(0, np.uint16), EMPTY_TABLE, 0
        low, high = int(array.min()), int(array.max())
        if high - low >= MOST_SYMBOLS:
            raise ValueError(f"weights must span {MOST_SYMBOLS} levels or fewer, not {high - low + 1}")
        symbols = (array.reshape(-1).astype(np.int32) - low).astype(np.uint16)
        counts = _count(symbols, high - low + 1)
        table = CodeTable.from_counts(low, counts, self.format.max_length)
        return array, symbols, table, int(counts @ table.lengths)


@njit(cache=True, nogil=True)
def _count(symbols, span):  # type: ignore[no-untyped-def]
    counts = np.zeros(span, np.int64)
    for symbol in symbols:
        counts[symbol] += 1
    return counts


@njit(cache=True, nogil=True)
def _encode(symbols, starts, codes, lengths, words, entries):  # type: ignore[no-untyped-def]
    position = 0
    for block in range(entries.size):
        entries[block] = position
        for i in range(starts[block], starts[block + 1]):
            symbol = symbols[i]
            position = put_bits(words, position, codes[symbol], np.int64(lengths[symbol]))


@njit(cache=True, nogil=True)
def _decode(words, bounds, starts, lookup, first, weights):  # type: ignore[no-untyped-def]
    """Fill `weights`; the block and the bit of the first fault, or -1."""
    for block in range(starts.size - 1):
        position = bounds[block]
        end = bounds[block + 1]
        for i in range(starts[block], starts[block + 1]):
            entry = look(words, position, lookup)
            length = entry & 15
            if length == 0 or position + length > end:
                return block, position
            weights[i] = first + (entry >> 4)
            position += length
        if position != end:
            return block, position
    return -1, 0
