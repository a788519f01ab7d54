"""Weight files: a whole network's weights, each tensor with its codec, tables and entry points.

::

    | magic : 8 | version : 2 | directory bytes : 4 | CRC-32 : 4 | directory | zeros to 64 bytes |
    | tensor | tensor | ... | attachment |

Little-endian. The magic is ``89 54 57 57 0D 0A 1A 0A``: a set top bit, ``TWW`` and line ends, so that a transfer as
text is noticed, as in PNG. The directory is JSON in UTF-8, deflated (zlib): the codecs' configurations, each once; for
each tensor, in order, its name, the number of its configuration, shape, the dtype that its codec returns, exact bits of
payload and tables, weights between entry points, breakdown, quantization (slices, their axis, whether they have
offsets) and CRC-32; then bytes and CRC-32 of the attachment, which is any bytes the writer wants beside the weights
(the graph). The CRC-32 (zlib) in front covers all that stands before the first tensor, its own four bytes taken as
zero, padding included.

A tensor is whole 64-bit words, part by part, each part zero-padded to words; its CRC covers them all::

    | gains : float32 each | offsets : float32 each |      where it was quantized (golden/weights/linear.py)
    | tables | entries : 32 bits each | payload |          golden/weights/tensor.py

so that any tensor is found from the directory alone, any block of one from its entries, and a decoder can fetch words
of the payload as they stand. Any flipped bit lies under one of the CRCs. A file of another version is refused, as is
one that is longer or shorter than its directory tells.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.bits import words_for
from golden.codec import CorruptStreamError, Words
from golden.registry import weight_codec_from_config
from golden.weights.linear import Quantized, dequantize
from golden.weights.tensor import EncodedWeights, WeightCodec, block_starts

__all__ = ["VERSION", "Scales", "StoredWeights", "WeightFile", "body_bytes", "dump", "load"]

MAGIC = b"\x89TWW\r\n\x1a\n"
VERSION = 1

_PREFIX = struct.Struct("<8sHII")
_ALIGN = 64
_DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "int64", "float32")
_MOST_WEIGHTS = 1 << 40


@dataclass(frozen=True)
class Scales:
    """What turns a tensor's integers into weights: ``(integer + offset) / gain`` per slice along `axis`.

    Attributes
    ----------
    gain, offset : ndarray of float32, shape (slices,)
    axis : int or None
        None: one slice, the whole tensor.
    """

    gain: NDArray[np.float32]
    offset: NDArray[np.float32]
    axis: int | None = None

    @classmethod
    def of(cls, quantized: Quantized) -> Scales:
        """The scales of a quantized tensor."""
        return cls(quantized.gain.reshape(-1), quantized.offset.reshape(-1), quantized.axis)

    @property
    def bits(self) -> int:
        """Stored bits; offsets only where one is not zero."""
        return 32 * self.gain.size * (1 + self.has_offsets)

    @property
    def has_offsets(self) -> bool:
        """Whether a slice has an offset."""
        return bool(self.offset.any())

    def apply(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The weights that integers stand for."""
        shape = () if self.axis is None else (-1,)
        return dequantize(Quantized(values, self.gain.reshape(shape), self.offset.reshape(shape), self.axis))


@dataclass(frozen=True)
class StoredWeights:
    """One tensor of a file.

    Attributes
    ----------
    name : str
    codec : WeightCodec
    encoded : EncodedWeights
    scales : Scales or None
        Where the codec coded integers that were quantized from floats.
    """

    name: str
    codec: WeightCodec[Any]
    encoded: EncodedWeights
    scales: Scales | None = None

    @property
    def size_bits(self) -> int:
        """Payload, tables, entry points and scales."""
        return self.encoded.size_bits + (self.scales.bits if self.scales else 0)

    def restore(self) -> NDArray[Any]:
        """Decode the tensor, scaled where it was quantized.

        Raises
        ------
        CorruptStreamError
            If its stream is corrupt, naming the tensor.
        """
        try:
            values = self.codec.decode(self.encoded)
        except CorruptStreamError as error:
            raise CorruptStreamError(f"tensor {self.name!r}: {error}") from error
        return self.scales.apply(values) if self.scales else values


@dataclass(frozen=True)
class WeightFile:
    """Tensors in order, and whatever stands beside them."""

    tensors: tuple[StoredWeights, ...]
    attachment: bytes = b""


def dump(file: WeightFile) -> bytes:
    """The bytes of a file.

    Raises
    ------
    ValueError
        If two tensors have one name, or an entry point does not fit 32 bits.
    """
    names = [tensor.name for tensor in file.tensors]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"tensor names must differ, not {name!r} twice")
    bodies = [body_bytes(tensor) for tensor in file.tensors]
    configs: list[dict[str, Any]] = []
    records = [_record(tensor, body, configs) for tensor, body in zip(file.tensors, bodies, strict=True)]
    attachment = {"bytes": len(file.attachment), "crc": zlib.crc32(file.attachment)}
    directory = {"codecs": configs, "tensors": records, "attachment": attachment}
    text = zlib.compress(json.dumps(directory, separators=(",", ":")).encode(), 9)
    padding = bytes(-(_PREFIX.size + len(text)) % _ALIGN)
    check = zlib.crc32(_PREFIX.pack(MAGIC, VERSION, len(text), 0) + text + padding)
    return b"".join([_PREFIX.pack(MAGIC, VERSION, len(text), check), text, padding, *bodies, file.attachment])


def _record(tensor: StoredWeights, body: bytes, configs: list[dict[str, Any]]) -> dict[str, Any]:
    config = tensor.codec.config()
    if config not in configs:
        configs.append(config)
    encoded = tensor.encoded
    return {
        "name": tensor.name,
        "codec": configs.index(config),
        "shape": encoded.shape,
        "dtype": encoded.dtype,
        "bits": encoded.bits,
        "table_bits": encoded.table_bits,
        "entry_weights": encoded.entry_weights,
        "parts": dict(encoded.parts),
        "slices": tensor.scales.gain.size if tensor.scales else None,
        "axis": tensor.scales.axis if tensor.scales else None,
        "offsets": tensor.scales.has_offsets if tensor.scales else False,
        "crc": zlib.crc32(body),
    }


def body_bytes(tensor: StoredWeights) -> bytes:
    """The tensor's words as they lie in a file, in bytes; a decoder in hardware takes them so.

    Raises
    ------
    ValueError
        If an entry point does not fit 32 bits.
    """
    encoded, scales = tensor.encoded, tensor.scales
    if int(encoded.entries[-1]) >> 32:
        raise ValueError(f"entry point of {tensor.name!r} must fit 32 bits, not {int(encoded.entries[-1])}")
    parts: list[NDArray[Any]] = [
        encoded.tables.astype("<u8"),
        encoded.entries[1:].astype("<u4"),
        encoded.words.astype("<u8"),
    ]
    if scales:
        parts = [
            scales.gain.astype("<f4"),
            scales.offset.astype("<f4")[: scales.has_offsets * scales.offset.size],
            *parts,
        ]
    return b"".join(part.tobytes() + bytes(-part.nbytes % 8) for part in parts)


def load(data: bytes) -> WeightFile:
    """Read a file and check all its CRCs; tensors are decoded when they are restored.

    Raises
    ------
    CorruptStreamError
        If the file is foreign, of another version, truncated, too long or corrupt; with the byte.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise CorruptStreamError("file must be a weight file: its first 8 bytes are not the magic (byte 0)")
    if len(data) < _PREFIX.size:
        raise CorruptStreamError(f"file ends at byte {len(data)} inside its first {_PREFIX.size} bytes")
    magic, version, size, check = _PREFIX.unpack_from(data)
    if version != VERSION:
        raise CorruptStreamError(f"file must be of version {VERSION}, not {version} (byte 8)")
    end = -(-(_PREFIX.size + size) // _ALIGN) * _ALIGN
    if len(data) < end:
        raise CorruptStreamError(f"file ends at byte {len(data)} inside its directory of {end} bytes")
    if zlib.crc32(_PREFIX.pack(magic, version, size, 0) + data[_PREFIX.size : end]) != check:
        raise CorruptStreamError(f"directory: CRC-32 does not match (bytes 0..{end - 1})")
    try:
        directory = json.loads(zlib.decompress(data[_PREFIX.size : _PREFIX.size + size]))
        return _assemble(directory, data, end)
    except CorruptStreamError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, zlib.error) as error:
        raise CorruptStreamError(f"directory must tell codecs, tensors and attachment: {error!r}") from error


def _assemble(directory: dict[str, Any], data: bytes, start: int) -> WeightFile:
    codecs = [weight_codec_from_config(config) for config in directory["codecs"]]
    tensors = []
    for record in directory["tensors"]:
        tensor, start = _read_tensor(record, codecs, data, start)
        tensors.append(tensor)
    size = _not_negative(directory["attachment"], "bytes")
    if len(data) != start + size:
        raise CorruptStreamError(f"file must be {start + size} bytes, not {len(data)}")
    attachment = data[start:]
    if zlib.crc32(attachment) != directory["attachment"]["crc"]:
        raise CorruptStreamError(f"attachment: CRC-32 does not match (bytes {start}..{len(data) - 1})")
    return WeightFile(tuple(tensors), attachment)


def _read_tensor(
    record: dict[str, Any], codecs: Sequence[WeightCodec[Any]], data: bytes, start: int
) -> tuple[StoredWeights, int]:
    """A tensor whose words begin at byte `start`, and the byte behind them."""
    name, shape = str(record["name"]), tuple(int(size) for size in record["shape"])
    count = int(np.prod(shape, dtype=object))
    if min(shape, default=0) < 0 or count > _MOST_WEIGHTS or record["dtype"] not in _DTYPES:
        raise CorruptStreamError(f"tensor {name!r} must have a known dtype and shape, not {record['dtype']} {shape}")
    bits, table_bits = _not_negative(record, "bits"), _not_negative(record, "table_bits")
    entry_weights = _not_negative(record, "entry_weights")
    slices = 0 if record["slices"] is None else _not_negative(record, "slices")
    entries = block_starts(count, entry_weights).size - 2
    halves = [slices, slices if record["offsets"] else 0, entries]
    sizes = [words_for(32 * halves[0]), words_for(32 * halves[1]), words_for(table_bits), words_for(32 * halves[2])]
    end = start + 8 * (sum(sizes) + words_for(bits))
    if len(data) < end:
        raise CorruptStreamError(f"file ends at byte {len(data)} inside tensor {name!r} (bytes {start}..{end - 1})")
    if zlib.crc32(data[start:end]) != record["crc"]:
        raise CorruptStreamError(f"tensor {name!r}: CRC-32 does not match (bytes {start}..{end - 1})")
    words: Words = np.frombuffer(data[start:end], "<u8").astype(np.uint64)
    *packed, payload = np.split(words, np.cumsum(sizes))
    gain, offset, stored = (_halves(name, packed[k], count) for k, count in zip((0, 1, 3), halves, strict=True))
    encoded = EncodedWeights(
        payload,
        bits,
        shape,
        record["dtype"],
        packed[2],
        table_bits,
        np.append(0, stored.astype(np.int64)),
        entry_weights,
        {str(part): int(size) for part, size in record["parts"].items()},
    )
    scales = None
    if record["slices"] is not None:
        scales = _scales(gain.view(np.float32), offset.view(np.float32), record["axis"], shape)
    return StoredWeights(name, codecs[record["codec"]], encoded, scales), end


def _halves(name: str, words: Words, count: int) -> NDArray[np.uint32]:
    """The 32-bit numbers in words."""
    numbers = np.frombuffer(words.astype("<u8").tobytes(), "<u4")
    if numbers[count:].any():
        raise CorruptStreamError(f"tensor {name!r}: padding of scales and entry points must be zero")
    return numbers[:count].astype(np.uint32)


def _scales(gain: NDArray[np.float32], offset: NDArray[np.float32], axis: int | None, shape: tuple[int, ...]) -> Scales:
    if gain.size != (1 if axis is None else shape[axis]):
        raise CorruptStreamError(f"slices must be those of axis {axis}, not {gain.size}")
    return Scales(gain, offset if offset.size else np.zeros_like(gain), axis)


def _not_negative(record: dict[str, Any], key: str) -> int:
    value = record[key]
    if not isinstance(value, int) or value < 0:
        raise CorruptStreamError(f"{key} must be 0 or more, not {value!r}")
    return value
