"""Fused layers: chains that run strip by strip.

Whole rows of all channels, the weights of all layers in the buffer, and of the tensors between them only the rows that
the next strip needs. Nothing between them crosses the bus, nothing is computed twice. A chain takes in the next layer
as long as a strip of at least one row fits. In time, its layers are counted one behind the other, as if not fused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sim.aligned_mapping import strip
from sim.layer_shape import LayerShape
from sim.mapping import Buffer, Mapping, buffer_bits, tiles_of

__all__ = ["Chain", "fit_chain"]

_STRIPS = (8, 4, 2, 1)  # rows of the last output

_Tile = tuple[int, int, int]


@dataclass(frozen=True)
class Chain:
    """Fused layers ``first .. last``, by number: the mapping of each, and what all together need of the buffer."""

    first: int
    last: int
    mappings: tuple[Mapping, ...]
    size_bytes: float


def fit_chain(
    first: int, shapes: Sequence[LayerShape], buffer: Buffer, room_bytes: int, tile: tuple[int, int, int]
) -> Chain | None:
    """The chain with the highest strips that fit, or None.

    Parameters
    ----------
    first : int
        Number of the first layer.
    shapes : sequence of LayerShape
        The layers, with what stays on the chip between them.
    buffer : Buffer
    room_bytes : int
        What of it is free.
    tile : tuple of int
        Height, width and channels of a codec tile.
    """
    for rows in _STRIPS:
        strips = _strips(shapes, min(rows, shapes[-1].out_height))
        need = _bytes_needed(shapes, strips, buffer, tile)
        if need <= room_bytes:
            mappings = tuple(_whole_rows(shape, strip) for shape, strip in zip(shapes, strips, strict=True))
            return Chain(first, first + len(shapes) - 1, mappings, need)
    return None


def _strips(shapes: Sequence[LayerShape], rows: int) -> list[int]:
    """New output rows of each layer for `rows` of the last one."""
    strips = [rows]
    for shape in reversed(shapes[1:]):
        strips.append(min(shape.height, strips[-1] * shape.stride[0]))
    return strips[::-1]


def _whole_rows(shape: LayerShape, rows: int) -> Mapping:
    sizes = (1, shape.group_filters, shape.group_channels, min(rows, shape.out_height), shape.out_width)
    return Mapping(*sizes, groups=shape.groups)


def _bytes_needed(shapes: Sequence[LayerShape], strips: Sequence[int], buffer: Buffer, tile: _Tile) -> float:
    """Weights of all layers, strips of what travels, and between layers the rows that a strip needs."""
    bits = 0.0
    for number, (shape, rows) in enumerate(zip(shapes, strips, strict=True)):
        # What travels comes in whole codec tiles, up to one more at either side.
        tall = min(shape.out_height, -(-rows // tile[0]) * tile[0])
        tiles = tiles_of(shape, _whole_rows(shape, tall))
        if not shape.input_on_chip:
            most = min(shape.height, int(tiles.tile_rows) + 2 * (tile[0] - 1))
            tiles = replace(tiles, tile_rows=most)
        bits += float(buffer_bits(shape, tiles, buffer)) * shape.groups
        if number:
            spans = [strip(shape, 0, at, min(at + rows, shape.out_height)) for at in range(0, shape.out_height, rows)]
            window = max(high - low for low, high in spans)
            bits += window * shape.width * shape.channels * buffer.activation_bits
    return bits / 8
