"""Random tensors through the datapath in Verilator: ``python -m hw.weights.fuzz --tensors 10000``.

A *round* is some tensors of random codecs, shapes and contents, one behind the other, made from the seed and the
round's number alone. A third of the bodies are damaged: a flipped bit, words cut off, words too many. A damaged tensor
must give exactly as many bytes as it was ordered, raise its error, and leave its neighbours alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from golden.codec import Words
from golden.registry import weight_codec_from_config
from golden.weights.container import Scales, StoredWeights
from golden.weights.linear import LinearFormat, quantize
from hw.harness import Stalls
from hw.weights.bench import Decoded, WeightBench
from hw.weights.datapath import Engine
from hw.weights.descriptors import Job, job_of
from hw.weights.ports import Fault

__all__ = ["ROUND_TENSORS", "Round", "main", "round_of", "wrong_tensors"]

ROUND_TENSORS = 60

_CODECS = {
    Engine.FIELDS: ("block-float",),
    Engine.PACKED: ("packed",),
    Engine.PAIRS: ("huffman", "zero-runs", "relative-index"),
    Engine.MLW: ("mlw",),
}
_STALLS = (Stalls(), Stalls(source=300, sink=300), Stalls(source=800), Stalls(sink=800), Stalls(after_valid=True))


@dataclass(frozen=True, eq=False)
class Round:
    """Tensors and how they travel: `bodies` as they are sent, and which of them are `damaged`."""

    jobs: list[Job]
    bodies: list[Words]
    damaged: list[bool]
    stalls: Stalls


def round_of(seed: int, number: int, engines: Sequence[Engine], tensors: int = ROUND_TENSORS) -> Round:
    """The round that seed and number make."""
    rng = np.random.default_rng([seed, number])
    jobs = [_job(rng, engines) for _ in range(tensors)]
    damaged = [bool(rng.random() < 1 / 3) for _ in jobs]
    bodies = [_damage(rng, job.body) if bad else job.body for job, bad in zip(jobs, damaged, strict=True)]
    return Round(jobs, bodies, damaged, _STALLS[int(rng.integers(len(_STALLS)))])


def _job(rng: np.random.Generator, engines: Sequence[Engine]) -> Job:
    engine = engines[int(rng.integers(len(engines)))]
    name = str(rng.choice(_CODECS[engine]))
    shape = tuple(rng.integers(1, [9, 20, 10]).tolist())
    weights = (rng.normal(0, 0.2, shape) * (rng.random(shape) < rng.choice([0.1, 0.5, 1]))).astype(np.float32)
    if engine is Engine.FIELDS:
        codec = weight_codec_from_config({"codec": name, "mantissa_bits": int(rng.integers(1, 25))})
        return job_of(StoredWeights("w", codec, codec.encode(weights)), str(rng.choice(["int8", "fp16", "bf16"])))
    bits = int(rng.integers(2, 9))
    quantized = quantize(weights, LinearFormat(bits, "symmetric", [None, 0, 1][int(rng.integers(3))]))
    codec = weight_codec_from_config({"codec": name} | ({"bits": bits} if name == "packed" else {}))
    stored = StoredWeights("w", codec, codec.encode(quantized.values), Scales.of(quantized))
    return job_of(stored, str(rng.choice(["int8", "int16", "raw"])))


def _damage(rng: np.random.Generator, body: Words) -> Words:
    kind = int(rng.integers(3))
    if kind == 0 and body.size > 1:
        return body[: int(rng.integers(1, body.size))]
    if kind == 1:
        return np.append(body, rng.integers(0, 1 << 63, int(rng.integers(1, 5)), np.uint64))
    broken = body.copy()
    broken[int(rng.integers(body.size))] ^= np.uint64(1 << int(rng.integers(64)))
    return broken


def wrong_tensors(sent: Round, made: Decoded) -> list[int]:
    """Numbers of the tensors that fail."""
    if not made.run.finished or made.starts.size != len(sent.jobs) + 1:
        return [min(made.starts.size - 1, len(sent.jobs) - 1)]
    wrong = []
    for number, (job, bad) in enumerate(zip(sent.jobs, sent.damaged, strict=True)):
        came, failed = made.tensor(number), made.faults[number] != Fault.NONE.value
        same = came.size == job.expected.size if bad else np.array_equal(came, job.expected)
        if not same or failed != bad or made.errors[number] != bad:
            wrong.append(number)
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """Fuzz; 1 if a tensor failed."""
    parser = argparse.ArgumentParser(prog="hw.weights.fuzz", description="Random tensors through the datapath.")
    parser.add_argument("--tensors", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=None, help="by default the time")
    names = [engine.name.lower() for engine in Engine]
    parser.add_argument("--engines", nargs="+", choices=names, default=names)
    options = parser.parse_args(arguments)
    seed = time.time_ns() // 1_000_000_000 if options.seed is None else options.seed
    engines = [engine for engine in Engine if engine.name.lower() in options.engines]
    bench, began = WeightBench(), time.monotonic()
    for number in range(-(-options.tensors // ROUND_TENSORS)):
        sent = round_of(seed, number, engines)
        wrong = wrong_tensors(sent, bench.decode(sent.jobs, sent.stalls, sent.bodies, engines))
        if wrong:
            print(f"seed {seed}, round {number}: tensors {wrong} fail; the first: {sent.jobs[wrong[0]].fields}")
            return 1
    print(f"seed {seed}: {options.tensors} tensors right in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
