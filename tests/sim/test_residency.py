"""Tensors that stay on the chip and layers that are fused: by hand, and what holds for any network and buffer."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hand import CONFIG, HandRecorder, hand_network, symbols
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.accelerator import Accelerator, load_accelerator
from sim.coded_tensors import coded_images, raw_tensors
from sim.config import RunConfig
from sim.layer_shape import layer_shapes
from sim.mapping import Buffer, Mapping
from sim.mapping_search import compulsory, evaluate
from sim.network import Layer, Network, Tensor
from sim.network_plan import plan_network
from sim.residency import RESIDENCIES, place_tensors
from sim.simulated_layer import SimulationConfig
from sim.simulation import simulate_plans
from sim.tensors import Quantization, Sample

MOBILE = load_accelerator("mobile")
TILE = (8, 8, 4)


def accelerator(size_kib: float) -> Accelerator:
    return MOBILE.model_copy(update={"buffers": MOBILE.buffers.model_copy(update={"size_kib": size_kib})})


def kinds(residency: str, fuse: bool = False, size_kib: float = 256) -> list[tuple[int, ...]]:
    """Input, weight, index, output bytes of the hand network's layers under zvc."""
    config = SimulationConfig(accelerator(size_kib), CONFIG, "packed", residency=residency, fuse=fuse)
    network = hand_network()
    plans, placed = plan_network(config, network, {})
    inner = {tensor.name for tensor in network.activations}
    images = coded_images(network, CONFIG, 8, HandRecorder((symbols(),)), inner)
    result = simulate_plans(config, network, plans, placed, images, ("one",))
    return [
        tuple(int(layer.bytes_by_kind[kind]) for kind in ("input", "weight", "index", "output"))
        for layer in result.coded
    ]


def test_residual_tensors_stay_and_others_travel_by_hand():
    assert kinds("none") == [(192, 32, 32, 96), (96, 192, 64, 32), (32 + 96, 32, 96, 256), (256, 32, 32, 128)]
    # `a` is read by the next layer and by the one after that.
    assert kinds("long") == [(192, 32, 0, 0), (0, 192, 32, 32), (32, 32, 64, 256), (256, 32, 32, 128)]
    assert kinds("all") == [(192, 32, 0, 0), (0, 192, 0, 0), (0, 32, 0, 0), (0, 32, 0, 128)]


def test_fused_layers_move_their_ends_alone_by_hand():
    # q, r and y follow each other alone; `a` has two readers.
    assert kinds("none", fuse=True) == [(192, 32, 32, 96), (96, 192, 32, 0), (96, 32, 32, 0), (0, 32, 0, 128)]
    assert kinds("long", fuse=True) == [(192, 32, 0, 0), (0, 192, 0, 0), (0, 32, 0, 0), (0, 32, 0, 128)]


def test_what_does_not_fit_travels():
    network = hand_network()
    # A tensor takes 256 bytes.
    assert place_tensors(network, Buffer(256), TILE, "all", fuse=True).kept == frozenset()
    assert place_tensors(network, Buffer(4096), TILE, "all").kept == {"a", "b", "c"}


def test_room_of_a_chain_by_hand():
    # q, r, y on one strip of 8 rows: q's input 256, weights 144, r's weights 16 and operand 256, y's weights 8 and
    # output 128, and between them eight rows of b and of c, 256 each.
    need = 256 + 144 + 16 + 256 + 8 + 128 + 256 + 256
    for size, rows in ((need, 8), (need - 1, 4)):
        placed = place_tensors(hand_network(), Buffer(size), TILE, "none", fuse=True)
        assert (placed.fused, placed.mappings[3].rows) == ({"b", "c"}, rows)


def test_a_pinned_mapping_keeps_its_room():
    network = hand_network()
    pinned = {"q": Mapping(1, 4, 4, 8, 8)}
    # The tile takes 256 + 144 + 256 bytes, 256 less where `a` stays, which takes as many itself.
    roomy = place_tensors(network, Buffer(656), TILE, "all", True, pinned=pinned)
    assert ("a" in roomy.kept, 1 in roomy.mappings) == (True, False)
    with pytest.raises(ValueError, match="tiles of 'q' must fit the buffer of 655 bytes, not take 656"):
        place_tensors(network, Buffer(655), TILE, "all", True, pinned=pinned)


def test_unknown_words_are_told():
    with pytest.raises(ValueError, match=r"residency must be one of none, long, all, not 'some'"):
        SimulationConfig(MOBILE, CONFIG, "packed", residency="some")
    with pytest.raises(ValueError, match=r"residency must be one of none, long, all, not 'some'"):
        place_tensors(hand_network(), Buffer(4096), TILE, "some")


@st.composite
def networks(draw) -> Network:
    """Convolutions one behind the other, some of which add a tensor from further up."""
    size, channels = draw(st.sampled_from([8, 12, 24])), draw(st.sampled_from([4, 8, 20]))
    sizes = {"x": (channels, size, size)}
    layers, readers = [], {"x": []}
    for number in range(draw(st.integers(2, 5))):
        source = f"t{number - 1}" if number else "x"
        channels, size, _ = sizes[source]
        kernel, stride = draw(st.sampled_from([(1, 1), (3, 1), (3, 2)]))
        depthwise = draw(st.booleans())
        filters = channels if depthwise else draw(st.sampled_from([4, 8, 20]))
        made = (filters, -(-size // stride), -(-size // stride))
        others = [name for name, shape in sizes.items() if shape == made and name not in ("x", source)]
        inputs = (source, *([draw(st.sampled_from(others))] if others and draw(st.booleans()) else []))
        name, groups = f"l{number}", channels if depthwise else 1
        weights = filters * (channels // groups) * kernel * kernel
        layer = Layer(name, "depthwise" if depthwise else "conv", inputs, f"t{number}", weights, filters, 0, (name,))
        layers.append(
            replace(layer, macs=weights * made[1] * made[2], kernel=(kernel,) * 2, stride=(stride,) * 2, groups=groups)
        )
        sizes[f"t{number}"] = made
        readers[f"t{number}"] = []
        for tensor in inputs:
            readers[tensor].append(name)
    tensors = {
        name: Tensor(name, shape, "relu", None if name == "x" else f"l{name[1:]}", tuple(readers[name]))
        for name, shape in sizes.items()
    }
    return Network("drawn", tuple(layers), tensors, ("x",), (layers[-1].output,), None)


class Noise:
    """An image of random symbols, half of them zero."""

    def __init__(self, network: Network) -> None:
        rng = np.random.default_rng(7)
        self.symbols = {
            name: (rng.integers(0, 256, tensor.shape) * rng.integers(0, 2, tensor.shape)).astype(np.uint8)
            for name, tensor in network.tensors.items()
        }
        self.quantization = {name: Quantization(1.0, 0) for name in self.symbols}

    def __iter__(self) -> Iterator[Sample]:
        return iter([Sample(self.symbols, {})])


@given(networks(), st.sampled_from(RESIDENCIES), st.booleans(), st.sampled_from([1, 2, 4, 16]))
@settings(max_examples=25)
def test_laws_of_conservation(network, residency, fuse, size_kib):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sim.simulation.layer_weights", lambda network: {})
        run = RunConfig("zvc", tile=TILE)
        config = SimulationConfig(accelerator(size_kib), run, "packed", residency=residency, fuse=fuse)
        plans, placed = plan_network(config, network, {})
        inner = {tensor.name for tensor in network.activations}
        images = coded_images(network, run, 8, Noise(network), inner)
        result = simulate_plans(config, network, plans, placed, images, ("one",))
    buffer = config.accelerator.buffer
    # Layers have the room that no living tensor takes.
    order = {layer.name: number for number, layer in enumerate(network.layers)}
    lives = {
        name: (order[network.tensors[name].producer], max(order[reader] for reader in network.tensors[name].consumers))
        for name in placed.resident
    }
    for number, plan in enumerate(plans):
        living = sum(network.tensors[name].size for name, (a, b) in lives.items() if a <= number <= b)
        assert placed.reserved_bytes[number] == living
        if number not in placed.mappings:
            evaluate(plan.shape, plan.mapping, Buffer(buffer.size_bytes - living))
    # After fusion and residency, what must travel does: every value of it at least once.
    for plan, raw in zip(plans, result.raw, strict=True):
        assert raw.total_bytes >= compulsory(plan.shape, buffer).total_bytes
        assert raw.bytes_by_kind["output"] == 0 or plan.layer.output not in placed.kept
    # What an encoder wrote is what each decoder reads of it, if it reads it all: bits in are bits out.
    for layers in (result.coded, result.raw):
        written = {layer.plan.layer.output: layer for layer in layers}
        for layer in layers:
            traveling = [name for name in layer.plan.layer.inputs if name not in placed.kept and name != "x"]
            if layer.plan.shape.stride == (1, 1) and len(traveling) == len(layer.plan.layer.inputs):
                made = sum(written[name].bytes_by_kind["output"] for name in dict.fromkeys(traveling))
                assert layer.bytes_by_kind["input"] == made


@given(networks(), st.sampled_from([1, 2, 4, 16]), st.sampled_from(["long", "all"]), st.booleans())
@settings(max_examples=25)
def test_what_stays_on_the_chip_never_costs(network, size_kib, residency, fuse):
    def moved(residency: str, fuse: bool) -> tuple[float, float]:
        """Raw bytes, and those that no mapping can do without."""
        config = SimulationConfig(
            accelerator(size_kib), RunConfig("raw", tile=TILE), "packed", residency=residency, fuse=fuse
        )
        plans, placed = plan_network(config, network, {})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sim.simulation.layer_weights", lambda network: {})
            found = simulate_plans(config, network, plans, placed, [raw_tensors(network, config.run, 8)], ("one",)).raw
        must = sum(compulsory(plan.shape, config.accelerator.buffer).total_bytes for plan in plans)
        return sum(layer.total_bytes for layer in found), must

    total, must = moved("none", False)
    assert must == sum(compulsory(shape, accelerator(size_kib).buffer).total_bytes for shape in layer_shapes(network))
    kept_total, kept_must = moved(residency, fuse)
    assert kept_must <= must
    # Whole bursts: what tiles and weights are rounded up by may grow where mappings change.
    assert kept_total <= total + 0.02 * total + 64 * len(network.layers)
