"""The decompressor as a processor sees it, under cocotb in Icarus and Verilator: every codec, good and bad bodies."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from simulators import simulate

from golden.registry import weight_codec_from_config
from golden.weights.container import Scales, StoredWeights
from golden.weights.fusion import BlockFusion, Task, weave
from golden.weights.linear import LinearFormat, quantize
from hw.weights.datapath import Engine, Where
from hw.weights.decompressor import Decompressor
from hw.weights.descriptors import Job, fused_job, job_of
from hw.weights.ports import Fault
from hw.weights.registers import MAP, VERSION

pytestmark = pytest.mark.rtl


@dataclass(frozen=True)
class Scenario:
    """Jobs one behind the other; `stall` of 1024 cycles on both streams."""

    name: str
    jobs: list
    stall: int = 0
    version: int = VERSION
    addresses: dict = field(default_factory=lambda: {register.name: register.address for register in MAP.registers})


def told(name: str, job: Job, body=None, verdict=(Fault.NONE, Where.CODE, 0), compare: bool = True) -> dict:
    """A job as JSON; with `compare` what comes out must be golden's, else only as long."""
    return {
        "name": name,
        "words": MAP.words_of(job.fields),
        "scales": job.scales.tolist(),
        "body": (job.body if body is None else body).astype("<u8").tobytes().hex(),
        "expected": job.expected.tobytes().hex(),
        "verdict": [part.value if hasattr(part, "value") else int(part) for part in verdict],
        "compare": compare,
    }


def good_jobs(engines) -> dict[str, Job]:
    rng = np.random.default_rng(7)
    weights = np.where(rng.random((6, 7, 3)) < 0.5, 0, rng.normal(0, 0.1, (6, 7, 3))).astype(np.float32)
    quantized = quantize(weights, LinearFormat(8, "symmetric", 0))
    jobs = {}
    if Engine.FIELDS in engines:
        codec = weight_codec_from_config({"codec": "block-float"})
        jobs["block float"] = job_of(StoredWeights("w", codec, codec.encode(weights)), "bf16")
        fusion = BlockFusion()
        fused = fusion.encode(weights, weights[::-1])
        jobs["fused"] = fused_job(weave(fused), fusion.format, Task.B, fusion.decode(fused, Task.B), "fp16")
    for name in ("huffman", "zero-runs", "relative-index", "mlw"):
        if (Engine.MLW if name == "mlw" else Engine.PAIRS) in engines:
            codec = weight_codec_from_config({"codec": name})
            stored = StoredWeights("w", codec, codec.encode(quantized.values), Scales.of(quantized))
            jobs |= {f"{name} as {form}": job_of(stored, form) for form in ("int8", "fp16")}
    if Engine.PAIRS in engines:
        codec = weight_codec_from_config({"codec": "deepcomp"})
        jobs["deepcomp"] = job_of(StoredWeights("w", codec, codec.encode(weights)), "raw")
    return jobs


@pytest.mark.parametrize(
    ("simulator", "engines"),
    [("icarus", (Engine.FIELDS,)), ("verilator", tuple(Engine))],
    ids=["icarus-fields", "verilator-all"],
)
def test_a_processor_decodes_tensors(simulator, engines, tmp_path):
    jobs = good_jobs(engines)
    plain = [told(name, job) for name, job in jobs.items()]
    bad = []
    for name, job in jobs.items():
        bad += [*bad_of(name, job), told(name, job)]
    scenarios = [Scenario("good", plain), Scenario("stalls", plain, 400), Scenario("bad", bad)]
    core = Decompressor(64, 64, engines)
    simulate(core, "thinwire_decompressor", simulator, scenarios, tmp_path, "tb_weights")


def bad_of(name: str, job: Job) -> list[dict]:
    """Bodies that end before their decoder has a word, or whose checksum is another."""
    wrong = Job(job.fields | {"check": job.fields["check"] ^ 1}, job.body, job.scales, job.expected)
    cases = [told(f"{name}, wrong check", wrong, verdict=(Fault.CHECK, Where.BODY, 64 * job.body.size))]
    if head := int(job.fields["head"]):
        cut = (Fault.SHORT, Where.BODY, 64 * head)
        cases.append(told(f"{name}, head alone", job, job.body[:head], cut, compare=False))
    return cases
