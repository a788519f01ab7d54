"""Traffic of the hand-made network, byte by byte, and its conservation."""

import pytest
from hand import CONFIG, HandRecorder, hand_network, symbols

from sim.config import RunConfig
from sim.measure import measure
from sim.traffic import LayerTraffic, Moved, layer_traffic, whole_bursts

# Layer: activation read and written, index read and written, weights, input, output; zvc at 32-byte bursts.
# Weights: 12; 144 + 4 biases of 4 bytes; 16; 8.
BY_HAND = {
    "p": Moved(0, 96, 0, 32, 32, 192, 0),
    "q": Moved(96, 32, 32, 32, 160, 0, 0),
    "r": Moved(32 + 96, 256, 32 + 32, 32, 32, 0, 0),
    "y": Moved(256, 0, 32, 0, 32, 0, 128),
}
RAW = {
    "p": Moved(0, 256, 0, 0, 32, 192, 0),
    "q": Moved(256, 256, 0, 0, 160, 0, 0),
    "r": Moved(512, 256, 0, 0, 32, 0, 0),
    "y": Moved(256, 0, 0, 0, 32, 0, 128),
}


def traffic_of(config: RunConfig) -> list[LayerTraffic]:
    network = hand_network()
    sizes = {size.name: size for size in measure(network, HandRecorder((symbols(),)), config)}
    return layer_traffic(network, sizes, config)


@pytest.mark.parametrize(("codec", "expected"), [("zvc", BY_HAND), ("raw", RAW)], ids=["zvc", "raw"])
def test_each_layer_moves_the_bytes_worked_out_by_hand(codec, expected):
    assert {layer.layer.name: layer.moved[codec] for layer in traffic_of(CONFIG)} == expected


def test_totals_of_the_hand_made_network():
    total = sum((layer.moved["zvc"] for layer in traffic_of(CONFIG)), Moved())
    assert total.read_bytes == 480 + 128 + 256 + 192
    assert total.write_bytes == 384 + 96 + 128
    assert total.bus_bytes == 1664
    raw = sum((layer.moved["raw"] for layer in traffic_of(CONFIG)), Moved())
    assert raw.bus_bytes == 1024 + 256 + 192 + 768 + 128


def test_bursts_of_64_bytes():
    layers = traffic_of(RunConfig("zvc", tile=(8, 8, 4), burst_bytes=64))
    assert layers[0].moved["zvc"] == Moved(0, 128, 0, 64, 64, 192, 0)
    assert layers[1].moved["zvc"] == Moved(128, 64, 64, 64, 192, 0, 0)


@pytest.mark.parametrize(("word_bits", "weight_bytes"), [(4, 32), (8, 32), (16, 32)])
def test_weights_take_a_word_each(word_bits, weight_bytes):
    images = {name: values % 16 for name, values in symbols().items()}
    config = RunConfig("zvc", tile=(8, 8, 4), word_bits=word_bits)
    network = hand_network()
    sizes = {size.name: size for size in measure(network, HandRecorder((images,), word_bits), config)}
    layers = layer_traffic(network, sizes, config)
    assert layers[0].moved["raw"].weight_bytes == weight_bytes
    # 144 weights and 4 biases of 4 bytes
    assert layers[1].moved["raw"].weight_bytes == whole_bursts(144 * word_bits // 8 + 16, 32)
    assert layers[0].moved["raw"].input_bytes == 192 * word_bits // 8


@pytest.mark.parametrize("codec", CONFIG.codecs)
def test_what_is_read_was_written_upstream(codec):
    """Each activation is written once and read once by each of its consumers."""
    network, layers = hand_network(), traffic_of(CONFIG)
    written = {layer.layer.output: layer.moved[codec] for layer in layers}
    for layer in layers:
        sources = [written[name] for name in layer.layer.inputs if name != "x"]
        assert layer.moved[codec].activation_read_bytes == sum(one.activation_write_bytes for one in sources)
        assert layer.moved[codec].index_read_bytes == sum(one.index_write_bytes for one in sources)
    reads = sum(layer.moved[codec].activation_read_bytes for layer in layers)
    fan_out = {name: len(tensor.consumers) for name, tensor in network.tensors.items()}
    assert reads == sum(fan_out[name] * written[name].activation_write_bytes for name in "abc")


def test_kinds_of_bytes_add_up():
    parts = (1, 20, 300, 4000, 50000, 600000, 7000000)
    moved = Moved(*parts)
    assert moved.read_bytes == 1 + 300 + 50000 + 600000
    assert moved.write_bytes == 20 + 4000 + 7000000
    assert moved.bus_bytes == sum(parts)
    assert moved + moved == Moved(*(2 * part for part in parts))


@pytest.mark.parametrize(("size", "burst", "expected"), [(0, 32, 0), (1, 32, 32), (32, 32, 32), (33, 64, 64)])
def test_whole_bursts(size, burst, expected):
    assert whole_bursts(size, burst) == expected
