"""The encoder of all modes, prc among them: golden's choice, golden's words, symbols taken in every cycle."""

from dataclasses import replace
from itertools import pairwise

import pytest
from call import call
from hypothesis import given, settings
from hypothesis import strategies as st
from mixed_tiles import ALL, MixedTile, mixed_tiles
from prc_tiles import dense, jumps, zeros

from golden.tile_format import TileFormat
from hw.mixed_encoder import MixedEncoder

# Formats, lanes and stalls.
CASES = [
    (TileFormat(tile=(4, 5, 9), modes=ALL), 4, "random"),
    (TileFormat(tile=(3, 3, 8), modes=ALL, burst_bytes=64), 1, "none"),
    (TileFormat(word_bits=4, tile=(2, 7, 9), modes=("raw", "prc")), 2, "after_valid"),
    (TileFormat(word_bits=16, tile=(2, 4, 6), modes=ALL), 4, "random"),
]


def assert_encodes(fmt, lanes, tiles, stall="none", told=True):
    """Payloads and entries of tiles in their modes, or in the best."""
    expected = tiles if told else [replace(tile, mode=tile.best(fmt)) for tile in tiles]
    words = [word for tile in expected for word in tile.words(fmt, lanes)]
    inputs = {
        "i_tile": [tile.choose_order(fmt, told) for tile in tiles],
        "i": [beat for tile in tiles for beat in tile.beats(fmt, lanes)],
    }
    traces = call(MixedEncoder(fmt, lanes), inputs, {"o": len(words), "o_entry": len(tiles)}, stall)
    assert traces["o_entry"].values == [tile.entry(fmt) for tile in expected]
    assert traces["o"].values == words
    return traces, [tile.mode for tile in expected]


@pytest.mark.parametrize(("fmt", "lanes", "stall"), CASES, ids=str)
@settings(max_examples=3)
@given(data=st.data())
def test_encoder_writes_what_golden_writes(fmt, lanes, stall, data):
    assert_encodes(fmt, lanes, data.draw(mixed_tiles(fmt)), stall, data.draw(st.booleans()))


@pytest.mark.parametrize("lanes", [1, 4])
def test_symbols_in_every_cycle_whatever_the_modes(lanes):
    fmt = TileFormat(tile=(4, 4, 8), modes=ALL)
    drawn = [dense((4, 4, 8), 1), zeros((4, 4, 8)), jumps((4, 4, 8)), jumps((3, 3, 8)), dense((2, 4, 8), 4)]
    tiles = [MixedTile(drawn[n % 5].shape, drawn[n % 5].symbols, 0, "raw", n) for n in range(10)]
    traces, modes = assert_encodes(fmt, lanes, tiles, told=False)
    assert {"raw", "prc"} <= set(modes)
    assert all(late == early + 1 for early, late in pairwise(traces["i"].cycles))
