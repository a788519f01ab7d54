"""A sweep of twelve points, and what must hold of its outcomes."""

import json

import onnx
from PIL import Image
from sweep_work import LOG
from tiny_models import model

from sim.sweep import POINTS
from sim.sweep_grid import read_grid
from sim.sweep_point import evaluate

__all__ = ["GRID", "check_whole", "grid", "in_order", "inputs", "kept", "log"]

GRID = """
network = "net.onnx"
images = "images"
tile = ["8x8x4", "4x4x4"]
burst_bytes = [32, 64]
codec = ["raw", "zvc", "best"]
"""


def in_order(run, points):
    """A map in this process."""
    yield from map(run, points)


def inputs(folder):
    """A network and an image for `GRID`."""
    onnx.save(model("p = Conv(x, w) a = Relu(p) y = Conv(a, v)", w=(4, 3, 1, 1), v=(2, 4, 1, 1)), folder / "net.onnx")
    (folder / "images").mkdir()
    Image.linear_gradient("L").resize((16, 16)).save(folder / "images" / "ramp.png")
    return folder


def grid(folder, text):
    (folder / "grid.toml").write_text(text)
    return read_grid(folder / "grid.toml")


def log(folder):
    """Lines that `sweep_work` wrote: word, point, process."""
    path = folder / LOG
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def kept(out):
    return {path.stem: json.loads(path.read_text()) for path in (out / POINTS).iterdir()}


def check_whole(points, outcomes, out):
    """Every point once and as this process finds it, in its order and in its file."""
    assert [outcome.point for outcome in outcomes] == list(points)
    assert outcomes == tuple(evaluate(point) for point in points)
    assert all(outcome.figures for outcome in outcomes)
    files = kept(out)
    assert set(files) == {point.id for point in points}
    for outcome in outcomes:
        assert files[outcome.point.id]["figures"] == outcome.figures.model_dump()
