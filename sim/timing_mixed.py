"""Cycles of encoder and decoder of all modes, prc among them, where no one waits.

Symbols go in, and come out, in every cycle, tiles back to back, if each tile's payload, whole bursts, has no more words
than the tile has beats, and its channels are a multiple of four (a group of less takes prc as long as a full one). That
is told here for the decoder, with the cycle of the first symbols out. The encoder is stepped cycle by cycle
(`sim.timing_mixed_encoder`), as when its words leave depends on how the lanes of prc ask for them. Cycle 0 is that of
the first transfer into the core.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from golden.codec import Symbols, Words
from golden.tile_format import DEFAULT_MODES, MODES, TileFormat
from sim.timing import SHELL_CYCLES, CodecTiming, Cycles, Times, beat_counts
from sim.timing_mixed_encoder import encode_times, ring_rows

__all__ = ["MixedTiming"]

_PRC = MODES.index("prc")
# From the word behind the first two, with which the second one is handed on, to the ring's first four symbols of prc.
_WORDS_CYCLES = 7
_ROW = 4


@dataclass(frozen=True)
class MixedTiming:
    """Cycles for one format and number of lanes.

    Attributes
    ----------
    fmt : TileFormat
        Its modes include prc.
    lanes : int
        1, 2 or 4.
    """

    fmt: TileFormat
    lanes: int

    def __post_init__(self) -> None:
        if self.lanes not in (1, 2, 4):
            raise ValueError(f"lanes must be 1, 2 or 4 where prc is a mode, not {self.lanes!r}")
        if "prc" not in self.fmt.modes:
            raise ValueError(f"modes must have prc, not {self.fmt.modes!r}")

    @property
    def _plain(self) -> CodecTiming:
        """Those of the other modes."""
        modes = tuple(mode for mode in self.fmt.modes if mode in DEFAULT_MODES)
        return CodecTiming(replace(self.fmt, modes=modes), self.lanes)

    @property
    def _most_ahead(self) -> int:
        """Rows by which what comes may be ahead of what leaves."""
        return ring_rows(self.fmt.tile) - 3 - 3 * self.fmt.tile[0] * self.fmt.tile[1] // 4

    def encode(
        self,
        values: Symbols,
        starts: Cycles,
        shapes: NDArray[np.int64],
        modes: NDArray[np.uint8],
        zero_point: int,
        told: bool = False,
    ) -> Times:
        """Cycles of beats into the encoder, which finds the modes unless they are `told`, and of words out of it.

        Parameters
        ----------
        values, starts, modes, zero_point
            The tiles, as in `sim.timing.CodecTiming.encode`.
        shapes : ndarray of int64, shape (n, 3)
            Height, width and channels of each tile.
        told : bool
            Tiles that are told another mode do not go to prc.
        """
        return encode_times(self._plain, values, starts, shapes, modes, zero_point, told)

    def decode(
        self,
        values: Symbols,
        starts: Cycles,
        shapes: NDArray[np.int64],
        modes: NDArray[np.uint8],
        zero_point: int,
        payload: Words,
        bursts: Cycles,
    ) -> Cycles:
        """Cycle of each beat of symbols out of the decoder.

        Parameters
        ----------
        values, starts, modes, zero_point, payload, bursts
            The tiles, as in `sim.timing.CodecTiming.decode`.
        shapes : ndarray of int64, shape (n, 3)
            Height, width and channels of each tile.
        """
        timing = self._plain
        own = payload[: int(bursts[0]) * self.fmt.burst_bytes // 8]
        if modes[0] == _PRC:
            height, width, channels = shapes[0].tolist()
            begins = self._begins(own.reshape(-1, timing.word_bits // 64), channels)
            first = begins + self._first_of_planes(height, width, channels)
        else:
            tile = values[: starts[1]], starts[:2], modes[:1], zero_point, own, bursts[:1]
            first = self._first_of_beats(timing.decode(*tile).beats)
        return first + np.arange(int(beat_counts(starts, self.lanes).sum()))

    def _begins(self, words: NDArray[np.uint64], channels: int) -> int:
        """Cycle of the first four symbols of prc at the ring.

        A word is handed on with the next one that is kept, or with the tile's last; of the last burst only words up to
        the last one that is not zero are kept. A tile of up to two channels begins with one word, others with two.
        """
        last_burst = len(words) - self.fmt.burst_bytes // 8 // words.shape[1]
        kept = np.flatnonzero((words != 0).any(axis=1) | (np.arange(len(words)) <= last_burst))
        wanted = 1 if channels <= _ROW // 2 or kept[-1] == 0 else 2
        behind = kept[kept >= wanted]
        return int(behind[0] if behind.size else len(words) - 1) + _WORDS_CYCLES + 2 - wanted

    def _first_of_planes(self, height: int, width: int, channels: int) -> int:
        """The first beat leaves when the ring has no more room, or the tile is complete; from its first symbols on."""
        places, groups = height * width, -(-channels // _ROW)
        for step in range(places * groups):
            group, place = divmod(step, places)
            ahead = (group + 1) * places if place == places - 1 else group * places + place // _ROW
            if step == places * groups - 1:
                return step + 2
            if ahead > self._most_ahead:
                return step + 3
        raise ValueError(f"shape must be of one symbol or more, not {(height, width, channels)!r}")

    def _first_of_beats(self, cycles: Cycles) -> int:
        """As for planes; a row of beats comes when the last of them does."""
        row_ends = np.append(cycles[_ROW // self.lanes - 1 :: _ROW // self.lanes], cycles[-1])
        full = self._most_ahead
        return int(row_ends[full] + 3 if full < row_ends.size - 1 else cycles[-1] + 2)

    def cycles_off(
        self,
        values: Symbols,
        starts: Cycles,
        shapes: NDArray[np.int64],
        modes: NDArray[np.uint8],
        zero_point: int,
        payload: Words,
        bursts: Cycles,
        encoded: Cycles,
        decoded: Cycles,
        shell_cycles: int = SHELL_CYCLES,
    ) -> int:
        """Cycles that measured transfers are off, summed over the last ones of all tiles.

        Parameters
        ----------
        values, starts, shapes, modes, zero_point, payload, bursts
            The tiles, as in `decode`.
        encoded, decoded : ndarray of int64
            Cycles of all words out of the encoder, which found the modes, and of all beats out of the decoder, from the
            first transfer in.
        shell_cycles : int
            Cycles that the ports' registers add on the way.
        """
        tiles = values, starts, shapes, modes, zero_point
        last_words = np.cumsum(bursts * (self.fmt.burst_bits // self._plain.word_bits)) - 1
        last_beats = np.cumsum(beat_counts(starts, self.lanes)) - 1
        off = 0
        for last, measured, expected in (
            (last_words, encoded, self.encode(*tiles).words),
            (last_beats, decoded, self.decode(*tiles, payload, bursts)),
        ):
            if measured.shape != expected.shape:
                raise ValueError(f"measured cycles must be {expected.size}, not {measured.size}")
            off += int(np.abs(measured[last] - expected[last] - shell_cycles).sum())
        return off
