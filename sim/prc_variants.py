"""Variants of the predictive Rice code: what a tile would take if one choice of the format were another.

Sizes only, in two steps: `symbol_lengths` gives the code length of every symbol, `lane_bits` puts codes of those
lengths into units of lanes. The default `Variant` is the format of golden/activations/prc.py, and a test holds their
sizes equal; the study that walks the variants is sim/prc_study.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.tiles import Tiles

__all__ = ["FLAGS", "ORDERS", "PREDICTORS", "Variant", "variant_bits"]

PREDICTORS = ("average", "median edge", "left", "up", "smoothed median edge")
FLAGS = ("none", "symbols", "rows")
ORDERS = ("lengths known", "all asked", "trimmed")

_WORD_BITS = 8
_TOP = 255


@dataclass(frozen=True)
class Variant:
    """A predictive Rice code of 8-bit symbols; the defaults are prc.

    Attributes
    ----------
    predictors : tuple of str
        Names from `PREDICTORS`: 1, 2 or 4 to choose from for each plane.
    folded : bool
        Residuals folded at the ends of the range, or taken modulo 256.
    flags : str
        ``none``: no plane is flagged; ``symbols``: each symbol of a flagged plane has a flag; ``rows``: as prc.
    contexts : int
        1, or 2: a second parameter for symbols below three zero points (upper left, upper, upper right).
    exact : bool
        Parameter, flag and predictor of a plane from the exact sizes, or from sums and counts as prc.
    first_raw : bool
        The first symbol of a plane unchanged, or predicted to be the zero point (its escape then comes after 4 ones,
        as header and code together must not pass 16 bits).
    unary_limit : int
        Ones that begin an escape.
    lanes, unit_bits, held_bits : int
        Sub-streams, the bits that one asks for at once, and those that it holds at least after asking.
    order : str
        ``lengths known``: only whole units; ``all asked``: every unit that a decoder asks for; ``trimmed``: as prc.
    tile : tuple of int
        Height, width and channels.
    """

    predictors: tuple[str, ...] = ("average",)
    folded: bool = True
    flags: str = "rows"
    contexts: int = 1
    exact: bool = False
    first_raw: bool = True
    unary_limit: int = 8
    lanes: int = 4
    unit_bits: int = 16
    held_bits: int = 32
    order: str = "trimmed"
    tile: tuple[int, int, int] = (8, 8, 32)

    @property
    def header_bits(self) -> int:
        """Parameters, flag and predictor in front of a plane."""
        return 3 * self.contexts + 1 + (len(self.predictors) - 1).bit_length()


def variant_bits(values: NDArray[np.uint8], tiles: Tiles, zero_point: int, variant: Variant) -> NDArray[np.int64]:
    """Coded bits of each tile.

    Parameters
    ----------
    values : ndarray of uint8, shape (n,)
        Symbols in the scan ``tile-planar``.
    tiles : Tiles
        Their tiles.
    zero_point : int
    variant : Variant

    Returns
    -------
    ndarray of int64, shape (tiles,)
    """
    predictors = np.array([PREDICTORS.index(name) for name in variant.predictors])
    flags, order = FLAGS.index(variant.flags), ORDERS.index(variant.order)
    switches = (variant.folded, flags, variant.contexts, variant.exact, variant.first_raw)
    lengths = _lengths(
        values, tiles.starts, tiles.shapes, zero_point, predictors, *switches, variant.unary_limit, variant.header_bits
    )
    lanes = (variant.lanes, variant.unit_bits, variant.held_bits)
    bits: NDArray[np.int64] = _lane_bits(lengths, tiles.starts, tiles.shapes, *lanes, order)
    return bits


@njit(cache=True, nogil=True)
def _expect(values, at, row, column, width, predictor):  # type: ignore[no-untyped-def]
    """The symbol expected at `at`, which is not the first of its plane."""
    if row == 0:
        return np.int64(values[at - 1])
    up = np.int64(values[at - width])
    if column == 0:
        return up
    left, corner = np.int64(values[at - 1]), np.int64(values[at - width - 1])
    edge = min(max(left + up - corner, min(left, up)), max(left, up))
    if predictor == 0:
        return (left + up + 1) >> 1
    if predictor == 1:
        return edge
    if predictor == 2:
        return left
    if predictor == 3:
        return up
    return (2 * edge + left + up + 2) >> 2


@njit(cache=True, nogil=True)
def _residual(symbol, expected, folded):  # type: ignore[no-untyped-def]
    """Folded as prc does, or modulo 256 as JPEG-LS does."""
    off = symbol - expected
    if not folded:
        off = ((off + 128) & 255) - 128
        return 2 * off if off >= 0 else -2 * off - 1
    near = min(expected, _TOP - expected)
    return abs(off) + near if abs(off) > near else 2 * abs(off) - (off < 0)


@njit(cache=True, nogil=True)
def _is_blank(values, at, width, zero_point):  # type: ignore[no-untyped-def]
    others = 0
    for j in range(at, at + width):
        others += values[j] != zero_point
    return others == 0


@njit(cache=True, nogil=True)
def _rice(residual, k, limit):  # type: ignore[no-untyped-def]
    unary = residual >> k
    return unary + 1 + k if unary < limit else limit + _WORD_BITS


@njit(cache=True, nogil=True)
def _flag_bits(is_zero, blank, column, width, flags):  # type: ignore[no-untyped-def]
    """What a flagged plane spends on telling zero points."""
    if flags < 2 or not is_zero or width == 1:
        return 1
    return 2 if column == 0 else (0 if blank else 1)


@njit(cache=True, nogil=True)
def _smallest_k(total, count):  # type: ignore[no-untyped-def]
    k = 0
    while k < _WORD_BITS - 1 and count << (k + 1) < total:
        k += 1
    return k


@njit(cache=True, nogil=True)
def _lengths(  # type: ignore[no-untyped-def]
    values, starts, shapes, zero_point, predictors, folded, flags, contexts, exact, first_raw, limit, header_bits
):
    """Code length of every symbol, headers with the first symbol of their planes."""
    lengths = np.zeros(starts[-1], np.uint8)
    for t in range(starts.size - 1):
        height, width, channels = shapes[t, 0], shapes[t, 1], shapes[t, 2]
        symbols = height * width
        residuals = np.zeros((predictors.size, symbols), np.int64)
        context = np.zeros(symbols, np.int64)
        is_zero, blank = np.zeros(symbols, np.bool_), np.zeros(symbols, np.bool_)
        for plane in range(channels):
            first = starts[t] + plane * symbols
            for place in range(symbols):
                at, row, column = first + place, place // width, place % width
                is_zero[place] = values[at] == zero_point
                blank[place] = _is_blank(values, at, width, zero_point) if column == 0 else blank[place - 1]
                if contexts == 2 and row > 0:
                    begin, end = max(column - 1, 0), min(column + 2, width)
                    context[place] = _is_blank(values, at - width - column + begin, end - begin, zero_point)
                for p in range(predictors.size):
                    known = first_raw and place == 0
                    expected = _expect(values, at, row, column, width, predictors[p]) if place else zero_point
                    residuals[p, place] = 0 if known else _residual(np.int64(values[at]), expected, folded)
            own = lengths[first : first + symbols]
            _plane(residuals, context, is_zero, blank, width, flags, contexts, exact, first_raw, limit, own)
            own[0] += header_bits
    return lengths


@njit(cache=True, nogil=True)
def _plane(residuals, context, is_zero, blank, width, flags, contexts, exact, first_raw, limit, lengths):  # type: ignore[no-untyped-def]
    """Choose predictor, flag and parameters of a plane, and write the lengths of its codes."""
    symbols = is_zero.size
    others = symbols - is_zero.sum()
    lengths[:] = 0
    if others == 0:
        return
    best, ks = np.int64(1 << 40), np.zeros(2, np.int64)
    chosen, flagged = 0, False
    for p in range(residuals.shape[0]):
        if not exact:
            total = np.int64(0)
            for place in range(symbols):
                total += 0 if is_zero[place] else residuals[p, place]
            if total < best:
                best, chosen = total, p
            continue
        for flag in range(2 if flags > 0 else 1):
            size, found = _exact_size(
                residuals[p], context, is_zero, blank, width, flags, flag, contexts, first_raw, limit
            )
            if size < best:
                best, chosen, flagged, ks = size, p, flag != 0, found
    if not exact:
        flagged = flags > 0 and 8 * (symbols - others) > symbols
        for c in range(contexts):
            total, count = np.int64(0), np.int64(0)
            for place in range(symbols):
                if context[place] == c and not is_zero[place]:
                    total += residuals[chosen, place]
                    count += 1
            ks[c] = _smallest_k(total, count)
            ks[c] = min(ks[c], _WORD_BITS - 2) if flagged or contexts == 2 else ks[c]
    for place in range(symbols):
        lengths[place] = _length(
            residuals[chosen, place], is_zero[place], blank[place], place, width, flags, flagged, first_raw,
            ks[context[place]], limit,
        )  # fmt: skip


@njit(cache=True, nogil=True)
def _length(residual, is_zero, blank, place, width, flags, flagged, first_raw, k, limit):  # type: ignore[no-untyped-def]
    if k == _WORD_BITS - 1:
        return _WORD_BITS
    length = _flag_bits(is_zero, blank, place % width, width, flags) if flagged else 0
    if flagged and is_zero:
        return length
    if place == 0:
        return length + (_WORD_BITS if first_raw else _rice(residual, k, min(limit, 4) - flagged))
    return length + _rice(residual, k, limit - flagged)


@njit(cache=True, nogil=True)
def _exact_size(residuals, context, is_zero, blank, width, flags, flag, contexts, first_raw, limit):  # type: ignore[no-untyped-def]
    """The smallest size of a plane with this flag, and its parameters."""
    sizes = np.zeros((2, _WORD_BITS), np.int64)
    for place in range(is_zero.size):
        for k in range(_WORD_BITS):
            sizes[context[place], k] += _length(
                residuals[place], is_zero[place], blank[place], place, width, flags, flag != 0, first_raw, k, limit
            )
    ks = np.zeros(2, np.int64)
    last = _WORD_BITS - 1 if flag or contexts == 2 else _WORD_BITS
    for c in range(2):
        ks[c] = np.argmin(sizes[c, :last])
    return sizes[0, ks[0]] + sizes[1, ks[1]], ks


@njit(cache=True, nogil=True)
def _lane_bits(lengths, starts, shapes, lanes, unit_bits, held_bits, order):  # type: ignore[no-untyped-def]
    """Bits of each tile whose codes have these lengths."""
    bits = np.zeros(starts.size - 1, np.int64)
    for t in range(bits.size):
        symbols, channels = shapes[t, 0] * shapes[t, 1], shapes[t, 2]
        todo, ahead = np.zeros(lanes, np.int64), np.zeros(lanes, np.int64)
        for plane in range(channels):
            todo[plane % lanes] += lengths[starts[t] + plane * symbols : starts[t] + (plane + 1) * symbols].sum()
        needed = (todo + unit_bits - 1) // unit_bits
        asked, last, whole = 0, 0, needed.sum()
        for group in range(0, channels, lanes):
            for place in range(symbols):
                for lane in range(min(lanes, channels - group)):
                    while ahead[lane] < held_bits:
                        ahead[lane] += unit_bits
                        needed[lane] -= 1
                        asked += 1
                        last = asked if needed[lane] >= 0 else last
                    ahead[lane] -= lengths[starts[t] + (group + lane) * symbols + place]
        bits[t] = unit_bits * (whole if order == 0 else asked if order == 1 else last)
    return bits
