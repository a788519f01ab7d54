"""How often two tasks are told right when they share one tensor of weights, by method and width.

Convolutions are fused, tensor by tensor; batch norms and heads stay each task's own, in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.weights.fusion import (
    BitPlaneFormat,
    BitPlaneFusion,
    BlockFusion,
    BlockFusionFormat,
    Task,
    fuse_integers,
)
from golden.weights.linear import LinearFormat, Quantized, dequantize, quantize
from sim.datasets import Dataset
from sim.small_resnet import Weights
from sim.train_resnet import accuracy_pct

__all__ = [
    "FILLED",
    "Learned",
    "Pair",
    "WidthPoint",
    "bit_planes",
    "integers",
    "lossless_bits",
    "papers_bits",
    "widths",
]

FILLED = range(9, 24)
"""Bits of A that the earlier method can give to B."""

_WITHIN_PCT = 0.1

Arrays = tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, eq=False)
class Learned:
    """A task: its data and the network trained for it."""

    data: Dataset
    weights: Weights

    def first(self, pictures: int) -> Learned:
        """The same on the first test pictures only."""
        return Learned(self.data.first(len(self.data.train), pictures), self.weights)

    def accuracy_pct(self, convolutions: Sequence[NDArray[np.float32]] | None = None) -> float:
        """Of the test pictures; with other convolutions where they are given."""
        return accuracy_pct(self.data, self.weights, convolutions)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two tasks of one architecture."""

    a: Learned
    b: Learned

    def fused(self, method: Callable[[Any, Any], tuple[Any, Any]]) -> tuple[float, float]:
        """Accuracies of A and B, in percent, after `method` has worked on each pair of tensors."""
        both = [method(a, b) for a, b in zip(self.a.weights.convolutions, self.b.weights.convolutions, strict=True)]
        first, second = zip(*both, strict=True)
        return self.a.accuracy_pct(first), self.b.accuracy_pct(second)


@dataclass(frozen=True)
class WidthPoint:
    """Accuracies at one width: mantissa bits of the improved method, or filled bits of the earlier one."""

    bits: int
    rounded: bool
    a_pct: float
    b_pct: float


def widths(
    pair: Pair, bits: Iterable[int], told: Callable[[WidthPoint], None] = lambda point: None
) -> list[WidthPoint]:
    """The improved method, n = m bits, truncated and rounded: neither task reads the other's bits."""
    points = []
    for width in bits:
        for rounded in (False, True):
            codec = BlockFusion(BlockFusionFormat(width, width, rounded))

            def method(a: Any, b: Any, codec: BlockFusion = codec) -> tuple[Any, Any]:
                fused = codec.encode(a, b)
                return codec.decode(fused, Task.A), codec.decode(fused, Task.B)

            points.append(WidthPoint(width, rounded, *pair.fused(method)))
            told(points[-1])
    return points


def papers_bits(pair: Pair) -> WidthPoint:
    """The improved method at the paper's widths, 12 bits for A and 11 for B; rounded, which the paper does not."""
    codec = BlockFusion(BlockFusionFormat(12, 11))

    def method(a: Any, b: Any) -> tuple[Any, Any]:
        fused = codec.encode(a, b)
        return codec.decode(fused, Task.A), codec.decode(fused, Task.B)

    return WidthPoint(12, True, *pair.fused(method))


def bit_planes(pair: Pair, filled: Iterable[int] = FILLED) -> list[WidthPoint]:
    """The earlier method: A's low mantissa bits are B's high ones."""
    points = []
    for bits in filled:
        codec = BitPlaneFusion(BitPlaneFormat(bits))

        def method(a: Any, b: Any, codec: BitPlaneFusion = codec) -> tuple[Any, Any]:
            fused = codec.encode(a, b)
            return codec.decode(fused, Task.A), codec.decode(fused, Task.B)

        points.append(WidthPoint(bits, False, *pair.fused(method)))
    return points


def integers(pair: Pair, filled_bits: int) -> tuple[float, float]:
    """The failure: int8 weights, symmetric per tensor, fused by their bits; 0 filled bits fuses nothing."""

    def method(a: Any, b: Any) -> tuple[Any, Any]:
        first, second = (quantize(values, LinearFormat()) for values in (a, b))
        if not filled_bits:
            return dequantize(first), dequantize(second)
        words = fuse_integers(first.values, second.values, filled_bits)
        left = words.view(np.int8)
        right = (words << np.uint8(8 - filled_bits)).view(np.int8)
        return _valued(first, left), _valued(second, right)

    return pair.fused(method)


def _valued(quantized: Quantized, values: NDArray[np.int8]) -> NDArray[np.float32]:
    return (values / quantized.gain).astype(np.float32)


def lossless_bits(points: Sequence[WidthPoint], task: str, float_pct: float, rounded: bool) -> int:
    """Fewest bits from which on a task's accuracy (`a_pct` or `b_pct`) stays within 0.1 points of float32's."""
    chosen = sorted((p for p in points if p.rounded == rounded), key=lambda point: -point.bits)
    fewest = chosen[0].bits
    for point in chosen:
        if abs(getattr(point, task) - float_pct) > _WITHIN_PCT + 1e-9:
            break
        fewest = point.bits
    return fewest
