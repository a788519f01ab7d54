"""External traffic: a plan against a walk by hand, and what must hold for any mapping."""

import itertools
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.activations.scan import scan_order
from golden.tile_stream import tensor_sizes
from sim.aligned_mapping import align
from sim.config import RunConfig
from sim.external import KINDS, TensorBytes, allocate, transactions
from sim.layer_shape import LayerShape, conv
from sim.mapping import ORDERS, Buffer, Mapping
from sim.mapping_search import compulsory, evaluate, search
from sim.network import Layer, Network, Tensor
from sim.tile_plan import plan_layer

TILE = (8, 8, 32)


def network_of(shape: LayerShape) -> Network:
    """One layer between an input `i` and an output `o`."""
    layer = Layer(
        "l", "conv", ("i",), "o", shape.weights, 0, shape.macs, ("l",), shape.kernel, shape.stride, shape.groups
    )
    source = Tensor("i", (shape.channels, shape.height, shape.width), "relu", None, ("l",))
    made = Tensor("o", (shape.filters, shape.out_height, shape.out_width), "relu", "l", ())
    return Network("one", (layer,), {"i": source, "o": made}, ("i",), ("o",), None)


def plan_of(shape: LayerShape, mapping: Mapping):
    network = network_of(shape)
    return plan_layer(network, network.layers[0], shape, mapping, TILE)


def tensor_bytes(shape: tuple[int, ...], codec: str, dense: bool = True) -> TensorBytes:
    """A tensor of random bytes, or one of zeros."""
    fmt = RunConfig(codec, tile=TILE).format_of(codec)
    values = np.random.default_rng(7).integers(0, 256, shape, np.uint8) * np.uint8(dense)
    sizes = tensor_sizes(values, fmt, 0, "raw" if codec == "raw" else None)
    counts = np.asarray(scan_order(shape, fmt.scan, fmt.tile)[1].symbols, np.int64)
    return TensorBytes(sizes.bursts * 32, counts, 2048, codec != "raw")


def moved_by(plan, codec: str = "raw", dense: bool = True, **options):
    shapes = {"i": plan.shape.channels, "o": plan.shape.filters}
    sizes = {
        "i": (shapes["i"], plan.shape.height, plan.shape.width),
        "o": (shapes["o"], plan.shape.out_height, plan.shape.out_width),
    }
    tensors = {name: tensor_bytes(size, codec, dense) for name, size in sizes.items()}
    window = prod(plan.shape.kernel)
    counts = [(t.end_filter - t.first_filter) * (t.end_channel - t.first_channel) * window for t in plan.weight_tiles]
    return transactions((plan,), tensors, (-(-np.array(counts) // 32) * 32,), **options)[0]


@st.composite
def mapped(draw, full=False):
    """A convolution and any mapping of it; `full`: tensors of whole codec tiles."""
    step, unit = (8, 32) if full else (1, 1)
    kernel, groups = draw(st.sampled_from([1, 3, 5])), draw(st.sampled_from([1, 1, 2, 3]))
    channels = unit * groups * draw(st.integers(1, 3 if full else 50))
    filters = unit * groups * draw(st.integers(1, 3 if full else 50))
    stride = 1 if full else draw(st.integers(1, 3))
    size = step * draw(st.integers(1, 3)) if full else draw(st.integers(5, 26))
    shape = conv("l", channels, size, filters, kernel, stride, groups=groups)
    mapping = Mapping(
        1,
        draw(st.integers(max(1, shape.group_filters // 3), shape.group_filters)),
        draw(st.integers(max(1, shape.group_channels // 3), shape.group_channels)),
        draw(st.integers(max(1, shape.out_height // 4), shape.out_height)),
        draw(st.integers(max(1, shape.out_width // 3), shape.out_width)),
        draw(st.integers(1, groups)),
        draw(st.sampled_from(ORDERS)),
    )
    return shape, mapping


def walk(shape: LayerShape, mapping: Mapping) -> list[set[tuple[int, int, int]]]:
    """Codec tiles (block, row, column) of the input that each step needs, pixel by pixel."""
    sizes = {"filters": shape.group_filters, "channels": shape.group_channels, "groups": shape.groups}
    sizes |= {"rows": shape.out_height, "columns": shape.out_width}
    loops = ["groups"]
    for loop in mapping.order:
        loops += ["rows", "columns"] if loop == "space" else [loop]
    starts = [range(0, sizes[name], getattr(mapping, name)) for name in loops]
    found = []
    for place in itertools.product(*starts):
        at = dict(zip(loops, place, strict=True))
        end = {name: min(at[name] + getattr(mapping, name), sizes[name]) for name in loops}
        low = at["groups"] * shape.group_channels + at["channels"]
        high = (end["groups"] - 1) * shape.group_channels + end["channels"]
        axes = []
        for axis, name, size in ((0, "rows", shape.height), (1, "columns", shape.width)):
            window, stride, padding = shape.kernel[axis], shape.stride[axis], shape.padding[axis]
            span = range(at[name] * stride - padding, (end[name] - 1) * stride - padding + window)
            axes.append({min(max(pixel, 0), size - 1) // 8 for pixel in span})
        blocks = {channel // 32 for channel in range(low, high)}
        found.append(set(itertools.product(blocks, *axes)))
    return found


@given(mapped())
@settings(max_examples=60)
def test_a_plan_fetches_what_a_walk_through_the_pixels_needs(case):
    shape, mapping = case
    plan = plan_of(shape, mapping)
    needs = walk(shape, mapping)
    fetched = [len(now - before) for before, now in zip([set(), *needs], needs, strict=False)]
    assert np.bincount(plan.reads[0].steps, minlength=plan.steps).tolist() == fetched
    assert int((~plan.reads[0].again).sum()) == len(set().union(*needs))
    assert sorted(plan.writes.tiles.tolist()) == list(
        range(len(scan_order((shape.filters, shape.out_height, shape.out_width), "tile-planar", TILE)[1].symbols))
    )
    assert plan.operations.sum() == pytest.approx(shape.macs)


@given(mapped(), st.sampled_from(["slotted", "packed"]), st.sampled_from(["raw", "zvc"]))
@settings(max_examples=60)
def test_sums_are_totals_and_no_mapping_moves_less_than_it_must(case, layout, codec):
    shape, mapping = case
    moved = moved_by(plan_of(shape, mapping), codec, layout=layout)
    assert sum(moved.by_kind().values()) == moved.total_bytes
    assert moved.per_step(False).sum() + moved.per_step(True).sum() == moved.total_bytes
    streams = moved.streams()
    assert streams.read_bytes + streams.write_bytes == moved.total_bytes
    assert len(streams) <= len(moved.step)
    assert moved.total_bytes >= compulsory(shape, Buffer(1)).total_bytes
    assert (moved.address % 32 == 0).all()


@given(mapped(full=True), st.sampled_from(["zvc", "zrlc", "srlc", "best"]))
@settings(max_examples=40)
def test_a_codec_never_moves_half_a_percent_more_than_raw(case, codec):
    plan = plan_of(*case)
    raw, coded = moved_by(plan), moved_by(plan, codec)
    # The last group of an index may have room for tiles that are not there: one group for each tensor.
    assert coded.total_bytes <= 1.005 * raw.total_bytes + 2 * 32
    assert moved_by(plan, codec, dense=False).total_bytes < raw.total_bytes


def test_bytes_of_a_layer_with_halos_by_hand():
    # 64 x 24 x 24, 3 x 3, strips of 8 rows and 12 columns: 2 channel blocks, 3 x 3 codec tiles of 2048 bytes in each.
    # Columns 0..12 and 11..23 of a strip touch codec columns {0, 1} and {1, 2}; strips' rows 0..8, 7..16, 15..23
    # touch codec rows {0, 1}, {0, 1, 2}, {1, 2}. Steps: (2x2), +1 column 2; then the left half again ...
    shape = conv("l", 64, 24, 32, 3)
    plan = plan_of(shape, Mapping(1, 32, 64, 8, 12, order=("space", "filters", "channels")))
    fetched = np.bincount(plan.reads[0].steps, minlength=6) // 2
    # Strip 1 left: 3 x 2 less the two of column 1 that strip 0 held to its right; strip 2 left: 2 x 2 less two.
    assert fetched.tolist() == [4, 2, 4, 3, 2, 2]
    kinds = moved_by(plan).by_kind()
    assert kinds == {
        "input": 18 * 2048,
        "refetch": (2 * sum([4, 2, 4, 3, 2, 2]) - 18) * 2048,
        "weight": 64 * 32 * 9,
        "index": 0,
        "output": 9 * 2048,
        "partial": 0,
    }
    coded = moved_by(plan, "zvc").by_kind()
    assert coded["index"] == (3 + 2) * 32
    # Without an index cache each step reads the groups of its tiles anew.
    assert moved_by(plan, "zvc", index_cache_groups=0).by_kind()["index"] > coded["index"]


def test_partial_sums_travel_where_channels_are_outside():
    shape = conv("l", 64, 16, 32)
    plan = plan_of(shape, Mapping(1, 32, 32, 8, 16, order=("channels", "space", "filters")))
    assert moved_by(plan).by_kind()["partial"] == 2 * 32 * 16 * 16 * 4
    inside = plan_of(shape, Mapping(1, 32, 32, 8, 16))
    assert moved_by(inside).by_kind()["partial"] == 0


def test_regions_do_not_overlap():
    plan = plan_of(conv("l", 64, 24, 32, 3), Mapping(1, 32, 64, 8, 24))
    tensors = {"i": tensor_bytes((64, 24, 24), "zvc"), "o": tensor_bytes((32, 24, 24), "zvc")}
    places = allocate((plan,), tensors, (np.array([18432]),), "packed")
    starts = [*places.tiles.values(), *places.index.values(), *places.weights]
    assert len(set(starts)) == 5
    assert all(start % 4096 == 0 for start in starts)
    assert places.size_bytes >= (18 + 9) * 2048 + 18432


@pytest.mark.parametrize(
    "shape",
    [
        conv("a", 32, 112, 32, 3, groups=32),
        conv("b", 144, 56, 24),
        conv("c", 512, 14, 512, 3),
        conv("d", 3, 224, 32, 3, 2),
    ],
    ids=lambda shape: shape.name,
)
def test_an_aligned_mapping_fits_and_moves_no_more_in_whole_tiles(shape):
    buffer = Buffer(256 * 1024)
    mapping = align(shape, buffer, TILE)
    assert evaluate(shape, mapping, buffer).buffer_bytes <= buffer.size_bytes
    kinds = moved_by(plan_of(shape, mapping)).by_kind()
    assert tuple(kinds) == KINDS
    assert kinds["partial"] == 0
    assert kinds["refetch"] == 0
    assert sum(kinds.values()) <= moved_by(plan_of(shape, search(shape, buffer).mapping)).total_bytes
