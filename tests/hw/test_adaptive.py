"""The adaptive encoder: payload and entry are golden's, in the mode that golden finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.tile_format import MODES, TileFormat, codec_of
from hw.activations.ports import ChooseOrder
from hw.adaptive_encoder import AdaptiveEncoder
from tests.hw.call import STALLS, call
from tests.hw.tiles import Tile, beats, words

CORES = [
    (TileFormat(tile=(2, 3, 20)), 4),
    (TileFormat(word_bits=4, run_bits=2, tile=(1, 5, 9)), 2),
    (TileFormat(word_bits=16, tile=(1, 5, 8)), 1),
]


def _tile(rng: np.random.Generator, fmt: TileFormat, number: int) -> Tile:
    """A tile between dense and one long run, in its best mode."""
    length = int(rng.integers(1, fmt.tile_symbols + 1))
    symbols = rng.integers(0, 1 << fmt.word_bits, length) * (rng.random(length) < rng.choice([0, 0.1, 0.6, 1]))
    symbols = tuple(symbols[np.sort(rng.integers(0, length, length))] if rng.random() < 0.4 else symbols)
    best = min(sorted(fmt.modes, key=MODES.index), key=lambda mode: codec_of(fmt, mode).encode(symbols, 0).bits)
    return Tile(tuple(map(int, symbols)), best, 0, number)


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize(("fmt", "lanes"), CORES, ids=str)
@settings(max_examples=2)
@given(seed=st.integers(0, 2**32 - 1))
def test_payload_and_entries_are_those_of_golden(fmt, lanes, stall, seed):
    rng = np.random.default_rng(seed)
    tiles = [_tile(rng, fmt, 32760 + number) for number in range(6)]
    shape = ChooseOrder(fmt)
    orders = [shape.const({"number": tile.number, "told": 0}).as_value().value for tile in tiles]
    sent = [beat for tile in tiles for beat in beats(tile.symbols, fmt, lanes)]
    expected = [word for tile in tiles for word in words(tile.payload(fmt), fmt, lanes)]
    counts = {"o": len(expected), "o_entry": len(tiles)}
    made = call(AdaptiveEncoder(fmt, lanes), {"i_tile": orders, "i": sent}, counts, stall)
    assert made["o"].values == expected
    assert made["o_entry"].values == [tile.entry(fmt) for tile in tiles]
