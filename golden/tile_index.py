"""The index of a tile stream: groups of 32 bytes for 8 tiles (bit layout: golden/tile_format.py)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from golden.bits import pack, unpack
from golden.codec import CorruptStreamError
from golden.crc import CCITT_16, TRINOMIAL_15
from golden.tile_format import BASE_BITS, CRC_BITS, GROUP_BYTES, GROUP_TILES, LENGTH_BITS, MODE_BITS, RESERVED_BITS

__all__ = ["Index", "group_seeds", "index_bytes", "pack_index", "payload_seeds", "unpack_index"]

_GROUP_WIDTHS = (MODE_BITS, LENGTH_BITS, CRC_BITS, RESERVED_BITS) * GROUP_TILES + (BASE_BITS, CCITT_16.bits)


@dataclass(frozen=True)
class Index:
    """The index, a field an array: for each tile mode, bursts and payload CRC; for each group its base burst."""

    modes: NDArray[np.uint8]
    bursts: NDArray[np.int64]
    checks: NDArray[np.uint16]
    bases: NDArray[np.int64]


def index_bytes(tiles: int) -> int:
    """Bytes of the index of `tiles` tiles."""
    return GROUP_BYTES * -(-tiles // GROUP_TILES)


def payload_seeds(tiles: NDArray[np.int64]) -> NDArray[np.uint16]:
    """First CRC state of the payload of each tile number."""
    return (TRINOMIAL_15.mask ^ (tiles & TRINOMIAL_15.mask)).astype(np.uint16)


def group_seeds(groups: NDArray[np.int64]) -> NDArray[np.uint16]:
    """First CRC state of each group number."""
    return (CCITT_16.mask ^ (groups & CCITT_16.mask)).astype(np.uint16)


def pack_index(index: Index) -> NDArray[np.uint8]:
    """The bytes of an index, group CRCs added."""
    groups = index.bases.size
    fields = np.zeros((groups, GROUP_TILES, 4), np.uint64)
    entries = fields.reshape(-1, 4)
    entries[: index.modes.size, 0] = index.modes
    entries[: index.modes.size, 1] = index.bursts
    entries[: index.modes.size, 2] = index.checks
    rows = np.concatenate([fields.reshape(groups, 4 * GROUP_TILES), index.bases.astype(np.uint64)[:, None]], axis=1)
    rows = np.append(rows, np.zeros((groups, 1), np.uint64), axis=1)
    words, _ = pack(rows.reshape(-1), np.tile(_GROUP_WIDTHS, groups))
    data = words.view(np.uint8).reshape(groups, GROUP_BYTES)
    checks = CCITT_16.over_rows(data[:, :-2], group_seeds(np.arange(groups)))
    data[:, -2:] = checks.astype("<u2").view(np.uint8).reshape(groups, 2)
    return data.reshape(-1)


def unpack_index(data: NDArray[np.uint8], tiles: int, first_group: int = 0) -> Index:
    """Read and check index groups.

    Parameters
    ----------
    data : ndarray of uint8
        Whole groups.
    tiles : int
        Tiles that they describe.
    first_group : int
        Number of the first group.

    Raises
    ------
    CorruptStreamError
        If the size is wrong, a CRC does not match, a reserved bit is set, a tile has no bursts, or an entry past the
        last tile is not zero; naming the group or tile.
    """
    if data.size != index_bytes(tiles):
        raise CorruptStreamError(f"index of {tiles} tiles must be {index_bytes(tiles)} bytes, not {data.size}")
    groups = data.size // GROUP_BYTES
    rows = data.reshape(groups, GROUP_BYTES)
    checks = CCITT_16.over_rows(rows[:, :-2], group_seeds(first_group + np.arange(groups)))
    stored = np.ascontiguousarray(rows[:, -2:]).view("<u2").reshape(-1)
    if (checks != stored).any():
        wrong = int(np.flatnonzero(checks != stored)[0])
        raise CorruptStreamError(f"index group {first_group + wrong}: CRC does not match (byte {wrong * GROUP_BYTES})")
    fields = unpack(np.ascontiguousarray(data).view(np.uint64), np.tile(_GROUP_WIDTHS, groups))
    fields = fields.reshape(groups, len(_GROUP_WIDTHS))
    entries = fields[:, :-2].reshape(-1, 4)
    first_tile = first_group * GROUP_TILES
    if entries[tiles:].any():
        wrong = tiles + int(np.flatnonzero(entries[tiles:].any(axis=1))[0])
        raise CorruptStreamError(f"index entry {first_tile + wrong}: must be zero past the last tile")
    entries = entries[:tiles]
    if entries[:, 3].any():
        wrong = int(np.flatnonzero(entries[:, 3])[0])
        raise CorruptStreamError(f"index entry {first_tile + wrong}: reserved bit must be zero, not set")
    if not entries[:, 1].all():
        wrong = int(np.flatnonzero(entries[:, 1] == 0)[0])
        raise CorruptStreamError(f"index entry {first_tile + wrong}: length must be 1..127 bursts, not 0")
    modes, bursts = entries[:, 0].astype(np.uint8), entries[:, 1].astype(np.int64)
    return Index(modes, bursts, entries[:, 2].astype(np.uint16), fields[:, -2].astype(np.int64))
