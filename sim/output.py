"""Writing results: all of a run's files or none of them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["check_writable", "write_file", "write_files"]


def check_writable(folder: Path) -> None:
    """Refuse `folder` before any work if files cannot be written there. Nothing is made or left behind.

    Raises
    ------
    ValueError
        If it, or the nearest folder above it that exists, is not a folder or cannot be written.
    """
    try:
        place = folder.absolute()
        while not place.exists():
            place = place.parent
        with tempfile.NamedTemporaryFile(dir=place, prefix=".thinwire-"):
            pass
    except OSError as error:
        raise _refused("folder", folder, error) from error


def write_file(path: Path, data: bytes | str) -> None:
    """Write one file, its folder made where it is missing.

    Raises
    ------
    ValueError
        If the folder cannot be written; no part of the file is left.
    """
    write_files(path.parent, {path.name: data})


def write_files(folder: Path, files: Mapping[str, bytes | str]) -> None:
    """Write all files of a folder under temporary names, then rename them, in their order.

    Raises
    ------
    ValueError
        If one of them cannot be written; then none is, and no part is left.
    """
    check_writable(folder)
    parts = {folder / f".{name}.{os.getpid()}.part": folder / name for name in files}
    target = folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for (part, target), data in zip(parts.items(), files.values(), strict=True):
            if target.is_dir():
                raise IsADirectoryError(None, "Is a directory")
            part.write_bytes(data.encode() if isinstance(data, str) else data)
        for part, target in parts.items():
            part.replace(target)
    except OSError as error:
        raise _refused("file", target, error) from error
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _refused(what: str, path: Path, error: OSError) -> ValueError:
    reason = error.strerror or str(error)
    return ValueError(f"output {what} must be one that can be written, not {str(path)!r}: {reason}")
