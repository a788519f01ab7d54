"""ZVC, zero-value compression: a bit mask for each group of symbols, and the symbols that are not zero.

Symbols go in groups of ``g = max(8, W)``. Group ``k`` has a mask ``M_k`` of ``g`` bits, bit ``i`` set if symbol ``i``
of the group is not the zero point, and data ``D_k``: those symbols, W bits each, in order, behind their mask::

    | M_0 : g | D_0 | M_1 : g | D_1 | ... | M_last : g | D_last |

Every field is a multiple of W bits. Least significant bit first. The last group may be short: its mask still has ``g``
bits, those past the last symbol zero (checked). The decoder is told the symbol count and the zero point. Size:
``g ceil(n / g) + W nonzeros``; worst case, no zeros, 1 + 1/W times raw.

Source: the zero mask of Rhu et al., "Compressing DMA Engine" (HPCA 2018, section V: ZVC), whose masks precede 32
symbols; the group of one mask word is ours.

==============================  =================================  ================
symbols (W = 8)                 fields                             bytes
==============================  =================================  ================
0, 5, 0, 0, 9                   M_0 = 00010010, 5, 9               12 05 09
eight zeros, then 7             M_0 = 0, M_1 = 1, (no D_0), 7      00 01 07
(none)                          (none)                             (none)
==============================  =================================  ================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from golden.bits import get_bits, put_bits
from golden.codec import check_word_bits
from golden.symbol_codec import SHORT, STRAY_MASK, KernelCodec

__all__ = ["Zvc", "ZvcFormat"]


@dataclass(frozen=True)
class ZvcFormat:
    """Masks over groups of symbols of `word_bits` bits."""

    word_bits: int = 8

    def __post_init__(self) -> None:
        check_word_bits(self.word_bits)

    @property
    def group_symbols(self) -> int:
        """Symbols of a group, and bits of its mask."""
        return max(8, self.word_bits)


@njit(cache=True, nogil=True)
def _size(values, starts, zero_point, word_bits, group):  # type: ignore[no-untyped-def]
    bits = np.zeros(starts.size - 1, np.int64)
    for t in range(starts.size - 1):
        count = starts[t + 1] - starts[t]
        nonzeros = 0
        for i in range(starts[t], starts[t + 1]):
            nonzeros += values[i] != zero_point
        bits[t] = (count + group - 1) // group * group + word_bits * nonzeros
    return bits


@njit(cache=True, nogil=True, inline="always")
def _mask(values, i, end, zero_point, group):  # type: ignore[no-untyped-def]
    """The mask of the group at symbol `i`."""
    mask = np.uint64(0)
    for j in range(min(group, end - i)):
        mask |= np.uint64(values[i + j] != zero_point) << np.uint64(j)
    return mask


@njit(cache=True, nogil=True)
def _encode(values, starts, zero_point, words, spans, chosen, word_bits, group):  # type: ignore[no-untyped-def]
    for t in chosen:
        position = spans[t, 0] * 64
        end = starts[t + 1]
        for i in range(starts[t], end, group):
            position = put_bits(words, position, _mask(values, i, end, zero_point, group), group)
            word = position >> 6
            fill = position & 63
            held = words[word] if fill else np.uint64(0)
            for j in range(i, min(i + group, end)):
                # No branch on the data: a zero adds a field of no width. W divides 64, so no field is split.
                nonzero = values[j] != zero_point
                held |= (np.uint64(values[j]) if nonzero else np.uint64(0)) << np.uint64(fill)
                fill += word_bits if nonzero else 0
                if fill == 64:
                    words[word] = held
                    word += 1
                    fill = 0
                    held = np.uint64(0)
            if fill:
                words[word] = held
            position = word * 64 + fill


@njit(cache=True, nogil=True, inline="always")
def _ones(mask):  # type: ignore[no-untyped-def]
    """Bits set in a mask of up to 16 bits."""
    mask -= (mask >> np.uint64(1)) & np.uint64(0x5555)
    mask = (mask & np.uint64(0x3333)) + ((mask >> np.uint64(2)) & np.uint64(0x3333))
    mask = (mask + (mask >> np.uint64(4))) & np.uint64(0x0F0F)
    return np.int64((mask + (mask >> np.uint64(8))) & np.uint64(31))


@njit(cache=True, nogil=True)
def _decode(words, spans, chosen, values, starts, zero_point, word_bits, group):  # type: ignore[no-untyped-def]
    bits = np.zeros(chosen.size, np.int64)
    symbol_mask = np.uint64((1 << word_bits) - 1)
    zero = np.uint64(zero_point)
    for k in range(chosen.size):
        t = chosen[k]
        first = spans[t, 0] * 64
        limit = spans[t, 1] * 64
        end = starts[t + 1]
        position = first
        for i in range(starts[t], end, group):
            if position + group > limit:
                return bits, t, position - first, SHORT
            mask = get_bits(words, position, group)
            if end - i < group and mask >> np.uint64(end - i) != 0:
                return bits, t, position - first, STRAY_MASK
            position += group
            if position + word_bits * _ones(mask) > limit:
                return bits, t, position - first, SHORT
            for j in range(i, min(i + group, end)):
                # No branch on the data, and W divides 64: read a symbol whether the mask wants it or not.
                symbol = (words[min(position, limit - 1) >> 6] >> np.uint64(position & 63)) & symbol_mask
                present = mask & np.uint64(1) != 0
                values[j] = symbol if present else zero
                position += word_bits if present else 0
                mask >>= np.uint64(1)
        bits[k] = position - first
    return bits, -1, 0, 0


class Zvc(KernelCodec[ZvcFormat]):
    """A mask for each group of symbols, and the symbols that are not zero."""

    codec_id = "zvc"
    format_type = ZvcFormat
    _size, _encode, _decode = staticmethod(_size), staticmethod(_encode), staticmethod(_decode)

    @property
    def word_bits(self) -> int:
        """Bits of a symbol."""
        return self.format.word_bits

    @property
    def _parameters(self) -> tuple[int, ...]:
        return self.format.word_bits, self.format.group_symbols
