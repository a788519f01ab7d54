"""The encoder of the tile stream, a cycle at a time: tokenizer, packer, queue and writer, and when each waits."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["ENDS", "SENDS", "TAKES", "new_encoder", "step_encoder"]

# What a step tells: a word leaves, it is its tile's last, the beat that is offered is taken.
SENDS, ENDS, TAKES = 1, 2, 4
# The state: the beat whose field is offered; the packer; the queue; the writer; whose order is at hand. The beats in
# the tokenizer's stages stand behind it. -1 is no beat.
_FIELD, _PLACE, _FULL, _CLOSING = range(4)
_TAIL, _HEAD, _END_PLACE, _ENDED, _OFFERED = range(4, 9)
_PADS, _OPEN, _BURST_PLACE, _LATE, _OPENED = range(9, 14)
_LINE = 14


def new_encoder(stages: int) -> NDArray[np.int64]:
    """The state of an encoder out of reset, whose tokenizer has so many stages."""
    state = np.zeros(_LINE + stages, np.int64)
    state[_FIELD] = -1
    state[_LINE:] = -1
    return state


@njit(cache=True, nogil=True)
def step_encoder(s, sizes, last, offers, width, burst_words, wide):  # type: ignore[no-untyped-def]
    """Go on a cycle with beat `offers` at the input, -1 for none; tell what is done.

    `sizes` and `last` are the bits that each beat becomes, and whether it is its tile's last.
    """
    depth = max(4, 2 * burst_words)
    head, tail, field, ended = s[_HEAD], s[_TAIL], s[_FIELD], s[_ENDED] != 0
    pads, late, full, closing = s[_PADS] != 0, s[_LATE] != 0, s[_FULL] != 0, s[_CLOSING] != 0
    # The writer sends a word of the queue, or a zero word.
    queue_last = ended and head == s[_END_PLACE]
    present = s[_OFFERED] != 0 or pads
    takes = s[_OFFERED] != 0 and not pads
    final = present and (pads or queue_last) and s[_BURST_PLACE] == burst_words - 1
    opens = present and s[_OPEN] == 0
    # The packer takes a field and writes a word, or writes what the field before left.
    writable, endable = tail - head != depth, not ended
    go = writable and (not closing or endable)
    ready = go and (field < 0 or not last[field] or endable)
    take = field >= 0 and ready
    total = s[_PLACE] + sizes[field] if take else 0
    ends_tile = take and last[field]
    fills = take and (total >= width or (ends_tile and total != 0))
    behind = full or total > width
    write = (go and full) or fills
    end = (go and closing) or (ends_tile and not behind)
    # The tokenizer takes a beat.
    token_ready = field < 0 or ready
    blocked = offers >= 0 and last[offers] and late and not opens
    accepts = offers >= 0 and token_ready and not blocked
    moved = offers >= 0 and not blocked
    if token_ready:
        entering = offers if moved else -1
        for k in range(_LINE, s.size):
            leaving = s[k]
            moves = leaving < 0 or last[leaving] or moved
            if moves:
                s[k] = entering if moved else -1
            entering, moved = leaving, moves
        s[_FIELD] = entering if moved else (-1 if ready else field)
    # The order of a tile stays until its last beat is taken.
    if accepts and last[offers]:
        s[_LATE] = s[_OPENED] == 0 and not (opens and not late)
        s[_OPENED] = 0
    elif opens:
        s[_OPENED] = s[_OPENED] != 0 or not late
        s[_LATE] = 0
    # Clock edge.
    following = head + 1 if takes else head
    s[_OFFERED] = (ended and following == s[_END_PLACE]) or (tail != following and tail != following + 1)
    s[_ENDED] = end or (ended and not (takes and queue_last))
    if end:
        s[_END_PLACE] = tail if write else tail - 1
    s[_HEAD] = following
    s[_TAIL] = tail + write
    if take:
        s[_CLOSING] = ends_tile and behind
        s[_PLACE] = 0 if ends_tile else total % width
        s[_FULL] = (ends_tile and behind) or (full and total >= width) if wide else ends_tile and behind
    elif go:
        s[_FULL] = s[_CLOSING] = 0
    if present:
        s[_OPEN] = not final
        s[_PADS] = (pads or queue_last) and not final
        s[_BURST_PLACE] = (s[_BURST_PLACE] + 1) % burst_words
    return SENDS * present | ENDS * final | TAKES * accepts
