"""Mappings of well-known networks: bytes beside published ones, and speed.

ZigZag's figures (int8, 2 MB buffer) count, layer by layer and in units of 10^6 bytes, the input pixels that windows
touch, weights and outputs, each once; additions and pooling are not counted. MobileNetV2's 16.77 MB is without the
image, which is counted in the others' first layers.
"""

from time import process_time

import pytest
from known_shapes import alexnet, mobilenet_v2, resnet18

from sim.mapping import Buffer
from sim.mapping_search import compulsory, map_layers

ZIGZAG_MB = {"alexnet": (0.46, 0.55, 0.98, 0.77, 0.53), "resnet18": 16.08, "mobilenet_v2": 16.77}
BUFFER = Buffer(2 << 20)


def megabytes(layers) -> float:
    return sum(layer.traffic.total_bytes for layer in layers) / 1e6


def test_bytes_are_no_worse_than_zigzags():
    alex = map_layers(alexnet(), BUFFER)
    assert all(round(megabytes([layer]), 2) <= known for layer, known in zip(alex, ZIGZAG_MB["alexnet"], strict=True))
    assert round(megabytes(map_layers(resnet18(), BUFFER)), 2) <= ZIGZAG_MB["resnet18"]
    mobile = map_layers(mobilenet_v2(), BUFFER)
    assert round(megabytes(mobile) - 3 * 224 * 224 / 1e6, 2) <= ZIGZAG_MB["mobilenet_v2"]


@pytest.mark.parametrize("layers", [alexnet, resnet18, mobilenet_v2], ids=lambda layers: layers.__name__)
def test_an_eighth_of_the_buffer_is_enough(layers):
    buffer = Buffer(256 << 10)
    found = map_layers(layers(), buffer)
    least = sum(compulsory(shape, buffer).total_bytes for shape in layers())
    assert megabytes(found) == least / 1e6
    assert megabytes(map_layers(layers(), buffer, exhaustive=False)) == least / 1e6


def test_search_takes_seconds_at_most():
    shapes = alexnet() + resnet18()
    start = process_time()
    map_layers(shapes, Buffer(64 << 10))
    took = process_time() - start
    assert took < 5, f"{took:.2f} s"


def test_default_mapping_is_immediate():
    shapes = mobilenet_v2()
    start = process_time()
    map_layers(shapes, Buffer(256 << 10), exhaustive=False)
    took = process_time() - start
    assert took < 0.5, f"{took:.3f} s"
