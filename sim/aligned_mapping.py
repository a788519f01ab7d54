"""The mapping of a layer whose tensors lie in memory in codec tiles.

A codec tile is fetched and decoded whole. A mapping that cuts across codec tiles fetches them several times, so here
tiles of the mapping are whole codec tiles, or the whole loop (filters over a whole map may be parts of a codec tile:
they are gathered before they are coded). Among these the one with the fewest raw bytes (or the least energy or time:
`sim.objective`) is taken, halos rounded to codec tiles. Strips that follow each other keep the codec tiles that they
share. Of mappings that cost the same those with at least `OVERLAP_STEPS` steps come first: loads, arithmetic and stores
overlap between steps.
Where nothing aligned fits the buffer, `sim.mapping_search.search` decides, and the plan counts what that costs.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import gcd, prod

import numpy as np
from numpy.typing import NDArray

from sim.layer_shape import LayerShape
from sim.mapping import ORDERS, Buffer, Mapping, Tiles, buffer_bits, traffic
from sim.mapping_search import search
from sim.objective import BYTES, Objective

__all__ = ["OVERLAP_STEPS", "align", "aligned", "strip"]

OVERLAP_STEPS = 8

_Tile = tuple[int, int, int]


def strip(shape: LayerShape, axis: int, first: int, end: int) -> tuple[int, int]:
    """Input rows (axis 0) or columns (axis 1) that output rows ``first .. end - 1`` read, skipped ones included."""
    size = (shape.height, shape.width)[axis]
    kernel, stride, padding = shape.kernel[axis], shape.stride[axis], shape.padding[axis]
    if shape.transposed:
        low, high = -((kernel - 1 - first - padding) // stride), (end - 1 + padding) // stride + 1
    else:
        low, high = first * stride - padding, (end - 1) * stride - padding + kernel
    low = min(max(low, 0), size - 1)
    return low, min(max(high, low + 1), size)


def align(shape: LayerShape, buffer: Buffer, tile: tuple[int, int, int], objective: Objective = BYTES) -> Mapping:
    """The mapping of whole codec tiles that costs least, nothing compressed.

    Parameters
    ----------
    shape : LayerShape
    buffer : Buffer
    tile : tuple of int
        Height, width and channels of a codec tile.
    objective : Objective
        What counts; bytes by default.

    Raises
    ------
    ValueError
        If no tile fits the buffer, not even one value of each loop.
    """
    return aligned(shape, buffer, tile, objective)[1]


def aligned(
    shape: LayerShape, buffer: Buffer, tile: tuple[int, int, int], objective: Objective = BYTES
) -> tuple[float, Mapping]:
    """As `align`, with the cost in front."""
    try:
        return _aligned(replace(shape, name=""), buffer, tile, objective)
    except ValueError:
        search(shape, buffer, objective)  # tells the layer's name
        raise


@lru_cache(maxsize=4096)
def _aligned(shape: LayerShape, buffer: Buffer, tile: _Tile, objective: Objective) -> tuple[float, Mapping]:
    unit = min(shape.groups, tile[2] // gcd(tile[2], shape.group_channels)) if shape.groups > 1 else 1
    whole = np.array([shape.out_width])
    for columns in (whole, _cuts(shape.out_width, tile[1])):
        found = _best(shape, buffer, tile, unit, columns, objective)
        if found is not None:
            return found
    mapped = search(shape, buffer, objective)
    return float(objective.cost(shape, mapped.traffic, mapped.tiles)), mapped.mapping


def _cuts(size: int, step: int) -> NDArray[np.int64]:
    """The least multiple of `step`, at most `size`, for each number of tiles."""
    steps = -(-size // step)
    return np.unique([min(size, step * -(-steps // trips)) for trips in range(1, steps + 1)])


def _filter_cuts(shape: LayerShape, step: int) -> NDArray[np.int64]:
    """Filters in whole codec tiles, and in halves, quarters... of one."""
    parts = [step >> halves for halves in range(1, step.bit_length()) if step >> halves < shape.group_filters]
    return np.unique([*parts, *_cuts(shape.group_filters, step).tolist()])


def _touched(shape: LayerShape, axis: int, cut: int, step: int) -> tuple[int, int, int]:
    """Input rows of all strips together, of their union, and of the greatest strip, in whole codec tiles."""
    outputs, size = ((shape.out_height, shape.height), (shape.out_width, shape.width))[axis]
    spans = [strip(shape, axis, first, min(first + cut, outputs)) for first in range(0, outputs, cut)]
    rounded = [(low // step * step, min(-(-high // step) * step, size)) for low, high in spans]
    union, reach = 0, 0
    for low, high in rounded:
        union, reach = union + max(0, high - max(low, reach)), max(reach, high)
    return sum(high - low for low, high in rounded), union, max(high - low for low, high in rounded)


def _best(
    shape: LayerShape, buffer: Buffer, tile: _Tile, unit: int, columns: NDArray[np.int64], objective: Objective
) -> tuple[float, Mapping] | None:
    sizes = [_filter_cuts(shape, tile[2]), _cuts(shape.group_channels, tile[2])]
    sizes += [_cuts(shape.out_height, tile[0]), columns]
    grid = [axis.reshape(-1) for axis in np.meshgrid(*sizes, indexing="ij")]
    filters, channels, rows, across = grid
    high = np.array([_touched(shape, 0, int(cut), tile[0]) for cut in sizes[2]])[np.searchsorted(sizes[2], rows)]
    wide = np.array([_touched(shape, 1, int(cut), tile[1]) for cut in sizes[3]])[np.searchsorted(sizes[3], across)]
    kept = (channels == shape.group_channels) & (across == shape.out_width)
    input_rows = np.where(kept, high[:, 1], high[:, 0])
    tiles = Tiles(1, filters, channels, rows, across, input_rows, wide[:, 0], high[:, 2], wide[:, 2])
    need = np.broadcast_to(buffer_bits(shape, tiles, buffer), filters.shape)
    # Outputs of less than a codec tile's filters wait for the others: in room for all of them, over one strip.
    lacking = np.minimum(-(-filters // tile[2]) * tile[2], shape.group_filters) - filters
    need = need + 2 * lacking * rows * across * buffer.activation_bits
    one_strip = (rows == shape.out_height) & (across == shape.out_width) & (shape.batch == 1)
    fits = np.flatnonzero((need * unit <= 8 * buffer.size_bytes) & ((lacking == 0) | one_strip))
    if not fits.size:
        return None
    steps = np.broadcast_to(prod(tiles.trips(shape).values()) * -(-shape.groups // unit), filters.shape)[fits]
    # Parts of a codec tile are for what fits no other way: their weights are short streams of their own.
    few = np.where(lacking[fits] > 0, OVERLAP_STEPS, np.maximum(OVERLAP_STEPS - steps, 0))
    best: tuple[float, int, int, int, int] | None = None
    for rank, order in enumerate(ORDERS):
        trips = prod(tiles.trips(shape).values()) * -(-shape.groups // unit)
        cost = objective.cost(shape, traffic(shape, tiles, order, buffer), trips)
        cost = np.broadcast_to(cost, filters.shape)[fits]
        first = int(np.lexsort((steps, few, cost))[0])
        key = (float(cost[first]), int(few[first]), int(steps[first]), rank, int(fits[first]))
        best = key if best is None else min(best, key)
    assert best is not None
    at = best[4]
    chosen = [int(axis[at]) for axis in grid]
    mapping = Mapping(1, chosen[0], chosen[1], chosen[2], chosen[3], order=ORDERS[best[3]])
    room = int(8 * buffer.size_bytes // max(1.0, float(need[at]) * unit))
    inner = best[2] // -(-shape.groups // unit)
    wanted = -(-shape.groups // (unit * max(1, OVERLAP_STEPS // inner)))
    return best[0], replace(mapping, groups=min(shape.groups, unit * max(1, min(room, wanted))))
