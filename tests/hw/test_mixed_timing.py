"""Every transfer of encoder and decoder of all modes is in the cycle that the simulator computes."""

from dataclasses import replace

import numpy as np
import pytest
from call import call
from hypothesis import given, settings
from hypothesis import strategies as st
from mixed_tiles import ALL, MixedTile, mixed_tiles
from prc_tiles import dense, planes

from golden.activations.prc import PrcFormat
from golden.codec import symbol_dtype
from golden.tile_format import MODES, TileFormat
from hw.mixed_decoder import MixedDecoder
from hw.mixed_encoder import MixedEncoder
from sim.timing_asks import asks_of
from sim.timing_mixed import MixedTiming

CORES = [
    (TileFormat(tile=(4, 5, 9), modes=ALL), 4),
    (TileFormat(word_bits=4, tile=(2, 7, 9), burst_bytes=64, modes=("raw", "zvc", "prc")), 2),
    (TileFormat(tile=(1, 1, 9), modes=("raw", "srlc", "prc")), 1),
]


def tiles_as_arrays(fmt, tiles):
    """What the simulator takes; a batch has one zero point."""
    values = np.concatenate([tile.symbols for tile in tiles]).astype(symbol_dtype(fmt.word_bits))
    starts = np.cumsum([0, *(len(tile.symbols) for tile in tiles)])
    modes = np.array([MODES.index(tile.mode) for tile in tiles], np.uint8)
    return values, starts, np.array([tile.shape for tile in tiles]), modes, tiles[0].zero_point


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
    times = MixedTiming(fmt, lanes).encode(*tiles_as_arrays(fmt, sent), told)
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
    times = MixedTiming(fmt, lanes).decode(*tiles_as_arrays(fmt, tiles), payload, bursts)
    assert (times.beats.tolist(), times.words.tolist()) == (made["o"].cycles, made["i"].cycles)


@settings(max_examples=40)
@given(st.sampled_from([4, 8, 16]).flatmap(lambda bits: st.tuples(st.just(bits), planes(bits, (5, 4, 9)))))
def test_what_lanes_ask_for_makes_goldens_bits(case):
    word_bits, drawn = case
    fmt, values = PrcFormat(word_bits), np.array(drawn.symbols, symbol_dtype(word_bits))
    asks = asks_of(values, np.array([0, values.size]), np.array([drawn.shape]), drawn.zero_point, fmt)
    assert int(asks.sent[0]) * fmt.unit_bits == drawn.bits(fmt)
    assert asks.asks.size == drawn.shape[0] * drawn.shape[1] * -(-drawn.shape[2] // 4) - 1


@pytest.mark.parametrize("told", [False, True], ids=["best", "told"])
def test_more_small_tiles_than_may_wait(told):
    fmt = TileFormat(tile=(3, 3, 4), modes=ALL)
    shapes = [(3, 3, 4), *((1, 1 + n % 2, 1 + n % 4) for n in range(70)), (3, 3, 4)]
    drawn = [dense(shape, n) for n, shape in enumerate(shapes)]
    tiles = [MixedTile(d.shape, d.symbols, 0, "prc" if n % 3 else "raw", n) for n, d in enumerate(drawn)]
    assert_encoder_keeps_to_the_cycles(fmt, 4, tiles, told)
