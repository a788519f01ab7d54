"""The compiled datapath against golden: random and damaged bodies, cycles, and the checks that would see a fault."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from golden.registry import weight_codec_from_config
from golden.weights.container import Scales, StoredWeights
from golden.weights.linear import LinearFormat, quantize
from hw.weights.bench import failures
from hw.weights.cli import run_weight_cosim
from hw.weights.cosim import cosimulate_weights
from hw.weights.datapath_ports import Engine
from hw.weights.descriptors import job_of
from hw.weights.fuzz import CODECS, main, read_vector, replay, round_of, write_vector, wrong_tensors
from sim.timing_weights import weight_cycles

pytestmark = pytest.mark.rtl

_VECTORS = Path(__file__).parents[2] / "vectors" / "rtl" / "weights"


@pytest.fixture(scope="module")
def bench(weight_bench):
    return weight_bench


def tensor(name: str, shape, axis=None) -> StoredWeights:
    weights = np.random.default_rng(int(np.prod(shape))).normal(0, 0.1, shape).astype(np.float32)
    if name == "palette":
        codec = weight_codec_from_config({"codec": "deepcomp", "form": "packed", "bits": 4, "density": 1.0})
    else:
        codec = weight_codec_from_config({"codec": name})
    if codec.takes != "iu":
        return StoredWeights(f"w{shape}", codec, codec.encode(weights))
    quantized = quantize(weights, LinearFormat(8, "asymmetric", axis))
    return StoredWeights(f"w{shape}", codec, codec.encode(quantized.values), Scales.of(quantized))


@pytest.mark.parametrize("number", range(5))
def test_random_and_damaged_bodies_give_what_they_must(bench, number):
    sent = round_of(3, number, tuple(Engine), 30)
    assert wrong_tensors(sent, bench.decode(sent.jobs, sent.stalls, sent.bodies)) == []


def test_a_wrong_byte_a_missing_error_and_an_odd_one_are_seen(bench):
    sent = round_of(3, 9, tuple(Engine), 8)
    made = bench.decode(sent.jobs, sent.stalls, sent.bodies)
    good, bad = sent.damaged.index(False), sent.damaged.index(True)
    octets = made.octets.copy()
    octets[made.starts[good]] ^= 1
    assert wrong_tensors(sent, replace(made, octets=octets)) == [good]
    for number in (good, bad):
        errors = made.errors.copy()
        errors[number] = ~errors[number]
        assert wrong_tensors(sent, replace(made, errors=errors)) == [number]


def test_vector_of_a_round_runs_again(bench, tmp_path):
    sent = round_of(5, 0, tuple(Engine), 8)
    write_vector(sent, tmp_path / "vector.json")
    again = read_vector(tmp_path / "vector.json")
    assert (again.damaged, again.stalls) == (sent.damaged, sent.stalls)
    for one, other in zip(again.jobs, sent.jobs, strict=True):
        assert np.array_equal(one.expected, other.expected)
    assert replay(tmp_path / "vector.json", bench) == []
    good = sent.damaged.index(False)
    wrong = replace(sent.jobs[good], expected=sent.jobs[good].expected ^ 1)
    sent.jobs[good] = wrong
    write_vector(sent, tmp_path / "vector.json")
    assert replay(tmp_path / "vector.json", bench) == [good]


@pytest.mark.parametrize("path", sorted(_VECTORS.glob("*.json")), ids=lambda path: path.stem)
def test_written_vectors_pass(bench, path):
    assert replay(path, bench) == []


def test_fuzz_writes_a_failing_tensor_as_a_vector(tmp_path, monkeypatch, capsys):
    def fails(_, sent):
        return [k for k, job in enumerate(sent.jobs) if job.count == 36][:1]

    monkeypatch.setattr("hw.weights.fuzz._fails", fails)
    assert main(["--tensors", "600", "--seed", "5", "--engines", "packed", "--out", str(tmp_path)]) == 1
    (path,) = tmp_path.glob("weights-5-*.json")
    assert [job.count for job in read_vector(path).jobs] == [36]
    assert str(path) in capsys.readouterr().out


@pytest.mark.parametrize("name", [name for names in CODECS.values() for name in names])
def test_cycles_are_the_models(bench, name, capsys):
    shapes = [(1,), (5,), (3, 7), (40, 9), (17, 11, 3)]
    tensors = [tensor(name, shape, axis) for shape in shapes for axis in (None, 0)]
    form = "fp16" if name in ("block-float", "palette", "deepcomp") else "int8"
    results = list(cosimulate_weights(tensors, form, bench))
    assert all(result.equal for result in results)
    assert [result.cycles for result in results] == [weight_cycles(stored) for stored in tensors]
    assert run_weight_cosim(name, tensors[:2], 2, form, weight_cycles, bench)
    assert not run_weight_cosim(name, tensors[:2], 2, form, lambda stored: 1 + weight_cycles(stored), bench)
    assert "all" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "form", "rate"), [("palette", "fp16", 16), ("block-float", "fp16", 4)])
def test_rates_of_the_stream_count_neither_start_nor_end(bench, name, form, rate, capsys):
    shapes = [(40, 50), (5,)]
    whole, tiny = cosimulate_weights([tensor(name, shape) for shape in shapes], form, bench)
    assert whole.stream_weights == 2000 - 2 * 16
    assert whole.rate < whole.stream_rate == rate
    assert (tiny.stream_weights, tiny.stream_cycles, tiny.stream_rate) == (0, 0, None)
    run_weight_cosim(name, [tensor(name, shape) for shape in shapes], 2, form, weight_cycles, bench)
    (summed,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["all"]]
    assert summed[5] == f"{rate:.3f}"


def test_a_beat_leaves_in_every_cycle(bench):
    jobs = [job_of(tensor("packed", (4000,))), job_of(tensor("block-float", (4000,)), "bf16")]
    jobs.append(job_of(tensor("palette", (4000,)), "fp16"))
    made = bench.decode(jobs)
    assert failures(jobs, made) == []
    assert made.cycles.tolist() == [4000 // 16 + 1 + 9, 4000 // 4 + 1 + 12, 4000 // 16 + 4 + 17]
