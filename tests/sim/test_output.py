"""Results are written whole or not at all."""

import errno
from pathlib import Path

import pytest
from cli_call import files_below

from sim.output import check_writable, write_file, write_files


def test_files_and_missing_folders_are_made(tmp_path):
    write_files(tmp_path / "new" / "deep", {"text": "µ\n", "data": b"\x00\xff"})
    write_file(tmp_path / "alone" / "one", b"1")
    assert files_below(tmp_path) == {
        "alone": None,
        "alone/one": b"1",
        "new": None,
        "new/deep": None,
        "new/deep/data": b"\x00\xff",
        "new/deep/text": "µ\n".encode(),
    }


def test_existing_files_are_replaced(tmp_path):
    write_file(tmp_path / "a", "old and long")
    write_file(tmp_path / "a", "new")
    assert files_below(tmp_path) == {"a": b"new"}


def test_a_check_leaves_nothing_behind(tmp_path):
    check_writable(tmp_path)
    check_writable(tmp_path / "not" / "there")
    assert files_below(tmp_path) == {}


@pytest.mark.parametrize("place", ["file", "file/below", "file/far/below"])
def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path, place):
    (tmp_path / "file").write_text("mine")
    for action in (check_writable, lambda folder: write_file(folder / "a", b"")):
        with pytest.raises(ValueError, match=r"output (folder|file) must be one that can be written, not .*Not a dir"):
            action(tmp_path / place)
    assert files_below(tmp_path) == {"file": b"mine"}


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_a_folder_that_takes_no_files_is_refused():
    with pytest.raises(ValueError, match=r"output folder must be one that can be written, not '/proc/thinwire'"):
        check_writable(Path("/proc/thinwire"))


def test_a_folder_in_the_place_of_a_file_keeps_all_files_as_they_were(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a").write_text("old")
    with pytest.raises(ValueError, match=r"output file must be one that can be written, not '.*/b': Is a directory"):
        write_files(tmp_path, {"a": "new", "b": "new"})
    assert files_below(tmp_path) == {"a": b"old", "b": None}


def test_a_full_disk_keeps_all_files_as_they_were(tmp_path, monkeypatch):
    written: list[Path] = []

    def write(path: Path, data: bytes) -> int:
        written.append(path)
        with path.open("wb") as file:
            file.write(data[:1])
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)

    (tmp_path / "a").write_text("old")
    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(ValueError, match=r"not '.*/b': No space left on device"):
        write_files(tmp_path, {"a": "new", "b": "new", "c": "new"})
    assert len(written) == 2
    assert files_below(tmp_path) == {"a": b"old"}


def test_an_interrupt_leaves_no_part_files(tmp_path, monkeypatch):
    def interrupted(path: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_files(tmp_path, {"a": "new", "b": "new"})
    assert files_below(tmp_path) == {}
