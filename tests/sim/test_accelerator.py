"""Accelerators out of TOML, and what is said about mistakes in them."""

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import sim.accelerator
from golden.registry import WEIGHT_CODECS
from sim.accelerator import PRESETS, load_accelerator, preset_text
from sim.accelerator_cli import app
from sim.config import RunConfig
from sim.lite0 import build_lite0
from sim.network import load_network
from sim.simulated_layer import SimulationConfig
from sim.simulation import run_simulation
from sim.validate_eyeriss import validate_eyeriss


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_sound(name):
    preset = load_accelerator(name)
    assert preset.name == name
    assert tomllib.loads(preset_text(name)) == preset.model_dump(exclude_unset=True)
    assert (Path(sim.accelerator.__file__).parent / "accelerators" / f"{name}.toml").is_file()


def test_figures_of_the_mobile_preset():
    mobile = load_accelerator("mobile")
    assert mobile.peak_macs_per_s == 204.8e9
    assert mobile.bandwidth_bytes_per_s == pytest.approx(12.8e9)
    assert (mobile.buffer.size_bytes, mobile.buffer.double, mobile.buffer.weights_apart) == (262144, True, False)
    assert (mobile.memory.channels, mobile.memory.interleave_bytes) == (2, 256)


def test_figures_of_the_eyeriss_preset():
    eyeriss = load_accelerator("eyeriss")
    assert (eyeriss.buffer.size_bytes, eyeriss.buffer.weights_apart, eyeriss.buffer.partial_bits) == (102400, True, 16)
    assert eyeriss.bandwidth_bytes_per_s == 480e6
    constants, energy = validate_eyeriss().constants, eyeriss.energy
    assert energy.mac_pj == pytest.approx(constants.mac_pj, rel=0.01)
    assert energy.idle_mw == pytest.approx(constants.idle_mw, rel=0.01)
    assert (energy.hop_pj, energy.buffer_pj) == pytest.approx((2 * energy.mac_pj, 6 * energy.mac_pj))


def test_codecs_of_weights_are_those_of_the_registry():
    assert tuple(WEIGHT_CODECS) == sim.accelerator.WEIGHT_CODECS


def changed(tmp_path, *changes):
    text = preset_text("mobile")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def line_of(words: str) -> int:
    lines = preset_text("mobile").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if line.startswith(words))


@pytest.mark.parametrize(
    ("old", "new", "at", "message"),
    [
        (
            "clock_mhz = 800",
            "clock_ghz = 0.8",
            "clock_mhz",
            "clock must be in MHz, as clock_mhz, not in GHz",
        ),
        ("size_kib", "size_bytes", "size_kib", "size must be in KiB, as size_kib, not in bytes, as size_bytes"),
        ("clock_mhz = 800", 'clock_mhz = "800 MHz"', "clock_mhz", "clock_mhz must be a number in MHz, not '800 MHz'"),
        ("clock_mhz = 800", "clock_mhz = -800", "clock_mhz", "clock_mhz must be greater than 0, not -800"),
        ("clock_mhz = 800", "clock_mhz = inf", "clock_mhz", "clock_mhz must be a number in MHz, not inf"),
        ("cycle = 256", "cycle = 2.5", "macs_per_cycle", "macs_per_cycle must be a whole number, not 2.5"),
        ("channels = 2", "chanels = 2", "channels", r"\[memory\] must not have chanels: did you mean channels\?"),
        ("channels = 2", "zzz = 2", "channels", r"\[memory\] must not have zzz: it may have device, channels, inter"),
        ("channels = 2", "channels = 3", "channels", "channels must be a power of two from 1, not 3"),
        ("clock_mhz = 800", "clock = 800", "clock_mhz", r"\[array\] must not have clock: did you mean clock_mhz\?"),
        ("clock_mhz = 800", "", "[array]", r"\[array\] must have clock_mhz"),
        ('name = "mobile"', "", "# A mobile", "the file must have name"),
        ('"lpddr4-3200"', '"ddr9"', "device", "device must be one of lpddr4-3200, lpddr4x-3200, not 'ddr9'"),
        ('"robaco"', '"abc"', "mapping", "order must be made of ro, ba and co with optional widths, not 'abc'"),
        ('"all-bank"', '"never"', "refresh", "refresh must be 'none', 'all-bank' or 'per-bank', not 'never'"),
        ('codec = "best"', 'codec = "zip"', 'codec = "best"', "codec must be one of raw, .*, not 'zip'"),
        ('codec = "mlw"', 'codec = "zvc"', 'codec = "mlw"', "codec must be one of packed, .*, not 'zvc'"),
        ("size_kib = 256 ", "size_kib = 0.0001 ", "[buffers]", "size_kib must be a whole number of bytes, not 0.0001"),
        ("= true", '= "yes"', "double_buffered", "double_buffered must be true or false, not 'yes'"),
        (
            "activation_bits = 8",
            "activation_bits = 9",
            "activation_bits",
            "_bits must be 4, 8, 16 or 32, not 9",
        ),
        ("mac_pj = 0.3 ", "mac_nj = 0.3 ", "mac_pj", "mac must be in pJ, as mac_pj, not in nJ, as mac_nj"),
        ('device = "', 'bandwidth_gbps = 1\ndevice = "', "[memory]", "must have either device or bandwidth_gbps"),
        ('"output-stationary"', '"row-stationary"', "[array]", "row-stationary array must have rows and columns"),
        ("macs_per", "rows = 2\ncolumns = 3\nmacs_per", "[array]", "macs_per_cycle must be rows x columns, 6, not 256"),
        ("clock_mhz = 800", "clock_mhz = = 8", "clock_mhz", "must be TOML: invalid value"),
        (
            'codec = "best"',
            'tile = "8x8"\ncodec = "best"',
            'codec = "best"',
            "tile must be three sizes as in 8x8x32, not '8x8'",
        ),
        (
            'codec = "best"',
            'tile = "8x0x4"\ncodec = "best"',
            'codec = "best"',
            "tile must have sizes of at least 1, not",
        ),
        ("activation_bits = 8", "activation_bits = 32", "[words]", r'must be 4, 8 or 16 \(where kind is "float", 16'),
        ("activation_bits = 8", 'kind = "float"\nactivation_bits = 8', "[words]", "of floats must be 16 or 32"),
        ("activation_bits = 8", 'kind = "real"\nactivation_bits = 8', "activation_bits", "kind must be 'integer' or"),
    ],
    ids=str,
)
def test_mistakes_are_told_with_file_and_line(old, new, at, message, tmp_path):
    path = changed(tmp_path, (old, new))
    with pytest.raises(ValueError, match=message) as error:
        load_accelerator(str(path))
    assert str(error.value).startswith(f"{path}, line {line_of(at)}: ")
    assert "; " not in str(error.value)


def test_units_of_codecs(tmp_path):
    def units(count):
        return load_accelerator(
            str(changed(tmp_path, ("units = 2\n\n", f"units = {count}\n\n")))
        ).ports.activations.units

    assert units(64) == 64
    for count in (0, 65, 1.5):
        with pytest.raises(ValueError, match=r"mine.toml, line \d+: units must be "):
            units(count)


def test_floats_pass_no_codec(tmp_path):
    path = tmp_path / "gpu.toml"
    text = preset_text("rk3399-gpu")
    path.write_text(text.replace('codec = "raw"', 'codec = "zvc"'))
    with pytest.raises(ValueError, match="ports of an accelerator of floats must have the codecs raw and packed"):
        load_accelerator(str(path))
    gpu = load_accelerator("rk3399-gpu")
    with pytest.raises(
        ValueError, match="codecs of an accelerator of floats must be raw and packed, not zvc and packed"
    ):
        SimulationConfig(gpu, RunConfig("zvc"), "packed")
    # fp16: half the bytes, twice the MACs.
    half = text.replace("_bits = 32", "_bits = 16").replace("macs_per_cycle = 32", "macs_per_cycle = 64")
    path.write_text(half.replace("partial_bits = 16", "partial_bits = 32"))
    whole, halved = (
        run_simulation(
            SimulationConfig(one, RunConfig("raw"), "packed", residency="none"), load_network(build_lite0()), ()
        )
        for one in (gpu, load_accelerator(str(path)))
    )
    bytes_of = [sum(layer.total_bytes for layer in result.coded) for result in (whole, halved)]
    # Half the bytes, and fewer fetched again, as twice the values fit.
    assert 0.95 * bytes_of[0] / 2 < bytes_of[1] <= bytes_of[0] / 2 + 1e4
    assert whole.raw[0].total_bytes == 4 * (3 * 224 * 224 + 32 * 112 * 112 + 32 * 27 + 32)
    times = [sum(layer.time_ns for layer in result.coded) for result in (whole, halved)]
    assert times[1] == pytest.approx(times[0] / 2, rel=0.05)
    assert whole.time_ms(whole.coded) == pytest.approx(times[0] / 1e6 + gpu.software.image_ms)
    path.write_text(text.replace("efficiency = 0", "efficiency = 1"))
    with pytest.raises(ValueError, match=r"gpu.toml, line \d+: efficiency must be at most 1, not 1"):
        load_accelerator(str(path))


def test_three_mistakes_are_told_at_once_in_order(tmp_path):
    misplaced = ('dataflow = "output', 'lanes = 1\ndataflow = "input')
    swaps = (misplaced, ("size_kib", "size_mb"), ("channels = 2", "channels = 3"), ('"mlw"', '"zip"'))
    with pytest.raises(ValueError, match=r"line 6: .* lanes: .*; line 7: dataflow .*; line 12: size .*; and 2 more$"):
        load_accelerator(str(changed(tmp_path, *swaps)))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match=r"file must be readable, not '.*none.toml': No such file"):
        load_accelerator(str(tmp_path / "none.toml"))
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(ValueError, match=r"latin.toml: file must be UTF-8, not hold byte 0xe9"):
        load_accelerator(str(tmp_path / "latin.toml"))
    with pytest.raises(ValueError, match=r"accelerator must be one of mobile, eyeriss, .* not 'none'"):
        load_accelerator("none")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_commands(tmp_path):
    assert all(name in run() for name in PRESETS)
    assert [preset["name"] for preset in json.loads(run("--json"))] == list(PRESETS)
    text = run("show", "mobile")
    assert text == preset_text("mobile")
    (tmp_path / "mine.toml").write_text(text.replace("800", "400"))
    assert load_accelerator(str(tmp_path / "mine.toml")).array.clock_mhz == 400
    assert "clock_mhz = 400" in run("show", str(tmp_path / "mine.toml"))
    with pytest.raises(ValueError, match="accelerator must be one of"):
        CliRunner().invoke(app, ["show", "none"], catch_exceptions=False)
