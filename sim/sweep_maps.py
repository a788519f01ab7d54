"""Two ways to run the points of a sweep: processes of this machine, and a Dask scheduler with its workers.

Both are a ``map`` that gives outcomes as they come: one for each point, also when a process that runs points ends.
"""

from __future__ import annotations

import logging
import multiprocessing
import uuid
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from sim.sweep_grid import Point
from sim.sweep_point import Outcome

__all__ = ["Map", "Run", "dask_map", "local_map"]

Run = Callable[[Point], Outcome]
Outcomes = Generator[Outcome, None, None]
Map = Callable[[Run, Sequence[Point]], Outcomes]

_CONNECT_S = 10
_ENDED = "its process ended without an answer: killed, or out of memory"


def local_map(run: Run, points: Sequence[Point], workers: int) -> Outcomes:
    """Run points in `workers` processes.

    When a process ends, the pool is lost, and of the points in work each is run again alone: the one that ended it is
    told from those that were only there.
    """
    waiting = deque(points)
    while waiting:
        suspects = yield from _pooled(run, waiting, workers)
        for point in suspects:
            again = yield from _pooled(run, deque([point]), 1)
            yield from (Outcome(lost, None, _ENDED) for lost in again)


def _pooled(run: Run, waiting: deque[Point], workers: int) -> Generator[Outcome, None, list[Point]]:
    """Run what waits until nothing does or a process ends; returns the points in work then."""
    working: dict[Future[Outcome], Point] = {}
    # Threads of onnxruntime do not survive a fork.
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        while waiting or working:
            while waiting and len(working) < workers:
                working[pool.submit(run, waiting[0])] = waiting[0]
                waiting.popleft()
            for future in wait(working, return_when=FIRST_COMPLETED).done:
                outcome = future.result()
                del working[future]
                yield outcome
    except BrokenProcessPool:
        wait(working)
        yield from (future.result() for future in working if not future.exception())
        return [point for future, point in working.items() if future.exception()]
    finally:
        pool.shutdown(cancel_futures=True)
    return []


def dask_map(run: Run, points: Sequence[Point], address: str) -> Outcomes:
    """Run points on the workers of a Dask scheduler, which gives a lost worker's points to others.

    Parameters
    ----------
    run : callable
        Workers must be able to import it, and to read the points' files under the same paths.
    points : sequence of Point
    address : str
        As in ``tcp://10.0.0.1:8786``.

    Raises
    ------
    ValueError
        If Dask is not installed, or the scheduler cannot be reached or is lost.
    """
    distributed = _distributed()
    with _connected(distributed, address) as client:
        sweep = uuid.uuid4().hex  # keys of two sweeps on one scheduler differ
        asked = {f"thinwire-{sweep}-{point.id}": point for point in points}
        futures = client.map(run, list(asked.values()), key=list(asked), pure=False)
        for future in distributed.as_completed(futures, loop=client.loop):
            try:
                error = future.exception()
                outcome = Outcome(asked[future.key], None, _told(distributed, error)) if error else future.result()
            except (OSError, CancelledError) as lost:  # what a point itself raises is returned
                raise ValueError(f"scheduler must stay until all points are run, and {address!r} was lost") from lost
            yield outcome


def _told(distributed: Any, error: BaseException) -> str:
    if isinstance(error, distributed.scheduler.KilledWorker):
        return _ENDED
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _connected(distributed: Any, address: str) -> Any:
    try:
        return distributed.Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:  # TimeoutError is one of the first
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"scheduler must be one that answers, not {address!r}: {reason}") from error


def _distributed() -> Any:
    try:
        import distributed
        import distributed.scheduler
    except ImportError as error:
        raise ValueError("a scheduler needs Dask: install the extra thinwire[sweep]") from error
    for name in [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "distributed"]:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is told once, by an error
    return distributed
