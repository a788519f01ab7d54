"""Reads checkpoints of the old, non-zip torch format without torch.

A file is five pickles, one after another, and then the bytes of every storage::

    magic | protocol | system | state dict | storage keys | (count: int64, values) per key

The state dict names its storages by key only, so tensors are cut from them once all bytes are read.
A pickle may name any callable of the machine it is opened on. The reader therefore knows five names
(ordered dictionary, tensor, three kinds of storage) and refuses every other one before it is called.
"""

import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

__all__ = ["read_checkpoint"]

_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of every file of this format
_PROTOCOL = 1001  # the only version there is


@dataclass(frozen=True)
class _Storage:
    """A run of equal values, known by its key until its bytes are read."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A strided window into a storage; `offset` and `stride` count values."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    requires_grad: bool
    hooks: object
    metadata: object = None


_NAMES: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "DoubleStorage"): np.dtype("<f8"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise ValueError(f"checkpoint must hold tensors only, not {module + '.' + name!r}")
        return _NAMES[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _location, count, view = pid
        if kind != "storage" or view is not None:
            raise ValueError(f"checkpoint storage must be whole, not {pid!r}")
        return _Storage(str(key), np.dtype(dtype), int(count))


def read_checkpoint(path: Path) -> dict[str, np.ndarray]:
    """Read a state dict.

    Parameters
    ----------
    path : Path
        File written by ``torch.save(module.state_dict())`` of torch before 1.6.

    Returns
    -------
    dict of str to ndarray
        Contiguous arrays of float32, float64 or int64, in the order of the file.

    Raises
    ------
    ValueError
        If the file is missing, truncated, of another format, or names anything but tensors.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except OSError as error:
        raise ValueError(f"checkpoint must be a readable file, not {str(path)!r}") from error
    except (pickle.UnpicklingError, EOFError, TypeError, AttributeError, KeyError, IndexError) as error:
        raise ValueError(f"checkpoint must be a torch file of the old format, not {str(path)!r}") from error


def _read(file: BinaryIO) -> dict[str, np.ndarray]:
    header = [_Unpickler(file).load() for _ in range(3)]
    if header[:2] != [_MAGIC, _PROTOCOL] or header[2].get("little_endian") is not True:
        raise ValueError("checkpoint must be a little-endian torch file of the old format")
    state = _Unpickler(file).load()
    if not isinstance(state, dict) or not all(isinstance(value, _Tensor) for value in state.values()):
        raise ValueError("checkpoint must be a dictionary of tensors")
    kinds = {tensor.storage.key: tensor.storage for tensor in state.values()}
    storages = {key: _read_storage(file, kinds[key]) for key in _Unpickler(file).load()}
    return {str(name): _cut(name, tensor, storages[tensor.storage.key]) for name, tensor in state.items()}


def _read_storage(file: BinaryIO, storage: _Storage) -> np.ndarray:
    count = int.from_bytes(file.read(8), "little")
    if count != storage.count:
        raise ValueError(f"storage {storage.key!r} must hold {storage.count} values, not {count}")
    content = file.read(count * storage.dtype.itemsize)
    if len(content) != count * storage.dtype.itemsize:
        raise ValueError(f"storage {storage.key!r} must hold {count} values, the file ends before")
    return np.frombuffer(content, storage.dtype)


def _cut(name: str, tensor: _Tensor, values: np.ndarray) -> np.ndarray:
    """Copy the window; its farthest value is checked first, because numpy does not check it."""
    if len(tensor.shape) != len(tensor.stride) or min((tensor.offset, *tensor.shape, *tensor.stride)) < 0:
        raise ValueError(f"tensor {name!r} must have one stride, not negative, per dimension")
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride, strict=True))
    if 0 not in tensor.shape and last >= values.size:
        raise ValueError(f"tensor {name!r} must lie within its {values.size} values, not reach value {last}")
    byte_strides = [step * values.itemsize for step in tensor.stride]
    window = np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, byte_strides)
    return np.ascontiguousarray(window).reshape(tensor.shape)
