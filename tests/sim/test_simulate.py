"""The simulator as a whole: a tiny network with bytes, times and energies worked out by hand, and its files.

The network is that of hand.py; a tensor is one codec tile, a layer one step. zvc makes 3 bursts of `a` and 1 of `b`;
`c` has no zeros and travels raw in 8, `x` (192 bytes) and `y` (128) are the network's own. An index group is 32 bytes.
"""

import csv
import io
from math import sqrt

import numpy as np
import pytest
from hand import CONFIG, HandRecorder, hand_network, symbols
from rich.console import Console

from golden.tile_stream import tensor_sizes
from golden.weights.container import StoredWeights
from golden.weights.huffman import Huffman, HuffmanFormat
from golden.weights.linear import LinearFormat, quantize
from golden.weights.mlw import Mlw, MlwFormat
from sim.accelerator import load_accelerator
from sim.codec_energy import CORES, INTAKE
from sim.coded_tensors import coded_images
from sim.images import Photo
from sim.layer_shape import layer_shapes
from sim.mapping_file import read_mappings
from sim.network_plan import plan_network
from sim.simulated_layer import SimulationConfig
from sim.simulation import run_simulation, simulate_plans
from sim.simulation_findings import findings, slower
from sim.simulation_report import write_simulation
from sim.simulation_summary import SimulationSummary, summarize_simulation
from sim.simulation_terminal import print_simulation
from sim.tile_plan import WeightTile
from sim.tile_times import tile_times
from sim.timing_weights import weight_cycles
from sim.weight_tiles import layer_weights, unknown_layers

ENCODER = sum(CORES[name, 8, 1].gates + CORES[name, 8, 1].shell for name in ("encoder", "chooser"))
# A memory of 1.6 GB/s (32 bytes in 20 ns), one MAC and one symbol a cycle of 1 ns.
PLAIN = """
name = "plain"
source = "by hand"
[array]
dataflow = "vector"
macs_per_cycle = 1
clock_mhz = 1000
[buffers]
size_kib = 256
double_buffered = true
[words]
activation_bits = 8
weight_bits = 8
partial_bits = 32
[memory]
bandwidth_gbps = 1.6
access_pj = 100.0
[ports.activations]
codec = "zvc"
symbols_per_cycle = 1
[ports.weights]
codec = "packed"
symbols_per_cycle = 1
[energy]
process = "45 nm, 0.9 V"
mac_pj = 2.0
register_pj = 1.0
hop_pj = 0.0
buffer_pj = 10.0
"""


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "plain.toml"
    path.write_text(PLAIN)
    return load_accelerator(str(path))


def run_hand(accelerator, weight_codec="packed", images=1, residency="none", **options):
    photos = tuple(Photo(f"image{number}", np.zeros((8, 8, 3), np.uint8)) for number in range(images))
    with pytest.MonkeyPatch.context() as patch:
        samples = (symbols(),) * images
        patch.setattr("sim.run.Recorder", lambda network, pixels, word_bits: HandRecorder(samples, word_bits))
        config = SimulationConfig(accelerator, CONFIG, weight_codec, residency=residency, **options)
        return run_simulation(config, hand_network(), photos)


def test_bytes_of_every_layer_and_kind_by_hand(plain):
    result = run_hand(plain)
    kinds = [tuple(int(value) for value in layer.bytes_by_kind.values()) for layer in result.coded]
    # input, refetch, weight (whole bursts, biases 16 bytes), index, output, partial
    assert kinds == [
        (192, 0, 32, 32, 96, 0),  # p: x -> a, 12 weights
        (96, 0, 160 + 32, 64, 32, 0),  # q: a -> b, 144 weights and four biases
        (32 + 96, 0, 32, 96, 256, 0),  # r: b, a -> c, 16 weights
        (256, 0, 32, 32, 128, 0),  # y: c -> y, 8 weights
    ]
    assert [layer.total_bytes for layer in result.raw] == [
        192 + 32 + 256,
        256 + 192 + 256,
        512 + 32 + 256,
        256 + 32 + 128,
    ]
    assert [layer.read_bytes for layer in result.coded] == [224, 96 + 192 + 32, 128 + 32 + 64, 256 + 32 + 32]


def test_time_and_bottleneck_of_every_layer_by_hand(plain):
    result = run_hand(plain)
    # A layer is one step: load, decode beside it, compute, then encode with the store beside it; 1.6 bytes a ns.
    # A tile of 256 symbols keeps its codec for 256 cycles; what passes before is the cores' (sim/timing.py): a few
    # cycles in the decoder, and in the encoder a tile more, which the chooser sees first.
    # p: loads 224 bytes, 768 MACs, encodes 256 symbols beside a store of 128 bytes.
    # q: decodes 256 beside 320 bytes (200 ns), 9216 MACs, encodes 256.
    # r: decodes 512 beside 224 bytes, 1024 MACs, encodes 256 beside 288 bytes (180 ns).
    # y: decodes 256 beside 320 bytes, 512 MACs, stores 128 raw bytes.
    fmt, zeros = CONFIG.format_of("zvc"), {"a": 0, "b": 0, "c": 128}
    times = {
        name: tile_times(symbols()[name], fmt, z, tensor_sizes(symbols()[name], fmt, z), 1) for name, z in zeros.items()
    }
    assert all(one.decode.tolist() == one.encode.tolist() == [256] for one in times.values())
    out, into = ({name: getattr(one, f"{way}_latency") for name, one in times.items()} for way in ("decode", "encode"))
    assert max(out.values()) < 16 < 256 < min(into.values()) < 300
    expected = [
        140 + 768 + into["a"] + 256,
        256 + out["a"] + 9216 + into["b"] + 256,
        512 + max(out["a"], out["b"]) + 1024 + into["c"] + 256,
        256 + out["c"] + 512 + 80,
    ]
    assert [layer.time_ns for layer in result.coded] == pytest.approx(expected)
    assert [layer.bottleneck for layer in result.coded] == ["compute"] * 4
    raw = [140 + 768 + 160, 280 + 9216 + 160, 340 + 1024 + 160, 180 + 512 + 80]
    assert [layer.time_ns for layer in result.raw] == pytest.approx(raw)
    assert [layer.memory_ns for layer in result.raw] == pytest.approx([300, 440, 500, 260])
    # y's decoder takes 256 ns for 320 bytes that come in 200: 70 of them wait.
    assert result.coded[3].fifo_bytes == (70, 0)


def test_energy_of_a_layer_by_hand(plain):
    found = run_hand(plain).coded[0].energy_pj
    # 352 bytes over memory; 768 MACs; one MAC in the array: each operand is read from the buffer each time.
    assert found["dram_read_pj"] == 352 * 100
    assert found["mac_pj"] == 768 * 2
    assert found["register_pj"] == 3 * 768
    assert found["buffer_pj"] == 10 * (352 + 2 * 768)
    # 256 cycles of encoder and chooser (0.5 fJ a gate); 256 symbols through the ring, 12 words of payload
    # through the FIFO, in and out: 10 pJ for 64 bits of 8 KiB, less by the root of the size.
    logic = 256 * ENCODER * 0.5e-3
    memory = 2 * 10 * (256 * sqrt(20360 / 65536) + 12 * sqrt(512 / 65536))
    assert (found["codec_logic_pj"], found["codec_memory_pj"]) == pytest.approx((logic, memory))
    on_chip = 768 * 5 + 10 * (352 + 2 * 768) + logic + memory
    assert sum(found.values()) == pytest.approx(352 * 100 + on_chip)


def test_dram_time_and_parts_are_those_of_the_memory_model():
    result = run_hand(load_accelerator("mobile"))
    layer, dram = result.raw[1], result.config.dram
    assert (dram.channels, dram.interleave_bytes, dram.idle) == (2, 256, "power-down")
    assert 0 < layer.memory_ns <= layer.time_ns
    pj = layer.energy_pj
    assert sum(value for name, value in pj.items() if name.startswith("dram_")) > 0
    assert pj["dram_read_pj"] / layer.read_bytes == pytest.approx(
        result.raw[2].energy_pj["dram_read_pj"] / result.raw[2].read_bytes
    )
    assert pj["dram_power_down_pj"] > 0


def test_means_over_equal_images_are_those_of_one(plain):
    one, three = summarize_simulation(run_hand(plain)), summarize_simulation(run_hand(plain, images=3))
    assert three.layers == one.layers
    assert (one.images, three.images) == (("image0",), ("image0", "image1", "image2"))


def test_images_of_a_batch_share_weights(plain):
    alone = run_hand(plain, images=3).coded
    batch = run_hand(plain, images=3, batch=3).coded
    for one, three in zip(alone, batch, strict=True):
        # Three tiles are in one group of the index, as those of one tensor of three images.
        shared = {kind: one.bytes_by_kind[kind] / 3 for kind in ("weight", "index")}
        assert three.bytes_by_kind == one.bytes_by_kind | shared
        assert three.total_bytes == pytest.approx(one.total_bytes - 2 * sum(shared.values()))
        assert three.time_ns < one.time_ns  # a load beside the arithmetic of the image before
        assert three.energy_pj["mac_pj"] == one.energy_pj["mac_pj"]
        assert three.plan.steps == 3
    # Two of three images: the second batch is filled up with the first image.
    assert run_hand(plain, images=3, batch=2).coded[0].bytes_by_kind["input"] == 192
    kept = run_hand(plain, images=2, batch=2, residency="all")
    assert sum(kept.residency.reserved_bytes[:1]) == 2 * 256


def test_weights_are_coded_tile_by_tile(plain):
    result = run_hand(plain, "mlw")
    network = hand_network()
    weights = layer_weights(network)
    assert list(weights) == ["p", "q", "r", "y"]
    assert unknown_layers(network, {}) == ("p", "q", "r", "y")
    values = weights["q"].values
    integers = np.clip(np.floor(values.astype(np.float64) * np.float32(127 / np.abs(values).max()) + 0.5), -127, 127)
    bits = Mlw(MlwFormat()).size_bits(integers.astype(np.int8))
    assert result.coded[1].plan.weight_tiles == (WeightTile(0, 4, 0, 4),)
    assert result.coded[1].bytes_by_kind["weight"] == -(-bits // 256) * 32 + 32
    assert result.raw[1].bytes_by_kind["weight"] == 192


def test_weight_decoders_work_beside_activation_decoders(plain):
    packed, slow = run_hand(plain), run_hand(plain, "huffman")
    decoder = [layer.busy_ns["decode"] for layer in packed.coded]
    assert decoder == [0, 256, 512, 256]
    # One tile of weights in each layer, one step: the slower of both decoders tells, at a cycle of 1 ns.
    layers = hand_network().layers
    weights = layer_weights(hand_network())
    for own, layer, name in zip(decoder, slow.coded, (layer.name for layer in layers), strict=True):
        values = weights[name].values
        encoded = Huffman(HuffmanFormat()).encode(quantize(values, LinearFormat()).values)
        cycles = weight_cycles(StoredWeights(name, Huffman(HuffmanFormat()), encoded))
        assert layer.busy_ns["decode"] == max(own, cycles)
        # 0.5 fJ a gate, and its code tables are read in each cycle.
        engine = CORES["pair decoder", 8, 16]
        cycle_pj = (engine.gates + INTAKE) * 0.5e-3 + 10 * sqrt(engine.memory_bits / 65536)
        assert layer.energy_pj["weight_decoder_pj"] == pytest.approx(cycles * cycle_pj)
    assert slow.coded[1].busy_ns["decode"] > decoder[1]
    assert all(layer.energy_pj["weight_decoder_pj"] == 0 for layer in (*packed.coded, *slow.raw))


def test_sums_over_layers_are_the_totals_of_the_summary(plain):
    summary = summarize_simulation(run_hand(plain))
    for kind, total in summary.coded.bytes_by_kind.items():
        assert sum(getattr(row, f"{kind}_bytes") for row in summary.layers) == total
    assert sum(row.total_bytes for row in summary.layers) == summary.coded.total_bytes == 352 + 384 + 512 + 448
    assert summary.coded.read_bytes + summary.coded.write_bytes == summary.coded.total_bytes
    assert sum(row.raw_energy_pj for row in summary.layers) == pytest.approx(summary.raw.total_energy_pj)
    assert sum(row.time_us for row in summary.layers) / 1e3 == pytest.approx(summary.coded.time_ms)
    assert summary.coded.layers_by_bottleneck == {"memory": 0, "decode": 0, "compute": 4, "encode": 0}
    assert sum(summary.coded.sensitivity_20_pct.values()) == pytest.approx(20)


def test_use_of_the_array_codec_energy_and_memory_by_hand(plain):
    summary = summarize_simulation(run_hand(plain))
    row = summary.layers[0]
    assert row.utilization == pytest.approx(768 / (row.time_us * 1e3))
    assert row.codec_pj == pytest.approx(256 * ENCODER * 0.5e-3 + 20 * (256 * sqrt(20360 / 65536) + 12 * sqrt(1 / 128)))
    assert summary.coded.utilization == pytest.approx(11520 / (summary.coded.time_ms * 1e6))
    # At r: `b` and `c`, and `a`, which it reads, too; a tile has the room of a raw one.
    assert summary.raw.peak_bytes == 3 * 256
    assert summary.coded.peak_bytes == 3 * (256 + 32)


def test_what_stays_on_the_chip_is_told(plain):
    summary = summarize_simulation(run_hand(plain, residency="long", fuse=True))
    assert (summary.resident, summary.fused, summary.reserved_bytes) == (("a",), ("b", "c"), 256)
    assert [row.on_chip for row in summary.layers] == [
        "output",
        "reads a, output",
        "reads b, reads a, output",
        "reads c",
    ]
    assert summary.raw.peak_bytes == 192
    told = findings(summary)
    assert told[0] == "1 of 4 layers make half of the time, above all q, r, p"
    assert "4 of 4 layers are bound by compute" in told[2]
    assert "stay on the chip: 1 as a whole and 2 inside fused layers; at most 0.25 KiB" in told[3]
    chain = summary.layers[1:]  # the array is busy longest in all three
    saved_us = sum(row.time_us for row in chain) - sum(row.compute_us for row in chain)
    assert 1e3 * summary.fused_overlap_ms == pytest.approx(saved_us)
    assert saved_us > 0
    share = 100 * summary.fused_overlap_ms / summary.coded.time_ms
    assert told[4].endswith(f"overlap would save {share:.1f} % of the time at most")
    assert summarize_simulation(run_hand(plain)).fused_overlap_ms == 0


def test_codecs_that_slow_a_design_down_say_why(plain, capsys):
    # One symbol a ns against 1.6 bytes: every layer with a codec is slower.
    summary = summarize_simulation(run_hand(plain))
    assert summary.coded.time_ms > summary.raw.time_ms
    print_simulation(summary, Console(width=200))
    told = capsys.readouterr().out
    assert "codecs slow this design down: 0 layers wait for the decoder, 0 for the encoder; 1 symbols per cycle" in told
    assert "1 symbols per cycle: less than memory brings" in told
    weights = {"weight_codec": "huffman", "weight_units": 2}
    told = slower(summary.model_copy(update={"config": summary.config | weights}))
    assert "1 symbols per cycle or 2 decoders of huffman weights: less" in told
    alone = weights | {"codec": "raw", "weight_units": 1}
    told = slower(summary.model_copy(update={"config": summary.config | alone}))
    assert "encoder; 1 decoder of huffman weights: less" in told
    # A core of prc takes four symbols, whatever the port asks for.
    assert "4 symbols per cycle" in slower(summary.model_copy(update={"config": summary.config | {"codec": "prc"}}))
    assert slower(summarize_simulation(run_hand(load_accelerator("mobile"), residency="all"))) == ""


def test_pinning_the_mappings_of_a_simulation_gives_it_again(plain, tmp_path):
    network = hand_network()
    config = SimulationConfig(plain, CONFIG, "packed", residency="none")
    first = summarize_simulation(run_hand(plain))
    write_simulation(run_hand(plain), tmp_path, "thinwire")
    pinned = read_mappings(tmp_path / "mappings.toml", layer_shapes(network))
    plans, placed = plan_network(config, network, pinned)
    images = coded_images(network, CONFIG, 1, HandRecorder((symbols(),)), {"a", "b", "c"})
    again = summarize_simulation(simulate_plans(config, network, plans, placed, images, ("image0",)))
    assert again == first


def test_all_files_are_written_and_the_page_opens_offline(plain, tmp_path):
    out = tmp_path / "out"
    summary = write_simulation(run_hand(plain), out, "thinwire simulate <tiny>", "q")
    assert SimulationSummary.model_validate_json((out / "summary.json").read_text()) == summary
    rows = list(csv.DictReader(io.StringIO((out / "layers.csv").read_text())))
    assert [row["layer"] for row in rows] == ["p", "q", "r", "y"]
    assert float(rows[2]["total_bytes"]) == 512
    page = (out / "index.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == 6
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "thinwire simulate &lt;tiny&gt;" in page
    assert all(note.replace("'", "&#39;") in page for note in summary.assumptions)
    with pytest.raises(ValueError, match="layer must be one of p, q, r, y, not 'z'"):
        write_simulation(run_hand(plain), out, "", "z")
