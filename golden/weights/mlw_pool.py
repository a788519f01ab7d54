"""The encoder's units and the alphabets that its search may use.

A block of weights is cut into units of about eight. Alphabets are fitted to the block's histogram, to that of each of
its pages where this pays, and later to those of the slices that a first search has found. For a block of few bits,
to windows of every size too.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.weights.mlw_alphabet import (
    ALL_SIZES,
    FEW_SIZES,
    MODES,
    NEVER,
    NO_SIZES,
    ROW,
    TALLY,
    WITH_RUNS,
    alphabet_bits,
    fit_alphabet,
    fit_common,
    index_some,
    mode_bits,
    tally,
)
from golden.weights.mlw_format import HEADER_BITS, V_LIMIT

__all__ = [
    "ALPHABET",
    "FIRST",
    "LAST",
    "MODE",
    "NEW",
    "RUN_COUNT",
    "ZSHIFT",
    "ZSHIFTS",
    "count_runs",
    "cut_units",
    "first_pool",
    "is_symbol",
    "refined_pool",
    "window_pool",
]

Array = NDArray[Any]

FIRST, LAST, ALPHABET, MODE, ZSHIFT, NEW = range(6)
"""Columns of a planned slice: first weight, one past the last, alphabet, mode, ZDIV, whether NEWPAL is set."""

ZSHIFTS = 4
"""ZDIV 0..3."""
RUN_COUNT = ZSHIFTS
"""Column of the number of runs, after those of their unary bits."""

_UNIT_WEIGHTS = 8
_UNIT_SPAN = 32
_PAGES = 16
_SMALL_BLOCK = 8192
_PAGE_WEIGHTS = 256
_WINDOWS = 32
_WINDOW_WEIGHTS = 16
_WIDTHS = 5
_RARE_BITS = 90
_REFINED_SLICES = 16


@njit(cache=True, nogil=True)
def cut_units(v):  # type: ignore[no-untyped-def]
    """First weight of each unit, and the end. All but the first start with a weight that is not zero, all hold one."""
    starts = np.empty(v.size // _UNIT_WEIGHTS + 2, np.int64)
    starts[0] = 0
    count, nonzero = 1, 0
    for place in range(v.size):
        if v[place] != 0:
            if nonzero == _UNIT_WEIGHTS or (nonzero and place - starts[count - 1] >= _UNIT_SPAN):
                starts[count] = place
                count, nonzero = count + 1, 0
            nonzero += 1
    starts[count] = v.size
    return starts[: count + 1].copy()


@njit(cache=True, nogil=True)
def count_runs(v, starts):  # type: ignore[no-untyped-def]
    """Unary bits of the zero runs of each unit, by ZDIV, and their number; last, those of the run in front of all."""
    runs = np.zeros((starts.size, ZSHIFTS + 1), np.int64)
    place = 0
    while place < v.size - 1 and v[place] == 0:
        place += 1
    for shift in range(ZSHIFTS):
        runs[-1, shift] = (place >> shift) + 1
    unit = 0
    while place < v.size:
        while starts[unit + 1] <= place:
            unit += 1
        begin = place + 1
        place = begin
        while place < v.size and v[place] == 0:
            place += 1
        for shift in range(ZSHIFTS):
            runs[unit, shift] += (place - begin >> shift) + 1
        runs[unit, RUN_COUNT] += 1
    return runs


@njit(cache=True, nogil=True)
def is_symbol(v, place, with_runs, empty):  # type: ignore[no-untyped-def]
    """Whether the weight at `place` is coded as an index; `empty` tells a block of zeros, whose last one is."""
    return not with_runs or v[place] != 0 or (empty and place == v.size - 1)


def first_pool(v: Array, starts: Array, runs: Array) -> Array:
    """Alphabets of the whole block, which code all of it, and those of pages that gain by their own."""
    rows = np.zeros((4 + 2 * _WIDTHS + 2 * _PAGES, ROW), np.int64)
    units = starts.size - 1
    size = _add_fits(v, starts, runs, rows, 0, 0, units, ALL_SIZES)
    if v.size <= _SMALL_BLOCK:
        size = _add_fits(v, starts, runs, rows, size, 0, units, NO_SIZES)
    size = _add_common(v, starts, runs, rows, size, 0, units)
    page_weights = max(_PAGE_WEIGHTS, -(-v.size // _PAGES))
    for first, last in pairwise(_cuts(starts, np.arange(0, v.size, page_weights))):
        size = _add_fits(v, starts, runs, rows, size, first, last, FEW_SIZES)
    return rows[:size]


def window_pool(v: Array, starts: Array, runs: Array) -> Array:
    """Alphabets of the halves of a block, of its quarters and so on, whether they gain or not."""
    rows = np.zeros((4 * _WINDOWS, ROW), np.int64)
    size, parts = 0, 2
    while parts <= _WINDOWS and v.size >= parts * _WINDOW_WEIGHTS:
        for first, last in pairwise(_cuts(starts, np.arange(parts) * v.size // parts)):
            size += _add_fits(v, starts, runs, rows[size:], 0, first, last, FEW_SIZES)
        parts *= 2
    return rows[:size]


def _cuts(starts: Array, places: Array) -> list[int]:
    """The units in which parts of a block start at these weights, and the end; each once."""
    # A set of few numbers: np.unique takes ten times as long.
    return sorted({*np.searchsorted(starts[:-1], places).tolist(), starts.size - 1})


def refined_pool(v: Array, starts: Array, runs: Array, rows: Array, slices: Array) -> Array:
    """The alphabets that a path uses, and those of its longest slices that gain by their own."""
    used = rows[sorted(set(slices[:, ALPHABET].tolist()))]
    pool = np.zeros((len(used) + _REFINED_SLICES * (2 + 2 * _WIDTHS), ROW), np.int64)
    pool[: len(used)] = used
    size = len(used)
    longest = np.argsort(slices[:, FIRST] - slices[:, LAST], kind="stable")[:_REFINED_SLICES]
    for first, last in np.searchsorted(starts, slices[longest][:, [FIRST, LAST]]).tolist():
        size = _add_fits(v, starts, runs, pool, size, first, last, ALL_SIZES)
        size = _add_common(v, starts, runs, pool, size, first, last)
    return pool[:size]


@njit(cache=True, nogil=True)
def _add_fits(v, starts, runs, rows, size, first, last, sizes):  # type: ignore[no-untyped-def]
    """Fit alphabets to some units, without runs and with; keep what gains over the first `size` rows."""
    whole = last - first == starts.size - 1
    counts, table = np.zeros(V_LIMIT + 1, np.int64), np.zeros(V_LIMIT + 1, np.int64)
    for place in range(starts[first], starts[last]):
        counts[v[place]] += 1
    best = NEVER
    present = np.flatnonzero(counts)
    if not whole:
        for row in range(size):
            best = min(best, _page_bits(rows[row], table, counts, present, runs, first, last))
    zeros = counts[0]
    for with_runs in range(2):
        if with_runs:
            if zeros * 16 < starts[last] - starts[first]:
                break
            counts[0] = zeros == v.size
            if not counts.any():
                break
            present = np.flatnonzero(counts)
        fit_alphabet(counts, with_runs, sizes, rows[size])
        bits = _page_bits(rows[size], table, counts, present, runs, first, last)
        if bits + alphabet_bits(rows[size]) + HEADER_BITS < best:
            size += 1
    return size


@njit(cache=True, nogil=True)
def _add_common(v, starts, runs, rows, size, first, last):  # type: ignore[no-untyped-def]
    """Alphabets of common values alone, where slices of the others may pay for themselves."""
    counts, table = np.zeros(V_LIMIT + 1, np.int64), np.zeros(V_LIMIT + 1, np.int64)
    for place in range(starts[first], starts[last]):
        counts[v[place]] += 1
    fits = size
    for with_runs in range(2):
        if with_runs:
            counts[0] = 0
        best = NEVER
        for row in range(fits):
            if rows[row, WITH_RUNS] == with_runs:
                best = min(best, _page_bits(rows[row], table, counts, np.flatnonzero(counts), runs, first, first))
        for width in range(1, 1 + _WIDTHS):
            if best == NEVER or np.count_nonzero(counts) <= 1 << width:
                break
            coded = fit_common(counts, with_runs, width, rows[size])
            if coded * width + (counts.sum() - coded) * _RARE_BITS + alphabet_bits(rows[size]) < best:
                size += 1
    return size


@njit(cache=True, nogil=True)
def _page_bits(row, table, counts, present, runs, first, last):  # type: ignore[no-untyped-def]
    """Bits of some units with one alphabet, in its best mode; `present` are the values of v that count."""
    sums, bits, unary = np.zeros(TALLY, np.int64), np.zeros(MODES, np.int64), np.zeros(MODES, np.int64)
    index_some(row, present, table)
    for v in present:
        if not (v == 0 and row[WITH_RUNS]):
            if table[v] >= NEVER:
                return NEVER
            tally(sums, table[v], counts[v])
    mode_bits(sums, row, bits, unary)
    total = bits.min()
    if row[WITH_RUNS]:
        best = NEVER
        for shift in range(ZSHIFTS):
            run_bits = np.int64(0)
            for unit in range(first, last):
                run_bits += runs[unit, shift] + runs[unit, RUN_COUNT] * shift
            best = min(best, run_bits)
        total += best
    return total
