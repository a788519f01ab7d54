"""Damaged payloads and index entries, and what a decoder must make of each.

====  ===================================================  ==========================================
kind  damage                                               what the decoder must do
====  ===================================================  ==========================================
0     none                                                 symbols, no error
1     one flipped bit of the payload                       error
2     two flipped bits                                     error
3     the payload's last burst is missing, or the last     error
      word of its only one; a single word: as 4
4     a burst too many                                     error
5     a wrong CRC in the entry                             error
6     a wrong length in the entry                          error
7     another mode in the entry                            error if no stream has the mode; else either
====  ===================================================  ==========================================

In every case the exact number of symbols comes out, and the next tile is as if nothing had happened.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from golden.tile_format import CRC_BITS, MAX_BURSTS, MODE_BITS, MODES
from hw.batch import Batch
from hw.bench import Bench
from hw.transfers import LAST, Records

__all__ = ["KINDS", "Damaged", "damage"]

KINDS = ("none", "one bit", "two bits", "cut", "too long", "wrong check", "wrong length", "wrong mode")
_LAST = np.uint64(LAST)


@dataclass(frozen=True, eq=False)
class Damaged:
    """A damaged stream.

    Attributes
    ----------
    payload : ndarray of uint64, shape (transfers, words + 1)
    entry : dict of str to ndarray of int64
        Fields of all entries.
    corrupt, unknown : ndarray of bool, shape (n,)
        Tiles that must raise the error, and tiles that may or may not.
    """

    payload: Records
    entry: dict[str, NDArray[np.int64]]
    corrupt: NDArray[np.bool_]
    unknown: NDArray[np.bool_]


def damage(bench: Bench, batch: Batch, kinds: NDArray[np.uint8], seed: int) -> Damaged:
    """Damage the tiles of a batch by their kinds.

    Parameters
    ----------
    bench : Bench
        It tells how payloads become transfers.
    batch : Batch
    kinds : ndarray of uint8, shape (n,)
        Indices of `KINDS`.
    seed : int
    """
    rng = np.random.default_rng(seed)
    payload = bench.payload(batch).copy()
    entry = {"mode": batch.modes, "bursts": batch.bursts, "check": batch.checks}
    entry = {name: column.astype(np.int64) for name, column in entry.items()}
    ends = np.flatnonzero(payload[:, -1] & _LAST) + 1
    starts = np.append(0, ends[:-1])
    kinds = np.where((kinds == 3) & (ends - starts == 1), 4, kinds)
    for tile in np.flatnonzero((kinds == 1) | (kinds == 2)).tolist():
        words = payload[starts[tile] : ends[tile], :-1]
        for bit in rng.choice(words.size * 64, kinds[tile], replace=False).tolist():
            row, column = divmod(bit // 64, words.shape[1])
            words[row, column] ^= np.uint64(1 << bit % 64)
    entry["check"] = np.where(kinds == 5, entry["check"] ^ rng.integers(1, 1 << CRC_BITS, kinds.size), entry["check"])
    step = np.where((rng.random(kinds.size) < 0.5) & (batch.bursts > 1) | (batch.bursts == MAX_BURSTS), -1, 1)
    entry["bursts"] = entry["bursts"] + np.where(kinds == 6, step, 0)
    other = (entry["mode"] + rng.integers(1, 1 << MODE_BITS, kinds.size)) % (1 << MODE_BITS)
    entry["mode"] = np.where(kinds == 7, other, entry["mode"])
    known = np.isin(entry["mode"], [MODES.index(mode) for mode in batch.fmt.modes])
    burst = batch.fmt.burst_bits // 64 // (payload.shape[1] - 1)
    return Damaged(
        payload=_resized(payload, starts, ends, kinds, burst),
        entry=entry,
        corrupt=(kinds > 0) & ((kinds != 7) | ~known),
        unknown=(kinds == 7) & known,
    )


def _resized(
    payload: Records, starts: NDArray[np.int64], ends: NDArray[np.int64], kinds: NDArray[np.uint8], burst: int
) -> Records:
    """Payloads cut (kind 3) and made longer (kind 4)."""
    parts, at = [], 0
    for tile in np.flatnonzero((kinds == 3) | (kinds == 4)).tolist():
        parts.append(payload[at : starts[tile]])
        own = payload[starts[tile] : ends[tile]].copy()
        own[-1, -1] &= ~_LAST
        if kinds[tile] == 3:
            own = own[: len(own) - (burst if len(own) > burst else 1)]
        else:
            own = np.concatenate([own, np.zeros((burst, own.shape[1]), np.uint64)])
        own[-1, -1] |= _LAST
        parts.append(own)
        at = ends[tile]
    return np.concatenate([*parts, payload[at:]])
