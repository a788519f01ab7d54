"""Trains the small ResNet for a task, or only a new head on another task's network; tells how often it is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.datasets import Dataset
from sim.small_resnet import CONVOLUTIONS, FEATURES, Norm, Weights, resnet_features
from sim.torch_fit import Schedule, distance, fit, predict, scaled
from sim.trained import cached

__all__ = ["HEAD", "TASK_STEPS", "accuracy_pct", "head_only", "resnet", "schedule_of"]

TASK_STEPS = 1000
"""Steps of training, about: two epochs of 60,000 pictures in batches of 128, up to ten epochs of fewer pictures."""

_RATE = 2e-3
_MOST_EPOCHS = 10  # of few pictures
HEAD = Schedule(10, 2e-3)
"""How a head alone is trained."""


def schedule_of(data: Dataset, steps: int = TASK_STEPS) -> Schedule:
    """How `resnet` trains for a task."""
    return Schedule(min(_MOST_EPOCHS, max(1, round(steps * 128 / len(data.train)))), _RATE)


def resnet(data: Dataset, seed: int = 0, steps: int = TASK_STEPS) -> Weights:
    """The network trained for a task in about so many steps; from the cache where it was done before.

    Raises
    ------
    ValueError
        If the run is not cached and torch is not installed.
    """
    schedule = schedule_of(data, steps)
    key = ("small-resnet", CONVOLUTIONS, data.source, schedule, seed)
    return _weights(cached(f"resnet-{data.name}-{seed}".lower(), key, lambda: _train(data, schedule, seed)))


def _train(data: Dataset, schedule: Schedule, seed: int) -> dict[str, NDArray[Any]]:
    import torch

    torch.manual_seed(seed)
    weights = [torch.empty(layer.shape) for layer in CONVOLUTIONS]
    for weight in weights:
        torch.nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
    norms = [Norm(torch.ones(n), torch.zeros(n), torch.zeros(n), torch.ones(n)) for n in (len(w) for w in weights)]
    head, bias = torch.randn(data.classes, FEATURES) / FEATURES**0.5, torch.zeros(data.classes)
    learned = [*weights, *(t for norm in norms for t in (norm.gain, norm.shift)), head, bias]
    for tensor in learned:
        tensor.requires_grad_()
    pictures, labels = scaled(data.train, data.scale), torch.from_numpy(data.train_labels)

    def loss(batch: Any) -> Any:
        features = resnet_features(weights, norms, pictures[batch], training=True)
        return distance(torch.nn.functional.linear(features, head, bias), labels[batch])

    fit(learned, loss, len(labels), schedule, seed)
    arrays = {f"convolution{place}": weight.detach().numpy() for place, weight in enumerate(weights)}
    for place, norm in enumerate(norms):
        parts = norm.gain, norm.shift, norm.mean, norm.variance
        arrays[f"norm{place}"] = np.stack([part.detach().numpy() for part in parts])
    return {**arrays, "head": head.detach().numpy(), "bias": bias.detach().numpy()}


def head_only(data: Dataset, other: Weights, told: str) -> Weights:
    """A head for a task on the network of another, which `told` names: convolutions and norms stay.

    Raises
    ------
    ValueError
        If the run is not cached and torch is not installed.
    """
    key = ("head", CONVOLUTIONS, data.source, told, TASK_STEPS, HEAD)
    arrays = cached(f"head-{data.name}-on-{told}".lower(), key, lambda: _train_head(data, other))
    return Weights(other.convolutions, other.norms, arrays["head"], arrays["bias"])


def _train_head(data: Dataset, other: Weights) -> dict[str, NDArray[Any]]:
    import torch

    features = _features(other, other.convolutions, scaled(data.train, data.scale))
    labels = torch.from_numpy(data.train_labels)
    head = torch.zeros(data.classes, FEATURES).requires_grad_()
    bias = torch.zeros(data.classes).requires_grad_()

    def loss(batch: Any) -> Any:
        return distance(torch.nn.functional.linear(features[batch], head, bias), labels[batch])

    fit([head, bias], loss, len(labels), HEAD, 0)
    return {"head": head.detach().numpy(), "bias": bias.detach().numpy()}


def accuracy_pct(data: Dataset, own: Weights, convolutions: Sequence[NDArray[np.float32]] | None = None) -> float:
    """Share of test pictures told right, in percent; with other convolutions where they are given.

    Raises
    ------
    ValueError
        If torch is not installed.
    """
    features = _features(own, own.convolutions if convolutions is None else convolutions, scaled(data.test, data.scale))
    scores = features.numpy() @ own.head.T + own.bias
    return 100 * float((scores.argmax(1) == data.test_labels).mean())


def _features(own: Weights, convolutions: Sequence[NDArray[np.float32]], pictures: Any) -> Any:
    import torch

    weights = [torch.from_numpy(np.array(w)) for w in convolutions]
    norms = [Norm(*(torch.from_numpy(part.copy()) for part in norm)) for norm in own.norms]
    return predict(lambda part: resnet_features(weights, norms, part), pictures)


def _weights(arrays: dict[str, NDArray[Any]]) -> Weights:
    places = range(len(CONVOLUTIONS))
    convolutions, norms = (tuple(arrays[f"{kind}{k}"] for k in places) for kind in ("convolution", "norm"))
    return Weights(convolutions, norms, arrays["head"], arrays["bias"])
