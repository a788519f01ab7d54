"""Blocks of weights: planned, trimmed, written as one stream.

A decoder may start at any block. Unary fields are whole, so a slice that ends one symbol later may be 24 bits shorter;
the search of `golden.weights.mlw_plan` keeps one path for each state and cannot see that coming. In a long block it
does not matter; a short one, filled to 16 bytes, might grow by a step. So the bounds of its slices are moved until
their fields fill best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.bits import words_for
from golden.codec import Words
from golden.weights.mlw_alphabet import MODES, NEVER, TALLY, WITH_RUNS, index_table, mode_bits, tally
from golden.weights.mlw_encode import fill_end, planned_bits, write_plan
from golden.weights.mlw_format import END_BYTES, MARKER_BITS, UNARY_BITS, V_LIMIT
from golden.weights.mlw_plan import SHORT_BITS, Plan, plan_block
from golden.weights.mlw_pool import ALPHABET, FIRST, LAST, MODE, is_symbol

__all__ = ["Blocks", "encode_blocks", "plan_blocks"]


@dataclass(frozen=True)
class Blocks:
    """Weights in blocks that a decoder can start at, planned.

    Attributes
    ----------
    weights : tuple of ndarray of int16
        The blocks' weights, as v.
    plans : tuple of Plan
    starts : ndarray of int64, shape (max(blocks, 1) + 1,)
        Bit at which each block starts, and where the end marker does.
    """

    weights: tuple[NDArray[np.int16], ...]
    plans: tuple[Plan, ...]
    starts: NDArray[np.int64]

    @property
    def bits(self) -> int:
        """Length of the stream, end marker and filling included."""
        filled = 8 * END_BYTES
        return -(-(int(self.starts[-1]) + MARKER_BITS) // filled) * filled


def plan_blocks(v: NDArray[np.int16], block_weights: int) -> Blocks:
    """Plan weights, given as v, in blocks of `block_weights`."""
    parts = tuple(v[start : start + block_weights] for start in range(0, v.size, block_weights))
    plans, sizes = [], [0]
    for part in parts:
        plan, bits = _trim(part, plan_block(part))
        plans.append(plan)
        sizes.append(bits)
    return Blocks(parts, tuple(plans), np.cumsum(sizes if parts else [0, 0]))


def encode_blocks(blocks: Blocks) -> tuple[Words, int]:
    """Write the stream of planned blocks; return words and bits, a multiple of 128."""
    words = np.zeros(words_for(blocks.bits), np.uint64)
    for part, plan, start in zip(blocks.weights, blocks.plans, blocks.starts, strict=False):
        write_plan(words, int(start), part, plan)
    fill_end(words, int(blocks.starts[-1]), blocks.bits)
    return words, blocks.bits


def _trim(v: NDArray[np.int16], plan: Plan) -> tuple[Plan, int]:
    """Move the bounds of a short block's slices; return the plan and its bits, no more than before."""
    bits = planned_bits(v, plan)
    if bits > SHORT_BITS:
        return plan, bits
    symbols = np.flatnonzero(v)
    for later in range(1, len(plan.slices)):
        here = int(np.searchsorted(symbols, plan.slices[later, FIRST]))
        for symbol in symbols[max(here - UNARY_BITS, 0) : here + UNARY_BITS + 1]:
            moved = _moved(plan, later, int(symbol))
            if not _can_code(v, moved.slices[later - 1 : later + 1], moved.alphabets):
                continue
            fewer = planned_bits(v, moved)
            if fewer < bits:
                plan, bits = moved, fewer
    return plan, bits


def _moved(plan: Plan, later: int, first: int) -> Plan:
    """The plan with its slice `later` starting at weight `first`."""
    slices = plan.slices.copy()
    slices[later - 1, LAST] = slices[later, FIRST] = first
    return Plan(slices, plan.alphabets)


@njit(cache=True, nogil=True)
def _can_code(v, slices, rows):  # type: ignore[no-untyped-def]
    """Whether each slice holds a symbol or more, all of them codable in its alphabet and mode."""
    table = np.zeros(V_LIMIT + 1, np.int64)
    sums, bits, unary = np.zeros(TALLY, np.int64), np.zeros(MODES, np.int64), np.zeros(MODES, np.int64)
    one = np.int64(1)
    for slice_ in slices:
        row = rows[slice_[ALPHABET]]
        index_table(row, table)
        sums[:] = 0
        symbols = 0
        for place in range(slice_[FIRST], slice_[LAST]):
            if is_symbol(v, place, row[WITH_RUNS], False):
                if table[v[place]] >= NEVER:
                    return False
                tally(sums, table[v[place]], one)
                symbols += 1
        mode_bits(sums, row, bits, unary)
        if symbols == 0 or bits[slice_[MODE]] >= NEVER:
            return False
    return True
