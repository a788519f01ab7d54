"""Sparse matrices as numbers: coordinates, compressed rows, compressed columns; with absolute or relative index.

Of an m x n matrix with a non-zeros (rows top to bottom):

===========  =======================================================  ==============
form         what is kept                                             numbers
===========  =======================================================  ==============
`Coo`        row, column and value of each non-zero                   3a
`Csr`        values and columns row by row; where each row starts     2a + m + 1
`Csc`        values and rows column by column; where a column starts  2a + n + 1
===========  =======================================================  ==============

(the source calls the number of lines n in both compressed forms).

*Relative index*: instead of its column (row), a non-zero carries the number of zeros between it and the one before in
its line, in B bits. A gap of 2^B zeros or more is bridged by fillers: index 2^B - 1 and value zero, 2^B zeros together.
Zeros at a line's end need nothing, since the next pointer ends the line. (`golden/weights/relative.py` puts the same
pairs into one stream, without pointers.)

The example of the source, pruned at 4::

    1 2 1 0 3      . . . . .
    3 2 1 6 2      . . . 6 .      COO  rows 1 2 3 3 4  columns 3 0 1 4 4  values 6 5 4 6 7
    5 0 2 1 1  ->  5 . . . .      CSR  starts 0 0 1 2 4 5  columns 3 0 1 4 4
    0 4 1 2 6      . 4 . . 6      CSC  starts 0 1 2 2 3 5  rows 2 3 1 3 4  values 5 4 6 6 7
    0 1 3 2 7      . . . . 7      CSR, relative: gaps 3 0 1 2 4

Sources: lecture on Deep Compression (Lim), sparse structures; Han et al., arXiv 1510.00149, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Compressed", "Coo", "RelativeLines", "compress_columns", "compress_rows", "coordinates"]


@dataclass(frozen=True)
class Coo:
    """Row, column and value of each non-zero, row by row."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[Any]
    shape: tuple[int, int]

    @property
    def numbers(self) -> int:
        """Stored numbers: 3a."""
        return self.rows.size + self.columns.size + self.values.size

    def to_dense(self) -> NDArray[Any]:
        """The matrix."""
        dense = np.zeros(self.shape, self.values.dtype)
        dense[self.rows, self.columns] = self.values
        return dense


@dataclass(frozen=True)
class Compressed:
    """Compressed rows (``major`` 0: CSR) or columns (1: CSC).

    Attributes
    ----------
    starts : ndarray of int64, shape (lines + 1,)
        Line l holds entries ``starts[l]`` to ``starts[l + 1]``.
    index : ndarray of int64, shape (a,)
        Place in the line.
    values : ndarray, shape (a,)
    """

    starts: NDArray[np.int64]
    index: NDArray[np.int64]
    values: NDArray[Any]
    shape: tuple[int, int]
    major: int

    @property
    def numbers(self) -> int:
        """Stored numbers: 2a + lines + 1."""
        return self.values.size + self.index.size + self.starts.size

    @property
    def lines(self) -> NDArray[np.int64]:
        """The line of each entry, shape (a,)."""
        return np.repeat(np.arange(self.starts.size - 1), np.diff(self.starts))

    def to_dense(self) -> NDArray[Any]:
        """The matrix."""
        dense = np.zeros(self.shape, self.values.dtype)
        (dense if self.major == 0 else dense.T)[self.lines, self.index] = self.values
        return dense

    def to_relative(self, index_bits: int) -> RelativeLines:
        """The same entries with gaps in place of positions, fillers where a gap is too long.

        Raises
        ------
        ValueError
            If `index_bits` is not in 2..8.
        """
        if not 2 <= index_bits <= 8:
            raise ValueError(f"index_bits must be in 2..8, not {index_bits!r}")
        before = np.append(-1, self.index[:-1]) if self.index.size else self.index
        before[np.append(-1, self.lines[:-1])[: before.size] != self.lines] = -1
        gaps = self.index - before - 1
        fillers = gaps >> index_bits
        stored = np.cumsum(fillers + 1) - 1
        size = int(stored[-1]) + 1 if stored.size else 0
        all_gaps = np.full(size, (1 << index_bits) - 1, np.uint8)
        all_values = np.zeros(size, self.values.dtype)
        all_gaps[stored] = gaps & ((1 << index_bits) - 1)
        all_values[stored] = self.values
        starts = np.append(0, stored + 1)[self.starts]
        return RelativeLines(starts, all_gaps, all_values, self.shape, self.major, index_bits)


@dataclass(frozen=True)
class RelativeLines:
    """Compressed rows or columns with relative index; fillers are entries of value zero.

    Attributes
    ----------
    starts : ndarray of int64, shape (lines + 1,)
    gaps : ndarray of uint8, shape (b,)
        Zeros in front of the entry, below ``2**index_bits``.
    values : ndarray, shape (b,)
    """

    starts: NDArray[np.int64]
    gaps: NDArray[np.uint8]
    values: NDArray[Any]
    shape: tuple[int, int]
    major: int
    index_bits: int

    @property
    def fillers(self) -> int:
        """Entries that stand for zeros."""
        return int(np.count_nonzero(self.values == 0))

    def to_absolute(self) -> Compressed:
        """The entries with their positions, fillers left out.

        Raises
        ------
        ValueError
            If a gap leads past the end of its line.
        """
        lines = np.repeat(np.arange(self.starts.size - 1), np.diff(self.starts))
        walked = np.append(0, np.cumsum(self.gaps.astype(np.int64) + 1))
        index = walked[1:] - 1 - walked[self.starts[lines]]
        length = self.shape[1 - self.major]
        if (index >= length).any():
            wrong = int(np.flatnonzero(index >= length)[0])
            raise ValueError(f"index must be below {length}, not {int(index[wrong])} (entry {wrong})")
        kept = self.values != 0
        starts = np.append(0, np.cumsum(kept))[self.starts]
        return Compressed(starts, index[kept], self.values[kept], self.shape, self.major)


def coordinates(matrix: ArrayLike) -> Coo:
    """COO form of a matrix; a tensor of more dimensions is seen as (first, all others)."""
    dense = _matrix(matrix)
    rows, columns = np.nonzero(dense)
    return Coo(rows, columns, dense[rows, columns], dense.shape)


def compress_rows(matrix: ArrayLike) -> Compressed:
    """CSR form of a matrix; a tensor of more dimensions is seen as (first, all others)."""
    return _compress(_matrix(matrix), 0)


def compress_columns(matrix: ArrayLike) -> Compressed:
    """CSC form of a matrix; a tensor of more dimensions is seen as (first, all others)."""
    return _compress(_matrix(matrix), 1)


def _compress(dense: NDArray[Any], major: int) -> Compressed:
    by_line = dense if major == 0 else dense.T
    lines, index = np.nonzero(by_line)
    starts = np.append(0, np.cumsum(np.bincount(lines, minlength=by_line.shape[0])))
    return Compressed(starts, index, by_line[lines, index], (dense.shape[0], dense.shape[1]), major)


def _matrix(values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim < 2:
        raise ValueError(f"matrix must have two dimensions or more, not shape {array.shape}")
    return array.reshape(array.shape[0], int(np.prod(array.shape[1:])))
