"""Cycles of the decoder of all modes, prc among them: words to the core of their tile's mode, symbols to one ring.

The parts are stepped as they stand in hw/mixed_decoder.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.activations.prc import PrcFormat
from golden.codec import Words
from golden.tile_format import MODES
from sim.timing import CodecTiming
from sim.timing_asks import asks_of
from sim.timing_mixed_encoder import ring_rows
from sim.timing_planes import (
    ORDERED,
    TAKES,
    ends_group,
    ends_tile,
    has_planes,
    new_planes,
    new_ring,
    offers_row,
    ring_has_room,
    step_planes,
    step_ring,
)
from sim.timing_reader import (
    ACCEPTS,
    BEGINS,
    has_word,
    is_last_word,
    new_decoder,
    new_words,
    offers_beat,
    step_decoder,
    step_words,
    takes_word,
)
from sim.timing_tiles import CodedTiles, Cycles, Times

__all__ = ["decode_times"]

_PRC = MODES.index("prc")
_LANES = PrcFormat().lanes
_TURNS = 4
# A core that ends at all needs fewer cycles per beat, word and tile: a model that hangs ends, too.
_PATIENCE = 64


def decode_times(plain: CodecTiming, tiles: CodedTiles, payload: Words, bursts: Cycles) -> Times:
    """Cycles of beats out and words in; `plain` is the timing of the other modes (`sim.timing_mixed.MixedTiming`)."""
    fmt, lanes, prc = plain.fmt, plain.lanes, PrcFormat(plain.fmt.word_bits)
    by_prc, counts, shapes = tiles.modes == _PRC, tiles.beats(lanes), tiles.shapes
    asks = asks_of(tiles.only(by_prc), prc)
    others = replace(tiles, modes=np.where(by_prc, 0, tiles.modes).astype(np.uint8))
    sizes, _ = plain.beat_bits(others, by_start=True)
    burst_words = fmt.burst_bits // plain.word_bits
    nonzero = (payload.reshape(-1, plain.word_bits // 64) != 0).any(axis=1)
    sent, taken = _step_through(
        (counts, by_prc, bursts * burst_words, shapes[:, 0] * shapes[:, 1], (shapes[:, 2] - 1) % _LANES),
        (nonzero, _kept_behind(nonzero, bursts * burst_words, burst_words)),
        (sizes[np.repeat(~by_prc, counts)], counts[~by_prc]),
        (shapes[by_prc, 0] * shapes[by_prc, 1], shapes[by_prc, 2], np.append(asks.asks, np.uint8(0)), asks.starts),
        (new_decoder(plain.word_bits), new_words(), new_planes(), new_ring()),
        (plain.word_bits, burst_words, ring_rows(fmt.tile) - 3 - 3 * fmt.tile[0] * fmt.tile[1] // 4, _LANES // lanes),
    )
    return Times(sent, taken)


def _kept_behind(nonzero: NDArray[np.bool_], tile_words: Cycles, burst_words: int) -> Cycles:
    """Words behind the last one of each tile's last burst that is not zero, or its first one."""
    last_bursts = (np.cumsum(tile_words)[:, None] - np.arange(burst_words, 0, -1)).reshape(-1, burst_words)
    kept = nonzero[last_bursts]
    kept[:, 0] = True
    behind: Cycles = np.argmax(kept[:, ::-1], axis=1)
    return behind


@njit(cache=True, nogil=True)
def _step_through(tiles, words, beats, planes, parts, room):  # type: ignore[no-untyped-def]
    """Cycles of beats out and words in.

    Parameters
    ----------
    tiles : tuple
        Of each tile: beats, whether it is of prc, words, places of a plane, lane of its last plane.
    words : tuple
        Of each word whether it is not zero; of each tile zero words at the end of its last burst that are not kept.
    beats : tuple
        Of the tiles of other modes: bits of each beat, beats of each tile.
    planes : tuple
        Of the tiles of prc: places, channels; asks, and where those of each tile begin.
    parts : tuple
        States of decoder, queue of prc's words, decoder of prc, ring.
    room : tuple
        Bits of a word, words of a burst; rows by which the ring may be ahead, beats of a row.
    """
    counts, by_prc, tile_words, tile_places, tails = tiles
    nonzero, behind = words
    sizes, plain_counts = beats
    places, channels, asks, ask_starts = planes
    plain, queue, prc, ring = parts
    width, burst_words, most_ahead, row_parts = room
    depth = max(4, 2 * burst_words)
    sent, taken = np.full(counts.sum(), -1, np.int64), np.full(nonzero.size, -1, np.int64)
    # The word and the tile at the port, and the word's place; orders that were handed on and are not taken; tiles whose
    # turn it is at the ring, and beats of the one that comes; tiles whose words of prc are read; the beat that leaves.
    word = tile = place = turn = come_beat = read = beat = cycle = 0
    out_tile = out_beat = part = 0
    is_open = plain_kept = prc_kept = False
    prc_tiles = np.flatnonzero(by_prc)
    while beat < sent.size and cycle < _PATIENCE * (sent.size + nonzero.size + counts.size):
        # What leaves.
        leaves, row_taken = offers_row(ring), False
        if leaves:
            sent[beat] = cycle
            beat += 1
            out_beat += 1
            row_taken = part == row_parts - 1 or out_beat == counts[out_tile]
            part = 0 if row_taken else part + 1
            if out_beat == counts[out_tile]:
                out_tile += 1
                out_beat = 0
        # What comes to the ring.
        roomy = ring_has_room(ring) and turn < tile + is_open
        planes_go = roomy and by_prc[turn] and has_planes(prc)
        beats_go = roomy and not by_prc[turn] and offers_beat(plain)
        group_end = planes_go and ends_group(prc)
        tile_end = (planes_go and ends_tile(prc)) or (beats_go and come_beat == counts[turn] - 1)
        # The word at the port goes where its tile's mode belongs.
        opens = word < nonzero.size and not is_open and tile - turn < _TURNS
        here = word < nonzero.size and (is_open or opens)
        to_prc = here and by_prc[tile]
        ends = here and place == tile_words[tile] - 1
        keeps = here and (place <= tile_words[tile] - burst_words or nonzero[word])
        order = plain_kept or (opens and not to_prc)
        done = step_decoder(plain, sizes, plain_counts, order, here and not to_prc, keeps, ends, width, depth, beats_go)
        prc_comes = to_prc and takes_word(queue, depth, ends) and (is_open or not prc_kept)
        prc_word, prc_last = has_word(queue), is_last_word(queue)
        zeros = behind[prc_tiles[read]] if prc_word and prc_last else 0
        stepped = step_planes(
            prc, places, channels, asks, ask_starts, prc_kept, prc_word, prc_word and prc_last, zeros, planes_go
        )
        prc_taken = prc_word and stepped & TAKES != 0
        read += prc_taken and prc_last
        step_words(queue, prc_comes, keeps, ends, prc_taken)
        accepts = prc_comes or done & ACCEPTS != 0
        first = accepts and not is_open
        # The ring; then the clock edge.
        step_ring(
            ring, most_ahead, row_parts, tile_places[min(turn, counts.size - 1)], tails[min(turn, counts.size - 1)],
            planes_go, group_end, beats_go, tile_end, row_taken,
        )  # fmt: skip
        come_beat = 0 if tile_end else come_beat + beats_go
        turn += tile_end
        plain_kept = (plain_kept and done & BEGINS == 0) or (first and not to_prc)
        prc_kept = (prc_kept and stepped & ORDERED == 0) or (first and to_prc)
        if accepts:
            taken[word] = cycle
            word += 1
            is_open = not ends
            place = 0 if ends else place + 1
            tile += ends
        cycle += 1
    return sent, taken
