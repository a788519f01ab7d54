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
    ENTRIES,
    MODES,
    NEVER,
    RAW_MODE,
    ROW,
    WITH_RUNS,
    alphabet_bits,
    fit_alphabet,
    fit_general,
    index_table,
    mode_bits,
    tally,
    TALLY,
)
from golden.weights.mlw_format import HEADER_BITS, V_LIMIT

__all__ = ["ALPHABET", "FIRST", "LAST", "MODE", "NEW", "ZSHIFT", "Plan", "is_symbol", "plan_block"]

FIRST, LAST, ALPHABET, MODE, ZSHIFT, NEW = range(6)
"""Columns of a plan's slices."""

_UNIT_WEIGHTS = 16
_UNIT_SPAN = 64
_PAGES = 16
_PAGE_WEIGHTS = 2048
_ZSHIFTS = 4
_FILLING_BITS = 6
_WORTH_BITS = 64


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
    runs = _run_bits(v, starts)
    alphabets = _pool(v, starts, runs)
    slices = _path(v, starts, runs, alphabets)
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
def _run_bits(v, starts):  # type: ignore[no-untyped-def]
    """Bits of the zero runs behind the weights of each unit, by ZDIV; the last row is the run in front of all."""
    bits = np.zeros((starts.size, _ZSHIFTS), np.int64)
    place = 0
    while place < v.size - 1 and v[place] == 0:
        place += 1
    for shift in range(_ZSHIFTS):
        bits[-1, shift] = (place >> shift) + 1 + shift
    unit = 0
    while place < v.size:
        while starts[unit + 1] <= place:
            unit += 1
        begin = place + 1
        place = begin
        while place < v.size and v[place] == 0:
            place += 1
        for shift in range(_ZSHIFTS):
            bits[unit, shift] += (place - begin >> shift) + 1 + shift
    return bits


@njit(cache=True, nogil=True)
def is_symbol(v, place, with_runs, empty):  # type: ignore[no-untyped-def]
    """Whether the weight at `place` is coded as an index; `empty` tells a block of zeros, whose last one is."""
    return not with_runs or v[place] != 0 or (empty and place == v.size - 1)


@njit(cache=True, nogil=True)
def _pool(v, starts, runs):  # type: ignore[no-untyped-def]
    """The alphabets that the path may use."""
    units = starts.size - 1
    rows = np.zeros((3 + 2 * _PAGES, ROW), np.int64)
    tables = np.zeros((rows.shape[0], V_LIMIT + 1), np.int64)
    counts = np.zeros(V_LIMIT + 1, np.int64)
    fit_general(rows[0])
    index_table(rows[0], tables[0])
    size = 1
    page_weights = max(_PAGE_WEIGHTS, -(-v.size // _PAGES))
    first, whole = 0, True
    while first < units:
        last = units
        if not whole:
            last = first + 1
            while last < units and starts[last] - starts[first] < page_weights:
                last += 1
        counts[:] = 0
        for place in range(starts[first], starts[last]):
            counts[v[place]] += 1
        zeros = counts[0]
        best = NEVER
        if not whole:
            for row in range(size):
                best = min(best, _page_bits(rows[row], tables[row], counts, runs, first, last))
        for with_runs in range(2):
            if with_runs and zeros * 16 < starts[last] - starts[first]:
                continue
            counts[0] = zeros
            if with_runs:
                counts[0] = 1 if zeros == v.size else 0
            if not counts.any():
                continue
            fit_alphabet(counts, with_runs, rows[size])
            index_table(rows[size], tables[size])
            if whole:
                size += 1
                continue
            counts[0] = zeros
            bits = _page_bits(rows[size], tables[size], counts, runs, first, last)
            if bits + alphabet_bits(rows[size]) + _WORTH_BITS < best:
                best = bits
                size += 1
        if whole:
            whole = False
        else:
            first = last
    return rows[:size].copy()


@njit(cache=True, nogil=True)
def _page_bits(row, table, counts, runs, first, last):  # type: ignore[no-untyped-def]
    """Bits of some units with one alphabet, in its best mode."""
    sums, bits = np.zeros(TALLY, np.int64), np.zeros(MODES, np.int64)
    for v in range(row[WITH_RUNS], V_LIMIT + 1):
        if counts[v]:
            if table[v] >= NEVER:
                return NEVER
            tally(sums, table[v], counts[v])
    mode_bits(sums, row, bits)
    total = bits.min()
    if row[WITH_RUNS]:
        best = NEVER
        for shift in range(_ZSHIFTS):
            best = min(best, runs[first:last, shift].sum())
        total += best
    return total


@njit(cache=True, nogil=True)
def _path(v, starts, runs, rows):  # type: ignore[no-untyped-def]
    """Cheapest states of the units, as slices."""
    units, alphabets = starts.size - 1, rows.shape[0]
    empty = v.any() == 0
    tables = np.zeros((alphabets, V_LIMIT + 1), np.int64)
    bases = np.zeros(alphabets + 1, np.int64)
    for row in range(alphabets):
        index_table(rows[row], tables[row])
        bases[row + 1] = bases[row] + MODES * (_ZSHIFTS if rows[row, WITH_RUNS] else 1)
    states = bases[-1]
    cost = np.full(states, NEVER)
    came = np.zeros((units, states), np.uint8)
    cheapest = np.zeros((units, alphabets + 1), np.int32)
    sums, bits = np.zeros(TALLY, np.int64), np.zeros(MODES, np.int64)
    for unit in range(units):
        # Cheapest state of each alphabet, and of all, before this unit.
        overall = 0
        for row in range(alphabets):
            lowest = bases[row]
            for state in range(bases[row], bases[row + 1]):
                if cost[state] < cost[lowest]:
                    lowest = state
            cheapest[unit, row] = lowest
            if cost[lowest] < cost[overall]:
                overall = lowest
        cheapest[unit, alphabets] = overall
        overall_bits = cost[overall] if unit else np.int64(0)
        for row in range(alphabets):
            with_runs = rows[row, WITH_RUNS]
            table = tables[row]
            sums[:] = 0
            for place in range(starts[unit], starts[unit + 1]):
                if is_symbol(v, place, with_runs, empty):
                    tally(sums, table[v[place]], 1)
            mode_bits(sums, rows[row], bits)
            same_bits = cost[cheapest[unit, row]] + HEADER_BITS
            new_bits = overall_bits + HEADER_BITS + alphabet_bits(rows[row])
            state = bases[row]
            for mode in range(MODES):
                filling = 0 if mode == RAW_MODE else _FILLING_BITS
                for shift in range(_ZSHIFTS if with_runs else 1):
                    here, fill, lead = bits[mode], filling, 0
                    if with_runs:
                        here += runs[unit, shift]
                        fill += _FILLING_BITS
                        lead = 1 + shift if unit else runs[-1, shift]
                    stay, same, new = cost[state], same_bits + fill, new_bits + fill + lead
                    if stay <= same and stay <= new:
                        came[unit, state] = 0
                        cost[state] = min(stay + here, NEVER)
                    elif same <= new:
                        came[unit, state] = 1
                        cost[state] = min(same + here, NEVER)
                    else:
                        came[unit, state] = 2
                        cost[state] = min(new + here, NEVER)
                    state += 1
    return _trace(starts, rows, bases, came, cheapest, cost)


@njit(cache=True, nogil=True)
def _trace(starts, rows, bases, came, cheapest, cost):  # type: ignore[no-untyped-def]
    """Follow the path back; return its slices in order."""
    slices = np.zeros((starts.size, 6), np.int64)
    place, last = starts.size, starts.size - 1
    state = np.argmin(cost)
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
