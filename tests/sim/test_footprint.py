"""Peak footprint of the hand-made network, step by step."""

import numpy as np
from hand import CONFIG, HandRecorder, hand_network, symbols
from tiny_models import model

from sim.config import RunConfig
from sim.footprint import Footprint, peak_footprint
from sim.measure import measure
from sim.network import load_network


def footprint_of(config: RunConfig, codec: str) -> Footprint:
    network = hand_network()
    sizes = {size.name: size for size in measure(network, HandRecorder((symbols(),)), config)}
    return peak_footprint(network, sizes, codec)


def test_peak_of_the_hand_made_network():
    # In memory at each step, raw: x a | a b | a b c | c y.
    # Packed: a 96 + 32, b 32 + 32, c 256 + 32; slotted: a slot of 256 and 32 of index each.
    assert footprint_of(CONFIG, "zvc") == Footprint(768, 3 * 288, 128 + 64 + 288, "r", "r", "r")


def test_raw_has_no_index_in_any_layout():
    assert footprint_of(CONFIG, "raw") == Footprint(768, 768, 768, "r", "r", "r")


def test_a_slot_is_a_whole_tile_however_small_the_tensor():
    found = footprint_of(RunConfig("zvc", tile=(8, 8, 32)), "zvc")
    assert found.slotted_bytes == 3 * (2048 + 32)
    assert found.packed_bytes == 128 + 64 + 288


def test_outputs_live_to_the_end_and_the_input_until_it_is_read():
    body = "p = Conv(x, w) a = Relu(p) q = Conv(a, v) b = Relu(q) y = MaxPool<kernel_shape = [8, 1]>(b)"
    network = load_network(model(body, outputs="float[] y, float[] a", w=(4, 3, 1, 1), v=(1, 4, 1, 1)))
    assert set(network.outputs) == {"y", "a"}
    images = {name: np.zeros(tensor.shape, np.uint8) for name, tensor in network.tensors.items()}
    sizes = {size.name: size for size in measure(network, HandRecorder((images,)), CONFIG)}
    # x 192 + a 256 | a 256 + b 64 | a 256 + b 64 + y 8; a slot for `b` is 256
    assert peak_footprint(network, sizes, "raw") == Footprint(448, 256 + 256 + 8, 448, "p", "y", "p")
    without_input = {**sizes, "x": sizes["y"]}
    assert peak_footprint(network, without_input, "raw").raw_bytes == 256 + 64 + 8
