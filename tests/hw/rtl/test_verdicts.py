# amaranth: UnusedElaboratable=no
"""The compiled datapath, tensor by tensor: bodies in every form, what is wrong and where, orders without sense."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.registry import weight_codec_from_config
from golden.weights.container import Scales, StoredWeights
from golden.weights.fusion import BitPlaneFormat, BitPlaneFusion, BlockFusion, Task, weave
from golden.weights.linear import SCHEMES, LinearFormat, quantize
from golden.weights.tensor import EncodedWeights
from hw.harness import Stalls
from hw.weights.bench import failures
from hw.weights.datapath_ports import Engine, Where
from hw.weights.descriptors import Job, fused_job, job_of, plane_job
from hw.weights.ports import Fault

pytestmark = pytest.mark.rtl

_STALLS = {"none": Stalls(), "both": Stalls(300, 300), "after valid": Stalls(0, 0, True), "slow sink": Stalls(0, 800)}
_FLOATS = ("fp16", "bf16")


@pytest.fixture(scope="module")
def bench(weight_bench):
    return weight_bench


def packed_job(rng: np.random.Generator, shape, form: str, axis=None, scheme="symmetric", bits=8) -> Job:
    quantized = quantize(rng.normal(0, 0.1, shape).astype(np.float32), LinearFormat(bits, scheme, axis))
    codec = weight_codec_from_config({"codec": "packed", "bits": bits})
    return job_of(StoredWeights("w", codec, codec.encode(quantized.values), Scales.of(quantized)), form)


def block_job(rng: np.random.Generator, shape, form: str, width: int = 8) -> Job:
    codec = weight_codec_from_config({"codec": "block-float", "mantissa_bits": width})
    return job_of(StoredWeights("w", codec, codec.encode(rng.normal(0, 0.1, shape).astype(np.float32))), form)


def palette_job(rng: np.random.Generator, shape, form: str, bits: int = 4) -> Job:
    codec = weight_codec_from_config({"codec": "deepcomp", "form": "packed", "bits": bits, "density": 0.8})
    return job_of(StoredWeights("w", codec, codec.encode(rng.normal(0, 0.1, shape).astype(np.float32))), form)


@pytest.mark.parametrize("stall", _STALLS)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_bodies_become_the_weights_that_golden_tells(bench, stall, seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, [6, 7, 9]).tolist())
    axis = [None, 0, 1][rng.integers(3)]
    scheme = SCHEMES[rng.integers(2)]
    jobs = [
        block_job(rng, shape, str(rng.choice(["int8", *_FLOATS])), int(rng.integers(1, 25))),
        packed_job(rng, shape, str(rng.choice(["int8", "int16", "raw"])), axis, bits=int(rng.integers(2, 9))),
        packed_job(rng, shape, str(rng.choice(_FLOATS)), axis, scheme),
        palette_job(rng, shape, str(rng.choice(["raw", *_FLOATS])), int(rng.integers(2, 9))),
        block_job(rng, (0, 3), "fp16"),
        packed_job(rng, (3, 0), "int8", 0),
        block_job(rng, shape, "int8", int(rng.integers(1, 25))),
    ]
    assert failures(jobs, bench.decode(jobs, _STALLS[stall])) == []


def test_unsigned_fields_are_not_extended(bench):
    codec, values = weight_codec_from_config({"codec": "packed"}), np.arange(256).astype(np.uint8)
    job = job_of(StoredWeights("w", codec, codec.encode(values)), "int16")
    assert np.array_equal(bench.decode([job]).octets.view("<u2"), values)


def test_each_task_gets_its_own_weights(bench):
    rng = np.random.default_rng(3)
    a, b = rng.normal(0, 1, (2, 50)).astype(np.float32)
    blocks, planes, fmt = BlockFusion(), BitPlaneFusion(), BitPlaneFormat()
    fused, mixed = blocks.encode(a, b), planes.encode(a, b)
    words = np.frombuffer(np.append(mixed, np.zeros(mixed.size % 2, np.uint32)).tobytes(), "<u8").astype(np.uint64)
    encoded = EncodedWeights(words, 32 * mixed.size, mixed.shape, "float32")
    jobs = [fused_job(weave(fused), blocks.format, task, blocks.decode(fused, task), "fp16") for task in Task]
    jobs += [plane_job(encoded, fmt, task, planes.decode(mixed, task), "bf16") for task in Task]
    assert failures(jobs, bench.decode(jobs)) == []


def _told(job: Job, **fields) -> Job:
    return Job(job.fields | fields, job.body, job.scales, job.expected)


def verdict(made, number: int) -> tuple:
    """Fault, where and position; only the first if there is none."""
    fault = Fault(int(made.faults[number]))
    return (fault,) if fault is Fault.NONE else (fault, Where(int(made.wheres[number])), int(made.positions[number]))


@pytest.mark.parametrize(
    "wrong", ["check", "head", "nothing", "cut", "long", "odd", "padded", "range", "order", "empty", "table", "number"]
)
def test_what_is_wrong_is_told_with_its_place_and_nothing_else_suffers(bench, wrong):
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
        case "empty":
            job = _told(job, count=0)
            kept, expected = None, (Fault.NONE,)
        case "table":
            job = palette_job(rng, (8, 15), "fp16")
            body, kept, expected = job.body.copy(), 0, (Fault.TABLE, Where.CODE, 8)
            body[0] |= np.uint64(0xFF << 31)
        case "number":
            # Of three levels the last one is gone.
            job = palette_job(rng, (8, 15), "fp16", 2)
            body, weights = job.body.copy(), job.expected.view(np.float16)
            body[0] -= np.uint64(1)
            body[1] = 0
            kept = int(np.argmax(weights == weights.max())) & ~15
            expected = (Fault.RANGE, Where.WEIGHT, kept)
    sums = zlib.crc32(body.astype("<u8").tobytes()) if wrong in ("table", "number") else job.fields["check"]
    job = _told(job, check=sums)
    other = block_job(rng, 40, "bf16")
    silent = Job(job.fields, job.body, job.scales, job.expected[:0]) if kept is None else job
    jobs = [other, silent, other]
    made = bench.decode(jobs, bodies=[other.body, body, other.body])
    assert made.run.finished
    assert [verdict(made, number) for number in range(3)] == [(Fault.NONE,), expected, (Fault.NONE,)]
    ends = made.starts.size - 2
    assert [made.tensor(k).tolist() for k in (0, ends)] == [other.expected.tolist()] * 2
    assert made.errors.tolist() == [False] * 2 if kept is None else [False, True, False]
    if kept is not None:
        size = job.expected.size // job.count
        octets = job.expected[: size * kept].tolist() + [0] * (job.expected.size - size * kept)
        assert made.tensor(1).tolist() == octets


def senseless(rng: np.random.Generator) -> Job:
    """An order whose fields are drawn, and a body of any words."""
    engine, form, count = Engine(int(rng.integers(4))), int(rng.integers(8)), int(rng.integers(1, 300))
    body = rng.integers(0, 1 << 64, int(rng.integers(1, 40)), np.uint64) >> np.uint64(rng.choice([0, 40, 60]))
    size = 2 - (form == 0) if engine is Engine.FIELDS else {0: 1, 1: 2, 2: 2, 3: 2}.get(form, 4)
    bits = 64 * body.size
    fields = {
        "engine": engine,
        "form": form,
        "count": count,
        "words": body.size + int(rng.choice([0, 0, 0, -1, 1])) or 1,
        "head": int(rng.choice([0, 1, 2, rng.integers(body.size + 3)])),
        "tables": int(rng.integers(body.size + 3)),
        "second": int(rng.integers(2)),
        "check": zlib.crc32(body.astype("<u8").tobytes()) ^ int(rng.integers(2)),
        "selection": {name: int(rng.integers(32)) for name in ("width", "lead", "sign", "keep")}
        | {"plane": int(rng.integers(2))},
        "pair_form": int(rng.integers(4)),
        "index_bits": int(rng.integers(16)),
        **{name: int(rng.integers(2)) for name in ("codebook", "narrow", "negative")},
        "entry_weights": int(rng.choice([0, 64, 100, rng.integers(1 << 32)])),
        "table_bits": int(rng.integers(bits)),
        "entries": int(rng.choice([0, 0, 1, 2, 600])),
        "bits": int(rng.integers(bits)),
        "slice_weights": int(rng.choice([0, 1, 7, (1 << 32) - 1])),
        "slices": int(rng.choice([0, 1, 5, 3000])),
    }
    return Job(fields, body, np.zeros(0, np.uint64), np.zeros(count * size, np.uint8))


@pytest.mark.parametrize("stall", _STALLS)
def test_orders_without_sense_end_with_as_many_weights_and_one_report(bench, stall):
    for seed in range(15):
        rng = np.random.default_rng(seed)
        good = [block_job(rng, 40, "bf16"), packed_job(rng, 90, "int8"), palette_job(rng, 50, "raw")]
        jobs = [job for _ in range(10) for job in (senseless(rng), good[int(rng.integers(3))])]
        made = bench.decode(jobs, _STALLS[stall])
        assert made.run.finished
        assert np.diff(made.starts).tolist() == [job.expected.size for job in jobs]
        assert made.errors.tolist() == (made.faults != Fault.NONE.value).tolist()
        assert [made.tensor(k).tolist() for k in range(1, 20, 2)] == [job.expected.tolist() for job in jobs[1::2]]
