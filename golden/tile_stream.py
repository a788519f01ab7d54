"""Tensors to tile streams and back; the format is told in golden/tile_format.py."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.activations.scan import scan_order, tile_count
from golden.codec import CorruptStreamError, Symbols, Words, check_symbols, check_zero_point, symbol_dtype
from golden.crc import TRINOMIAL_15
from golden.tile_format import GROUP_BYTES, GROUP_TILES, LAYOUTS, MAX_BURSTS, MODES, TileFormat, codec_of
from golden.tile_index import Index, index_bytes, pack_index, payload_seeds, unpack_index
from golden.tiles import TileMemory, Tiles, check_padding

__all__ = ["TileSizes", "TileStream", "decode_tensor", "decode_tile", "encode_tensor", "tensor_sizes"]


@dataclass(frozen=True)
class TileSizes:
    """What each tile becomes: mode number, exact bits, bursts; all of shape (n,)."""

    modes: NDArray[np.uint8]
    bits: NDArray[np.int64]
    bursts: NDArray[np.int64]


@dataclass(frozen=True)
class TileStream:
    """A coded tensor and what a decoder is told out of band.

    Attributes
    ----------
    fmt : TileFormat
    shape : tuple of int
        The tensor's shape; see `golden.activations.scan.tensor_shape`.
    zero_point : int
    layout : str
        ``slotted`` or ``packed``.
    index : ndarray of uint8
        Groups of 32 bytes.
    payload : ndarray of uint64
        Whole bursts.

    Raises
    ------
    TypeError, ValueError
        If shape, zero point or layout is none that an encoder takes.
    CorruptStreamError
        If index or payload cannot be as long as the shape wants; told before memory is taken for it.
    """

    fmt: TileFormat
    shape: tuple[int, ...]
    zero_point: int
    layout: str
    index: NDArray[np.uint8]
    payload: Words

    def __post_init__(self) -> None:
        check_zero_point(self.zero_point, self.fmt.word_bits)
        _check_layout(self.layout)
        count = tile_count(self.shape, self.fmt.tile)
        if self.index.size != index_bytes(count):
            raise CorruptStreamError(
                f"index of {count} tiles must be {index_bytes(count)} bytes, not {self.index.size}"
            )
        if 8 * self.payload.size < count * self.fmt.burst_bytes:
            raise CorruptStreamError(
                f"payload of {count} tiles must be {count * self.fmt.burst_bytes} bytes or more, "
                f"not {8 * self.payload.size}"
            )

    @cached_property
    def tiles(self) -> Tiles:
        """The tiles of the tensor."""
        return scan_order(self.shape, self.fmt.scan, self.fmt.tile)[1]


def _check_layout(layout: str) -> None:
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {LAYOUTS}, not {layout!r}")


def _most_bursts(fmt: TileFormat, layout: str) -> int:
    """Bursts that a tile has room for."""
    return fmt.slot_bursts if layout == "slotted" else MAX_BURSTS


def _bursts(bits: NDArray[np.int64], fmt: TileFormat) -> NDArray[np.int64]:
    return -(-bits // fmt.burst_bits)


def _choose(symbols: Symbols, tiles: Tiles, fmt: TileFormat, zero_point: int, mode: str | None) -> TileSizes:
    if mode is not None:
        if mode not in fmt.modes:
            raise ValueError(f"mode must be one of {fmt.modes}, not {mode!r}")
        bits = codec_of(fmt, mode).tile_bits(symbols, tiles, zero_point)
        return TileSizes(np.full(tiles.count, MODES.index(mode), np.uint8), bits, _bursts(bits, fmt))
    codecs = dict(sorted(fmt.codecs.items()))
    bits = np.stack([codec.tile_bits(symbols, tiles, zero_point) for codec in codecs.values()])
    # Fewest bits are fewest bursts too; argmin takes the first of equals, which is the lowest mode.
    best = np.argmin(bits, axis=0)
    chosen = bits[best, np.arange(tiles.count)]
    return TileSizes(np.array(list(codecs), np.uint8)[best], chosen, _bursts(chosen, fmt))


def _scan(tensor: ArrayLike, fmt: TileFormat) -> tuple[Symbols, Tiles]:
    array = np.asarray(tensor)
    symbols = check_symbols(array.reshape(-1), fmt.word_bits)
    order, tiles = scan_order(array.shape, fmt.scan, fmt.tile)
    return symbols.take(order), tiles


def tensor_sizes(tensor: ArrayLike, fmt: TileFormat, zero_point: int = 0, mode: str | None = None) -> TileSizes:
    """What `encode_tensor` would make of each tile, without building the stream.

    Parameters
    ----------
    tensor : array_like of unsigned int, shape (C, H, W) or (N, C, H, W)
    fmt : TileFormat
    zero_point : int
        The symbol that means zero.
    mode : str, optional
        The mode of every tile; by default each tile's best.
    """
    zero_point = check_zero_point(zero_point, fmt.word_bits)
    symbols, tiles = _scan(tensor, fmt)
    return _choose(symbols, tiles, fmt, zero_point, mode)


def encode_tensor(
    tensor: ArrayLike, fmt: TileFormat, zero_point: int = 0, layout: str = "slotted", mode: str | None = None
) -> TileStream:
    """Code a tensor.

    Parameters
    ----------
    tensor : array_like of unsigned int, shape (C, H, W) or (N, C, H, W)
        Symbols, each below ``2**word_bits``.
    fmt : TileFormat
    zero_point : int
        The symbol that means zero.
    layout : str
        ``slotted`` or ``packed``.
    mode : str, optional
        The mode of every tile (bypass by layer); by default each tile's best.

    Raises
    ------
    TypeError, ValueError
        If a value is not a symbol, the layout is unknown, the mode is none of the stream's, or a tile of a given mode
        outgrows its place.
    """
    _check_layout(layout)
    zero_point = check_zero_point(zero_point, fmt.word_bits)
    symbols, tiles = _scan(tensor, fmt)
    sizes = _choose(symbols, tiles, fmt, zero_point, mode)
    limit = _most_bursts(fmt, layout)
    if (sizes.bursts > limit).any():
        wrong = int(np.flatnonzero(sizes.bursts > limit)[0])
        raise ValueError(f"tile {wrong} must be at most {limit} bursts, not {int(sizes.bursts[wrong])} as {mode}")
    starts, total = _addresses(sizes.bursts, fmt, layout)
    burst_words = fmt.burst_bytes // 8
    words = np.zeros(total * burst_words, np.uint64)
    spans = _spans(starts, sizes.bursts, burst_words)
    for number in np.unique(sizes.modes).tolist():
        todo = np.flatnonzero(sizes.modes == number)
        codec_of(fmt, MODES[number]).encode_tiles(symbols, tiles, zero_point, TileMemory(words, spans, todo))
    checks = TRINOMIAL_15.over_spans(words, spans, payload_seeds(np.arange(tiles.count)))
    index = pack_index(Index(sizes.modes, sizes.bursts, checks, starts[::GROUP_TILES]))
    return TileStream(fmt, tuple(np.shape(tensor)), zero_point, layout, index, words)


def _addresses(bursts: NDArray[np.int64], fmt: TileFormat, layout: str) -> tuple[NDArray[np.int64], int]:
    """First burst of each tile, and bursts of the whole payload."""
    if layout == "slotted":
        return np.arange(bursts.size) * fmt.slot_bursts, bursts.size * fmt.slot_bursts
    ends = np.cumsum(bursts)
    return ends - bursts, int(ends[-1]) if ends.size else 0


def _spans(starts: NDArray[np.int64], bursts: NDArray[np.int64], burst_words: int) -> NDArray[np.int64]:
    """First word and end of each tile's own bursts, shape (n, 2)."""
    return np.stack([starts, starts + bursts], axis=1) * burst_words


def decode_tensor(stream: TileStream) -> Symbols:
    """Return the tensor of a tile stream.

    Raises
    ------
    CorruptStreamError
        If index or payload is not what an encoder writes: any wrong CRC, mode, length, address or padding, a payload
        that is too short or too long for its tile; naming group or tile, and the bit.
    """
    tiles = stream.tiles
    fmt = stream.fmt
    index = unpack_index(stream.index, tiles.count)
    _check_lengths(stream, index.bursts)
    starts, total = _addresses(index.bursts, fmt, stream.layout)
    burst_words = fmt.burst_bytes // 8
    if (index.bases != starts[::GROUP_TILES]).any():
        wrong = int(np.flatnonzero(index.bases != starts[::GROUP_TILES])[0])
        expected = int(starts[wrong * GROUP_TILES])
        raise CorruptStreamError(f"index group {wrong}: base must be burst {expected}, not {int(index.bases[wrong])}")
    if stream.payload.size != total * burst_words:
        raise CorruptStreamError(f"payload must be {8 * total * burst_words} bytes, not {8 * stream.payload.size}")
    order = scan_order(stream.shape, fmt.scan, fmt.tile)[0]
    symbols = _decode(stream, index, tiles, _spans(starts, index.bursts, burst_words))
    if stream.layout == "slotted":
        _check_slots(stream, index)
    tensor = np.empty_like(symbols)
    tensor[order] = symbols
    return tensor.reshape(stream.shape)


def decode_tile(stream: TileStream, tile: int) -> Symbols:
    """Return the symbols of one tile in scan order: its index group and its own bursts are all that is read.

    Raises
    ------
    ValueError
        If there is no such tile.
    CorruptStreamError
        As in `decode_tensor`.
    """
    tiles = stream.tiles
    if not 0 <= tile < tiles.count:
        raise ValueError(f"tile must be in 0..{tiles.count - 1}, not {tile!r}")
    group, place = divmod(tile, GROUP_TILES)
    members = min(GROUP_TILES, tiles.count - group * GROUP_TILES)
    data = stream.index[group * GROUP_BYTES : (group + 1) * GROUP_BYTES]
    index = unpack_index(data, members, group)
    _check_lengths(stream, index.bursts, group * GROUP_TILES)
    before = place * stream.fmt.slot_bursts if stream.layout == "slotted" else int(index.bursts[:place].sum())
    start = int(index.bases[0]) + before
    burst_words = stream.fmt.burst_bytes // 8
    own = slice(place, place + 1)
    span = _spans(np.array([start]), index.bursts[own], burst_words)
    if int(span[0, 1]) > stream.payload.size:
        raise CorruptStreamError(
            f"tile {tile}: payload ends at byte {8 * stream.payload.size} of {8 * int(span[0, 1])}"
        )
    alone = Tiles(np.append(0, tiles.symbols[tile : tile + 1]), tiles.shapes[tile : tile + 1])
    entry = Index(index.modes[own], index.bursts[own], index.checks[own], index.bases)
    return _decode(stream, entry, alone, span, tile)


def _check_lengths(stream: TileStream, bursts: NDArray[np.int64], first: int = 0) -> None:
    """No tile is longer than its place: in slots it would reach into the next tile, or past the last one."""
    limit = _most_bursts(stream.fmt, stream.layout)
    if (bursts > limit).any():
        wrong = int(np.flatnonzero(bursts > limit)[0])
        what = f"{stream.layout} payload"
        raise CorruptStreamError(
            f"tile {first + wrong}: {what} must be at most {limit} bursts, not {int(bursts[wrong])}"
        )


def _check_slots(stream: TileStream, index: Index) -> None:
    """What lies in a slot behind its tile is zero in a stored stream."""
    burst_words = stream.fmt.burst_bytes // 8
    slots = stream.payload.reshape(index.bursts.size, stream.fmt.slot_bursts * burst_words)
    behind = np.arange(slots.shape[1]) >= (index.bursts * burst_words)[:, None]
    stray = np.argwhere(behind & (slots != 0))
    if stray.size:
        tile, word = stray[0].tolist()
        raise CorruptStreamError(f"tile {tile}: slot must be zero behind the payload, not set in bits from {64 * word}")


def _decode(stream: TileStream, index: Index, tiles: Tiles, spans: NDArray[np.int64], first: int = 0) -> Symbols:
    """Decode tiles, the k-th of which has number ``first + k`` in the stream and the words of ``spans[k]``."""
    fmt = stream.fmt
    known = np.isin(index.modes, list(fmt.codecs))
    if not known.all():
        wrong = int(np.flatnonzero(~known)[0])
        raise CorruptStreamError(
            f"tile {first + wrong}: mode must be one of {fmt.modes}, not {int(index.modes[wrong])}"
        )
    checks = TRINOMIAL_15.over_spans(stream.payload, spans, payload_seeds(first + np.arange(tiles.count)))
    if (checks != index.checks).any():
        wrong = int(np.flatnonzero(checks != index.checks)[0])
        raise CorruptStreamError(f"tile {first + wrong}: payload CRC does not match (byte {8 * int(spans[wrong, 0])})")
    symbols: Symbols = np.zeros(int(tiles.starts[-1]), symbol_dtype(fmt.word_bits))
    bits = np.zeros(tiles.count, np.int64)
    for number in np.unique(index.modes).tolist():
        todo = np.flatnonzero(index.modes == number)
        memory = TileMemory(stream.payload, spans, todo, first)
        bits[todo] = codec_of(fmt, MODES[number]).decode_tiles(memory, tiles, stream.zero_point, symbols)
    if (_bursts(bits, fmt) != index.bursts).any():
        wrong = int(np.flatnonzero(_bursts(bits, fmt) != index.bursts)[0])
        raise CorruptStreamError(
            f"tile {first + wrong}: payload must be {int(_bursts(bits, fmt)[wrong])} bursts, "
            f"not {int(index.bursts[wrong])}: it ends at bit {int(bits[wrong])}"
        )
    check_padding(TileMemory(stream.payload, spans, np.arange(tiles.count), first), bits)
    return symbols
