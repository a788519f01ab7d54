# amaranth: UnusedElaboratable=no
"""The chooser: golden's mode for each tile, symbols and orders unchanged, and no cycle lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.tile_format import MODES, TileFormat, codec_of
from hw.activations.chooser import Chooser, ring_beats, waiting_tiles
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


def _best_mode(tile: Tile, fmt: TileFormat) -> str:
    return min(fmt.modes, key=lambda m: (codec_of(fmt, m).encode(tile.symbols, tile.zero_point).bits, MODES.index(m)))


def _order(tile: Tile, fmt: TileFormat, told: str | None) -> int:
    order = {"mode": MODES.index(told) if told else 0, "zero_point": tile.zero_point, "number": tile.number}
    return ChooseOrder(fmt).const(order | {"told": told is not None}).as_value().value


def _made(tile: Tile, fmt: TileFormat, told: str | None) -> int:
    mode = MODES.index(told or _best_mode(tile, fmt))
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


def _cycles(counts: list[int], fmt: TileFormat, lanes: int) -> tuple[list[int], list[int]]:
    """The docstring's rule: beats in without a gap; a tile leaves 4 cycles after its end or behind the one before."""
    came = list(range(sum(counts)))
    left: list[int] = []
    for at, count in enumerate(counts):
        first = max(sum(counts[: at + 1]) - 1 + 4, left[-1] + 1 if left else 0)
        left += range(first, first + count)
    return came, left


@pytest.mark.parametrize(
    "counts",
    [[12], [1] * 20, [12, 1, 12, 1, 1, 12], [1, 12, 12, 1, 1, 1, 1, 12, 12], [12, *[1] * 13, 12, 3, 12]],
    ids=str,
)
def test_no_cycle_is_lost_whatever_the_lengths(counts):
    fmt, lanes = FORMATS[0]
    tiles = [(Tile((number,) * (count * lanes), number=number), None) for number, count in enumerate(counts)]
    made = _run(fmt, lanes, tiles)
    assert (made["i"].cycles, made["o"].cycles) == _cycles(counts, fmt, lanes)


def test_more_tiles_than_the_queue_holds_wait():
    fmt = TileFormat(tile=(2, 8, 16))
    waiting = waiting_tiles(waits=False)
    counts = [256, *[1] * (waiting + 40)]
    made = _run(fmt, 1, [(Tile((1,) * count, number=count), None) for count in counts])
    # All that come while the first tile leaves are held, then one comes for each that leaves.
    begins = made["o"].cycles[0]
    assert made["o"].cycles == list(range(begins, begins + sum(counts)))
    assert sum(cycle < begins + 255 for cycle in made["i"].cycles) == 256 + waiting


@pytest.mark.parametrize(
    ("fmt", "lanes", "error", "rule"),
    [
        (TileFormat(), 3, ValueError, "lanes must be 1, 2, 4 or 8, not 3"),
        (TileFormat(modes=("raw", "prc")), 4, ValueError, "modes of hardware must be of"),
        ("tile", 4, TypeError, "fmt must be a TileFormat, not str"),
    ],
    ids=str,
)
def test_what_cannot_be_built_is_refused(fmt, lanes, error, rule):
    with pytest.raises(error, match=rule):
        Chooser(fmt, lanes)


def test_ring_has_room_for_little_more_than_a_tile():
    assert ring_beats(TileFormat(), 4) == 520
