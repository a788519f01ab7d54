"""The commands `simulate` and `energy`: files, wrong options, constants and what moving one of them does."""

import json

import onnx
import pytest
import typer
from hand import hand_network
from typer.testing import CliRunner

from sim.accelerator import load_accelerator
from sim.chip_energy import chip_energy, constants, scaled, sensitivity
from sim.chip_process import NODES, process_ratio
from sim.codec_energy import CORES, INTAKE
from sim.layer_shape import conv
from sim.simulate_cli import energy, simulate


def app() -> typer.Typer:
    made = typer.Typer()
    made.command()(simulate)
    made.command()(energy)
    return made


def test_the_command_simulates_a_model_of_any_name(tmp_path):
    onnx.save(hand_network().model, tmp_path / "tiny.onnx")
    out = tmp_path / "out"
    arguments = ["simulate", str(tmp_path / "tiny.onnx"), "--out", str(out), "--codec", "zvc", "--json"]
    found = CliRunner().invoke(app(), arguments, catch_exceptions=False)
    assert found.exit_code == 0
    summary = json.loads(found.stdout)
    assert (summary["kind"], summary["schema_version"], summary["coded"]["name"]) == ("simulation", 1, "zvc + mlw")
    assert [row["layer"] for row in summary["layers"]] == ["p", "q", "r", "y"]
    assert (out / "index.html").exists()
    # The table: the same run without JSON.
    told = CliRunner().invoke(app(), arguments[:-1], catch_exceptions=False).stdout
    assert "raw + packed" in told
    assert "layers bound" in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--accelerator", "none"], "accelerator must be one of mobile"),
        (["--codec", "zip"], "codec must be one of"),
        (["--weights-codec", "zip"], "weights-codec must be one of packed"),
        (["--batch", "0"], "batch must be in 1..64, not 0"),
        (["--residency", "some"], "residency must be one of none, long, all, not 'some'"),
        (["--objective", "area"], "objective must be one of bytes, energy, time, not 'area'"),
        (["--codec-units", "0"], "codec_units must be in 1..64, not 0"),
        (["--index-cache", "-1"], "index_cache_groups must be at least 0, not -1"),
        (["--read-fifo", "-1"], "read_fifo_bytes must be at least 0, not -1"),
        (["--voltage", "1"], "voltage must come with a process"),
        (["--process", "22"], "process must be one of 65, 45, 32, 16, 7 nm, not 22"),
        (["--spread", "0"], "spread in 1e-6..1e6"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_options_are_told_before_any_work(options, message, tmp_path):
    found = CliRunner().invoke(app(), ["simulate", "--out", str(tmp_path / "out"), *options])
    assert isinstance(found.exception, ValueError)
    assert message in str(found.exception)
    assert not (tmp_path / "out").exists()


def test_energy_prints_every_constant_with_unit_process_and_source():
    found = json.loads(CliRunner().invoke(app(), ["energy", "--json"], catch_exceptions=False).stdout)
    assert all(one["unit"] and one["process"] and one["source"] for one in found)
    values = {one["name"]: one["value"] for one in found}
    assert values["mac"] == 0.3
    # IDD4R less IDD3N over a burst of 5 ns, 1.1 V: 245 mA; and 149.25 mA on the pins.
    assert values["dram_read"] == pytest.approx(245 * 1.1 * 5)
    assert values["dram_read_io"] == pytest.approx(149.25 * 1.1 * 5)
    assert {"buffer", "register", "dram_activate", "dram_refresh", "dram_power_down"} <= set(values)
    told = CliRunner().invoke(app(), ["energy"], catch_exceptions=False).stdout
    assert "dram_read" in told
    assert "45 nm, 0.9 V" in told
    assert {"codec_gate", "codec_memory", "encoder_gates", "decoder_gates"} <= set(values)
    assert values["decoder_gates"] == CORES["decoder", 8, 8].gates + CORES["decoder", 8, 8].shell
    assert values["weight_decoder_gates"] == CORES["mlw decoder", 9, 32].gates + INTAKE
    nothing = CliRunner().invoke(app(), ["energy", "--accelerator", "ethos-u55"], catch_exceptions=False).stdout
    assert nothing.startswith("no energies are told")


def test_process_scaling_follows_the_polynomials():
    # 45 nm at 0.9 V: 1.103 * 0.81 - 0.362 * 0.9 + 0.2767; 16 nm at 0.8 V: 0.2958 * 0.64 - 0.1241 * 0.8 + 0.03024.
    assert process_ratio(45, 16) == pytest.approx((0.189312 - 0.09928 + 0.03024) / (0.89343 - 0.3258 + 0.2767))
    assert all(process_ratio(node, node) == 1 for node in NODES)
    assert process_ratio(45, 45, 0.9, 1.0) > 1
    energies = load_accelerator("mobile").energy
    moved = scaled(energies, 16)
    assert (
        moved.mac_pj / energies.mac_pj == moved.buffer_pj / energies.buffer_pj == pytest.approx(process_ratio(45, 16))
    )
    assert moved.process.startswith("16 nm, 0.8 V")
    with pytest.raises(ValueError, match=r"voltage must be in 0.4..1.3 V, not 3"):
        process_ratio(45, 16, to_v=3)


def test_a_constant_moves_the_total_by_its_parts_share():
    parts = {"mac_pj": 30.0, "buffer_pj": 70.0}
    assert sensitivity(parts) == pytest.approx({"mac_pj": 0.06, "buffer_pj": 0.14})
    # The same, by moving the constant itself.
    accelerator, shape = load_accelerator("mobile"), conv("l", 32, 8, 32)
    each = accelerator.energy
    more = accelerator.model_copy(update={"energy": each.model_copy(update={"mac_pj": 1.2 * each.mac_pj})})
    before, after = (chip_energy(shape, shape.macs, 100, 50, one, 1e3).parts() for one in (accelerator, more))
    total = sum(before.values())
    assert (sum(after.values()) - total) / total == pytest.approx(sensitivity(before)["mac_pj"])
    assert all(constant.value >= 0 for constant in constants(accelerator))
