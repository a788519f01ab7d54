"""Tensors in `.npy` files to tile-stream files and back."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.tile_file import dump, load, store
from sim.config import RunConfig, parse_tile
from sim.output import write_file

__all__ = ["decode_file", "encode_file"]

_NPY, _ZIP = b"\x93NUMPY", b"PK\x03\x04"


def encode_file(
    source: Path, target: Path | None, zero_point: int | None, word_bits: int, tile: str, **options: Any
) -> str:
    """Code `source` into `target`; return a line that tells the sizes.

    Parameters
    ----------
    source : Path
        A ``.npy`` file.
    target : Path or None
        None: the source's name with ``.tw``.
    zero_point : int or None
        As in `golden.tile_file.store`.
    word_bits : int
        0: 16 for integers wider than a byte, else 8.
    tile : str
        As in `sim.config.parse_tile`.
    **options
        Of `RunConfig`.

    Raises
    ------
    ValueError
        If the file is not a tensor that can be coded, or the target is the source or cannot be written.
    """
    target = _target(source, target, ".tw")
    tensor = _read_tensor(source)
    word_bits = word_bits or _own_bits(tensor)
    config = RunConfig(word_bits=word_bits, tile=parse_tile(tile, word_bits), **options)
    stored = store(tensor, config.format_of(config.codec), zero_point, config.layout)
    data = dump(stored)
    write_file(target, data)
    raw_bytes = -(-tensor.size * word_bits // 8)
    payload, index = 8 * stored.stream.payload.size, stored.stream.index.size
    ratio = raw_bytes / (payload + index) if raw_bytes else 1.0
    coded = f"payload {payload} + index {index} bytes, {ratio:.3f}x"
    return f"{target}: {raw_bytes} raw bytes -> {coded} ({len(data)} bytes in the file)"


def decode_file(source: Path, target: Path | None) -> str:
    """Restore the tensor of `source` into `target`; return a line that tells it.

    Parameters
    ----------
    source : Path
        A tile-stream file.
    target : Path or None
        None: the source's name with ``.npy``, if there is no such file: it may be the original, which quantized
        floats are not.

    Raises
    ------
    ValueError
        If the file is missing, foreign or corrupt, or the target is the source or cannot be written.
    """
    tensor = load(_read(source)).restore()
    named, target = target is not None, _target(source, target, ".npy")
    if not named and target.exists():
        raise ValueError(f"output file must be named with --out where {str(target)!r} exists")
    buffer = io.BytesIO()
    np.save(buffer, tensor, allow_pickle=False)
    write_file(target, buffer.getvalue())
    return f"{target}: {tensor.dtype} {tensor.shape}"


def _target(source: Path, target: Path | None, suffix: str) -> Path:
    target = target or source.with_suffix(suffix)
    if target.exists() and source.exists() and target.samefile(source):
        raise ValueError(f"output file must be another than the input, not {str(target)!r}")
    return target


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"file must be readable, not {str(path)!r}: {error.strerror}") from error


def _read_tensor(path: Path) -> NDArray[Any]:
    data = _read(path)
    if data.startswith(_ZIP):
        raise ValueError(f"file must hold one array, not an archive: {str(path)!r}")
    if not data.startswith(_NPY):
        raise ValueError(f"file must be an array in .npy format, not {str(path)!r}")
    file = io.BytesIO(data)
    try:
        tensor: NDArray[Any] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise ValueError(f"file must be an array in .npy format, not {str(path)!r}: {error}") from error
    if file.read(1):
        raise ValueError(f"file must end with its array, not {len(data) - file.tell() + 1} bytes after: {str(path)!r}")
    if tensor.dtype.kind not in "uif":
        raise ValueError(f"tensor must hold integers or floats, not {tensor.dtype}")
    if not 1 <= tensor.ndim <= 4:
        raise ValueError(f"tensor must have 1 to 4 dimensions, not {tensor.ndim}")
    return tensor


def _own_bits(tensor: NDArray[Any]) -> int:
    """16 for wide integers, else 8."""
    return 16 if tensor.dtype.kind in "ui" and tensor.dtype.itemsize > 1 else 8
