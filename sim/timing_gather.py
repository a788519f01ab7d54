"""Symbols to four planes in step, a cycle at a time: the ring of hw/activations/plane_gather.py, and queues."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.activations.prc_kernels import LANES

__all__ = [
    "has_order",
    "has_room",
    "has_symbols",
    "new_gather",
    "new_queue",
    "queue_has_room",
    "step_gather",
    "step_queue",
]

# The state: room for a row, the row that comes, the one with which the planes that are read begin; whether a beat is
# its tile's first, and which part of a row it is; whether a tile is read, its order offered, symbols offered; the tile
# that is read next; of the tile that is read places and planes that are left, the number of the symbol that the highest
# plane gives, and the rows that are there. The queue of orders stands behind.
_ROOMY, _WRITTEN, _BASE, _FRESH, _PART = range(5)
_READING, _TOLD, _VALID = range(5, 8)
_NEXT, _PLACE, _LEFT, _LAST, _COME, _ORDERS = range(8, 14)
_TILES = 16


def new_queue() -> NDArray[np.int64]:
    """The state of an empty queue: what came, what was read, whether something is offered."""
    return np.zeros(3, np.int64)


@njit(cache=True, nogil=True)
def queue_has_room(q, depth):  # type: ignore[no-untyped-def]
    """Whether a queue of `depth` takes something."""
    return q[0] - q[1] != depth


@njit(cache=True, nogil=True)
def step_queue(q, comes, taken):  # type: ignore[no-untyped-def]
    """Go on a cycle in which something comes, and what is offered is taken."""
    read = q[0] != q[1] and (q[2] == 0 or taken)
    q[2] = read or (q[2] != 0 and not taken)
    q[0] += comes
    q[1] += read


def new_gather() -> NDArray[np.int64]:
    """The state out of reset."""
    state = np.zeros(_ORDERS + 3, np.int64)
    state[_ROOMY] = state[_FRESH] = 1
    return state


@njit(cache=True, nogil=True)
def has_room(g):  # type: ignore[no-untyped-def]
    """Whether a beat is taken."""
    return g[_ROOMY] != 0 and (g[_FRESH] == 0 or queue_has_room(g[_ORDERS:], _TILES))


@njit(cache=True, nogil=True)
def has_order(g):  # type: ignore[no-untyped-def]
    """Whether a tile's order is offered."""
    return g[_TOLD] != 0


@njit(cache=True, nogil=True)
def has_symbols(g):  # type: ignore[no-untyped-def]
    """Whether symbols of four planes are offered."""
    return g[_VALID] != 0


@njit(cache=True, nogil=True)
def step_gather(g, places, channels, rows, parts, comes, last, order_taken, taken):  # type: ignore[no-untyped-def]
    """Go on a cycle in which a beat comes, its tile's last one or not, and what is offered is taken.

    `places` and `channels` are those of each tile; the ring has `rows`, each of so many `parts`.
    """
    row_end = comes and (last or g[_PART] == parts - 1)
    step = g[_READING] != 0 and g[_COME] > g[_LAST] >> 2 and (g[_VALID] == 0 or taken)
    plane_end = step and g[_PLACE] == 0
    tile_end = plane_end and g[_LEFT] <= LANES
    load = g[_ORDERS + 2] != 0 and g[_TOLD] == 0 and (g[_READING] == 0 or tile_end)
    roomy = g[_WRITTEN] - g[_BASE] < rows - 1
    # Clock edge.
    after = g[_BASE] + (g[_LAST] >> 2) + 1
    g[_COME] = g[_WRITTEN] - (after if plane_end else g[_BASE])
    if plane_end:
        g[_BASE] = after
    if load or plane_end:
        tile = g[_NEXT] if load else g[_NEXT] - 1
        g[_LEFT] = channels[tile] if load else g[_LEFT] - LANES
        g[_PLACE] = places[tile] - 1
        g[_LAST] = (min(g[_LEFT], LANES) - 1) * places[tile]
        g[_NEXT] += load
    elif step:
        g[_PLACE] -= 1
        g[_LAST] += 1
    g[_READING] = load or (g[_READING] != 0 and not tile_end)
    g[_TOLD] = load or (g[_TOLD] != 0 and not order_taken)
    g[_VALID] = step or (g[_VALID] != 0 and not taken)
    step_queue(g[_ORDERS:], comes and g[_FRESH] != 0, load)
    g[_ROOMY] = roomy
    g[_WRITTEN] += row_end
    if comes:
        g[_PART] = 0 if row_end else g[_PART] + 1
        g[_FRESH] = last
