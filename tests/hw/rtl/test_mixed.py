"""Compiled models of all modes, prc among them: whole tensors and damaged tiles, and the cycles of the simulator."""

import numpy as np
import pytest

from golden.tile_format import MODES, TileFormat
from hw.batch import batch_of_tiles
from hw.bench import Bench
from hw.cosim import NamedTensor, cosimulate
from hw.damage import KINDS, damage
from hw.harness import Stalls
from sim.timing_mixed import MixedTiming
from sim.timing_tiles import CodedTiles

pytestmark = pytest.mark.rtl

_FMT = TileFormat(modes=MODES)


@pytest.fixture(scope="module")
def bench():
    return Bench(_FMT, 4)


def tensors():
    rng = np.random.default_rng(5)
    walk = np.cumsum(rng.integers(-2, 3, (40, 20, 16)), axis=2) + 128
    blobs = np.where(rng.random((64, 7, 7)) < 0.7, 0, walk[:40, :7, :7].repeat(2, axis=0)[:64])
    yield NamedTensor("smooth", walk.clip(0, 255).astype(np.uint8), 128)
    yield NamedTensor("dense", rng.integers(0, 256, (64, 24, 16)).astype(np.uint8), 0)
    yield NamedTensor("zeros", np.zeros((8, 12, 12), np.uint8), 0)
    yield NamedTensor(
        "sparse", (rng.integers(0, 256, (32, 16, 16)) * (rng.random((32, 16, 16)) < 0.03)).astype("u1"), 0
    )
    yield NamedTensor("late layer", blobs.astype(np.uint8), 0)


def test_symbols_pass_in_every_cycle_as_the_simulator_computes():
    timing, modes = MixedTiming(_FMT, 4), set()
    for result in cosimulate(tensors(), _FMT):
        batch = result.batch
        modes |= set(batch.modes.tolist())
        assert result.equal, result.name
        assert result.encode.cycles == result.decode.cycles == result.beats, result.name
        tiles = CodedTiles(batch.values, batch.starts, batch.shapes, batch.modes, batch.zero_point)
        assert (
            timing.cycles_off(tiles, batch.words, batch.bursts, result.encode.beats_out, result.decode.beats_out) == 0
        ), result.name
    assert {0, 4} <= modes


@pytest.mark.parametrize("told", [0, 4], ids=["raw", "prc"])
def test_dense_tiles_take_a_beat_every_cycle_in_any_mode(bench, told):
    values = np.random.default_rng(7).integers(0, 256, 4 * 2048).astype(np.uint8)
    shapes = np.array([_FMT.tile] * 4)
    batch = batch_of_tiles(_FMT, values, np.arange(5) * 2048, 0, np.full(4, told, np.uint8), shapes)
    encoded, decoded = bench.encode(batch), bench.decode(batch)
    assert encoded.wrong_tiles(batch, bench.payload(batch)).size == 0
    assert decoded.wrong_tiles(batch).size == 0
    given = decoded.run.times["m_axis"]
    assert int(given[-1] - given[0]) + 1 == values.size // 4
    # A told prc tile that grows past its symbols takes the encoder as long as what it becomes.
    taken = encoded.run.times["s_axis"]
    assert int(taken[-1] - taken[0]) + 1 <= (values.size if told == 0 else 8 * len(bench.payload(batch))) // 4


@pytest.mark.parametrize("stalls", [Stalls(), Stalls(300, 300)], ids=["none", "both"])
def test_damaged_tiles_raise_the_error_and_leave_their_neighbours(bench, stalls):
    rng = np.random.default_rng(3)
    kinds = np.array([kind for damaged in range(1, len(KINDS)) for kind in (0, damaged)] * 3 + [0], np.uint8)
    shapes = rng.integers(1, np.minimum(_FMT.tile, rng.choice([2, 8, 32], (kinds.size, 1))) + 1)
    starts = np.append(0, np.cumsum(shapes.prod(axis=1)))
    values = (np.cumsum(rng.integers(-2, 3, starts[-1])) & 255).astype(np.uint8)
    values[rng.random(values.size) < 0.3] = 9
    modes = rng.choice(np.array([0, 1, 3, 4, 4, 4], np.uint8), kinds.size)
    batch = batch_of_tiles(_FMT, values, starts, 9, modes, shapes)
    for seed in range(8):
        sent = damage(bench, batch, kinds, seed)
        came = bench.decode(batch, stalls, sent.payload, **sent.entry)
        assert came.run.finished
        assert np.array_equal(came.starts, batch.starts)
        assert came.wrong_tiles(batch, sent.corrupt, sent.unknown).size == 0


def test_every_flipped_bit_of_a_prc_tile_raises_the_error(bench):
    rng = np.random.default_rng(4)
    values = np.cumsum(rng.integers(-3, 4, 8 * 8 * 4)).astype(np.uint8)
    one = batch_of_tiles(_FMT, values, np.array([0, values.size]), 0, np.array([4], np.uint8), np.array([[8, 8, 4]]))
    bits = int(one.bursts[0]) * 256
    copies, shapes = np.tile(values, bits), np.array([[8, 8, 4]] * bits)
    batch = batch_of_tiles(_FMT, copies, np.arange(bits + 1) * values.size, 0, np.full(bits, 4, np.uint8), shapes)
    payload = bench.payload(batch).copy()
    words = payload[:, 0].reshape(bits, -1)
    words[np.arange(bits), np.arange(bits) // 64] ^= np.uint64(1) << (np.arange(bits) % 64).astype(np.uint64)
    payload[:, 0] = words.reshape(-1)
    came = bench.decode(batch, None, payload)
    assert came.errors.all()
    assert np.array_equal(came.starts, batch.starts)
