"""Training with torch, for the experiments that need it: one loop, one schedule, one thread.

Adam with a rate that falls to zero as half a cosine. All randomness comes from one seed; on one thread a run is the
same each time. torch is the extra ``repro``: nothing else of thinwire needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Schedule", "check_torch", "distance", "fit", "predict", "scaled"]

_TEMPERATURE = 4.0
_SOFT = 0.9  # share of the teacher's scores in the loss; the labels have the rest


@dataclass(frozen=True)
class Schedule:
    """Epochs, highest rate, pictures in a batch."""

    epochs: int
    rate: float
    batch: int = 128


def check_torch() -> None:
    """Refuse to train without torch.

    Raises
    ------
    ValueError
        If it is not installed.
    """
    if find_spec("torch") is None:
        raise ValueError("package torch must be installed to train and run networks: pip install thinwire[repro]")


def scaled(pictures: NDArray[np.uint8], scale: tuple[float, float]) -> Any:
    """Pictures as float32 (n, 1, 28, 28), channels last, with a mean and a spread taken out."""
    import torch

    torch.set_num_threads(1)
    mean, spread = scale
    values = (torch.from_numpy(np.array(pictures, np.float32)) - mean) / spread
    return values[:, None].contiguous(memory_format=torch.channels_last)


def distance(scores: Any, labels: Any, teacher: Any = None) -> Any:
    """Cross entropy to the labels; with a teacher's scores, mostly divergence from those (distillation)."""
    from torch.nn import functional

    hard = functional.cross_entropy(scores, labels)
    if teacher is None:
        return hard
    soft = functional.kl_div(
        functional.log_softmax(scores / _TEMPERATURE, 1),
        functional.log_softmax(teacher / _TEMPERATURE, 1),
        reduction="batchmean",
        log_target=True,
    )
    return _SOFT * _TEMPERATURE**2 * soft + (1 - _SOFT) * hard


def fit(
    parameters: Iterable[Any],
    loss: Callable[[Any], Any],
    count: int,
    schedule: Schedule,
    seed: int,
    after: Callable[[float], None] = lambda progress: None,
) -> None:
    """Train in place.

    Parameters
    ----------
    parameters : iterable of torch.Tensor
        Leaves that need gradients.
    loss : callable
        From the indices of a batch to a scalar tensor.
    count : int
        Pictures of an epoch.
    schedule : Schedule
    seed : int
    after : callable
        Called after each step with the share of steps that is done; it may change the parameters.
    """
    import torch

    optimizer = torch.optim.Adam(list(parameters), schedule.rate)
    steps = schedule.epochs * -(-count // schedule.batch)
    for step, batch in enumerate(_batches(count, schedule, seed)):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate * 0.5 * (1 + float(np.cos(np.pi * step / steps)))
        optimizer.zero_grad()
        loss(torch.from_numpy(batch)).backward()
        optimizer.step()
        with torch.no_grad():
            after((step + 1) / steps)


def _batches(count: int, schedule: Schedule, seed: int) -> Iterator[NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    for _ in range(schedule.epochs):
        order = rng.permutation(count)
        yield from (order[start : start + schedule.batch] for start in range(0, count, schedule.batch))


def predict(forward: Callable[[Any], Any], pictures: Any, batch: int = 500) -> Any:
    """Scores of all pictures, without gradients."""
    import torch

    with torch.no_grad():
        return torch.cat([forward(pictures[start : start + batch]) for start in range(0, len(pictures), batch)])
