"""A sweep: ``map(run, points)``, with every outcome in a file of its own as soon as it is there.

A file stands whole under ``points/ID.json`` or not at all. A second sweep takes what the first has found, if the point
and what it read (network, images, version of thinwire) are the same, and tries again what failed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from sim.images import PHOTOS
from sim.output import write_file
from sim.sweep_grid import BUILT_IN_IMAGES, BUILT_IN_NETWORK, Point
from sim.sweep_maps import Map, Run
from sim.sweep_point import Figures, Outcome, evaluate

__all__ = ["POINTS", "sweep"]

POINTS = "points"


class _PointFile(BaseModel):
    """A point and what came of it; `inputs` is a hash of the files it read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    id: str
    thinwire_version: str
    inputs: str
    point: dict[str, Any]
    figures: Figures | None
    reason: str


def sweep(
    points: Sequence[Point],
    folder: Path,
    mapped: Map,
    run: Run = evaluate,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Outcome, ...]:
    """Run the points that have no outcome in `folder` yet.

    Parameters
    ----------
    points : sequence of Point
        Each once.
    folder : Path
        Outcomes are kept in its folder ``points``.
    mapped : callable
        `sim.sweep_maps.local_map` or `dask_map`, its last argument given.
    run : callable
        From a point to its outcome.
    progress : callable
        Called with the points done, those taken from files included, and all points.

    Returns
    -------
    tuple of Outcome
        One for each point, in their order.

    Raises
    ------
    ValueError
        If a file cannot be written, or the scheduler is lost. What was found until then stays.
    RuntimeError
        If `mapped` loses a point or gives one twice.
    """
    inputs = _inputs(points)
    found = {point: outcome for point in points if (outcome := _read(point, inputs[point], folder))}
    todo = [point for point in points if point not in found]
    progress(len(found), len(points))
    with closing(mapped(run, todo)) as outcomes:  # what an interruption leaves stops its processes
        for outcome in outcomes:
            if outcome.point in found:
                raise RuntimeError(f"point {outcome.point.id} must come once, not twice")
            found[outcome.point] = outcome
            _write(outcome, inputs[outcome.point], folder)
            progress(len(found), len(points))
    if len(found) != len(points):
        raise RuntimeError(f"every point must have an outcome: {len(points) - len(found)} of {len(points)} have none")
    return tuple(found[point] for point in points)


def _path(point: Point, folder: Path) -> Path:
    return folder / POINTS / f"{point.id}.json"


def _read(point: Point, inputs: str, folder: Path) -> Outcome | None:
    """A point's outcome, if it has figures that still hold."""
    try:
        kept = _PointFile.model_validate_json(_path(point, folder).read_bytes())
    except (OSError, ValidationError):
        return None
    same = (kept.point, kept.inputs, kept.thinwire_version) == (point.to_json(), inputs, version("thinwire"))
    return Outcome(point, kept.figures) if same and kept.figures else None


def _write(outcome: Outcome, inputs: str, folder: Path) -> None:
    point = outcome.point
    kept = _PointFile(
        id=point.id,
        thinwire_version=version("thinwire"),
        inputs=inputs,
        point=point.to_json(),
        figures=outcome.figures,
        reason=outcome.reason,
    )
    write_file(_path(point, folder), kept.model_dump_json(indent=1) + "\n")


def _inputs(points: Sequence[Point]) -> dict[Point, str]:
    """For each point a hash of the files that it reads, each set of files read once."""
    files = {point: _files(point) for point in points}
    hashes = {paths: _hash(paths) for paths in dict.fromkeys(files.values())}
    return {point: hashes[paths] for point, paths in files.items()}


def _files(point: Point) -> tuple[Path, ...]:
    images = PHOTOS if point["images"] == BUILT_IN_IMAGES else point.path("images")
    network = () if point["network"] == BUILT_IN_NETWORK else (point.path("network"),)
    chip = (point.path("accelerator"),) if point["accelerator"].endswith(".toml") else ()
    return (*network, *chip, *(sorted(images.iterdir()) if images.is_dir() else ()))


def _hash(paths: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if path.is_file():
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
