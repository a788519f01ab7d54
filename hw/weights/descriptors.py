"""From a tensor of a weight file to what the datapath is told of it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.bits import words_for
from golden.codec import Words
from golden.weights.blockfloat import BlockFloat
from golden.weights.container import Scales, StoredWeights, body_bytes
from golden.weights.deepcomp import DeepComp
from golden.weights.fusion import BitPlaneFormat, BlockFusionFormat, Task
from golden.weights.huffman import Huffman
from golden.weights.mlw import Mlw
from golden.weights.narrow import FORMS, block_integers, float_patterns
from golden.weights.packed import Packed
from golden.weights.relative import RelativeIndex
from golden.weights.rescale import fixed_scales, rescale
from golden.weights.runs import ZeroRuns
from golden.weights.tensor import ENTRY_BITS, EncodedWeights
from hw.weights.datapath_ports import Engine
from hw.weights.fusion import block_float_fields, fused_fields, plane_fields
from hw.weights.gather import INT32
from hw.weights.pair_ports import Form

__all__ = ["FORM_NUMBERS", "Job", "fused_job", "job_of", "plane_job"]

FORM_NUMBERS = {**{form: number for number, form in enumerate(FORMS)}, "raw": INT32}
"""Forms of weights that leave the datapath; ``raw`` is a decoder's 32 bits as they are."""

_PAIR_FORMS = {Huffman: Form.DENSE, ZeroRuns: Form.RUNS, RelativeIndex: Form.RELATIVE}
_BYTES = {"int8": 1, "int16": 2, "fp16": 2, "bf16": 2, "raw": 4}
_NO_SLICES = {"slice_weights": (1 << 32) - 1, "slices": 1}


@dataclass(frozen=True, eq=False)
class Job:
    """A tensor for the datapath.

    Attributes
    ----------
    fields : dict
        Of its `Descriptor`.
    body : ndarray of uint64
    scales : ndarray of uint64, shape (slices,)
        Words of its scales; empty where it needs none.
    expected : ndarray of uint8
        The bytes that must come out.
    """

    fields: dict[str, Any]
    body: Words
    scales: Words
    expected: NDArray[np.uint8]

    @property
    def count(self) -> int:
        """Weights."""
        return int(self.fields["count"])


def job_of(tensor: StoredWeights, form: str = "int8") -> Job:
    """A tensor of a file, to leave in a form of `FORM_NUMBERS`.

    Raises
    ------
    ValueError
        If the datapath has no decoder for its codec, or the weights do not fit the form.
    """
    encoded, codec = tensor.encoded, tensor.codec
    body = np.frombuffer(body_bytes(tensor), "<u8").astype(np.uint64)
    scale_words = _scale_words(tensor.scales)
    values = codec.decode(encoded)
    if isinstance(codec, BlockFloat):
        fields = {"engine": Engine.FIELDS, "selection": block_float_fields(codec.format)}
        fields |= {"head": scale_words + words_for(encoded.table_bits), "tables": scale_words}
        expected = _block_bytes(values, int(encoded.tables[0]) if encoded.tables.size else 0, form)
        return _job(fields, encoded, body, form, expected)
    if isinstance(codec, Mlw):
        fields = {"engine": Engine.MLW, "head": scale_words + words_for(encoded.entry_bits)}
    elif isinstance(packed := codec.format.inner if isinstance(codec, DeepComp) else codec, Packed):
        fields = {"engine": Engine.PACKED, "head": scale_words + words_for(encoded.table_bits)}
        fields |= {"selection": {"width": packed.format.bits}, **_dtype_fields(encoded)}
    else:
        fields = {"engine": Engine.PAIRS, "head": scale_words} | _pair_fields(codec, encoded)
    fields |= _slices(tensor.scales, encoded.shape)
    floats = values.dtype.kind == "f"
    if form in ("fp16", "bf16") and not floats:
        if tensor.scales is None:
            raise ValueError(f"weights {tensor.name!r} must have scales to become {form}")
        scales = fixed_scales(tensor.scales.gain, tensor.scales.offset, -256, 255)
        patterns = rescale(values, scales, tensor.scales.axis, form)
        return replace(_job(fields, encoded, body, form, _bytes(patterns)), scales=scales.words)
    if floats:
        expected = _bytes(values.view(np.uint32) if form == "raw" else float_patterns(values, form))
    else:
        expected = _integer_bytes(values, form)
    return _job(fields, encoded, body, form, expected)


def fused_job(encoded: EncodedWeights, fmt: BlockFusionFormat, task: Task, weights: Any, form: str) -> Job:
    """Woven pairs (golden/weights/fusion.py) for a task, whose `weights` they decode to."""
    body = np.concatenate([encoded.tables, encoded.words])
    fields = {"engine": Engine.FIELDS, "selection": fused_fields(fmt, task), "second": task.value}
    fields |= {"head": words_for(encoded.table_bits)}
    exponent = int(encoded.tables[0]) >> 8 * task.value & 255
    return _job(fields, encoded, body, form, _block_bytes(weights, exponent, form))


def plane_job(encoded: EncodedWeights, fmt: BitPlaneFormat, task: Task, weights: Any, form: str) -> Job:
    """Words of bit planes for a task, whose `weights` they decode to."""
    fields = {"engine": Engine.FIELDS, "selection": plane_fields(fmt, task), "head": 0}
    return _job(fields, encoded, encoded.words, form, _bytes(float_patterns(weights, form)))


def _job(fields: dict[str, Any], encoded: EncodedWeights, body: Words, form: str, expected: NDArray[np.uint8]) -> Job:
    told = {
        "form": FORM_NUMBERS[form],
        "count": encoded.count,
        "words": body.size,
        "check": zlib.crc32(body.astype("<u8").tobytes()),
    }
    return Job(_NO_SLICES | fields | told, body, np.zeros(0, np.uint64), expected)


def _scale_words(scales: Scales | None) -> int:
    """Words of gains and offsets in a body."""
    return words_for(32 * scales.gain.size) * (1 + scales.has_offsets) if scales else 0


def _slices(scales: Scales | None, shape: tuple[int, ...]) -> dict[str, int]:
    if scales is None or scales.axis is None:
        return {}
    return {"slice_weights": int(np.prod(shape[scales.axis % len(shape) + 1 :])), "slices": scales.gain.size}


def _dtype_fields(encoded: EncodedWeights) -> dict[str, int]:
    """What integers are, or, of floats, the numbers of their levels."""
    floats = np.dtype(encoded.dtype).kind == "f"
    dtype = np.dtype("uint8" if floats else encoded.dtype)
    return {"codebook": int(floats), "narrow": int(dtype.itemsize == 1), "negative": int(dtype.kind == "i")}


def _pair_fields(codec: Any, encoded: EncodedWeights) -> dict[str, Any]:
    inner = codec.format.inner if isinstance(codec, DeepComp) else codec
    if type(inner) not in _PAIR_FORMS:
        raise ValueError(f"codec of hardware must not be {codec.codec_id!r}")
    index_bits = 1 if isinstance(inner, Huffman) else inner.format.rules.limit.bit_length()
    return {
        **_dtype_fields(encoded),
        "pair_form": _PAIR_FORMS[type(inner)],
        "index_bits": index_bits,
        "entry_weights": encoded.entry_weights,
        "table_bits": encoded.table_bits,
        "entries": encoded.entry_bits // ENTRY_BITS,
        "bits": encoded.bits,
    }


def _bytes(patterns: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(patterns).reshape(-1).view(np.uint8)


def _integer_bytes(values: NDArray[Any], form: str) -> NDArray[np.uint8]:
    bits = 8 * _BYTES[form]
    wide = values.astype(np.int64)
    if wide.size and (int(wide.min()) < -(1 << bits - 1) or int(wide.max()) >= 1 << bits - 1):
        raise ValueError(f"weights must fit {form}, not {int(wide.min())}..{int(wide.max())}")
    return _bytes(wide.astype(f"<i{_BYTES[form]}"))


def _block_bytes(values: Any, exponent: int, form: str) -> NDArray[np.uint8]:
    return _bytes(block_integers(values, exponent) if form == "int8" else float_patterns(values, form))
