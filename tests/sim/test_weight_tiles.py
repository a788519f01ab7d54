"""Weight tiles of a layer: bytes and cycles of each are those of its shares' streams, coded and timed one by one."""

import numpy as np
import pytest
from hand import CONFIG, hand_network
from tiny_models import model

from golden.registry import WEIGHT_CODECS
from golden.weights.container import StoredWeights
from golden.weights.linear import quantize
from sim.accelerator import load_accelerator
from sim.network import load_network
from sim.network_plan import plan_network
from sim.simulated_layer import SimulationConfig, _per_step
from sim.tile_plan import WeightTile
from sim.timing_weights import has_cycles, weight_cycles
from sim.weight_tiles import code_tiles, layer_weights
from sim.weights import Recipe

TIMED = ("huffman", "zero-runs", "relative-index", "deepcomp", "mlw", "block-float")


def planned(network):
    config = SimulationConfig(load_accelerator("mobile"), CONFIG, "mlw", residency="none")
    return plan_network(config, network, {})[0]


@pytest.fixture(scope="module")
def wide():
    # Two convolutions whose weights, most of them zeros, do not fit the buffers at once.
    rng = np.random.default_rng(7)
    weights = {"wa": rng.normal(size=(500, 3, 3, 3)), "wb": rng.normal(size=(400, 500, 1, 1))}
    body = """
    a = Conv(x, wa)
    y = Conv(a, wb)
    """
    sparse = {name: np.where(rng.random(w.shape) < 0.3, w, 0).astype(np.float32) for name, w in weights.items()}
    return load_network(model(body, **sparse))


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("codec", TIMED)
def test_cycles_of_tiles_are_those_of_the_decompressor(wide, codec, units):
    plans, weights, recipe = planned(wide), layer_weights(wide), Recipe(codec)
    assert max(len(plan.weight_tiles) for plan in plans) > 1
    for plan, found in zip(plans, code_tiles(plans, weights, codec, 32, units=units), strict=True):
        values = weights[plan.layer.name].values
        if not recipe.takes_floats:
            values = quantize(values, recipe.linear(0)).values
        for number, tile in enumerate(plan.weight_tiles):
            part = values[tile.first_filter : tile.end_filter, tile.first_channel : tile.end_channel]
            coded = [recipe.make().encode(share) for share in np.array_split(part, units)]
            cycles = [weight_cycles(StoredWeights("share", recipe.make(), one)) for one in coded]
            assert found.cycles[number] == max(cycles)
            assert found.work_cycles[number] == sum(cycles)
            assert found.size_bytes[number] == 32 * sum(-(-one.size_bits // 256) for one in coded)


def test_a_codec_without_hardware_takes_the_symbols_of_the_port():
    assert {name for name, codec in WEIGHT_CODECS.items() if not has_cycles(codec())} == {"hevc"}
    network = hand_network()
    plans, weights = planned(network), layer_weights(network)
    # 12, 144, 16 and 8 weights; two units have half of the filters each.
    tiles = code_tiles(plans, weights, "hevc", 32, units=2, lanes=8)
    assert [one.cycles.tolist() for one in tiles] == [[1], [9], [1], [1]]
    assert [one.work_cycles.tolist() for one in tiles] == [[2], [18], [2], [2]]
    assert [one.cycles.tolist() for one in code_tiles(plans, weights, "hevc", 32, lanes=1)] == [[12], [144], [16], [8]]


def test_weights_that_are_not_coded_need_no_decoder():
    network = hand_network()
    plans, weights = planned(network), layer_weights(network)
    for known, codec in ((weights, "packed"), ({}, "mlw")):
        tiles = code_tiles(plans, known, codec, 32, units=2)
        assert [one.size_bytes.tolist() for one in tiles] == [[32], [160], [32], [32]]
        assert not any(one.cycles.any() or one.work_cycles.any() for one in tiles)


def test_what_was_found_is_found_again_and_not_for_other_units():
    network = hand_network()
    plans, weights, known = planned(network), layer_weights(network), {}
    once = code_tiles(plans, weights, "mlw", 32, known=known)
    again = code_tiles(plans, weights, "mlw", 32, known=known)
    assert all(one is two for one, two in zip(once, again, strict=True))
    assert plans[1].weight_tiles == (WeightTile(0, 4, 0, 4),)
    other = code_tiles(plans, weights, "mlw", 32, units=4, known=known)
    assert other[1].cycles[0] < once[1].cycles[0] < other[1].work_cycles[0]


def test_a_step_takes_the_cycles_of_the_tiles_that_it_fetches(wide):
    for plan in planned(wide):
        cycles = np.arange(1, len(plan.weight_tiles) + 1)
        steps = _per_step(plan, cycles)
        assert steps.shape == (plan.steps,)
        fetches = zip(plan.weight_fetches.steps.tolist(), plan.weight_fetches.tiles.tolist(), strict=True)
        expected = [0] * plan.steps
        for step, tile in fetches:
            expected[step] += tile + 1
        assert steps.tolist() == expected
