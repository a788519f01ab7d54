"""The decoder of the tile stream, a cycle at a time: reader, queue, sight and output, and when each waits."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
    *("ACCEPTS", "BEGINS", "new_decoder", "offers_beat", "step_decoder"),
    *("has_word", "is_last_word", "new_words", "takes_word", "step_words"),
]

# What a step of the decoder tells: the word is taken, the order is.
ACCEPTS, BEGINS = 1, 2
# A queue of words: what was written and kept, what is read, where the tile ends that is over, whether one is, whether a
# word is offered.
_TAIL, _KEPT, _HEAD, _END_PLACE, _ENDED, _OFFERED = range(6)
# The decoder behind its queue: whether a tile's words come; whether its order is known, whether it is decoded, and
# which beats of it are left; the place in the words in sight and what is known of them; the beat that is offered.
_OPEN, _ANNOUNCED, _ACTIVE, _FINAL, _LEFT = range(6, 11)
_PLACE, _WAITS, _UPPER_LAST = range(11, 14)
_TILE, _BEAT, _VALID = range(14, 17)


def new_words() -> NDArray[np.int64]:
    """The state of an empty queue of words."""
    return np.zeros(_OFFERED + 1, np.int64)


def new_decoder(width: int) -> NDArray[np.int64]:
    """The state of a decoder out of reset, for words of so many bits."""
    state = np.zeros(_VALID + 1, np.int64)
    state[_PLACE], state[_WAITS] = width - 1, 1
    return state


@njit(cache=True, nogil=True)
def has_word(q):  # type: ignore[no-untyped-def]
    """Whether a word is offered."""
    return q[_OFFERED] != 0


@njit(cache=True, nogil=True)
def is_last_word(q):  # type: ignore[no-untyped-def]
    """Whether the word at the head is its tile's last that was kept."""
    return q[_ENDED] != 0 and q[_HEAD] == q[_END_PLACE]


@njit(cache=True, nogil=True)
def takes_word(q, depth, ends):  # type: ignore[no-untyped-def]
    """Whether a queue of `depth` takes a word, which `ends` its tile or not."""
    return q[_TAIL] - q[_HEAD] != depth and not (q[_ENDED] != 0 and ends)


@njit(cache=True, nogil=True)
def step_words(q, comes, keeps, ends, taken):  # type: ignore[no-untyped-def]
    """Go on a cycle in which a word comes, is kept, ends its tile, and the word at the head is taken.

    Words that are not kept are dropped if their tile ends with them.
    """
    queue_last = is_last_word(q)
    following = q[_HEAD] + 1 if taken else q[_HEAD]
    q[_OFFERED] = (q[_ENDED] != 0 and following == q[_END_PLACE]) or q[_KEPT] - following > 1
    q[_ENDED] = (comes and ends) or (q[_ENDED] != 0 and not (taken and queue_last))
    q[_HEAD] = following
    if comes:
        if ends:
            q[_END_PLACE] = q[_TAIL] if keeps else q[_KEPT] - 1
        q[_KEPT] = q[_TAIL] + 1 if keeps else q[_KEPT]
        q[_TAIL] = q[_KEPT] if ends else q[_TAIL] + 1


@njit(cache=True, nogil=True)
def offers_beat(s):  # type: ignore[no-untyped-def]
    """Whether a beat is offered."""
    return s[_VALID] != 0


@njit(cache=True, nogil=True)
def step_decoder(s, sizes, tile_beats, order, word, keeps, ends, width, depth, taken):  # type: ignore[no-untyped-def]
    """Go on a cycle; an `order` and a `word` are offered, which is to be kept, ends its tile; the beat is `taken`.

    `sizes` are the bits of each beat, `tile_beats` the beats of each tile, `depth` the words of the queue.
    """
    # The reader takes a word.
    accepts = word and takes_word(s, depth, ends) and (s[_OPEN] != 0 or (order and s[_ANNOUNCED] == 0))
    opens = accepts and s[_OPEN] == 0
    # A beat goes if its words are in sight; then they move up, and the queue's word comes into sight.
    active, final, waits, upper_last = s[_ACTIVE] != 0, s[_FINAL] != 0, s[_WAITS] != 0, s[_UPPER_LAST] != 0
    primed = s[_KEPT] - s[_HEAD] >= depth // 4 or s[_ENDED] != 0
    go = active and not waits and (final or upper_last or s[_OFFERED] != 0) and (s[_VALID] == 0 or taken)
    moves = go and (final or s[_PLACE] + sizes[s[_BEAT]] >= width)
    opening = waits or final
    past = upper_last and not opening
    here = s[_OFFERED] != 0 and (not opening or (primed and (waits or upper_last)))
    takes = (waits or moves) and here and not past
    begins = order and s[_ANNOUNCED] != 0 and (not active or (go and final))
    if waits or moves:
        s[_UPPER_LAST] = past or is_last_word(s)
        s[_WAITS] = not here and not past
    if go:
        s[_PLACE] = width - 1 if final else (s[_PLACE] + sizes[s[_BEAT]]) % width
        s[_ACTIVE] = not final
        s[_BEAT] += 1
    if begins or go:
        s[_LEFT] = (tile_beats[s[_TILE]] if begins else s[_LEFT]) - 1
        s[_FINAL] = s[_LEFT] == 0
    s[_VALID] = go or (s[_VALID] != 0 and not taken)
    if begins:
        s[_TILE] += 1
        s[_ACTIVE] = 1
    s[_ANNOUNCED] = (s[_ANNOUNCED] != 0 or opens) and not begins
    if accepts:
        s[_OPEN] = not ends
    step_words(s, accepts, keeps, ends, takes)
    return ACCEPTS * accepts | BEGINS * begins
