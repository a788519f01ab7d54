"""Codecs of symbols: many tiles in one call, each alone in its own words; one stream is a batch of one tile."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.bits import words_for
from golden.codec import (
    Codec,
    CorruptStreamError,
    Encoded,
    Symbols,
    Words,
    check_symbols,
    check_zero_point,
    symbol_dtype,
)
from golden.configured import FormatT
from golden.tiles import TileMemory, Tiles, check_batch, check_padding, check_tiles

__all__ = ["FAULTS", "OVERRUN", "SHORT", "STRAY_FLAG", "STRAY_MASK", "STRAY_PAIR", "KernelCodec", "SymbolCodec"]

SHORT, OVERRUN, STRAY_MASK, STRAY_FLAG, STRAY_PAIR = range(5)
FAULTS = (
    "stream ends inside the field",
    "run passes the last symbol",
    "mask names a symbol past the last one",
    "last-word flag is wrong",
    "unused pair must be zero, not set",
)


class SymbolCodec(Codec[FormatT]):
    """A lossless codec of symbols that does many tiles in one call, each tile alone in its own words.

    A subclass gives the three batch functions; one stream is a batch of one tile.
    """

    @property
    @abstractmethod
    def word_bits(self) -> int:
        """Bits of a symbol."""

    @abstractmethod
    def tile_bits(self, values: Symbols, tiles: Tiles, zero_point: int) -> NDArray[np.int64]:
        """Exact coded bits of each tile, shape (n,)."""

    @abstractmethod
    def encode_tiles(self, values: Symbols, tiles: Tiles, zero_point: int, memory: TileMemory) -> None:
        """Write the chosen tiles into zeroed memory."""

    @abstractmethod
    def decode_tiles(self, memory: TileMemory, tiles: Tiles, zero_point: int, values: Symbols) -> NDArray[np.int64]:
        """Read the chosen tiles back into `values`; return the bits that each of them took.

        Raises
        ------
        CorruptStreamError
            If a tile's stream is too short, breaks a rule of the format or names symbols past the tile's end, with
            tile and bit.
        """

    def encode(self, values: ArrayLike, zero_point: int = 0) -> Encoded:
        """Code a sequence of symbols as one stream.

        Parameters
        ----------
        values : array_like of unsigned int, shape (n,)
            Symbols, each below ``2**word_bits``.
        zero_point : int
            The symbol that means zero.

        Raises
        ------
        TypeError, ValueError
            If a value or the zero point is not such a symbol.
        """
        symbols = check_symbols(values, self.word_bits)
        zero_point = check_zero_point(zero_point, self.word_bits)
        tiles = Tiles.whole(symbols.size)
        bits = int(self.tile_bits(symbols, tiles, zero_point)[0])
        words = np.zeros(words_for(bits), np.uint64)
        self.encode_tiles(symbols, tiles, zero_point, _one_tile(words))
        return Encoded(words, bits, symbols.size, zero_point)

    def decode(self, encoded: Encoded) -> Symbols:
        """Return the symbols of a stream.

        Raises
        ------
        CorruptStreamError
            If the stream is not one that an encoder writes for this count: too short, too long, a run past the
            end, padding that is not zero; with its bit position.
        """
        zero_point = check_zero_point(encoded.zero_point, self.word_bits)
        if encoded.words.size != words_for(encoded.bits):
            raise CorruptStreamError(
                f"stream of {encoded.bits} bits must be {words_for(encoded.bits)} words, not {encoded.words.size}"
            )
        if encoded.count < 0:
            raise ValueError(f"count must be 0 or more, not {encoded.count!r}")
        values: Symbols = np.zeros(encoded.count, symbol_dtype(self.word_bits))
        memory = _one_tile(encoded.words)
        bits = int(self.decode_tiles(memory, Tiles.whole(encoded.count), zero_point, values)[0])
        if bits != encoded.bits:
            raise CorruptStreamError(
                f"stream must end at bit {bits} after {encoded.count} symbols, not at bit {encoded.bits}"
            )
        check_padding(memory, np.array([bits], np.int64))
        return values

    def size_bits(self, values: ArrayLike, zero_point: int = 0) -> int:
        """The bits that `encode` would write, without writing them."""
        symbols = check_symbols(values, self.word_bits)
        zero_point = check_zero_point(zero_point, self.word_bits)
        return int(self.tile_bits(symbols, Tiles.whole(symbols.size), zero_point)[0])


class KernelCodec(SymbolCodec[FormatT]):
    """A codec whose batch functions are three compiled loops with one signature.

    ``_size(values, starts, zero_point, *parameters) -> bits``,
    ``_encode(values, starts, zero_point, words, spans, chosen, *parameters)`` and
    ``_decode(words, spans, chosen, values, starts, zero_point, *parameters) -> bits, tile, position, fault``,
    where `tile` is -1 or the first that is corrupt.
    """

    _size: ClassVar[Callable[..., Any]]
    _encode: ClassVar[Callable[..., Any]]
    _decode: ClassVar[Callable[..., Any]]

    @property
    @abstractmethod
    def _parameters(self) -> tuple[int, ...]:
        """The format as the kernels take it."""

    def tile_bits(self, values: Symbols, tiles: Tiles, zero_point: int) -> NDArray[np.int64]:
        check_tiles(values, tiles)
        bits: NDArray[np.int64] = self._size(values, tiles.starts, zero_point, *self._parameters)
        return bits

    def encode_tiles(self, values: Symbols, tiles: Tiles, zero_point: int, memory: TileMemory) -> None:
        check_batch(values, tiles, memory)
        target = (memory.words, memory.spans, memory.chosen)
        self._encode(values, tiles.starts, zero_point, *target, *self._parameters)

    def decode_tiles(self, memory: TileMemory, tiles: Tiles, zero_point: int, values: Symbols) -> NDArray[np.int64]:
        check_batch(values, tiles, memory)
        source = (memory.words, memory.spans, memory.chosen)
        bits: NDArray[np.int64]
        bits, tile, position, fault = self._decode(*source, values, tiles.starts, zero_point, *self._parameters)
        if tile >= 0:
            raise CorruptStreamError(f"tile {memory.first + tile}: {FAULTS[fault]} at bit {position}")
        return bits


def _one_tile(words: Words) -> TileMemory:
    return TileMemory(words, np.array([[0, words.size]], np.int64), np.zeros(1, np.int64))
