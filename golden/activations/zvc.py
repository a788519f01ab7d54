"""ZVC, zero-value compression: a bit mask for each group of symbols, and the symbols that are not zero.

Symbols go in groups of ``g = max(8, W)``. Group ``k`` has a mask ``M_k`` of ``g`` bits, bit ``i`` set where symbol ``i`` of
the group is not the zero point, and data ``D_k``: those symbols, W bits each, in order. Each mask is sent one group
ahead of its data, so that a decoder knows how many symbols to take before it must take them::

    | M_0 : g | M_1 : g | D_0 | M_2 : g | D_1 | ... | M_last : g | D_last-1 | D_last |

Every field is a multiple of W bits. Least significant bit first. The last group may be short: its mask still has ``g``
bits, those past the last symbol zero (checked). The decoder is told the symbol count and the zero point. Size:
``g ceil(n / g) + W nonzeros``; worst case, no zeros, 1 + 1/W times raw.

Source: the zero mask of Rhu et al., "Compressing DMA Engine" (HPCA 2018, section V: ZVC), whose masks precede 32
symbols; the group of one mask word and the mask ahead are ours.

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
from golden.codec import SHORT, STRAY_MASK, KernelCodec, check_word_bits

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
def _put_mask(words, position, values, i, end, zero_point, group):  # type: ignore[no-untyped-def]
    """Write the mask of the group at symbol `i`, if there is one."""
    if i >= end:
        return position
    mask = np.uint64(0)
    for j in range(min(group, end - i)):
        mask |= np.uint64(values[i + j] != zero_point) << np.uint64(j)
    return put_bits(words, position, mask, group)


@njit(cache=True, nogil=True)
def _encode(values, starts, zero_point, words, word_starts, chosen, word_bits, group):  # type: ignore[no-untyped-def]
    for t in chosen:
        end = starts[t + 1]
        position = _put_mask(words, word_starts[t] * 64, values, starts[t], end, zero_point, group)
        for i in range(starts[t], end, group):
            position = _put_mask(words, position, values, i + group, end, zero_point, group)
            for j in range(i, min(i + group, end)):
                if values[j] != zero_point:
                    position = put_bits(words, position, values[j], word_bits)


@njit(cache=True, nogil=True)
def _decode(words, word_starts, chosen, values, starts, zero_point, word_bits, group):  # type: ignore[no-untyped-def]
    bits = np.zeros(chosen.size, np.int64)
    for k in range(chosen.size):
        t = chosen[k]
        first = word_starts[t] * 64
        limit = word_starts[t + 1] * 64
        end = starts[t + 1]
        position = first
        mask = np.uint64(0)
        # Each turn takes the mask of the group at i, then the data of the group before it.
        for i in range(starts[t], end + group if end > starts[t] else end, group):
            ahead = np.uint64(0)
            if i < end:
                if position + group > limit:
                    return bits, t, position - first, SHORT
                ahead = get_bits(words, position, group)
                if end - i < group and ahead >> np.uint64(end - i) != 0:
                    return bits, t, position - first, STRAY_MASK
                position += group
            if i > starts[t]:
                for j in range(i - group, min(i, end)):
                    if mask & np.uint64(1):
                        if position + word_bits > limit:
                            return bits, t, position - first, SHORT
                        values[j] = get_bits(words, position, word_bits)
                        position += word_bits
                    else:
                        values[j] = zero_point
                    mask >>= np.uint64(1)
            mask = ahead
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
