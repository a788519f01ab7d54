"""The decoder of prc against the golden codec, alone and under stalls, and against its cycle formula."""

from dataclasses import replace
from itertools import pairwise

import pytest
from call import STALLS, call
from hypothesis import given, settings
from hypothesis import strategies as st
from prc_tiles import Planes, burst_words, dense, escaped, jumps, planes, zeros

from golden.activations.prc import PrcFormat
from hw.activations.prc_decoder import PrcDecoder
from hw.activations.prc_ports import PlaneBeat, check_parameters, prc_word_bits
from hw.packet import Packet
from sim.timing_prc import DECODE_LATENCY_CYCLES, decode_cycles

BYTES = PrcFormat()
FULL = (8, 8, 32)


def decode(tiles, streams, fmt=BYTES, tile=FULL, stall="none"):
    """Beats and error of each tile, and the trace of the beats."""
    inputs = {
        "i_tile": [planes.order(fmt, tile) for planes in tiles],
        "i": [value for words in streams for value in burst_words(words, fmt)],
    }
    trace = call(PrcDecoder(fmt, tile), inputs, {"o": sum(len(t.beats()) for t in tiles)}, stall)
    results, beats = [], []
    for value in trace["o"].values:
        beat = Packet(PlaneBeat(fmt, tile)).from_bits(value)
        assert beat.last or not beat.data.error
        beats.append([beat.data.symbols[lane] for lane in range(beat.data.tail + 1)])
        if beat.last:
            results.append((beats, bool(beat.data.error)))
            beats = []
    assert beats == []
    return results, trace


def assert_decodes(tiles, fmt=BYTES, tile=FULL, stall="none"):
    results, trace = decode(tiles, [t.words(fmt) for t in tiles], fmt, tile, stall)
    assert results == [(t.beats(), False) for t in tiles]
    return trace


@st.composite
def batches(draw, tile):
    word_bits = draw(st.sampled_from([8, 8, 4, 16]))
    return PrcFormat(word_bits), draw(st.lists(planes(word_bits, tile), min_size=2, max_size=5))


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("tile", [(4, 5, 9), (3, 1, 5), (1, 2, 13)], ids=str)
@settings(max_examples=4)
@given(data=st.data())
def test_decoder_reads_what_golden_writes(tile, stall, data):
    fmt, tiles = data.draw(batches(tile))
    assert_decodes(tiles, fmt, tile, stall)


@pytest.mark.parametrize("stall", STALLS)
def test_whole_tiles_of_the_extremes(stall):
    shape = (8, 8, 4)
    raw = Planes(shape, dense(shape, 1).symbols, 77)
    assert_decodes([raw, zeros(shape, 9), jumps(shape), zeros((8, 8, 6)), dense((7, 8, 5), 2)], stall=stall)


@st.composite
def damaged(draw, tile):
    """A tile and its words, of which any may be another."""
    planes_drawn = draw(planes(8, tile))
    words = planes_drawn.words(BYTES)
    match draw(st.sampled_from(["nothing", "flip", "cut", "zeros", "more", "noise"])):
        case "flip":
            for _ in range(draw(st.integers(1, 2))):
                words[draw(st.integers(0, len(words) - 1))] ^= 1 << draw(st.integers(0, 63))
        case "cut":
            words = words[: draw(st.integers(1, len(words)))]
        case "zeros":
            words = words + [0] * draw(st.integers(1, 12))
        case "more":
            words = words + draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=12))
        case "noise":
            words = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=12))
    return planes_drawn, words


@pytest.mark.parametrize("stall", STALLS)
@settings(max_examples=5)
@given(cases=st.lists(damaged((3, 2, 9)), min_size=8, max_size=12))
def test_decoder_refuses_what_golden_refuses_and_goes_on(stall, cases):
    results, _ = decode([t for t, _ in cases], [words for _, words in cases], tile=(3, 2, 9), stall=stall)
    for (tile, words), (beats, error) in zip(cases, results, strict=True):
        expected = tile.read(words, BYTES)
        assert error == (expected is None)
        assert error or beats == expected


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 2), (1, 1, 3), (1, 1, 4), (2, 3, 1)], ids=str)
def test_every_flip_is_reported_as_golden_reports_it(shape):
    tile = zeros(shape)
    (stream, *more) = tile.words(BYTES)
    cases = [[stream ^ 1 << bit, *more] for bit in range(64)]
    cases += [[stream, *more[:-1], more[-1] ^ 1 << bit] for bit in range(64) if more]
    results, _ = decode([tile] * len(cases), cases)
    expected = [tile.read(words, BYTES) is None for words in cases]
    assert [error for _, error in results] == expected
    assert sum(expected) > 40


def test_the_tile_behind_one_that_is_too_long_is_read():
    tile, stream = zeros((1, 1, 4)), zeros((1, 1, 4)).words(BYTES)
    cases = [words for extra in range(1, 6) for words in ([*stream, *[0] * extra], stream)]
    results, _ = decode([tile] * len(cases), cases)
    assert [error for _, error in results] == [True, False] * 5


@settings(max_examples=6)
@given(tiles=st.lists(planes(8, (3, 2, 6)) | planes(8, (1, 1, 8)) | planes(8, (3, 3, 3)), min_size=3, max_size=9))
def test_cycles_are_those_of_the_formula(tiles):
    trace = assert_decodes(tiles, tile=(3, 3, 8))
    assert_cycles(tiles, trace)


@pytest.mark.parametrize(
    "tiles",
    [[dense((8, 8, 8), n) for n in range(3)], [jumps((8, 8, 8)), dense((2, 1, 4), 0), dense((2, 1, 4), 1)]],
    ids=["dense", "jumps and small"],
)
def test_four_symbols_in_every_cycle(tiles):
    trace = assert_decodes(tiles)
    assert_cycles(tiles, trace)
    assert all(late == early + 1 for early, late in pairwise(trace["o"].cycles))


def test_a_word_in_every_cycle():
    cases = [escaped(size, size) for size in (40, 3, 2, 2, 5, 40)]
    assert [len(words) for _, words in cases] == [40, 3, 2, 2, 5, 40]
    assert [tile.read(words, BYTES) for tile, words in cases] == [tile.beats() for tile, _ in cases]
    results, trace = decode([tile for tile, _ in cases], [words for _, words in cases], tile=(40, 1, 4))
    assert results == [(tile.beats(), False) for tile, _ in cases]
    cycles = trace["o"].cycles
    assert cycles == list(range(cycles[0], cycles[0] + 92))


def assert_cycles(tiles, trace):
    cycles, at = trace["o"].cycles, 0
    expected = trace["i"].cycles[0] + DECODE_LATENCY_CYCLES
    for tile in tiles:
        beats = len(tile.beats())
        assert cycles[at : at + beats] == list(range(expected, expected + beats))
        expected += decode_cycles(tile.shape, len(tile.words(BYTES)))
        at += beats


def test_parameters_are_checked():
    with pytest.raises(TypeError, match="fmt must be a PrcFormat, not str"):
        check_parameters("prc", FULL)
    with pytest.raises(ValueError, match=r"tile must be three positive sizes, not \(8, 0, 4\)"):
        check_parameters(BYTES, (8, 0, 4))


def test_beats_of_a_word_are_four_units():
    assert [prc_word_bits(replace(BYTES, word_bits=bits)) for bits in (4, 8, 16)] == [64, 64, 128]
