"""Test vectors of a generated codec: a few tiles of every kind through each of its modules, as records."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from golden.codec import symbol_dtype
from golden.tile_format import GROUP_TILES, MAX_BURSTS, MODES, TileFormat
from golden.tile_index import Index, pack_index
from hw.axis import Channel
from hw.batch import Batch, batch_of_tiles
from hw.transfers import LAST, USER, Records, beats_of, fields_of, record_words, words_of

__all__ = ["Stream", "hex_lines", "module_streams", "sample_batch"]


_LENGTHS = (1, 1, 2, 3, 5, 8, 9, 31, 64, 65, 100, 257)
_SHAPES = ((1, 1, 1), (1, 1, 4), (2, 3, 1), (1, 5, 2), (3, 3, 3), (8, 8, 4), (7, 7, 8), (4, 6, 5), (8, 1, 12))


@dataclass(frozen=True, eq=False)
class Stream:
    """What passes a channel."""

    channel: Channel
    records: Records


def sample_batch(fmt: TileFormat, adaptive: bool = False) -> Batch:
    """Tiles of one symbol, all zero, without zeros, sparse, of odd and of full size; in every mode, or the best."""
    rng = np.random.default_rng(7)
    shapes = np.array([(min(length, fmt.tile_symbols), 1, 1) for length in (*_LENGTHS, fmt.tile_symbols)])
    if "prc" in fmt.modes:
        shapes = np.minimum([*_SHAPES, fmt.tile], fmt.tile)
    lengths = shapes.prod(axis=1).tolist()
    parts, modes = [], []
    top = 1 << fmt.word_bits
    zero_point = 3
    for number in sorted(MODES.index(mode) for mode in fmt.modes):
        for k, length in enumerate(lengths):
            values = rng.integers(0, top, length)
            share = (0.0, 1.0, 0.5, 0.9, 0.05)[k % 5]
            if "prc" in fmt.modes and k % 3 == 0:
                values = np.cumsum(values % 3) % top
            values[rng.random(length) < share] = zero_point
            parts.append(values)
            modes.append(number)
    starts = np.append(0, np.cumsum([part.size for part in parts]))
    values = np.concatenate(parts).astype(symbol_dtype(fmt.word_bits))
    shapes = np.tile(shapes, (len(fmt.modes), 1))
    batch = batch_of_tiles(fmt, values, starts, zero_point, None if adaptive else np.array(modes, np.uint8), shapes)
    if batch.bursts.max() > MAX_BURSTS:
        fits = np.where(batch.bursts > MAX_BURSTS, 0, batch.modes).astype(np.uint8)
        return batch_of_tiles(fmt, values, starts, zero_point, fits, shapes)
    return batch


def module_streams(kind: str, channels: dict[str, Channel], fmt: TileFormat) -> list[Stream]:
    """What goes into a module and comes out of it, stream by stream.

    Parameters
    ----------
    kind : str
        ``encoder``, ``adaptive_encoder``, ``decoder``, ``mixed_encoder``, ``mixed_decoder``, ``index_builder`` or
        ``index_reader``.
    channels : dict of str to Channel
        Its streams by prefix.
    fmt : TileFormat
    """
    batch = sample_batch(fmt, adaptive=kind in ("adaptive_encoder", "mixed_encoder"))
    makers = {
        "encoder": _encoder,
        "adaptive_encoder": _encoder,
        "decoder": _decoder,
        "mixed_encoder": _encoder,
        "mixed_decoder": _decoder,
        "index_builder": _builder,
        "index_reader": _reader,
    }
    made = makers[kind](channels, batch)
    return [Stream(channels[prefix], records) for prefix, records in made.items()]


def _encoder(channels: dict[str, Channel], batch: Batch) -> dict[str, Records]:
    order = {"mode": batch.modes, "zero_point": batch.zero_point, "number": batch.numbers}
    if any(field.name == "told" for field in channels["s_axis_tile"].fields):
        order |= {"mode": 0, "told": 0}
    order |= _shapes(channels["s_axis_tile"], batch)
    return {
        "s_axis_tile": fields_of(channels["s_axis_tile"], order),
        "s_axis": beats_of(channels["s_axis"], batch.values, batch.starts),
        "m_axis": words_of(channels["m_axis"], batch.words, batch.spans),
        "m_axis_entry": fields_of(channels["m_axis_entry"], _entry(batch)),
    }


def _shapes(channel: Channel, batch: Batch) -> dict[str, NDArray[np.int64]]:
    """What an order says of the tile's shape, if it does."""
    names = ("height", "width", "channels")
    asked = {field.name for field in channel.fields}
    return {name: batch.shapes[:, axis] for axis, name in enumerate(names) if name in asked}


def _entry(batch: Batch) -> dict[str, NDArray[np.integer]]:
    return {"mode": batch.modes, "bursts": batch.bursts, "check": batch.checks}


def _decoder(channels: dict[str, Channel], batch: Batch) -> dict[str, Records]:
    """The last tile but one has a wrong CRC in its entry: its error comes out with its last beat."""
    order = {"count": batch.counts, "zero_point": batch.zero_point, "number": batch.numbers}
    order |= _shapes(channels["s_axis_tile"], batch)
    entry = _entry(batch)
    entry["check"] = entry["check"].copy()
    entry["check"][-2] ^= 1
    beats = beats_of(channels["m_axis"], batch.values, batch.starts)
    beats[np.flatnonzero(beats[:, -1] & np.uint64(LAST))[-2], -1] |= np.uint64(USER)
    return {
        "s_axis_tile": fields_of(channels["s_axis_tile"], order),
        "s_axis_entry": fields_of(channels["s_axis_entry"], entry),
        "s_axis": words_of(channels["s_axis"], batch.words, batch.spans),
        "m_axis": beats,
    }


def _groups(batch: Batch) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]:
    """Bases of the groups, their words, and the tiles in each."""
    before = np.cumsum(batch.bursts) - batch.bursts
    bases = before[::GROUP_TILES]
    index = Index(batch.modes, batch.bursts, batch.checks, bases)
    tiles = np.minimum(GROUP_TILES, batch.tiles - GROUP_TILES * np.arange(bases.size))
    return bases, pack_index(index).view(np.uint64), tiles


def _group_spans(groups: int) -> NDArray[np.int64]:
    return 4 * np.stack([np.arange(groups), np.arange(groups) + 1], axis=1)


def _builder(channels: dict[str, Channel], batch: Batch) -> dict[str, Records]:
    bases, words, _ = _groups(batch)
    last = np.arange(batch.tiles) == batch.tiles - 1
    return {
        "s_axis_group": fields_of(channels["s_axis_group"], {"base": bases, "number": np.arange(bases.size)}),
        "s_axis": fields_of(channels["s_axis"], _entry(batch), last),
        "m_axis": words_of(channels["m_axis"], words, _group_spans(bases.size)),
    }


def _reader(channels: dict[str, Channel], batch: Batch) -> dict[str, Records]:
    bases, words, tiles = _groups(batch)
    last = np.isin(np.arange(batch.tiles), np.cumsum(tiles) - 1)
    before = np.cumsum(batch.bursts) - batch.bursts
    entries = {f"entry_{name}": column for name, column in _entry(batch).items()} | {"base": before}
    return {
        "s_axis_group": fields_of(channels["s_axis_group"], {"tiles": tiles - 1, "number": np.arange(bases.size)}),
        "s_axis": words_of(channels["s_axis"], words, _group_spans(bases.size)),
        "m_axis": fields_of(channels["m_axis"], entries, last),
    }


def hex_lines(stream: Stream) -> str:
    """Records as ``$readmemh`` takes them: ``{tuser, tlast, tkeep, tdata}``, what the channel has of these."""
    channel, lines = stream.channel, []
    digits = -(-record_bits(channel) // 4)
    for record in stream.records.tolist():
        value = sum(word << 64 * k for k, word in enumerate(record[: record_words(channel)]))
        place = channel.data_bits
        if channel.lanes:
            value |= (record[-1] & 0xFFFF_FFFF) << place
            place += channel.data_bits // 8
        if channel.has_last:
            value |= (record[-1] >> 32 & 1) << place
            place += 1
        if channel.error:
            value |= (record[-1] >> 33 & 1) << place
        lines.append(f"{value:0{digits}x}\n")
    return "".join(lines)


def record_bits(channel: Channel) -> int:
    """Width of a line of `hex_lines`."""
    keep = channel.data_bits // 8 if channel.lanes else 0
    return channel.data_bits + keep + channel.has_last + (channel.error is not None)
