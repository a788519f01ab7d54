"""Arrays of symbols, payload words and descriptors as records of `hw.harness`, and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hw.axis import Channel

__all__ = ["LAST", "USER", "Records", "beats_of", "fields_of", "from_beats", "from_fields", "record_words", "words_of"]

Records = NDArray[np.uint64]

LAST, USER = 1 << 32, 1 << 33
_KEEP = (1 << 32) - 1


def record_words(channel: Channel) -> int:
    """64-bit words of a channel's ``tdata`` in a record."""
    return -(-channel.data_bits // 64)


def beats_of(channel: Channel, values: NDArray[np.unsignedinteger], starts: NDArray[np.int64]) -> Records:
    """Beats of tiles.

    Parameters
    ----------
    channel : Channel
        A symbol stream.
    values : ndarray of uint8 or uint16, shape (starts[-1],)
    starts : ndarray of int64, shape (n + 1,)
        Tile ``t`` is symbols ``starts[t]`` to ``starts[t + 1]``; at least one.

    Returns
    -------
    ndarray of uint64, shape (beats, words + 1)
        Lanes past a tile's last symbol are zero.
    """
    lanes, size = channel.lanes, channel.data_bits // 8 // channel.lanes
    counts = np.diff(starts)
    beats = -(-counts // lanes)
    ends = np.cumsum(beats)
    # Symbol k of tile t goes to lane k of its beats, which are padded to whole ones.
    place = np.arange(values.size) + np.repeat((ends - beats) * lanes - starts[:-1], counts)
    symbols = np.zeros(int(ends[-1]) * lanes if ends.size else 0, f"<u{size}")
    symbols[place] = values
    rows = symbols.view(np.uint8).reshape(-1, lanes * size)
    keep = np.full(len(rows), (1 << lanes * size) - 1, np.uint64)
    kept = (counts - (beats - 1) * lanes) * size
    keep[ends - 1] = (np.uint64(1) << kept.astype(np.uint64)) - np.uint64(1) | np.uint64(LAST)
    return _rows(rows, keep, channel)


def from_beats(channel: Channel, records: Records) -> tuple[NDArray[np.unsignedinteger], NDArray[np.int64]]:
    """Symbols of beats, and where each tile begins and the last ends (`starts` of `beats_of`).

    Symbols after the last ``tlast`` are not given.
    """
    lanes, size = channel.lanes, channel.data_bits // 8 // channel.lanes
    last = np.flatnonzero(records[:, -1] & np.uint64(LAST))
    records = records[: last[-1] + 1 if last.size else 0]
    kept = np.bitwise_count(records[:, -1] & np.uint64(_KEEP)).astype(np.int64) // size
    rows = np.ascontiguousarray(records[:, :-1]).view(np.uint8).reshape(len(records), 8 * record_words(channel))
    rows = rows[:, : lanes * size]
    symbols = np.ascontiguousarray(rows).view(f"<u{size}").reshape(len(records), lanes)
    ends = np.cumsum(kept)[last]
    return symbols[np.arange(lanes) < kept[:, None]], np.append(0, ends).astype(np.int64)


def words_of(channel: Channel, words: NDArray[np.uint64], spans: NDArray[np.int64]) -> Records:
    """Payload transfers of tiles, the last of each marked.

    Parameters
    ----------
    channel : Channel
        A stream of payload or index words.
    words : ndarray of uint64
        Where the tiles lie.
    spans : ndarray of int64, shape (n, 2)
        First word and end of each tile; not empty, whole transfers.
    """
    size = record_words(channel)
    lengths = spans[:, 1] - spans[:, 0]
    ends = np.cumsum(lengths)
    order = np.arange(int(ends[-1]) if ends.size else 0) + np.repeat(spans[:, 0] - (ends - lengths), lengths)
    flags = np.zeros(order.size // size, np.uint64)
    flags[ends // size - 1] = LAST
    return np.column_stack([words[order].reshape(-1, size), flags])


def fields_of(channel: Channel, columns: Mapping[str, ArrayLike], last: ArrayLike = 0) -> Records:
    """Descriptors from their fields, an array (or one value for all) each.

    Raises
    ------
    ValueError
        If the fields are not those of the channel.
    """
    names = [field.name for field in channel.fields]
    if set(names) != set(columns):
        raise ValueError(f"fields of {channel.prefix} must be {names}, not {sorted(columns)}")
    arrays = np.broadcast_arrays(*[np.asarray(columns[name], np.uint64) for name in names])
    rows = np.zeros((arrays[0].size, channel.data_bits // 8), np.uint8)
    for field, array in zip(channel.fields, arrays, strict=True):
        size = -(-field.bits // 8)
        parts = np.ascontiguousarray(array.reshape(-1), "<u8").view(np.uint8).reshape(-1, 8)
        rows[:, field.first_byte : field.first_byte + size] = parts[:, :size]
    flags = np.where(np.broadcast_to(last, len(rows)), np.uint64(LAST), np.uint64(0))
    return _rows(rows, flags, channel)


def from_fields(channel: Channel, records: Records) -> dict[str, NDArray[np.int64]]:
    """Fields of descriptors."""
    rows = np.ascontiguousarray(records[:, :-1]).view(np.uint8).reshape(len(records), 8 * record_words(channel))
    columns = {}
    for field in channel.fields:
        size = -(-field.bits // 8)
        parts = np.zeros((len(rows), 8), np.uint8)
        parts[:, :size] = rows[:, field.first_byte : field.first_byte + size]
        columns[field.name] = parts.view("<i8").reshape(-1).astype(np.int64)
    return columns


def _rows(rows: NDArray[np.uint8], flags: NDArray[np.uint64], channel: Channel) -> Records:
    padded = np.zeros((len(rows), 8 * record_words(channel)), np.uint8)
    padded[:, : rows.shape[1]] = rows
    return np.column_stack([padded.view("<u8").reshape(len(rows), record_words(channel)), flags])
