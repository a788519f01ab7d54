"""The `weights` commands as a user runs them."""

import json

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from typer.testing import CliRunner

from golden.registry import WEIGHT_CODECS
from sim.weights_cli import app


@pytest.fixture
def model(tmp_path):
    weights = np.random.default_rng(7).laplace(0, 0.1, (16, 40)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "fc.w"], ["y"], transB=1)],
        "one",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 40])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 16])],
        [numpy_helper.from_array(weights, "fc.w")],
    )
    path = tmp_path / "one.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def run(*arguments) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_there_and_back(model, tmp_path):
    file, again = tmp_path / "one.tww", tmp_path / "again.onnx"
    told = run("compress", model, "--codec", "deepcomp", "--density", 0.1, "--bits", 5, "-o", file)
    assert "640 weights" in told
    assert f"{file.stat().st_size} bytes in the file" in told
    run("decompress", file, "-o", again)
    restored = numpy_helper.to_array(onnx.load(again).graph.initializer[0])
    exact = numpy_helper.to_array(onnx.load(model).graph.initializer[0])
    assert np.count_nonzero(restored) == 64
    assert np.abs(restored - exact)[restored != 0].max() < 0.05
    onnx.checker.check_model(onnx.load(again))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.onnx", "one.onnx", "one.tww"]


def test_decompress_writes_beside_the_file(model, tmp_path):
    run("compress", model, "-o", tmp_path / "other.tww")
    run("decompress", tmp_path / "other.tww")
    assert (tmp_path / "other.onnx").is_file()


def test_inspect_adds_up(model, tmp_path):
    file = tmp_path / "one.tww"
    run("compress", model, "--codec", "zero-runs", "--set", "entry_weights=64", "--per-channel", "-o", file)
    (row,) = json.loads(run("inspect", file, "--json"))
    assert (row["name"], row["weights"], row["blocks"], row["shape"]) == ("fc.w", 640, 10, [16, 40])
    assert row["codec"]["entry_weights"] == 64
    assert sum(row["parts_bits"].values()) == row["size_bits"]
    assert (row["parts_bits"]["scales"], row["parts_bits"]["entries"]) == (16 * 32, 9 * 32)
    assert "fc.w" in run("inspect", file)


def test_compare_lists_every_codec(model):
    rows = json.loads(run("compare", model, "--json", "--density", 0.5))
    assert [row["codec"] for row in rows] == list(WEIGHT_CODECS)
    (packed,) = (row for row in rows if row["codec"] == "packed")
    assert packed["size_bytes"] == 640 + 4
    assert packed["entropy_bits_per_weight"] < packed["bits_per_weight"]
    table = run("compare", model)
    assert all(name in table for name in WEIGHT_CODECS)


def damaged(data: bytes) -> bytes:
    return data[:200] + bytes([data[200] ^ 4]) + data[201:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:100], "file ends at byte 100 inside its directory"),
        (lambda data: b"PK" + data, r"first 8 bytes are not the magic \(byte 0\)"),
        (lambda data: data[:8] + b"\x02" + data[9:], r"file must be of version 1, not 2 \(byte 8\)"),
        (damaged, r"CRC-32 does not match \(bytes 0"),
    ],
    ids=["truncated", "foreign", "newer", "corrupt"],
)
def test_bad_files_are_refused_and_nothing_is_written(change, message, model, tmp_path):
    file = tmp_path / "one.tww"
    run("compress", model, "-o", file)
    file.write_bytes(change(file.read_bytes()))
    for command in (["decompress", str(file), "-o", str(tmp_path / "out.onnx")], ["inspect", str(file)]):
        with pytest.raises(ValueError, match=message):
            CliRunner().invoke(app, command, catch_exceptions=False)
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["decompress", "missing.tww"], "file must be readable, not 'missing.tww'"),
        (["compress", "missing.onnx"], "network must be a file that exists"),
        (["compress", "--codec", "zip"], r"codec must be one of .* not 'zip'"),
        (["compress", "--bits", "40"], r"bits must be in 2..8, not 40"),
        (["compare", "--density", "-1"], r"density must be in 0..1, not -1.0"),
    ],
)
def test_mistakes_are_told_in_words(command, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        CliRunner().invoke(app, command, catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []
