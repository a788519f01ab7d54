"""What mappings are chosen for: costs by hand, and each objective is met best by its own mappings."""

import pytest
from known_shapes import mobilenet_v2

from sim import simulate_cli
from sim.accelerator import load_accelerator
from sim.aligned_mapping import align, aligned
from sim.config import RunConfig
from sim.layer_shape import conv
from sim.lite0 import build_lite0
from sim.mapping import LayerTraffic, Mapping, tiles_of, traffic
from sim.mapping_search import search
from sim.network import load_network
from sim.objective import OBJECTIVES, Objective, objective_of
from sim.residency import RESIDENCIES
from sim.simulated_layer import SimulationConfig
from sim.simulation import run_simulation

MOVED = LayerTraffic(600.0, 200.0, 0.0, 0.0, 0.0, 200.0)


def test_costs_by_hand():
    shape = conv("l", 8, 10, 16)  # 12800 MACs
    rates = {"read_pj": 3.0, "write_pj": 2.0, "bytes_per_ns": 2.0, "operations_per_ns": 10.0, "idle_mw": 0.5}
    assert Objective().cost(shape, MOVED, 4) == 1000
    # Memory 500 ns, array 1280; a fourth of the memory's time is hidden by nothing, and 50 ns go to each step.
    assert Objective("time", **rates).cost(shape, MOVED, 4) == 1280 + 125 + 200
    assert Objective("energy", **rates).cost(shape, MOVED, 4) == 800 * 3 + 200 * 2 + 0.5 * 1605
    with pytest.raises(ValueError, match="objective must be one of bytes, energy, time, not 'area'"):
        Objective("area")


def test_the_command_offers_what_there_is():
    assert (simulate_cli.RESIDENCIES, simulate_cli.OBJECTIVES) == (RESIDENCIES, OBJECTIVES)


def test_rates_are_those_of_the_design():
    mobile = objective_of("energy", load_accelerator("mobile"))
    assert mobile.bytes_per_ns == pytest.approx(12.8)
    assert mobile.operations_per_ns == pytest.approx(204.8)
    # IDD4R less standby and the pins, 1.1 V, 5 ns, 32 bytes.
    assert mobile.read_pj == pytest.approx((245 + 149.25) * 1.1 * 5 / 32)
    eyeriss = objective_of("energy", load_accelerator("eyeriss"))
    assert (eyeriss.read_pj, eyeriss.idle_mw) == (230.0, 154.0)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_search_meets_its_objective_best(name):
    mobile = load_accelerator("mobile")
    own, buffer = objective_of(name, mobile), mobile.buffer
    for shape in mobilenet_v2()[:12]:
        found = search(shape, buffer, own)
        for other in OBJECTIVES:
            rival = search(shape, buffer, objective_of(other, mobile))
            assert own.cost(shape, found.traffic, found.tiles) <= own.cost(shape, rival.traffic, rival.tiles) * 1.0001
        cost, mapping = aligned(shape, buffer, (8, 8, 32), own)
        assert mapping == align(shape, buffer, (8, 8, 32), own)
        assert cost > 0


def test_simulated_time_and_energy_are_no_worse_than_with_mappings_for_bytes():
    mobile, network = load_accelerator("mobile"), load_network(build_lite0())
    found = {
        name: run_simulation(
            SimulationConfig(mobile, RunConfig("raw"), "packed", residency="none", objective=name), network, ()
        ).raw
        for name in OBJECTIVES
    }
    for layers in zip(*found.values(), strict=True):
        by_bytes, by_energy, by_time = layers
        assert by_bytes.total_bytes <= min(by_energy.total_bytes, by_time.total_bytes)
        assert sum(by_energy.energy_pj.values()) <= sum(by_bytes.energy_pj.values()) * (1 + 1e-9)
        assert by_time.time_ns <= by_bytes.time_ns * (1 + 1e-9)
    times = {name: sum(layer.time_ns for layer in layers) for name, layers in found.items()}
    assert times["time"] < 0.995 * times["bytes"]


def test_weights_that_do_not_fit_their_memory_come_with_each_step():
    buffer = load_accelerator("ethos-u55").buffer
    assert (buffer.weights_apart, buffer.weights_bytes) == (True, 8192)
    shape = conv("l", 64, 32, 64, 3)
    big, small = Mapping(1, 64, 64, 8, 32), Mapping(1, 4, 64, 8, 32, order=("filters", "space", "channels"))
    # 36864 bytes of weights for each of four strips; 2304, twice, fit.
    for mapping, weights in ((big, 4 * 36864), (small, 36864)):
        assert traffic(shape, tiles_of(shape, mapping), mapping.order, buffer).weight_bytes == weights
