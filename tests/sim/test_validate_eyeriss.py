"""The simulator beside the Eyeriss chip."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from golden.activations.zrlc import Zrlc, ZrlcFormat
from sim import validate_eyeriss as module
from sim.accelerator import load_accelerator
from sim.eyeriss_chip import chip_layers
from sim.eyeriss_report import csv_text, eyeriss_figure, markdown, print_validation
from sim.plots import to_svg
from sim.validate_cli import app
from sim.validate_eyeriss import LIMITS_PCT, validate_eyeriss

CHIP = load_accelerator("eyeriss")


@pytest.fixture(scope="module")
def validation():
    return validate_eyeriss()


@pytest.mark.parametrize(("network", "figure", "kind"), LIMITS_PCT, ids=str)
def test_errors_are_within_their_limits(network, figure, kind, validation):
    found = validation.errors_pct(network, figure)[kind]
    assert abs(found) <= LIMITS_PCT[network, figure, kind]
    assert validation.misses == ()


def test_limits_are_the_ones_asked_for():
    alex = {("bytes", "mean"): 4, ("bytes", "max"): 8, ("bytes", "total"): 3, ("time", "mean"): 4, ("time", "max"): 8}
    vgg = {("bytes", "mean"): 10, ("bytes", "total"): 5, ("power", "mean"): 10}
    asked = {("AlexNet", *key): limit for key, limit in {**alex, ("power", "mean"): 8}.items()}
    assert {**asked, **{("VGG-16", *key): limit for key, limit in vgg.items()}} == LIMITS_PCT


def test_a_miss_is_told(validation):
    rows = validation.networks["AlexNet"]
    worse = tuple(replace(row, model={**row.model, "bytes": 1.2 * row.chip["bytes"]}) for row in rows)
    missed = replace(validation, networks={**validation.networks, "AlexNet": worse})
    assert missed.misses == (
        "AlexNet bytes: mean error 20.0 %, limit 4 %",
        "AlexNet bytes: max error 20.0 %, limit 8 %",
        "AlexNet bytes: total error 20.0 %, limit 3 %",
    )


def test_silicon_is_the_papers():
    alex, vgg = chip_layers("AlexNet"), chip_layers("VGG-16")
    assert sum(layer.measured.external_bytes for layer in alex) == pytest.approx(15.4e6)
    assert sum(layer.measured.processing_ms for layer in alex) == pytest.approx(103.5)
    # the paper's own total is 321.1
    assert sum(layer.measured.external_bytes for layer in vgg) == pytest.approx(321.3e6)
    assert (alex[2].measured.power_mw, alex[2].measured.zero_fraction) == (266, pytest.approx(0.725))
    # GMACs as the paper's tables give them: shapes and images are right
    assert [round(layer.shape.macs / 1e9, 2) for layer in alex] == [0.42, 0.90, 0.60, 0.45, 0.30]
    deep = [0.26, 5.55, 2.77, 5.55, 2.77, 5.55, 5.55, 2.77, 5.55, 5.55, 1.39, 1.39, 1.39]
    assert [round(layer.shape.macs / 1e9, 2) for layer in vgg] == deep


def test_bytes_of_a_layer_by_hand(validation):
    """Conv1: eight strips of seven rows, the last of six; filters come with each strip of each image."""
    row = validation.networks["AlexNet"][0]
    assert row.input_bytes == 2 * 4 * 3 * 227 * (7 * 35 + 31)
    assert row.weight_bytes == 2 * 96 * 363 * 8 * 4
    assert row.model["bytes"] == row.input_bytes + row.weight_bytes + row.output_bytes
    third = validation.networks["AlexNet"][2]
    assert third.weight_bytes == 2 * 384 * 256 * 9
    assert row.output_bytes == pytest.approx(4 * 96 * 55 * 55 * 0.378 * 8 / 3, rel=2e-3)


def test_outputs_of_vgg_by_hand(validation):
    rows = {row.layer.shape.name: row for row in validation.networks["VGG-16"]}
    # not pooled: what the next layer reads, which is in five strips (66 rows of 58), four times
    assert rows["conv3-2"].output_bytes == pytest.approx(rows["conv3-3"].input_bytes / (66 / 58) / 4, rel=1e-6)
    # pooled: 20.6 % of 3 x 512 x 16 x 16 are not zero, of 14 x 14 pixels; one token of 64 / 3 bits each
    pooled_zeros = 1 - 0.206 * 256 / 196
    tokens = 3 * 512 * 28 * 28 * (1 - pooled_zeros**0.5)
    assert rows["conv4-3"].output_bytes == pytest.approx(tokens * 8 / 3, rel=0.02)


def test_time_of_vgg_follows_without_a_limit(validation):
    assert validation.errors_pct("VGG-16", "time")["max"] < 5


def test_tensors_are_really_coded():
    rng = np.random.default_rng(7)
    size = module._coded_bytes(3_000_000, 0.3, rng)
    values = np.random.default_rng(1).integers(1, 1 << 16, 3_000_000).astype(np.uint16)
    values[np.random.default_rng(2).random(values.size) >= 0.3] = 0
    codec = Zrlc(ZrlcFormat(5, 16, "eyeriss"))
    encoded = codec.encode(values)
    assert np.array_equal(codec.decode(encoded), values)
    assert size == pytest.approx(encoded.bits / 8, rel=3e-3)
    assert size % 8 == 0


def test_constants_are_fitted_on_alexnet_alone(validation, monkeypatch):
    assert validation.constants.overhead_cycles == pytest.approx(94, abs=1)
    vgg = chip_layers("VGG-16")
    slower = tuple(
        replace(layer, measured=replace(layer.measured, processing_ms=2 * layer.measured.processing_ms, power_mw=1.0))
        for layer in vgg
    )
    monkeypatch.setattr(module, "chip_layers", lambda name: slower if name == "VGG-16" else chip_layers(name))
    again = validate_eyeriss()
    assert again.constants == validation.constants
    same = [row.model for row in validation.networks["VGG-16"]]
    assert [row.model for row in again.networks["VGG-16"]] == same


def test_power_needs_no_third_constant():
    """Without set-up in the time that energy is divided by, two constants do as well."""
    parts = {name: module._network_parts(chip_layers(name), CHIP) for name in ("AlexNet", "VGG-16")}
    constants = module.Constants(0.0, *module._fit_power(parts["AlexNet"], 0.0, CHIP))
    for name, limit in (("AlexNet", 8), ("VGG-16", 10)):
        errors = [abs(module._check(part, constants, CHIP).error_pct("power")) for part in parts[name]]
        assert np.mean(errors) <= limit


def test_the_rule_for_tiles_finds_the_papers():
    found = []
    for layer in chip_layers("AlexNet"):
        stored = 2.0 * layer.shape.touched_inputs * (1 - layer.measured.zero_fraction)
        mapping = module._mapping(replace(layer, tile=None), stored, CHIP)
        found.append((mapping.filters, mapping.images, mapping.rows) == layer.tile)
    assert found == [True, False, True, True, True]


def test_tiles_fit_the_chip(validation):
    for rows in validation.networks.values():
        for row in rows:
            assert module._need_bytes(row.layer.shape, row.mapping, CHIP) <= 100 * 1024


def test_report(validation, tmp_path):
    with (tmp_path / "text").open("w") as file:
        print_validation(validation, Console(width=120, file=file))
    text = (tmp_path / "text").read_text()
    assert "all limits hold" in text
    assert "conv5-3" in text
    rows = list(csv.DictReader(csv_text(validation).splitlines()))
    assert len(rows) == 18
    kinds = ("input_bytes", "weight_bytes", "output_bytes")
    assert all(abs(sum(float(row[kind]) for kind in kinds) - float(row["model_bytes"])) < 300 for row in rows)
    assert "| conv5 | 1.30 | 1.35 | +3." in markdown(validation)
    assert all(note in markdown(validation) for note in module.ASSUMPTIONS)
    figure = eyeriss_figure(validation)
    assert len(figure.axes) == 6
    heights = [bar.get_height() for bar in figure.axes[0].containers[0]]
    assert heights == [5.0, 4.0, 3.0, 2.1, 1.3]
    assert to_svg(figure) == to_svg(eyeriss_figure(validation))


def test_command(tmp_path):
    result = CliRunner().invoke(app, ["eyeriss", "--out", str(tmp_path)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "all limits hold" in result.output
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".md", ".png", ".svg"]
