"""Break-even: from which fraction of zeros on a codec pays. Synthetic symbols, told apart from the real tensors.

Full tiles with independent zeros; the other symbols uniform over all other values (the worst case for runs of
symbols). Bus bytes are whole bursts and the index, over the raw bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from golden.codec import symbol_dtype
from golden.tile_index import index_bytes
from golden.tile_stream import tensor_sizes
from sim.config import RunConfig

__all__ = ["BreakEven", "break_even"]

_TILES = 32
_STEPS = 101


@dataclass(frozen=True)
class BreakEven:
    """Curves over the fraction of zeros.

    Attributes
    ----------
    zero_fractions : ndarray of float, shape (n,)
    ratios : mapping of codec to ndarray of float, shape (n,)
        Raw bytes over bus bytes.
    first_gain : mapping of codec to float or None
        Smallest fraction on the grid from which on the ratio stays above 1; None if it never does.
    """

    zero_fractions: NDArray[np.float64]
    ratios: Mapping[str, NDArray[np.float64]]
    first_gain: Mapping[str, float | None]


@lru_cache(maxsize=64)
def break_even(config: RunConfig) -> BreakEven:
    """Sweep the fraction of zeros for every codec but raw."""
    rng = np.random.default_rng(7)
    height, width, channels = config.tile
    shape = (channels * _TILES, height, width)
    nonzero = rng.integers(1, 1 << config.word_bits, shape).astype(symbol_dtype(config.word_bits))
    draw = rng.random(shape)
    fractions = np.linspace(0.0, 1.0, _STEPS)
    codecs = [codec for codec in config.codecs if codec != "raw"]
    ratios = {codec: np.empty(_STEPS) for codec in codecs}
    for step, fraction in enumerate(fractions.tolist()):
        symbols = np.where(draw < fraction, 0, nonzero).astype(nonzero.dtype)
        for codec in codecs:
            ratios[codec][step] = _ratio(symbols, config, codec)
    return BreakEven(fractions, ratios, {codec: _first_gain(fractions, ratios[codec]) for codec in codecs})


def _ratio(symbols: NDArray[np.unsignedinteger], config: RunConfig, codec: str) -> float:
    fmt = config.format_of(codec)
    bursts = tensor_sizes(symbols, fmt).bursts
    return symbols.size * fmt.word_bits / 8 / (int(bursts.sum()) * fmt.burst_bytes + index_bytes(bursts.size))


def _first_gain(fractions: NDArray[np.float64], ratios: NDArray[np.float64]) -> float | None:
    losing = np.flatnonzero(ratios <= 1.0)
    first = int(losing[-1]) + 1 if losing.size else 0
    return float(fractions[first]) if first < fractions.size else None
