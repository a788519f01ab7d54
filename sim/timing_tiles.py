"""Tiles as the models of the cores take them, and cycles as they give them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from golden.codec import Symbols

__all__ = ["CodedTiles", "Cycles", "Times"]

Cycles = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CodedTiles:
    """Tiles one behind the other, each in its mode.

    Attributes
    ----------
    values : ndarray of unsigned int
        Symbols, tile by tile.
    starts : ndarray of int64, shape (n + 1,)
        Tile ``t`` is symbols ``starts[t]`` to ``starts[t + 1]``, at least one.
    shapes : ndarray of int64, shape (n, 3)
        Height, width and channels of each tile; only prc asks for them.
    modes : ndarray of uint8, shape (n,)
        Mode of each tile.
    zero_point : int
    """

    values: Symbols
    starts: Cycles
    shapes: NDArray[np.int64]
    modes: NDArray[np.uint8]
    zero_point: int

    def beats(self, lanes: int) -> Cycles:
        """Beats of each tile, shape (n,)."""
        return -(-np.diff(self.starts) // lanes)

    def only(self, chosen: NDArray[np.bool_]) -> CodedTiles:
        """The tiles that are `chosen`, shape (n,)."""
        counts = np.diff(self.starts)
        starts = np.append(0, np.cumsum(counts[chosen]))
        return CodedTiles(
            self.values[np.repeat(chosen, counts)], starts, self.shapes[chosen], self.modes[chosen], self.zero_point
        )


@dataclass(frozen=True, eq=False)
class Times:
    """Cycles of a core's transfers.

    Attributes
    ----------
    beats : ndarray of int64, shape (beats,)
        Of each beat: into an encoder, out of a decoder.
    words : ndarray of int64, shape (words,)
        Of each payload word: out of an encoder, into a decoder.
    """

    beats: Cycles
    words: Cycles
