"""The two LeNets of Deep Compression: layers, and how a picture goes through them.

LeNet-300-100 is three dense layers on 784 pixels; LeNet-5 is Caffe's: two 5 x 5 convolutions (20, 50 channels) without
padding, each followed by 2 x 2 max pooling, and two dense layers. 266 and 431 thousand weights with biases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

__all__ = ["LENETS", "Layer", "Lenet"]


@dataclass(frozen=True)
class Layer:
    """A layer's weights.

    Attributes
    ----------
    name : str
        As the paper calls it.
    shape : tuple of int
        (outputs, inputs) or (outputs, inputs, height, width).
    density : float
        Share of its weights that stays.
    """

    name: str
    shape: tuple[int, ...]
    density: float

    @property
    def count(self) -> int:
        """Number of weights, biases not counted."""
        return prod(self.shape)


@dataclass(frozen=True)
class Lenet:
    """A network: its name in the paper, and its layers in order."""

    name: str
    layers: tuple[Layer, ...]

    @property
    def count(self) -> int:
        """Weights of all layers, biases not counted."""
        return sum(layer.count for layer in self.layers)

    def forward(self, weights: Sequence[Any], biases: Sequence[Any], pictures: Any) -> Any:
        """Scores, shape (n, 10), of torch tensors.

        Parameters
        ----------
        weights, biases : sequence of torch.Tensor
            One of each for each layer.
        pictures : torch.Tensor of float32, shape (n, 1, 28, 28)
        """
        from torch.nn import functional

        values = self.features(weights, biases, pictures)
        last = len(self.layers) - 1
        for place, (layer, weight, bias) in enumerate(zip(self.layers, weights, biases, strict=True)):
            if len(layer.shape) == 2:
                values = functional.linear(values, weight, bias)
                values = values if place == last else functional.relu(values)
        return values

    def features(self, weights: Sequence[Any], biases: Sequence[Any], pictures: Any) -> Any:
        """What reaches the first dense layer, shape (n, features); arguments as `forward`, or arrays."""
        import torch
        from torch.nn import functional

        values = pictures
        for layer, weight, bias in zip(self.layers, weights, biases, strict=True):
            if len(layer.shape) == 4:
                kernel = torch.as_tensor(weight), torch.as_tensor(bias)
                values = functional.max_pool2d(functional.conv2d(values, *kernel), 2)
        return values.flatten(1)


LENETS: Mapping[str, Lenet] = {
    "lenet-300-100": Lenet(
        "LeNet-300-100",
        (Layer("ip1", (300, 784), 0.06), Layer("ip2", (100, 300), 0.08), Layer("ip3", (10, 100), 0.26)),
    ),
    "lenet-5": Lenet(
        "LeNet-5",
        (
            Layer("conv1", (20, 1, 5, 5), 0.60),
            Layer("conv2", (50, 20, 5, 5), 0.09),
            Layer("ip1", (500, 800), 0.055),
            Layer("ip2", (10, 500), 0.17),
        ),
    ),
}
"""Networks by name, with densities a little below the paper's (8 9 26; 66 12 8 19 %): distillation allows them."""
