"""A network's weights through the datapath in Verilator: every value compared, every cycle counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from golden.weights.container import StoredWeights
from hw.weights.bench import WeightBench, failures
from hw.weights.descriptors import Job, job_of

__all__ = ["WeightCosimulation", "cosimulate_weights"]

_WAITING = 2


@dataclass(frozen=True)
class WeightCosimulation:
    """A tensor's way through the datapath, without stalls.

    Attributes
    ----------
    name : str
    weights : int
    body_bytes : int
        What came over the bus.
    cycles : int
        From the descriptor to the verdict.
    equal : bool
        Whether every byte that came out is golden's, and nothing else came.
    """

    name: str
    weights: int
    body_bytes: int
    cycles: int
    equal: bool


def cosimulate_weights(
    tensors: Iterable[StoredWeights], form: str = "int8", bench: WeightBench | None = None
) -> Iterator[WeightCosimulation]:
    """Send coded tensors through the datapath with all its decoders, two at once.

    Parameters
    ----------
    tensors : iterable of StoredWeights
        Of one codec; taken one by one.
    form : str
        Of `hw.weights.descriptors.FORM_NUMBERS`.
    bench : WeightBench, optional
        By default one of its own.

    Raises
    ------
    ValueError
        If Verilator is missing, the codec has no decoder, or the form does not hold the weights.
    """
    bench = bench or WeightBench()
    _ = bench.model
    waiting: list[Future[WeightCosimulation]] = []
    with ThreadPoolExecutor(_WAITING) as pool:
        for tensor in tensors:
            job = job_of(tensor, form)
            waiting.append(pool.submit(_run, bench, tensor.name, job))
            if len(waiting) > _WAITING:
                yield waiting.pop(0).result()
        for result in waiting:
            yield result.result()


def _run(bench: WeightBench, name: str, job: Job) -> WeightCosimulation:
    made = bench.decode([job])
    cycles = int(made.cycles[0]) if made.cycles.size else 0
    return WeightCosimulation(name, job.count, 8 * job.body.size, cycles, not failures([job], made))
