"""Tile-stream files: one tensor, with all that its decoder must be told.

::

    | magic : 8 | version : 2 | header bytes : 4 | CRC-32 : 4 | header | zeros to 64 bytes | index | payload |

Little-endian. The magic is ``89 54 57 54 0D 0A 1A 0A``: a set top bit, ``TWT`` and line ends, so that a transfer as
text is noticed, as in PNG. The header is JSON in UTF-8: the tile format, shape, layout, the dtype that `restore`
returns, the quantization (``scale`` is null where the tensor was given as integers) and the size of index and payload.
The CRC-32 (zlib) covers all that stands before the index, its own four bytes taken as zero, padding included; index
and payload have their own (golden/tile_format.py). A file of a newer version is refused.

What can be stored: unsigned or signed integers of up to W bits (signed ones are shifted by half the range, so that
decode gives them back exactly), and floats below 2^127, which are quantized to W bits over their range; decode gives
back ``(symbol - zero_point) * scale`` as float32.

A decoder takes a header that tells exactly these names, with values that an encoder takes, and refuses any other before
it takes memory for the tensor.
"""

from __future__ import annotations

import json
import operator
import struct
import zlib
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.codec import CorruptStreamError, check_integer
from golden.tile_format import TileFormat
from golden.tile_stream import TileStream, decode_tensor, encode_tensor

__all__ = ["VERSION", "StoredTensor", "dump", "load", "store"]

MAGIC = b"\x89TWT\r\n\x1a\n"
VERSION = 1

_PREFIX = struct.Struct("<8sHII")
_ALIGN = 64
_FLOAT_LIMIT = 2.0**127  # half of what float32 holds: what decode gives back may lie half a step further out
_HEADER = {
    "format": dict,
    "shape": list,
    "layout": str,
    "dtype": str,
    "quantization": dict,
    "index_bytes": int,
    "payload_bytes": int,
}


@dataclass(frozen=True)
class StoredTensor:
    """A coded tensor and how to read its symbols.

    Attributes
    ----------
    stream : TileStream
    dtype : str
        What `restore` returns: ``uint8``, ``uint16``, ``int8``, ``int16`` or ``float32``.
    scale : float or None
        A float value is ``(symbol - zero_point) * scale``; None where the tensor holds integers.
    """

    stream: TileStream
    dtype: str
    scale: float | None

    def restore(self) -> NDArray[Any]:
        """Decode the tensor.

        Raises
        ------
        CorruptStreamError
            If index or payload is corrupt.
        """
        symbols = decode_tensor(self.stream)
        if self.scale is not None:
            return ((symbols.astype(np.float64) - self.stream.zero_point) * self.scale).astype(np.float32)
        if self.dtype.startswith("int"):
            half = 1 << (self.stream.fmt.word_bits - 1)
            return (symbols.astype(np.int32) - half).astype(self.dtype)
        return symbols.astype(self.dtype)


def store(
    tensor: NDArray[Any],
    fmt: TileFormat,
    zero_point: int | None = None,
    layout: str = "slotted",
    mode: str | None = None,
) -> StoredTensor:
    """Code a tensor of integers or floats.

    Parameters
    ----------
    tensor : ndarray, 1 to 4 dimensions
        Integers that fit ``fmt.word_bits`` bits, signed or unsigned, or finite floats.
    fmt : TileFormat
    zero_point : int, optional
        The tensor's own value that means zero; 0 by default. Floats have zero at 0.0.
    layout, mode
        As in `golden.tile_stream.encode_tensor`.

    Raises
    ------
    TypeError
        If the tensor holds neither integers nor floats.
    ValueError
        If a value is NaN, infinite, a float of 2**127 or more, or does not fit.
    """
    array = np.asarray(tensor)
    if array.dtype.kind == "f":
        if zero_point is not None:
            raise ValueError(f"zero_point must be left out for floats, whose zero is 0.0, not {zero_point!r}")
        symbols, scale, zero = _quantize(array, fmt.word_bits)
        return StoredTensor(encode_tensor(symbols, fmt, zero, layout, mode), "float32", scale)
    zero = 0 if zero_point is None else operator.index(zero_point)
    if array.dtype.kind == "i":
        half = 1 << (fmt.word_bits - 1)
        low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
        if low < -half or high >= half:
            raise ValueError(f"signed values must be in {-half}..{half - 1}, not {low}..{high}")
        if not -half <= zero < half:
            raise ValueError(f"zero_point must be in {-half}..{half - 1}, not {zero}")
        shifted = (array.astype(np.int32) + half).astype(np.uint16)
        return StoredTensor(encode_tensor(shifted, fmt, zero + half, layout, mode), _dtypes(fmt)[1], None)
    if array.dtype.kind != "u":
        raise TypeError(f"tensor must hold integers or floats, not {array.dtype}")
    return StoredTensor(encode_tensor(array, fmt, zero, layout, mode), _dtypes(fmt)[0], None)


def _dtypes(fmt: TileFormat) -> tuple[str, str]:
    """What unsigned and signed symbols of a format are returned as."""
    return ("uint8", "int8") if fmt.word_bits <= 8 else ("uint16", "int16")


def _quantize(values: NDArray[Any], word_bits: int) -> tuple[NDArray[np.uint16], float, int]:
    """Affine over the range and zero: symbol = floor(value / scale + 0.5) + zero_point."""
    if not np.isfinite(values).all():
        wrong = int(np.flatnonzero(~np.isfinite(values.reshape(-1)))[0])
        raise ValueError(f"tensor must hold finite values, not {values.reshape(-1)[wrong]} (value {wrong})")
    if values.size and max(-float(values.min()), float(values.max())) >= _FLOAT_LIMIT:
        raise ValueError(f"floats must be below 2**127 in size, not {values.min()}..{values.max()}")
    exact = values.astype(np.float64)
    low, high = (min(float(exact.min()), 0.0), max(float(exact.max()), 0.0)) if exact.size else (0.0, 0.0)
    top = (1 << word_bits) - 1
    scale = (high / top - low / top) or 1.0
    zero_point = int(np.floor(-low / scale + 0.5))
    symbols = np.clip(np.floor(exact / scale + 0.5) + zero_point, 0, top)
    return symbols.astype(np.uint16), scale, zero_point


def dump(tensor: StoredTensor) -> bytes:
    """The bytes of a file."""
    stream = tensor.stream
    header = {
        "format": asdict(stream.fmt),
        "shape": stream.shape,
        "layout": stream.layout,
        "dtype": tensor.dtype,
        "quantization": {"scale": tensor.scale, "zero_point": stream.zero_point},
        "index_bytes": stream.index.size,
        "payload_bytes": 8 * stream.payload.size,
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    padding = bytes(-(_PREFIX.size + len(text)) % _ALIGN)
    check = zlib.crc32(_PREFIX.pack(MAGIC, VERSION, len(text), 0) + text + padding)
    head = _PREFIX.pack(MAGIC, VERSION, len(text), check) + text + padding
    return head + stream.index.tobytes() + stream.payload.astype("<u8").tobytes()


def load(data: bytes) -> StoredTensor:
    """Read a file; index and payload are checked when it is restored.

    Raises
    ------
    CorruptStreamError
        If the file is foreign, of a newer version, truncated, too long or its header is corrupt; with the byte.
    """
    if len(data) < _PREFIX.size or data[: len(MAGIC)] != MAGIC:
        raise CorruptStreamError("file must be a tile stream: its first 8 bytes are not the magic (byte 0)")
    magic, version, size, check = _PREFIX.unpack_from(data)
    if version > VERSION or version == 0:
        raise CorruptStreamError(f"file must be of version 1..{VERSION}, not {version} (byte 8)")
    end = -(-(_PREFIX.size + size) // _ALIGN) * _ALIGN
    if len(data) < end:
        raise CorruptStreamError(f"file ends at byte {len(data)} inside its header of {end} bytes")
    text = data[_PREFIX.size : _PREFIX.size + size]
    if zlib.crc32(_PREFIX.pack(magic, version, size, 0) + data[_PREFIX.size : end]) != check:
        raise CorruptStreamError(f"file header: CRC-32 does not match (bytes 0..{end - 1})")
    return _assemble(_read_header(text), data, end)


def _read_header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise CorruptStreamError(f"file header must be JSON: {error}") from error
    _check_members("file header", header, _HEADER)
    _check_members("file header's format", header["format"], {field.name: object for field in fields(TileFormat)})
    _check_members("file header's quantization", header["quantization"], {"scale": object, "zero_point": int})
    return header  # type: ignore[no-any-return]


def _check_members(what: str, found: Any, expected: dict[str, type]) -> None:
    """Refuse a JSON object that has not exactly the expected names, or a value of another type."""
    if not isinstance(found, dict) or found.keys() != expected.keys():
        raise CorruptStreamError(f"{what} must tell {sorted(expected)}, not {found!r:.200}")
    for name, kind in expected.items():
        if not isinstance(found[name], kind) or (kind is int and isinstance(found[name], bool)):
            raise CorruptStreamError(f"{what}: {name} must be of type {kind.__name__}, not {found[name]!r:.200}")


def _assemble(header: dict[str, Any], data: bytes, start: int) -> StoredTensor:
    index_size, payload_size = header["index_bytes"], header["payload_bytes"]
    end = start + index_size + payload_size
    if min(index_size, payload_size) < 0 or payload_size % 8:
        raise CorruptStreamError(f"file header must tell sizes of whole words, not {index_size} and {payload_size}")
    if len(data) != end:
        raise CorruptStreamError(f"file must be {end} bytes, not {len(data)}: its index begins at byte {start}")
    index = np.frombuffer(data, np.uint8, index_size, start)
    payload = np.frombuffer(data[start + index_size : end], "<u8").astype(np.uint64)
    scale, zero_point = header["quantization"]["scale"], header["quantization"]["zero_point"]
    try:
        fmt = TileFormat(**header["format"])
        for size in header["shape"]:
            check_integer("shape", size)
        stream = TileStream(fmt, tuple(header["shape"]), zero_point, header["layout"], index, payload)
    except (TypeError, ValueError) as error:
        raise CorruptStreamError(f"file header must tell a tile stream: {error}") from error
    _check_meaning(fmt, header["dtype"], scale)
    return StoredTensor(stream, header["dtype"], scale)


def _check_meaning(fmt: TileFormat, dtype: str, scale: Any) -> None:
    """Refuse a dtype that does not belong to the symbols, and a scale that does not belong to the dtype."""
    if dtype not in ("float32", *_dtypes(fmt)):
        raise CorruptStreamError(f"file header: dtype must be one of {('float32', *_dtypes(fmt))}, not {dtype!r}")
    if dtype != "float32" and scale is not None:
        raise CorruptStreamError(f"file header: scale must be null for {dtype}, not {scale!r}")
    if dtype == "float32" and not (type(scale) is float and 0 < scale <= _FLOAT_LIMIT):
        raise CorruptStreamError(f"file header: scale must be a positive float up to 2**127, not {scale!r}")
