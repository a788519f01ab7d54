"""Every transfer of encoder and decoder of all modes is in the cycle that the simulator computes."""

from dataclasses import replace

import numpy as np
import pytest
from call import call
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mixed_tiles import ALL, MixedTile, mixed_tiles
from prc_tiles import dense, planes

from golden.activations.prc import PrcFormat
from golden.codec import symbol_dtype
from golden.tile_format import MODES, TileFormat
from golden.tile_stream import encode_tensor
from hw.batch import batch_of_tensor, batch_of_tiles
from hw.mixed_decoder import MixedDecoder
from hw.mixed_encoder import MixedEncoder
from sim.timing_asks import asks_of
from sim.timing_mixed import MixedTiming
from sim.timing_tiles import CodedTiles

CORES = [
    (TileFormat(tile=(4, 5, 9), modes=ALL), 4),
    (TileFormat(word_bits=4, tile=(2, 7, 9), burst_bytes=64, modes=("raw", "zvc", "prc")), 2),
    (TileFormat(tile=(1, 1, 9), modes=("raw", "srlc", "prc")), 1),
]


def coded_tiles(fmt, tiles):
    """What the simulator takes: all have one zero point."""
    values = np.concatenate([tile.symbols for tile in tiles]).astype(symbol_dtype(fmt.word_bits))
    starts = np.cumsum([0, *(len(tile.symbols) for tile in tiles)])
    modes = np.array([MODES.index(tile.mode) for tile in tiles], np.uint8)
    return CodedTiles(values, starts, np.array([tile.shape for tile in tiles]), modes, tiles[0].zero_point)


def with_one_zero_point(tiles):
    return [replace(tile, zero_point=tiles[0].zero_point) for tile in tiles]


def assert_encoder_keeps_to_the_cycles(fmt, lanes, tiles, told):
    sent = tiles if told else [replace(tile, mode=tile.best(fmt)) for tile in tiles]
    inputs = {
        "i_tile": [tile.choose_order(fmt, told) for tile in tiles],
        "i": [beat for tile in tiles for beat in tile.beats(fmt, lanes)],
    }
    count = sum(len(tile.words(fmt, lanes)) for tile in sent)
    made = call(MixedEncoder(fmt, lanes), inputs, {"o": count, "o_entry": len(tiles)})
    times = MixedTiming(fmt, lanes).encode(coded_tiles(fmt, sent), told)
    assert (times.beats.tolist(), times.words.tolist()) == (made["i"].cycles, made["o"].cycles)


@pytest.mark.parametrize(("fmt", "lanes"), CORES, ids=str)
@settings(max_examples=2)
@given(data=st.data())
def test_encoder_keeps_to_the_cycles_of_the_simulator(fmt, lanes, data):
    tiles = with_one_zero_point(data.draw(mixed_tiles(fmt, 9)))
    assert_encoder_keeps_to_the_cycles(fmt, lanes, tiles, data.draw(st.booleans()))


@pytest.mark.parametrize(("fmt", "lanes"), CORES, ids=str)
@settings(max_examples=2)
@given(data=st.data())
def test_decoder_keeps_to_the_cycles_of_the_simulator(fmt, lanes, data):
    tiles = with_one_zero_point(data.draw(mixed_tiles(fmt, 9)))
    inputs = {
        "i_tile": [tile.decode_order(fmt) for tile in tiles],
        "i_entry": [tile.entry(fmt) for tile in tiles],
        "i": [word for tile in tiles for word in tile.words(fmt, lanes)],
    }
    made = call(MixedDecoder(fmt, lanes), inputs, {"o": sum(-(-len(tile.symbols) // lanes) for tile in tiles)})
    payloads = [tile.payload(fmt) for tile in tiles]
    bursts = np.array([len(payload) // fmt.burst_bytes for payload in payloads])
    payload = np.frombuffer(b"".join(payloads), np.uint64)
    times = MixedTiming(fmt, lanes).decode(coded_tiles(fmt, tiles), payload, bursts)
    assert (times.beats.tolist(), times.words.tolist()) == (made["o"].cycles, made["i"].cycles)


@settings(max_examples=40)
@given(st.sampled_from([4, 8, 16]).flatmap(lambda bits: st.tuples(st.just(bits), planes(bits, (5, 4, 9)))))
def test_what_lanes_ask_for_makes_goldens_bits(case):
    word_bits, drawn = case
    fmt, values = PrcFormat(word_bits), np.array(drawn.symbols, symbol_dtype(word_bits))
    modes = np.array([MODES.index("prc")], np.uint8)
    tile = CodedTiles(values, np.array([0, values.size]), np.array([drawn.shape]), modes, drawn.zero_point)
    asks = asks_of(tile, fmt)
    assert int(asks.sent[0]) * fmt.unit_bits == drawn.bits(fmt)
    assert asks.asks.size == drawn.shape[0] * drawn.shape[1] * -(-drawn.shape[2] // 4) - 1


@pytest.mark.parametrize("told", [False, True], ids=["best", "told"])
def test_more_small_tiles_than_may_wait(told):
    fmt = TileFormat(tile=(4, 4, 32), modes=ALL)
    shapes = [(4, 4, 32), *((1, 1, 1 + n % 4) for n in range(160)), (4, 4, 32)]
    drawn = [dense(shape, n) for n, shape in enumerate(shapes)]
    tiles = [MixedTile(d.shape, d.symbols, 0, "raw" if n % 2 else "prc", n) for n, d in enumerate(drawn)]
    assert_encoder_keeps_to_the_cycles(fmt, 4, tiles, told)


def beats_lost(batch, lanes):
    """Cycles in which the encoder that finds the modes takes no beat, from the first to the last."""
    tiles = CodedTiles(batch.values, batch.starts, batch.shapes, batch.modes, 0)
    times = MixedTiming(batch.fmt, lanes).encode(tiles)
    return int(times.beats[-1] - times.beats[0]) + 1 - times.beats.size


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize(
    "shape",
    [(40, 57, 57), (36, 25, 25), (36, 65, 9), (1280, 9, 9), (2080, 9, 9), (4, 1, 400), (1280, 1, 1), (16, 3, 50)],
    ids=str,
)
def test_dense_tensors_go_in_without_a_gap(shape, lanes):
    tensor = np.random.default_rng(7).integers(1, 256, shape).astype(np.uint8)
    fmt = TileFormat(modes=MODES)
    assert beats_lost(batch_of_tensor(encode_tensor(tensor, fmt, 0, "packed"), tensor), lanes) == 0


# A tile of fewer symbols than these has more words than beats.
_SHAPES = st.tuples(st.integers(1, 8), st.integers(1, 8), st.sampled_from([4, 8, 12, 20, 32])).filter(
    lambda shape: np.prod(shape) >= 16
)


@example([((8, 8, 32), 2, True), ((2, 2, 12), 40, False)])
@example([((8, 8, 32), 2, True), ((1, 1, 16), 60, True)])
@settings(max_examples=60)
@given(st.lists(st.tuples(_SHAPES | st.just((8, 8, 32)), st.integers(1, 9), st.booleans()), min_size=3, max_size=20))
def test_tiles_of_all_shapes_go_in_without_a_gap(runs):
    shapes = np.array([shape for shape, count, _ in runs for _ in range(count)])
    starts, rng = np.append(0, np.cumsum(shapes.prod(axis=1))), np.random.default_rng(len(shapes))
    dense = np.repeat(np.repeat([dense for *_, dense in runs], [count for _, count, _ in runs]), np.diff(starts))
    values = np.where(dense, rng.integers(1, 256, starts[-1]), 90 + rng.integers(0, 4, starts[-1])).astype(np.uint8)
    assert beats_lost(batch_of_tiles(TileFormat(modes=MODES), values, starts, 0, None, shapes), 4) == 0
