"""Reads a pickled numpy array without letting the pickle call anything else.

A pickle may name any callable of the machine it is opened on. This reader knows the three names an array needs and
refuses every other one before it is called; objects and structured types are refused with them.
"""

from __future__ import annotations

import gzip
import io
import pickle
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_array"]


def _empty_array(kind: type, shape: tuple[int, ...], code: bytes) -> NDArray[Any]:
    """What numpy's own reconstruction makes: an array that its state fills."""
    if kind is not np.ndarray or shape != (0,) or code != b"b":
        raise ValueError(f"pickle must hold a plain array, not {kind!r}")
    return np.ndarray((0,), np.int8)


def _plain_dtype(name: str, align: bool = False, copy: bool = False) -> np.dtype[Any]:
    dtype = np.dtype(name)
    if dtype.kind not in "iuf":
        raise ValueError(f"pickled array must be of numbers, not {name!r}")
    return dtype


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy._core.multiarray", "_reconstruct"): _empty_array,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _plain_dtype,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise ValueError(f"pickle must hold an array only, not {module + '.' + name!r}")
        return _NAMES[module, name]


def read_array(path: Path) -> NDArray[Any]:
    """Read a gzipped pickle of one array of numbers.

    Raises
    ------
    ValueError
        If the file is missing or truncated, or names anything but an array.
    """
    try:
        array = _Unpickler(io.BytesIO(gzip.decompress(path.read_bytes()))).load()
    except OSError as error:
        raise ValueError(f"array must be a readable gzip file, not {str(path)!r}") from error
    except (pickle.UnpicklingError, EOFError, TypeError, AttributeError, IndexError, zlib.error) as error:
        raise ValueError(f"array must be a gzipped pickle, not {str(path)!r}") from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"pickle must hold an array, not {type(array).__name__}")
    return array
