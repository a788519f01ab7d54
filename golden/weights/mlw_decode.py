"""Decoder of Arm Ethos-U weight streams, as `golden.weights.mlw_format` lays them out.

The steps that a decoder in hardware has are kept apart: `_read_header`; `golden.weights.mlw_chunks.read_chunks`, one
chunk per turn of its loop; `_expand`, which makes weights of indices and runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.bits import get_bits
from golden.codec import CorruptStreamError, Words
from golden.weights.mlw_chunks import (
    BAD_END,
    BAD_WDIV,
    BAD_ZDIV,
    FAULTS,
    FRESH,
    MODE,
    OK,
    OVERRUN,
    SHORT,
    TAIL,
    UNDERRUN,
    read_chunks,
)
from golden.weights.mlw_format import (
    END_MARKER,
    HEADER_BITS,
    NO_RUNS,
    PALETTE_BITS,
    PALETTE_ENTRIES,
    RAW,
    SLICE_SYMBOLS,
    V_LIMIT,
    bit_length,
)

__all__ = ["count_weights", "decode_block"]

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
    if fault != OK:
        raise CorruptStreamError(FAULTS[fault].format(position))


def count_weights(words: Words, bits: int) -> int:
    """Number of weights in a whole stream of `bits` bits.

    Raises
    ------
    CorruptStreamError
        If the slices break a rule of the format, with the bit position.
    """
    fault, position, count = _decode(words, 0, bits, np.zeros(0, np.int16), True, False)
    if fault != OK:
        raise CorruptStreamError(FAULTS[fault].format(position))
    return int(count)


@njit(cache=True, nogil=True)
def _decode(words, start, stop, values, last, store):  # type: ignore[no-untyped-def]
    """Slices and end markers; return fault, position and the number of weights."""
    indices = np.empty(SLICE_SYMBOLS + 1, np.int64)
    runs = np.empty(SLICE_SYMBOLS + 2, np.int64)
    palette = np.zeros(PALETTE_ENTRIES, np.int64)
    state = np.zeros(4, np.int64)
    position, count, fresh, closed = start, np.int64(0), True, False
    while position < stop:
        if position + 3 > stop:
            return SHORT, position, count
        if last and get_bits(words, position, 3) == END_MARKER:
            fault, position = _skip_end(words, position, stop)
            if fault != OK:
                return fault, position, count
            fresh, closed = True, True
            continue
        fault, position, header = _read_header(words, position, stop, fresh, state, palette)
        if fault != OK:
            return fault, position, count
        shape = _shape(header, state)
        fault, position = read_chunks(words, position, stop, shape, indices, runs)
        if fault != OK:
            return fault, position, count
        fits, count = _expand(indices, runs, header, state, palette, values, count, store)
        if not fits:
            return OVERRUN, position, count
        fresh, closed = False, False
    if last and not closed:
        return TAIL, position, count
    if store and count != values.size:
        return UNDERRUN, position, count
    return OK, position, count


@njit(cache=True, nogil=True)
def _skip_end(words, position, stop):  # type: ignore[no-untyped-def]
    """ZDIV 7 and the ones up to the next byte."""
    end = (position + 3 + 7) & ~7
    if end > stop:
        return SHORT, position
    for bit in range(position + 3, end):
        if get_bits(words, bit, 1) == 0:
            return BAD_END, bit
    return OK, end


@njit(cache=True, nogil=True)
def _read_header(words, position, stop, fresh, state, palette):  # type: ignore[no-untyped-def]
    """Header and palette; return fault, position and (zdiv, symbols, wdiv, truncated, new palette)."""
    nothing = (0, 0, 0, 0, 0)
    if position + HEADER_BITS > stop:
        return SHORT, position, nothing
    zdiv = np.int64(get_bits(words, position, 3))
    symbols = np.int64(get_bits(words, position + 3, 15)) + 1
    wdiv = np.int64(get_bits(words, position + 18, 3))
    truncated = np.int64(get_bits(words, position + 21, 1))
    new_palette = np.int64(get_bits(words, position + 22, 1))
    if zdiv > 3 and zdiv != NO_RUNS:
        return BAD_ZDIV, position, nothing
    if wdiv > 5 and wdiv != RAW:
        return BAD_WDIV, position + 18, nothing
    if not new_palette and (fresh or state[_WITH_RUNS] != (zdiv != NO_RUNS)):
        return FRESH if fresh else MODE, position + 22, nothing
    position += HEADER_BITS
    if new_palette:
        if position + PALETTE_BITS > stop:
            return SHORT, position, nothing
        size = np.int64(get_bits(words, position + 5, 5))
        state[_WITH_RUNS] = zdiv != NO_RUNS
        state[_DIRECT] = np.int64(get_bits(words, position, 5))
        state[_ENTRIES] = size + 1 if size > 0 else 0
        state[_ENTRY_BITS] = np.int64(get_bits(words, position + 10, 3)) + 2
        position += PALETTE_BITS
        for entry in range(state[_ENTRIES]):
            if position + state[_ENTRY_BITS] > stop:
                return SHORT, position, nothing
            palette[entry] = np.int64(get_bits(words, position, state[_ENTRY_BITS]))
            position += state[_ENTRY_BITS]
    return OK, position, (zdiv, symbols, wdiv, truncated, new_palette)


@njit(cache=True, nogil=True)
def _shape(header, state):  # type: ignore[no-untyped-def]
    """What the chunks of a slice depend on, as `read_chunks` takes it."""
    zdiv, symbols, wdiv, truncated, new_palette = header
    entries = state[_ENTRIES]
    width = wdiv
    if wdiv == RAW:
        width = state[_ENTRY_BITS] if entries == 0 else bit_length(entries - 1)
    run_symbols = symbols + new_palette if zdiv != NO_RUNS else 0
    highest = V_LIMIT + min(0, entries - state[_DIRECT])
    return symbols, run_symbols, wdiv, width, zdiv, truncated, highest


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
