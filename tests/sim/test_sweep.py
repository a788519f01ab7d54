"""A sweep loses no point and doubles none: interrupted, with broken points, with processes that end."""

import json
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import ClassVar

import onnx
import pytest
from cli_call import files_below
from PIL import Image
from sweep_case import GRID, check_whole, grid, in_order, inputs, kept, log
from sweep_work import die, die_once, slow
from tiny_models import model

from golden.tile_stream import tensor_sizes
from sim import sweep_point
from sim.accelerator import load_accelerator, preset_text
from sim.config import RunConfig
from sim.images import load_images
from sim.network import load_network
from sim.run import record, run
from sim.simulated_layer import SimulationConfig
from sim.simulation import run_simulation
from sim.simulation_summary import summarize_simulation
from sim.summary import summarize
from sim.sweep import POINTS, _inputs, sweep
from sim.sweep_maps import local_map
from sim.sweep_point import evaluate


@pytest.fixture
def folder(tmp_path):
    return inputs(tmp_path)


@pytest.fixture
def points(folder):
    return grid(folder, GRID)


def test_a_point_has_the_figures_of_a_report(folder, points):
    network, photos = load_network(folder / "net.onnx"), load_images(folder / "images")
    for point in points:
        tile = tuple(map(int, point["tile"].split("x")))
        config = RunConfig(point["codec"], tile=tile, burst_bytes=point["burst_bytes"])
        summary = summarize(run(config, network, photos))
        figures, chosen = evaluate(point).figures, summary.codec(point["codec"])
        assert (figures.activation_bus_bytes, figures.moved_bytes) == (chosen.bus_bytes, chosen.moved_bytes)
        assert (figures.ratio, figures.dram_energy_pj) == (chosen.ratio, chosen.dram_energy_pj)
        assert (figures.macs, figures.weight_count) == (summary.macs, summary.weight_count)
        layout = "raw" if point["codec"] == "raw" else "slotted"
        assert figures.peak_bytes == next(row.peak_bytes for row in summary.footprints if row.layout == layout)
        assert figures.tile_bytes == tile[0] * tile[1] * tile[2]


def test_points_of_a_process_share_their_tensors(points, monkeypatch):
    recorded = []
    monkeypatch.setattr("sim.sweep_point.record", lambda *given: recorded.append(given) or record(*given))
    sweep_point._shared.cache_clear()
    assert all(evaluate(point).figures for point in points)
    assert len(recorded) == 1


def test_codecs_that_no_point_asks_for_are_not_measured_and_none_twice(folder, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "sim.measure.tensor_sizes", lambda *given: asked.append((given[0].size, given[1:])) or tensor_sizes(*given)
    )
    sweep_point._shared.cache_clear()
    text = 'network = "net.onnx"\nimages = "images"\ncodec = ["zvc", "zrlc"]\nlayout = ["slotted", "packed"]'
    assert all(evaluate(point).figures for point in grid(folder, text))
    modes = [fmt.modes for _, (fmt, *_) in asked]
    assert {mode for each in modes for mode in each} == {"raw", "zvc", "zrlc"}
    # One tensor, one image: each codec once; raw sizes are looked at for each point.
    assert modes.count(("raw", "zvc")) == modes.count(("raw", "zrlc")) == 1


ON_CHIPS = """
network = "net.onnx"
images = "images"
accelerator = ["none", "mobile", "mine.toml"]
residency = ["none", "all"]
fuse = [false, true]
weights_codec = ["packed", "mlw"]
codec = ["raw", "zvc"]

[[exclude]]
residency = "all"
fuse = true
"""


def test_points_on_accelerators_have_the_figures_of_a_simulation(folder):
    (folder / "mine.toml").write_text(preset_text("mobile").replace("size_kib = 256", "size_kib = 0.75"))
    points = grid(folder, ON_CHIPS)
    # Without an accelerator the other three mean nothing.
    assert [point["accelerator"] for point in points].count("none") == 2
    assert len(points) == 2 + 2 * 12
    network, photos = load_network(folder / "net.onnx"), load_images(folder / "images")
    for point in points:
        figures, chip = evaluate(point).figures, point["accelerator"]
        if chip == "none":
            assert (figures.time_ms, figures.raw_time_ms) == (None, None)
            continue
        accelerator = load_accelerator(str(folder / chip) if chip.endswith("toml") else chip)
        config = SimulationConfig(
            accelerator,
            RunConfig(point["codec"]),
            point["weights_codec"],
            residency=point["residency"],
            fuse=point["fuse"],
        )
        summary = summarize_simulation(run_simulation(config, network, photos))
        for design, moved, time_ms in (
            (summary.coded, figures.moved_bytes, figures.time_ms),
            (summary.raw, figures.raw_moved_bytes, figures.raw_time_ms),
        ):
            assert (moved, time_ms) == pytest.approx((design.total_bytes, design.time_ms))
        assert figures.dram_energy_pj == pytest.approx(summary.coded.dram_energy_pj)
        assert figures.energy_pj == pytest.approx(summary.coded.total_energy_pj)
    inputs = _inputs(points)
    before = {point["accelerator"]: hashed for point, hashed in inputs.items()}
    (folder / "mine.toml").write_text(preset_text("mobile"))
    after = {point["accelerator"]: hashed for point, hashed in _inputs(points).items()}
    assert [chip for chip in before if before[chip] != after[chip]] == ["mine.toml"]


def test_an_accelerators_own_tile_is_the_default(folder):
    text = 'network = "net.onnx"\nimages = "images"\ncodec = "raw"\naccelerator = ["mobile", "ethos-u55"]'
    assert [point["tile"] for point in grid(folder, text)] == ["8x8x32", "1x16x16"]
    with pytest.raises(ValueError, match=r"grid.toml, line 1: accelerator must be none, mobile, .* not 'none.such'"):
        grid(folder, 'accelerator = "none.such"')


def test_large_recordings_are_not_held_and_give_the_same(points, monkeypatch):
    held = [evaluate(point) for point in points]
    monkeypatch.setattr(sweep_point, "_HELD_BYTES", 0)
    sweep_point._shared.cache_clear()
    assert [evaluate(point) for point in points] == held
    sweep_point._shared.cache_clear()


def test_processes_find_what_one_process_finds(folder, points):
    seen = []
    outcomes = sweep(points, folder / "out", partial(local_map, workers=2), slow, lambda *done: seen.append(done))
    check_whole(points, outcomes, folder / "out")
    assert seen == [(done, 12) for done in range(13)]
    assert len({process for _, _, process in log(folder)}) == 2


def test_a_second_sweep_takes_what_the_first_has_found(folder, points):
    out = folder / "out"
    first = sweep(points[:5], out, in_order)
    before = files_below(out)
    ran = []
    again = sweep(points, out, in_order, lambda point: ran.append(point) or evaluate(point))
    assert ran == list(points[5:])
    assert again[:5] == first
    assert before.items() <= files_below(out).items()
    check_whole(points, again, out)


def test_an_interrupted_sweep_goes_on_where_it_was(folder, points):
    out = folder / "out"

    def interrupted(run, todo):
        yield from map(run, todo[:7])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(points, out, interrupted)
    assert set(kept(out)) == {point.id for point in points[:7]}
    ran = []
    outcomes = sweep(points, out, in_order, lambda point: ran.append(point) or evaluate(point))
    assert ran == list(points[7:])
    check_whole(points, outcomes, out)


def spoil_network(folder, out, points):
    onnx.save(model("p = Conv(x, w) a = Relu(p) y = Conv(a, v)", w=(8, 3, 1, 1), v=(2, 8, 1, 1)), folder / "net.onnx")


def spoil_images(folder, out, points):
    Image.linear_gradient("L").rotate(90).save(folder / "images" / "ramp.png")


def spoil_file(folder, out, points):
    for point in points:
        path = out / POINTS / f"{point.id}.json"
        path.write_text(path.read_text()[:-40])


def spoil_version(folder, out, points):
    for point in points:
        path = out / POINTS / f"{point.id}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"thinwire_version": "0.0.1"}))


@pytest.mark.parametrize("spoil", [spoil_network, spoil_images, spoil_file, spoil_version])
def test_what_no_longer_holds_is_run_again(folder, points, spoil):
    out = folder / "out"
    sweep(points[:2], out, in_order)
    spoil(folder, out, points[:2])
    ran = []
    sweep(points[:2], out, in_order, lambda point: ran.append(point) or evaluate(point))
    assert ran == list(points[:2])


def test_a_point_that_fails_is_told_and_stops_no_other(folder):
    points = grid(folder, GRID.replace('"net.onnx"', '["none.onnx", "net.onnx"]').replace('"raw"', '"prc"'))
    outcomes = sweep(points, folder / "out", in_order)
    failed = [outcome for outcome in outcomes if not outcome.figures]
    assert [outcome.point for outcome in failed] == [point for point in points if point["network"] == "none.onnx"]
    assert {outcome.reason for outcome in failed} == {
        f"network must be a file that exists, not '{folder / 'none.onnx'}'"
    }
    assert kept(folder / "out")[failed[0].point.id]["reason"] == failed[0].reason
    spoil = folder / "none.onnx"
    spoil.write_bytes((folder / "net.onnx").read_bytes())
    ran = []
    check_whole(points, sweep(points, folder / "out", in_order, lambda p: ran.append(p) or evaluate(p)), folder / "out")
    assert ran == [outcome.point for outcome in failed]


def test_values_that_do_not_go_together_are_a_failed_point(folder):
    (point,) = grid(folder, 'network = "net.onnx"\nimages = "images"\ncodec = "prc"\nscan = "tile-channel-first"')
    assert evaluate(point).reason == "scan must be 'tile-planar' where prc is a mode, not 'tile-channel-first'"


def test_a_fault_of_ours_is_told_with_its_kind(points, monkeypatch):
    def fault(*args, **named):
        raise KeyError("two\nlines")

    monkeypatch.setattr("sim.sweep_point.run_recorded", fault)
    assert evaluate(points[0]).reason == r"KeyError: 'two\nlines'"


def test_a_map_that_loses_or_doubles_points_is_refused(folder, points):
    def doubling(run, todo):
        yield from (run(todo[0]) for _ in range(2))

    def losing(run, todo):
        yield from ()

    with pytest.raises(RuntimeError, match=f"^point {points[0].id} must come once, not twice$"):
        sweep(points[:2], folder / "doubled", doubling)
    with pytest.raises(RuntimeError, match=r"^every point must have an outcome: 2 of 2 have none$"):
        sweep(points[:2], folder / "lost", losing)


def test_a_process_that_ends_loses_nothing(folder, points):
    points = points[2:5]
    outcomes = sweep(points, folder / "out", partial(local_map, workers=2), die_once)
    assert (folder / "died").exists()
    check_whole(points, outcomes, folder / "out")


def test_a_point_that_ends_its_process_is_told_apart_from_its_neighbour(folder, points):
    outcomes = sweep(points[2:4], folder / "out", partial(local_map, workers=2), die)
    assert {outcome.point["burst_bytes"] for outcome in outcomes if not outcome.figures} == {64}
    assert {outcome.point["burst_bytes"] for outcome in outcomes if outcome.figures} == {32}
    assert {outcome.reason for outcome in outcomes if not outcome.figures} == {
        "its process ended without an answer: killed, or out of memory"
    }


class BreakingPool:
    """Runs at once, in this process; the first pool takes one point and breaks at the second."""

    submitted: ClassVar[list[object]] = []

    def __init__(self, workers, mp_context):
        pass

    def submit(self, run, point):
        self.submitted.append(point)
        if len(self.submitted) == 2:
            raise BrokenProcessPool
        done = Future()
        done.set_result(run(point))
        return done

    def shutdown(self, cancel_futures):
        pass


def test_what_was_done_when_a_pool_broke_counts(points, monkeypatch):
    monkeypatch.setattr("sim.sweep_maps.ProcessPoolExecutor", BreakingPool)
    BreakingPool.submitted.clear()
    found = sorted(local_map(evaluate, points[:4], 4), key=lambda outcome: points.index(outcome.point))
    assert found == [evaluate(point) for point in points[:4]]
    assert BreakingPool.submitted == [points[0], points[1], *points[1:4]]
