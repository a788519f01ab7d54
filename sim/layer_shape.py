"""A layer as nested loops: sizes of its tensors, window, groups and batch, and what of its input is touched.

::

    for image, group:                          N, G
        for filter, row, column:               M / G, E, F      -> output (N, M, E, F)
            for channel, window row, column:   C / G, R, S      <- input (N, C, H, W), weights (M, C / G, R, S)

A matrix product is a window of 1 x 1 on E rows; pooling and element-wise layers have one group per channel and no
weights; a transposed convolution spreads each input value over a window of outputs. Rows and columns that no window
touches (a step wider than the window) are not counted as read.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.network import Layer, Network

__all__ = ["LayerShape", "conv", "layer_shapes", "touched_rows", "with_kept"]


_Pair = tuple[int, int]
_Sizes = tuple[int, int, int]


@dataclass(frozen=True)
class LayerShape:
    """Sizes of one layer.

    Attributes
    ----------
    name : str
        The layer.
    channels, height, width : int
        Input, padding not counted; all groups.
    filters, out_height, out_width : int
        Output; all groups.
    kernel, stride, padding : tuple of int
        (rows, columns) of the window, its step, and padding before the first row and column.
    groups, batch : int
        Groups of the convolution; images.
    weighted, transposed : bool
        Whether it has weights; whether the window spreads over the output.
    operands : int
        Further inputs of the output's size (a residual): each value is read once.
    input_on_chip, output_on_chip : bool
        A vector that never reaches memory, or a tensor that stays in a part of the buffer set aside for it.
    """

    name: str
    channels: int
    height: int
    width: int
    filters: int
    out_height: int
    out_width: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    groups: int = 1
    batch: int = 1
    weighted: bool = True
    transposed: bool = False
    operands: int = 0
    input_on_chip: bool = False
    output_on_chip: bool = False

    def __post_init__(self) -> None:
        for name in ("channels", "height", "width", "filters", "out_height", "out_width", "groups", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} of layer {self.name!r} must be at least 1, not {getattr(self, name)!r}")
        if min(*self.kernel, *self.stride) < 1 or min(self.padding) < 0 or self.operands < 0:
            raise ValueError(
                f"kernel and stride of layer {self.name!r} must be at least 1, padding and operands at least 0, not "
                f"{self.kernel}, {self.stride}, {self.padding}, {self.operands}"
            )
        if self.channels % self.groups or self.filters % self.groups:
            raise ValueError(
                f"groups of layer {self.name!r} must divide its {self.channels} channels and {self.filters} filters, "
                f"not {self.groups}"
            )

    @property
    def group_channels(self) -> int:
        """Channels of a group."""
        return self.channels // self.groups

    @property
    def group_filters(self) -> int:
        """Filters of a group."""
        return self.filters // self.groups

    @property
    def weights(self) -> int:
        """Weights, all groups."""
        return self.filters * self.group_channels * prod(self.kernel) if self.weighted else 0

    @property
    def outputs(self) -> int:
        """Output values, all images."""
        return self.batch * self.filters * self.out_height * self.out_width

    @cached_property
    def touched_inputs(self) -> int:
        """Input values that some window touches, all images."""
        rows = self.rows(self.out_height)[0]
        return self.batch * self.channels * rows * self.columns(self.out_width)[0]

    @property
    def macs(self) -> int:
        """Multiplications with accumulation, all images; of windows without weights, none."""
        places = self.height * self.width if self.transposed else self.out_height * self.out_width
        return self.batch * places * self.weights

    def rows(self, tile: int) -> tuple[int, int]:
        """Input rows that all strips of `tile` output rows read together, and the most that one of them reads."""
        return self._touched(0, tile)

    def columns(self, tile: int) -> tuple[int, int]:
        """As `rows`, for columns."""
        return self._touched(1, tile)

    def _touched(self, axis: int, tile: int) -> tuple[int, int]:
        size, outputs = ((self.height, self.out_height), (self.width, self.out_width))[axis]
        window = self.kernel[axis], self.stride[axis], self.padding[axis]
        return touched_rows(outputs, tile, size, *window, self.transposed)


@lru_cache(maxsize=65536)
def touched_rows(
    outputs: int, tile: int, size: int, kernel: int, stride: int, padding: int, transposed: bool = False
) -> tuple[int, int]:
    """Input rows that strips of `tile` output rows read: their sum, halos counted each time, and the greatest.

    Rows outside the input (padding) are made on the chip. With a step wider than the window, rows between windows
    are skipped.
    """
    total = greatest = 0
    for first in range(0, outputs, tile):
        last = min(first + tile, outputs) - 1
        if transposed:
            spans = [(-((kernel - 1 - first - padding) // stride), (last + padding) // stride + 1)]
        elif stride > kernel:
            spans = [(row * stride - padding, row * stride - padding + kernel) for row in range(first, last + 1)]
        else:
            spans = [(first * stride - padding, last * stride - padding + kernel)]
        read = sum(max(0, min(end, size) - max(start, 0)) for start, end in spans)
        total, greatest = total + read, max(greatest, read)
    return total, greatest


def conv(
    name: str,
    channels: int,
    size: int,
    filters: int,
    kernel: int = 1,
    stride: int = 1,
    padding: int | None = None,
    groups: int = 1,
    batch: int = 1,
) -> LayerShape:
    """A convolution of square maps; `padding` on all sides, ``kernel // 2`` where it is not given."""
    around = kernel // 2 if padding is None else padding
    out = (size + 2 * around - kernel) // stride + 1
    square = ((kernel, kernel), (stride, stride), (around, around))
    return LayerShape(name, channels, size, size, filters, out, out, *square, groups=groups, batch=batch)


def layer_shapes(network: Network) -> tuple[LayerShape, ...]:
    """Shapes of a network's fused layers, in order of execution.

    Padding is what the sizes ask for, split evenly, its greater half at the end. The first inputs, as many as make up
    the channels, are read through the window (several where they are concatenated), the others value by value.
    """
    return tuple(_shape(network, layer) for layer in network.layers)


def with_kept(shape: LayerShape, layer: Layer, kept: Container[str]) -> LayerShape:
    """The shape of a layer of whose tensors some stay on the chip."""
    window = layer.inputs[: len(layer.inputs) - shape.operands]
    return replace(
        shape,
        operands=sum(name not in kept for name in layer.inputs[len(window) :]),
        input_on_chip=shape.input_on_chip or all(name in kept for name in window),
        output_on_chip=shape.output_on_chip or layer.output in kept,
    )


def _shape(network: Network, layer: Layer) -> LayerShape:
    inputs = [network.tensors[name].shape for name in layer.inputs]
    output = network.tensors[layer.output].shape if layer.output in network.tensors else None
    if layer.op in ("gemm", "matmul"):
        return _matrix(layer, inputs, output)
    made = _three(output or (layer.bias_count or sum(_three(shape)[0] for shape in inputs) or 1,))
    weighted = layer.op in ("conv", "depthwise", "deconv")
    transposed = layer.op == "deconv"
    windowed = weighted or layer.op == "pool"
    kernel, stride = (_two(layer.kernel), _two(layer.stride)) if windowed else ((1, 1), (1, 1))
    channels = layer.weight_count * layer.groups // (made[0] * prod(layer.kernel)) if weighted else made[0]
    source, used = _source(inputs, max(1, channels), made)
    if not windowed and made[1:] != source[1:]:  # a resize, by whole steps: each value makes some, or is made of some
        transposed = made[1] * made[2] > source[1] * source[2]
        greater, less = (made, source) if transposed else (source, made)
        kernel = stride = (max(1, greater[1] // less[1]), max(1, greater[2] // less[2]))
    window = [_padding(axis, source, made, kernel, stride, transposed) for axis in (0, 1)]
    return LayerShape(
        layer.name,
        *source,
        *made,
        kernel=kernel,
        stride=stride,
        padding=(window[0], window[1]),
        groups=layer.groups if weighted else made[0] if made[0] == source[0] else 1,
        weighted=weighted,
        transposed=transposed,
        operands=len(inputs) - used,
        input_on_chip=not inputs,
        output_on_chip=output is None,
    )


def _source(inputs: list[tuple[int, ...]], channels: int, made: _Sizes) -> tuple[_Sizes, int]:
    """What the window reads, and of how many inputs it consists."""
    found = 0
    for used, shape in enumerate(inputs, start=1):
        found += _three(shape)[0]
        if found >= channels:
            return (found, *_three(shape)[1:]), used
    return (channels, *made[1:]), 0


def _padding(axis: int, source: _Sizes, made: _Sizes, kernel: _Pair, stride: _Pair, transposed: bool) -> int:
    inner, outer = (made, source) if not transposed else (source, made)
    return max(0, (inner[axis + 1] - 1) * stride[axis] + kernel[axis] - outer[axis + 1]) // 2


def _matrix(layer: Layer, inputs: list[tuple[int, ...]], output: tuple[int, ...] | None) -> LayerShape:
    """A product of E rows of C values with C x M weights, which a second operand may take the place of."""
    rows = prod(output[:-1]) if output and len(output) > 1 else 1
    filters = output[-1] if output else max(1, layer.bias_count)
    channels = max(1, layer.macs // (rows * filters))
    shape = LayerShape(layer.name, channels, rows, 1, filters, rows, 1)
    return replace(shape, input_on_chip=not inputs, output_on_chip=output is None)


def _three(shape: tuple[int, ...]) -> _Sizes:
    """(C, H, W) of any shape; sizes in front of the last three are channels too."""
    padded = shape if len(shape) > 2 else (*shape, 1, 1)[:3]
    return prod(padded[:-2]), padded[-2], padded[-1]


def _two(sizes: tuple[int, ...]) -> _Pair:
    return (*sizes, 1, 1)[0], (*sizes, 1, 1)[1]
