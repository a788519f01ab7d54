"""Jobs through the datapath on Amaranth's simulator."""

import numpy as np

from hw.packet import Packet
from hw.weights.datapath import Datapath
from hw.weights.datapath_ports import Descriptor, Verdict, Where
from hw.weights.dequant import Scale
from hw.weights.descriptors import Job
from hw.weights.intake import BodyBeat
from hw.weights.ports import Fault
from tests.hw.call import call
from tests.hw.weights.beats import Came, tensors_of


def order_of(job: Job) -> int:
    """The descriptor as an integer."""
    return Descriptor().const(job.fields).as_value().value


def body_beats(words: np.ndarray) -> list[int]:
    """Words two by two; `last` and `tail` with the last."""
    shape, beats = Packet(BodyBeat()), []
    for k in range(0, len(words), 2):
        symbols = [int(word) for word in words[k : k + 2]]
        data = {"symbols": symbols + [0] * (2 - len(symbols)), "tail": len(symbols) - 1}
        beats.append(shape.const({"data": data, "last": k + 2 >= len(words)}).as_value().value)
    return beats


def run_jobs(core: Datapath, jobs: list[Job], bodies: list[np.ndarray] | None = None, stall: str = "none"):
    """What came of each job: beats and verdict; and the trace."""
    bodies = [job.body for job in jobs] if bodies is None else bodies
    scales = next((job.scales for job in jobs if job.scales.size), np.zeros(0, np.uint64))
    inputs = {
        "i_scale": [Scale().const({"index": k, "word": int(word)}).as_value().value for k, word in enumerate(scales)],
        "order": [order_of(job) for job in jobs],
        "i": [beat for body in bodies for beat in body_beats(body)],
    }
    beats = sum(-(-job.expected.size // 32) for job in jobs)
    made = call(core, inputs, {"o": beats, "report": len(jobs)}, stall)
    return tensors_of(made["o"].values, 8, 32), [verdict_of(value) for value in made["report"].values], made


def verdict_of(value: int) -> tuple:
    """Fault alone if there is none, else what counts and where."""
    verdict = Verdict().from_bits(value)
    return (verdict.fault,) if verdict.fault is Fault.NONE else (verdict.fault, Where(verdict.where), verdict.position)


def good(job: Job) -> list[Came]:
    """What must come of a job: a tensor, or nothing of one without weights."""
    return [Came(job.expected.tolist(), False)] if job.expected.size else []
