"""A LeNet by Deep Compression's steps: trained, pruned with retraining, its weights shared with fine-tuned centroids.

*Dense*: 20 epochs. *Pruned*: the density falls from 1 to its goal over the first third of 30 epochs (cubic, as in Zhu
and Gupta, 2017), each layer's smallest magnitudes go, and what is left learns the dense network's scores
(distillation). *Shared*: k-means (golden/weights/kmeans.py) on each layer; then the centroids learn, the gradient of
one being the sum of its weights' gradients. Biases stay float32 and learn along.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.weights.deepcomp import DeepComp, DeepCompFormat, Shared
from golden.weights.prune import prune
from sim.datasets import Dataset
from sim.lenet import Lenet
from sim.torch_fit import Schedule, distance, fit, predict, scaled

__all__ = ["Recipe", "Tuned", "error_pct", "retrain_pruned", "share_and_tune", "train_dense"]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    bits : int
        Of a shared weight: 2**bits - 1 centroids and the zero.
    dense, pruned, shared : Schedule
    """

    bits: int = 5
    dense: Schedule = field(default_factory=lambda: Schedule(20, 1e-3))
    pruned: Schedule = field(default_factory=lambda: Schedule(30, 1.5e-3))
    shared: Schedule = field(default_factory=lambda: Schedule(4, 2e-4))


@dataclass(frozen=True, eq=False)
class Tuned:
    """A network's weights, float32, one array for each layer; zeros where pruned."""

    weights: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]


def train_dense(net: Lenet, data: Dataset, schedule: Schedule, seed: int) -> Tuned:
    """Train from a random start."""
    import torch

    torch.manual_seed(seed)
    weights = [torch.empty(layer.shape) for layer in net.layers]
    for weight in weights:
        torch.nn.init.kaiming_uniform_(weight, nonlinearity="relu")
    biases = [torch.zeros(layer.shape[0]) for layer in net.layers]
    trained = _Trained(net, data, weights, biases, None)
    trained.fit(schedule, seed)
    return trained.result()


def retrain_pruned(net: Lenet, data: Dataset, dense: Tuned, schedule: Schedule, seed: int) -> Tuned:
    """Prune each layer to its density while what is left learns from the dense network."""
    trained = _Trained(net, data, _tensors(dense.weights), _tensors(dense.biases), dense)
    masks = [weight.detach() != 0 for weight in trained.weights]

    def cut(progress: float) -> None:
        left = (1 - min(1.0, 3 * progress)) ** 3
        for layer, weight, mask in zip(net.layers, trained.weights, masks, strict=True):
            if 3 * progress <= 1 or int(mask.sum()) > round(layer.density * layer.count):
                kept = prune(weight.detach().numpy(), layer.density + (1 - layer.density) * left)
                mask.copy_(_tensors([kept])[0] != 0)
            weight *= mask

    trained.fit(schedule, seed, cut)
    exact = [prune(w, layer.density) for w, layer in zip(trained.result().weights, net.layers, strict=True)]
    return replace(trained.result(), weights=tuple(exact))


def share_and_tune(net: Lenet, data: Dataset, pruned: Tuned, teacher: Tuned, recipe: Recipe, seed: int) -> Tuned:
    """Share each layer's weights, then tune centroids and biases."""
    import torch

    shared = [DeepComp(DeepCompFormat(bits=recipe.bits)).share(weight) for weight in pruned.weights]
    centroids = _tensors([one.centroids for one in shared])
    symbols = [torch.from_numpy(one.symbols.astype(np.int64)) for one in shared]

    def effective(books: Sequence[Any]) -> list[Any]:
        zero = torch.zeros(1)
        return [torch.cat([zero, book])[symbol] for book, symbol in zip(books, symbols, strict=True)]

    trained = _Trained(net, data, centroids, _tensors(pruned.biases), teacher, effective)
    trained.fit(recipe.shared, seed)
    tuned = trained.result()
    weights = [Shared(one.symbols, book).weights for one, book in zip(shared, tuned.weights, strict=True)]
    return replace(tuned, weights=tuple(weights))


def error_pct(net: Lenet, data: Dataset, tuned: Tuned) -> float:
    """Share of test pictures with a wrong class, in percent."""
    weights, biases = _tensors(tuned.weights), _tensors(tuned.biases)
    scores = predict(lambda part: net.forward(weights, biases, part), scaled(data.test, data.scale))
    return 100 * float((scores.argmax(1).numpy() != data.test_labels).mean())


def _tensors(arrays: Sequence[NDArray[np.float32]]) -> list[Any]:
    import torch

    return [torch.from_numpy(np.array(array, np.float32)) for array in arrays]


class _Trained:
    """Weights under training, with the pictures and what they should say."""

    def __init__(
        self,
        net: Lenet,
        data: Dataset,
        weights: list[Any],
        biases: list[Any],
        teacher: Tuned | None,
        effective: Callable[[Sequence[Any]], Sequence[Any]] = lambda weights: weights,
    ) -> None:
        import torch

        self.net, self.effective = net, effective
        self.weights, self.biases = ([tensor.requires_grad_() for tensor in group] for group in (weights, biases))
        self.pictures = scaled(data.train, data.scale)
        self.labels = torch.from_numpy(data.train_labels)
        self.told = None
        if teacher is not None:
            given = _tensors(teacher.weights), _tensors(teacher.biases)
            self.told = predict(lambda part: net.forward(*given, part), self.pictures)

    def fit(self, schedule: Schedule, seed: int, after: Callable[[float], None] = lambda progress: None) -> None:
        """Train in place."""

        def loss(batch: Any) -> Any:
            scores = self.net.forward(self.effective(self.weights), self.biases, self.pictures[batch])
            return distance(scores, self.labels[batch], None if self.told is None else self.told[batch])

        fit([*self.weights, *self.biases], loss, len(self.labels), schedule, seed, after)

    def result(self) -> Tuned:
        """Copies as arrays."""
        weights, biases = (tuple(t.detach().numpy().copy() for t in g) for g in (self.weights, self.biases))
        return Tuned(weights, biases)
