"""Cycles of the decoder of Ethos-U weight streams: what comes out when, as the hardware does it.

Nothing here is fitted. A stream is first taken apart into *steps*, each a cycle of the reader: a header, an entry of a
palette, a chunk, an end marker (or 32 bits of filling). Then reader, queues and beats are stepped cycle by cycle with
all that decides when they wait, and nothing of what they compute. Words are always there, sinks always ready. Tests
hold every beat equal to the core's in hw/weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.bits import get_bits
from golden.codec import Words
from golden.weights.mlw_chunks import enables, raw_symbols, run_field_bits
from golden.weights.mlw_format import (
    END_MARKER,
    HEADER_BITS,
    NO_RUNS,
    PALETTE_BITS,
    RAW,
    UNARY_BITS,
    bit_length,
)

__all__ = ["MlwTimes", "decode_times"]

_HEADER, _ENTRY, _CHUNK = range(3)
_FILL_BITS = 32
# Weights of the ring; with fewer that can be read a row is written.
_ROOM, _WINDOW, _BLOCK = 192, 16, 8
_ROW_BITS, _ROWS = 64, 16
# With so many beats to come a header does not wait for the masks before it.
_NEAR_BEATS = 128
# Remainders behind which the reader sees the next chunk at once, and bits of its words.
_NEAR_BITS, _WORD_BITS = 63, 128
# Entries of the palette that all weights of a row see, and the first weights of it, which see the others at once.
_NEAR, _PORTS = 2, 6
# Columns of a step: what it is; of a chunk, the weights that it completes, whether they take two cycles, the bits of
# its mask or -1 for none, and those of a mask of ones, which does not wait; cycles that the reader needs before it.
_KIND, _WEIGHTS, _TWICE, _MASK, _DIRECT, _WAIT, _COLUMNS = range(7)


@dataclass(frozen=True, eq=False)
class MlwTimes:
    """Cycles of a tensor's transfers, from that in which its order is taken.

    Attributes
    ----------
    beats : ndarray of int64
        Of each beat.
    report : int
        Of the report; the next order can be taken in the next cycle.
    """

    beats: NDArray[np.int64]
    report: int


def decode_times(words: Words, bits: int, count: int, lanes: int = 32) -> MlwTimes:
    """Cycles of a tensor that golden decodes.

    Parameters
    ----------
    words : ndarray of uint64
        The stream.
    bits : int
        Its length, whole words of the decoder.
    count : int
        Weights.
    lanes : int
        Weights of a beat.

    Raises
    ------
    ValueError
        If the stream has another number of weights.
    """
    steps = np.empty((bits // 2 + 2, _COLUMNS), np.int64)
    places = np.empty(count + 1, np.int64)
    number, symbols, weights = _steps(words, bits, steps, places)
    if weights != count:
        raise ValueError(f"stream must have {count} weights, not {weights}")
    beats = np.empty(-(-count // lanes), np.int64)
    report = _play(steps[:number], places[:symbols], count, lanes, beats)
    return MlwTimes(beats, int(report))


@njit(cache=True, nogil=True)
def _steps(words, bits, steps, places):  # type: ignore[no-untyped-def]
    """Fill `steps` and the places of weights that are no zeros of runs; return their numbers and all weights."""
    position, number, symbols, weights = np.int64(0), 0, 0, np.int64(0)
    # A stream's first bits are looked up in a cycle of their own.
    steps[0, _WAIT] = 1
    entries = entry_bits = np.int64(0)
    while position < bits:
        steps[number, _KIND] = _HEADER
        number += 1
        steps[number, _WAIT] = 0
        zdiv = np.int64(get_bits(words, position, 3))
        if zdiv == END_MARKER:
            ones = position % 8 == 0 and position + _FILL_BITS <= bits and _is_filled(words, position)
            position = position + _FILL_BITS if ones else (position + 10) & ~7
            continue
        count = np.int64(get_bits(words, position + 3, 15)) + 1
        wdiv = np.int64(get_bits(words, position + 18, 3))
        truncated = np.int64(get_bits(words, position + 21, 1))
        palette = np.int64(get_bits(words, position + 22, 1))
        position += HEADER_BITS
        if palette:
            size = np.int64(get_bits(words, position + 5, 5))
            entries, entry_bits = size + (size > 0), np.int64(get_bits(words, position + 10, 3)) + 2
            position += PALETTE_BITS + entries * entry_bits
            steps[number : number + entries, _KIND] = _ENTRY
            steps[number : number + entries + 1, _WAIT] = 0
            number += int(entries)
        width = wdiv
        if wdiv == RAW:
            width = bit_length(entries - 1) if entries else entry_bits
        shape = (count, wdiv, width, zdiv, truncated, palette, entries)
        position, number, symbols, weights = _chunks(words, position, shape, steps, number, places, symbols, weights)
    return number, symbols, weights


@njit(cache=True, nogil=True)
def _is_filled(words, position):  # type: ignore[no-untyped-def]
    return np.int64(get_bits(words, position, _FILL_BITS)) == (1 << _FILL_BITS) - 1


@njit(cache=True, nogil=True)
def _chunks(words, position, shape, steps, number, places, symbols, weights):  # type: ignore[no-untyped-def]
    """The chunks of a slice; weights are counted when the bits that stand for them come."""
    count, wdiv, width, zdiv, truncated, palette, entries = shape
    raw, with_runs = wdiv == RAW, zdiv != NO_RUNS
    run_symbols = count + palette if with_runs else 0
    field = run_field_bits(zdiv)
    quotients = np.zeros(UNARY_BITS, np.int64)
    w_pos = z_pos = w_ended = z_ended = unary = ended_before = quotient = np.int64(0)
    had_runs, first = False, True
    while True:
        start = position
        w_enable, z_enable = enables(w_pos, z_pos, count, run_symbols)
        unary0 = z_unary = unary1 = ones = np.int64(0)
        if w_enable and not raw:
            unary0 = np.int64(get_bits(words, position, UNARY_BITS))
            position += UNARY_BITS
        if z_enable:
            z_unary = np.int64(get_bits(words, position, field))
            position += field
        for bit in range(UNARY_BITS):
            ones += unary0 >> bit & 1
        if ones:
            unary1 = np.int64(get_bits(words, position, ones))
            position += ones

        # A chunk of a slice with runs that has none, before they are all read.
        if with_runs and not z_enable and z_pos < run_symbols:
            steps[number, _WAIT] += 1
        begin = position

        # Late indices of a row that are past the palette's first entries.
        steps[number, _KIND], steps[number, _WEIGHTS], steps[number, _MASK] = _CHUNK, w_ended, -1
        steps[number, _TWICE] = steps[number, _DIRECT] = 0
        for symbol in range(w_ended):
            index = quotients[symbol] << (0 if raw else wdiv)
            if width:
                index += np.int64(get_bits(words, position, width))
                position += width
            if symbol >= _PORTS and _NEAR <= index < entries:
                steps[number, _TWICE] = 1

        # The mask: of the bits of the runs before and of the remainders here; or of a weight ahead of the first run;
        # or, without runs, of the weights that are complete.
        first_weight = weights
        if not with_runs:
            for _ in range(w_ended):
                places[symbols] = weights
                symbols += 1
                weights += 1
            steps[number, _DIRECT] = w_ended
        elif had_runs:
            done = ended_before
            for bit in range(field):
                if done == run_symbols:
                    break
                if unary >> bit & 1:
                    weights += 1 << zdiv
                    continue
                if zdiv:
                    weights += np.int64(get_bits(words, position, zdiv))
                    position += zdiv
                done += 1
                if done < run_symbols:
                    places[symbols] = weights
                    symbols += 1
                    weights += 1
            steps[number, _MASK] = weights - first_weight
        elif first and not palette:
            places[symbols] = weights
            symbols += 1
            weights += 1
            steps[number, _MASK] = 1
        number += 1
        # What follows many remainders is looked up in a cycle of its own.
        rests, at_end = position - begin, (start - 1) % _WORD_BITS >= _WORD_BITS - 8
        steps[number, _WAIT] = rests > _NEAR_BITS or (at_end and rests >= _NEAR_BITS - 7)
        if not w_enable and not z_enable:
            return position, number, symbols, weights

        w_ended = z_ended = np.int64(0)
        if w_enable and raw:
            w_ended = np.int64(min(raw_symbols(width), count - w_pos))
            quotients[:] = 0
        elif w_enable:
            w_ended, quotient = _end(unary0, unary1, truncated, quotient, count - w_pos, quotients)
        if z_enable:
            for bit in range(field):
                z_ended += 1 - (z_unary >> bit & 1)
            z_ended = min(z_ended, run_symbols - z_pos)
        had_runs, first, unary, ended_before = z_enable, False, z_unary, z_pos
        w_pos += w_ended
        z_pos += z_ended


@njit(cache=True, nogil=True)
def _end(unary0, unary1, truncated, quotient, most, quotients):  # type: ignore[no-untyped-def]
    """Quotients of indices that end; return their number and the quotient begun."""
    ended = np.int64(0)
    for bit in range(UNARY_BITS):
        if ended == most:
            break
        goes_on = np.int64(0)
        if unary0 >> bit & 1:
            goes_on = unary1 & 1
            unary1 >>= 1
            quotient += 1 + goes_on
        if truncated or not goes_on:
            quotients[ended] = quotient
            quotient = np.int64(0)
            ended += 1
    return ended, quotient


@njit(cache=True, nogil=True)
def _play(steps, places, count, lanes, times):  # type: ignore[no-untyped-def]
    """Cycles of the beats; return that of the report."""
    number, beats = len(steps), (count + lanes - 1) // lanes
    at = made = served = past = 0
    done = final = second = full = near = False
    sure = has_room = True  # the beat in sight shows all bits that came; the ring takes a row
    chunk = row = -1  # the step whose chunk waits, and whose weights wait
    written = ready_weights = np.int64(0)  # weights in their ring, and those of them that can be seen
    mask, told = np.int64(-1), np.int64(0)  # bits of the mask that waits, -1 for none; bits that came
    stored, out = np.int64(0), False  # whole rows of masks in the queue's memory; whether one is at its output
    shown = np.int64(0)  # bits up to the last one in sight, which `full` tells to be a whole beat's
    cycle = 0
    wait = steps[0, _WAIT]
    while True:
        cycle += 1
        begin = made * lanes
        end, taken, ready = served, 0, past
        while ready < lanes // _BLOCK:
            bound = begin + (ready + 1) * _BLOCK
            if shown < bound and not (final and sure):
                break
            while end < len(places) and places[end] < min(shown, bound):
                end += 1
            if end - served > min(int(ready_weights) - served, _WINDOW):
                break
            taken = end - served
            ready += 1
        whole = ready == lanes // _BLOCK and full and made < beats - 1
        fits = row >= 0 and has_room
        write = second or (fits and not steps[row, _TWICE])
        room = stored < _ROWS
        go = mask >= 0 and room
        take = False
        if chunk >= 0:
            row_free = row < 0 or write or steps[chunk, _WEIGHTS] == 0
            direct, masked = steps[chunk, _DIRECT] > 0, steps[chunk, _MASK] >= 0
            mask_free = (mask < 0 and room) if direct else (mask < 0 or go or not masked)
            take = bool(row_free and mask_free)
        if final and sure and not (whole or ready > past or write or go):
            break

        # Clock edge.
        final = done
        empty = chunk < 0 and row < 0
        idle = empty and mask < 0
        step = False
        if wait:
            wait -= 1
        elif at < number:
            if steps[at, _KIND] == _HEADER:
                step = bool(empty and (idle or not near))
            else:
                step = bool(steps[at, _KIND] != _CHUNK or chunk < 0 or take)
        elif idle:
            done = True
        pops = False
        if whole or not full:
            sure = out or not stored
            beat = made + whole
            following = (beat + 1) * lanes
            shown, full = min(told, following), told >= following
            if not sure:
                shown, full = np.int64(beat * lanes), False
            pops = bool(full and following % _ROW_BITS == 0)
        moves = stored > 0 and (pops or not out)
        near = (count - 1) // lanes - made < _NEAR_BEATS
        before = told
        told += mask if go else 0
        has_room = bool(ready_weights - served < _ROOM)
        ready_weights = written
        written += steps[row, _WEIGHTS] if write else 0
        served += taken
        past = ready
        if whole:
            times[made] = cycle + 1
            made += 1
            past = 0
        second = bool(fits and not write)
        row = -1 if write else row
        mask = np.int64(-1) if go else mask
        if take:
            row = chunk if steps[chunk, _WEIGHTS] else row
            mask = max(mask, steps[chunk, _MASK])
            told += steps[chunk, _DIRECT]
            chunk = -1
        stored += told // _ROW_BITS - before // _ROW_BITS - moves
        out = moves or (out and not pops)
        if step:
            if steps[at, _KIND] == _CHUNK:
                chunk = at
            at += 1
            wait = steps[at, _WAIT] if at < number else 0
    # The beats that are left are filled, the last one but for its flags.
    while made < beats:
        times[made] = cycle + 2
        made += 1
        cycle += 1
    return cycle + 1
