"""Random tensors through the datapath in Verilator: ``python -m hw.weights.fuzz --tensors 10000``.

A *round* is some tensors of random codecs, shapes and contents, one behind the other, made from the seed and the
round's number alone. A third of the bodies are damaged: a flipped bit, words cut off, words too many; the checksum
tells. As many have a flipped bit of the payload and a checksum that fits it: golden then tells whether it is an error,
and else what comes out. A bad tensor must give exactly as many bytes as it was ordered, raise its error, and leave its
neighbours alone. Tensors up to one that fails, as few as still fail, are written as a vector, which `replay` runs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from golden.codec import CorruptStreamError, Words
from golden.registry import weight_codec_from_config
from golden.weights.container import Scales, StoredWeights
from golden.weights.linear import LinearFormat, quantize
from golden.weights.mlw import Mlw
from hw.harness import Stalls
from hw.weights.bench import Decoded, WeightBench
from hw.weights.datapath_ports import Engine
from hw.weights.descriptors import Job, job_of
from hw.weights.intake import BUSES
from hw.weights.ports import Fault

__all__ = [
    "CODECS",
    "ROUND_TENSORS",
    "Round",
    "main",
    "read_vector",
    "replay",
    "round_of",
    "write_vector",
    "wrong_tensors",
]

ROUND_TENSORS = 60

CODECS = {
    Engine.FIELDS: ("block-float",),
    Engine.PACKED: ("packed", "palette"),
    Engine.PAIRS: ("huffman", "zero-runs", "relative-index", "deepcomp"),
    Engine.MLW: ("mlw",),
}
_STALLS = (Stalls(), Stalls(source=300, sink=300), Stalls(source=800), Stalls(sink=800), Stalls(after_valid=True))


@dataclass(frozen=True, eq=False)
class Round:
    """Tensors and how they travel: `bodies` as they are sent, and which of them are `damaged`, that is, errors."""

    jobs: list[Job]
    bodies: list[Words]
    damaged: list[bool]
    stalls: Stalls


def round_of(seed: int, number: int, engines: Sequence[Engine], tensors: int = ROUND_TENSORS) -> Round:
    """The round that seed and number make."""
    rng = np.random.default_rng([seed, number])
    jobs, bodies, damaged = [], [], []
    for _ in range(tensors):
        (stored, form), kind, bad = _tensor(rng, engines), int(rng.integers(3)), False
        if kind == 0 and isinstance(stored.codec, Mlw):
            # Weights of nine bits leave in wider forms, but golden's tensor is int8.
            form = "int8"
        job = job_of(stored, form)
        if kind == 0:
            job, bad = _altered(rng, stored, form, job)
        jobs.append(job)
        bodies.append(_damage(rng, job.body) if kind == 1 else job.body)
        damaged.append(bad or kind == 1)
    return Round(jobs, bodies, damaged, _STALLS[int(rng.integers(len(_STALLS)))])


def _tensor(rng: np.random.Generator, engines: Sequence[Engine]) -> tuple[StoredWeights, str]:
    """A tensor, and the form that its weights leave in."""
    engine = engines[int(rng.integers(len(engines)))]
    name = str(rng.choice(CODECS[engine]))
    # Slices of Ethos-U streams matter to each other: such tensors have more of them.
    shape = tuple(rng.integers(1, [9, 20, int(rng.choice([10, 40])) if engine is Engine.MLW else 10]).tolist())
    weights = (rng.normal(0, 0.2, shape) * (rng.random(shape) < rng.choice([0.02, 0.1, 0.5, 1]))).astype(np.float32)
    config: dict[str, Any] = {"codec": name}
    if name == "palette":
        name = "deepcomp"
        config = {"codec": name, "form": "packed", "density": 1.0, "bits": int(rng.integers(2, 9))}
    if engine is Engine.MLW:
        config["entry_weights"] = int(rng.choice([0, 64, 100]))
    if engine is Engine.PAIRS:
        config |= {"entry_weights": int(rng.choice([0, 64, 100, 8192])), "max_length": int(rng.integers(9, 16))}
    if name == "zero-runs":
        config["run_bits"] = int(rng.integers(1, 9))
    if name == "relative-index":
        config["index_bits"] = int(rng.integers(2, 9))
    if engine is Engine.FIELDS or name == "deepcomp":
        if engine is Engine.FIELDS:
            config["mantissa_bits"] = int(rng.integers(1, 25))
        codec = weight_codec_from_config(config)
        form = str(rng.choice(["fp16", "bf16", "int8" if engine is Engine.FIELDS else "raw"]))
        return StoredWeights("w", codec, codec.encode(weights)), form
    bits = int(rng.integers(2, 9))
    quantized = quantize(weights, LinearFormat(bits, "symmetric", [None, 0, 1][int(rng.integers(3))]))
    codec = weight_codec_from_config(config | ({"bits": bits} if name == "packed" else {}))
    stored = StoredWeights("w", codec, codec.encode(quantized.values), Scales.of(quantized))
    return stored, str(rng.choice(["int8", "int16", "raw"]))


def _altered(rng: np.random.Generator, stored: StoredWeights, form: str, job: Job) -> tuple[Job, bool]:
    """The tensor with a flipped bit in its payload and a checksum that fits; whether golden refuses it."""
    encoded = stored.encoded
    if not encoded.words.size:
        return job, False
    words = encoded.words.copy()
    words[int(rng.integers(words.size))] ^= np.uint64(1 << int(rng.integers(64)))
    try:
        return job_of(replace(stored, encoded=replace(encoded, words=words)), form), False
    except (CorruptStreamError, ValueError):
        body = np.append(job.body[: job.body.size - words.size], words)
        check = zlib.crc32(body.astype("<u8").tobytes())
        return replace(job, body=body, fields=job.fields | {"check": check}), True


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


def _part(sent: Round, first: int, end: int) -> Round:
    return replace(sent, jobs=sent.jobs[first:end], bodies=sent.bodies[first:end], damaged=sent.damaged[first:end])


def _fails(bench: WeightBench, sent: Round) -> list[int]:
    return wrong_tensors(sent, bench.decode(sent.jobs, sent.stalls, sent.bodies))


def _shrink(bench: WeightBench, sent: Round, tensor: int) -> Round:
    """As few tensors up to the failing one as still fail; the whole round if it takes them all."""
    for before in (0, 1, 3, 15):
        part = _part(sent, max(0, tensor - before), tensor + 1)
        if _fails(bench, part):
            return part
    return sent


def write_vector(sent: Round, path: Path) -> None:
    """Write a round as JSON."""
    tensors = [
        {
            "fields": _plain(job.fields),
            "body": body.astype("<u8").tobytes().hex(),
            "scales": job.scales.astype("<u8").tobytes().hex(),
            "expected": job.expected.tobytes().hex(),
            "damaged": bad,
        }
        for job, body, bad in zip(sent.jobs, sent.bodies, sent.damaged, strict=True)
    ]
    vector = {"stalls": asdict(sent.stalls), "tensors": tensors}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(vector) + "\n")


def _plain(value: Any) -> Any:
    """Fields of a descriptor as JSON has them."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return int(value.value if isinstance(value, Enum) else value)


def read_vector(path: Path) -> Round:
    """Read what `write_vector` wrote."""
    vector = json.loads(path.read_text())
    jobs, bodies = [], []
    for tensor in vector["tensors"]:
        words = {
            name: np.frombuffer(bytes.fromhex(tensor[name]), "<u8").astype(np.uint64) for name in ("body", "scales")
        }
        expected = np.frombuffer(bytes.fromhex(tensor["expected"]), np.uint8)
        jobs.append(Job(tensor["fields"], words["body"], words["scales"], expected))
        bodies.append(words["body"])
    damaged = [tensor["damaged"] for tensor in vector["tensors"]]
    return Round(jobs, bodies, damaged, Stalls(**vector["stalls"]))


def replay(path: Path, bench: WeightBench | None = None) -> list[int]:
    """Run a vector; numbers of the tensors that fail."""
    return _fails(bench or WeightBench(), read_vector(path))


def main(arguments: list[str] | None = None) -> int:
    """Fuzz; 1 if a tensor failed, and its vector's path is printed."""
    parser = argparse.ArgumentParser(prog="hw.weights.fuzz", description="Random tensors through the datapath.")
    parser.add_argument("--tensors", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=None, help="by default the time")
    names = [engine.name.lower() for engine in Engine]
    parser.add_argument("--engines", nargs="+", choices=names, default=names, help="decoders that are used")
    parser.add_argument("--bus", type=int, choices=BUSES, default=BUSES[0], help="bits of a transfer of a body")
    parser.add_argument("--out", type=Path, default=Path("build"), help="folder for the vectors of failing tensors")
    options = parser.parse_args(arguments)
    seed = time.time_ns() // 1_000_000_000 if options.seed is None else options.seed
    engines = tuple(engine for engine in Engine if engine.name.lower() in options.engines)
    rounds = -(-options.tensors // ROUND_TENSORS)
    print(f"seed {seed}: {rounds} rounds of {ROUND_TENSORS} tensors", flush=True)
    bench, began = WeightBench(bus_bits=options.bus), time.monotonic()
    for number in range(rounds):
        sent = round_of(seed, number, engines)
        if wrong := _fails(bench, sent):
            path = options.out / f"weights-{seed}-{number}.json"
            write_vector(_shrink(bench, sent, wrong[0]), path)
            print(f"round {number}: tensors {wrong} fail, the first: {sent.jobs[wrong[0]].fields}")
            print(f"vector: {path}")
            return 1
    print(f"{rounds * ROUND_TENSORS} tensors right in {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
