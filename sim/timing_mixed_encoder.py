"""Cycles of the encoder of all modes, prc among them: chooser and prc side by side, the choice, what is sent of it.

The parts are stepped as they stand in hw/mixed_encoder.py. A tile's symbols go to the chooser and, if prc may be the
mode, to prc, which tells its size; then either the symbols or the words go to the encoder.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numba import njit

from golden.activations.prc import PrcFormat
from golden.tile_format import MODES
from sim.timing import CodecTiming
from sim.timing_asks import asks_of
from sim.timing_emitter import (
    COUNTED,
    EMITS,
    LOADS,
    STARTS,
    STEPS,
    is_roomy,
    new_coder,
    new_emitter,
    step_coder,
    step_emitter,
)
from sim.timing_gather import (
    has_order,
    has_room,
    has_symbols,
    new_gather,
    new_queue,
    queue_has_room,
    step_gather,
    step_queue,
)
from sim.timing_tiles import CodedTiles, Times
from sim.timing_writer import ENDS, SENDS, TAKES, step_encoder

__all__ = ["encode_times", "ring_rows"]

_PRC = MODES.index("prc")
_ROW = 4
# Room beside what a tile takes (hw/mixed_encoder.py, hw/activations/prc_encoder.py, prc_emitter.py).
_SPARE_BEATS, _SPARE_PLACES, _SPARE_TILES = 48, 16, 4
_WAITING_TILES, _LATE_TILES, _LATE_BEATS, _LATE_WORDS, _VERDICTS = 126, 8, 32, 16, 4
_CHOICE_CYCLES = 3
# A core that ends at all needs fewer cycles per beat, and per tile: a model that hangs ends, too.
_PATIENCE = 64


def ring_rows(tile: tuple[int, int, int]) -> int:
    """Rows of four symbols in a ring of planes: twice four planes, a power of two, at least 16."""
    return max(16, _power(2 * tile[0] * tile[1]))


def _power(size: int) -> int:
    """The power of two that is no less."""
    return 1 << (size - 1).bit_length()


def encode_times(plain: CodecTiming, tiles: CodedTiles, told: bool) -> Times:
    """Cycles of beats in and words out; `plain` is the timing of the other modes (`sim.timing_mixed.MixedTiming`)."""
    fmt, lanes, prc = plain.fmt, plain.lanes, PrcFormat(plain.fmt.word_bits)
    by_prc, counts = tiles.modes == _PRC, tiles.beats(lanes)
    may = by_prc | (not told)
    own = tiles.only(may)
    asks = asks_of(own, prc)
    # What the encoder sees: a tile's own beats, or parts of prc's words as if they were raw symbols.
    word_beats = prc.lanes * prc.unit_bits // (lanes * fmt.word_bits)
    sent_counts = counts.copy()
    sent_counts[by_prc] = -(-asks.sent[by_prc[may]] // prc.lanes) * word_beats
    sizes, _ = plain.beat_bits(replace(tiles, modes=np.where(by_prc, 0, tiles.modes).astype(np.uint8)))
    bits, ends = np.full(int(sent_counts.sum()), lanes * fmt.word_bits), np.cumsum(sent_counts) - 1
    bits[np.repeat(~by_prc, sent_counts)] = sizes[np.repeat(~by_prc, counts)]
    last = np.zeros(bits.size, np.bool_)
    last[ends] = True
    height, width, channels = fmt.tile
    places, steps = height * width, height * width * -(-channels // prc.lanes)
    waiting_tiles = _power(max(16, steps // 8))
    room = (
        plain.ring_beats + places + 3 * places // 4 + _SPARE_BEATS,
        ring_rows(fmt.tile),
        _ROW // lanes,
        _power(places + max(places, _SPARE_PLACES)),
        (
            _power(max(64, steps + 6 * waiting_tiles, steps + steps // 4)) - 3 * waiting_tiles,
            waiting_tiles - _SPARE_TILES,
        ),
        word_beats,
    )
    came, left = _step_through(
        (counts, may, by_prc),
        (bits, last),
        (own.shapes[:, 0] * own.shapes[:, 1], own.shapes[:, 2], by_prc[may]),
        (asks.asks, asks.starts, asks.units),
        plain.new_encoder(),
        (new_gather(), new_coder(), new_emitter(), *(new_queue() for _ in range(5))),
        room,
    )
    return Times(came, left)


@njit(cache=True, nogil=True)
def _step_through(tiles, sent, planes, asks, encoder, parts, room):  # type: ignore[no-untyped-def]
    """Cycles of beats in and words out.

    Parameters
    ----------
    tiles : tuple
        Of each tile: beats, whether prc may be its mode, whether it is.
    sent : tuple
        Bits of each beat that goes to the encoder, and whether it is its tile's last.
    planes : tuple
        Of each tile that may go to prc: places of a plane, channels, whether it is sent.
    asks : tuple
        What the lanes ask for in these (`sim.timing_asks.Asks`): asks, starts, units.
    encoder : tuple
        `sim.timing.CodecTiming.new_encoder`.
    parts : tuple
        States of gatherer, coder, emitter and the queues of sizes, choices, orders, beats and words.
    room : tuple
        Beats of the chooser's ring; rows of the gatherer's, and beats of a row; places of the coder's memory; steps and
        tiles that wait in the emitter; beats that a word of prc becomes.
    """
    counts, may, by_prc = tiles
    bits, is_last = sent
    places, channels, kept = planes
    asked, ask_starts, units = asks
    writer, width, burst_words, wide = encoder
    gather, coder, emitter, sizes, choices, orders, beats, words = parts
    ring, rows, row_beats, depth, waiting, word_beats = room
    came, left_at = np.full(counts.sum(), -1, np.int64), np.empty(bits.size + 16 * counts.size, np.int64)
    # Beats that came, those of the tile that comes, tiles that came; tiles whose mode is known; beats and tiles that
    # left the chooser, and what it offers; what goes to the encoder.
    come = come_beat = come_tile = verdicts = judged_tile = known = choice_line = 0
    left = left_beat = left_tile = 0
    shown, fresh = False, True
    sent_beat = sent_tile = part = count = finished = cycle = 0
    while finished < counts.size and cycle < _PATIENCE * (came.size + bits.size + counts.size):
        # The encoder.
        sends_prc = orders[2] != 0 and by_prc[sent_tile]
        offered = orders[2] != 0 and (words[2] if sends_prc else beats[2]) != 0
        done = step_encoder(writer, bits, is_last, sent_beat if offered else -1, width, burst_words, wide)
        if done & SENDS:
            left_at[count] = cycle
            count += 1
        finished += done & ENDS != 0
        taken = done & TAKES != 0
        tile_sent = taken and is_last[sent_beat]
        word_sent = taken and sends_prc and part == word_beats - 1
        # prc.
        accept_word = queue_has_room(words, _LATE_WORDS)
        order, symbols = has_order(gather), has_symbols(gather)
        put = step_coder(coder, places, channels, depth, order, symbols, is_roomy(emitter))
        emits = step_emitter(emitter, kept, channels, asked, ask_starts, units, waiting, put, verdicts > 0, accept_word)
        # The choice of a tile's mode.
        judges = choices[2] != 0 and (not may[judged_tile] or (sizes[2] != 0 and verdicts < _VERDICTS))
        asks_prc = judges and may[judged_tile]
        # What leaves the chooser: beats to their queue, or nowhere; with the first one the order.
        drops = shown and by_prc[left_tile]
        goes = shown and (not fresh or queue_has_room(orders, _LATE_TILES))
        goes = goes and (drops or queue_has_room(beats, _LATE_BEATS))
        ends = shown and left_beat == counts[left_tile] - 1
        free = not shown or goes
        following = left_tile + (shown and ends)
        steps = free and (known > following if not shown or ends else True)
        # What comes.
        comes = come < came.size and come - left < ring - 1 and (not may[come_tile] or has_room(gather))
        last = comes and come_beat == counts[come_tile] - 1
        if last and come_tile - left_tile - (shown) >= _WAITING_TILES:
            comes = last = False
        # Clock edge.
        step_gather(
            gather, places, channels, rows, row_beats,
            comes and may[come_tile], last, put & STARTS != 0, put & STEPS != 0,
        )  # fmt: skip
        step_queue(sizes, put & COUNTED != 0, asks_prc)
        step_queue(choices, choice_line >> _CHOICE_CYCLES - 1 & 1, judges)
        step_queue(orders, goes and fresh, tile_sent)
        step_queue(beats, goes and not drops, taken and not sends_prc)
        step_queue(words, emits & EMITS != 0 and accept_word, word_sent)
        choice_line = (choice_line << 1 | last) & (1 << _CHOICE_CYCLES) - 1
        verdicts = verdicts + asks_prc - (emits & LOADS != 0)
        known += judges
        judged_tile += judges
        if goes:
            fresh = ends
            left_beat = 0 if ends else left_beat + 1
            left_tile += ends
        shown = steps or (shown and not goes)
        left += steps
        if comes:
            came[come] = cycle
            come += 1
            come_beat = 0 if last else come_beat + 1
            come_tile += last
        sent_beat += taken
        sent_tile += tile_sent
        if taken and sends_prc:
            part = 0 if word_sent else part + 1
        cycle += 1
    return came, left_at[:count]
