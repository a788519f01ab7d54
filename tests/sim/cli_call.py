"""The `thinwire` command as its script starts it, in this process: a traceback is a failed test."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sim.cli import main

__all__ = ["Outcome", "call", "files_below", "refused"]


@dataclass(frozen=True)
class Outcome:
    """What a call left behind."""

    code: int
    out: str
    err: str


def call(capfd: pytest.CaptureFixture[str], *arguments: object) -> Outcome:
    """Run ``thinwire ARGUMENTS``. Anything but a result, `SystemExit` included, is an error of the program."""
    capfd.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["thinwire", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
    return Outcome(code, *capfd.readouterr())


def files_below(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder with its content."""
    paths = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in paths}


def refused(capfd: pytest.CaptureFixture[str], folder: Path, *arguments: object) -> str:
    """Run a command that must be refused: exit code 2, one line on stderr, no file touched. Returns the line."""
    before = files_below(folder)
    outcome = call(capfd, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1
    assert outcome.err.startswith("thinwire: ")
    assert files_below(folder) == before
    return outcome.err.removeprefix("thinwire: ").strip()
