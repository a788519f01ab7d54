"""What a mapping moves: equal to walking through the loops tile by tile, and its laws."""

from dataclasses import replace
from itertools import product
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.layer_shape import LayerShape, conv
from sim.mapping import LOOPS, ORDERS, Buffer, Mapping, buffer_bits, tiles_of, traffic
from sim.mapping_search import compulsory, default_mapping, evaluate, map_layers, search

BUFFER = Buffer(1 << 20, activation_bits=8, weight_bits=4, partial_bits=24)


@st.composite
def shapes(draw):
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    kernel, stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 3))), draw(st.tuples(*[st.integers(1, 3)] * 2))
    out_height, out_width = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    padding = draw(st.integers(0, kernel[0] - 1)), draw(st.integers(0, kernel[1] - 1))
    height = max(1, (out_height - 1) * stride[0] + kernel[0] - 2 * padding[0])
    width = max(1, (out_width - 1) * stride[1] + kernel[1] - 2 * padding[1])
    return LayerShape(
        "layer",
        groups * draw(st.integers(1, 4)),
        height,
        width,
        groups * draw(st.integers(1, 4)),
        out_height,
        out_width,
        kernel,
        stride,
        padding,
        groups,
        batch=draw(st.integers(1, 2)),
        weighted=draw(st.sampled_from([True, True, False])),
        operands=draw(st.integers(0, 1)),
    )


@st.composite
def mapped(draw):
    shape = draw(shapes())
    limits = (shape.batch, shape.group_filters, shape.group_channels, shape.out_height, shape.out_width)
    return shape, Mapping(*(draw(st.integers(1, limit)) for limit in limits), order=draw(st.sampled_from(ORDERS)))


def pieces(size: int, tile: int) -> list[range]:
    return [range(first, min(first + tile, size)) for first in range(0, size, tile)]


def window(outputs: range, axis: int, shape: LayerShape) -> int:
    """Input rows or columns that outputs read."""
    size = (shape.height, shape.width)[axis]
    kernel, stride, padding = shape.kernel[axis], shape.stride[axis], shape.padding[axis]
    touched = {output * stride - padding + k for output in outputs for k in range(kernel)}
    return len([place for place in touched if 0 <= place < size])


def walk(shape: LayerShape, mapping: Mapping) -> dict[str, int]:
    """Values moved, tile by tile: a tile is fetched unless it is the one that lies there."""
    space = list(
        product(
            pieces(shape.batch, mapping.images),
            pieces(shape.out_height, mapping.rows),
            pieces(shape.out_width, mapping.columns),
        )
    )
    loops = {
        "space": space,
        "filters": pieces(shape.group_filters, mapping.filters),
        "channels": pieces(shape.group_channels, mapping.channels),
    }
    moved = dict.fromkeys(("input", "weight", "partial_read", "partial_write", "output"), 0)
    there: dict[str, tuple[int, ...] | None] = dict.fromkeys(("input", "weight", "output"))
    seen: dict[tuple[int, ...], int] = {}
    sizes: dict[tuple[int, ...], int] = {}

    def leave() -> None:
        if (tile := there["output"]) is not None:
            kind = "output" if seen[tile] == len(loops["channels"]) else "partial_write"
            moved[kind] += sizes[tile]

    for group in range(shape.groups):
        for places in product(*(range(len(loops[loop])) for loop in mapping.order)):
            place = dict(zip(mapping.order, places, strict=True))
            (images, rows, columns), filters, channels = (loops[loop][place[loop]] for loop in LOOPS)
            source = (group, place["space"], place["channels"])
            if there["input"] != source:
                moved["input"] += len(images) * len(channels) * window(rows, 0, shape) * window(columns, 1, shape)
            weights = (group, place["filters"], place["channels"])
            if there["weight"] != weights and shape.weighted:
                moved["weight"] += len(filters) * len(channels) * shape.kernel[0] * shape.kernel[1]
            made = (group, place["space"], place["filters"])
            if there["output"] != made:
                leave()
                sizes[made] = len(images) * len(filters) * len(rows) * len(columns)
                moved["partial_read"] += sizes[made] if made in seen else 0
            seen[made] = seen.get(made, 0) + 1
            there.update(input=source, weight=weights, output=made)
    leave()
    return moved


@given(mapped())
def test_traffic_is_that_of_the_loops(case):
    shape, mapping = case
    found = traffic(shape, tiles_of(shape, mapping), mapping.order, BUFFER)
    slow = walk(shape, mapping)
    assert found.input_bytes == slow["input"]
    assert found.weight_bytes == slow["weight"] / 2
    assert found.output_bytes == slow["output"] == shape.outputs
    assert found.partial_read_bytes == 3 * slow["partial_read"]
    assert found.partial_write_bytes == 3 * slow["partial_write"]
    assert found.operand_bytes == shape.operands * shape.outputs
    assert found.total_bytes == found.read_bytes + found.write_bytes


@given(mapped())
def test_nothing_moves_less_than_is_compulsory(case):
    shape, mapping = case
    found, least = evaluate(shape, mapping, BUFFER).traffic, compulsory(shape, BUFFER)
    for name in vars(least):
        assert getattr(found, name) >= getattr(least, name)
    assert least.input_bytes == shape.touched_inputs
    assert least.weight_bytes == shape.weights / 2


@given(shapes(), st.integers(1, 400), st.integers(0, 400), st.booleans())
def test_more_buffer_never_moves_more(shape, size, more, double):
    least, most = (Buffer(bytes_, double, partial_bits=16) for bytes_ in (size, size + more))
    try:
        small = search(shape, least)
    except ValueError:
        return
    large = search(shape, most)
    assert large.traffic.total_bytes <= small.traffic.total_bytes
    assert small.buffer_bytes <= size
    assert default_mapping(shape, most).traffic.total_bytes >= large.traffic.total_bytes


def exhaustive(shape: LayerShape, buffer: Buffer) -> float:
    """Least bytes over each and every mapping."""
    limits = (shape.batch, shape.group_filters, shape.group_channels, shape.out_height, shape.out_width)
    best = inf
    for sizes in product(*(range(1, limit + 1) for limit in limits)):
        tiles = tiles_of(shape, Mapping(*sizes))
        if buffer_bits(shape, tiles, buffer) <= 8 * buffer.size_bytes:
            best = min(best, *(traffic(shape, tiles, order, buffer).total_bytes for order in ORDERS))
    return best


@pytest.mark.parametrize("size", [20, 60, 150, 340, 2000])
@pytest.mark.parametrize(
    "shape",
    [
        conv("plain", 3, 6, 4, 3),
        conv("wide window", 2, 7, 3, 7),
        conv("strided", 4, 7, 2, 3, 2),
        replace(conv("two images", 3, 4, 3, 1), batch=2, operands=1),
        conv("depthwise", 6, 5, 6, 3, groups=6),
    ],
    ids=lambda shape: shape.name,
)
def test_search_finds_the_least(shape, size):
    buffer = Buffer(size, partial_bits=16)
    least = exhaustive(shape, buffer)
    if least == inf:
        with pytest.raises(ValueError, match=rf"buffer must hold a tile of '{shape.name}', at .* not {size}"):
            search(shape, buffer)
    else:
        assert search(shape, buffer).traffic.total_bytes == least


def test_room_of_a_tile_by_hand():
    shape = conv("layer", 8, 10, 16, 3)
    mapping = Mapping(1, 4, 2, 5, 10)
    double = evaluate(shape, mapping, Buffer(4096))
    # input 2 x 6 x 10, weights 4 x 2 x 9, sums of 4 bytes 4 x 5 x 10; each twice
    assert double.buffer_bytes == 2 * (120 + 72 + 800)
    assert double.tiles == 4 * 4 * 2
    assert evaluate(shape, mapping, Buffer(4096, double=False)).buffer_bytes == 992
    assert evaluate(shape, mapping, Buffer(4096, double=False, weights_apart=True)).buffer_bytes == 920
    # all channels at once: finished outputs of one byte; one space tile: the input lies there once
    whole = evaluate(shape, Mapping(1, 4, 8, 10, 10), Buffer(4096))
    assert whole.buffer_bytes == 800 + 2 * 288 + 2 * 400


def test_groups_fill_the_buffer():
    found = search(conv("depthwise", 96, 8, 96, 3, groups=96), Buffer(4096))
    # 64 + 9 + 64 bytes twice: 14 groups fit, which makes 7 turns of 14
    assert (found.mapping.groups, found.tiles, found.buffer_bytes) == (14, 7, 14 * 274)


def test_layers_of_one_shape_share_a_mapping_and_keep_their_names():
    first, second = map_layers([conv("a", 8, 8, 8, 3), conv("b", 8, 8, 8, 3)], Buffer(1024))
    assert (first.shape.name, second.shape.name) == ("a", "b")
    assert first.mapping == second.mapping


def test_pinned_mappings_are_kept():
    pinned = Mapping(1, 1, 8, 2, 8)
    shapes_ = [conv("a", 8, 8, 8, 3), conv("b", 8, 8, 8, 3)]
    first, second = map_layers(shapes_, Buffer(4096), pinned={"b": pinned})
    assert second.mapping == pinned != first.mapping
    assert second.traffic.total_bytes > first.traffic.total_bytes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mapping(1, 0, 1, 1, 1), "filters of a mapping must be at least 1, not 0"),
        (lambda: Mapping(1, 1, 1, 1, 1, order=("space", "space", "filters")), "order of a mapping must hold space"),
        (lambda: Buffer(0), "size_bytes must be at least 1, not 0"),
        (lambda: Buffer(1, weight_bits=65), "weight_bits must be in 1..64, not 65"),
        (
            lambda: evaluate(conv("a", 8, 8, 8, 3), Mapping(1, 9, 1, 1, 1), BUFFER),
            "filters in the mapping of 'a' must be at most 8, not 9",
        ),
        (
            lambda: evaluate(conv("a", 8, 8, 8, 3), Mapping(1, 8, 8, 8, 8), Buffer(1000)),
            "tiles of 'a' must fit the buffer of 1000 bytes, not take 1600",
        ),
    ],
)
def test_mistakes_are_told(make, message):
    with pytest.raises(ValueError, match=message):
        make()
