"""Trained weights, made once: a folder of ``.npz`` files in the cache, named after all that went into them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from sim.datasets import cache_folder
from sim.torch_fit import check_torch

__all__ = ["cached"]

Arrays = Mapping[str, NDArray[Any]]


def cached(name: str, recipe: object, make: Callable[[], Arrays]) -> dict[str, NDArray[Any]]:
    """The arrays of a training run, from the cache or made and put there.

    Parameters
    ----------
    name : str
        Start of the file's name.
    recipe : object
        Its ``repr`` tells all that the result depends on; another recipe is another file.
    make : callable
        Trains, and returns arrays by name.

    Raises
    ------
    ValueError
        If the run is not cached and torch is not installed.
    """
    digest = hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]
    path = cache_folder() / "trained" / f"{name}-{digest}.npz"
    try:
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (OSError, BadZipFile, EOFError, ValueError):
        check_torch()
    arrays = dict(make())
    _write(path, arrays)
    return arrays


def _write(path: Path, arrays: Arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
