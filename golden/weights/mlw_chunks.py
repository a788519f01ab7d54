"""Chunks of an Ethos-U weight stream: what a decoder in hardware takes in one cycle.

One turn of the loop in `read_chunks` is one chunk: from the positions follow its fields; the unary fields end some
quotients; the remainders complete the symbols whose quotients the chunk before has ended.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from golden.bits import get_bits
from golden.weights.mlw_format import (
    RAW,
    RAW_SYMBOLS,
    RAW_SYMBOLS_WIDE,
    RAW_WIDE_BITS,
    UNARY_BITS,
    UNARY_BITS_COARSE,
    W_AHEAD,
)

__all__ = [
    "BAD_END",
    "BAD_WDIV",
    "BAD_ZDIV",
    "FAULTS",
    "FRESH",
    "MODE",
    "OK",
    "OVERRUN",
    "PADDING",
    "RANGE",
    "SHORT",
    "TAIL",
    "UNDERRUN",
    "enables",
    "raw_symbols",
    "read_chunks",
    "run_field_bits",
]

OK, SHORT, BAD_ZDIV, BAD_WDIV, FRESH, MODE, BAD_END, PADDING, RANGE, OVERRUN, UNDERRUN, TAIL = range(12)
FAULTS = (
    "",
    "stream ends inside the field at bit {}",
    "ZDIV must be 0..3, 6 or 7, not what stands at bit {}",
    "WDIV must be 0..5 or 7, not what stands at bit {}",
    "NEWPAL must be set in a slice that is first or follows an end marker, not clear at bit {}",
    "NEWPAL must be set in a slice that turns zero runs on or off, not clear at bit {}",
    "filling of an end marker must be ones, not zero at bit {}",
    "unary padding must be zero, not set at bit {}",
    "weight must be in -255..255, not past it at bit {}",
    "slice that ends at bit {} passes the last weight",
    "slices that end at bit {} must hold all weights, not fewer",
    "stream must close with an end marker, not end at bit {}",
)


@njit(cache=True, nogil=True)
def enables(w_pos, z_pos, symbols, run_symbols):  # type: ignore[no-untyped-def]
    """Whether the next chunk carries indices, and whether it carries runs."""
    ahead = w_pos - z_pos if run_symbols else 0
    return w_pos < symbols and ahead < W_AHEAD, z_pos < run_symbols and ahead >= 0


@njit(cache=True, nogil=True)
def raw_symbols(width):  # type: ignore[no-untyped-def]
    """Raw indices of `width` bits that a chunk announces."""
    return RAW_SYMBOLS if width <= RAW_WIDE_BITS else RAW_SYMBOLS_WIDE


@njit(cache=True, nogil=True)
def run_field_bits(zdiv):  # type: ignore[no-untyped-def]
    """Bits of ZUNARY."""
    return UNARY_BITS if zdiv < 3 else UNARY_BITS_COARSE


@njit(cache=True, nogil=True)
def read_chunks(words, position, stop, shape, indices, runs):  # type: ignore[no-untyped-def]
    """Read a slice's chunks into `indices` and `runs`; return fault and position.

    `shape` is the number of indices and of runs, WDIV, bits of a remainder, ZDIV, WTRUNC, and the highest index.
    """
    symbols, run_symbols, wdiv, w_width, zdiv, truncated, highest = shape
    raw, z_width, z_field = wdiv == RAW, zdiv if run_symbols else 0, run_field_bits(zdiv)
    w_pos = z_pos = w_quotient = z_quotient = w_done = z_done = np.int64(0)
    while True:
        w_enable, z_enable = enables(w_pos, z_pos, symbols, run_symbols)
        w_before, z_before = w_pos, z_pos
        unary0, z_unary, unary1 = np.int64(0), np.int64(0), np.int64(0)
        w_start = position
        if w_enable and not raw:
            if position + UNARY_BITS > stop:
                return SHORT, position
            unary0 = np.int64(get_bits(words, position, UNARY_BITS))
            position += UNARY_BITS
        z_start = position
        if z_enable:
            if position + z_field > stop:
                return SHORT, position
            z_unary = np.int64(get_bits(words, position, z_field))
            position += z_field
        if unary0:
            ones = _ones(unary0)
            if position + ones > stop:
                return SHORT, position
            unary1 = np.int64(get_bits(words, position, ones))
            position += ones

        if w_enable and raw:
            w_pos = min(w_pos + raw_symbols(w_width), symbols)
            indices[w_before:w_pos] = 0
        elif w_enable:
            w_pos, w_quotient, left = _end_indices(unary0, unary1, truncated, wdiv, w_quotient, w_pos, symbols, indices)
            if left < UNARY_BITS and unary0 >> left:
                return PADDING, w_start + _first_one(unary0, left)
        if z_enable:
            z_pos, z_quotient, left = _end_runs(z_unary, z_field, zdiv, z_quotient, z_pos, run_symbols, runs)
            if left < z_field and z_unary >> left:
                return PADDING, z_start + _first_one(z_unary, left)

        start = position
        if not _add_remainders(words, position, stop, w_width, indices, w_done, w_before):
            return SHORT, position
        position += w_width * (w_before - w_done)
        for symbol in range(w_done, w_before):
            if indices[symbol] > highest:
                return RANGE, start + w_width * (symbol - w_done)
        if not _add_remainders(words, position, stop, z_width, runs, z_done, z_before):
            return SHORT, position
        position += z_width * (z_before - z_done)
        w_done, z_done = w_before, z_before
        if not w_enable and not z_enable:
            return OK, position


@njit(cache=True, nogil=True)
def _end_indices(unary0, unary1, truncated, wdiv, quotient, w_pos, symbols, indices):  # type: ignore[no-untyped-def]
    """Quotients that end in a chunk; return position, quotient begun and the first bit not used."""
    for bit in range(UNARY_BITS):
        if w_pos == symbols:
            return w_pos, quotient, bit
        goes_on = 0
        if unary0 >> bit & 1:
            goes_on = unary1 & 1
            unary1 >>= 1
            quotient += 1 + goes_on
        if truncated or not goes_on:
            indices[w_pos] = quotient << wdiv
            quotient = 0
            w_pos += 1
    return w_pos, quotient, UNARY_BITS


@njit(cache=True, nogil=True)
def _end_runs(unary, field, zdiv, quotient, z_pos, run_symbols, runs):  # type: ignore[no-untyped-def]
    """The same for runs."""
    for bit in range(field):
        if z_pos == run_symbols:
            return z_pos, quotient, bit
        if unary >> bit & 1:
            quotient += 1
        else:
            runs[z_pos] = quotient << zdiv
            quotient = 0
            z_pos += 1
    return z_pos, quotient, field


@njit(cache=True, nogil=True)
def _add_remainders(words, position, stop, width, symbols, first, last):  # type: ignore[no-untyped-def]
    """Complete the symbols from `first` to `last`; return whether the stream holds their remainders."""
    if width == 0:
        return True
    if position + width * (last - first) > stop:
        return False
    for symbol in range(first, last):
        symbols[symbol] += np.int64(get_bits(words, position, width))
        position += width
    return True


@njit(cache=True, nogil=True)
def _ones(field):  # type: ignore[no-untyped-def]
    """Ones of a field."""
    ones = 0
    while field:
        field &= field - 1
        ones += 1
    return ones


@njit(cache=True, nogil=True)
def _first_one(field, bit):  # type: ignore[no-untyped-def]
    """First bit set from `bit` on."""
    while not field >> bit & 1:
        bit += 1
    return bit
