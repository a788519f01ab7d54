"""Where tiles lie: in a sequence of symbols and, coded, in memory; and what no batch of them may do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.codec import CorruptStreamError, Symbols, Words

__all__ = ["TileMemory", "Tiles", "check_batch", "check_padding", "check_tiles"]


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


def check_tiles(values: Symbols, tiles: Tiles) -> None:
    """Refuse tiles that reach past their symbols: compiled loops check no bounds."""
    if tiles.starts[-1] > values.size:
        raise ValueError(f"values must be {int(tiles.starts[-1])} symbols or more, not {values.size}")


def check_batch(values: Symbols, tiles: Tiles, memory: TileMemory) -> None:
    """Refuse a batch whose chosen tiles reach outside their symbols or words.

    An encoder's spans must also hold each tile's bits (`tile_bits` of its codec), which is not checked here.

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
