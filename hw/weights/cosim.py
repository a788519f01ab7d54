"""A network's weights through the datapath in Verilator: every value compared, every cycle counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from golden.weights.container import StoredWeights
from hw.weights.bench import Decoded, WeightBench, failures
from hw.weights.descriptors import Job, job_of
from hw.weights.gather import BEAT_BYTES

__all__ = ["WeightCosimulation", "cosimulate_weights"]

_WAITING = 2
# A first one, a last one, and one between.
_FEWEST_BEATS = 3


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
    stream_weights, stream_cycles : int
        Of beats alone: weights of those behind the first one but the last, which waits for the body's check, and the
        cycles from the first one to the last one of these. 0 where there are fewer than three beats.
    equal : bool
        Whether every byte that came out is golden's, and nothing else came.
    """

    name: str
    weights: int
    body_bytes: int
    cycles: int
    stream_weights: int
    stream_cycles: int
    equal: bool

    @property
    def rate(self) -> float:
        """Weights per cycle, start and end of each tensor counted."""
        return self.weights / max(self.cycles, 1)

    @property
    def stream_rate(self) -> float | None:
        """Weights per cycle within the stream of beats; None where there is none."""
        return self.stream_weights / self.stream_cycles if self.stream_cycles else None


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
    stream = _stream(job, made)
    return WeightCosimulation(name, job.count, 8 * job.body.size, cycles, *stream, not failures([job], made))


def _stream(job: Job, made: Decoded) -> tuple[int, int]:
    """Weights of the beats between the first and the last one, and the cycles that they take."""
    times = made.run.times["m_axis"].astype(np.int64)
    if times.size < _FEWEST_BEATS:
        return 0, 0
    weights_per_beat = BEAT_BYTES * job.count // job.expected.size
    return (times.size - 2) * weights_per_beat, int(times[-2] - times[0])
