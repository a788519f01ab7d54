"""Every transfer of the cores is in the cycle that the simulator computes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.tile_format import MODES, TileFormat
from hw.activations.ports import ChooseOrder
from hw.activations.tile_decoder import Decoder
from hw.activations.tile_encoder import Encoder
from hw.adaptive_encoder import AdaptiveEncoder
from sim.timing import SHELL_CYCLES, CodecTiming
from sim.timing_tiles import CodedTiles
from tests.hw.call import call
from tests.hw.tiles import Tile, beats, decode_order, encode_order, words

CORES = [
    (TileFormat(tile=(2, 3, 20)), 4),
    (TileFormat(tile=(2, 3, 20), burst_bytes=64), 8),
    (TileFormat(word_bits=4, run_bits=2, tile=(1, 5, 9), modes=("raw", "zrlc", "srlc")), 2),
    (TileFormat(word_bits=4, run_bits=8, tile=(1, 5, 12)), 8),
    (TileFormat(word_bits=16, run_bits=4, tile=(1, 5, 8)), 1),
    (TileFormat(word_bits=16, tile=(1, 5, 8), modes=("raw", "zvc")), 4),
]


@st.composite
def tiles_of(draw, fmt: TileFormat) -> list[Tile]:
    """Tiles of all lengths, of symbols between dense and one long run."""
    top = (1 << fmt.word_bits) - 1
    lengths = draw(st.lists(st.one_of(st.integers(1, 9), st.integers(1, fmt.tile_symbols)), min_size=1, max_size=7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    tiles = []
    for number, length in enumerate(lengths):
        symbols = rng.integers(0, top + 1, length) * (rng.random(length) < rng.choice([0, 0.1, 0.6, 1]))
        symbols = symbols[np.sort(rng.integers(0, length, length))] if rng.random() < 0.4 else symbols
        tiles.append(Tile(tuple(symbols.tolist()), fmt.modes[rng.integers(len(fmt.modes))], 0, number))
    return tiles


def _coded(tiles: list[Tile], fmt: TileFormat) -> CodedTiles:
    values = np.concatenate([tile.symbols for tile in tiles]).astype(np.uint16 if fmt.word_bits > 8 else np.uint8)
    starts = np.cumsum([0, *(len(tile.symbols) for tile in tiles)])
    shapes = np.array([[len(tile.symbols), 1, 1] for tile in tiles])
    return CodedTiles(values, starts, shapes, np.array([MODES.index(tile.mode) for tile in tiles], np.uint8), 0)


@pytest.mark.parametrize(("fmt", "lanes"), CORES, ids=str)
@settings(max_examples=3)
@given(data=st.data())
def test_encoder_keeps_to_the_cycles_of_the_simulator(fmt, lanes, data):
    tiles = data.draw(tiles_of(fmt))
    sent = [beat for tile in tiles for beat in beats(tile.symbols, fmt, lanes)]
    count = sum(len(words(tile.payload(fmt), fmt, lanes)) for tile in tiles)
    inputs = {"i_tile": [encode_order(tile, fmt) for tile in tiles], "i": sent}
    made = call(Encoder(fmt, lanes), inputs, {"o": count, "o_entry": len(tiles)})
    times = CodecTiming(fmt, lanes).encode(_coded(tiles, fmt))
    assert (times.beats.tolist(), times.words.tolist()) == (made["i"].cycles, made["o"].cycles)


@pytest.mark.parametrize(("fmt", "lanes"), CORES, ids=str)
@settings(max_examples=3)
@given(data=st.data())
def test_adaptive_encoder_keeps_to_the_cycles_of_the_simulator(fmt, lanes, data):
    tiles = data.draw(tiles_of(fmt))
    sent = [beat for tile in tiles for beat in beats(tile.symbols, fmt, lanes)]
    count = sum(len(words(tile.payload(fmt), fmt, lanes)) for tile in tiles)
    shape = ChooseOrder(fmt)
    orders = [{"mode": MODES.index(tile.mode), "zero_point": 0, "number": tile.number, "told": 1} for tile in tiles]
    inputs = {"i_tile": [shape.const(order).as_value().value for order in orders], "i": sent}
    made = call(AdaptiveEncoder(fmt, lanes), inputs, {"o": count, "o_entry": len(tiles)})
    times = CodecTiming(fmt, lanes).encode(_coded(tiles, fmt), adaptive=True)
    assert (times.beats.tolist(), times.words.tolist()) == (made["i"].cycles, made["o"].cycles)


@pytest.mark.parametrize(("fmt", "lanes"), CORES, ids=str)
@settings(max_examples=3)
@given(data=st.data())
def test_decoder_keeps_to_the_cycles_of_the_simulator(fmt, lanes, data):
    tiles = data.draw(tiles_of(fmt))
    payloads = [tile.payload(fmt) for tile in tiles]
    inputs = {
        "i_tile": [decode_order(tile, fmt) for tile in tiles],
        "i_entry": [tile.entry(fmt) for tile in tiles],
        "i": [word for payload in payloads for word in words(payload, fmt, lanes)],
    }
    count = sum(-(-len(tile.symbols) // lanes) for tile in tiles)
    made = call(Decoder(fmt, lanes), inputs, {"o": count})
    bursts = np.array([len(payload) // fmt.burst_bytes for payload in payloads])
    payload = np.frombuffer(b"".join(payloads), np.uint64)
    times = CodecTiming(fmt, lanes).decode(_coded(tiles, fmt), payload, bursts)
    assert (times.beats.tolist(), times.words.tolist()) == (made["o"].cycles, made["i"].cycles)


@pytest.mark.parametrize(
    ("fmt", "lanes"), [(TileFormat(), 4), (TileFormat(), 8), (TileFormat(burst_bytes=64), 1)], ids=str
)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_more_words_than_beats_make_the_encoder_never_wait_and_the_decoder_two_cycles_a_tile(fmt, lanes, seed):
    rng, timing = np.random.default_rng(seed), CodecTiming(fmt, lanes)
    tiles, bursts, payloads = [], [], []
    for number in range(8):
        symbols = rng.integers(1, 256, int(rng.integers(32 * lanes - 3, 64 * lanes))) * (rng.random() < 0.8)
        tile = Tile(tuple(symbols.tolist()), fmt.modes[rng.integers(len(fmt.modes))], 0, number)
        payload = tile.payload(fmt)
        if 8 * len(payload) <= timing.word_bits * -(-len(symbols) // lanes):
            tiles.append(tile)
            payloads.append(payload)
            bursts.append(len(payload) // fmt.burst_bytes)
    if tiles:
        coded = _coded(tiles, fmt)
        assert (np.diff(timing.encode(coded).beats) == 1).all()
        assert (np.diff(timing.encode(coded, adaptive=True).beats) == 1).all()
        out = timing.decode(coded, np.frombuffer(b"".join(payloads), np.uint64), np.array(bursts)).beats
        starts = np.cumsum(coded.beats(lanes))[:-1]
        assert set(np.diff(out)[starts - 1]) <= {1, 2, 3}
        assert (np.delete(np.diff(out), starts - 1) == 1).all()


@pytest.mark.parametrize("mode", ["raw", "zvc", "zrlc"])
@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
def test_dense_tiles_make_no_core_wait(mode, lanes):
    fmt, symbols = TileFormat(), tuple(np.random.default_rng(7).integers(1, 256, 2048).tolist())
    tiles = [Tile(symbols[: 2048 - 100 * number], mode, 0, number) for number in range(6)]
    payloads = [tile.payload(fmt) for tile in tiles]
    coded, bursts = _coded(tiles, fmt), np.array([len(payload) // fmt.burst_bytes for payload in payloads])
    timing = CodecTiming(fmt, lanes)
    out = timing.decode(coded, np.frombuffer(b"".join(payloads), np.uint64), bursts).beats
    for cycles in (timing.encode(coded).beats, timing.encode(coded, adaptive=True).beats, out):
        assert (np.diff(cycles) == 1).all()


def test_cycles_off_are_those_of_the_last_transfers_of_tiles():
    fmt, lanes = CORES[0]
    tiles = [Tile((0,) * 40, "zvc", 0, 0), Tile((1, 2, 3), "raw", 0, 1)]
    payloads = [tile.payload(fmt) for tile in tiles]
    bursts = np.array([len(payload) // fmt.burst_bytes for payload in payloads])
    coded = _coded(tiles, fmt), np.frombuffer(b"".join(payloads), np.uint64), bursts
    timing = CodecTiming(fmt, lanes)
    words_at = timing.encode(coded[0], adaptive=True).words + SHELL_CYCLES
    beats_at = timing.decode(*coded).beats + SHELL_CYCLES
    assert timing.cycles_off(*coded, words_at, beats_at) == 0
    late = words_at + 3 * (np.arange(words_at.size) == words_at.size - 1)
    assert timing.cycles_off(*coded, late, beats_at - 1) == 3 + 2
    with pytest.raises(ValueError, match="measured cycles must be"):
        timing.cycles_off(*coded, words_at[1:], beats_at)


def test_lanes_that_no_core_has_are_refused():
    with pytest.raises(ValueError, match="lanes must be 1, 2, 4 or 8, not 3"):
        CodecTiming(TileFormat(), 3)
