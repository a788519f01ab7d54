"""Runs of a sweep that tests hold up or end, in modules that worker processes can import."""

import os
import time
from pathlib import Path

from sim.sweep_grid import Point
from sim.sweep_point import Outcome, evaluate

__all__ = ["LOG", "die", "die_once", "slow"]

LOG = "log"


def slow(point: Point) -> Outcome:
    """Take a while; note begin and end with the number of the process."""
    _note(point, "begin")
    time.sleep(0.25)
    outcome = evaluate(point)
    _note(point, "end")
    return outcome


def die_once(point: Point) -> Outcome:
    """The process of the first point with 64-byte bursts ends."""
    if point["burst_bytes"] == 64:
        try:
            Path(point.folder, "died").touch(exist_ok=False)
        except FileExistsError:
            return slow(point)
        os._exit(9)
    return slow(point)


def die(point: Point) -> Outcome:
    """The process of every point with 64-byte bursts ends."""
    if point["burst_bytes"] == 64:
        os._exit(9)
    return slow(point)


def _note(point: Point, word: str) -> None:
    with Path(point.folder, LOG).open("a") as log:
        log.write(f"{word} {point.id} {os.getpid()}\n")
