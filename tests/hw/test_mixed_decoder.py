"""The decoder of all modes, prc among them: symbols in the tile stream's order, mode after mode without a gap."""

from itertools import pairwise

import pytest
from call import call
from hypothesis import given, settings
from hypothesis import strategies as st
from mixed_tiles import ALL, MixedTile, mixed_tiles
from prc_tiles import dense, zeros

from golden.tile_format import TileFormat
from hw.activations.ports import CheckedBeat
from hw.mixed_decoder import MixedDecoder
from hw.mixed_ports import check_parameters
from hw.packet import Packet

# Formats, lanes and stalls.
CASES = [
    (TileFormat(tile=(4, 5, 9), modes=ALL), 4, "random"),
    (TileFormat(tile=(3, 3, 8), modes=ALL, burst_bytes=64), 1, "none"),
    (TileFormat(word_bits=4, tile=(2, 7, 9), modes=("raw", "prc")), 2, "after_valid"),
    (TileFormat(word_bits=16, tile=(2, 4, 6), modes=ALL), 4, "random"),
]


def decode(fmt, lanes, tiles, stall="none", payloads=None, entries=None):
    """Symbols and error of each tile, and the trace."""
    words = payloads or [tile.words(fmt, lanes) for tile in tiles]
    inputs = {
        "i_tile": [tile.decode_order(fmt) for tile in tiles],
        "i_entry": entries or [tile.entry(fmt) for tile in tiles],
        "i": [word for payload in words for word in payload],
    }
    count = sum(-(-len(tile.symbols) // lanes) for tile in tiles)
    trace = call(MixedDecoder(fmt, lanes), inputs, {"o": count}, stall)
    results, symbols = [], []
    for value in trace["o"].values:
        beat = Packet(CheckedBeat(fmt, lanes)).from_bits(value)
        kept = beat.data.tail + 1 if beat.last else lanes
        symbols += [beat.data.symbols[lane] for lane in range(kept)]
        if beat.last:
            results.append((tuple(symbols), bool(beat.data.error)))
            symbols = []
    assert not symbols
    return results, trace


@pytest.mark.parametrize(("fmt", "lanes", "stall"), CASES, ids=str)
@settings(max_examples=3)
@given(data=st.data())
def test_decoder_reads_what_golden_writes(fmt, lanes, stall, data):
    tiles = data.draw(mixed_tiles(fmt))
    results, _ = decode(fmt, lanes, tiles, stall)
    assert results == [(tile.symbols, False) for tile in tiles]


@pytest.mark.parametrize("lanes", [1, 4])
def test_symbols_in_every_cycle_whatever_the_modes(lanes):
    fmt = TileFormat(tile=(4, 4, 8), modes=ALL)
    drawn = [dense((4, 4, 8), 1), zeros((4, 4, 8)), dense((4, 4, 4), 2), dense((3, 3, 8), 3), dense((2, 4, 8), 4)]
    modes = ["raw", "prc", "prc", "zvc", "prc", "srlc", "prc", "raw", "zrlc", "prc"]
    tiles = [MixedTile(drawn[n % 5].shape, drawn[n % 5].symbols, 0, mode, n) for n, mode in enumerate(modes)]
    results, trace = decode(fmt, lanes, tiles)
    assert results == [(tile.symbols, False) for tile in tiles]
    assert all(late == early + 1 for early, late in pairwise(trace["o"].cycles))


def test_parameters_are_checked():
    with pytest.raises(TypeError, match="fmt must be a TileFormat, not str"):
        check_parameters("prc", 4)
    with pytest.raises(ValueError, match=r"modes must have prc, not \('raw', 'srlc', 'zrlc', 'zvc'\)"):
        check_parameters(TileFormat(), 4)
    with pytest.raises(ValueError, match="lanes must be 1, 2 or 4 where prc is a mode, not 8"):
        check_parameters(TileFormat(modes=ALL), 8)
    with pytest.raises(ValueError, match="lanes must be 4 where prc is a mode of 16-bit symbols, not 2"):
        check_parameters(TileFormat(word_bits=16, tile=(8, 8, 16), modes=ALL), 2)
