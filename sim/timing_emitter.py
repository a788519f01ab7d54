"""Survey, coder and emitter of prc, a cycle at a time: when symbols are taken, when a tile is coded, when it is sent.

What the parts tell each other is in the registers of the cores (hw/activations/prc_encoder.py, prc_emitter.py). Tiles
are numbered as they come; only those that go to prc count.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.activations.prc_kernels import LANES

__all__ = [
    *("ASKS", "CLOSES", "COUNTED", "EMITS", "LOADS", "STARTS", "STEPS"),
    *("is_roomy", "new_coder", "new_emitter", "step_coder", "step_emitter"),
]

# What a step of the coder tells: an order is taken, symbols are; a step's asks are put, a tile is closed behind its
# last unit, its size is known. What one of the emitter does: a word is offered, a verdict is taken.
STARTS, STEPS, ASKS, CLOSES, COUNTED = 1, 2, 4, 8, 16
EMITS, LOADS = 1, 2

# The coder: places that were let in and not read again, and groups of planes whose parameters stand; the survey's tile,
# places and planes that are left of it; the same of what is read again.
_PLACES_USED, _PLANNED = range(2)
_BUSY, _TILE, _PLACE, _LEFT = range(2, 6)
_OPENS, _READ_TILE, _READ_PLACE, _READ_LEFT = range(6, 10)
# What is under way, a bit or a code a cycle: groups to be planned; a step that is read, and put; a tile's end.
_GROUP_LINE, _FETCHED, _PUT, _END_LINE = range(10, 14)
_PLAN_CYCLES, _SIZE_CYCLES = 4, 4
_VALID, _OPENING, _FINAL = 1, 2, 4

# The emitter: asks and tiles that were put, and that are sent; whether there is room; the tile that is sent, its step,
# asks and units; the units of a step on their way to a word, and those that wait for the next ones.
_ASK_TAIL, _ASK_HEAD, _TILE_TAIL, _TILE_HEAD, _ROOMY = range(5)
_ACTIVE, _KEPT, _PHASE, _MASK = range(5, 9)
_PUSH, _PUSH_DONE, _COUNT = range(9, 12)
_HELD, _CLOSING, _UNITS = range(12, 15)


def new_coder() -> NDArray[np.int64]:
    """The state of survey and coder out of reset."""
    state = np.zeros(_END_LINE + 1, np.int64)
    state[_OPENS] = 1
    return state


def new_emitter() -> NDArray[np.int64]:
    """The state of an emitter out of reset."""
    return np.zeros(_UNITS + LANES, np.int64)


@njit(cache=True, nogil=True)
def step_coder(s, places, channels, depth, order, symbols, roomy):  # type: ignore[no-untyped-def]
    """Go on a cycle; `order` and `symbols` are offered, and the emitter is `roomy`.

    `places` and `channels` are those of each tile, `depth` the places of the memory.
    """
    # The survey.
    step = symbols and s[_BUSY] != 0 and s[_PLACES_USED] < depth
    plane_end = step and s[_PLACE] == 0
    finish = plane_end and s[_LEFT] <= LANES
    start = order and (s[_BUSY] == 0 or finish)
    # Planes whose parameters stand are read again, and put two cycles later.
    fetch = s[_PLANNED] != 0 and roomy
    if s[_OPENS] != 0 and fetch:
        s[_READ_PLACE], s[_READ_LEFT] = places[s[_READ_TILE]] - 1, channels[s[_READ_TILE]]
    fetch_end = fetch and s[_READ_PLACE] == 0
    final = fetch_end and s[_READ_LEFT] <= LANES
    code = _VALID * fetch | _OPENING * (s[_OPENS] != 0) | _FINAL * final
    put, planned = s[_PUT], s[_GROUP_LINE] >> _PLAN_CYCLES - 1 & 1
    closes, counted = s[_END_LINE] & 1, s[_END_LINE] >> _SIZE_CYCLES - 1 & 1
    done = (
        STARTS * start
        | STEPS * step
        | ASKS * (put & _VALID != 0 and put & _OPENING == 0)
        | CLOSES * (closes != 0)
        | COUNTED * (counted != 0)
    )
    # Clock edge.
    if start:
        s[_BUSY], s[_PLACE], s[_LEFT] = 1, places[s[_TILE]] - 1, channels[s[_TILE]]
        s[_TILE] += 1
    elif step:
        s[_BUSY] = not finish
        s[_PLACE] -= 1
        if plane_end:
            s[_PLACE] = places[s[_TILE] - 1] - 1
            s[_LEFT] -= LANES
    if fetch:
        s[_OPENS] = final
        s[_READ_PLACE] -= 1
        if fetch_end:
            s[_READ_PLACE] = places[s[_READ_TILE]] - 1
            s[_READ_LEFT] -= LANES
            s[_READ_TILE] += final
    s[_PLACES_USED] += np.int64(step) - np.int64(fetch)
    s[_PLANNED] += planned - np.int64(fetch_end)
    s[_GROUP_LINE] = (s[_GROUP_LINE] << 1 | plane_end) & (1 << _PLAN_CYCLES) - 1
    s[_END_LINE] = (s[_END_LINE] << 1 | (put & _FINAL != 0)) & (1 << _SIZE_CYCLES) - 1
    s[_PUT], s[_FETCHED] = s[_FETCHED], code if fetch else 0
    return done


@njit(cache=True, nogil=True)
def is_roomy(e):  # type: ignore[no-untyped-def]
    """Whether an emitter has room for another step."""
    return e[_ROOMY] != 0


@njit(cache=True, nogil=True)
def _unit_slots(e, lanes):  # type: ignore[no-untyped-def]
    """Take the units of a step; which of its four slots are asked for, which are real, and whether no unit is left."""
    asked, real, left = 0, 0, 0
    for lane in range(LANES):
        units = e[_UNITS + lane]
        if e[_PHASE] == 2:
            taken = min(units, e[_MASK] >> lane & 1)
            asked |= e[_MASK] & 1 << lane
            real |= taken << lane
        else:
            here = lane // 2 == e[_PHASE] and lane < lanes
            taken = min(units, 2) if here else 0
            asked |= 3 * here << lane % 2 * 2
            real |= (1 << taken) - 1 << lane % 2 * 2
        e[_UNITS + lane] -= taken
        left += units - taken
    return asked, real, left == 0


@njit(cache=True, nogil=True)
def step_emitter(e, by_prc, channels, asks, ask_starts, units, room, put, verdict, ready):  # type: ignore[no-untyped-def]
    """Go on a cycle; `put` is what the coder's step told, a `verdict` is there, the sink is `ready`.

    `by_prc` tells which tiles are sent, `asks` to `units` what lanes ask for, `room` how many steps and tiles wait.
    """
    push, push_done, held, closing = e[_PUSH] != 0, e[_PUSH_DONE] != 0, e[_HELD], e[_CLOSING] != 0
    whole, total = closing or held >= LANES, held + e[_COUNT]
    valid = closing or push if whole else push and (total >= LANES or push_done)
    go = not valid or ready
    active, tile = e[_ACTIVE] != 0, e[_TILE_HEAD] - 1
    full_go, drops = go and active and e[_KEPT] != 0, active and e[_KEPT] == 0
    lanes = min(LANES, channels[tile]) if active else 0
    asked, real, done = 0, 0, False
    if full_go:
        asked, real, done = _unit_slots(e, lanes)
    ends = drops or (full_go and done)
    reads = (not active or ends) and e[_TILE_TAIL] != e[_TILE_HEAD] and verdict
    roomy = e[_ASK_TAIL] - e[_ASK_HEAD] < room[0] and e[_TILE_TAIL] - e[_TILE_HEAD] < room[1]
    # Clock edge: units to words, then a step to its units.
    if go and whole and valid:
        e[_HELD], e[_CLOSING] = e[_COUNT] if push else 0, push and push_done
    elif go and push:
        e[_CLOSING] = push_done and total > LANES
        e[_HELD] = total - LANES if total >= LANES else 0 if push_done else total
    if go:
        e[_PUSH], e[_PUSH_DONE], e[_COUNT] = full_go, done, 0
        for slot in range(LANES):
            e[_COUNT] += asked >> slot & 1 and (not done or real >> slot != 0)
    if full_go and e[_ASK_HEAD] < asks.size:
        e[_MASK] = asks[e[_ASK_HEAD]]
    if ends:
        e[_ASK_HEAD] = ask_starts[tile + 1]
    elif full_go and (e[_PHASE] != 0 or lanes <= 2):
        e[_ASK_HEAD] += 1
    if reads:
        e[_ACTIVE], e[_PHASE], e[_KEPT] = 1, 0, by_prc[tile + 1]
        e[_UNITS:] = units[tile + 1]
        e[_TILE_HEAD] += 1
    elif ends:
        e[_ACTIVE] = 0
    elif full_go:
        e[_PHASE] = 1 if e[_PHASE] == 0 and lanes > 2 else 2
    e[_ROOMY] = roomy
    e[_ASK_TAIL] += put & ASKS != 0
    e[_TILE_TAIL] += put & CLOSES != 0
    return EMITS * valid | LOADS * reads
