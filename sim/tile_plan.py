"""Which codec tiles a layer's mapping fetches and writes, step by step.

A step is one tile of the mapping. It needs a box of codec tiles of each input; those that the step before had, too,
are kept, all others are fetched whole. An output tile is written once, at the last step that adds to it. The plan
depends on shapes alone: the bytes of a tile come later, for each image and codec. In a batch the images pass a layer
one behind the other, and the tiles of each image are numbered behind those of the one before.

A tensor that is not (channels, rows, columns) of its reader (after a flatten, or of a matrix product) is cut into as
many equal runs of tiles as its channels ask for; operands of another size than the output likewise, and so, by filters,
the second operand of a matrix product that is no weight.
"""

from __future__ import annotations

from collections.abc import Container
from collections.abc import Mapping as PerTensor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from golden.activations.scan import tensor_shape
from sim.layer_shape import LayerShape
from sim.mapping import Buffer, LayerTraffic, Mapping
from sim.network import Layer, Network
from sim.step_ranges import StepRanges, input_box, step_ranges

__all__ = ["Fetches", "LayerPlan", "WeightTile", "plan_layer", "planned_traffic", "tile_symbols"]

_Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Fetches:
    """Codec tiles of one tensor that cross the bus: step and tile number, both of shape (n,), steps not falling."""

    tensor: str
    steps: _Ints
    tiles: _Ints

    @property
    def again(self) -> NDArray[np.bool_]:
        """Which of them have crossed before."""
        first = np.zeros(self.tiles.size, bool)
        first[np.unique(self.tiles, return_index=True)[1]] = True
        return ~first


@dataclass(frozen=True)
class WeightTile:
    """Filters and channels of a weight tensor (M, C / G, ...) that are coded together; ends are exclusive."""

    first_filter: int
    end_filter: int
    first_channel: int
    end_channel: int


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """A layer's steps.

    Attributes
    ----------
    layer : Layer
    shape : LayerShape
    mapping : Mapping
    operations : ndarray of float64, shape (steps,)
        Multiplications with accumulation, or values read through a window without weights.
    reads : tuple of Fetches
        One for each input tensor in memory.
    writes : Fetches or None
    weight_tiles : tuple of WeightTile
    weight_fetches : Fetches
        Numbers in `weight_tiles`.
    partial_values : ndarray of float64, shape (2, steps)
        Partial sums read and written.
    """

    layer: Layer
    shape: LayerShape
    mapping: Mapping
    operations: NDArray[np.float64]
    reads: tuple[Fetches, ...]
    writes: Fetches | None
    weight_tiles: tuple[WeightTile, ...]
    weight_fetches: Fetches
    partial_values: NDArray[np.float64]

    @property
    def steps(self) -> int:
        """Tiles of the mapping."""
        return int(self.operations.size)


def plan_layer(
    network: Network,
    layer: Layer,
    shape: LayerShape,
    mapping: Mapping,
    tile: tuple[int, int, int],
    kept: Container[str] = (),
    weights_stay: bool = True,
) -> LayerPlan:
    """Walk a layer's mapping for all images of its batch.

    Parameters
    ----------
    tile : tuple of int
        Height, width and channels of a codec tile.
    kept : container of str
        Tensors that stay on the chip: none of their tiles cross the bus.
    weights_stay : bool
        Whether a weight tile serves the steps that follow; else it is fetched at each.
    """
    ranges = step_ranges(shape, mapping)
    box_in = input_box(shape, ranges)
    box_out = (ranges.filters, ranges.rows, ranges.columns)
    sizes_in = (shape.channels, shape.height, shape.width)
    sizes_out = (shape.filters, shape.out_height, shape.out_width)
    reads, offset = [], 0
    weights_move = layer.op == "matmul" and not layer.weight_count
    for number, name in enumerate(layer.inputs):
        travels = name not in kept
        channels = _three(network.tensors[name].shape)[0]
        if weights_move and number and travels:
            reads.append(_fetch(network, name, ranges.images, (ranges.filters,), (shape.filters, 0, 0), tile))
        elif offset < shape.channels:
            moved = (box_in[0] - offset, box_in[1], box_in[2])
            reads += [_fetch(network, name, ranges.images, moved, sizes_in, tile)] if travels else []
            offset += channels if _three(network.tensors[name].shape)[1:] == sizes_in[1:] else shape.channels
        elif travels:
            reads.append(_fetch(network, name, ranges.images, box_out, sizes_out, tile))
    written = layer.output in network.tensors and layer.output not in kept
    writes = _fetch(network, layer.output, ranges.images, box_out, sizes_out, tile) if written else None
    none = np.zeros(0, np.int64)
    tiles_and_fetches = (
        ((), Fetches("weights", none, none)) if weights_move else _weights(shape, mapping, ranges, weights_stay)
    )
    return LayerPlan(
        layer,
        shape,
        mapping,
        _operations(shape, ranges),
        tuple(reads),
        _last(writes) if writes else None,
        *tiles_and_fetches,
        _partials(shape, ranges),
    )


def planned_traffic(plan: LayerPlan, symbols: PerTensor[str, _Ints], buffer: Buffer) -> LayerTraffic:
    """Bytes that a plan moves, nothing compressed: whole codec tiles, as often as they are fetched.

    Parameters
    ----------
    symbols : mapping of tensor name to ndarray of int64
        Those of `tile_symbols`.
    """
    word, window = buffer.activation_bits / 8, int(np.prod(plan.shape.kernel))
    counts = [(t.end_filter - t.first_filter) * (t.end_channel - t.first_channel) for t in plan.weight_tiles]
    weights = np.array([*counts, 0], np.int64)[plan.weight_fetches.tiles].sum() * window * buffer.weight_bits / 8
    sums = plan.partial_values.sum(axis=1) * buffer.partial_bits / 8
    written = 0 if plan.writes is None else symbols[plan.writes.tensor][plan.writes.tiles].sum() * word
    return LayerTraffic(
        input_bytes=sum(float(symbols[fetches.tensor][fetches.tiles].sum()) for fetches in plan.reads) * word,
        weight_bytes=float(weights),
        operand_bytes=0.0,
        partial_read_bytes=float(sums[0]),
        partial_write_bytes=float(sums[1]),
        output_bytes=float(written),
    )


def tile_symbols(shape: tuple[int, ...], tile: tuple[int, int, int]) -> _Ints:
    """Symbols of each codec tile of a tensor, in the order of their numbers."""
    channels, height, width = _three(shape)
    cuts = zip((height, width, channels), tile, strict=True)
    spans = [np.minimum(step, size - step * np.arange(-(-size // step), dtype=np.int64)) for size, step in cuts]
    return (spans[0][:, None, None] * spans[1][:, None] * spans[2]).reshape(-1)


def _three(shape: tuple[int, ...]) -> tuple[int, int, int]:
    return tensor_shape(shape)[1:]


def _fetch(
    network: Network,
    name: str,
    images: _Ints,
    box: tuple[_Ints, ...],
    sizes: tuple[int, int, int],
    tile: tuple[int, int, int],
) -> Fetches:
    """Codec tiles of a tensor in the steps' images and boxes of (channels, rows, columns) out of `sizes`."""
    own = _three(network.tensors[name].shape)
    cut = (tile[2], tile[0], tile[1])
    grid = tuple(-(-size // step) for size, step in zip(own, cut, strict=True))
    if own[1:] == sizes[1:]:
        bounds = [_tiles(span, step, count) for span, step, count in zip(box, cut, grid, strict=True)]
    else:
        count = int(np.prod(grid))
        grid = (count, 1, 1)
        shares = np.stack([box[0][:, 0] * count // sizes[0], -(-box[0][:, 1] * count // sizes[0])], axis=1)
        bounds = [shares, np.tile([0, 1], (len(shares), 1)), np.tile([0, 1], (len(shares), 1))]
    numbers = np.arange(int(np.prod(grid))).reshape(grid[1], grid[2], grid[0])
    boxes = np.concatenate([images[:, None], bounds[1], bounds[2], bounds[0]], axis=1)
    return _walk(name, np.stack([numbers + image * numbers.size for image in range(int(images.max()) + 1)]), boxes)


def _tiles(span: _Ints, step: int, count: int) -> _Ints:
    return np.clip(np.stack([span[:, 0] // step, -(-span[:, 1] // step)], axis=1), 0, count)


def _walk(name: str, numbers: _Ints, boxes: _Ints) -> Fetches:
    steps, tiles = [], []
    held = np.zeros(numbers.size, bool)
    before: list[int] = []
    mine = np.zeros(0, np.int64)
    for step, box in enumerate(boxes.tolist()):
        if box == before:
            continue
        before = box
        wanted = numbers[box[0], box[1] : box[2], box[3] : box[4], box[5] : box[6]].reshape(-1)
        new = wanted[~held[wanted]]
        held[mine] = False
        held[wanted] = True
        mine = wanted
        steps.append(np.full(new.size, step, np.int64))
        tiles.append(new)
    return Fetches(name, np.concatenate(steps), np.concatenate(tiles))


def _last(visits: Fetches) -> Fetches:
    """Each tile at its last visit."""
    tiles, place = np.unique(visits.tiles[::-1], return_index=True)
    steps = visits.steps[::-1][place]
    order = np.lexsort((tiles, steps))
    return Fetches(visits.tensor, steps[order], tiles[order])


def _weights(
    shape: LayerShape, mapping: Mapping, ranges: StepRanges, stay: bool
) -> tuple[tuple[WeightTile, ...], Fetches]:
    none = np.zeros(0, np.int64)
    if not shape.weighted:
        return (), Fetches("weights", none, none)
    first = ranges.visit * mapping.channels
    inner = np.stack([first, np.minimum(first + mapping.channels, shape.group_channels)], axis=1)
    known, place = np.unique(np.concatenate([ranges.filters, inner], axis=1), axis=0, return_inverse=True)
    place = place.reshape(-1)
    changed = np.flatnonzero(np.append(True, np.diff(place) != 0) | (not stay))
    return tuple(WeightTile(*row) for row in known.tolist()), Fetches("weights", changed, place[changed])


def _extent(span: _Ints) -> NDArray[np.float64]:
    return (span[:, 1] - span[:, 0]).astype(np.float64)


def _operations(shape: LayerShape, ranges: StepRanges) -> NDArray[np.float64]:
    share = _extent(ranges.rows) * _extent(ranges.columns) * _extent(ranges.filters)
    share *= _channel_share(shape, ranges)
    total = shape.macs if shape.weighted else shape.outputs * int(np.prod(shape.kernel)) * (1 + shape.operands)
    result: NDArray[np.float64] = share * (total / share.sum())
    return result


def _channel_share(shape: LayerShape, ranges: StepRanges) -> NDArray[np.float64]:
    if ranges.visits == 1:
        return np.ones(len(ranges.visit))
    return _extent(ranges.channels) / shape.channels


def _partials(shape: LayerShape, ranges: StepRanges) -> NDArray[np.float64]:
    made = _extent(ranges.rows) * _extent(ranges.columns) * _extent(ranges.filters) * ranges.spilled
    return np.stack([made * (ranges.visit > 0), made * (ranges.visit < ranges.visits - 1)])
