"""Decoder of Arm Ethos-U weight streams, as `golden.weights.mlw_format` lays them out.

The steps that a decoder in hardware has are kept apart: `_read_header`; `_read_slice`, one chunk per turn of its loop;
`_expand`, which makes weights of indices and runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.bits import get_bits
from golden.codec import CorruptStreamError, Words
from golden.weights.mlw_format import (
    END_MARKER,
    HEADER_BITS,
    NO_RUNS,
    PALETTE_BITS,
    PALETTE_ENTRIES,
    RAW,
    RAW_SYMBOLS,
    RAW_SYMBOLS_WIDE,
    RAW_WIDE_BITS,
    SLICE_SYMBOLS,
    UNARY_BITS,
    UNARY_BITS_COARSE,
    V_LIMIT,
    W_AHEAD,
)

__all__ = ["count_weights", "decode_block"]

_OK, _SHORT, _ZDIV, _WDIV, _FRESH, _MODE, _END, _PADDING, _RANGE, _OVERRUN, _UNDERRUN, _TAIL = range(12)
_FAULTS = (
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

# What lives on from slice to slice, by place in the decoder's state.
_WITH_RUNS, _DIRECT, _ENTRIES, _ENTRY_BITS = range(4)


def decode_block(words: Words, start: int, stop: int, values: NDArray[Any], last: bool) -> None:
    """Decode the slices from bit `start` to bit `stop` into `values`.

    Parameters
    ----------
    words : ndarray of uint64
    start, stop : int
        First bit of a slice that sets NEWPAL; first bit of a later such slice, or the end of the stream.
    values : ndarray of int16, shape (n,)
        Receives the weights.
    last : bool
        Whether the slices must be closed by an end marker; otherwise they must not.

    Raises
    ------
    CorruptStreamError
        If the slices break a rule of the format or do not hold exactly `n` weights, with the bit position.
    """
    fault, position, _ = _decode(words, start, stop, values, last, True)
    if fault != _OK:
        raise CorruptStreamError(_FAULTS[fault].format(position))


def count_weights(words: Words, bits: int) -> int:
    """Number of weights in a whole stream of `bits` bits.

    Raises
    ------
    CorruptStreamError
        If the slices break a rule of the format, with the bit position.
    """
    fault, position, count = _decode(words, 0, bits, np.zeros(0, np.int16), True, False)
    if fault != _OK:
        raise CorruptStreamError(_FAULTS[fault].format(position))
    return int(count)


@njit(cache=True, nogil=True)
def _decode(words, start, stop, values, last, store):  # type: ignore[no-untyped-def]
    """Slices and end markers; return fault, position and the number of weights."""
    indices = np.empty(SLICE_SYMBOLS + 1, np.int64)
    runs = np.empty(SLICE_SYMBOLS + 2, np.int64)
    palette = np.zeros(PALETTE_ENTRIES, np.int64)
    state = np.zeros(4, np.int64)
    position, count, fresh, closed = start, 0, True, False
    while position < stop:
        if position + 3 > stop:
            return _SHORT, position, count
        if last and get_bits(words, position, 3) == END_MARKER:
            fault, position = _skip_end(words, position, stop)
            if fault != _OK:
                return fault, position, count
            fresh, closed = True, True
            continue
        fault, position, header = _read_header(words, position, stop, fresh, state, palette)
        if fault != _OK:
            return fault, position, count
        fault, position = _read_slice(words, position, stop, header, state, indices, runs)
        if fault != _OK:
            return fault, position, count
        fits, count = _expand(indices, runs, header, state, palette, values, count, store)
        if not fits:
            return _OVERRUN, position, count
        fresh, closed = False, False
    if last and not closed:
        return _TAIL, position, count
    if store and count != values.size:
        return _UNDERRUN, position, count
    return _OK, position, count


@njit(cache=True, nogil=True)
def _skip_end(words, position, stop):  # type: ignore[no-untyped-def]
    """ZDIV 7 and the ones up to the next byte."""
    end = (position + 3 + 7) & ~7
    if end > stop:
        return _SHORT, position
    for bit in range(position + 3, end):
        if get_bits(words, bit, 1) == 0:
            return _END, bit
    return _OK, end


@njit(cache=True, nogil=True)
def _read_header(words, position, stop, fresh, state, palette):  # type: ignore[no-untyped-def]
    """Header and palette; return fault, position and (zdiv, symbols, wdiv, truncated, new palette)."""
    nothing = (0, 0, 0, 0, 0)
    if position + HEADER_BITS > stop:
        return _SHORT, position, nothing
    zdiv = np.int64(get_bits(words, position, 3))
    symbols = np.int64(get_bits(words, position + 3, 15)) + 1
    wdiv = np.int64(get_bits(words, position + 18, 3))
    truncated = np.int64(get_bits(words, position + 21, 1))
    new_palette = np.int64(get_bits(words, position + 22, 1))
    if zdiv > 3 and zdiv != NO_RUNS:
        return _ZDIV, position, nothing
    if wdiv > 5 and wdiv != RAW:
        return _WDIV, position + 18, nothing
    if not new_palette and (fresh or state[_WITH_RUNS] != (zdiv != NO_RUNS)):
        return _FRESH if fresh else _MODE, position + 22, nothing
    position += HEADER_BITS
    if new_palette:
        if position + PALETTE_BITS > stop:
            return _SHORT, position, nothing
        size = np.int64(get_bits(words, position + 5, 5))
        state[_WITH_RUNS] = zdiv != NO_RUNS
        state[_DIRECT] = np.int64(get_bits(words, position, 5))
        state[_ENTRIES] = size + 1 if size > 0 else 0
        state[_ENTRY_BITS] = np.int64(get_bits(words, position + 10, 3)) + 2
        position += PALETTE_BITS
        for entry in range(state[_ENTRIES]):
            if position + state[_ENTRY_BITS] > stop:
                return _SHORT, position, nothing
            palette[entry] = np.int64(get_bits(words, position, state[_ENTRY_BITS]))
            position += state[_ENTRY_BITS]
    return _OK, position, (zdiv, symbols, wdiv, truncated, new_palette)


@njit(cache=True, nogil=True)
def _read_slice(words, position, stop, header, state, indices, runs):  # type: ignore[no-untyped-def]
    """Chunk by chunk, fill `indices` and `runs`; return fault and position."""
    zdiv, symbols, wdiv, truncated, new_palette = header
    with_runs = zdiv != NO_RUNS
    run_symbols = symbols + new_palette if with_runs else 0
    z_width = zdiv if with_runs else 0
    z_unary_bits = UNARY_BITS if zdiv < 3 else UNARY_BITS_COARSE
    raw = wdiv == RAW
    w_width = wdiv
    if raw:
        w_width = state[_ENTRY_BITS] if state[_ENTRIES] == 0 else _width(state[_ENTRIES] - 1)
    raw_symbols = RAW_SYMBOLS if w_width <= RAW_WIDE_BITS else RAW_SYMBOLS_WIDE
    w_pos, z_pos, w_quotient, z_quotient = 0, 0, 0, 0
    w_done, z_done = 0, 0  # symbols whose remainder has been read too
    limit = V_LIMIT + min(0, state[_ENTRIES] - state[_DIRECT])
    while True:
        # What a chunk carries follows from what the chunks before it held.
        ahead = w_pos - z_pos if with_runs else 0
        w_enable = w_pos < symbols and ahead < W_AHEAD
        z_enable = z_pos < run_symbols and ahead >= 0
        w_before, z_before = w_pos, z_pos

        w_start, unary0 = position, 0
        if w_enable and not raw:
            if position + UNARY_BITS > stop:
                return _SHORT, position
            unary0 = np.int64(get_bits(words, position, UNARY_BITS))
            position += UNARY_BITS
        z_start, unary = position, 0
        if z_enable:
            if position + z_unary_bits > stop:
                return _SHORT, position
            unary = np.int64(get_bits(words, position, z_unary_bits))
            position += z_unary_bits
        unary1 = 0
        if unary0:
            ones = _ones(unary0)
            if position + ones > stop:
                return _SHORT, position
            unary1 = np.int64(get_bits(words, position, ones))
            position += ones

        if w_enable and raw:
            w_pos = min(w_pos + raw_symbols, symbols)
            indices[w_before:w_pos] = 0
        elif w_enable:
            for bit in range(UNARY_BITS):
                if w_pos == symbols:
                    if unary0 >> bit:
                        return _PADDING, w_start + bit
                    break
                goes_on = 0
                if unary0 >> bit & 1:
                    goes_on = unary1 & 1
                    unary1 >>= 1
                    w_quotient += 1 + goes_on
                if truncated or not goes_on:
                    indices[w_pos] = w_quotient << wdiv
                    w_quotient = 0
                    w_pos += 1
        if z_enable:
            for bit in range(z_unary_bits):
                if z_pos == run_symbols:
                    if unary >> bit:
                        return _PADDING, z_start + bit
                    break
                if unary >> bit & 1:
                    z_quotient += 1
                else:
                    runs[z_pos] = z_quotient << z_width
                    z_quotient = 0
                    z_pos += 1

        # Remainders of the chunk before.
        if w_width:
            if position + w_width * (w_before - w_done) > stop:
                return _SHORT, position
            for symbol in range(w_done, w_before):
                indices[symbol] += np.int64(get_bits(words, position, w_width))
                position += w_width
        for symbol in range(w_done, w_before):
            if indices[symbol] > limit:
                return _RANGE, position - w_width * (w_before - symbol)
        if z_width:
            if position + z_width * (z_before - z_done) > stop:
                return _SHORT, position
            for symbol in range(z_done, z_before):
                runs[symbol] += np.int64(get_bits(words, position, z_width))
                position += z_width
        w_done, z_done = w_before, z_before
        if not w_enable and not z_enable:
            return _OK, position


@njit(cache=True, nogil=True)
def _expand(indices, runs, header, state, palette, values, count, store):  # type: ignore[no-untyped-def]
    """Weights of one slice; return whether they fit and the number of weights so far."""
    _, symbols, _, _, new_palette = header
    entries, shift = state[_ENTRIES], state[_DIRECT] - state[_ENTRIES]
    run = 0
    if state[_WITH_RUNS] and new_palette:
        count += runs[0]
        run = 1
        if store:
            if count > values.size:
                return False, count
            values[count - runs[0] : count] = 0
    if not store:
        count += symbols
        if state[_WITH_RUNS]:
            count += runs[run : run + symbols].sum()
        return True, count
    for symbol in range(symbols):
        if count == values.size:
            return False, count
        index = indices[symbol]
        v = palette[index] if index < entries else index + shift
        values[count] = -(v >> 1) if v & 1 else v >> 1
        count += 1
        if state[_WITH_RUNS]:
            zeros = runs[run + symbol]
            if count + zeros > values.size:
                return False, count
            values[count : count + zeros] = 0
            count += zeros
    return True, count


@njit(cache=True, nogil=True)
def _width(value):  # type: ignore[no-untyped-def]
    """Bits of `value`."""
    bits = 0
    while value >> bits:
        bits += 1
    return bits


@njit(cache=True, nogil=True)
def _ones(field):  # type: ignore[no-untyped-def]
    """Ones of a field."""
    ones = 0
    while field:
        field &= field - 1
        ones += 1
    return ones
