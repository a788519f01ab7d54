"""A small network shaped like ResNet-18: twenty convolutions, eight residual blocks, width 16, for 28 x 28 pixels.

The stem is 3 x 3 with stride 2 and no pooling follows it; the four stages have 16, 32, 64 and 128 channels and two
blocks each. Every convolution is followed by batch norm. Beside it stand the sizes of the real ResNet-18.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONVOLUTIONS", "FEATURES", "RESNET18_WEIGHTS", "Convolution", "Norm", "Weights", "resnet_features"]

WIDTH = 16
FEATURES = 8 * WIDTH
_BLOCKS = 2
_EPSILON = 1e-5
_MOMENTUM = 0.1


@dataclass(frozen=True)
class Convolution:
    """A convolution without bias: (outputs, inputs, side, side), padded so that stride 1 keeps the size."""

    name: str
    outputs: int
    inputs: int
    side: int
    stride: int = 1

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of its weights."""
        return self.outputs, self.inputs, self.side, self.side


def resnet_convolutions(width: int, channels: int, stem: int) -> tuple[Convolution, ...]:
    """ResNet-18's convolutions in order; a block whose shortcut needs one has it last."""
    convolutions = [Convolution("stem", width, channels, stem, 2)]
    inputs = width
    for stage in range(4):
        for block in range(_BLOCKS):
            outputs, stride = width << stage, 2 if stage and not block else 1
            name = f"stage{stage + 1}.{block}"
            convolutions.append(Convolution(f"{name}.a", outputs, inputs, 3, stride))
            convolutions.append(Convolution(f"{name}.b", outputs, outputs, 3))
            if inputs != outputs:
                convolutions.append(Convolution(f"{name}.shortcut", outputs, inputs, 1, stride))
            inputs = outputs
    return tuple(convolutions)


CONVOLUTIONS = resnet_convolutions(WIDTH, 1, 3)
"""Of the small network."""
RESNET18_WEIGHTS = sum(prod(c.shape) for c in resnet_convolutions(64, 3, 7))
"""Weights of the real network's convolutions: 11,166,912; with batch norm and a head for 1000 classes 11.7 million."""


@dataclass(frozen=True, eq=False)
class Norm:
    """A batch norm's gain, shift, mean and variance: torch tensors, shape (channels,)."""

    gain: Any
    shift: Any
    mean: Any
    variance: Any


@dataclass(frozen=True, eq=False)
class Weights:
    """A trained network as arrays of float32.

    Attributes
    ----------
    convolutions : tuple of ndarray
        One for each of `CONVOLUTIONS`: what two tasks fuse.
    norms : tuple of ndarray, shape (4, channels)
        Gain, shift, mean, variance for each; they stay each task's own.
    head, bias : ndarray, shape (classes, 128) and (classes,)
    """

    convolutions: tuple[NDArray[np.float32], ...]
    norms: tuple[NDArray[np.float32], ...]
    head: NDArray[np.float32]
    bias: NDArray[np.float32]


def resnet_features(weights: Sequence[Any], norms: Sequence[Norm], pictures: Any, training: bool = False) -> Any:
    """What reaches the head, shape (n, 128); in training the norms' means and variances follow the batches."""
    from torch.nn import functional

    def apply(place: int, values: Any) -> Any:
        layer, norm = CONVOLUTIONS[place], norms[place]
        values = functional.conv2d(values, weights[place], stride=layer.stride, padding=layer.side // 2)
        moving = norm.mean, norm.variance, norm.gain, norm.shift
        return functional.batch_norm(values, *moving, training, _MOMENTUM, _EPSILON)

    values, place = functional.relu(apply(0, pictures)), 1
    while place < len(CONVOLUTIONS):
        inner = apply(place + 1, functional.relu(apply(place, values)))
        shortcut = place + 2 < len(CONVOLUTIONS) and CONVOLUTIONS[place + 2].side == 1
        values = functional.relu(inner + (apply(place + 2, values) if shortcut else values))
        place += 3 if shortcut else 2
    return values.mean((2, 3))
