"""What `generate` writes works for its user: test bench in both simulators, lint, core file, datasheet."""

import json
import os
import subprocess

import pytest

from hw.generate import CODECS, WAIVERS, generate
from hw.verilator import lint, verilator_root

pytestmark = pytest.mark.rtl


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("rtl")
    generate("tile", 4, out, tile=(8, 8, 8))
    return out


def run(command, folder):
    environment = os.environ | {"VERILATOR_ROOT": str(verilator_root())}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def icarus(folder, *plusargs):
    sources = [str(path) for path in sorted((folder / "rtl").glob("*.sv"))]
    bench = str(next((folder / "tb").glob("*_tb.sv")))
    code, text = run(["iverilog", "-g2012", "-o", "tb.vvp", *sources, bench], folder)
    assert code == 0, text
    return run(["vvp", "tb.vvp", *plusargs], folder)


@pytest.mark.parametrize("plusargs", [(), ("+fast",)], ids=["stalls", "fast"])
def test_bench_passes_in_icarus(folder, plusargs):
    code, text = icarus(folder, *plusargs)
    assert (code, "PASS" in text) == (0, True), text[-2000:]


def test_bench_passes_in_verilator(folder):
    root = verilator_root()
    sources = [str(path) for path in sorted((folder / "rtl").glob("*.sv"))]
    bench = next((folder / "tb").glob("*_tb.sv"))
    options = ["--binary", "--timing", "-Wno-fatal", "-j", "2", "--output-split", "0", "--top-module", bench.stem]
    options += ["-CFLAGS", "-std=c++20 -O0"]
    code, text = run([str(root / "bin" / "verilator"), *options, *sources, str(bench)], folder)
    assert code == 0, text[-2000:]
    code, text = run([str(folder / "obj_dir" / f"V{bench.stem}")], folder)
    assert (code, "PASS" in text) == (0, True), text[-2000:]


def test_bench_fails_on_a_wrong_vector(tmp_path):
    generate("zvc", 2, tmp_path, tile=(4, 4, 4))
    path = tmp_path / "tb" / "encoder_m_axis_entry.hex"
    lines = path.read_text().splitlines()
    lines[3] = f"{int(lines[3], 16) ^ 0x100:0{len(lines[3])}x}"
    path.write_text("\n".join(lines) + "\n")
    code, text = icarus(tmp_path, "+fast")
    assert code != 0
    assert "encoder_m_axis_entry transfer 3 is" in text
    assert "FAIL: 1 transfers differ" in text


def test_lint_is_silent_with_named_waivers(folder):
    for source in sorted((folder / "rtl").glob("*.sv")):
        assert lint([next(folder.glob("*.vlt")), source], source.stem) == ""
    assert "UNUSEDSIGNAL" in lint([folder / "rtl" / "thinwire_tile_encoder.sv"], "thinwire_tile_encoder")
    for rule in WAIVERS:
        assert f"// {rule}: " in next(folder.glob("*.vlt")).read_text()


def test_datasheet_names_every_port_of_the_verilog(folder):
    sheet = json.loads((folder / "datasheet.json").read_text())
    markdown = (folder / "datasheet.md").read_text()
    for module in sheet["modules"]:
        text = (folder / "rtl" / f"{module['name']}.sv").read_text()
        head = text[text.index(f"module {module['name']}(") :].split(");", 1)[0]
        ports = {port.strip() for port in head.partition("(")[2].split(",")}
        told = {port["name"] for stream in module["streams"] for port in stream["ports"]}
        assert ports == told | {"clk", "rst"}
        assert all(f"| {port} |" in markdown for port in told)


def test_datasheet_lists_every_memory_and_the_timing_of_every_core(folder):
    sheet = json.loads((folder / "datasheet.json").read_text())
    for module in sheet["modules"]:
        text = (folder / "rtl" / f"{module['name']}.sv").read_text()
        assert len(module["memories"]) == text.count("] store [")
        assert all(f"module {memory['module']}(" in text for memory in module["memories"])
        assert module["what"].endswith(".")
        assert all(field["meaning"] for stream in module["streams"] for field in stream["fields"])


def test_core_file_lists_the_files_that_are_there(folder):
    text = next(folder.glob("*.core")).read_text()
    assert text.startswith("CAPI=2:\n")
    listed = [line.strip().removeprefix("- ") for line in text.splitlines() if line.strip().endswith((".sv", ".vlt"))]
    assert len(listed) == 7
    assert all((folder / name).exists() for name in listed)


@pytest.mark.parametrize(("codec", "lanes"), list(zip(sorted(CODECS), (4, 2, 1, 2, 4, 8, 1), strict=True)))
def test_every_codec_is_written(codec, lanes, tmp_path):
    names = {path.name for path in generate(codec, lanes, tmp_path, tile=(4, 4, 4))}
    mixed = "mixed_" * ("prc" in CODECS[codec])
    assert (f"thinwire_{codec}_adaptive_encoder.sv" in names) == (codec != "raw" and not mixed)
    assert {f"thinwire_{codec}_{mixed}encoder.sv", f"thinwire_{codec}_{mixed}decoder.sv", "datasheet.md"} <= names


def test_bench_of_all_modes_passes_and_its_verilog_has_no_warnings(tmp_path):
    generate("all", 4, tmp_path, tile=(4, 6, 12))
    code, text = icarus(tmp_path)
    assert (code, "PASS" in text) == (0, True), text[-2000:]
    waivers = next(tmp_path.glob("*.vlt"))
    for source in sorted((tmp_path / "rtl").glob("*mixed*.sv")):
        assert lint([waivers, source], source.stem) == ""


def test_bad_requests_are_refused_in_words(tmp_path):
    with pytest.raises(ValueError, match=r"codec must be one of .*, not 'lzma'"):
        generate("lzma", 4, tmp_path)
    with pytest.raises(ValueError, match="lanes must be 1, 2, 4 or 8, not 3"):
        generate("tile", 3, tmp_path)
    with pytest.raises(ValueError, match=r"run_bits must be in 1\.\.8, not 0"):
        generate("tile", 4, tmp_path, run_bits=0)
    with pytest.raises(ValueError, match="word_bits must be 4, 8 or 16, not 12"):
        generate("tile", 4, tmp_path, word_bits=12)
    assert list(tmp_path.iterdir()) == []
