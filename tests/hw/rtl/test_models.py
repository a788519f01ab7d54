"""Compiled models against golden: every format, every damage, whole tensors, and the bench that would see a fault."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from golden.tile_format import TileFormat
from hw import dense
from hw.axis import Channel
from hw.batch import batch_of_tiles
from hw.bench import Bench
from hw.cli import run_cosim
from hw.cosim import NamedTensor, cosimulate
from hw.damage import KINDS, damage
from hw.fuzz import CONFIGURATIONS, JOB_TILES, job_of, main, read_vector, replay, run_job, write_vector
from hw.harness import Stalls
from hw.transfers import LAST, beats_of, fields_of, from_beats, from_fields

pytestmark = pytest.mark.rtl

_FMT = TileFormat()
_VECTORS = Path(__file__).parents[2] / "vectors" / "rtl"


@pytest.fixture(scope="module")
def bench():
    return Bench(_FMT, 4)


def dense_batch(tiles=6, mode=None):
    values = np.random.default_rng(7).integers(1, 256, tiles * _FMT.tile_symbols).astype(np.uint8)
    modes = None if mode is None else np.full(tiles, mode, np.uint8)
    return batch_of_tiles(_FMT, values, np.arange(tiles + 1) * _FMT.tile_symbols, 0, modes)


def kinds_batch():
    """A tile for each kind of damage, each between two good ones."""
    rng = np.random.default_rng(3)
    kinds = np.array([kind for damaged in range(1, len(KINDS)) for kind in (0, damaged)] + [0], np.uint8)
    counts = rng.choice([1, 5, 64, 300, 2048], kinds.size)
    values = rng.integers(0, 256, int(counts.sum())).astype(np.uint8)
    values[rng.random(values.size) < 0.6] = 9
    modes = rng.integers(0, 4, kinds.size).astype(np.uint8)
    return batch_of_tiles(_FMT, values, np.append(0, np.cumsum(counts)), 9, modes), kinds


@pytest.mark.parametrize("number", range(len(CONFIGURATIONS)))
def test_random_tiles_equal_golden(number):
    job = job_of(11, number, 600)
    assert run_job(job).size == 0


@pytest.mark.parametrize("mode", [None, 0, 1, 2, 3], ids=["best", "raw", "srlc", "zrlc", "zvc"])
def test_dense_tiles_take_a_beat_every_cycle(bench, mode):
    batch = dense_batch(mode=mode)
    beats = batch.values.size // 4
    encoded, decoded = bench.encode(batch), bench.decode(batch)
    assert encoded.wrong_tiles(batch, bench.payload(batch)).size == 0
    assert decoded.wrong_tiles(batch).size == 0
    taken, given = encoded.run.times["s_axis"], decoded.run.times["m_axis"]
    assert (int(taken[-1] - taken[0]) + 1, int(given[-1] - given[0]) + 1) == (beats, beats)


@pytest.mark.parametrize("stalls", [Stalls(), Stalls(300, 300), Stalls(after_valid=True)], ids=["none", "both", "wait"])
def test_damaged_tiles_raise_the_error_and_leave_their_neighbours(bench, stalls):
    batch, kinds = kinds_batch()
    for seed in range(8):
        sent = damage(bench, batch, kinds, seed)
        came = bench.decode(batch, stalls, sent.payload, **sent.entry)
        assert came.run.finished
        assert np.array_equal(came.starts, batch.starts)
        assert came.wrong_tiles(batch, sent.corrupt, sent.unknown).size == 0


def test_bench_sees_a_wrong_symbol_count_flag_word_and_entry(bench):
    batch = dense_batch(3)
    other = batch.values.copy()
    other[2048] ^= 1
    wrong = batch_of_tiles(_FMT, other, batch.starts, 0, batch.modes)
    encoded, decoded = bench.encode(batch), bench.decode(batch)
    assert encoded.wrong_tiles(wrong, bench.payload(wrong)).tolist() == [1]
    assert decoded.wrong_tiles(wrong).tolist() == [1]
    assert decoded.wrong_tiles(batch, corrupt=np.array([False, False, True])).tolist() == [2]
    assert encoded.wrong_tiles(replace(batch, checks=batch.checks ^ 1), bench.payload(batch)).tolist() == [0, 1, 2]
    shorter = replace(batch, starts=batch.starts - (batch.starts == batch.starts[-1]))
    assert decoded.wrong_tiles(shorter).tolist() == [2]


def test_run_that_hangs_ends_unfinished(bench):
    batch = dense_batch(2)
    model = bench.model("encoder")
    beats = beats_of(model.inputs["s_axis"], batch.values, batch.starts)
    orders = fields_of(model.inputs["s_axis_tile"], {"mode": 0, "zero_point": 0, "number": np.arange(1)})
    payload = len(bench.payload(batch))
    run = model.run({"s_axis": beats, "s_axis_tile": orders}, {"m_axis": payload, "m_axis_entry": 2})
    assert not run.finished
    assert run.cycles < 20_000


def test_cosimulation_of_tensors_counts_every_beat():
    rng = np.random.default_rng(5)
    tensors = [
        NamedTensor(f"t{k}", np.where(rng.random(shape) < 0.5, 3, rng.integers(0, 256, shape)).astype(np.uint8), 3)
        for k, shape in enumerate([(40, 20, 12), (3, 8, 8), (1, 1, 1)])
    ]
    results = list(cosimulate(tensors))
    assert [result.name for result in results] == ["t0", "t1", "t2"]
    for result, tensor in zip(results, tensors, strict=True):
        assert result.equal
        assert result.symbols == tensor.symbols.size
        assert result.encode.cycles == result.decode.cycles == result.beats
        assert result.coded_bytes == result.batch.bursts.sum() * 32


@pytest.mark.parametrize("options", [[], ["--prc"]], ids=["best", "prc"])
def test_dense_tensors_pass_at_the_full_rate(options, capsys):
    assert dense.main(options) == 0
    words = next(line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["all"]).split()
    assert words.count("4.000") == 2
    assert words[-1] == "yes"


@pytest.mark.parametrize("fault", ["none", "bits", "cycles"])
def test_cosimulation_table_tells_a_fault(fault, monkeypatch, capsys):
    def faulty(tensors, *arguments):
        for result in cosimulate(tensors, *arguments):
            yield result if fault != "bits" else replace(result, decode=replace(result.decode, equal=False))

    monkeypatch.setattr("hw.cosim.cosimulate", faulty)
    tensors = [NamedTensor("only", np.ones((8, 8, 8), np.uint8), 0)]
    assert run_cosim(tensors, 1, 4, _FMT, lambda _: 3 * (fault == "cycles")) == (fault == "none")
    only = next(line for line in capsys.readouterr().out.splitlines() if "only" in line).split()
    assert only[-2:] == ["NO" if fault == "bits" else "yes", "3" if fault == "cycles" else "0"]


def test_vector_of_a_job_runs_again(tmp_path):
    job = job_of(11, 0, 40)
    write_vector(job, tmp_path / "vector.json")
    again = read_vector(tmp_path / "vector.json")
    assert np.array_equal(again.batch.values, job.batch.values)
    assert np.array_equal(again.batch.words, job.batch.words)
    assert (again.stalls, again.adaptive, again.seed) == (job.stalls, job.adaptive, job.seed)
    assert replay(tmp_path / "vector.json").size == 0


@pytest.mark.parametrize("path", sorted(_VECTORS.glob("*.json")), ids=lambda path: path.stem)
def test_tiles_that_once_failed_pass(path):
    assert replay(path).size == 0


def test_fuzz_writes_a_failing_tile_as_a_vector(tmp_path, monkeypatch, capsys):
    def fails(job):
        bad = np.flatnonzero(job.batch.counts == 7)
        return bad[:1]

    monkeypatch.setattr("hw.fuzz.run_job", fails)
    assert main(["--tiles", "300", "--seed", "5", "--out", str(tmp_path)]) == 1
    (path,) = tmp_path.glob("fuzz-5-*.json")
    assert read_vector(path).batch.counts.tolist() == [7]
    assert str(path) in capsys.readouterr().out


def test_jobs_are_made_of_seed_and_number_alone():
    first, again, other = job_of(3, 4, 50), job_of(3, 4, 50), job_of(4, 4, 50)
    assert np.array_equal(first.batch.words, again.batch.words)
    assert not np.array_equal(first.batch.counts, other.batch.counts)
    assert JOB_TILES > 50


@pytest.mark.parametrize(("word_bits", "lanes"), [(4, 1), (8, 2), (8, 4), (16, 8)])
def test_beats_and_symbols_are_each_other_s_inverse(word_bits, lanes):
    from hw.activations.ports import Beat
    from hw.packet import Packet

    fmt = TileFormat(word_bits=word_bits, tile=(8, 8, 8))
    channel = Channel("i", True, Packet(Beat(fmt, lanes)))
    rng = np.random.default_rng(1)
    starts = np.append(0, np.cumsum(rng.integers(1, 30, 50)))
    values = rng.integers(0, 1 << word_bits, starts[-1]).astype(np.uint16 if word_bits == 16 else np.uint8)
    records = beats_of(channel, values, starts)
    assert len(records) == (-(-np.diff(starts) // lanes)).sum()
    assert (records[:, -1] & np.uint64(LAST) != 0).sum() == 50
    back, ends = from_beats(channel, records)
    assert np.array_equal(back, values)
    assert np.array_equal(ends, starts)


def test_fields_and_descriptors_are_each_other_s_inverse():
    from hw.activations.ports import DecodeOrder

    channel = Channel("i_tile", True, DecodeOrder(_FMT))
    columns = {"count": np.array([1, 2048]), "zero_point": np.array([255, 0]), "number": np.array([0, 32767])}
    back = from_fields(channel, fields_of(channel, columns))
    assert {name: column.tolist() for name, column in back.items()} == {n: c.tolist() for n, c in columns.items()}
    with pytest.raises(ValueError, match=r"fields of s_axis_tile must be \['count', 'zero_point', 'number'\]"):
        fields_of(channel, {"count": [1]})
