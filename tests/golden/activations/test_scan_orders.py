"""Scan orders against pictures drawn by hand and against loops that say what they do."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.activations.scan import SCANS, TILE_SCANS, scan_order, tensor_shape, tile_count

shapes = st.lists(st.integers(0, 7), min_size=1, max_size=4).map(tuple)
tiles = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))


def by_loops(shape, scan, tile):
    """(order, symbols per tile, shape per tile), symbol by symbol."""
    n, c, h, w = tensor_shape(shape)
    th, tw, tc = tile if scan in TILE_SCANS else (max(h, 1), max(w, 1), max(c, 1))
    order, sizes, cuts = [], [], []
    for image, y, x, z in product(range(n), range(0, h, th), range(0, w, tw), range(0, c, tc)):
        rows, columns, channels = range(y, min(y + th, h)), range(x, min(x + tw, w)), range(z, min(z + tc, c))
        if scan in ("chw", "tile-planar"):
            members = [(k, i, j) for k, i, j in product(channels, rows, columns)]
        else:
            members = [(k, i, j) for i, j, k in product(rows, columns, channels)]
        order += [((image * c + k) * h + i) * w + j for k, i, j in members]
        sizes.append(len(members))
        cuts.append([len(rows), len(columns), len(channels)])
    return order, sizes, cuts


@pytest.mark.parametrize("scan", SCANS)
@given(shapes, tiles)
def test_every_scan_is_what_the_loops_say_and_visits_each_symbol_once(scan, shape, tile):
    order, cut = scan_order(shape, scan, tile)
    expected, sizes, shapes_of_tiles = by_loops(shape, scan, tile)
    assert order.tolist() == expected
    assert sorted(order.tolist()) == list(range(int(np.prod(shape))))
    assert cut.symbols.tolist() == sizes
    assert cut.shapes.tolist() == shapes_of_tiles
    assert cut.count == (tile_count(shape, tile) if scan in TILE_SCANS else len(sizes))


def test_tile_channel_first_is_figure_3b():
    """Kim et al., figure 3b: the picture is split into tiles, and in a tile the scan goes through the channels first.

    Two channels of 4 x 4; letters name the tile of 2 x 2, capitals are the second channel::

        a0 a1 b0 b1      A0 A1 B0 B1
        a2 a3 b2 b3      A2 A3 B2 B3
        c0 c1 d0 d1      C0 C1 D0 D1
        c2 c3 d2 d3      C2 C3 D2 D3
    """
    front = ["a0", "a1", "b0", "b1", "a2", "a3", "b2", "b3", "c0", "c1", "d0", "d1", "c2", "c3", "d2", "d3"]
    picture = np.array(front + [name.upper() for name in front]).reshape(2, 4, 4)
    order, cut = scan_order((2, 4, 4), "tile-channel-first", (2, 2, 2))
    assert " ".join(picture.reshape(-1)[order]) == (
        "a0 A0 a1 A1 a2 A2 a3 A3 b0 B0 b1 B1 b2 B2 b3 B3 c0 C0 c1 C1 c2 C2 c3 C3 d0 D0 d1 D1 d2 D2 d3 D3"
    )
    assert cut.starts.tolist() == [0, 8, 16, 24, 32]
    order, _ = scan_order((2, 4, 4), "tile-planar", (2, 2, 2))
    assert " ".join(picture.reshape(-1)[order]) == (
        "a0 a1 a2 a3 A0 A1 A2 A3 b0 b1 b2 b3 B0 B1 B2 B3 c0 c1 c2 c3 C0 C1 C2 C3 d0 d1 d2 d3 D0 D1 D2 D3"
    )


def test_channel_blocks_come_before_columns_and_rows():
    """Four channels of 1 x 2 in tiles of one pixel and two channels."""
    order, cut = scan_order((4, 1, 2), "tile-planar", (1, 1, 2))
    assert order.tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
    assert cut.shapes.tolist() == [[1, 1, 2]] * 4


def test_tiles_at_the_edges_are_cut():
    order, cut = scan_order((3, 3, 5), "tile-planar", (2, 4, 2))
    assert cut.shapes[[0, 1, 2, -1]].tolist() == [[2, 4, 2], [2, 4, 1], [2, 1, 2], [1, 1, 1]]
    assert order[-1] == 3 * 3 * 5 - 1


@given(shapes.filter(lambda shape: len(shape) >= 3))
def test_hwc_is_the_transpose_and_chw_the_tensor_itself(shape):
    tensor = np.arange(np.prod(shape)).reshape(shape)
    moved = np.moveaxis(tensor, -3, -1).reshape(-1)
    assert tensor.reshape(-1)[scan_order(shape, "hwc")[0]].tolist() == moved.tolist()
    assert scan_order(shape, "chw")[0].tolist() == list(range(tensor.size))


@pytest.mark.parametrize("scan", SCANS)
def test_images_follow_each_other(scan):
    alone, cut = scan_order((5, 6, 7), scan, (4, 4, 4))
    order, together = scan_order((3, 5, 6, 7), scan, (4, 4, 4))
    assert order.tolist() == [int(place) + k * 210 for k in range(3) for place in alone]
    assert together.symbols.tolist() == cut.symbols.tolist() * 3


def test_shapes_of_fewer_dimensions_are_channels_or_planes():
    assert tensor_shape((7,)) == (1, 7, 1, 1)
    assert tensor_shape((5, 7)) == (1, 1, 5, 7)
    assert tensor_shape((3, 5, 7)) == (1, 3, 5, 7)
    assert tensor_shape((2, 3, 5, 7)) == (2, 3, 5, 7)


def test_shared_order_cannot_be_written():
    order, _ = scan_order((2, 3, 4), "hwc")
    with pytest.raises(ValueError, match="read-only"):
        order[0] = 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((), "chw"), "tensor must have 1 to 4 dimensions, not 0"),
        (((1,) * 5, "chw"), "tensor must have 1 to 4 dimensions, not 5"),
        (((2, -1, 3), "chw"), r"tensor sizes must be 0 or more, not \(2, -1, 3\)"),
        (((2**16, 2**15), "hwc"), r"tensor must have fewer than 2\*\*31 symbols, not shape \(65536, 32768\)"),
        (((0, 2**40, 2**40), "hwc"), r"tensor must have fewer than 2\*\*31 symbols, not shape \(0, .*\)"),
        (((2, 3), "zigzag"), r"scan must be one of \('chw', .*\), not 'zigzag'"),
        (((2, 3), "tile-planar", (1, 0, 1)), r"tile must have positive sizes, not \(1, 0, 1\)"),
    ],
    ids=str,
)
def test_scans_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        scan_order(*arguments)


def test_count_of_tiles_takes_no_memory():
    assert tile_count((3, 224, 224), (8, 8, 32)) == 28 * 28
    assert tile_count((0, 5, 5), (8, 8, 32)) == 0
    assert tile_count((2**30,), (8, 8, 32)) == 2**25
