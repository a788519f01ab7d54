"""`thinwire report` and its surroundings: refusals in one line, help, JSON, the installed script."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from cli_call import call, files_below, refused
from onnx import numpy_helper
from PIL import Image
from tiny_models import model

from golden.registry import ACTIVATION_CODECS, WEIGHT_CODECS
from sim.summary import Summary

SCRIPT = Path(sys.executable).parent / "thinwire"
COMMANDS = ["report", "codecs", "encode", "decode", "reproduce", "weights"]


def network(**changed: np.ndarray) -> onnx.ModelProto:
    made = model("p = Conv(x, w) a = Relu(p) y = Conv(a, v)", w=(4, 3, 1, 1), v=(2, 4, 1, 1))
    for tensor in made.graph.initializer:
        if tensor.name in changed:
            tensor.CopyFrom(numpy_helper.from_array(changed[tensor.name], tensor.name))
    return made


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Working folder with a network and an image."""
    monkeypatch.chdir(tmp_path)
    onnx.save(network(), "net.onnx")
    (tmp_path / "images").mkdir()
    Image.fromarray(np.random.default_rng(7).integers(0, 256, (20, 20, 3), np.uint8)).save("images/one.png")
    return tmp_path


# Networks


def _truncated() -> bytes:
    data = network().SerializeToString()
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_truncated(), "network must be an ONNX file, not 'bad.onnx'"),
        (b"hello world\n" * 10, "network must be an ONNX file, not 'bad.onnx'"),
        (b"", "network must be valid ONNX"),
        (None, "network must be a file that exists, not 'bad.onnx'"),
    ],
    ids=["truncated", "text", "empty", "folder"],
)
def test_broken_networks_are_refused(folder, capfd, content, message):
    if content is None:
        (folder / "bad.onnx").mkdir()
    else:
        (folder / "bad.onnx").write_bytes(content)
    assert refused(capfd, folder, "report", "bad.onnx").startswith(message)


def test_a_missing_network_is_refused(folder, capfd):
    assert refused(capfd, folder, "report", "no.onnx") == "network must be a file that exists, not 'no.onnx'"


def of_a_vendor() -> onnx.ModelProto:
    made = model("p = Conv(x, w) y = Relu(p)", w=(4, 3, 1, 1))
    made.graph.node[1].domain = "com.vendor"
    made.opset_import.append(onnx.helper.make_opsetid("com.vendor", 1))
    return made


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (of_a_vendor(), "operator must be one the simulator can place, not 'com.vendor.Relu' (node 'y')"),
        (network(w=np.full((4, 3, 1, 1), np.nan, np.float32)), "tensor 'a' must hold finite values, not NaN"),
        (network(v=np.full((2, 4, 1, 1), np.inf, np.float32)), "tensor 'y' must hold finite values, not NaN"),
        (network(v=np.ones((2, 5, 1, 1), np.float32)), "network must run on its input: "),
        (
            model("y = Conv(x, w)", image="float[1,1,8,8] x", w=(4, 1, 1, 1)),
            "input of the network must have 3 channels",
        ),
        (model("y = Conv(x, w)", image="float[1,3,h,8] x", w=(4, 3, 1, 1)), "size of input 'x' must be fixed"),
    ],
    ids=["operator", "NaN in weights", "infinity in weights", "shapes disagree", "grey", "open size"],
)
def test_networks_that_cannot_be_simulated_are_refused(folder, capfd, made, message):
    onnx.save(made, "bad.onnx")
    assert refused(capfd, folder, "report", "bad.onnx", "--images", "images").startswith(message)


# Images


def test_images_that_are_not_images_are_refused(folder, capfd):
    (folder / "images" / "two.png").write_text("no")
    line = refused(capfd, folder, "report", "net.onnx", "--images", "images")
    assert line == "image must be a readable image file, not 'images/two.png'"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("empty", "image folder must hold at least one image, not none: 'empty'"),
        ("none", "image folder must be a folder that exists, not 'none'"),
        ("net.onnx", "image folder must be a folder that exists, not 'net.onnx'"),
    ],
)
def test_folders_without_images_are_refused(folder, capfd, place, message):
    (folder / "empty").mkdir()
    assert refused(capfd, folder, "report", "net.onnx", "--images", place) == message


# Options and outputs

WRONG_OPTIONS = {
    ("--codec", "nope"): "codec must be one of (",
    ("--bypass", "none"): "bypass must be one of (",
    ("--layout", "heap"): "layout must be one of (",
    ("--scan", "chw"): "scan must be one of (",
    ("--codec", "prc", "--scan", "tile-channel-first"): "scan must be 'tile-planar' where prc is a mode",
    ("--tile", "8x8"): "tile must be three sizes as in 8x8x32, not '8x8'",
    ("--tile", ""): "tile must be three sizes as in 8x8x32, not ''",
    ("--tile", "-1x8x8"): "tile must be three sizes",
    ("--tile", "0x8x8"): "tile must be three positive sizes, not (0, 8, 8)",
    ("--tile", "64x64x64"): "tile must be at most 64 bursts of 32 bytes, not 8192",
    ("--tile", "8x8x" + "9" * 30): "tile must be three sizes",
    ("--tile", "8x8x32", "--word-bits", "16"): "tile must be at most 64 bursts of 32 bytes, not 128",
    ("--run-bits", "0"): "run_bits must be in 1..8, not 0",
    ("--run-bits", "9"): "run_bits must be in 1..8, not 9",
    ("--burst", "48"): "burst_bytes must be 32 or 64, not 48",
    ("--word-bits", "7"): "word_bits must be 4, 8 or 16, not 7",
    ("--spread", "0"): "spread must be in 1e-06..1e+06, not 0.0",
    ("--spread", "-3"): "spread must be in 1e-06..1e+06, not -3.0",
    ("--spread", "nan"): "spread must be in 1e-06..1e+06, not nan",
    ("--spread", "inf"): "spread must be in 1e-06..1e+06, not inf",
    ("--mean", "nan"): "mean must be in -1e+06..1e+06, not nan",
    ("--mean", "1e39"): "mean must be in -1e+06..1e+06, not 1e+39",
    ("--out", "net.onnx"): "output folder must be one that can be written, not 'net.onnx': Not a directory",
    ("--out", "net.onnx/below"): "output folder must be one that can be written, not 'net.onnx/below': Not a directory",
    ("--out", "/proc/x"): "output folder must be one that can be written, not '/proc/x'",
}


@pytest.mark.parametrize("options", WRONG_OPTIONS, ids=" ".join)
def test_wrong_options_are_refused(folder, capfd, options):
    assert refused(capfd, folder, "report", "net.onnx", "--images", "images", *options).startswith(
        WRONG_OPTIONS[options]
    )


@pytest.mark.parametrize(
    "arguments", [["report", "--bogus"], ["report", "--burst", "x"], ["decode"], ["nope"]], ids=" ".join
)
def test_wrong_usage_ends_with_code_2(folder, capfd, arguments):
    before = files_below(folder)
    outcome = call(capfd, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "Error: " in outcome.err
    assert "Traceback" not in outcome.err
    assert files_below(folder) == before


@pytest.mark.parametrize(
    "options",
    [
        ["--word-bits", "4", "--codec", "raw", "--tile", "1x1x1"],
        ["--word-bits", "16", "--burst", "64", "--scan", "tile-channel-first"],
        ["--codec", "zrlc", "--run-bits", "5", "--layout", "packed", "--bypass", "activation"],
        ["--codec", "prc", "--bypass", "tensor", "--mean", "0", "--spread", "255"],
    ],
    ids=" ".join,
)
def test_every_kind_of_run_makes_a_report(folder, capfd, options):
    outcome = call(capfd, "report", "net.onnx", "--images", "images", "--out", "made", "--json", *options)
    assert (outcome.code, outcome.err) == (0, "")
    summary = Summary.model_validate_json(outcome.out)
    assert summary.images == ("one",)
    assert summary.round_trip_tensors == 1
    assert (folder / "made" / "index.html").exists()


def test_report_prints_the_totals_and_where_the_page_is(folder, capfd):
    outcome = call(capfd, "report", "net.onnx", "--images", "images", "--out", "made")
    assert outcome.code == 0
    assert f"page: {folder / 'made' / 'index.html'}\n" in outcome.out
    assert "1 tensors coded with best and restored: all equal" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= max(80, len(str(folder)) + 25)


# Help, version, codecs


def test_without_arguments_the_commands_are_listed(capfd):
    outcome = call(capfd)
    assert outcome.code in (0, 2)
    for command in COMMANDS:
        assert f"\n  {command} " in outcome.out + outcome.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(capfd, command):
    outcome = call(capfd, command, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"Usage: thinwire {command} ")


def test_version(capfd):
    outcome = call(capfd, "--version")
    assert (outcome.code, outcome.out) == (0, "thinwire 0.1.0\n")


def test_codecs_as_json_are_those_of_the_registry(capfd):
    rows = json.loads(call(capfd, "codecs", "--json").out)
    assert [row["codec"] for row in rows] == [*ACTIVATION_CODECS, *WEIGHT_CODECS]
    assert [row["mode"] for row in rows[:4]] == [0, 1, 2, 3]
    assert rows[1]["parameters"] == {"run_bits": 3, "word_bits": 8}
    assert all(row["summary"].endswith(".") for row in rows)


def test_table_of_codecs_fits_80_columns_uncut(capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out = call(capfd, "codecs").out
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out
    for name in (*ACTIVATION_CODECS, *WEIGHT_CODECS):
        assert f" {name} " in out


# The installed script, as users start it


def script(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload]


def test_the_installed_script_refuses_in_one_line(folder):
    before = files_below(folder)
    found = script("report", "no.onnx")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr == "thinwire: network must be a file that exists, not 'no.onnx'\n"
    assert files_below(folder) == before


def test_the_installed_script_says_nothing_of_a_failed_run(folder):
    """No progress bar, warning or native log stands beside the error's line."""
    onnx.save(network(v=np.ones((2, 5, 1, 1), np.float32)), "bad.onnx")
    found = script("report", "bad.onnx")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.count("\n") == 1
    assert found.stderr.startswith("thinwire: network must run on its input: ")
    assert not any(word in found.stderr for word in ("ONNXRuntimeError", ".cc:"))


def test_a_reader_that_goes_away_is_no_fault(folder):
    reader, writer = os.pipe()
    os.close(reader)
    found = subprocess.run([SCRIPT, "codecs"], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(writer)
    assert "Traceback" not in found.stderr


def test_an_interrupt_leaves_nothing(folder):
    os.mkfifo("slow.npy")  # opening it waits until both sides are there: the program is at work then
    # A shell starts background jobs with interrupts ignored, and that is inherited: the child begins by undoing it.
    listen = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", listen, SCRIPT, "encode", "slow.npy"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    before = sorted(folder.iterdir())
    with Path("slow.npy").open("wb"):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode in (1, 130)
    assert "Traceback" not in out + err
    assert sorted(folder.iterdir()) == before
