"""The datapath as a compiled model that takes tensors and is compared with golden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from golden.codec import Words
from hw.harness import Harness, Run, Stalls
from hw.transfers import LAST, USER, beats_of, fields_of, from_beats, from_fields
from hw.weights.datapath import Datapath
from hw.weights.descriptors import Job
from hw.weights.gather import BEAT_BYTES
from hw.weights.intake import BUSES
from hw.weights.ports import Fault

__all__ = ["Decoded", "WeightBench", "failures"]


@dataclass(frozen=True, eq=False)
class Decoded:
    """What came of some jobs.

    Attributes
    ----------
    octets : ndarray of uint8
        All bytes, tensor by tensor.
    starts : ndarray of int64, shape (tensors with weights + 1,)
        First byte of each, and the end.
    errors : ndarray of bool
        Whether the last beat of each carried its error.
    faults, wheres, positions : ndarray of int64, shape (n,)
        The verdicts; where there is no fault the others mean nothing.
    cycles : ndarray of int64, shape (n,)
        From each tensor's descriptor to its verdict, both included, at the core.
    run : Run
    """

    octets: NDArray[np.uint8]
    starts: NDArray[np.int64]
    errors: NDArray[np.bool_]
    faults: NDArray[np.int64]
    wheres: NDArray[np.int64]
    positions: NDArray[np.int64]
    cycles: NDArray[np.int64]
    run: Run

    def tensor(self, number: int) -> NDArray[np.uint8]:
        """Bytes of one of the tensors that have weights."""
        return self.octets[self.starts[number] : self.starts[number + 1]]


class WeightBench:
    """The compiled model of the datapath with all its decoders; it is compiled when it is first used.

    Parameters
    ----------
    folder : Path, optional
        Where compiled models are kept.
    bus_bits : int
        Of a transfer of a body.
    """

    def __init__(self, folder: Path | None = None, bus_bits: int = BUSES[0]) -> None:
        self._folder, self._bus_bits = folder, bus_bits

    @cached_property
    def model(self) -> Harness:
        """The model."""
        return Harness(Datapath(bus_bits=self._bus_bits), f"thinwire_weights_{self._bus_bits}", self._folder)

    def decode(
        self,
        jobs: Sequence[Job],
        stalls: Stalls | None = None,
        bodies: Sequence[Words] | None = None,
    ) -> Decoded:
        """Send jobs through, one behind the other.

        Parameters
        ----------
        jobs : sequence of Job
            With one set of scales at most.
        stalls : Stalls, optional
        bodies : sequence of ndarray of uint64, optional
            In place of the jobs' own, of one word or more each.
        """
        model = self.model
        bodies = [job.body for job in jobs] if bodies is None else bodies
        order = model.inputs["s_axis_order"]
        scales = next((job.scales for job in jobs if job.scales.size), np.zeros(0, np.uint64))
        columns = {field.name: [_told(job, field.path) for job in jobs] for field in order.fields}
        sent = [body for body in bodies if body.size]
        starts = np.append(0, np.cumsum([body.size for body in sent])).astype(np.int64)
        words = np.concatenate([np.zeros(0, np.uint64), *sent])
        inputs = {
            "s_axis_scale": fields_of(model.inputs["s_axis_scale"], {"index": np.arange(scales.size), "word": scales}),
            "s_axis_order": fields_of(order, columns),
            "s_axis": beats_of(model.inputs["s_axis"], words, starts),
        }
        beats = sum(-(-job.expected.size // BEAT_BYTES) for job in jobs)
        run = model.run(inputs, {"m_axis": beats, "m_axis_report": len(jobs)}, stalls)
        records = run.records["m_axis"]
        octets, ends = from_beats(model.outputs["m_axis"], records)
        flags = records[(records[:, -1] & np.uint64(LAST)) != 0, -1]
        verdicts = from_fields(model.outputs["m_axis_report"], run.records["m_axis_report"])
        return Decoded(
            octets,
            ends,
            (flags & np.uint64(USER)) != 0,
            verdicts["fault"],
            verdicts["where"],
            verdicts["position"],
            _cycles(run),
            run,
        )


def _told(job: Job, path: tuple[str | int, ...]) -> int:
    value = job.fields
    for key in path:
        value = value.get(key, 0) if isinstance(value, dict) else 0
    return int(getattr(value, "value", value))


def _cycles(run: Run) -> NDArray[np.int64]:
    """From descriptor to verdict at the core: the ports' registers take one cycle each way."""
    orders, reports = (run.times[port].astype(np.int64) for port in ("s_axis_order", "m_axis_report"))
    if not (orders.size and reports.size):
        return np.zeros(0, np.int64)
    return np.diff(np.append(orders[0] + 1, reports))


def failures(jobs: Sequence[Job], made: Decoded) -> list[int]:
    """Numbers of jobs, of sound bodies, that did not come out as golden tells."""
    wrong, tensor = [], 0
    for number, job in enumerate(jobs):
        same = made.run.finished and number < made.faults.size and made.faults[number] == Fault.NONE.value
        if job.expected.size:
            same = same and tensor + 1 < made.starts.size and not made.errors[tensor]
            same = same and np.array_equal(made.tensor(tensor), job.expected)
            tensor += 1
        if not same:
            wrong.append(number)
    return wrong
