"""The decoder of prc and the ring behind it, a cycle at a time: when words are taken, and when rows are full.

What the parts tell each other is in the registers of the cores (hw/activations/prc_units.py, prc_decoder.py,
plane_ring.py). Tiles are numbered as they come; for the decoder only those of prc count.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.activations.prc_kernels import LANES

__all__ = [
    *("ORDERED", "TAKES", "ends_group", "ends_tile", "has_planes", "new_planes", "step_planes"),
    *("new_ring", "offers_row", "ring_has_room", "step_ring"),
]

# What a step of the decoder tells: an order is taken, a word is.
ORDERED, TAKES = 1, 2

# Units: the word that is held, the tile's first one, each with whether it is the last and how many zero words follow;
# whether the words are at an end, and how many zero words are to come; the units that are queued.
_HELD, _HELD_LAST, _HELD_ZEROS = range(3)
_OPENER, _OPENER_LAST, _OPENER_ZEROS = range(3, 6)
_DRY, _ZEROS, _QUEUED = range(6, 9)
# Steps: the tile after the one that is read, whether one is, whether its first step is next; places and planes that are
# left; the next step's asks. What comes of a step in two registers and one of the ring: codes of its ends.
_TILE, _BUSY, _OPENING, _PLACE, _LEFT, _ASK = range(9, 15)
_MIDDLE, _BEAT, _SHOWN = range(15, 18)
_VALID, _GROUP_ENDS, _TILE_ENDS = 1, 2, 4

# The ring: the row behind all that is complete, the row at hand, the row that is read; the place of the planes at hand,
# the part of the row; whether there is room, whether rows are let out, whether one is offered.
_BASE, _AHEAD, _READ, _AT, _PART = range(5)
_ROOMY, _RUNNING, _OFFERS = range(5, 8)


def new_planes() -> NDArray[np.int64]:
    """The state of a decoder of prc out of reset."""
    return np.zeros(_SHOWN + 1, np.int64)


def new_ring() -> NDArray[np.int64]:
    """The state of a ring out of reset."""
    state = np.zeros(_OFFERS + 1, np.int64)
    state[_ROOMY] = 1
    return state


@njit(cache=True, nogil=True)
def has_planes(s):  # type: ignore[no-untyped-def]
    """Whether symbols of four planes wait at the ring."""
    return s[_SHOWN] != 0


@njit(cache=True, nogil=True)
def ends_group(s):  # type: ignore[no-untyped-def]
    """Whether they are the last of their planes."""
    return s[_SHOWN] & _GROUP_ENDS != 0


@njit(cache=True, nogil=True)
def ends_tile(s):  # type: ignore[no-untyped-def]
    """Whether they are the last of their tile."""
    return s[_SHOWN] & _TILE_ENDS != 0


@njit(cache=True, nogil=True)
def _count(asks):  # type: ignore[no-untyped-def]
    """Bits that are set."""
    return (asks & 1) + (asks >> 1 & 1) + (asks >> 2 & 1) + (asks >> 3 & 1)


@njit(cache=True, nogil=True)
def step_planes(s, places, channels, asks, ask_starts, order, word, last, zeros, taken):  # type: ignore[no-untyped-def]
    """Go on a cycle; an `order` and a `word` are offered, `last` with `zeros` behind it; what waits is `taken`.

    `places` and `channels` are those of each tile, `asks` and `ask_starts` what lanes ask for.
    """
    held, opener, busy = s[_HELD] != 0, s[_OPENER] != 0, s[_BUSY] != 0
    dry, opening = s[_DRY] != 0, s[_OPENING] != 0
    shown_free = s[_SHOWN] == 0 or taken
    free = s[_BEAT] == 0 or shown_free
    step = busy and (s[_QUEUED] >= LANES or (dry and s[_ZEROS] == 0) or opening) and (s[_MIDDLE] == 0 or free)
    group_end = step and s[_PLACE] == 0
    finish = group_end and s[_LEFT] <= LANES
    lanes = min(LANES, channels[s[_TILE]]) if order else 0
    few = lanes <= 2
    start = order and opener and (s[_OPENER_LAST] != 0 or few or held) and (not busy or finish)
    left = s[_QUEUED] - (_count(asks[s[_ASK]]) if step and not opening else 0)
    loads = start and s[_OPENER_LAST] == 0 and not few
    opens = held and (dry or not busy) and (not opener or (start and s[_OPENER_LAST] != 0))
    appends = held and busy and not dry and left < LANES and not finish
    fills = busy and dry and s[_ZEROS] != 0 and left < LANES
    takes = not held or loads or opens or appends
    # Clock edge: what comes of the step, then the units, then where the next step is.
    if shown_free:
        s[_SHOWN] = s[_BEAT]
    if free:
        s[_BEAT] = s[_MIDDLE]
    if step or free:
        s[_MIDDLE] = _VALID * step | _GROUP_ENDS * group_end | _TILE_ENDS * finish
    if start:
        s[_DRY] = s[_OPENER_LAST] != 0 or (loads and s[_HELD_LAST] != 0)
        s[_ZEROS] = s[_HELD_ZEROS]
        if s[_OPENER_LAST] != 0:
            s[_ZEROS] = s[_OPENER_ZEROS] - (s[_OPENER_ZEROS] != 0 and not few)
        s[_QUEUED] = 2 * (lanes & 1)
    else:
        if appends:
            s[_DRY], s[_ZEROS] = s[_HELD_LAST], s[_HELD_ZEROS]
        elif fills:
            s[_ZEROS] -= 1
        s[_QUEUED] = left + LANES * (appends or fills)
    if opens:
        s[_OPENER_LAST], s[_OPENER_ZEROS] = s[_HELD_LAST], s[_HELD_ZEROS]
    s[_OPENER] = opens or (opener and not start)
    if takes:
        s[_HELD], s[_HELD_LAST], s[_HELD_ZEROS] = word, last, zeros
    if step and not opening:
        s[_ASK] += 1
    if start:
        s[_BUSY] = s[_OPENING] = 1
        s[_PLACE], s[_LEFT], s[_ASK] = places[s[_TILE]] - 1, channels[s[_TILE]], ask_starts[s[_TILE]]
        s[_TILE] += 1
    elif step:
        s[_BUSY], s[_OPENING] = not finish, 0
        s[_PLACE] -= 1
        if group_end:
            s[_PLACE] = places[s[_TILE] - 1] - 1
            s[_LEFT] -= LANES
    return ORDERED * start | TAKES * takes


@njit(cache=True, nogil=True)
def ring_has_room(r):  # type: ignore[no-untyped-def]
    """Whether rows of a tile whose turn it is are taken."""
    return r[_ROOMY] != 0


@njit(cache=True, nogil=True)
def offers_row(r):  # type: ignore[no-untyped-def]
    """Whether a beat is offered."""
    return r[_OFFERS] != 0


@njit(cache=True, nogil=True)
def step_ring(r, most_ahead, parts, places, tail, planes, group_end, beat, tile_end, row_taken):  # type: ignore[no-untyped-def]
    """Go on a cycle in which `planes` or a `beat` come, the last of their planes or tile, and a row is read out.

    `most_ahead` is by how many rows what comes may be ahead, a row has so many `parts`; `places` are those of a plane
    of the tile that comes, `tail` the lane of its last symbol.
    """
    row_end = beat and (tile_end or r[_PART] == parts - 1)
    ends = tile_end and (planes or beat)
    base, ahead = r[_BASE], r[_AHEAD]
    if planes:
        ahead = base + (places if group_end else r[_AT] >> 2)
        if tile_end:
            base += (tail * places + places - 1 >> 2) + 1
        elif group_end:
            base += places
        r[_AT] = 0 if group_end else r[_AT] + 1
    elif beat:
        ahead = base + row_end
        base += row_end
        r[_PART] = 0 if row_end else r[_PART] + 1
    empty = r[_READ] == r[_BASE]
    read = r[_RUNNING] != 0 and not empty and (r[_OFFERS] == 0 or row_taken)
    r[_RUNNING] = (r[_RUNNING] != 0 and not empty) or r[_ROOMY] == 0 or ends
    r[_ROOMY] = ahead - r[_READ] <= most_ahead
    r[_OFFERS] = read or (r[_OFFERS] != 0 and not row_taken)
    r[_READ] += read
    r[_BASE], r[_AHEAD] = base, ahead
