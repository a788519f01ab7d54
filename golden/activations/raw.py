"""Raw: every symbol as it is.

::

    | symbol 0 : W | symbol 1 : W | ... | symbol n-1 : W |

A field's least significant bit first (golden/bits.py), nothing between symbols: with W = 8 the stream is the bytes
themselves, with W = 4 the first symbol is the low nibble. The decoder is told the count. Size: exactly ``n W`` bits; it
cannot expand. The zero point plays no part.

=================  =====================
symbols (W = 8)    bytes
=================  =====================
1, 2, 255          01 02 FF
(none)             (none)
W = 4: 1, 2, 15    21 0F
=================  =====================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.bits import get_bits, put_bits
from golden.codec import CorruptStreamError, Symbols, check_word_bits
from golden.symbol_codec import SymbolCodec
from golden.tiles import TileMemory, Tiles, check_batch, check_tiles

__all__ = ["Raw", "RawFormat"]


@dataclass(frozen=True)
class RawFormat:
    """Symbols of `word_bits` bits: 4, 8 or 16."""

    word_bits: int = 8

    def __post_init__(self) -> None:
        check_word_bits(self.word_bits)


class Raw(SymbolCodec[RawFormat]):
    """Symbols as they are (bypass)."""

    codec_id = "raw"
    format_type = RawFormat

    @property
    def word_bits(self) -> int:
        """Bits of a symbol."""
        return self.format.word_bits

    def tile_bits(self, values: Symbols, tiles: Tiles, zero_point: int) -> NDArray[np.int64]:
        check_tiles(values, tiles)
        return tiles.symbols * self.word_bits

    def encode_tiles(self, values: Symbols, tiles: Tiles, zero_point: int, memory: TileMemory) -> None:
        check_batch(values, tiles, memory)
        words, spans, chosen = memory.words, memory.spans, memory.chosen
        if self.word_bits == 4:
            _put_nibbles(values, tiles.starts, chosen, words, spans)
        else:
            starts = spans[:, 0] * (64 // self.word_bits)
            _copy(values, tiles.starts, words.view(values.dtype), starts, tiles.symbols, chosen)

    def decode_tiles(self, memory: TileMemory, tiles: Tiles, zero_point: int, values: Symbols) -> NDArray[np.int64]:
        check_batch(values, tiles, memory)
        words, spans, chosen = memory.words, memory.spans, memory.chosen
        bits = tiles.symbols[chosen] * self.word_bits
        available = 64 * (spans[chosen, 1] - spans[chosen, 0])
        if (bits > available).any():
            k = int(np.flatnonzero(bits > available)[0])
            tile = memory.first + int(chosen[k])
            raise CorruptStreamError(f"tile {tile}: stream ends at bit {int(available[k])} of {int(bits[k])}")
        if self.word_bits == 4:
            _get_nibbles(words, spans, tiles.starts, chosen, values)
        else:
            starts = spans[:, 0] * (64 // self.word_bits)
            _copy(words.view(values.dtype), starts, values, tiles.starts, tiles.symbols, chosen)
        return bits


@njit(cache=True, nogil=True)
def _copy(source, source_starts, target, target_starts, counts, chosen):  # type: ignore[no-untyped-def]
    for t in chosen:
        a, b, n = source_starts[t], target_starts[t], counts[t]
        target[b : b + n] = source[a : a + n]


@njit(cache=True, nogil=True)
def _put_nibbles(values, starts, chosen, words, spans):  # type: ignore[no-untyped-def]
    for t in chosen:
        position = spans[t, 0] * 64
        for i in range(starts[t], starts[t + 1]):
            position = put_bits(words, position, values[i], 4)


@njit(cache=True, nogil=True)
def _get_nibbles(words, spans, starts, chosen, values):  # type: ignore[no-untyped-def]
    for t in chosen:
        position = spans[t, 0] * 64
        for i in range(starts[t], starts[t + 1]):
            values[i] = get_bits(words, position, 4)
            position += 4
