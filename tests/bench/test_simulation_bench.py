"""Speed of the simulator, in CPU time, and its memory; compilation is not counted."""

import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from sim.accelerator import load_accelerator
from sim.config import RunConfig
from sim.lite0 import build_lite0
from sim.mapping import Buffer
from sim.mapping_search import map_layers
from sim.network import load_network
from sim.simulated_layer import SimulationConfig
from sim.simulation import run_simulation

sys.path.append(str(Path(__file__).parents[1] / "sim"))
from known_shapes import alexnet, mobilenet_v2, resnet18

pytestmark = pytest.mark.bench

MOBILE = load_accelerator("mobile")


def cpu_s(call) -> float:
    """Least of three runs."""
    least = float("inf")
    for _ in range(3):
        started = time.process_time()
        call()
        least = min(least, time.process_time() - started)
    return least


def test_shapes_of_mobilenet_v2_are_immediate() -> None:
    """At most 0.5 s."""
    took = cpu_s(lambda: map_layers(mobilenet_v2(), Buffer(256 << 10), exhaustive=False))
    print(f"MobileNetV2, default mapping: {took:.3f} s")
    assert took <= 0.5


def test_searches_of_alexnet_and_resnet18() -> None:
    """Together at most 5 s, with the buffer that makes them longest."""
    for size_kib in (64, 256, 2048):
        took = cpu_s(partial(map_layers, alexnet() + resnet18(), Buffer(size_kib << 10)))
        print(f"AlexNet and ResNet18, exhaustive, {size_kib} KiB: {took:.2f} s")
        assert took <= 5


@pytest.mark.parametrize("options", [{}, {"residency": "all", "fuse": True}, {"objective": "time"}], ids=str)
def test_a_network_of_shapes_alone(options) -> None:
    """EfficientNet-Lite0 raw: planned, sent through memory and pipeline."""
    network = load_network(build_lite0())
    took = cpu_s(lambda: run_simulation(SimulationConfig(MOBILE, RunConfig("raw"), "packed", **options), network, ()))
    print(f"EfficientNet-Lite0, shapes alone, {options or 'defaults'}: {took:.2f} s")
    assert took <= 5


def test_a_command_with_all_tensors_really_encoded(tmp_path) -> None:
    """Four photos, two designs, page and plots: 5 s of user time, 1 GB."""
    command = [sys.executable, "-c", "from sim.cli import main; main()", "simulate", "--out", str(tmp_path)]
    user_s = []
    for _ in range(4):  # the first one may compile
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        subprocess.run(command, check=True, capture_output=True)
        user_s.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
    peak_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(f"EfficientNet-Lite0, thinwire simulate: {min(user_s):.2f} s of user time, {peak_gb:.2f} GB")
    assert min(user_s) <= 5
    assert peak_gb <= 1
