"""Cycles that each tile of a tensor keeps its codec, as the cores take them.

A tensor's tiles go through the stepped models of `sim.timing` one behind the other, in the order in which they lie:
the cores hold these cycles, stalls included. A core waits only in tiles whose payload has more words than the tile has
beats; tensors without such tiles take a beat in each cycle, and only their first tile is stepped through. A tile's
cycles are those from the end of the tile before it to its own end, and as many as it has beats for the first one; what
passes before them is the latency. The chooser is in front of the encoder: its latency is a whole tile.

``prc`` has cores of its own, of four lanes: `sim.timing_prc`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from golden.activations.prc import PrcFormat
from golden.activations.scan import scan_order, tensor_shape
from golden.codec import Symbols
from golden.tile_format import MODES, TileFormat
from golden.tile_stream import TileSizes, encode_tensor
from sim.timing import SHELL_CYCLES, CodecTiming
from sim.timing_prc import DECODE_LATENCY_CYCLES, encode_latency_cycles, steps
from sim.timing_tiles import CodedTiles

__all__ = ["TileTimes", "no_times", "tile_times"]

_Ints = NDArray[np.int64]
_PRC = MODES.index("prc")


@dataclass(frozen=True, eq=False)
class TileTimes:
    """A tensor's cycles in decoder and encoder.

    Attributes
    ----------
    decode, encode : ndarray of int64, shape (tiles,)
        Cycles for which a tile keeps its core.
    decode_latency, encode_latency : int
        Cycles that pass besides those of the tiles from the first transfer in to the last one out, registers of the
        ports included.
    """

    decode: _Ints
    encode: _Ints
    decode_latency: int
    encode_latency: int


def no_times(tiles: int) -> TileTimes:
    """Those of a tensor that passes no codec."""
    return TileTimes(np.zeros(tiles, np.int64), np.zeros(tiles, np.int64), 0, 0)


def tile_times(symbols: Symbols, fmt: TileFormat, zero_point: int, sizes: TileSizes, lanes: int) -> TileTimes:
    """Send a tensor through the models of encoder and decoder.

    Parameters
    ----------
    symbols : ndarray of unsigned int
        The tensor.
    fmt : TileFormat
    zero_point : int
    sizes : TileSizes
        What `golden.tile_stream.tensor_sizes` makes of it.
    lanes : int
        Symbols per cycle; prc has four whatever is asked.
    """
    tiles = scan_order(symbols.shape, fmt.scan, fmt.tile)[1]
    if "prc" in fmt.modes:
        return _prc(fmt, np.asarray(tiles.shapes), sizes)
    timing, starts = CodecTiming(fmt, lanes), np.asarray(tiles.starts, np.int64)
    beats = -(-np.diff(starts) // lanes)
    waits = sizes.bursts * (fmt.burst_bits // timing.word_bits) > beats
    if waits.any():
        return _stepped(symbols, timing, zero_point, sizes, beats)
    # No core waits: a beat in each cycle. The first tile tells what passes before.
    height, width, channels = (int(size) for size in tiles.shapes[0])
    first = symbols.reshape(tensor_shape(symbols.shape)[1:])[:channels, :height, :width]
    alone = TileSizes(sizes.modes[:1], sizes.bits[:1], sizes.bursts[:1])
    found = _stepped(first, timing, zero_point, alone, beats[:1])
    return TileTimes(beats, beats.copy(), found.decode_latency, found.encode_latency)


def _stepped(symbols: Symbols, timing: CodecTiming, zero_point: int, sizes: TileSizes, beats: _Ints) -> TileTimes:
    fmt = timing.fmt
    order, tiles = scan_order(symbols.shape, fmt.scan, fmt.tile)
    payload = encode_tensor(symbols, fmt, zero_point, "packed").payload
    starts, shapes = np.asarray(tiles.starts, np.int64), np.asarray(tiles.shapes)
    coded = CodedTiles(symbols.reshape(-1).take(order), starts, shapes, sizes.modes, zero_point)
    encoded = timing.encode(coded, adaptive=True)
    decoded = timing.decode(coded, payload, sizes.bursts)
    read, read_latency = _spans(decoded.beats[np.cumsum(beats) - 1] - decoded.words[0], int(beats[0]))
    last_words = np.cumsum(sizes.bursts * (fmt.burst_bits // timing.word_bits)) - 1
    made, made_latency = _spans(encoded.words[last_words] - encoded.beats[0], int(beats[0]))
    return TileTimes(read, made, read_latency + SHELL_CYCLES, made_latency + SHELL_CYCLES)


def _spans(ends: _Ints, first: int) -> tuple[_Ints, int]:
    """Cycles from each tile's end back to the end before it, and what passes before the `first` cycles of the first."""
    cycles = np.diff(ends, prepend=ends[0] - first)
    return cycles, int(ends[0]) + 1 - first


def _prc(fmt: TileFormat, shapes: _Ints, sizes: TileSizes) -> TileTimes:
    own = PrcFormat(fmt.word_bits)
    words = -(-sizes.bits // (own.lanes * own.unit_bits))
    predicted = np.maximum([steps((int(h), int(w), int(c))) for h, w, c in shapes], words)
    cycles = np.where(sizes.modes == _PRC, predicted, -(-shapes.prod(axis=1) // own.lanes)).astype(np.int64)
    height, width, channels = (int(size) for size in shapes[0])
    # A tile is sent when it is coded: its own cycles pass before its first word.
    latency = int(cycles[0]) + encode_latency_cycles((height, width, channels))
    return TileTimes(cycles, cycles.copy(), DECODE_LATENCY_CYCLES + SHELL_CYCLES, latency + SHELL_CYCLES)
