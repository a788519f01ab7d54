"""The summary of the hand-made network over two images, figure by figure, and the frozen schema."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand import CONFIG, dense_symbols, hand_result, symbols
from rich.console import Console
from tiny_models import model

from sim.config import RunConfig
from sim.energy import energy
from sim.images import Photo
from sim.network import load_network
from sim.run import run
from sim.summary import Spread, Summary, summarize
from sim.terminal import print_summary

SCHEMA = Path(__file__).parents[1] / "data" / "summary.schema.json"


@pytest.fixture(scope="module")
def summary() -> Summary:
    return summarize(hand_result())


def test_totals_are_means_over_the_images(summary):
    # Bus bytes of a, b, c with their indices: 128 + 64 + 288 in the first image, 288 + 64 + 288 in the second.
    total = summary.codec("zvc")
    assert (total.bus_bytes, total.payload_bytes, total.index_bytes) == (560, 464, 96)
    assert total.coded_bytes == (96 + 32 + 256 + 256 + 32 + 256) / 2
    assert total.mode_tiles == {"raw": 1.5, "zvc": 1.5}
    assert (total.read_bytes, total.write_bytes, total.moved_bytes) == (1216, 688, 1904)
    assert summary.codec("raw").moved_bytes == 2368
    assert total.moved_saving_pct == pytest.approx(100 * (1 - 1904 / 2368))


def test_ratio_is_raw_over_bus_bytes_and_has_a_spread_over_the_images(summary):
    total = summary.codec("zvc")
    assert total.ratio == pytest.approx(768 / 560)
    assert total.saving_pct == pytest.approx(100 * (1 - 560 / 768))
    assert total.ratio_images.model_dump() == pytest.approx({"mean": 1.4, "std": 0.2, "min": 1.2, "max": 1.6})
    assert summary.codec("raw").ratio_images == Spread(mean=1, std=0, min=1, max=1)


def test_energy_and_time_are_of_all_traffic(summary):
    macs = 64 * (4 * 3 + 4 * 4 * 9 + 4 * 4 + 2 * 4)
    total, expected = summary.codec("zvc"), energy(1216, 688, macs)
    assert summary.macs == macs
    assert total.dram_energy_pj == pytest.approx(expected.dram_pj)
    assert sum(total.energy_pj.values()) == pytest.approx(expected.total_pj)
    assert total.dram_time_ms == pytest.approx(1904 / 5.86e9 * 1e3)


def test_rows_are_means_over_the_images(summary):
    row = summary.layers[0]
    assert (row.layer, row.op, row.activation, row.output_shape) == ("p", "conv", "relu", "4x8x8")
    assert (row.macs, row.weight_bytes, row.zero_fraction) == (64 * 12, 32, (0.75 + 0) / 2)
    assert (row.output_raw_bytes, row.output_coded_bits, row.output_index_bytes) == (256, (768 + 2048) / 2, 32)
    assert row.output_bus_bytes == (128 + 288) / 2
    assert row.output_ratio == pytest.approx(256 / 208)
    assert row.output_ratio_std == pytest.approx((256 / 128 - 256 / 288) / 2)
    assert (row.read_bytes, row.write_bytes, row.bus_bytes) == (192 + 32, 208, 432)
    assert row.raw_bus_bytes == 192 + 32 + 256
    assert row.saving_pct == pytest.approx(100 * (1 - 432 / 480))


def test_the_network_s_own_output_has_no_ratio(summary):
    row = summary.layers[-1]
    assert (row.layer, row.output_ratio, row.output_ratio_std) == ("y", None, None)
    assert (row.output_coded_bits, row.output_index_bytes, row.output_bus_bytes) == (8 * 128, 0, 128)


@pytest.mark.parametrize("codec", CONFIG.codecs)
def test_sums_over_layers_are_the_totals(codec):
    found = summarize(hand_result(RunConfig(codec, tile=(8, 8, 4))))
    total = found.codec(codec)
    sums = {
        name: sum(getattr(row, name) for row in found.layers) for name in ("read_bytes", "write_bytes", "bus_bytes")
    }
    assert sums == {"read_bytes": total.read_bytes, "write_bytes": total.write_bytes, "bus_bytes": total.moved_bytes}
    assert sum(row.raw_bus_bytes for row in found.layers) == found.codec("raw").moved_bytes
    assert sum(row.dram_energy_pj for row in found.layers) == pytest.approx(total.dram_energy_pj)
    assert sum(row.dram_time_us for row in found.layers) == pytest.approx(1e3 * total.dram_time_ms)
    assert sum(row.macs for row in found.layers) == found.macs
    inner = [row for row in found.layers if row.output_ratio is not None]
    assert sum(row.output_bus_bytes for row in inner) == total.bus_bytes
    assert sum(row.output_coded_bits for row in inner) == 8 * total.coded_bytes


def test_counts_of_the_network(summary):
    assert (summary.layers_count, summary.activation_tensors, summary.round_trip_tensors) == (4, 3, 6)
    assert (summary.activation_raw_bytes, summary.weight_count) == (768, 12 + 144 + 16 + 8)
    assert summary.images == ("image0", "image1")
    assert summary.activation_zero_fraction == (192 + 256 + 0 + 0 + 256 + 0) / (6 * 256)
    assert summary.network == "tiny"


def test_entropy_ratio_pools_all_images(summary):
    a = 256 * (0.75 * np.log2(4 / 3) + 0.25 * 8)
    c = 252 * np.log2(256) / 256 * 256 + 4 * np.log2(128)  # 1 and 2 come twice
    assert summary.entropy_ratio == pytest.approx(2 * 768 * 8 / (a + c + c + c))


def test_footprints_are_the_greatest_of_the_images(summary):
    # Raw x + a, a + b, a + b + c, c + y; packed with the dense image's a of 288.
    peaks = {row.layout: (row.peak_bytes, row.layer) for row in summary.footprints}
    assert peaks == {"raw": (768, "r"), "slotted": (864, "r"), "packed": (288 + 64 + 288, "r")}


def test_a_network_without_activations_in_memory_has_totals():
    network = load_network(model("y = Conv(x, w)", w=(4, 3, 1, 1)))
    found = summarize(run(RunConfig(), network, (Photo("grey", np.full((8, 8, 3), 90, np.uint8)),)))
    assert (found.activation_tensors, found.round_trip_tensors, found.entropy_ratio) == (0, 0, 1.0)
    assert {(total.ratio, total.moved_bytes) for total in found.totals} == {(1.0, 192 + 32 + 256)}


def test_constant_activations_have_no_entropy_to_bound_them():
    constant = {name: np.zeros_like(values) for name, values in symbols().items()}
    constant["c"] += 128
    found = summarize(hand_result(CONFIG, constant))
    assert found.entropy_ratio is None
    assert found.activation_zero_fraction == 1
    assert [str(row.entropy_bits_per_value) for row in found.layers] == ["0.0"] * 4


def test_one_image_has_no_spread():
    spread = summarize(hand_result(CONFIG, dense_symbols())).codec("zvc").ratio_images
    assert spread == Spread(mean=1.2, std=0, min=1.2, max=1.2)


def test_what_is_not_modelled_is_told(capsys):
    result = hand_result(CONFIG, dense_symbols())
    told = summarize(replace(result, network=replace(result.network, notes=("operator 'Odd' is not known",))))
    assert told.notes == ("operator 'Odd' is not known",)
    print_summary(told, Console(width=200))
    assert "operator 'Odd' is not known" in capsys.readouterr().out


def test_json_restores_the_summary(summary):
    assert Summary.model_validate_json(summary.model_dump_json()) == summary
    assert "NaN" not in summary.model_dump_json()


def test_quantization_and_constants_are_recorded(summary):
    assert [(row.tensor, row.scale, row.zero_point) for row in summary.quantization] == [
        *(("x", 1, 0), ("a", 1, 0), ("b", 1, 0), ("c", 1, 128), ("y", 1, 128)),
    ]
    names = {constant["name"] for constant in summary.energy_constants}
    assert {"dram_read_core", "dram_row", "int8_multiply"} <= names


def _bare(schema: Any) -> Any:
    """Without titles and prose, which may change."""
    if isinstance(schema, dict):
        return {name: _bare(value) for name, value in schema.items() if name not in ("title", "description")}
    return [_bare(value) for value in schema] if isinstance(schema, list) else schema


def test_schema_is_the_frozen_one():
    """Readers of `summary.json` rely on it: a change raises `schema_version` and freezes the new schema here."""
    assert _bare(Summary.model_json_schema(mode="serialization")) == json.loads(SCHEMA.read_text())
