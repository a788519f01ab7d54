"""What every codec is: an object made from a frozen format, with `encode`, `decode`, `size_bits` and a plain config."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from golden.bits import words_for
from golden.configured import Configured, FormatT

__all__ = [
    "FAULTS",
    "OVERRUN",
    "SHORT",
    "STRAY_FLAG",
    "STRAY_MASK",
    "STRAY_PAIR",
    "SYMBOL_BITS",
    "Codec",
    "CorruptStreamError",
    "Encoded",
    "KernelCodec",
    "SymbolCodec",
    "Symbols",
    "TileMemory",
    "Tiles",
    "Words",
    "check_batch",
    "check_integer",
    "check_padding",
    "check_run_bits",
    "check_symbols",
    "check_tiles",
    "check_word_bits",
    "check_zero_point",
    "symbol_dtype",
]

SYMBOL_BITS = (4, 8, 16)

Words = NDArray[np.uint64]
Symbols = NDArray[np.uint8] | NDArray[np.uint16]


class CorruptStreamError(ValueError):
    """A stream that its decoder refuses; the message names the position."""


@dataclass(frozen=True)
class Encoded:
    """A coded stream and what its decoder is told out of band.

    Attributes
    ----------
    words : ndarray of uint64
        The stream, first bit least significant; bits past `bits` are zero.
    bits : int
        Exact length.
    count : int
        Number of values.
    zero_point : int
        The symbol that means zero.
    """

    words: Words
    bits: int
    count: int
    zero_point: int = 0


@dataclass(frozen=True)
class Tiles:
    """Where the tiles of a sequence of symbols lie.

    Attributes
    ----------
    starts : ndarray of int64, shape (n + 1,)
        Tile ``t`` is symbols ``starts[t]`` to ``starts[t + 1]``.
    shapes : ndarray of int64, shape (n, 3)
        Height, width and channels of each tile; their product is its symbol count.
    """

    starts: NDArray[np.int64]
    shapes: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.starts[0] != 0 or (np.diff(self.starts) < 0).any():
            raise ValueError(f"tile starts must ascend from 0, not {self.starts!r}")

    @classmethod
    def whole(cls, count: int) -> Tiles:
        """One tile of `count` symbols with no known shape."""
        return cls(np.array([0, count], np.int64), np.array([[count, 1, 1]], np.int64))

    @property
    def count(self) -> int:
        """Number of tiles."""
        return self.starts.size - 1

    @property
    def symbols(self) -> NDArray[np.int64]:
        """Symbols per tile, shape (n,)."""
        return np.diff(self.starts)


@dataclass(frozen=True)
class TileMemory:
    """Coded tiles in memory, and which of them a codec is to work on.

    Attributes
    ----------
    words : ndarray of uint64
    spans : ndarray of int64, shape (n, 2)
        Tile ``t`` may use words ``spans[t, 0]`` to ``spans[t, 1]``.
    chosen : ndarray of int64
        The tiles to work on, by number.
    first : int
        What tile 0 is called in messages, where these tiles are part of a longer stream.
    """

    words: Words
    spans: NDArray[np.int64]
    chosen: NDArray[np.int64]
    first: int = 0


def symbol_dtype(word_bits: int) -> np.dtype[Any]:
    """The dtype that holds symbols of `word_bits` bits."""
    return np.dtype(np.uint8 if word_bits <= 8 else np.uint16)


def check_integer(name: str, value: int) -> None:
    """Refuse a parameter of a format that is not a plain int: 8.0 and True compare like 8 and 1, but are none.

    Raises
    ------
    TypeError
        Naming the parameter.
    """
    if type(value) is not int:
        raise TypeError(f"{name} must be an int, not {value!r}")


def check_word_bits(word_bits: int) -> None:
    """Refuse symbol widths that no format has."""
    check_integer("word_bits", word_bits)
    if word_bits not in SYMBOL_BITS:
        raise ValueError(f"word_bits must be 4, 8 or 16, not {word_bits!r}")


def check_run_bits(run_bits: int) -> None:
    """Refuse run widths that no format has."""
    check_integer("run_bits", run_bits)
    if not 1 <= run_bits <= 8:
        raise ValueError(f"run_bits must be in 1..8, not {run_bits!r}")


def check_zero_point(zero_point: int, word_bits: int) -> int:
    """Return the zero point as a plain int.

    Raises
    ------
    TypeError
        If it is not an integer.
    ValueError
        If it does not fit `word_bits`.
    """
    if isinstance(zero_point, bool) or not isinstance(zero_point, int | np.integer):
        raise TypeError(f"zero_point must be an int, not {zero_point!r}")
    if not 0 <= zero_point < 1 << word_bits:
        raise ValueError(f"zero_point must fit {word_bits} bits, not {int(zero_point)}")
    return int(zero_point)


def check_symbols(values: ArrayLike, word_bits: int) -> Symbols:
    """Return `values` as a contiguous array of symbols.

    Raises
    ------
    TypeError
        If `values` are not integers.
    ValueError
        If `values` are not one-dimensional, or one is negative or does not fit `word_bits`.
    """
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"values must have 1 dimension, not {array.ndim}")
    if array.size == 0:
        return np.zeros(0, symbol_dtype(word_bits))
    if array.dtype.kind not in "ui":
        raise TypeError(f"values must be integers, not {array.dtype}")
    if array.dtype != symbol_dtype(word_bits) or word_bits not in (8, 16):
        low, high = int(array.min()), int(array.max())
        if low < 0 or high >> word_bits:
            wrong = int(np.flatnonzero((array < 0) | (array > (1 << word_bits) - 1))[0])
            raise ValueError(f"value must fit {word_bits} bits, not {int(array[wrong])} (value {wrong})")
    return np.ascontiguousarray(array, symbol_dtype(word_bits))


class Codec(Configured[FormatT], ABC):
    """A codec: a frozen format and the functions that follow from it.

    `encode` and `decode` are mirror images, ``size_bits(values) == encode(values).bits`` without building the stream,
    and ``from_config(config())`` is an equal codec.
    """

    lossless: ClassVar[bool] = True

    @abstractmethod
    def encode(self, values: ArrayLike, zero_point: int = 0) -> Encoded:
        """Code `values`."""

    @abstractmethod
    def decode(self, encoded: Encoded) -> NDArray[Any]:
        """Return the values of a stream; refuse a corrupt one."""

    @abstractmethod
    def size_bits(self, values: ArrayLike, zero_point: int = 0) -> int:
        """The bits that `encode` would write."""


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


SHORT, OVERRUN, STRAY_MASK, STRAY_FLAG, STRAY_PAIR = range(5)
FAULTS = (
    "stream ends inside the field",
    "run passes the last symbol",
    "mask names a symbol past the last one",
    "last-word flag is wrong",
    "unused pair must be zero, not set",
)


def _one_tile(words: Words) -> TileMemory:
    return TileMemory(words, np.array([[0, words.size]], np.int64), np.zeros(1, np.int64))


def check_tiles(values: Symbols, tiles: Tiles) -> None:
    """Refuse tiles that reach past their symbols: compiled loops check no bounds."""
    if tiles.starts[-1] > values.size:
        raise ValueError(f"values must be {int(tiles.starts[-1])} symbols or more, not {values.size}")


def check_batch(values: Symbols, tiles: Tiles, memory: TileMemory) -> None:
    """Refuse a batch whose chosen tiles reach outside their symbols or words.

    An encoder's spans must also hold each tile's `SymbolCodec.tile_bits`, which is not checked here.

    Raises
    ------
    TypeError
        If the words are not uint64.
    ValueError
        If the tiles reach past the symbols, or a chosen tile or its span lies outside, naming the tile.
    """
    check_tiles(values, tiles)
    if memory.words.dtype != np.uint64:
        raise TypeError(f"words must be uint64, not {memory.words.dtype}")
    if memory.spans.shape != (tiles.count, 2):
        raise ValueError(f"spans must have shape ({tiles.count}, 2), not {memory.spans.shape}")
    k = _first_outside(memory.words.size, memory.spans, memory.chosen)
    if k >= 0:
        tile = memory.first + int(memory.chosen[k])
        raise ValueError(f"tile {tile} must be one of {tiles.count}, in a span of {memory.words.size} words")


@njit(cache=True, nogil=True)
def _first_outside(size, spans, chosen):  # type: ignore[no-untyped-def]
    for k in range(chosen.size):
        t = chosen[k]
        if not (0 <= t < spans.shape[0] and 0 <= spans[t, 0] <= spans[t, 1] <= size):
            return k
    return -1


def check_padding(memory: TileMemory, bits: NDArray[np.int64]) -> None:
    """Refuse a tile with a bit set past its exact length.

    Parameters
    ----------
    memory : TileMemory
        Every tile is checked, whatever is chosen.
    bits : ndarray of int64, shape (n,)
        Exact bits of each tile.

    Raises
    ------
    CorruptStreamError
        Naming the tile and the bit.
    """
    tile, position = _first_padding(memory.words, memory.spans, bits)
    if tile >= 0:
        raise CorruptStreamError(f"tile {memory.first + tile}: padding must be zero, not set at bit {position}")


@njit(cache=True, nogil=True)
def _first_padding(words, spans, bits):  # type: ignore[no-untyped-def]
    for t in range(bits.size):
        word = spans[t, 0] + (bits[t] >> 6)
        skip = np.uint64(bits[t] & 63)
        while word < spans[t, 1]:
            left = words[word] >> skip
            if left != 0:
                position = ((word - spans[t, 0]) << 6) + np.int64(skip)
                while left & np.uint64(1) == 0:
                    left >>= np.uint64(1)
                    position += 1
                return t, position
            skip = np.uint64(0)
            word += 1
    return -1, 0
