"""What every codec is: an object made from a frozen format, with `encode`, `decode`, `size_bits` and a plain config."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.configured import Configured, FormatT

__all__ = [
    "SYMBOL_BITS",
    "Codec",
    "CorruptStreamError",
    "Encoded",
    "Symbols",
    "Words",
    "check_integer",
    "check_run_bits",
    "check_symbols",
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
