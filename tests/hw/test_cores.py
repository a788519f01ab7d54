# amaranth: UnusedElaboratable=no
"""Encoder and decoder on Amaranth's simulator: every bit golden's, whatever the format, the data and the stalls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.crc import TRINOMIAL_15
from golden.tile_format import MODES, TileFormat
from hw.activations.ports import CheckedBeat
from hw.activations.tile_decoder import Decoder
from hw.activations.tile_encoder import Encoder
from hw.packet import Packet
from tests.hw.call import STALLS, call
from tests.hw.tiles import Tile, beats, decode_order, encode_order, entry, words

FORMATS = st.builds(
    TileFormat,
    word_bits=st.sampled_from([4, 8, 16]),
    run_bits=st.integers(1, 8),
    tile=st.just((2, 3, 20)),
    burst_bytes=st.sampled_from([32, 64]),
)


def _tiles(rng: np.random.Generator, fmt: TileFormat, count: int) -> list[Tile]:
    """Tiles from one symbol to full ones, between dense and one long run, in any mode and with any zero point."""
    tiles = []
    for number in range(count):
        zero_point = int(rng.integers(1 << fmt.word_bits))
        length = int(rng.choice([1, int(rng.integers(1, fmt.tile_symbols + 1)), fmt.tile_symbols]))
        zero = rng.random(length) < rng.choice([0, 0.3, 0.9, 1])
        symbols = np.where(zero, zero_point, rng.integers(0, 1 << fmt.word_bits, length))
        if rng.random() < 0.3:
            symbols = np.repeat(symbols[:: int(rng.integers(1, 9))], 9)[:length]
        tiles.append(Tile(tuple(symbols.tolist()), str(rng.choice(fmt.modes)), zero_point, 32765 + number))
    return tiles


def _decoded(made: list[int], fmt: TileFormat, lanes: int, tiles: list[Tile]) -> list[tuple[tuple[int, ...], bool]]:
    """Symbols and error flag of each tile that came out."""
    shape, results, symbols = Packet(CheckedBeat(fmt, lanes)), [], []
    for value in made:
        beat = shape.from_bits(value)
        last = bool(beat.last)
        symbols += [int(symbol) for symbol in beat.data.symbols][: beat.data.tail + 1 if last and lanes > 1 else lanes]
        if last:
            results.append((tuple(symbols), bool(beat.data.error)))
            symbols = []
    assert not symbols
    assert len(results) == len(tiles)
    return results


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
@settings(max_examples=2)
@given(fmt=FORMATS, seed=st.integers(0, 2**32 - 1))
def test_encoder_is_golden(lanes, stall, fmt, seed):
    tiles = _tiles(np.random.default_rng(seed), fmt, 5)
    expected = [word for tile in tiles for word in words(tile.payload(fmt), fmt, lanes)]
    inputs = {
        "i_tile": [encode_order(tile, fmt) for tile in tiles],
        "i": [beat for tile in tiles for beat in beats(tile.symbols, fmt, lanes)],
    }
    made = call(Encoder(fmt, lanes), inputs, {"o": len(expected), "o_entry": len(tiles)}, stall)
    assert made["o"].values == expected
    assert made["o_entry"].values == [tile.entry(fmt) for tile in tiles]


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
@settings(max_examples=2)
@given(fmt=FORMATS, seed=st.integers(0, 2**32 - 1))
def test_decoder_inverts_golden(lanes, stall, fmt, seed):
    tiles = _tiles(np.random.default_rng(seed), fmt, 5)
    made = _decode(fmt, lanes, tiles, [tile.payload(fmt) for tile in tiles], {}, stall)
    assert made == [(tile.symbols, False) for tile in tiles]


def _decode(fmt, lanes, tiles, payloads, entries, stall="none"):
    inputs = {
        "i_tile": [decode_order(tile, fmt) for tile in tiles],
        "i_entry": [entries.get(number, tile.entry(fmt)) for number, tile in enumerate(tiles)],
        "i": [word for payload in payloads for word in words(payload, fmt, lanes)],
    }
    count = sum(-(-len(tile.symbols) // lanes) for tile in tiles)
    return _decoded(call(Decoder(fmt, lanes), inputs, {"o": count}, stall)["o"].values, fmt, lanes, tiles)


def _checked(tile: Tile, fmt: TileFormat, payload: bytes, mode: str | None = None) -> int:
    """An index entry whose CRC and length fit a payload, however wrong it is."""
    check = TRINOMIAL_15.update(TRINOMIAL_15.mask ^ (tile.number & TRINOMIAL_15.mask), payload)
    return entry(MODES.index(mode or tile.mode), len(payload) // fmt.burst_bytes, check)


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("mode", ["raw", "srlc", "zrlc", "zvc"])
@settings(max_examples=3)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_flipped_bit_is_an_error_of_its_tile_only(mode, lanes, seed):
    rng, fmt = np.random.default_rng(seed), TileFormat(tile=(2, 3, 20))
    tiles = [Tile(tile.symbols, mode, tile.zero_point, tile.number) for tile in _tiles(rng, fmt, 3)]
    payloads = [tile.payload(fmt) for tile in tiles]
    broken = bytearray(payloads[1])
    broken[rng.integers(len(broken))] ^= 1 << int(rng.integers(8))
    payloads[1] = bytes(broken)
    made = _decode(fmt, lanes, tiles, payloads, {})
    assert [error for _, error in made] == [False, True, False]
    assert [len(symbols) for symbols, _ in made] == [len(tile.symbols) for tile in tiles]
    assert (made[0][0], made[2][0]) == (tiles[0].symbols, tiles[2].symbols)


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize(
    ("wrong", "mode"),
    [
        ("cut", "raw"),
        ("cut", "zvc"),
        ("long", "raw"),
        ("long", "srlc"),
        ("padded", "zrlc"),
        ("noise", "zvc"),
        ("noise", "srlc"),
        ("noise", "zrlc"),
        ("mode", "raw"),
        ("length", "raw"),
    ],
)
def test_wrong_payloads_and_entries_are_errors_even_with_a_right_crc(wrong, mode, lanes):
    rng, fmt = np.random.default_rng(7), TileFormat(tile=(2, 3, 20))
    dense = tuple(rng.integers(1, 256, 120).tolist())
    tiles = [Tile(dense, mode, 0, number) for number in range(3)]
    payload = bytearray(tiles[1].payload(fmt))
    match wrong:
        case "cut":
            payload = payload[: -fmt.burst_bytes]
        case "long":
            payload += bytes(fmt.burst_bytes)
        case "padded":
            payload[-1] |= 0x80
        case "noise":
            payload = bytearray(rng.integers(0, 256, len(payload)).astype(np.uint8).tobytes()) + b"\xff" * 32
    told = {"mode": entry(7, len(payload) // 32, 0), "length": entry(0, 1, 0)}
    entries = {1: told.get(wrong, _checked(tiles[1], fmt, bytes(payload)))}
    made = _decode(fmt, lanes, tiles, [tiles[0].payload(fmt), bytes(payload), tiles[2].payload(fmt)], entries)
    assert [error for _, error in made] == [False, True, False]
    assert [len(symbols) for symbols, _ in made] == [120] * 3
    assert made[0][0] == made[2][0] == dense


@pytest.mark.parametrize("core", [Encoder, Decoder])
def test_cores_refuse_bad_parameters_in_words(core):
    with pytest.raises(ValueError, match="lanes must be 1, 2, 4 or 8, not 3"):
        core(TileFormat(), 3)
    with pytest.raises(ValueError, match="modes of hardware must be of"):
        core(TileFormat(modes=("raw", "prc")), 4)
    with pytest.raises(TypeError, match="fmt must be a TileFormat, not str"):
        core("tile", 4)
    with pytest.raises(ValueError, match=r"run_bits must be in 1\.\.8, not 0"):
        core(TileFormat(run_bits=0), 4)
    with pytest.raises(ValueError, match="word_bits must be 4, 8 or 16, not 12"):
        core(TileFormat(word_bits=12), 4)
    with pytest.raises(ValueError, match="tile must be at most 64 bursts"):
        core(TileFormat(tile=(16, 16, 32)), 4)
