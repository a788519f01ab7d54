"""A sweep over a scheduler of Dask's."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from sweep_case import GRID, check_whole, grid, in_order, inputs, kept, log
from sweep_work import slow

from sim.sweep import sweep
from sim.sweep_maps import dask_map, local_map
from sim.sweep_point import evaluate


@pytest.fixture
def folder(tmp_path):
    return inputs(tmp_path)


@pytest.fixture
def points(folder):
    return grid(folder, GRID)


@contextlib.contextmanager
def process(*arguments):
    """A command of Dask's; it ends with the block."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(["tests/sim", "."])}
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *map(str, arguments[1:])]
    started = subprocess.Popen(command, env=environment, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield started
    finally:
        started.kill()
        started.wait(10)


@pytest.fixture
def scheduler(tmp_path):
    """Address of a scheduler, and its process and those of its two workers."""
    told = tmp_path / "scheduler.json"
    worker = ("worker", "--scheduler-file", told, "--no-nanny", "--no-dashboard", "--nthreads", 1)
    with (
        process("scheduler", "--port", 0, "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", told) as first,
        process(*worker, "--local-directory", tmp_path / "a") as second,
        process(*worker, "--local-directory", tmp_path / "b") as third,
    ):
        deadline = time.monotonic() + 60
        while not told.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield json.loads(told.read_text())["address"], first, (second, third)


def test_a_killed_worker_of_a_scheduler_loses_nothing(folder, points, scheduler):
    address, _, workers = scheduler
    killed = []

    def kill(done, total):
        """End a worker that is in the middle of a point, once both have worked."""
        ours = {str(worker.pid) for worker in workers}
        lines = log(folder)
        if killed or not ours <= {process for _, _, process in lines}:
            return
        deadline = time.monotonic() + 20
        while not killed:
            assert time.monotonic() < deadline
            ended = {(point, process) for word, point, process in log(folder) if word == "end"}
            open_ = [(p, q) for word, p, q in log(folder) if word == "begin" and (p, q) not in ended]
            for point, process in open_[:1]:
                os.kill(int(process), signal.SIGKILL)
                killed.append((point, process))
            time.sleep(0.01)

    outcomes = sweep(points, folder / "out", partial(dask_map, address=address), slow, kill)
    ((lost, process),) = killed
    check_whole(points, outcomes, folder / "out")
    lines = log(folder)
    assert ["end", lost, process] not in lines
    assert sum(line[:2] == ["end", lost] for line in lines) == 1
    assert len(outcomes) == 12


def test_a_lost_scheduler_is_told_and_its_points_stay(folder, points, scheduler, capfd):
    address, server, _ = scheduler
    seen = []

    def kill(done, total):
        seen.append(done)
        if done == 2:
            server.kill()

    told = f"^scheduler must stay until all points are run, and '{address}' was lost$"
    with pytest.raises(ValueError, match=told):
        sweep(points, folder / "out", partial(dask_map, address=address), slow, kill)
    assert capfd.readouterr() == ("", "")
    assert len(kept(folder / "out")) == seen[-1] < len(points)
    ran = []
    outcomes = sweep(points, folder / "out", in_order, lambda point: ran.append(point) or evaluate(point))
    assert len(ran) == len(points) - seen[-1]
    check_whole(points, outcomes, folder / "out")


def test_a_scheduler_that_does_not_answer_is_told(folder, points, monkeypatch):
    monkeypatch.setattr("sim.sweep_maps._CONNECT_S", 0.2)
    for address in ("tcp://127.0.0.1:1", "no scheduler"):
        with pytest.raises(ValueError, match=f"^scheduler must be one that answers, not '{address}': "):
            sweep(points, folder / "out", partial(dask_map, address=address))


def test_local_sweeps_need_no_dask(folder, points, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    sweep(points[:1], folder / "out", partial(local_map, workers=1))
    with pytest.raises(ValueError, match=r"^a scheduler needs Dask: install the extra thinwire\[sweep\]$"):
        sweep(points, folder / "out", partial(dask_map, address="tcp://127.0.0.1:1"))
