"""The encoder's search: where slices start and what each of them uses.

A block of weights is cut into units of about 16. Alphabets are fitted to the block's histogram, and to that of each
of its pages where this pays; then the cheapest path through the units is found, a state being an alphabet, a mode and
a ZDIV (Viterbi; a change of state is a new slice and costs its header). All alphabets and states are counted exactly
but for the filling of the unary fields, taken as its mean.
"""

from __future__ import annotations

from typing import NamedTuple

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
    index_table,
    mode_bits,
    tally,
)
from golden.weights.mlw_format import HEADER_BITS, UNARY_BITS, UNARY_BITS_COARSE, V_LIMIT

__all__ = ["ALPHABET", "FIRST", "LAST", "MODE", "NEW", "ZSHIFT", "Plan", "is_symbol", "plan_block"]

FIRST, LAST, ALPHABET, MODE, ZSHIFT, NEW = range(6)
"""Columns of a plan's slices."""

_UNIT_WEIGHTS = 8
_UNIT_SPAN = 32
_PAGES = 32
_SMALL_BLOCK = 8192
_PAGE_WEIGHTS = 256
_ZSHIFTS = 4
_RUN_COUNT = _ZSHIFTS
_WIDTHS = 5
_RARE_BITS = 90
_REFINED_SLICES = 16
_ROUNDS = 2


class Plan(NamedTuple):
    """How one block of weights is to be written.

    Attributes
    ----------
    slices : ndarray of int64, shape (n, 6)
        First weight, one past the last, alphabet, mode, ZDIV, and whether the slice sets NEWPAL.
    alphabets : ndarray of int64, shape (k, ROW)
    """

    slices: NDArray[np.int64]
    alphabets: NDArray[np.int64]


def plan_block(v: NDArray[np.int16]) -> Plan:
    """Plan the slices of a block of one weight or more, given as v."""
    starts = _units(v)
    runs = _runs(v, starts)
    alphabets = _first_pool(v, starts, runs)
    slices, bits = _path(v, starts, runs, alphabets)
    for _ in range(_ROUNDS):
        if len(slices) == 1:
            break
        more = _refined_pool(v, starts, runs, alphabets, slices)
        finer, fewer = _path(v, starts, runs, more)
        if fewer >= bits:
            break
        slices, alphabets, bits = finer, more, fewer
    return Plan(slices, alphabets)


@njit(cache=True, nogil=True)
def _units(v):  # type: ignore[no-untyped-def]
    """First weight of each unit, and the end. All but the first start with a weight that is not zero."""
    starts = np.empty(v.size // _UNIT_WEIGHTS + 2, np.int64)
    starts[0] = 0
    count, nonzero = 1, 0
    for place in range(v.size):
        if v[place] != 0:
            if nonzero == _UNIT_WEIGHTS or place - starts[count - 1] >= _UNIT_SPAN:
                starts[count] = place
                count, nonzero = count + 1, 0
            nonzero += 1
    starts[count] = v.size
    return starts[: count + 1].copy()


@njit(cache=True, nogil=True)
def _runs(v, starts):  # type: ignore[no-untyped-def]
    """Unary bits of the zero runs of each unit, by ZDIV, and their number; last, those of the run in front of all."""
    runs = np.zeros((starts.size, _ZSHIFTS + 1), np.int64)
    place = 0
    while place < v.size - 1 and v[place] == 0:
        place += 1
    for shift in range(_ZSHIFTS):
        runs[-1, shift] = (place >> shift) + 1
    unit = 0
    while place < v.size:
        while starts[unit + 1] <= place:
            unit += 1
        begin = place + 1
        place = begin
        while place < v.size and v[place] == 0:
            place += 1
        for shift in range(_ZSHIFTS):
            runs[unit, shift] += (place - begin >> shift) + 1
        runs[unit, _RUN_COUNT] += 1
    return runs


@njit(cache=True, nogil=True)
def is_symbol(v, place, with_runs, empty):  # type: ignore[no-untyped-def]
    """Whether the weight at `place` is coded as an index; `empty` tells a block of zeros, whose last one is."""
    return not with_runs or v[place] != 0 or (empty and place == v.size - 1)


@njit(cache=True, nogil=True)
def _first_pool(v, starts, runs):  # type: ignore[no-untyped-def]
    """Alphabets of the whole block, which code all of it, and those of pages that gain by their own."""
    rows = np.zeros((5 + 2 * _WIDTHS + 2 * _PAGES, ROW), np.int64)
    units = starts.size - 1
    size = _add_fits(v, starts, runs, rows, 0, 0, units, ALL_SIZES)
    if v.size <= _SMALL_BLOCK:
        size = _add_fits(v, starts, runs, rows, size, 0, units, NO_SIZES)
    size = _add_common(v, starts, runs, rows, size, 0, units)
    page_weights = max(_PAGE_WEIGHTS, -(-v.size // _PAGES))
    first = 0
    while first < units:
        last = first + 1
        while last < units and starts[last] - starts[first] < page_weights:
            last += 1
        size = _add_fits(v, starts, runs, rows, size, first, last, FEW_SIZES)
        first = last
    return rows[:size].copy()


@njit(cache=True, nogil=True)
def _refined_pool(v, starts, runs, rows, slices):  # type: ignore[no-untyped-def]
    """The alphabets that a path uses, and those of its longest slices that gain by their own."""
    used = np.zeros(rows.shape[0], np.bool_)
    used[slices[:, ALPHABET]] = True
    pool = np.zeros((used.sum() + _REFINED_SLICES * (2 + 2 * _WIDTHS), ROW), np.int64)
    size = 0
    for row in range(rows.shape[0]):
        if used[row]:
            pool[size] = rows[row]
            size += 1
    lengths = slices[:, LAST] - slices[:, FIRST]
    for number in np.argsort(-lengths, kind="mergesort")[:_REFINED_SLICES]:
        first = np.searchsorted(starts, slices[number, FIRST])
        last = np.searchsorted(starts, slices[number, LAST])
        size = _add_fits(v, starts, runs, pool, size, first, last, ALL_SIZES)
        size = _add_common(v, starts, runs, pool, size, first, last)
    return pool[:size].copy()


@njit(cache=True, nogil=True)
def _add_fits(v, starts, runs, rows, size, first, last, sizes):  # type: ignore[no-untyped-def]
    """Fit alphabets to some units, without runs and with; keep what gains over the first `size` rows."""
    whole = last - first == starts.size - 1
    counts, table = np.zeros(V_LIMIT + 1, np.int64), np.zeros(V_LIMIT + 1, np.int64)
    for place in range(starts[first], starts[last]):
        counts[v[place]] += 1
    best = NEVER
    if not whole:
        for row in range(size):
            index_table(rows[row], table)
            best = min(best, _page_bits(rows[row], table, counts, runs, first, last))
    zeros = counts[0]
    for with_runs in range(2):
        if with_runs:
            if zeros * 16 < starts[last] - starts[first]:
                break
            counts[0] = zeros == v.size
            if not counts.any():
                break
        fit_alphabet(counts, with_runs, sizes, rows[size])
        index_table(rows[size], table)
        bits = _page_bits(rows[size], table, counts, runs, first, last)
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
                index_table(rows[row], table)
                best = min(best, _page_bits(rows[row], table, counts, runs, 0, 0))
        for width in range(1, 1 + _WIDTHS):
            if best == NEVER or np.count_nonzero(counts) <= 1 << width:
                break
            coded = fit_common(counts, with_runs, width, rows[size])
            if coded * width + (counts.sum() - coded) * _RARE_BITS + alphabet_bits(rows[size]) < best:
                size += 1
    return size


@njit(cache=True, nogil=True)
def _page_bits(row, table, counts, runs, first, last):  # type: ignore[no-untyped-def]
    """Bits of some units with one alphabet, in its best mode."""
    sums, bits, unary = np.zeros(TALLY, np.int64), np.zeros(MODES, np.int64), np.zeros(MODES, np.int64)
    for v in range(V_LIMIT + 1):
        if counts[v] and not (v == 0 and row[WITH_RUNS]):
            if table[v] >= NEVER:
                return NEVER
            tally(sums, table[v], counts[v])
    mode_bits(sums, row, bits, unary)
    total = bits.min()
    if row[WITH_RUNS]:
        best = NEVER
        for shift in range(_ZSHIFTS):
            unary_bits = runs[first:last, shift].sum() + runs[first:last, _RUN_COUNT].sum() * shift
            best = min(best, unary_bits)
        total += best
    return total


@njit(cache=True, nogil=True)
def _path(v, starts, runs, rows):  # type: ignore[no-untyped-def]
    """Cheapest states of the units, as slices, and their bits."""
    units, alphabets = starts.size - 1, rows.shape[0]
    empty = not v.any()
    tables = np.zeros((alphabets, V_LIMIT + 1), np.int64)
    bases = np.zeros(alphabets + 1, np.int64)
    for row in range(alphabets):
        index_table(rows[row], tables[row])
        bases[row + 1] = bases[row] + MODES * (_ZSHIFTS if rows[row, WITH_RUNS] else 1)
    states = bases[-1]
    # Bits of the best path to each state, without and with the filling of its unary fields so far.
    cost, closed = np.full(states, NEVER), np.full(states, NEVER)
    w_unary, z_unary = np.zeros(states, np.int64), np.zeros(states, np.int64)
    came = np.zeros((units, states), np.uint8)
    cheapest = np.zeros((units, alphabets + 1), np.int32)
    sums, bits, unary = np.zeros(TALLY, np.int64), np.zeros(MODES, np.int64), np.zeros(MODES, np.int64)
    for unit in range(units):
        overall_bits = _cheapest(closed, bases, cheapest[unit]) if unit else np.int64(0)
        for row in range(alphabets):
            with_runs, table = rows[row, WITH_RUNS], tables[row]
            sums[:] = 0
            for place in range(starts[unit], starts[unit + 1]):
                if is_symbol(v, place, with_runs, empty):
                    tally(sums, table[v[place]], 1)
            mode_bits(sums, rows[row], bits, unary)
            same = closed[cheapest[unit, row]] + HEADER_BITS if unit else NEVER
            new = overall_bits + HEADER_BITS + alphabet_bits(rows[row])
            state = bases[row] - 1
            for mode in range(MODES):
                for shift in range(_ZSHIFTS if with_runs else 1):
                    state += 1
                    if bits[mode] >= NEVER:
                        cost[state] = closed[state] = NEVER
                        continue
                    here, w_here, z_here, lead, field = bits[mode], unary[mode], 0, 0, UNARY_BITS
                    if with_runs:
                        z_here = runs[unit, shift]
                        here += z_here + runs[unit, _RUN_COUNT] * shift
                        lead = 1 if unit else runs[-1, shift]
                        field = UNARY_BITS if shift < 3 else UNARY_BITS_COARSE
                    # A new slice, with the alphabet as it was or with this one set anew.
                    step, best, w_all, z_all = 1, same, w_here, z_here
                    lead_bits = lead + shift if with_runs else 0
                    if new + lead_bits < same:
                        step, best, z_all = 2, new + lead_bits, z_here + lead
                    best_closed = best + -w_all % UNARY_BITS + -z_all % field
                    # The slice goes on.
                    w_on, z_on = w_unary[state] + w_here, z_unary[state] + z_here
                    if cost[state] + -w_on % UNARY_BITS + -z_on % field <= best_closed:
                        step, best, w_all, z_all = 0, cost[state], w_on, z_on
                    came[unit, state] = step
                    cost[state] = best + here
                    closed[state] = cost[state] + -w_all % UNARY_BITS + -z_all % field
                    w_unary[state], z_unary[state] = w_all, z_all
    return _trace(starts, rows, bases, came, cheapest, closed), closed.min()


@njit(cache=True, nogil=True)
def _cheapest(closed, bases, cheapest):  # type: ignore[no-untyped-def]
    """Find the cheapest state of each alphabet and, last, of all; return its bits."""
    overall = 0
    for row in range(bases.size - 1):
        lowest = bases[row]
        for state in range(bases[row], bases[row + 1]):
            if closed[state] < closed[lowest]:
                lowest = state
        cheapest[row] = lowest
        if closed[lowest] < closed[overall]:
            overall = lowest
    cheapest[bases.size - 1] = overall
    return closed[overall]


@njit(cache=True, nogil=True)
def _trace(starts, rows, bases, came, cheapest, closed):  # type: ignore[no-untyped-def]
    """Follow the path back; return its slices in order."""
    slices = np.zeros((starts.size, 6), np.int64)
    place, last = starts.size, starts.size - 1
    state = np.argmin(closed)
    for unit in range(starts.size - 2, -1, -1):
        step = came[unit, state]
        if step == 0:
            continue
        row = np.searchsorted(bases, state, side="right") - 1
        shifts = _ZSHIFTS if rows[row, WITH_RUNS] else 1
        place -= 1
        slices[place, FIRST], slices[place, LAST] = starts[unit], starts[last]
        slices[place, ALPHABET] = row
        slices[place, MODE] = (state - bases[row]) // shifts
        slices[place, ZSHIFT] = (state - bases[row]) % shifts
        slices[place, NEW] = step == 2
        last = unit
        state = cheapest[unit, row if step == 1 else rows.shape[0]]
    return slices[place:].copy()
