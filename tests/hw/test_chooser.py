"""The chooser: golden's mode for each tile, symbols and orders unchanged, and no cycle lost."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.tile_format import MODES, TileFormat, codec_of
from hw.activations.chooser import Chooser
from hw.activations.ports import ChooseOrder, EncodeOrder
from tests.hw.call import STALLS, call
from tests.hw.tiles import Tile, beats

FORMATS = [
    (TileFormat(word_bits=8, tile=(2, 3, 8)), 4),
    (TileFormat(word_bits=8, run_bits=1, tile=(2, 3, 8)), 8),
    (TileFormat(word_bits=4, run_bits=2, tile=(1, 5, 7)), 2),
    (TileFormat(word_bits=4, run_bits=8, tile=(1, 5, 8)), 8),
    (TileFormat(word_bits=16, tile=(2, 3, 8), modes=("raw", "zvc", "srlc")), 4),
    (TileFormat(word_bits=16, run_bits=4, tile=(1, 5, 8), modes=("raw", "zrlc")), 1),
    (TileFormat(word_bits=8, tile=(1, 5, 8), modes=("zvc", "raw")), 8),
    (TileFormat(tile=(1, 5, 8), modes=("raw",)), 2),
]


@cache
def _core(fmt: TileFormat, lanes: int) -> Chooser:
    return Chooser(fmt, lanes)


def best_mode(tile: Tile, fmt: TileFormat) -> str:
    return min(fmt.modes, key=lambda m: (codec_of(fmt, m).encode(tile.symbols, tile.zero_point).bits, MODES.index(m)))


def _order(tile: Tile, fmt: TileFormat, told: str | None) -> int:
    order = {"mode": MODES.index(told) if told else 0, "zero_point": tile.zero_point, "number": tile.number}
    return ChooseOrder(fmt).const(order | {"told": told is not None}).as_value().value


def _made(tile: Tile, fmt: TileFormat, told: str | None) -> int:
    mode = MODES.index(told or best_mode(tile, fmt))
    return EncodeOrder(fmt).const({"mode": mode, "zero_point": tile.zero_point, "number": tile.number}).as_value().value


def _run(fmt: TileFormat, lanes: int, tiles: list[tuple[Tile, str | None]], stall: str = "none"):
    sent = [beat for tile, _ in tiles for beat in beats(tile.symbols, fmt, lanes)]
    inputs = {"i_tile": [_order(tile, fmt, told) for tile, told in tiles], "i": sent}
    made = call(Chooser(fmt, lanes), inputs, {"o_tile": len(tiles), "o": len(sent)}, stall)
    assert made["o"].values == sent
    assert made["o_tile"].values == [_made(tile, fmt, told) for tile, told in tiles]
    return made


@st.composite
def tiles_of(draw, fmt: TileFormat):
    """Tiles in which runs and zeros are frequent, so that each mode wins now and then."""
    top = (1 << fmt.word_bits) - 1
    zero_point = draw(st.sampled_from([0, 1, top]))
    symbol = st.one_of(st.just(zero_point), st.integers(0, 3), st.integers(0, top))
    symbols: list[int] = []
    goal = draw(st.one_of(st.integers(1, fmt.tile_symbols), st.just(fmt.tile_symbols)))
    longest = draw(st.sampled_from([1, 2, 4, 12, 60]))
    while len(symbols) < goal:
        symbols += [draw(symbol)] * draw(st.integers(1, longest))
    tile = Tile(tuple(symbols[:goal]), zero_point=zero_point, number=draw(st.integers(0, 32767)))
    return tile, draw(st.sampled_from([None, None, None, "raw", "zvc"]))


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize(("fmt", "lanes"), FORMATS, ids=str)
@settings(max_examples=5)
@given(data=st.data())
def test_modes_are_those_of_golden(fmt, lanes, stall, data):
    _run(fmt, lanes, data.draw(st.lists(tiles_of(fmt), min_size=1, max_size=6)), stall)
