"""Two simulations side by side: figures of both, what was asked differently, refusals."""

import json

import numpy as np
import pytest
from cli_call import call, refused
from hand import hand_network

from sim.accelerator import load_accelerator
from sim.compare_simulations import compare_simulations
from sim.compare_simulations_report import change
from sim.config import RunConfig
from sim.images import Photo
from sim.simulated_layer import SimulationConfig
from sim.simulation import run_simulation
from sim.simulation_report import write_simulation


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A network on two designs: zvc with residual tensors kept, and nothing coded or kept."""
    folder = tmp_path_factory.mktemp("designs")
    photo = Photo("noise", np.random.default_rng(7).integers(0, 256, (8, 8, 3), np.uint8))
    for name, codec, residency in (("a", "raw", "none"), ("b", "zvc", "long")):
        config = SimulationConfig(load_accelerator("mobile"), RunConfig(codec), "packed", residency=residency)
        write_simulation(run_simulation(config, hand_network(), (photo,)), folder / name, "thinwire simulate")
    return folder


def test_totals_and_layers_are_those_of_both(folders):
    found = compare_simulations(folders / "a", folders / "b")
    a, b = (json.loads((folders / name / "summary.json").read_text()) for name in "ab")
    totals = {total.name: total for total in found.totals}
    assert totals["external memory"].a == a["coded"]["total_bytes"] / 1e6
    assert totals["time"].b == b["coded"]["time_ms"]
    assert totals["input"].b < totals["input"].a
    parts = [total for total in found.totals if total.unit == "µJ" and total.name != "energy"]
    assert sum(total.b for total in parts) == pytest.approx(totals["energy"].b)
    assert (
        change(totals["external memory"])
        == f"{100 * (totals['external memory'].b / totals['external memory'].a - 1):+.1f} %"
    )
    assert change(totals["codec logic"]) == ""  # of nothing
    assert [(pair.layer, pair.a.layer, pair.b.layer) for pair in found.layers] == [(name,) * 3 for name in "pqry"]
    assert ("codec", "raw", "zvc") in found.differences
    assert ("residency", "none", "long") in found.differences
    assert compare_simulations(folders / "a", folders / "a").differences == ()


def test_the_command_prints_and_writes_both(folders, tmp_path, capfd):
    told = call(capfd, "compare", folders / "a", folders / "b", "--out", tmp_path / "out")
    assert told.code == 0
    assert "codec: raw | zvc" in told.out
    assert "external memory" in told.out
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == 1
    assert "http" not in page.replace("http://www.w3.org", "")
    for word in ("Two simulations compared", "residency", "use of the array", "codec memory"):
        assert word in page


def test_a_report_is_no_simulation(folders, tmp_path, capfd):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "summary.json").write_text('{"schema_version": 1}')
    line = refused(capfd, tmp_path, "compare", folders / "a", tmp_path / "report")
    assert line.startswith("folder must hold a simulation, as the other one does, not '")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "summary.json").write_text('{"kind": "simulation"}')
    line = refused(capfd, tmp_path, "compare", tmp_path / "cut", folders / "a")
    assert "file must be a simulation's summary: thinwire_version: field required" in line
