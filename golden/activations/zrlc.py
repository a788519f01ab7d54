"""ZRLC: runs of zeros in front of each level.

::

    | zeros : R | level : W | zeros : R | level : W | ...

Each token yields ``zeros + 1`` symbols: the zeros (each the zero point) and the level, an unchanged symbol. A run of
more than 2^R - 1 zeros goes on with (2^R - 1, zero), which is 2^R zeros; k <= 2^R zeros left at the end are
(k - 1, zero). Least significant bit first; the last token is followed by zero padding to whatever the container wants.
The decoder is told the symbol count and the zero point. Size: ``tokens (R + W)``; worst case, no zeros,
``n (R + W)`` bits: 1 + R/W times raw.

An encoder writes a zero level in those two places only. A decoder takes any tokens that end exactly at the count; it
refuses a run that passes it.

Packing ``eyeriss`` (R = 5, W = 16): three tokens in a 64-bit word, at bits 1, 22 and 43; bit 0 is set in the last word
and in no other (checked). Tokens that the last word does not need are zero (checked) and ignored by count.

Source: Kim et al. (KETI), figure 2, which stands on Chen et al., "Eyeriss" (ISCA 2016, section V-C; JSSC 2017, section
V-B): 5-bit run, 16-bit level, three pairs and one bit in a word. Field order and trailing zeros are ours.

============================  ==================================  ==============
symbols (R = 3, W = 8)        tokens (zeros, level)               bytes
============================  ==================================  ==============
0, 0, 7, 5                    (2, 7) (0, 5)                       3A 40 01
eight zeros and a 1           (7, 0) (0, 1)                       07 40 00
0, 0, 0                       (2, 0)                              02 00
============================  ==================================  ==============
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from golden.bits import get_bits
from golden.codec import check_run_bits, check_word_bits
from golden.symbol_codec import OVERRUN, SHORT, STRAY_FLAG, STRAY_PAIR, KernelCodec

__all__ = ["PACKINGS", "Zrlc", "ZrlcFormat"]

PACKINGS = ("dense", "eyeriss")

_PAIRS_PER_WORD = 3


@dataclass(frozen=True)
class ZrlcFormat:
    """Runs of 0 to ``2**run_bits - 1`` zeros before a level of `word_bits` bits; `packing` is dense or eyeriss."""

    run_bits: int = 3
    word_bits: int = 8
    packing: str = "dense"

    def __post_init__(self) -> None:
        check_run_bits(self.run_bits)
        check_word_bits(self.word_bits)
        if self.packing not in PACKINGS:
            raise ValueError(f"packing must be one of {PACKINGS}, not {self.packing!r}")
        if self.packing == "eyeriss" and (self.run_bits, self.word_bits) != (5, 16):
            raise ValueError(
                f"eyeriss packing must have run_bits 5 and word_bits 16, not {self.run_bits} and {self.word_bits}"
            )

    @property
    def token_bits(self) -> int:
        """Bits of a token."""
        return self.run_bits + self.word_bits


@njit(cache=True, nogil=True)
def _size(values, starts, zero_point, run_bits, word_bits, eyeriss):  # type: ignore[no-untyped-def]
    bits = np.zeros(starts.size - 1, np.int64)
    for t in range(starts.size - 1):
        tokens = 0
        first = starts[t]
        for i in range(starts[t], starts[t + 1]):
            # A level ends i - first zeros: one token, and one for each 2^R of them.
            level = values[i] != zero_point
            tokens += ((i - first) >> run_bits) + 1 if level else 0
            first = i + 1 if level else first
        tokens += (starts[t + 1] - first + (1 << run_bits) - 1) >> run_bits
        bits[t] = 64 * ((tokens + 2) // 3) if eyeriss else tokens * (run_bits + word_bits)
    return bits


@njit(cache=True, nogil=True)
def _encode(values, starts, zero_point, words, spans, chosen, run_bits, word_bits, eyeriss):  # type: ignore[no-untyped-def]
    limit = (1 << run_bits) - 1
    width = run_bits + word_bits
    for t in chosen:
        word = spans[t, 0]
        held = np.uint64(0)
        fill = 0 + eyeriss
        run = 0
        end = starts[t + 1]
        for i in range(starts[t], end):
            # No branch on the data: a zero inside a run adds a token of no width. The last symbol is sent as a level
            # whatever it is, so that k zeros at the end are (k - 1, zero).
            level = (values[i] != zero_point) | (run == limit) | (i == end - 1)
            token = (np.uint64(values[i]) << np.uint64(run_bits)) | np.uint64(run)
            token = token if level else np.uint64(0)
            held |= token << np.uint64(fill)
            fill += width if level else 0
            run = 0 if level else run + 1
            if fill >= 64:
                # In Eyeriss words the third token ends a word, and the next begins with its flag.
                words[word] = held
                word += 1
                fill -= 64 - eyeriss
                held = np.uint64(0) if eyeriss else token >> np.uint64(width - fill)
        if fill > eyeriss:
            words[word] = held
            word += 1
        if eyeriss and end > starts[t]:
            words[word - 1] |= np.uint64(1)


@njit(cache=True, nogil=True, inline="always")
def _advance(position, width, eyeriss):  # type: ignore[no-untyped-def]
    """The place of the next token: in Eyeriss words, past the flag bit of the next word after three tokens."""
    position += width
    return position + 1 if eyeriss and position & 63 == 0 else position


@njit(cache=True, nogil=True)
def _decode(words, spans, chosen, values, starts, zero_point, run_bits, word_bits, eyeriss):  # type: ignore[no-untyped-def]
    bits = np.zeros(chosen.size, np.int64)
    width = run_bits + word_bits
    for k in range(chosen.size):
        t = chosen[k]
        position = spans[t, 0] * 64 + eyeriss
        limit = spans[t, 1] * 64
        i = starts[t]
        end = starts[t + 1]
        values[i:end] = zero_point
        while i < end:
            if position + width > limit:
                return bits, t, position - spans[t, 0] * 64, SHORT
            token = get_bits(words, position, width)
            stop = i + np.int64(token & np.uint64((1 << run_bits) - 1))
            if stop >= end:
                return bits, t, position - spans[t, 0] * 64, OVERRUN
            values[stop] = token >> np.uint64(run_bits)
            i = stop + 1
            position = _advance(position, width, eyeriss)
        if eyeriss and end > starts[t]:
            # Flags stand at bit 0 of each word; what the last word does not need is zero.
            last = (position - 2) >> 6
            for word in range(spans[t, 0], last + 1):
                if (words[word] & np.uint64(1) == np.uint64(1)) != (word == last):
                    return bits, t, (word - spans[t, 0]) * 64, STRAY_FLAG
            if position >> 6 == last and words[last] >> np.uint64(position & 63) != 0:
                return bits, t, position - spans[t, 0] * 64, STRAY_PAIR
            position = (last + 1) * 64
        bits[k] = position - spans[t, 0] * 64 if end > starts[t] else 0
    return bits, -1, 0, 0


class Zrlc(KernelCodec[ZrlcFormat]):
    """Runs of zeros in front of each level."""

    codec_id = "zrlc"
    format_type = ZrlcFormat
    _size, _encode, _decode = staticmethod(_size), staticmethod(_encode), staticmethod(_decode)

    @property
    def word_bits(self) -> int:
        """Bits of a symbol."""
        return self.format.word_bits

    @property
    def _parameters(self) -> tuple[int, ...]:
        return self.format.run_bits, self.format.word_bits, self.format.packing == "eyeriss"
