"""Encoder of Arm Ethos-U weight streams: writes what `golden.weights.mlw_plan` has planned, chunk by chunk."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.bits import put_bits
from golden.codec import Words
from golden.weights.mlw_alphabet import (
    DIRECT,
    ENTRIES,
    ENTRY_BITS,
    PALETTE,
    RAW_MODE,
    SHIFTS,
    WITH_RUNS,
    alphabet_bits,
    index_table,
    raw_width,
)
from golden.weights.mlw_chunks import enables, raw_symbols, run_field_bits
from golden.weights.mlw_format import (
    HEADER_BITS,
    NO_RUNS,
    RAW,
    SLICE_SYMBOLS,
    UNARY_BITS,
    V_LIMIT,
)
from golden.weights.mlw_plan import Plan
from golden.weights.mlw_pool import ALPHABET, FIRST, LAST, MODE, NEW, ZSHIFT, is_symbol

__all__ = ["fill_end", "planned_bits", "to_v", "write_plan", "write_slice"]


def to_v(weights: NDArray[Any]) -> NDArray[np.int16]:
    """``2 |weight| + (weight < 0)`` of weights in -255..255."""
    signed = weights.astype(np.int16)
    v: NDArray[np.int16] = np.abs(signed) << 1 | (signed < 0)
    return v


def planned_bits(v: NDArray[np.int16], plan: Plan) -> int:
    """Exact bits of a block's slices."""
    return int(_write(np.zeros(0, np.uint64), 0, v, plan.slices, plan.alphabets, False))


def write_plan(words: Words, position: int, v: NDArray[np.int16], plan: Plan) -> int:
    """Write a block's slices into zeroed `words` at bit `position`; return the next position."""
    return int(_write(words, position, v, plan.slices, plan.alphabets, True))


@njit(cache=True, nogil=True)
def fill_end(words, position, stop):  # type: ignore[no-untyped-def]
    """Write end markers: ZDIV 7 and ones, which is all ones."""
    while position < stop:
        position = put_bits(words, position, np.uint64(1), 1)


@njit(cache=True, nogil=True)
def _write(words, position, v, slices, rows, store):  # type: ignore[no-untyped-def]
    """Slices of a plan, none longer than the format allows; or only their bits."""
    empty = not v.any()
    table = np.zeros(V_LIMIT + 1, np.int64)
    indices = np.empty(SLICE_SYMBOLS, np.int64)
    runs = np.empty(SLICE_SYMBOLS + 1, np.int64)
    for number in range(slices.shape[0]):
        row = rows[slices[number, ALPHABET]]
        index_table(row, table)
        place, last = slices[number, FIRST], slices[number, LAST]
        new_palette = slices[number, NEW]
        while place < last:
            symbols, place = _gather(v, place, last, row, new_palette, empty, table, indices, runs)
            slice_ = (symbols, slices[number, MODE], slices[number, ZSHIFT], new_palette)
            if store:
                position = write_slice(words, position, row, slice_, indices, runs)
            else:
                position += _slice_bits(row, slice_, indices, runs)
            new_palette = 0
    return position


@njit(cache=True, nogil=True)
def _gather(v, place, last, row, new_palette, empty, table, indices, runs):  # type: ignore[no-untyped-def]
    """Indices and runs of the next slice; return the number of indices and the first weight after them."""
    with_runs = row[WITH_RUNS]
    symbols, count = 0, 0
    if with_runs and new_palette:
        start = place
        while not is_symbol(v, place, with_runs, empty):
            place += 1
        runs[0] = place - start
        count = 1
    while place < last and symbols < SLICE_SYMBOLS:
        indices[symbols] = table[v[place]]
        symbols, place = symbols + 1, place + 1
        if with_runs:
            start = place
            while place < last and v[place] == 0:
                place += 1
            runs[count] = place - start
            count += 1
    return symbols, place


@njit(cache=True, nogil=True)
def _shape(row, slice_):  # type: ignore[no-untyped-def]
    """ZDIV, WDIV, WTRUNC, remainder bits, bits of a zero-run field and number of runs of a slice."""
    symbols, mode, zshift, new_palette = slice_
    zdiv = zshift if row[WITH_RUNS] else NO_RUNS
    wdiv = RAW if mode == RAW_MODE else mode % SHIFTS
    width = raw_width(row) if mode == RAW_MODE else wdiv
    field = run_field_bits(zdiv)
    run_symbols = symbols + new_palette if row[WITH_RUNS] else 0
    return zdiv, wdiv, np.int64(SHIFTS <= mode < RAW_MODE), width, field, run_symbols


@njit(cache=True, nogil=True)
def _slice_bits(row, slice_, indices, runs):  # type: ignore[no-untyped-def]
    """Exact bits of a slice: the unary fields are whole, everything else is only what it needs."""
    symbols, mode, zshift, new_palette = slice_
    _, wdiv, truncated, width, field, run_symbols = _shape(row, slice_)
    bits = HEADER_BITS + symbols * width
    if new_palette:
        bits += alphabet_bits(row)
    if mode != RAW_MODE:
        unary0, unary1 = 0, 0
        for symbol in range(symbols):
            quotient = indices[symbol] >> wdiv
            unary0 += 1 if truncated else (quotient >> 1) + 1
            unary1 += min(quotient, 1) if truncated else (quotient + 1) >> 1
        bits += -(-unary0 // UNARY_BITS) * UNARY_BITS + unary1
    unary = 0
    for run in range(run_symbols):
        unary += (runs[run] >> zshift) + 1
    return bits + -(-unary // field) * field + run_symbols * zshift


@njit(cache=True, nogil=True)
def write_slice(words, position, row, slice_, indices, runs):  # type: ignore[no-untyped-def]
    """Write one slice into zeroed `words` at bit `position`; return the next position.

    `row` is its alphabet, `slice_` the number of indices, mode, ZDIV and NEWPAL.
    """
    position = _write_header(words, position, row, slice_)
    return _write_chunks(words, position, row, slice_, indices, runs)


@njit(cache=True, nogil=True)
def _write_header(words, position, row, slice_):  # type: ignore[no-untyped-def]
    symbols, _, _, new_palette = slice_
    zdiv, wdiv, truncated, _, _, _ = _shape(row, slice_)
    position = put_bits(words, position, zdiv, 3)
    position = put_bits(words, position, symbols - 1, 15)
    position = put_bits(words, position, wdiv, 3)
    position = put_bits(words, position, truncated, 1)
    position = put_bits(words, position, new_palette, 1)
    if new_palette:
        position = put_bits(words, position, row[DIRECT], 5)
        position = put_bits(words, position, max(row[ENTRIES] - 1, 0), 5)
        position = put_bits(words, position, row[ENTRY_BITS] - 2, 3)
        for entry in range(row[ENTRIES]):
            position = put_bits(words, position, row[PALETTE + entry], row[ENTRY_BITS])
    return position


@njit(cache=True, nogil=True)
def _write_chunks(words, position, row, slice_, indices, runs):  # type: ignore[no-untyped-def]
    """The chunks of a slice: the mirror image of the decoder's loop."""
    symbols, mode, _, _ = slice_
    zdiv, wdiv, truncated, w_width, field, run_symbols = _shape(row, slice_)
    raw, with_runs = mode == RAW_MODE, zdiv != NO_RUNS
    w_pos = z_pos = w_done = z_done = np.int64(0)
    w_quotient = indices[0] >> wdiv
    z_quotient = runs[0] >> zdiv if with_runs else 0
    while True:
        w_enable, z_enable = enables(w_pos, z_pos, symbols, run_symbols)
        w_before, z_before = w_pos, z_pos

        unary1, unary1_bits = 0, 0
        if w_enable and raw:
            w_pos = min(w_pos + raw_symbols(w_width), symbols)
        elif w_enable:
            unary0 = 0
            for bit in range(UNARY_BITS):
                if w_pos == symbols:
                    break
                goes_on = 0
                if w_quotient > 0:
                    goes_on = 1 if w_quotient > 1 else 0
                    unary0 |= 1 << bit
                    unary1 |= goes_on << unary1_bits
                    unary1_bits += 1
                    w_quotient -= 1 + goes_on
                if truncated or not goes_on:
                    w_pos += 1
                    w_quotient = indices[w_pos] >> wdiv if w_pos < symbols else 0
            position = put_bits(words, position, unary0, UNARY_BITS)
        if z_enable:
            unary = 0
            for bit in range(field):
                if z_pos == run_symbols:
                    break
                if z_quotient > 0:
                    unary |= 1 << bit
                    z_quotient -= 1
                else:
                    z_pos += 1
                    z_quotient = runs[z_pos] >> zdiv if z_pos < run_symbols else 0
            position = put_bits(words, position, unary, field)
        if unary1_bits:
            position = put_bits(words, position, unary1, unary1_bits)

        # Remainders of the chunk before.
        if w_width:
            for symbol in range(w_done, w_before):
                remainder = indices[symbol] if raw else indices[symbol] & ((1 << wdiv) - 1)
                position = put_bits(words, position, remainder, w_width)
        if with_runs and zdiv:
            for symbol in range(z_done, z_before):
                position = put_bits(words, position, runs[symbol] & ((1 << zdiv) - 1), zdiv)
        w_done, z_done = w_before, z_before
        if not w_enable and not z_enable:
            return position
