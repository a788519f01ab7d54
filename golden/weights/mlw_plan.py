"""The encoder's search: where slices start and what each of them uses.

The cheapest path through the units of a block is found (Viterbi), a state being an alphabet, a mode and a ZDIV: a
change of state is a new slice and costs its header, a change of alphabet a new palette too. Bits are exact, the
filling of unary fields included, but for slices that the format makes shorter than planned. From the slices found,
finer alphabets are fitted and the search is done again, as long as it gains. A block of few bits is searched twice
more: with alphabets of windows of every size, and as one slice.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.weights.mlw_alphabet import (
    MODES,
    NEVER,
    TALLY,
    WITH_RUNS,
    alphabet_bits,
    index_table,
    mode_bits,
    tally,
)
from golden.weights.mlw_chunks import run_field_bits
from golden.weights.mlw_format import HEADER_BITS, UNARY_BITS, V_LIMIT
from golden.weights.mlw_pool import (
    ALPHABET,
    FIRST,
    LAST,
    MODE,
    NEW,
    RUN_COUNT,
    ZSHIFT,
    ZSHIFTS,
    count_runs,
    cut_units,
    first_pool,
    is_symbol,
    refined_pool,
    window_pool,
)

__all__ = ["SHORT_BITS", "Plan", "plan_block"]

SHORT_BITS = 16384
"""Most bits of a block that is planned with more care: where the filling of a stream to 16 bytes is felt."""

Array = NDArray[Any]

_ROUNDS = 2


class Plan(NamedTuple):
    """How one block of weights is to be written.

    Attributes
    ----------
    slices : ndarray of int64, shape (n, 6)
        By the columns of `golden.weights.mlw_pool`; the encoder cuts those in two that are too long.
    alphabets : ndarray of int64, shape (k, ROW)
        By the columns of `golden.weights.mlw_alphabet`.
    """

    slices: NDArray[np.int64]
    alphabets: NDArray[np.int64]


def plan_block(v: NDArray[np.int16]) -> Plan:
    """Plan the slices of a block of one weight or more, given as v."""
    starts = cut_units(v)
    runs = count_runs(v, starts)
    plan, bits = _search(v, starts, runs, first_pool(v, starts, runs))
    if bits > SHORT_BITS:
        return plan
    whole = np.array([0, v.size], np.int64)
    pools = plan.alphabets.tolist() + window_pool(v, starts, runs).tolist()
    wider = np.array(sorted(set(map(tuple, pools))), np.int64)
    for units in (starts, whole):
        other, fewer = _search(v, units, count_runs(v, units), wider)
        if fewer < bits:
            plan, bits = other, fewer
    return plan


def _search(v: Array, starts: Array, runs: Array, alphabets: Array) -> tuple[Plan, int]:
    """The cheapest path, and those with alphabets fitted to its slices as long as they gain; a plan and its bits."""
    slices, bits = _path(v, starts, runs, alphabets)
    for _ in range(_ROUNDS):
        if len(slices) == 1:
            break
        more = refined_pool(v, starts, runs, alphabets, slices)
        finer, fewer = _path(v, starts, runs, more)
        if fewer >= bits:
            break
        slices, alphabets, bits = finer, more, fewer
    return Plan(slices, alphabets), int(bits)


@njit(cache=True, nogil=True)
def _path(v, starts, runs, rows):  # type: ignore[no-untyped-def]
    """Cheapest states of the units, as slices, and their bits."""
    units, alphabets = starts.size - 1, rows.shape[0]
    empty = not v.any()
    tables = np.zeros((alphabets, V_LIMIT + 1), np.int64)
    bases = np.zeros(alphabets + 1, np.int64)
    for row in range(alphabets):
        index_table(rows[row], tables[row])
        bases[row + 1] = bases[row] + MODES * (ZSHIFTS if rows[row, WITH_RUNS] else 1)
    states = bases[-1]
    # Bits of the best path to each state, without and with the filling of its unary fields so far.
    cost, closed = np.full(states, NEVER), np.full(states, NEVER)
    # What their unary fields hold, modulo the width of a field.
    w_unary, z_unary = np.zeros(states, np.int64), np.zeros(states, np.int64)
    z_first, z_led = np.zeros(ZSHIFTS, np.int64), np.zeros(ZSHIFTS, np.int64)
    came = np.zeros((units, states), np.uint8)
    cheapest = np.zeros((units, alphabets + 1), np.int32)
    sums, bits, unary = np.zeros(TALLY, np.int64), np.zeros(MODES, np.int64), np.zeros(MODES, np.int64)
    for unit in range(units):
        overall_bits = _cheapest(closed, bases, cheapest[unit]) if unit else np.int64(0)
        for row in range(alphabets):
            with_runs = rows[row, WITH_RUNS]
            _unit_bits(v, starts, unit, rows[row], tables[row], empty, sums, bits, unary)
            same = closed[cheapest[unit, row]] + HEADER_BITS if unit else NEVER
            new = overall_bits + HEADER_BITS + alphabet_bits(rows[row])
            for shift in range(ZSHIFTS if with_runs else 1):
                if with_runs:
                    lead, field = 1 if unit else runs[-1, shift], run_field_bits(shift)
                    z_first[shift] = runs[unit, shift] % field
                    z_led[shift] = (runs[unit, shift] + lead) % field
                else:
                    z_first[shift] = z_led[shift] = 0
            state = bases[row] - 1
            for mode in range(MODES):
                w_here = unary[mode] % UNARY_BITS
                for shift in range(ZSHIFTS if with_runs else 1):
                    state += 1
                    if bits[mode] >= NEVER:
                        cost[state] = closed[state] = NEVER
                        continue
                    here, lead_bits, field = bits[mode], 0, UNARY_BITS
                    if with_runs:
                        here += runs[unit, shift] + runs[unit, RUN_COUNT] * shift
                        lead_bits = (1 if unit else runs[-1, shift]) + shift
                        field = run_field_bits(shift)
                    # A new slice, with the alphabet as it was or with this one set anew.
                    step, best, w_all, z_all = 1, same, w_here, z_first[shift]
                    if new + lead_bits < same:
                        step, best, z_all = 2, new + lead_bits, z_led[shift]
                    filling = _filling(w_all, UNARY_BITS) + _filling(z_all, field)
                    # The slice goes on.
                    w_on, z_on = w_unary[state] + w_here, z_unary[state] + z_first[shift]
                    w_on -= UNARY_BITS if w_on >= UNARY_BITS else 0
                    z_on -= field if z_on >= field else 0
                    filling_on = _filling(w_on, UNARY_BITS) + _filling(z_on, field)
                    if cost[state] + filling_on <= best + filling:
                        step, best, w_all, z_all, filling = 0, cost[state], w_on, z_on, filling_on
                    came[unit, state] = step
                    cost[state] = best + here
                    closed[state] = cost[state] + filling
                    w_unary[state], z_unary[state] = w_all, z_all
    return _trace(starts, rows, bases, came, cheapest, closed), closed.min()


@njit(cache=True, nogil=True)
def _filling(held, field):  # type: ignore[no-untyped-def]
    """Bits that are missing in a field of which so many are there, 0 if it is empty."""
    return field - held if held else np.int64(0)


@njit(cache=True, nogil=True)
def _unit_bits(v, starts, unit, row, table, empty, sums, bits, unary):  # type: ignore[no-untyped-def]
    """Bits of the indices of a unit with one alphabet, in each mode, and those of them that are WUNARY0."""
    sums[:] = 0
    one = np.int64(1)
    for place in range(starts[unit], starts[unit + 1]):
        if is_symbol(v, place, row[WITH_RUNS], empty):
            tally(sums, table[v[place]], one)
    mode_bits(sums, row, bits, unary)


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
def _row_of(bases, state):  # type: ignore[no-untyped-def]
    """The alphabet of a state."""
    row = 0
    while bases[row + 1] <= state:
        row += 1
    return row


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
        row = _row_of(bases, state)
        shifts = ZSHIFTS if rows[row, WITH_RUNS] else 1
        place -= 1
        slices[place, FIRST], slices[place, LAST] = starts[unit], starts[last]
        slices[place, ALPHABET] = row
        slices[place, MODE] = (state - bases[row]) // shifts
        slices[place, ZSHIFT] = (state - bases[row]) % shifts
        slices[place, NEW] = step == 2
        last = unit
        state = cheapest[unit, row if step == 1 else rows.shape[0]]
    return slices[place:].copy()
