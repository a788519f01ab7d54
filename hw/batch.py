"""Tiles with all that golden makes of them: what goes into encoder and decoder, and what must come out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from golden.activations.scan import scan_order
from golden.codec import Symbols
from golden.crc import TRINOMIAL_15
from golden.tile_format import MODES, TileFormat, codec_of
from golden.tile_index import index_bytes, payload_seeds, unpack_index
from golden.tile_stream import TileStream
from golden.tiles import TileMemory, Tiles

__all__ = ["Batch", "batch_of_tensor", "batch_of_tiles"]


@dataclass(frozen=True, eq=False)
class Batch:
    """A run of tiles, `t` of n; tile ``t`` has the number ``t``.

    Attributes
    ----------
    fmt : TileFormat
    zero_point : int
    values : ndarray of uint8 or uint16
        Symbols, tile by tile.
    starts : ndarray of int64, shape (n + 1,)
        Tile ``t`` is symbols ``starts[t]`` to ``starts[t + 1]``.
    shapes : ndarray of int64, shape (n, 3)
        Height, width and channels of each tile.
    modes : ndarray of uint8, shape (n,)
    bursts : ndarray of int64, shape (n,)
    checks : ndarray of uint16, shape (n,)
        Payload CRCs.
    words : ndarray of uint64
        Payloads.
    spans : ndarray of int64, shape (n, 2)
        First word and end of each payload.
    """

    fmt: TileFormat
    zero_point: int
    values: Symbols
    starts: NDArray[np.int64]
    shapes: NDArray[np.int64]
    modes: NDArray[np.uint8]
    bursts: NDArray[np.int64]
    checks: NDArray[np.uint16]
    words: NDArray[np.uint64]
    spans: NDArray[np.int64]

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return self.modes.size

    @property
    def counts(self) -> NDArray[np.int64]:
        """Symbols of each tile."""
        return np.diff(self.starts)

    @property
    def index_bytes(self) -> int:
        """Bytes of the index of these tiles."""
        return index_bytes(self.tiles)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Tile numbers as the hardware takes them."""
        return np.arange(self.tiles) & TRINOMIAL_15.mask


def batch_of_tensor(stream: TileStream, tensor: NDArray[np.unsignedinteger]) -> Batch:
    """The tiles of a coded tensor.

    Parameters
    ----------
    stream : TileStream
        As `golden.tile_stream.encode_tensor` made it of `tensor`, in the layout ``packed``.
    tensor : ndarray of uint8 or uint16
        The symbols.
    """
    if stream.layout != "packed":
        raise ValueError(f"layout must be packed, not {stream.layout!r}")
    order, tiles = scan_order(tensor.shape, stream.fmt.scan, stream.fmt.tile)
    index = unpack_index(stream.index, tiles.count)
    ends = np.cumsum(index.bursts) * (stream.fmt.burst_bytes // 8)
    spans = np.stack([ends - index.bursts * (stream.fmt.burst_bytes // 8), ends], axis=1)
    values = tensor.reshape(-1).take(order)
    made = (index.modes, index.bursts, index.checks, stream.payload, spans)
    return Batch(stream.fmt, stream.zero_point, values, tiles.starts, tiles.shapes, *made)


def batch_of_tiles(
    fmt: TileFormat,
    values: Symbols,
    starts: NDArray[np.int64],
    zero_point: int,
    modes: NDArray[np.uint8] | None = None,
    shapes: NDArray[np.int64] | None = None,
) -> Batch:
    """Tiles of any length in given modes, or each in the mode that a chooser must find.

    The rule of the choice stands in golden/tile_format.py: fewest bursts, fewest bits, lowest mode. Tiles without
    shapes are one column.
    """
    if shapes is None:
        shapes = np.stack([np.diff(starts), *2 * [np.ones(starts.size - 1, np.int64)]], axis=1)
    tiles = Tiles(starts, shapes)
    numbers = sorted(MODES.index(mode) for mode in fmt.modes)
    bits = np.stack([codec_of(fmt, MODES[number]).tile_bits(values, tiles, zero_point) for number in numbers])
    bursts = -(-bits // fmt.burst_bits)
    if modes is None:
        row = np.argmin(bursts << 32 | bits, axis=0)
        modes = np.array(numbers, np.uint8)[row]
    row = np.searchsorted(numbers, modes)
    bursts = bursts[row, np.arange(tiles.count)]
    ends = np.cumsum(bursts) * (fmt.burst_bytes // 8)
    spans = np.stack([ends - bursts * (fmt.burst_bytes // 8), ends], axis=1)
    words = np.zeros(int(ends[-1]) if ends.size else 0, np.uint64)
    for number in np.unique(modes).tolist():
        memory = TileMemory(words, spans, np.flatnonzero(modes == number))
        codec_of(fmt, MODES[number]).encode_tiles(values, tiles, zero_point, memory)
    checks = TRINOMIAL_15.over_spans(words, spans, payload_seeds(np.arange(tiles.count)))
    return Batch(fmt, zero_point, values, starts, shapes, modes, bursts, checks, words, spans)
