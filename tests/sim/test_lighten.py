"""The guideline's steps: what each leaves is a network that runs, sizes kept; the walk stops and tells why."""

import math

import numpy as np
import onnx
import pytest
from cli_call import call, refused
from tiny_models import model

from sim.accelerator import Software, load_accelerator
from sim.graph import read_graph
from sim.light_networks import BACKBONES, OPERATORS
from sim.lighten import Goal, Options, lighten
from sim.lighten_backbone import find_cut, swap_backbone
from sim.lighten_compress import halve, prune_network, quantize_network
from sim.lighten_cost import cost_of, layer_macs, prepare
from sim.lighten_factorize import WAYS, factorize
from sim.lighten_target import MAC_PJ, target_of
from sim.network import load_network
from sim.onnx_builder import Builder
from sim.reproduce_guideline import PAPER, fit, variants
from sim.session import open_session, values_of
from sim.simulation import run_simulation
from sim.simulation_summary import summarize_simulation

GPU, MOBILE = (target_of(load_accelerator(name)) for name in ("rk3399-gpu", "mobile"))
PICTURES = np.random.default_rng(7).normal(size=(4, 3, 32, 32)).astype(np.float32)


def classifier() -> onnx.ModelProto:
    """Heavy convolutions down to 4 x 4, then a head."""
    builder = Builder("x", (3, 32, 32))
    value = builder.relu(builder.conv("x", "a", 48, 5, 2))
    for name in "bc":
        value = builder.relu(builder.conv(value, name, 96, 5, 2 if name == "c" else 1))
    value = builder.relu(builder.conv(value, "d", 96, 3, 2))
    pool = builder.node("GlobalAveragePool", [value], "pool", (96, 1, 1))
    return builder.finish(builder.conv(pool, "scores", 10), "classifier")


def upsampler() -> onnx.ModelProto:
    """The same with a transposed convolution behind."""
    builder = Builder("x", (3, 32, 32))
    value = builder.relu(builder.conv(builder.relu(builder.conv("x", "a", 48, 5, 2)), "b", 96, 3, 2))
    return builder.finish(builder.relu(builder.transposed(value, "up", 32)), "upsampler")


def run(made: onnx.ModelProto, picture=PICTURES[:1]) -> np.ndarray:
    onnx.checker.check_model(made)
    name = made.graph.output[0].name
    return values_of(open_session(made, ()), [name], {made.graph.input[0].name: picture})[name]


# G1


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("build", [classifier, upsampler])
def test_a_new_backbone_keeps_the_sizes(name, build):
    before, after = build(), swap_backbone(build(), name)
    assert run(after).shape == run(before).shape
    assert {node.op_type for node in after.graph.node if node.name.startswith(f"{name}/")} <= OPERATORS[name] | {"Relu"}
    cut, old = find_cut(read_graph(after)), find_cut(read_graph(before))
    assert (cut.shape, cut.halvings) == (old.shape, old.halvings)
    assert cut.value.startswith(f"{name}/adaptor")


def test_a_network_without_a_backbone_is_told():
    with pytest.raises(ValueError, match="must have a head"):
        find_cut(read_graph(model("y = Conv(x, w)", w=(4, 3, 1, 1))))


# G2


@pytest.mark.parametrize("way", WAYS)
def test_split_convolutions_are_lighter_and_near(way):
    network = load_network(classifier())
    found = factorize(network, way, 40, 0.01)
    made = load_network(found.model)
    assert "b" in found.layers
    assert made.macs < network.macs
    assert ("d" in found.layers) == (way != "kernel")  # its stride would stand behind the first half
    exact, split = run(network.model), run(found.model)
    assert split.shape == exact.shape
    assert not np.allclose(split, exact)


def test_what_a_split_can_hold_is_held():
    """Weights of low rank lose nothing: in channels, per input channel, in rows and columns."""
    rng = np.random.default_rng(7)
    thin = np.einsum("orhw,ri->oihw", rng.normal(size=(16, 4, 3, 3)), rng.normal(size=(4, 12)))
    each = np.einsum("oi,ihw->oihw", rng.normal(size=(16, 12)), rng.normal(size=(12, 3, 3)))
    lines = np.einsum("orh,riw->oihw", rng.normal(size=(16, 5, 3)), rng.normal(size=(5, 12, 3)))
    for way, stride, weight in (("bottleneck", 2, thin), ("separable", 2, each), ("kernel", 1, lines)):
        made = model(
            f"y = Conv <pads: ints = [1, 1, 1, 1], strides: ints = [{stride}, {stride}]> (x, w, b)",
            "float[1,12,8,8] x",
            w=weight.astype(np.float32),
            b=np.ones(16, np.float32),
        )
        found = factorize(load_network(made), way, 4)
        assert len(found.layers) == 1
        picture = rng.normal(size=(1, 12, 8, 8)).astype(np.float32)
        np.testing.assert_allclose(run(found.model, picture), run(made, picture), rtol=1e-3, atol=1e-3)


def test_transposed_convolutions_take_the_bottleneck():
    network = load_network(upsampler())
    found = factorize(network, "separable", 24)
    assert "up" in found.layers
    assert run(found.model).shape == run(network.model).shape
    assert [node.op_type for node in found.model.graph.node].count("ConvTranspose") == 1


# G3, G4, G5


def test_int8_tells_islands_and_conversions():
    network = load_network(upsampler())
    whole = quantize_network(network, PICTURES, frozenset())
    assert (whole.islands, whole.conversions) == ((), 0)
    found = quantize_network(network, PICTURES, frozenset({"ConvTranspose"}))
    assert found.islands == ("up",)
    assert found.conversions == 1
    exact = run(network.model)
    assert np.square(run(found.model) - exact).sum() < 0.01 * np.square(exact).sum()


def test_half_precision_keeps_inputs_and_outputs():
    made = halve(classifier())
    assert made.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert any(t.data_type == onnx.TensorProto.FLOAT16 for t in made.graph.initializer)
    np.testing.assert_allclose(run(made), run(classifier()), rtol=0.05, atol=0.05)


def test_pruning_keeps_the_share_and_stores_less():
    made, file = prune_network(classifier(), 0.25)
    weights = [onnx.numpy_helper.to_array(t) for t in made.graph.initializer if t.name.endswith("weight")]
    kept, count = sum(np.count_nonzero(w) for w in weights), sum(w.size for w in weights)
    assert kept == pytest.approx(0.25 * count, rel=0.01)
    assert sum(tensor.size_bits for tensor in file.tensors) < 0.25 * 32 * count / 3
    assert run(made).shape == (1, 10, 1, 1)


# Cost


def test_cost_by_hand():
    network = load_network(model("y = Conv(x, w)", w=(4, 3, 1, 1)))
    cost = cost_of(network, GPU, "fp16")
    assert (cost.macs, cost.parameters, cost.stored_bytes) == (4 * 3 * 64, 12, 24)
    assert cost.external_bytes == 32 + 2 * 64 * (3 + 4)  # weights in whole bursts
    software = GPU.accelerator.software
    busy_ns = math.ceil(768 / 32 / software.efficiency) / 0.8 + cost.external_bytes / 12.8  # one buffer: no overlap
    assert cost.time_s == pytest.approx(software.image_ms * 1e-3 + busy_ns * 1e-9)
    words = 768 * (3 * 0.5 + (1 / 4 + 1 / math.sqrt(32)) * 2.5) + cost.external_bytes / 2 * (320 + 2.5)
    assert cost.energy_mj == pytest.approx(1e-9 * (768 * 1.5 + words))
    assert cost_of(network, GPU, "fp32", 5).stored_bytes == 5


def test_pruned_weights_take_less_of_the_bus():
    network = load_network(model("y = Conv(x, w)", w=(64, 3, 1, 1)))
    whole, pruned = (cost_of(network, GPU, "fp32", size) for size in (None, 4 * 64 * 3 / 4))
    assert whole.external_bytes - pruned.external_bytes == pytest.approx(0.75 * 4 * 64 * 3)
    assert pruned.energy_mj < whole.energy_mj
    assert pruned.time_s == whole.time_s


def test_energy_where_the_accelerator_tells_none():
    network, target = load_network(classifier()), target_of(load_accelerator("ethos-u55"))
    cost = cost_of(network, target, "int8")
    arithmetic_mj = network.macs * MAC_PJ["int8"].value * 1e-9
    assert cost.energy_mj - arithmetic_mj == pytest.approx(8e-9 * cost.external_bytes * 8.5, rel=0.2)


def test_formats_keep_to_the_accelerators_words():
    gpu, half = GPU.accelerator, GPU.in_format("fp16")
    assert GPU.in_format("fp32") is gpu
    assert (half.words.activation_bits, half.words.kind, half.array.macs_per_cycle) == (16, "float", 32)
    assert half.memory.access_pj == gpu.memory.access_pj / 2
    assert half.energy.mac_pj == pytest.approx(1.5)
    eyeriss = target_of(load_accelerator("eyeriss"))
    assert eyeriss.in_format("int8").words.activation_bits == 16  # its own integers


def test_zero_insertion_counts_every_output_pixel():
    network = load_network(upsampler())
    layer = next(layer for layer in network.layers if layer.op == "deconv")
    assert layer_macs(layer, True) == 4 * layer_macs(layer)
    plain = Software(efficiency=GPU.accelerator.software.efficiency)
    prepared = prepare(network, GPU.accelerator)
    slow, fast = (
        next(one for one in prepared.results(software) if one.plan.layer.op == "deconv") for software in (None, plain)
    )
    assert slow.busy_ns["compute"] == pytest.approx(4 * fast.busy_ns["compute"], rel=1e-3)


def test_costs_are_those_of_a_simulation():
    network = load_network(upsampler())
    cost = cost_of(network, GPU, "fp32")
    summary = summarize_simulation(run_simulation(prepare(network, GPU.accelerator).config, network, ()))
    assert cost.time_ms == pytest.approx(summary.coded.time_ms)
    assert cost.external_bytes == pytest.approx(summary.coded.total_bytes)
    assert cost.energy_mj == pytest.approx(summary.coded.total_energy_pj * 1e-9)


# The walk


def names(steps, taken=True):
    return [step.name for step in steps if step.taken == taken]


def test_the_walk_stops_where_the_target_is_met():
    network = load_network(classifier())
    first = cost_of(network, GPU, "fp32")
    assert names(lighten(network, GPU, Goal(time_ms=first.time_ms), PICTURES)) == ["none"]
    steps = lighten(network, GPU, Goal(energy_mj=0.99 * first.energy_mj), PICTURES)
    assert names(steps) == ["none", "G2"]
    assert [step.name for step in steps if not step.taken] == ["G1"]
    assert "not bring the target nearer: backbone mobilenetv2" in steps[1].told
    assert Goal(energy_mj=0.99 * first.energy_mj).met(steps[-1].cost)


def test_memory_prunes_before_it_quantizes():
    options = Options(without=("G1",))
    steps = lighten(load_network(classifier()), MOBILE, Goal(stored_mb=1e-6), PICTURES, options)
    assert names(steps) == ["none", "G2", "G5", "G3"]
    costs = [step.cost for step in steps]
    assert costs[-1].stored_bytes == costs[-2].stored_bytes < costs[0].stored_bytes
    assert all(run(step.model).shape == (1, 10, 1, 1) for step in steps)
    assert steps[-1].agreement is not None


def test_half_precision_takes_the_place_of_int8_where_an_operator_has_none():
    steps = lighten(load_network(upsampler()), GPU, Goal(time_ms=1), PICTURES)
    assert names(steps)[-1] == "G4"
    reasons = {step.name: step.told for step in steps if not step.taken}
    assert "no quantized ConvTranspose" in reasons["G3"]
    assert "pruning saves no time" in reasons["G5"]


def test_half_precision_takes_the_place_of_int8_that_agrees_too_little():
    options = Options(without=("G1", "G2"), least_agreement=1.0)
    network = load_network(model("y = Conv(x, w)", "float[1,3,32,32] x", w=(4, 3, 3, 3)))
    steps = lighten(network, GPU, Goal(time_ms=1), PICTURES, options)
    assert names(steps) == ["none", "G4"]
    assert "agree" in next(step.told for step in steps if step.name == "G3")


def test_an_operator_that_is_lacking_rules_a_backbone_out():
    target = target_of(load_accelerator("ethos-u55"))
    options = Options(backbone="shufflenetv2")
    steps = lighten(load_network(classifier()), target, Goal(time_ms=1e-9), PICTURES, options)
    assert "shufflenetv2 is ruled out: no Slice, Transpose" in steps[1].told
    assert "backbone mobilenetv2" in steps[1].told


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "target must be one or more"),
        (("--target-ms", "-1"), "target must be positive"),
        (("--target-ms", "1", "--backbone", "vgg"), "backbone must be one of"),
        (("--target-ms", "1", "--without", "G9"), "without must name steps"),
        (("--target-ms", "1", "--factorize", "tucker"), "way must be one of"),
        (("--target-ms", "1", "--density", "2"), "density must be in 0..1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_wishes_are_refused(tmp_path, monkeypatch, capfd, arguments, reason):
    monkeypatch.chdir(tmp_path)
    assert reason in refused(capfd, tmp_path, "lighten", *arguments)


def test_the_command_writes_models_and_a_table(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    onnx.save(classifier(), "net.onnx")
    outcome = call(capfd, "lighten", "net.onnx", "--target-mb", "0.1", "--accelerator", "mobile", "--out", "out")
    assert outcome.code == 0
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written[-1] == "lighten.md"
    for name in written[:-1]:
        run(onnx.load(tmp_path / "out" / name))
    assert "| none |" in (tmp_path / "out" / "lighten.md").read_text()


# The case study


def test_the_report_is_predicted_within_ten_percent():
    rows = variants()
    found = fit(rows, GPU)
    software = GPU.accelerator.software
    assert found.efficiency == pytest.approx(software.efficiency, abs=0.001)
    assert 1e3 * found.constant_s == pytest.approx(software.image_ms, abs=1)
    times = {row.name: cost_of(row.network, GPU, row.format).time_s for row in rows}
    for name in ("none", "G1+G2"):
        assert times[name] == pytest.approx(PAPER[name][2], abs=0.002)
    assert times["G1"] == pytest.approx(PAPER["G1"][2], rel=0.05)
    assert times["G1+G2+G4"] == pytest.approx(PAPER["G1+G2+G4"][2], rel=0.01)
