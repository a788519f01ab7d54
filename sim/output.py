"""Writing results: all of a file or nothing of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["check_writable", "write_file", "write_files"]


def check_writable(folder: Path) -> None:
    """Make `folder`, and refuse it before any work if files cannot be written there.

    Raises
    ------
    ValueError
        If it is not a folder or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".thinwire-"):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise ValueError(f"output folder must be one that can be written, not {str(folder)!r}: {reason}") from error


def write_file(path: Path, data: bytes | str) -> None:
    """Write under a temporary name in the same folder, then rename.

    Raises
    ------
    ValueError
        If the folder cannot be written; no part of the file is left.
    """
    check_writable(path.parent)
    temporary = path.parent / f".{path.name}.{os.getpid()}.part"
    try:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
        temporary.replace(path)
    except OSError as error:
        raise ValueError(f"output file must be one that can be written, not {str(path)!r}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_files(folder: Path, files: Mapping[str, bytes | str]) -> None:
    """Write several files of one folder."""
    for name, data in files.items():
        write_file(folder / name, data)
