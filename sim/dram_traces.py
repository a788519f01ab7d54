"""Traces of single bursts that memories are compared on.

`sequential`, `random` and `mixed` are the traces of the reference figures in `sim.validate_dram`; the random one is
CPython's generator with seed 1, so that its addresses are the same everywhere.
"""

from __future__ import annotations

import random as stdlib_random

import numpy as np

from sim.dram_streams import Streams

__all__ = ["TRACES", "mixed", "random", "sequential", "trace"]

_SPAN_BYTES = 1 << 30
_SEED = 1


def sequential(count: int, size_bytes: int = 32, write: bool = False) -> Streams:
    """Consecutive requests of `size_bytes` from address 0 on."""
    return Streams(np.arange(count, dtype=np.int64) * size_bytes, size_bytes, write)


def random(count: int, size_bytes: int = 32, write: bool = False) -> Streams:
    """Requests of `size_bytes`, aligned to their size, anywhere in 1 GiB."""
    generator = stdlib_random.Random(_SEED)
    places = np.fromiter((generator.randrange(0, _SPAN_BYTES) for _ in range(count)), np.int64, count)
    return Streams(places // size_bytes * size_bytes, size_bytes, write)


def mixed(count: int, size_bytes: int = 32, piece_bytes: int = 512) -> Streams:
    """Two streams read and one written, 128 MiB apart, in turn piece by piece."""
    piece, offset = np.divmod(np.arange(count, dtype=np.int64), piece_bytes // size_bytes)
    turn, stream = np.divmod(piece, 3)
    return Streams((stream << 27) + turn * piece_bytes + offset * size_bytes, size_bytes, stream == 2)


TRACES = {"seqr": sequential, "rand32": random, "mix": mixed}


def trace(name: str, count: int = 65536) -> Streams:
    """One of `TRACES`, in bursts of 32 bytes."""
    if name not in TRACES:
        raise ValueError(f"name must be one of {tuple(TRACES)}, not {name!r}")
    return TRACES[name](count)
