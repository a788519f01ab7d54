"""What a memory is asked for: streams of consecutive bytes, in order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Streams"]


@dataclass(frozen=True, eq=False)
class Streams:
    """Runs of consecutive bytes, read or written one after the other. A single request is a stream of its bytes.

    Attributes
    ----------
    start : ndarray of int64, shape (n,)
        First byte's address.
    size_bytes : ndarray of int64, shape (n,)
        At least 1. A scalar stands for all.
    write : ndarray of bool, shape (n,)
        Whether written. A scalar stands for all.
    arrival_ns : ndarray of float64, shape (n,)
        Earliest time at which the stream is asked for, not falling. 0: as soon as those before it are accepted.

    Raises
    ------
    TypeError
        If addresses or sizes are not integers or `write` is not bool.
    ValueError
        If shapes differ, an address is negative, a size is below 1, or arrivals are negative, fall or are not finite.
    """

    start: NDArray[np.int64]
    size_bytes: NDArray[np.int64]
    write: NDArray[np.bool_]
    arrival_ns: NDArray[np.float64]

    def __init__(
        self, start: ArrayLike, size_bytes: ArrayLike, write: ArrayLike = False, arrival_ns: ArrayLike = 0.0
    ) -> None:
        first = _integers("start", start)
        if first.ndim != 1:
            raise ValueError(f"start must have one axis, not {first.ndim}")
        put = object.__setattr__
        put(self, "start", first)
        put(self, "size_bytes", _like("size_bytes", _integers("size_bytes", size_bytes), first))
        flags = np.asarray(write)
        if flags.dtype != np.bool_:
            raise TypeError(f"write must be bool, not {flags.dtype}")
        put(self, "write", _like("write", flags, first))
        put(self, "arrival_ns", _like("arrival_ns", np.asarray(arrival_ns, np.float64), first))
        self._check()

    def _check(self) -> None:
        if self.start.size == 0:
            return
        if self.start.min() < 0:
            raise ValueError(f"start must be at least 0, not {self.start.min()}")
        if self.size_bytes.min() < 1:
            raise ValueError(f"size_bytes must be at least 1, not {self.size_bytes.min()}")
        if not np.isfinite(self.arrival_ns).all() or self.arrival_ns[0] < 0:
            raise ValueError("arrival_ns must be finite and at least 0")
        if (np.diff(self.arrival_ns) < 0).any():
            raise ValueError(f"arrival_ns must not fall, but does after stream {np.argmin(np.diff(self.arrival_ns))}")

    @property
    def end(self) -> NDArray[np.int64]:
        """Address after each stream's last byte."""
        return self.start + self.size_bytes

    @property
    def read_bytes(self) -> int:
        """Bytes asked for in reads."""
        return int(self.size_bytes[~self.write].sum())

    @property
    def write_bytes(self) -> int:
        """Bytes asked for in writes."""
        return int(self.size_bytes[self.write].sum())

    def __len__(self) -> int:
        return int(self.start.size)


def _integers(name: str, values: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.size == 0:
        return np.zeros(array.shape, np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, not {array.dtype}")
    if array.max() > 1 << 48:
        raise ValueError(f"{name} must be at most 2**48, not {array.max()}")
    return array.astype(np.int64)


def _like(name: str, values: NDArray[np.generic], start: NDArray[np.int64]) -> NDArray[np.generic]:
    if values.ndim and values.shape != start.shape:
        raise ValueError(f"{name} must have the shape of start, {start.shape}, not {values.shape}")
    return np.broadcast_to(values, start.shape)
