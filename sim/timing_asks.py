"""What the lanes of prc ask for, step by step: all of a tile's symbols that decides when its words leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.activations.prc import PrcFormat
from golden.activations.prc_kernels import LANES, code_lengths
from sim.timing_tiles import CodedTiles

__all__ = ["Asks", "asks_of"]

_Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Asks:
    """Of some tiles one behind the other.

    Attributes
    ----------
    asks : ndarray of uint8
        Of each step but a tile's first the lanes that ask for a unit, a bit each.
    starts : ndarray of int64, shape (n + 1,)
        Tile ``t`` is ``asks[starts[t] : starts[t + 1]]``.
    units : ndarray of int64, shape (n, 4)
        Units that each lane fills.
    sent : ndarray of int64, shape (n,)
        Units of each stream.
    """

    asks: NDArray[np.uint8]
    starts: _Ints
    units: _Ints
    sent: _Ints


def asks_of(tiles: CodedTiles, fmt: PrcFormat) -> Asks:
    """What encoder and decoder ask for in tiles as prc codes them, whatever their modes are."""
    starts, shapes = tiles.starts, tiles.shapes
    lengths = code_lengths(tiles.values, starts, shapes, tiles.zero_point, fmt.word_bits)
    steps = shapes[:, 0] * shapes[:, 1] * -(-shapes[:, 2] // LANES)
    ask_starts = np.append(0, np.cumsum(steps - 1))
    asks = np.zeros(int(ask_starts[-1]), np.uint8)
    units, sent = _walk(lengths, starts, shapes, fmt.unit_bits, asks, ask_starts)
    return Asks(asks, ask_starts, units, sent)


@njit(cache=True, nogil=True)
def _walk(lengths, starts, shapes, unit_bits, asks, ask_starts):  # type: ignore[no-untyped-def]
    """Fill `asks`; return the units of each lane and of each stream."""
    units, sent = np.zeros((len(shapes), LANES), np.int64), np.zeros(len(shapes), np.int64)
    # Of each lane: its bits so far, those that are asked for, and the numbers of its latest units.
    bits, asked, numbers = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64), np.zeros((LANES, 3), np.int64)
    for t in range(len(shapes)):
        places, channels = shapes[t, 0] * shapes[t, 1], shapes[t, 2]
        bits[:] = 0
        asked[:] = 0
        number, step = 0, ask_starts[t] - 1
        for group in range(0, channels, LANES):
            for place in range(places):
                for lane in range(min(LANES, channels - group)):
                    first = asked[lane] == 0
                    while asked[lane] - bits[lane] < 2 * unit_bits:
                        if not first:
                            asks[step] |= 1 << lane
                        asked[lane] += unit_bits
                        numbers[lane, 2], numbers[lane, 1] = numbers[lane, 1], numbers[lane, 0]
                        numbers[lane, 0] = number
                        number += 1
                    bits[lane] += lengths[starts[t] + (group + lane) * places + place]
                step += 1
        for lane in range(LANES):
            units[t, lane] = -(-bits[lane] // unit_bits)
            if bits[lane]:
                behind = asked[lane] // unit_bits - units[t, lane]
                sent[t] = max(sent[t], numbers[lane, behind] + 1)
    return units, sent
