"""What every weight codec is, and what it makes of one tensor.

A coded tensor has three parts, each an LSB-first bit stream of its own (golden/bits.py)::

    tables    what a decoder loads before the first weight: code lengths, codebook, exponents; the codec's own layout
    entries   where weight k * entry_weights starts in the payload, 32 bits each, k = 1, 2, ...
    payload   the coded weights, in C order of the tensor

Shape, dtype and the codec's configuration come out of band (in a file, from its directory). A codec whose payload
can only be read from its start has no entries. Blocks between entries share nothing but the tables, so that several
decoders can work at once, or one can start in the middle.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.bits import words_for
from golden.codec import CorruptStreamError, Words
from golden.configured import Configured, FormatT

__all__ = [
    "ENTRY_BITS",
    "EncodedWeights",
    "WeightCodec",
    "block_starts",
    "check_blocks",
    "check_entry_weights",
    "check_integers",
    "check_stream",
]

ENTRY_BITS = 32
"""Bits of a stored entry point: a payload position below 2**32."""


def _no_entries() -> NDArray[np.int64]:
    return np.zeros(1, np.int64)


@dataclass(frozen=True)
class EncodedWeights:
    """One coded tensor.

    Attributes
    ----------
    words : ndarray of uint64
        Payload, first bit least significant; bits past `bits` are zero.
    bits : int
        Exact length of the payload.
    shape : tuple of int
        Shape of the tensor.
    dtype : str
        Dtype that `decode` returns, as numpy names it (``int8``, ``float32``).
    tables : ndarray of uint64
        What the decoder loads first, in the codec's layout; bits past `table_bits` are zero.
    table_bits : int
        Exact length of the tables.
    entries : ndarray of int64, shape (k,)
        Payload bit at which weight ``j * entry_weights`` starts; the first is 0 and is not stored.
    entry_weights : int
        Weights between entry points; 0 where the payload has none but its start.
    parts : mapping of str to int
        Where the bits of payload and tables go, for a breakdown (``weights``, ``index``, ``codebook``, ``tables``);
        empty where all is weights. Told by the encoder; nothing a decoder needs.
    """

    words: Words
    bits: int
    shape: tuple[int, ...]
    dtype: str
    tables: Words = field(default_factory=lambda: np.zeros(0, np.uint64))
    table_bits: int = 0
    entries: NDArray[np.int64] = field(default_factory=_no_entries)
    entry_weights: int = 0
    parts: Mapping[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of weights."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def payload_bounds(self) -> NDArray[np.int64]:
        """Payload bit at which each block starts, and the end: shape (blocks + 1,)."""
        return np.append(self.entries, self.bits)

    @property
    def weight_bounds(self) -> NDArray[np.int64]:
        """Weight with which each block starts, and the count: shape (blocks + 1,)."""
        return np.append(np.arange(self.entries.size, dtype=np.int64) * self.entry_weights, self.count)

    @property
    def entry_bits(self) -> int:
        """Bits of the stored entry points."""
        return ENTRY_BITS * (self.entries.size - 1)

    @property
    def size_bits(self) -> int:
        """Everything that is stored: payload, tables and entry points."""
        return self.bits + self.table_bits + self.entry_bits

    @property
    def breakdown(self) -> dict[str, int]:
        """Bits by part, entry points among them; they add up to `size_bits`."""
        parts = dict(self.parts) or {"weights": self.bits, "tables": self.table_bits}
        return {**parts, "entries": self.entry_bits}


class WeightCodec(Configured[FormatT], ABC):
    """A codec of weight tensors: integers of any shape where `takes` is ``"iu"``, floats where it is ``"f"``.

    Laws: a lossless codec returns the array it was given, dtype and shape too; a lossy one returns the same array when
    its own result is coded again; ``size_bits(x) == encode(x).size_bits``; an empty tensor works;
    ``from_config(config())`` is an equal codec; neither direction changes its argument.
    """

    lossless: ClassVar[bool] = True
    takes: ClassVar[str] = "iu"
    """Kinds of dtype (``numpy.dtype.kind``) that `encode` accepts."""

    @abstractmethod
    def encode(self, values: ArrayLike) -> EncodedWeights:
        """Code a tensor.

        Parameters
        ----------
        values : array_like of a kind in `takes`, any shape

        Raises
        ------
        TypeError
            If the dtype is of another kind.
        ValueError
            If a value is outside what the format holds, or not finite.
        """

    @abstractmethod
    def decode(self, encoded: EncodedWeights) -> NDArray[Any]:
        """Return the tensor, with the shape and dtype that `encoded` tells.

        Raises
        ------
        CorruptStreamError
            If tables or payload are not what an encoder writes, with the bit position.
        """

    def decode_blocks(self, encoded: EncodedWeights, first: int, last: int) -> NDArray[Any]:
        """Weights from entry point `first` to entry point `last`, flat; codecs with entries read no more than these.

        Raises
        ------
        ValueError
            If there are no such blocks.
        CorruptStreamError
            As `decode`.
        """
        check_blocks(encoded, first, last)
        bounds = encoded.weight_bounds
        return self.decode(encoded).reshape(-1)[bounds[first] : bounds[last]]

    def size_bits(self, values: ArrayLike) -> int:
        """``encode(values).size_bits``; codecs that can tell it without a stream do."""
        return self.encode(values).size_bits


def check_integers(values: ArrayLike, low: int, high: int) -> NDArray[Any]:
    """Return integer weights as a contiguous array of their own dtype; refuse others.

    Raises
    ------
    TypeError
        If they are not integers.
    ValueError
        If one lies outside ``low..high``, naming its place in C order.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise TypeError(f"weights must be integers, not {array.dtype.name}")
    if array.size and (int(array.min()) < low or int(array.max()) > high):
        wrong = int(np.flatnonzero((array.ravel() < low) | (array.ravel() > high))[0])
        raise ValueError(f"weight must be in {low}..{high}, not {int(array.ravel()[wrong])} (weight {wrong})")
    return array


def check_entry_weights(entry_weights: int) -> None:
    """Refuse distances between entry points that no format has: 0 (no entries) or 64 and more."""
    if entry_weights != 0 and not 64 <= entry_weights < 1 << 32:
        raise ValueError(f"entry_weights must be 0 or 64 and more, not {entry_weights!r}")


def block_starts(count: int, entry_weights: int) -> NDArray[np.int64]:
    """Weight with which each block starts, and the count: shape (blocks + 1,); an empty tensor has one block."""
    starts = np.arange(0, max(count, 1), entry_weights or max(count, 1), dtype=np.int64)
    return np.append(starts, count)


def check_blocks(encoded: EncodedWeights, first: int, last: int) -> None:
    """Refuse blocks that a tensor does not have."""
    if not 0 <= first <= last <= encoded.entries.size:
        raise ValueError(f"blocks must be in 0..{encoded.entries.size}, not {first!r}..{last!r}")


def check_stream(encoded: EncodedWeights) -> None:
    """Refuse a coded tensor whose arrays do not match their lengths, with a bit set past an end or entries astray.

    Raises
    ------
    CorruptStreamError
        Naming the part and the bit.
    """
    for name, words, bits in (
        ("payload", encoded.words, encoded.bits),
        ("tables", encoded.tables, encoded.table_bits),
    ):
        if words.size != words_for(bits):
            raise CorruptStreamError(f"{name} of {bits} bits must be {words_for(bits)} words, not {words.size}")
        if bits & 63 and int(words[-1]) >> (bits & 63):
            stray = int(words[-1]) >> (bits & 63)
            position = bits + (stray & -stray).bit_length() - 1
            raise CorruptStreamError(f"{name}: padding must be zero, not set at bit {position}")
    starts = block_starts(encoded.count, encoded.entry_weights)
    if encoded.entries.size != starts.size - 1:
        raise CorruptStreamError(f"entry points must be {starts.size - 1}, not {encoded.entries.size}")
    if encoded.entries[0] != 0 or (np.diff(encoded.payload_bounds) < 0).any():
        raise CorruptStreamError(f"entry points must ascend from 0 to {encoded.bits}")
