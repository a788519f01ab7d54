# amaranth: UnusedElaboratable=no
"""The datapath on Amaranth's simulator: bodies as files hold them, in every form; what is wrong, and where."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.registry import weight_codec_from_config
from golden.weights.container import Scales, StoredWeights
from golden.weights.fusion import BitPlaneFormat, BitPlaneFusion, BlockFusion, Task, weave
from golden.weights.linear import SCHEMES, LinearFormat, quantize
from golden.weights.tensor import EncodedWeights
from hw.weights.datapath import Datapath
from hw.weights.datapath_ports import Engine, Where
from hw.weights.descriptors import Job, fused_job, job_of, plane_job
from hw.weights.ports import Fault
from tests.hw.call import STALLS
from tests.hw.weights.beats import Came
from tests.hw.weights.jobs import good, run_jobs

_PLAIN = (Engine.FIELDS, Engine.PACKED)
_NONE = (Fault.NONE,)


def packed_job(rng: np.random.Generator, shape, form: str, axis=None, scheme="symmetric", bits=8) -> Job:
    quantized = quantize(rng.normal(0, 0.1, shape).astype(np.float32), LinearFormat(bits, scheme, axis))
    codec = weight_codec_from_config({"codec": "packed", "bits": bits})
    return job_of(StoredWeights("w", codec, codec.encode(quantized.values), Scales.of(quantized)), form)


def block_job(rng: np.random.Generator, shape, form: str, width: int = 8) -> Job:
    codec = weight_codec_from_config({"codec": "block-float", "mantissa_bits": width})
    return job_of(StoredWeights("w", codec, codec.encode(rng.normal(0, 0.1, shape).astype(np.float32))), form)


@pytest.mark.parametrize("stall", STALLS)
@settings(max_examples=3)
@given(seed=st.integers(0, 2**32 - 1))
def test_bodies_become_the_weights_that_golden_tells(stall, seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, [6, 7, 9]).tolist())
    axis = [None, 0, 1][rng.integers(3)]
    scheme = SCHEMES[rng.integers(2)]
    jobs = [
        block_job(rng, shape, str(rng.choice(["int8", "fp16", "bf16"])), int(rng.integers(1, 25))),
        packed_job(rng, shape, str(rng.choice(["int8", "int16", "raw"])), axis, bits=int(rng.integers(2, 9))),
        packed_job(rng, shape, str(rng.choice(["fp16", "bf16"])), axis, scheme),
        block_job(rng, (0, 3), "fp16"),
        packed_job(rng, (3, 0), "int8", 0),
        block_job(rng, shape, "int8", int(rng.integers(1, 25))),
    ]
    # Scales are written while the first tensor is decoded; there are not more of them than that takes cycles.
    came, verdicts, _ = run_jobs(Datapath(16, 2, _PLAIN), jobs, stall=stall)
    assert came == [tensor for job in jobs for tensor in good(job)]
    assert verdicts == [_NONE] * len(jobs)


def test_each_task_gets_its_own_weights():
    rng = np.random.default_rng(3)
    a, b = rng.normal(0, 1, (2, 50)).astype(np.float32)
    blocks, planes, fmt = BlockFusion(), BitPlaneFusion(), BitPlaneFormat()
    fused, mixed = blocks.encode(a, b), planes.encode(a, b)
    words = np.frombuffer(np.append(mixed, np.zeros(mixed.size % 2, np.uint32)).tobytes(), "<u8").astype(np.uint64)
    encoded = EncodedWeights(words, 32 * mixed.size, mixed.shape, "float32")
    jobs = [fused_job(weave(fused), blocks.format, task, blocks.decode(fused, task), "fp16") for task in Task]
    jobs += [plane_job(encoded, fmt, task, planes.decode(mixed, task), "bf16") for task in Task]
    came, verdicts, _ = run_jobs(Datapath(16, 2, (Engine.FIELDS,)), jobs)
    assert came == [tensor for job in jobs for tensor in good(job)]
    assert verdicts == [_NONE] * 4


def _told(job: Job, **fields) -> Job:
    return Job(job.fields | fields, job.body, job.scales, job.expected)


@pytest.mark.parametrize(
    "wrong", ["check", "head", "nothing", "cut", "long", "odd", "padded", "range", "order", "engine", "empty"]
)
def test_what_is_wrong_is_told_with_its_place_and_nothing_else_suffers(wrong):
    rng = np.random.default_rng(5)
    job = packed_job(rng, (8, 15), "int8", 0)
    head, bits = int(job.fields["head"]), 64 * job.body.size
    body, kept = job.body.copy(), 120
    match wrong:
        case "check":
            body[0] ^= np.uint64(1 << 40)
            expected = (Fault.CHECK, Where.BODY, bits)
        case "head":
            body, kept, expected = body[:head], 0, (Fault.SHORT, Where.BODY, 64 * head)
        case "nothing":
            body, kept, expected = body[:1], 0, (Fault.SHORT, Where.BODY, 64)
        case "cut":
            # Two words are sixteen weights, the beats of which are whole.
            body, kept, expected = body[: head + 4], 32, (Fault.SHORT, Where.CODE, 256)
        case "long":
            body, expected = np.append(body, np.zeros(3, np.uint64)), (Fault.LONG, Where.CODE, 960)
        case "odd":
            job = _told(job, words=job.body.size + 1)
            expected = (Fault.SHORT, Where.BODY, bits)
        case "padded":
            job = _told(packed_job(rng, (7, 15), "int8", 0))
            body = job.body.copy()
            body[-1] |= np.uint64(1 << 63)
            kept, expected = 105, (Fault.LONG, Where.CODE, 840)
        case "range":
            job = _told(packed_job(rng, (8, 15), "fp16", 0), slices=0)
            body, kept, expected = job.body, 0, (Fault.ORDER, Where.WEIGHT, 0)
        case "order":
            job = _told(job, selection={"width": 9})
            kept, expected = 0, (Fault.ORDER, Where.CODE, 0)
        case "engine":
            job = _told(job, engine=Engine.MLW)
            kept, expected = None, (Fault.ORDER, Where.BODY, 0)
        case "empty":
            job = _told(job, count=0)
            kept, expected = None, _NONE
    other = block_job(rng, 40, "bf16")
    silent = Job(job.fields, job.body, job.scales, job.expected[:0]) if kept is None else job
    came, verdicts, _ = run_jobs(Datapath(16, 2, _PLAIN), [other, silent, other], [other.body, body, other.body])
    assert verdicts == [_NONE, expected, _NONE]
    assert [came[0], came[-1]] == good(other) * 2
    if kept is not None:
        size = job.expected.size // job.count
        octets = job.expected[: size * kept].tolist() + [0] * (job.expected.size - size * kept)
        assert came[1:-1] == [Came(octets, True)]


def test_codebooks_and_weights_that_do_not_fit_are_refused_in_words():
    rng = np.random.default_rng(1)
    codec = weight_codec_from_config({"codec": "packed"})
    stored = StoredWeights("w", codec, codec.encode(np.array([1, 2], np.int8)))
    with pytest.raises(ValueError, match="weights 'w' must have scales to become fp16"):
        job_of(stored, "fp16")
    codec = weight_codec_from_config({"codec": "huffman"})
    stored = StoredWeights("w", codec, codec.encode(np.array([1, 200], np.int16)))
    with pytest.raises(ValueError, match=r"weights must fit int8, not 1\.\.200"):
        job_of(stored, "int8")
    with pytest.raises(ValueError, match="engines must be one or more, each once, not"):
        Datapath(engines=())
    assert packed_job(rng, (2, 3), "int8").count == 6
