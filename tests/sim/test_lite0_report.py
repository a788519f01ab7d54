"""The default run of `thinwire report`: EfficientNet-Lite0 on the four photos, through the installed script."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_call import files_below

from sim.images import PHOTOS, load_images
from sim.lite0 import build_lite0
from sim.network import load_network
from sim.summary import Summary

MUST_HOLD = 1.36  # raw, srlc, zrlc, zvc chosen per tile, 32-byte bursts, index included


def report(folder: Path, seed: str, *options: str) -> str:
    """Run it in `folder`; what it prints."""
    command = [Path(sys.executable).parent / "thinwire", "report", "--out", "made", *options]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    found = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=True
    )
    assert found.stderr == ""
    return found.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("lite0")
    (made / "stdout").write_text(report(made, "1", "--json"))
    return made


@pytest.fixture(scope="module")
def summary(folder):
    return Summary.model_validate_json((folder / "made" / "summary.json").read_text())


def test_the_compression_that_must_hold_holds(summary):
    assert {"raw", "srlc", "zrlc", "zvc"} <= set(summary.best_modes)
    assert summary.config["burst_bytes"] == 32
    assert summary.codec("best").index_bytes > 0
    assert summary.codec("best").ratio >= MUST_HOLD
    assert summary.codec("zvc").ratio == pytest.approx(1.35, abs=0.01)


def test_the_network_is_lite0_on_the_four_photos(summary):
    assert summary.network == "EfficientNet-Lite0"
    assert summary.images == tuple(photo.name for photo in load_images(PHOTOS))
    assert (summary.activation_tensors, summary.round_trip_tensors) == (49, 4 * 49)
    assert (summary.activation_raw_bytes, summary.layers_count) == (6_737_696, 51)
    assert summary.macs == pytest.approx(385e6, rel=0.01)


def test_raw_is_the_raw_bytes_in_whole_bursts(summary):
    raw = summary.codec("raw")
    assert raw.index_bytes == 0
    assert raw.coded_bytes == summary.activation_raw_bytes
    assert raw.mode_tiles.keys() == {"raw"}
    # No tile wastes more than the rest of its last burst.
    assert 0 <= raw.bus_bytes - summary.activation_raw_bytes < 32 * raw.mode_tiles["raw"]


def test_index_is_a_group_for_eight_tiles_of_each_tensor(summary):
    tiles = sum(summary.codec("best").mode_tiles.values())
    index_bytes = summary.codec("best").index_bytes
    assert tiles / 8 * 32 <= index_bytes < (tiles / 8 + 49) * 32
    assert index_bytes <= 0.0025 * summary.activation_raw_bytes


def test_sums_over_layers_are_the_totals(summary):
    total, raw = summary.codec("best"), summary.codec("raw")
    assert sum(row.bus_bytes for row in summary.layers) == total.moved_bytes == total.read_bytes + total.write_bytes
    assert sum(row.raw_bus_bytes for row in summary.layers) == raw.moved_bytes
    assert sum(row.dram_energy_pj for row in summary.layers) == pytest.approx(total.dram_energy_pj)
    inner = [row for row in summary.layers if row.output_ratio is not None]
    assert sum(row.output_bus_bytes for row in inner) == total.bus_bytes
    assert sum(row.output_raw_bytes for row in inner) == summary.activation_raw_bytes


def test_what_is_read_was_written_upstream(summary):
    network = load_network(build_lite0())
    written = {layer.output: row.write_bytes for layer, row in zip(network.layers, summary.layers, strict=True)}
    for layer, row in zip(network.layers, summary.layers, strict=True):
        image = 224 * 224 * 3 if network.inputs[0] in layer.inputs else 0
        sources = sum(written[name] for name in layer.inputs if name not in network.inputs)
        assert row.read_bytes == row.weight_bytes + image + sources


def test_relu6_outputs_have_zeros_and_linear_ones_hardly_any(summary):
    relu6 = [row for row in summary.layers if row.activation == "relu6"]
    linear = [row for row in summary.layers if row.activation == "linear" and row.output_ratio is not None]
    assert (len(relu6), len(linear)) == (33, 16)
    assert min(row.zero_fraction for row in relu6) > 0.15
    assert max(row.zero_fraction for row in linear) < 0.05


def test_layer_table_agrees_with_the_summary(folder, summary):
    with (folder / "made" / "layers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["layer"] for row in rows] == [row.layer for row in summary.layers]
    assert [float(row["bus_bytes"]) for row in rows] == [row.bus_bytes for row in summary.layers]


def test_only_json_is_printed_and_it_is_the_summary(folder):
    assert (folder / "stdout").read_text() == (folder / "made" / "summary.json").read_text()


def test_the_same_run_makes_the_same_bytes(folder, tmp_path):
    report(tmp_path, "2", "--json")
    assert files_below(tmp_path / "made") == files_below(folder / "made")
