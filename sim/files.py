"""Tensors in `.npy` files to tile-stream files and back."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.tile_file import dump, load, store
from sim.config import RunConfig
from sim.output import write_file

__all__ = ["decode_file", "encode_file"]


def encode_file(source: Path, target: Path | None, zero_point: int | None, **options: Any) -> str:
    """Code `source` into `target`; return a line that tells the sizes.

    Raises
    ------
    ValueError
        If the file is not a tensor that can be coded, or the target cannot be written.
    """
    tensor = _read_tensor(source)
    options["word_bits"] = options["word_bits"] or _own_bits(tensor)
    layout = options["layout"]
    config = RunConfig(**options)
    stored = store(tensor, config.format_of(config.codec), zero_point, layout)
    data = dump(stored)
    target = target or source.with_suffix(".tw")
    write_file(target, data)
    raw_bytes = -(-tensor.size * config.word_bits // 8)
    payload, index = 8 * stored.stream.payload.size, stored.stream.index.size
    ratio = raw_bytes / max(payload + index, 1)
    coded = f"payload {payload} + index {index} bytes, {ratio:.3f}x"
    return f"{target}: {raw_bytes} raw bytes -> {coded} ({len(data)} bytes in the file)"


def decode_file(source: Path, target: Path | None) -> str:
    """Restore the tensor of `source` into `target`; return a line that tells it.

    Raises
    ------
    ValueError
        If the file is missing, foreign or corrupt, or the target cannot be written.
    """
    tensor = load(_read(source)).restore()
    buffer = io.BytesIO()
    np.save(buffer, tensor, allow_pickle=False)
    target = target or source.with_suffix(".npy")
    write_file(target, buffer.getvalue())
    return f"{target}: {tensor.dtype} {tensor.shape}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"file must be readable, not {str(path)!r}: {error.strerror}") from error


def _read_tensor(path: Path) -> NDArray[Any]:
    try:
        tensor = np.load(io.BytesIO(_read(path)), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, ValueError) and str(error).startswith("file must"):
            raise
        raise ValueError(f"file must be an array in .npy format, not {str(path)!r}: {error}") from error
    if not isinstance(tensor, np.ndarray):
        raise ValueError(f"file must hold one array, not an archive: {str(path)!r}")
    if tensor.dtype.kind not in "uif":
        raise ValueError(f"tensor must hold integers or floats, not {tensor.dtype}")
    if not 1 <= tensor.ndim <= 4:
        raise ValueError(f"tensor must have 1 to 4 dimensions, not {tensor.ndim}")
    return tensor


def _own_bits(tensor: NDArray[Any]) -> int:
    """16 for wide integers, else 8."""
    return 16 if tensor.dtype.kind in "ui" and tensor.dtype.itemsize > 1 else 8
