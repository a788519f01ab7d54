"""Cycles of the tile codecs: what goes in and comes out when, as the hardware does it.

Nothing here is fitted: each core is stepped cycle by cycle with all that decides when it waits (how full its buffers
are), and nothing of what it computes; the bits of each beat come from the symbols. Sources offer always, sinks are
always ready. Cycle 0 is that of the first transfer into the core, as it comes out of reset. Tests hold every transfer
equal to the cores' in hw/activations.

A *beat* is what goes through a core in a cycle: `lanes` symbols, fewer in a tile's last beat.

Where no payload, whole bursts, has more words than its tile has beats, an encoder takes a beat in every cycle,
``ceil(n / lanes)`` for a tile of ``n`` symbols, one tile behind the other. So does a decoder give them, but that it may
wait a cycle or two before a tile of a few bursts: its queue holds the end of one tile alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.activations.zvc import ZvcFormat
from golden.codec import Words
from golden.tile_format import MODES, TileFormat
from sim.timing_reader import ACCEPTS, BEGINS, new_decoder, offers_beat, step_decoder
from sim.timing_tiles import CodedTiles, Cycles, Times
from sim.timing_writer import ENDS, SENDS, TAKES, new_encoder, step_encoder

__all__ = ["SHELL_CYCLES", "CodecTiming", "cycles_off_at_ends"]

_SRLC, _ZRLC, _ZVC = MODES.index("srlc"), MODES.index("zrlc"), MODES.index("zvc")
# Registers at the ports of a core's AXI4-Stream shell, one on the way in and one on the way out.
SHELL_CYCLES = 2
# The chooser's ring has room for so many beats more than a tile, and for so many tiles that wait.
_SPARE_BEATS, _WAITING_TILES = 8, 62
# A core that ends at all needs fewer cycles per beat, and per tile: a model that hangs ends, too.
_PATIENCE = 64


def cycles_off_at_ends(counts: Cycles, measured: Cycles, expected: Cycles, shell_cycles: int) -> int:
    """Cycles that measured transfers, `counts` of each tile, are off at the tiles' last ones, summed.

    Raises
    ------
    ValueError
        If there are more or fewer of them than expected.
    """
    if measured.shape != expected.shape:
        raise ValueError(f"measured cycles must be {expected.size}, not {measured.size}")
    last = np.cumsum(counts) - 1
    return int(np.abs(measured[last] - expected[last] - shell_cycles).sum())


@dataclass(frozen=True)
class CodecTiming:
    """Cycles of encoder, chooser and decoder for one format and number of lanes.

    Attributes
    ----------
    fmt : TileFormat
    lanes : int
        1, 2, 4 or 8.
    """

    fmt: TileFormat
    lanes: int

    def __post_init__(self) -> None:
        if self.lanes not in (1, 2, 4, 8):
            raise ValueError(f"lanes must be 1, 2, 4 or 8, not {self.lanes!r}")

    @property
    def word_bits(self) -> int:
        """Bits of a payload word: the power of two that holds a beat of tokens, at least 64."""
        return max(64, 1 << (self.lanes * (self.fmt.run_bits + self.fmt.word_bits) - 1).bit_length())

    @property
    def _mask_bits(self) -> int:
        return ZvcFormat(self.fmt.word_bits).group_symbols if "zvc" in self.fmt.modes else 0

    @property
    def _field_bits(self) -> int:
        """Most bits that a beat becomes."""
        run_bits = self.fmt.run_bits if {"srlc", "zrlc"} & set(self.fmt.modes) else 0
        return max(self.lanes * (self.fmt.word_bits + run_bits), self.lanes * self.fmt.word_bits + self._mask_bits)

    def encode(self, tiles: CodedTiles, adaptive: bool = False) -> Times:
        """Cycles of tiles sent one behind the other.

        Parameters
        ----------
        tiles : CodedTiles
        adaptive : bool
            Whether the chooser is in front of the encoder; the tiles' modes are then those that it chooses.
        """
        sizes, last = self.beat_bits(tiles)
        beats, words = _encode(sizes, last, *self.new_encoder(), self.ring_beats if adaptive else 0)
        return Times(beats, words)

    @property
    def ring_beats(self) -> int:
        """Beats of the chooser's ring."""
        return -(-self.fmt.tile_symbols // self.lanes) + _SPARE_BEATS

    def new_encoder(self) -> tuple[Cycles, int, int, bool]:
        """For `sim.timing_writer.step_encoder`: its state, a word's bits, a burst's words, if fields fill words."""
        stages = max(1, self._mask_bits // self.lanes - 1)
        burst_words = self.fmt.burst_bits // self.word_bits
        return new_encoder(stages), self.word_bits, burst_words, self._field_bits == self.word_bits

    def beat_bits(self, tiles: CodedTiles, by_start: bool = False) -> tuple[Cycles, NDArray[np.bool_]]:
        """Bits of each beat, and whether it is its tile's last; a token counts where it ends, or where it starts."""
        fmt = self.fmt
        shape = (self.lanes, fmt.word_bits, fmt.run_bits, ZvcFormat(fmt.word_bits).group_symbols)
        sizes, last = _beat_bits(tiles.values, tiles.starts, tiles.modes, tiles.zero_point, *shape, by_start)
        return sizes, last

    def decode(self, tiles: CodedTiles, payload: Words, bursts: Cycles) -> Times:
        """Cycles of tiles that golden coded, sent one behind the other.

        Parameters
        ----------
        tiles : CodedTiles
        payload : ndarray of uint64
            The payloads one behind the other.
        bursts : ndarray of int64, shape (n,)
            Bursts of each payload.
        """
        fmt, lanes = self.fmt, self.lanes
        sizes, _ = self.beat_bits(tiles, by_start=True)
        nonzero = (payload.reshape(-1, self.word_bits // 64) != 0).any(axis=1)
        burst_words = fmt.burst_bits // self.word_bits
        beats, words = _decode(
            sizes, tiles.beats(lanes), nonzero, bursts, new_decoder(self.word_bits), self.word_bits, burst_words
        )
        return Times(beats, words)

    def cycles_off(
        self,
        tiles: CodedTiles,
        payload: Words,
        bursts: Cycles,
        encoded: Cycles,
        decoded: Cycles,
        shell_cycles: int = SHELL_CYCLES,
    ) -> int:
        """Cycles that measured transfers are off, summed over the last ones of all tiles.

        Parameters
        ----------
        tiles, payload, bursts
            As in `decode`.
        encoded, decoded : ndarray of int64
            Cycles of all words out of chooser and encoder and all beats out of the decoder, from the first transfer in.
        shell_cycles : int
            Cycles that the ports' registers add on the way.
        """
        words = bursts * (self.fmt.burst_bits // self.word_bits)
        return cycles_off_at_ends(words, encoded, self.encode(tiles, adaptive=True).words, shell_cycles) + (
            cycles_off_at_ends(
                tiles.beats(self.lanes), decoded, self.decode(tiles, payload, bursts).beats, shell_cycles
            )
        )


@njit(cache=True, nogil=True)
def _beat_bits(values, starts, modes, zero_point, lanes, word_bits, run_bits, group, by_start):  # type: ignore[no-untyped-def]
    """Bits of each beat, and whether it is its tile's last; a token counts where it ends, or where it starts."""
    beats = 0
    for t in range(modes.size):
        beats += (starts[t + 1] - starts[t] + lanes - 1) // lanes
    sizes, last = np.zeros(beats, np.int64), np.zeros(beats, np.bool_)
    limit = (1 << run_bits) - 1
    base = 0
    for t in range(modes.size):
        run = 0
        begin, end = starts[t], starts[t + 1]
        for i in range(begin, end):
            beat = base + (i - begin) // lanes
            if modes[t] == _SRLC or modes[t] == _ZRLC:
                changes = values[i] != zero_point if modes[t] == _ZRLC else i + 1 == end or values[i + 1] != values[i]
                ends = changes or i + 1 == end or run == limit
                sizes[beat] += word_bits + run_bits if (run == 0 if by_start else ends) else 0
                run = 0 if ends else run + 1
            elif modes[t] == _ZVC:
                sizes[beat] += word_bits if values[i] != zero_point else 0
                if (i - begin) % group == 0:
                    sizes[beat] += group
            else:
                sizes[beat] += word_bits
        base += (end - begin + lanes - 1) // lanes
        last[base - 1] = True
    return sizes, last


@njit(cache=True, nogil=True)
def _encode(sizes, last, encoder, width, burst_words, wide, ring):  # type: ignore[no-untyped-def]
    """Cycles of beats in and words out."""
    beats = sizes.size
    came = np.full(beats, -1, np.int64)
    words = np.empty(beats + (burst_words + 1) * max(1, last.sum()), np.int64)
    count = 0
    # The chooser: beats come, whole tiles are known, beats leave. `shown` is the beat at its output.
    come = left = tiles_come = tiles_known = tiles_left = 0
    ended_in = decided = False
    shown = -1
    at_input = 0
    cycle = 0
    tiles = last.sum()
    finished = 0
    while finished < tiles and cycle < _PATIENCE * (beats + tiles):
        offers = shown if ring else (at_input if at_input < beats else -1)
        done = step_encoder(encoder, sizes, last, offers, width, burst_words, wide)
        if done & SENDS:
            words[count] = cycle
            count += 1
        finished += done & ENDS != 0
        accepts = done & TAKES != 0
        # The chooser: what leaves, then what comes.
        if ring:
            free = shown < 0 or accepts
            boundary = shown < 0 or last[shown]
            starts = tiles_known != tiles_left
            comes = come < beats and come - left < ring - 1
            if comes and last[come] and tiles_come - tiles_left >= _WAITING_TILES:
                comes = False
            if accepts:
                shown = -1
            if free and (not boundary or starts):
                shown = left
                left += 1
                tiles_left += boundary
            tiles_known += decided
            decided, ended_in = ended_in, comes and last[come]
            tiles_come += ended_in
            if comes:
                came[come] = cycle
                come += 1
        elif accepts:
            came[at_input] = cycle
            at_input += 1
        cycle += 1
    return came, words[:count]


@njit(cache=True, nogil=True)
def _decode(sizes, tile_beats, nonzero, bursts, decoder, width, burst_words):  # type: ignore[no-untyped-def]
    """Cycles of beats out and words in."""
    tiles, beats = bursts.size, sizes.size
    sent, taken = np.full(beats, -1, np.int64), np.full(nonzero.size, -1, np.int64)
    depth = max(4, 2 * burst_words)
    word = tile = place = begun = beat = cycle = 0
    while beat < beats and cycle < _PATIENCE * (beats + nonzero.size + tiles):
        if offers_beat(decoder):
            sent[beat] = cycle
            beat += 1
        here = word < nonzero.size
        ends = here and place == bursts[tile] * burst_words - 1
        keeps = here and (place <= (bursts[tile] - 1) * burst_words or nonzero[word])
        done = step_decoder(decoder, sizes, tile_beats, begun < tiles, here, keeps, ends, width, depth, True)
        if done & ACCEPTS:
            taken[word] = cycle
            word += 1
            tile += ends
            place = 0 if ends else place + 1
        begun += done & BEGINS != 0
        cycle += 1
    return sent, taken
