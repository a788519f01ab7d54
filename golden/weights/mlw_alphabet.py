"""The encoder's choice of an alphabet: which weight gets which index, made from a histogram.

An alphabet is what a slice with NEWPAL sets: zero runs on or off, DIROFS, the palette. What it costs is counted
exactly, but for the filling of the last unary field, in thirteen modes: six shifts, the same six truncated, and raw.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from golden.weights.mlw_format import (
    PALETTE_BITS,
    PALETTE_ENTRIES,
    QUOTIENT_LIMIT,
    TRUNCATED_LIMIT,
    V_LIMIT,
    bit_length,
)

__all__ = [
    "ALL_SIZES",
    "DIRECT",
    "ENTRIES",
    "ENTRY_BITS",
    "FEW_SIZES",
    "MODES",
    "NEVER",
    "NO_SIZES",
    "PALETTE",
    "RAW_MODE",
    "ROW",
    "SHIFTS",
    "TALLY",
    "WITH_RUNS",
    "alphabet_bits",
    "fit_alphabet",
    "fit_common",
    "index_some",
    "index_table",
    "mode_bits",
    "raw_width",
    "tally",
]

SHIFTS = 6
"""WDIV 0..5."""
RAW_MODE = 2 * SHIFTS
MODES = RAW_MODE + 1
"""Modes of a slice: WDIV 0..5, WDIV 0..5 truncated, raw."""
NEVER = np.int64(1) << 40
"""Bits of what cannot be coded."""

WITH_RUNS, DIRECT, ENTRIES, ENTRY_BITS, PALETTE = range(5)
ROW = PALETTE + PALETTE_ENTRIES
"""An alphabet is a row of int64: the first four, then the palette."""

TALLY = 3 * SHIFTS + 2
"""Numbers that `tally` keeps."""

_SMALL, _SUM, _HALVES, _MOST, _COUNT = 0, SHIFTS, 2 * SHIFTS, 3 * SHIFTS, 3 * SHIFTS + 1
_DIRECT_LIMIT = 31

ALL_SIZES = np.array([0, 2, 4, 8, 16, 32], np.int64)
"""Palette sizes of a thorough search."""
NO_SIZES = np.array([0], np.int64)
"""No palette."""
FEW_SIZES = np.array([0, 32], np.int64)
"""Palette sizes of a quick one."""


@njit(cache=True, nogil=True)
def tally(sums, index, count):  # type: ignore[no-untyped-def]
    """Add `count` symbols of one index to what `mode_bits` needs."""
    for shift in range(SHIFTS):
        quotient = index >> shift
        sums[_SMALL + shift] += count if quotient == 0 else 0
        sums[_SUM + shift] += quotient * count
        sums[_HALVES + shift] += (quotient >> 1) * count
    sums[_MOST] = max(sums[_MOST], index)
    sums[_COUNT] += count


@njit(cache=True, nogil=True)
def mode_bits(sums, row, bits, unary):  # type: ignore[no-untyped-def]
    """Bits of the symbols tallied in `sums`, in each mode, and those of them that are WUNARY0."""
    most, count = sums[_MOST], sums[_COUNT]
    for shift in range(SHIFTS):
        plain = sums[_SUM + shift] + count * (shift + 1)
        bits[shift] = plain if most >> shift <= QUOTIENT_LIMIT else NEVER
        truncated = count * (shift + 2) - sums[_SMALL + shift]
        bits[SHIFTS + shift] = truncated if most >> shift <= TRUNCATED_LIMIT else NEVER
        unary[shift] = sums[_HALVES + shift] + count
        unary[SHIFTS + shift] = count
    unary[RAW_MODE] = 0
    width = raw_width(row)
    bits[RAW_MODE] = count * width if most >> width == 0 else NEVER


@njit(cache=True, nogil=True)
def raw_width(row):  # type: ignore[no-untyped-def]
    """Bits of a raw index."""
    return row[ENTRY_BITS] if row[ENTRIES] == 0 else bit_length(row[ENTRIES] - 1)


@njit(cache=True, nogil=True)
def alphabet_bits(row):  # type: ignore[no-untyped-def]
    """Bits of DIROFS, PALSIZE, PALBITS and the entries."""
    return PALETTE_BITS + row[ENTRIES] * row[ENTRY_BITS]


@njit(cache=True, nogil=True)
def index_table(row, table):  # type: ignore[no-untyped-def]
    """Index of each v; one that no mode can code where v has none."""
    shift = row[ENTRIES] - row[DIRECT]
    for v in range(V_LIMIT + 1):
        index = v + shift
        table[v] = index if v >= row[DIRECT] and index <= V_LIMIT else NEVER
    for entry in range(row[ENTRIES] - 1, -1, -1):
        table[row[PALETTE + entry]] = entry


@njit(cache=True, nogil=True)
def index_some(row, some, table):  # type: ignore[no-untyped-def]
    """As `index_table`, right for the values of v in `some` alone."""
    shift = row[ENTRIES] - row[DIRECT]
    for v in some:
        index = v + shift
        table[v] = index if v >= row[DIRECT] and index <= V_LIMIT else NEVER
    for entry in range(row[ENTRIES] - 1, -1, -1):
        table[row[PALETTE + entry]] = entry


@njit(cache=True, nogil=True)
def fit_alphabet(counts, with_runs, sizes, best_row):  # type: ignore[no-untyped-def]
    """Find a good alphabet for a histogram of v; return its bits, alphabet included.

    Palettes tried hold the most frequent values, the lowest, or those that gain most over their own index, as many as
    `sizes` tells; and the highest ones, which would not let a low shift be used, in place of the last. Within a
    palette the most frequent come first.
    """
    by_value = np.flatnonzero(counts)
    distinct = by_value.size
    by_count = by_value[np.argsort(-counts[by_value], kind="mergesort")]
    by_gain = by_value[np.argsort(-counts[by_value] * by_value, kind="mergesort")]
    row, chosen = np.zeros(ROW, np.int64), np.zeros(V_LIMIT + 1, np.bool_)
    table = np.zeros(V_LIMIT + 1, np.int64)
    best = NEVER
    for wanted in sizes:
        entries = min(wanted, max(distinct, 2))
        tried = -1
        for shift in range(SHIFTS, -1, -1):
            # The highest values go into the palette; none of them at first.
            highest = 0
            if shift < SHIFTS:
                while highest < distinct and by_value[distinct - 1 - highest] + entries > (
                    ((QUOTIENT_LIMIT + 1) << shift) - 1
                ):
                    highest += 1
            if highest == tried or highest > entries:
                continue
            tried = highest
            for order in (by_count, by_value, by_gain):
                _fill(row, counts, by_count, by_value, order, entries, highest, chosen)
                row[WITH_RUNS] = with_runs
                bits = _alphabet_cost(row, counts, by_value, table)
                if bits < best:
                    best = bits
                    best_row[:] = row
        if entries < wanted:
            break
    return best


@njit(cache=True, nogil=True)
def fit_common(counts, with_runs, width, row):  # type: ignore[no-untyped-def]
    """The alphabet of only the ``2**width`` most frequent values, for raw indices; return how many symbols it codes."""
    present = np.flatnonzero(counts)
    by_count = present[np.argsort(-counts[present], kind="mergesort")]
    entries = 1 << width
    row[:] = 0
    row[WITH_RUNS], row[DIRECT], row[ENTRIES] = with_runs, _DIRECT_LIMIT, entries
    row[PALETTE : PALETTE + entries] = by_count[:entries]
    row[ENTRY_BITS] = max(bit_length(by_count[:entries].max()), 2)
    return counts[by_count[:entries]].sum()


@njit(cache=True, nogil=True)
def _fill(row, counts, by_count, by_value, order, entries, highest, chosen):  # type: ignore[no-untyped-def]
    """Palette of the `highest` values and the first others in `order`; DIROFS and widths that follow."""
    distinct = by_value.size
    chosen[:] = False
    for place in range(min(highest, entries)):
        chosen[by_value[distinct - 1 - place]] = True
    left = entries - min(highest, entries)
    for v in order:
        if left == 0:
            break
        if not chosen[v]:
            chosen[v] = True
            left -= 1
    size = 0
    row[:] = 0
    for v in by_count:
        if chosen[v]:
            row[PALETTE + size] = v
            size += 1
    while 0 < size < entries:
        row[PALETTE + size] = row[PALETTE + size - 1]
        size += 1
    row[ENTRIES] = size
    for v in by_value:
        if not chosen[v]:
            row[DIRECT] = min(v, _DIRECT_LIMIT)
            break
    top = row[PALETTE : PALETTE + size].max() if size else by_value[distinct - 1] - row[DIRECT]
    row[ENTRY_BITS] = max(bit_length(top), 2)


@njit(cache=True, nogil=True)
def _alphabet_cost(row, counts, by_value, table):  # type: ignore[no-untyped-def]
    """Bits of a histogram with one alphabet, in its best mode."""
    index_some(row, by_value, table)
    sums, bits, unary = np.zeros(TALLY, np.int64), np.zeros(MODES, np.int64), np.zeros(MODES, np.int64)
    for v in by_value:
        tally(sums, table[v], counts[v])
        if sums[_MOST] >= NEVER:
            return NEVER
    mode_bits(sums, row, bits, unary)
    return bits.min() + alphabet_bits(row)
