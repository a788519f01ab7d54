"""How a layer is cut into tiles, in which order they run, and what then crosses the external memory.

A tile is a piece of each loop of `sim.layer_shape`; all three operands of a tile lie in the buffer while it runs. The
loops over tiles are three: *space* (images, rows, columns), *filters* and *channels*; groups are outermost. An operand
stays in the buffer while only loops that it does not depend on go round inside:

========  ==================  ==================================================================
operand   depends on          is fetched again
========  ==================  ==================================================================
input     space, channels     for each filter tile, if space or channels go round inside filters
weights   filters, channels   for each space tile, if filters or channels go round inside space
output    space, filters      as partial sums, for each channel tile but the first, if space or
                              filters go round inside channels
========  ==================  ==================================================================

Halos (rows and columns that neighbouring tiles share) are fetched with each tile. Rows, columns and images make one
loop: to put another loop between them saves nothing that one of the six orders does not save, too.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import permutations
from math import prod
from typing import Any

import numpy as np

from sim.layer_shape import LayerShape

__all__ = [
    "LOOPS",
    "ORDERS",
    "Buffer",
    "LayerTraffic",
    "Mapping",
    "Tiles",
    "buffer_bits",
    "fetches",
    "traffic",
    "weights_stay",
]

LOOPS = ("space", "filters", "channels")
ORDERS = tuple(permutations(LOOPS))


@dataclass(frozen=True)
class Buffer:
    """Where tiles lie, and the words in it.

    Attributes
    ----------
    size_bytes : int
        Room for the tiles of all operands.
    double : bool
        Two tiles of each operand at once, so that one is moved while the other is used; a whole tensor that is
        fetched once lies there once.
    weights_apart : bool
        Weights have a memory of their own and are streamed.
    weights_bytes : int
        Room in that memory, all copies: a weight tile that does not fit is fetched again at each step. 0: any fits.
    activation_bits, weight_bits, partial_bits : int
        Words; partial sums are `partial_bits` wide as long as channels are missing in them.
    """

    size_bytes: int
    double: bool = True
    weights_apart: bool = False
    weights_bytes: int = 0
    activation_bits: int = 8
    weight_bits: int = 8
    partial_bits: int = 32

    def __post_init__(self) -> None:
        if self.size_bytes < 1:
            raise ValueError(f"size_bytes must be at least 1, not {self.size_bytes!r}")
        for name in ("activation_bits", "weight_bits", "partial_bits"):
            if not 1 <= getattr(self, name) <= 64:
                raise ValueError(f"{name} must be in 1..64, not {getattr(self, name)!r}")


@dataclass(frozen=True)
class Mapping:
    """Sizes of a tile, at most those of the layer, and the order of the loops over tiles, outermost first."""

    images: int
    filters: int
    channels: int
    rows: int
    columns: int
    groups: int = 1
    order: tuple[str, ...] = LOOPS

    def __post_init__(self) -> None:
        for entry in fields(self):
            if entry.name != "order" and getattr(self, entry.name) < 1:
                raise ValueError(f"{entry.name} of a mapping must be at least 1, not {getattr(self, entry.name)!r}")
        if self.order not in ORDERS:
            raise ValueError(f"order of a mapping must hold {', '.join(LOOPS)} once each, not {self.order!r}")


@dataclass(frozen=True)
class Tiles:
    """Tiles of one candidate (integers), or of many at once (arrays that broadcast), inside one group.

    `input_rows` and `input_columns` are what all strips together read, `tile_rows` and `tile_columns` the most that
    one of them reads.
    """

    images: Any
    filters: Any
    channels: Any
    rows: Any
    columns: Any
    input_rows: Any
    input_columns: Any
    tile_rows: Any
    tile_columns: Any

    def trips(self, shape: LayerShape) -> dict[str, Any]:
        """Tiles in each loop."""
        space = _ceil(shape.batch, self.images) * _ceil(shape.out_height, self.rows)
        return {
            "space": space * _ceil(shape.out_width, self.columns),
            "filters": _ceil(shape.group_filters, self.filters),
            "channels": _ceil(shape.group_channels, self.channels),
        }


@dataclass(frozen=True)
class LayerTraffic:
    """Bytes that a layer moves, nothing compressed, by kind; fractions of a byte where words are narrow.

    `operand_bytes` are read value by value (a residual); `partial_*` are sums that wait for more channels.
    """

    input_bytes: Any
    weight_bytes: Any
    operand_bytes: Any
    partial_read_bytes: Any
    partial_write_bytes: Any
    output_bytes: Any

    @property
    def read_bytes(self) -> Any:
        """From external memory."""
        return self.input_bytes + self.weight_bytes + self.operand_bytes + self.partial_read_bytes

    @property
    def write_bytes(self) -> Any:
        """To external memory."""
        return self.partial_write_bytes + self.output_bytes

    @property
    def total_bytes(self) -> Any:
        """Both ways."""
        return self.read_bytes + self.write_bytes


def tiles_of(shape: LayerShape, mapping: Mapping) -> Tiles:
    """The tiles of one mapping.

    Raises
    ------
    ValueError
        If a tile is greater than the layer.
    """
    limits = {
        "images": shape.batch,
        "filters": shape.group_filters,
        "channels": shape.group_channels,
        "rows": shape.out_height,
        "columns": shape.out_width,
        "groups": shape.groups,
    }
    for name, limit in limits.items():
        if getattr(mapping, name) > limit:
            raise ValueError(
                f"{name} in the mapping of {shape.name!r} must be at most {limit}, not {getattr(mapping, name)}"
            )
    (all_rows, most_rows), (all_columns, most_columns) = shape.rows(mapping.rows), shape.columns(mapping.columns)
    sizes = (mapping.images, mapping.filters, mapping.channels, mapping.rows, mapping.columns)
    return Tiles(*sizes, all_rows, all_columns, most_rows, most_columns)


def buffer_bits(shape: LayerShape, tiles: Tiles, buffer: Buffer) -> Any:
    """Bits that the tiles of one group need in the buffer; what stays on chip has its place elsewhere."""
    trips = tiles.trips(shape)
    space, filters, channels = (trips[loop] for loop in LOOPS)
    copies = 2 if buffer.double else 1
    again = shape.groups > 1
    source = tiles.images * tiles.channels * tiles.tile_rows * tiles.tile_columns * buffer.activation_bits
    source = source * _copies(space * channels > 1, again, copies) * (not shape.input_on_chip)
    weights = tiles.filters * tiles.channels * prod(shape.kernel) * buffer.weight_bits
    weights = weights * _copies(filters * channels > 1, again, copies)
    held = shape.weighted and not buffer.weights_apart
    made = tiles.images * tiles.filters * tiles.rows * tiles.columns * _copies(space * filters > 1, again, copies)
    finished = 0 if shape.output_on_chip else buffer.activation_bits
    word = np.where(channels > 1, buffer.partial_bits, finished)
    return source + weights * held + made * (word + shape.operands * buffer.activation_bits)


def fetches(shape: LayerShape, tiles: Tiles, order: tuple[str, ...]) -> tuple[Any, Any, Any]:
    """How often weights and outputs cross, and how many input values: (input values, weight visits, output visits).

    The counts cover all groups and images. Each output visit but the last leaves a partial sum behind, which the
    next one fetches.
    """
    trips = tiles.trips(shape)

    def visits(free: str) -> Any:
        """Times that an operand is moved which does not depend on loop `free`."""
        inside = prod(trips[loop] for loop in order[order.index(free) + 1 :])
        return np.where(np.asarray(inside) > 1, trips[free], 1)

    values = shape.batch * shape.channels * tiles.input_rows * tiles.input_columns
    return values * visits("filters"), visits("space"), visits("channels")


def weights_stay(shape: LayerShape, tiles: Tiles, buffer: Buffer) -> Any:
    """Whether a weight tile lies in its memory as a whole, and so serves the steps that follow."""
    if not (buffer.weights_apart and buffer.weights_bytes):
        return True
    bits = tiles.filters * tiles.channels * prod(shape.kernel) * buffer.weight_bits
    return bits * (2 if buffer.double else 1) <= 8 * buffer.weights_bytes


def traffic(shape: LayerShape, tiles: Tiles, order: tuple[str, ...], buffer: Buffer) -> LayerTraffic:
    """Bytes that a layer moves."""
    values, weight_visits, output_visits = fetches(shape, tiles, order)
    weight_visits = np.where(weights_stay(shape, tiles, buffer), weight_visits, tiles.trips(shape)["space"])
    sums = shape.outputs * (output_visits - 1) * buffer.partial_bits / 8
    outputs = shape.outputs * buffer.activation_bits / 8
    return LayerTraffic(
        input_bytes=values * (0 if shape.input_on_chip else buffer.activation_bits) / 8,
        weight_bytes=shape.weights * weight_visits * buffer.weight_bits / 8,
        operand_bytes=shape.operands * outputs,
        partial_read_bytes=sums,
        partial_write_bytes=sums,
        output_bytes=outputs * (not shape.output_on_chip),
    )


def _ceil(size: int, tile: Any) -> Any:
    return -(-size // tile)


def _copies(moves: Any, again: bool, copies: int) -> Any:
    return np.where(moves | again, copies, 1)
