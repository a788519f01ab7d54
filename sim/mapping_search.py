"""The mapping of a layer that moves the fewest bytes, or costs the least energy or time (`sim.objective`).

`search` tries all orders of loops with all tile sizes that matter: a size is left out if a smaller one, which takes
less room, makes no more tiles and reads no more halo. `default_mapping` keeps columns and channels whole and tries far
less; it falls back to the search where nothing whole fits.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from sim.layer_shape import LayerShape
from sim.mapping import LOOPS, ORDERS, Buffer, LayerTraffic, Mapping, Tiles, buffer_bits, tiles_of, traffic
from sim.objective import BYTES, Objective

__all__ = ["Mapped", "compulsory", "default_mapping", "evaluate", "map_layers", "search", "tile_sizes"]

_DEFAULT_ORDERS = (LOOPS, ("filters", "space", "channels"))


@dataclass(frozen=True)
class Mapped:
    """A layer with its mapping, the room its tiles take, how many there are, and what it moves."""

    shape: LayerShape
    mapping: Mapping
    buffer_bytes: float
    tiles: int
    traffic: LayerTraffic


def tile_sizes(size: int) -> NDArray[np.int64]:
    """The least tile for each number of tiles that a loop of `size` can be cut into, ascending."""
    return np.unique(-(-size // np.arange(1, size + 1)))


def _row_tiles(shape: LayerShape) -> NDArray[np.int64]:
    return _strips([shape.rows(tile) for tile in range(1, shape.out_height + 1)], shape.out_height)


def _column_tiles(shape: LayerShape) -> NDArray[np.int64]:
    return _strips([shape.columns(tile) for tile in range(1, shape.out_width + 1)], shape.out_width)


def _strips(reads: list[tuple[int, int]], size: int) -> NDArray[np.int64]:
    """Tile sizes worth a try, from what all strips of 1, 2, 3... rows read."""
    chosen, fewest, least = [], size + 1, reads[0][0] + 1
    for tile, (total, _) in enumerate(reads, start=1):
        trips = -(-size // tile)
        if trips < fewest or total < least:
            chosen.append(tile)
            fewest, least = min(trips, fewest), min(total, least)
    return np.array(chosen)


def compulsory(shape: LayerShape, buffer: Buffer) -> LayerTraffic:
    """Bytes that any mapping moves: each value that is needed once."""
    whole = Mapping(shape.batch, shape.group_filters, shape.group_channels, shape.out_height, shape.out_width)
    return traffic(shape, tiles_of(shape, whole), LOOPS, buffer)


def evaluate(shape: LayerShape, mapping: Mapping, buffer: Buffer) -> Mapped:
    """What a given mapping costs.

    Raises
    ------
    ValueError
        If a tile is greater than the layer, or the tiles do not fit the buffer.
    """
    tiles = tiles_of(shape, mapping)
    need = float(buffer_bits(shape, tiles, buffer)) * mapping.groups / 8
    if need > buffer.size_bytes:
        raise ValueError(
            f"tiles of {shape.name!r} must fit the buffer of {buffer.size_bytes} bytes, not take {need:.0f}"
        )
    count = prod(tiles.trips(shape).values()) * -(-shape.groups // mapping.groups)
    found = traffic(shape, tiles, mapping.order, buffer)
    plain = {name: float(value) for name, value in vars(found).items()}
    return Mapped(shape, mapping, need, int(count), LayerTraffic(**plain))


def search(shape: LayerShape, buffer: Buffer, objective: Objective = BYTES) -> Mapped:
    """The mapping that costs least; of equals, that with the fewest tiles.

    Raises
    ------
    ValueError
        If no tile fits, not even one value of each loop.
    """
    sizes = [tile_sizes(size) for size in (shape.batch, shape.group_filters, shape.group_channels)]
    found = _best(shape, buffer, [*sizes, _row_tiles(shape), _column_tiles(shape)], ORDERS, objective)
    if found is None:
        least = float(buffer_bits(shape, tiles_of(shape, Mapping(1, 1, 1, 1, 1)), buffer)) / 8
        raise ValueError(
            f"buffer must hold a tile of {shape.name!r}, at least {least:.0f} bytes, not {buffer.size_bytes}"
        )
    return found


def default_mapping(shape: LayerShape, buffer: Buffer) -> Mapped:
    """A good mapping at once: whole rows, all channels, one image; falls back to `search`."""
    image, channels, columns = (np.array([size]) for size in (1, shape.group_channels, shape.out_width))
    sizes = [image, tile_sizes(shape.group_filters), channels, _row_tiles(shape), columns]
    found = _best(shape, buffer, sizes, _DEFAULT_ORDERS, BYTES)
    return found or search(shape, buffer)


def map_layers(
    shapes: Iterable[LayerShape],
    buffer: Buffer,
    exhaustive: bool = True,
    pinned: MappingOf[str, Mapping] | None = None,
) -> tuple[Mapped, ...]:
    """A mapping for each layer: the pinned one, else the best; layers of one shape are searched once."""
    known: dict[LayerShape, Mapped] = {}
    result = []
    for shape in shapes:
        if pinned and shape.name in pinned:
            result.append(evaluate(shape, pinned[shape.name], buffer))
            continue
        key = replace(shape, name="")
        if key not in known:
            known[key] = search(shape, buffer) if exhaustive else default_mapping(shape, buffer)
        result.append(replace(known[key], shape=shape))
    return tuple(result)


def _best(
    shape: LayerShape,
    buffer: Buffer,
    sizes: list[NDArray[np.int64]],
    orders: tuple[tuple[str, ...], ...],
    objective: Objective,
) -> Mapped | None:
    """The best of all tiles out of `sizes` (images, filters, channels, rows, columns) that fit."""
    grid = _grid(shape, sizes)
    fits = buffer_bits(shape, grid, buffer) <= 8 * buffer.size_bytes
    counts = [len(axis) for axis in sizes]
    chosen = np.nonzero(np.broadcast_to(fits, counts))
    if not chosen[0].size:
        return None
    tiles = Tiles(**{name: np.broadcast_to(value, counts)[chosen] for name, value in vars(grid).items()})
    count = prod(tiles.trips(shape).values())
    best: tuple[float, int, int, int] | None = None
    for rank, order in enumerate(orders):
        cost = objective.cost(shape, traffic(shape, tiles, order, buffer), count * shape.groups)
        least = np.flatnonzero(cost == cost.min())
        first = least[np.argmin(count[least])]
        key = (float(cost[first]), int(count[first]), rank, int(first))
        best = key if best is None else min(best, key)
    assert best is not None
    images, filters, channels, rows, columns = (
        int(axis[index[best[3]]]) for axis, index in zip(sizes, chosen, strict=True)
    )
    mapping = Mapping(images, filters, channels, rows, columns, order=orders[best[2]])
    return evaluate(shape, _with_groups(shape, mapping, buffer), buffer)


def _grid(shape: LayerShape, sizes: list[NDArray[np.int64]]) -> Tiles:
    """All combinations, as arrays of five axes that broadcast."""

    def along(axis: int, values: NDArray[np.int64]) -> NDArray[np.int64]:
        return values.reshape([-1 if k == axis else 1 for k in range(5)])

    rows = np.array([shape.rows(int(tile)) for tile in sizes[3]], np.int64)
    columns = np.array([shape.columns(int(tile)) for tile in sizes[4]], np.int64)
    images, filters, channels, strips, blocks = (along(axis, values) for axis, values in enumerate(sizes))
    sums = along(3, rows[:, 0]), along(4, columns[:, 0])
    return Tiles(images, filters, channels, strips, blocks, *sums, along(3, rows[:, 1]), along(4, columns[:, 1]))


def _with_groups(shape: LayerShape, mapping: Mapping, buffer: Buffer) -> Mapping:
    """As many groups at a time as fit: no fewer bytes, but longer runs of them."""
    need = float(buffer_bits(shape, tiles_of(shape, mapping), buffer))
    most = max(1, min(shape.groups, int(8 * buffer.size_bytes // need)))
    return replace(mapping, groups=-(-shape.groups // -(-shape.groups // most)))
