"""The encoder of prc against the golden codec, alone and under stalls, and against its cycle formula."""

from itertools import pairwise

import pytest
from call import STALLS, call
from hypothesis import given, settings
from hypothesis import strategies as st
from prc_tiles import Planes, dense, jumps, planes, transfers, zeros

from golden.activations.prc import PrcFormat
from hw.activations.prc_encoder import PrcEncoder
from hw.activations.prc_ports import prc_word_bits
from sim.timing_prc import encode_cycles, encode_latency_cycles

BYTES = PrcFormat()
FULL = (8, 8, 32)


def assert_encodes(tiles, fmt=BYTES, tile=FULL, stall="none"):
    """All words of all tiles, and none more; lanes without a plane are fed what must not matter."""
    top = 2**fmt.word_bits - 1
    beats = [[*beat, *[top - beat[0]] * (4 - len(beat))] for planes in tiles for beat in planes.beats()]
    inputs = {
        "i_tile": [planes.order(fmt, tile) for planes in tiles],
        "i": [sum(symbol << fmt.word_bits * lane for lane, symbol in enumerate(beat)) for beat in beats],
    }
    expected = [value for planes in tiles for value in transfers(planes.words(fmt), fmt)]
    traces = call(PrcEncoder(fmt, tile), inputs, {"o": len(expected)}, stall)
    assert traces["o"].values == expected
    return traces


@st.composite
def batches(draw, tile):
    word_bits = draw(st.sampled_from([8, 8, 4, 16]))
    return PrcFormat(word_bits), draw(st.lists(planes(word_bits, tile), min_size=2, max_size=5))


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("tile", [(4, 5, 9), (3, 1, 5), (1, 2, 13)], ids=str)
@settings(max_examples=3)
@given(data=st.data())
def test_encoder_writes_what_golden_writes(tile, stall, data):
    fmt, tiles = data.draw(batches(tile))
    assert_encodes(tiles, fmt, tile, stall)


@pytest.mark.parametrize("stall", STALLS)
def test_whole_tiles_of_the_extremes(stall):
    shape = (8, 8, 4)
    raw = Planes(shape, dense(shape, 1).symbols, 77)
    assert_encodes([raw, zeros(shape, 9), jumps(shape), zeros((8, 8, 6)), dense((7, 8, 5), 2)], stall=stall)


@pytest.mark.parametrize("stall", STALLS)
def test_more_small_tiles_than_may_wait(stall):
    tiles = [dense((3, 3, 4), 0), *(dense((1, 1, 1 + n % 4), n) for n in range(40)), zeros((3, 3, 4))]
    assert_encodes(tiles, tile=(3, 3, 4), stall=stall)


@pytest.mark.parametrize("shape", [(8, 8, 8), (3, 3, 4), (2, 1, 4), (1, 2, 2), (2, 2, 7)], ids=str)
def test_four_symbols_in_every_cycle(shape):
    tiles = [dense(shape, 1), jumps(shape), zeros(shape), dense(shape, 2), dense(shape, 3)]
    traces = assert_encodes(tiles)
    assert all(late == early + 1 for early, late in pairwise(traces["i"].cycles))
    assert_cycles(tiles, traces)


def test_tiles_of_one_step_take_as_long_as_their_words():
    tiles = [dense((1, 1, 3 + n % 2), n) for n in range(8)]
    assert [len(tile.words(BYTES)) for tile in tiles] == [2] * 8
    assert_cycles(tiles, assert_encodes(tiles))


def assert_cycles(tiles, traces):
    words = [0, *(at + 1 for at, value in enumerate(traces["o"].values) if value >> prc_word_bits(BYTES))]
    first = [traces["o"].cycles[at] for at in words[:-1]]
    last_symbols = traces["i"].cycles[len(tiles[0].beats()) - 1]
    expected = last_symbols + encode_latency_cycles(tiles[0].shape)
    for tile, cycle in zip(tiles, first, strict=True):
        assert cycle == expected
        expected += encode_cycles(tile.shape, len(tile.words(BYTES)))


@settings(max_examples=5)
@given(tiles=st.lists(planes(8, (3, 2, 9)), min_size=4, max_size=8), data=st.data())
def test_sizes_are_told_and_judged_tiles_sent_or_dropped(tiles, data):
    tile, raw = (3, 2, 9), [8 * len(planes.symbols) for planes in tiles]
    kept = data.draw(st.lists(st.booleans(), min_size=len(tiles), max_size=len(tiles)))
    inputs = {
        "i_tile": [planes.order(BYTES, tile) for planes in tiles],
        "i": [sum(s << 8 * lane for lane, s in enumerate(beat)) for planes in tiles for beat in planes.beats()],
        "i_keep": [int(keep) for keep in kept],
    }
    sent = [planes.words(BYTES) for planes, keep in zip(tiles, kept, strict=True) if keep]
    expected = [value for words in sent for value in transfers(words, BYTES)]
    traces = call(PrcEncoder(BYTES, tile, judged=True), inputs, {"o": len(expected), "o_saved": len(tiles)}, "random")
    assert traces["o"].values == expected
    assert traces["o_saved"].values == [max(0, r - p.bits(BYTES)) for r, p in zip(raw, tiles, strict=True)]
