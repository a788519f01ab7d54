"""SRLC: runs of any symbol.

::

    | run - 1 : R | symbol : W | run - 1 : R | symbol : W | ...

Each token yields ``run`` copies of its symbol, 1..2^R; a longer run is split. Least significant bit first, tokens one
behind the other, the last one followed by zero padding to whatever the container wants. The decoder is told the
symbol count; the zero point plays no part. Size: ``tokens (R + W)``; worst case, no two neighbours equal,
``n (R + W)`` bits: 1 + R/W times raw.

An encoder makes each run as long as it can. A decoder takes any tokens whose runs end exactly at the count; it refuses
a run that passes it.

Source: Kim et al., "Run-Length Coding for deep-learning activation data compression" (KETI), figure 1: symbol in 8
bits, run length in 3. The paper is silent on how run 8 fits 3 bits, long runs and field order: we send run - 1, split
and put the run first (the hardware counts before it copies).

==========================  =======================================  =======
symbols (R = 3, W = 8)      tokens (run - 1, symbol)                 bytes
==========================  =======================================  =======
2, 2, 2, 2, 2 (figure 1)    (4, 2)                                   14 00
nine times 255              (7, 255) (0, 255)                        FF C7 3F
(none)                      (none)                                   (none)
==========================  =======================================  =======
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from golden.bits import get_bits
from golden.codec import check_run_bits, check_word_bits
from golden.symbol_codec import OVERRUN, SHORT, KernelCodec

__all__ = ["Srlc", "SrlcFormat"]


_BLOCK = 8


@dataclass(frozen=True)
class SrlcFormat:
    """Runs of 1 to ``2**run_bits`` symbols of `word_bits` bits."""

    run_bits: int = 3
    word_bits: int = 8

    def __post_init__(self) -> None:
        check_run_bits(self.run_bits)
        check_word_bits(self.word_bits)

    @property
    def token_bits(self) -> int:
        """Bits of a token."""
        return self.run_bits + self.word_bits


@njit(cache=True, nogil=True)
def _size(values, starts, zero_point, run_bits, word_bits):  # type: ignore[no-untyped-def]
    bits = np.zeros(starts.size - 1, np.int64)
    for t in range(starts.size - 1):
        tokens = 0
        first = starts[t]
        for i in range(starts[t] + 1, starts[t + 1]):
            # Another symbol ends a run of i - first, which takes ceil(run / 2^R) tokens.
            other = values[i] != values[i - 1]
            tokens += ((i - 1 - first) >> run_bits) + 1 if other else 0
            first = i if other else first
        if starts[t + 1] > starts[t]:
            tokens += ((starts[t + 1] - 1 - first) >> run_bits) + 1
        bits[t] = tokens * (run_bits + word_bits)
    return bits


@njit(cache=True, nogil=True)
def _encode(values, starts, zero_point, words, spans, chosen, run_bits, word_bits):  # type: ignore[no-untyped-def]
    last = (1 << run_bits) - 1
    width = run_bits + word_bits
    for t in chosen:
        word = spans[t, 0]
        held = np.uint64(0)
        fill = 0
        run = 0
        end = starts[t + 1]
        for i in range(starts[t], end):
            # No branch on the data: a symbol that does not end its run adds a token of no width.
            ends = (i + 1 == end) or (values[i + 1] != values[i]) | (run == last)
            token = (np.uint64(values[i]) << np.uint64(run_bits)) | np.uint64(run)
            token = token if ends else np.uint64(0)
            held |= token << np.uint64(fill)
            fill += width if ends else 0
            run = 0 if ends else run + 1
            if fill >= 64:
                words[word] = held
                word += 1
                fill -= 64
                held = token >> np.uint64(width - fill)
        if fill > 0:
            words[word] = held


@njit(cache=True, nogil=True)
def _decode(words, spans, chosen, values, starts, zero_point, run_bits, word_bits):  # type: ignore[no-untyped-def]
    bits = np.zeros(chosen.size, np.int64)
    width = run_bits + word_bits
    for k in range(chosen.size):
        t = chosen[k]
        position = spans[t, 0] * 64
        limit = spans[t, 1] * 64
        i = starts[t]
        end = starts[t + 1]
        while i < end:
            if position + width > limit:
                return bits, t, position - spans[t, 0] * 64, SHORT
            token = get_bits(words, position, width)
            stop = i + 1 + np.int64(token & np.uint64((1 << run_bits) - 1))
            if stop > end:
                return bits, t, position - spans[t, 0] * 64, OVERRUN
            symbol = token >> np.uint64(run_bits)
            if i + _BLOCK <= end:
                # Most runs are short: write a block whatever the run, the next token overwrites the rest.
                for j in range(_BLOCK):
                    values[i + j] = symbol
                i += _BLOCK
            while i < stop:
                values[i] = symbol
                i += 1
            i = stop
            position += width
        bits[k] = position - spans[t, 0] * 64
    return bits, -1, 0, 0


class Srlc(KernelCodec[SrlcFormat]):
    """Runs of any symbol."""

    codec_id = "srlc"
    format_type = SrlcFormat
    _size, _encode, _decode = staticmethod(_size), staticmethod(_encode), staticmethod(_decode)

    @property
    def word_bits(self) -> int:
        """Bits of a symbol."""
        return self.format.word_bits

    @property
    def _parameters(self) -> tuple[int, ...]:
        return self.format.run_bits, self.format.word_bits
