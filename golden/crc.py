"""Cyclic redundancy checks, bit-serial by definition, so that every word width gives the same result.

The state is shifted towards its least significant bit. For each bit ``b`` of the stream, in transmission order
(golden/bits.py)::

    feedback = (state & 1) ^ b
    state = (state >> 1) ^ (reflected polynomial if feedback else 0)

`TRINOMIAL_15` is x^15 + x + 1. It is primitive (period 32767), so it finds every one- and two-bit error in 32767
bits and every burst of up to 15 bits; two taps make it the cheapest of its length in hardware (over 64 bits less than
half the gates of the CCITT polynomial). Its price: some three-bit errors (distances 1 and 15) pass.
`CCITT_16` is x^16 + x^12 + x^5 + 1 (ITU-T X.25, section 2.2.7), which finds up to three-bit errors in 32751 bits; with
initial state and final complement all ones it is the CRC-16/IBM-SDLC of the catalogues: check value 0x906E.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["CCITT_16", "TRINOMIAL_15", "Crc"]


@dataclass(frozen=True)
class Crc:
    """A polynomial of `bits` bits (7 < bits <= 16), written reflected: the coefficient of x^0 is the top bit."""

    bits: int
    reflected: int

    def __post_init__(self) -> None:
        if not 8 <= self.bits <= 16:
            raise ValueError(f"bits must be in 8..16, not {self.bits!r}")
        if self.reflected >> self.bits or not self.reflected >> (self.bits - 1):
            raise ValueError(f"reflected must have {self.bits} bits, the top one set, not {self.reflected:#x}")

    @property
    def mask(self) -> int:
        """All state bits set."""
        return (1 << self.bits) - 1

    @cached_property
    def tables(self) -> NDArray[np.uint16]:
        """Shape (8, 256): the state after byte ``b`` and ``k`` zero bytes, from state zero."""
        tables = np.zeros((8, 256), np.uint16)
        for byte in range(256):
            state = byte
            for _ in range(8):
                state = (state >> 1) ^ (self.reflected if state & 1 else 0)
            tables[0, byte] = state
        for k in range(1, 8):
            previous = tables[k - 1]
            tables[k] = (previous >> 8) ^ tables[0][previous & 255]
        return tables

    def update(self, state: int, data: bytes | NDArray[np.uint8]) -> int:
        """The state after `data`."""
        data = np.frombuffer(bytes(data), np.uint8)
        words = np.zeros(data.size // 8, np.uint64)
        words[:] = data[: words.size * 8].view(np.uint64)
        state = int(_over_words(words, np.uint64(state), self.tables))
        for byte in data[words.size * 8 :].tolist():
            state = (state >> 8) ^ int(self.tables[0][(state ^ byte) & 255])
        return state

    def over_spans(
        self, words: NDArray[np.uint64], spans: NDArray[np.int64], seeds: NDArray[np.uint16]
    ) -> NDArray[np.uint16]:
        """The states after words ``spans[t, 0]`` to ``spans[t, 1]`` from ``seeds[t]``, for each ``t``."""
        return _over_spans(words, spans, seeds, self.tables)  # type: ignore[no-any-return]

    def over_rows(self, rows: NDArray[np.uint8], seeds: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """The states after each row of bytes, shape (n, bytes), from ``seeds``."""
        states = seeds.copy()
        for column in rows.T:
            states = (states >> 8) ^ self.tables[0][(states ^ column) & 255]
        return states


@njit(cache=True, nogil=True)
def _over_words(words, state, tables):  # type: ignore[no-untyped-def]
    """Eight bytes a step: each byte's share of the state after the step, looked up apart (slicing by 8)."""
    for word in words:
        x = word ^ state
        state = np.uint64(0)
        for k in range(8):
            state ^= np.uint64(tables[7 - k, (x >> np.uint64(8 * k)) & np.uint64(255)])
    return state


@njit(cache=True, nogil=True)
def _over_spans(words, spans, seeds, tables):  # type: ignore[no-untyped-def]
    checks = np.empty(seeds.size, np.uint16)
    for t in range(seeds.size):
        checks[t] = _over_words(words[spans[t, 0] : spans[t, 1]], np.uint64(seeds[t]), tables)
    return checks


TRINOMIAL_15 = Crc(15, 0x6000)
CCITT_16 = Crc(16, 0x8408)
