"""The compiled loops of prc; the format is told in golden/activations/prc.py.

The loops walk a tile in the order in which a decoder works: four planes at a time, symbol by symbol, one symbol of each
lane. A lane that holds less than two units asks for the next of the stream, so the encoder counts the bits that the
decoder holds to know whose unit comes next. As no code is longer than a unit, a decoder can do without the newest one.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = [
    "LANES",
    "SHORT",
    "STRAY_BIT",
    "STRAY_RESIDUAL",
    "UNARY_LIMIT",
    "code_lengths",
    "decode_tiles",
    "encode_tiles",
]

LANES = 4
UNARY_LIMIT = 8
SHORT, STRAY_RESIDUAL, STRAY_BIT = range(3)

# Rows of a tile's state, one column a lane: the plane's parameter, flag and whether its row is blank; bits that the
# encoder keeps; bits that the decoder holds, and how many of them are in the stream; the last three units asked for.
_K, _FLAG, _BLANK, _KEPT, _AHEAD, _REAL, _UNITS = range(7)
_ROWS = _UNITS + 3


@njit(cache=True, nogil=True)
def _next(column, width):  # type: ignore[no-untyped-def]
    """The column of the next symbol."""
    return column + 1 if column + 1 < width else 0


@njit(cache=True, nogil=True)
def _predict(values, at, place, column, width):  # type: ignore[no-untyped-def]
    """The symbol expected at `at`, which is not the first of its plane."""
    if place < width:
        return np.int64(values[at - 1])
    if column == 0:
        return np.int64(values[at - width])
    return (np.int64(values[at - 1]) + np.int64(values[at - width]) + 1) >> 1


@njit(cache=True, nogil=True)
def _fold(symbol, expected, top):  # type: ignore[no-untyped-def]
    """The residual: 0 for the expected symbol, then its neighbours in turn, then what is left on the longer side."""
    near = min(expected, top - expected)
    away = abs(symbol - expected)
    return away + near if away > near else 2 * away - (symbol < expected)


@njit(cache=True, nogil=True)
def _unfold(residual, expected, top):  # type: ignore[no-untyped-def]
    """The symbol of a residual of at most `top`."""
    if residual > 2 * min(expected, top - expected):
        return residual if 2 * expected < top else top - residual
    half = (residual + 1) >> 1
    return expected - half if residual & 1 else expected + half


@njit(cache=True, nogil=True)
def _plan(values, first, symbols, width, zero_point, word_bits):  # type: ignore[no-untyped-def]
    """Parameter and flag of the plane of `symbols` symbols at `first`."""
    top = (1 << word_bits) - 1
    others = np.int64(values[first] != zero_point)
    total = np.int64(0)
    column = 0
    for place in range(1, symbols):
        column = _next(column, width)
        at = first + place
        if values[at] != zero_point:
            others += 1
            total += _fold(np.int64(values[at]), _predict(values, at, place, column, width), top)
    if others == 0:
        return word_bits - 1, True
    k = 0
    while k < word_bits - 1 and others << (k + 1) < total:
        k += 1
    if 8 * (symbols - others) > symbols:
        return min(k, word_bits - 2), True
    return k, False


@njit(cache=True, nogil=True)
def _is_blank(values, at, width, zero_point):  # type: ignore[no-untyped-def]
    """Whether the row at `at` is zero points alone."""
    others = 0
    for j in range(at, at + width):
        others += values[j] != zero_point
    return others == 0


@njit(cache=True, nogil=True)
def _code(values, at, place, column, width, zero_point, word_bits, k, flagged, blank):  # type: ignore[no-untyped-def]
    """Code of a symbol and its length."""
    symbol = np.int64(values[at])
    if k == word_bits - 1:
        return (np.int64(0), 0) if flagged else (symbol, word_bits)
    code, length, limit = np.int64(0), 0, UNARY_LIMIT
    if flagged:
        if symbol == zero_point and column == 0 and width > 1:
            return np.int64(2 if blank else 0), 2
        if symbol == zero_point:
            return np.int64(0), 0 if blank and width > 1 else 1
        code, length, limit = np.int64(1), 1, UNARY_LIMIT - 1
    if place == 0:
        return code | symbol << length, length + word_bits
    residual = _fold(symbol, _predict(values, at, place, column, width), (1 << word_bits) - 1)
    unary = residual >> k
    if unary >= limit:
        return code | ((1 << limit) - 1) << length | symbol << (length + limit), length + limit + word_bits
    low = residual & ((1 << k) - 1)
    return code | ((1 << unary) - 1) << length | low << (length + unary + 1), length + unary + 1 + k


@njit(cache=True, nogil=True)
def code_lengths(values, starts, shapes, zero_point, word_bits):  # type: ignore[no-untyped-def]
    """Bits of the code of each symbol; a plane's header counts with its first symbol."""
    lengths = np.zeros(values.size, np.uint8)
    for t in range(len(shapes)):
        height, width, channels = shapes[t]
        symbols = height * width
        for first in range(starts[t], starts[t] + symbols * channels, symbols):
            k, flagged = _plan(values, first, symbols, width, zero_point, word_bits)
            column, blank = width - 1, False
            for place in range(symbols):
                column = _next(column, width)
                at = first + place
                if column == 0:
                    blank = _is_blank(values, at, width, zero_point)
                lengths[at] = _code(
                    values, at, place, column, width, zero_point, word_bits, k, flagged, blank
                )[1]  # fmt: skip
            lengths[first] += 3 + (word_bits >> 3)
    return lengths


@njit(cache=True, nogil=True)
def _ask(state, lane, asked, unit_bits):  # type: ignore[no-untyped-def]
    """A lane asks for unit number `asked`."""
    state[_UNITS + 2, lane] = state[_UNITS + 1, lane]
    state[_UNITS + 1, lane] = state[_UNITS, lane]
    state[_UNITS, lane] = asked
    state[_AHEAD, lane] += unit_bits


@njit(cache=True, nogil=True)
def _put_unit(words, origin, state, held, lane, unit_bits):  # type: ignore[no-untyped-def]
    """Put the first unit that a lane keeps in its place, unless `words` is empty; return its number."""
    unit = state[_UNITS + (state[_KEPT, lane] + state[_AHEAD, lane] - 1) // unit_bits, lane]
    if words.size > 0:
        position = origin + unit * unit_bits
        low = held[lane] & ((np.uint64(1) << np.uint64(unit_bits)) - np.uint64(1))
        words[position >> 6] |= low << np.uint64(position & 63)
    return unit


@njit(cache=True, nogil=True)
def _encode_tile(values, first, shape, zero_point, word_bits, unit_bits, words, origin):  # type: ignore[no-untyped-def]
    """Write a tile at bit `origin`, or measure it if `words` is empty; return its bits."""
    height, width, channels = shape
    symbols = height * width
    k_bits = 2 + (word_bits >> 3)
    state, held = np.zeros((_ROWS, LANES), np.int64), np.zeros(LANES, np.uint64)
    asked, last = 0, -1
    for group in range(0, channels if symbols > 0 else 0, LANES):
        lanes = min(LANES, channels - group)
        for lane in range(lanes):
            plane = first + (group + lane) * symbols
            state[_K, lane], state[_FLAG, lane] = _plan(values, plane, symbols, width, zero_point, word_bits)
        column = width - 1
        for place in range(symbols):
            column = _next(column, width)
            for lane in range(lanes):
                at = first + (group + lane) * symbols + place
                while state[_AHEAD, lane] < 2 * unit_bits:
                    _ask(state, lane, asked, unit_bits)
                    asked += 1
                k, flagged = state[_K, lane], state[_FLAG, lane]
                if flagged and column == 0:
                    state[_BLANK, lane] = _is_blank(values, at, width, zero_point)
                code, length = _code(
                    values, at, place, column, width, zero_point, word_bits, k, flagged != 0, state[_BLANK, lane] != 0
                )
                if place == 0:
                    code, length = k | flagged << k_bits | code << (k_bits + 1), length + k_bits + 1
                held[lane] |= np.uint64(code) << np.uint64(state[_KEPT, lane])
                state[_KEPT, lane] += length
                state[_AHEAD, lane] -= length
                if state[_KEPT, lane] >= unit_bits:
                    last = max(last, _put_unit(words, origin, state, held, lane, unit_bits))
                    held[lane] >>= np.uint64(unit_bits)
                    state[_KEPT, lane] -= unit_bits
    for lane in range(LANES):
        if state[_KEPT, lane] > 0:
            last = max(last, _put_unit(words, origin, state, held, lane, unit_bits))
    return (last + 1) * unit_bits


@njit(cache=True, nogil=True)
def encode_tiles(values, starts, shapes, zero_point, words, spans, chosen, word_bits, unit_bits):  # type: ignore[no-untyped-def]
    """Write the chosen tiles, or only measure them if `words` is empty; return their bits."""
    bits = np.zeros(chosen.size, np.int64)
    for i in range(chosen.size):
        t = chosen[i]
        shape = (shapes[t, 0], shapes[t, 1], shapes[t, 2])
        bits[i] = _encode_tile(values, starts[t], shape, zero_point, word_bits, unit_bits, words, spans[t, 0] * 64)
    return bits


@njit(cache=True, nogil=True)
def _read(window, word_bits, k, flagged, zero_point, start, edge, blank, expected):  # type: ignore[no-untyped-def]
    """Symbol, length and whether its row is blank; the symbol is -1 if the residual is too large."""
    symbol_mask = np.uint64((1 << word_bits) - 1)
    if k == word_bits - 1:
        return (zero_point, 0, False) if flagged else (np.int64(window & symbol_mask), word_bits, False)
    length, limit = 0, UNARY_LIMIT
    if flagged:
        if blank:
            return zero_point, 0, True
        if window & np.uint64(1) == 0:
            return (zero_point, 2, window & np.uint64(2) != 0) if edge else (zero_point, 1, False)
        length, limit = 1, UNARY_LIMIT - 1
    unary = 0
    while not start and unary < limit and (window >> np.uint64(length)) & np.uint64(1) != 0:
        unary += 1
        length += 1
    if start or unary == limit:
        return np.int64((window >> np.uint64(length)) & symbol_mask), length + word_bits, False
    low = (window >> np.uint64(length + 1)) & np.uint64((1 << k) - 1)
    residual = unary << k | np.int64(low)
    top = (1 << word_bits) - 1
    return (_unfold(residual, expected, top) if residual <= top else -1), length + 1 + k, False


@njit(cache=True, nogil=True)
def _position(state, lane, unit_bits):  # type: ignore[no-untyped-def]
    """Where the next bit that a lane holds stands in the stream."""
    behind = (state[_AHEAD, lane] - 1) // unit_bits
    return (state[_UNITS + behind, lane] + 1 + behind) * unit_bits - state[_AHEAD, lane]


@njit(cache=True, nogil=True)
def _unit(words, origin, limit, unit, unit_bits):  # type: ignore[no-untyped-def]
    """The bits of a unit, which are zero from unit number `limit` on."""
    if unit >= limit:
        return np.uint64(0)
    position = origin + unit * unit_bits
    return (words[position >> 6] >> np.uint64(position & 63)) & ((np.uint64(1) << np.uint64(unit_bits)) - np.uint64(1))


@njit(cache=True, nogil=True)
def _decode_tile(values, first, shape, zero_point, word_bits, unit_bits, words, origin, limit):  # type: ignore[no-untyped-def]
    """Read a tile of up to `limit` units; return its bits or -1, the position of the fault and the fault."""
    height, width, channels = shape
    symbols = height * width
    k_bits = 2 + (word_bits >> 3)
    state, held = np.zeros((_ROWS, LANES), np.int64), np.zeros(LANES, np.uint64)
    asked = 0
    for group in range(0, channels, LANES):
        column = width - 1
        for place in range(symbols):
            column = _next(column, width)
            for lane in range(min(LANES, channels - group)):
                at = first + (group + lane) * symbols + place
                while state[_AHEAD, lane] < 2 * unit_bits:
                    # The unit before is appended to what is held, and the newest waits.
                    if state[_AHEAD, lane] > 0:
                        newest = _unit(words, origin, limit, state[_UNITS, lane], unit_bits)
                        held[lane] |= newest << np.uint64(state[_AHEAD, lane] - unit_bits)
                    _ask(state, lane, asked, unit_bits)
                    state[_REAL, lane] += unit_bits if asked < limit else 0
                    asked += 1
                window, length, expected = held[lane], 0, zero_point
                if place == 0:
                    state[_K, lane] = np.int64(window & np.uint64((1 << k_bits) - 1))
                    state[_FLAG, lane] = np.int64((window >> np.uint64(k_bits)) & np.uint64(1))
                    window >>= np.uint64(k_bits + 1)
                    length = k_bits + 1
                else:
                    expected = _predict(values, at, place, column, width)
                edge = column == 0
                symbol, more, blank = _read(
                    window, word_bits, state[_K, lane], state[_FLAG, lane] != 0, zero_point,
                    place == 0, edge and width > 1, state[_BLANK, lane] != 0 and not edge, expected,
                )  # fmt: skip
                length += more
                if length > state[_REAL, lane]:
                    return np.int64(-1), min(_position(state, lane, unit_bits), limit * unit_bits), SHORT
                if symbol < 0:
                    return np.int64(-1), _position(state, lane, unit_bits), STRAY_RESIDUAL
                values[at] = symbol
                held[lane] >>= np.uint64(length)
                state[_BLANK, lane] = blank
                state[_AHEAD, lane] -= length
                state[_REAL, lane] -= length
    return _end(words, origin, limit, state, held, min(LANES, channels) if symbols > 0 else 0, unit_bits)


@njit(cache=True, nogil=True)
def _end(words, origin, limit, state, held, lanes, unit_bits):  # type: ignore[no-untyped-def]
    """The bits of a tile whose symbols are read: up to the last unit that a code reached; what is left must be zero."""
    last = np.int64(-1)
    for lane in range(lanes):
        last = max(last, state[_UNITS + state[_AHEAD, lane] // unit_bits, lane])
        left = held[lane]
        if left == 0:
            left = _unit(words, origin, limit, state[_UNITS, lane], unit_bits)
            state[_AHEAD, lane] = unit_bits
        if left != 0:
            while left & np.uint64(1) == 0:
                left >>= np.uint64(1)
                state[_AHEAD, lane] -= 1
            return np.int64(-1), _position(state, lane, unit_bits), STRAY_BIT
    return (last + 1) * unit_bits, np.int64(0), 0


@njit(cache=True, nogil=True)
def decode_tiles(words, spans, chosen, values, starts, shapes, zero_point, word_bits, unit_bits):  # type: ignore[no-untyped-def]
    """Bits of each chosen tile; the first corrupt one or -1, the position and the fault."""
    bits = np.zeros(chosen.size, np.int64)
    for i in range(chosen.size):
        t = chosen[i]
        shape = (shapes[t, 0], shapes[t, 1], shapes[t, 2])
        origin, limit = spans[t, 0] * 64, (spans[t, 1] - spans[t, 0]) * (64 // unit_bits)
        bits[i], position, fault = _decode_tile(
            values, starts[t], shape, zero_point, word_bits, unit_bits, words, origin, limit
        )
        if bits[i] < 0:
            return bits, t, position, fault
    return bits, -1, 0, 0
