"""Arm Ethos-U weight streams as a weight codec.

`golden.weights.mlw_format` tells the stream. Here, the payload is one such stream, whole, with end marker and filling,
that any decoder of the format takes; there are no tables beside it. Every entry point is a slice that sets NEWPAL, so
that a decoder can start there; no zero run crosses one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.bits import bytes_from_words, words_from_bytes
from golden.codec import CorruptStreamError
from golden.weights.mlw_blocks import Blocks, encode_blocks, plan_blocks
from golden.weights.mlw_decode import count_weights, decode_block
from golden.weights.mlw_encode import to_v
from golden.weights.mlw_format import WEIGHT_LIMIT, MlwFormat
from golden.weights.tensor import (
    ENTRY_BITS,
    EncodedWeights,
    WeightCodec,
    check_blocks,
    check_integers,
    check_stream,
)

__all__ = ["Mlw", "read_stream", "write_stream"]


class Mlw(WeightCodec[MlwFormat]):
    """Lossless code of integer weights in -255..255, as Ethos-U reads them."""

    codec_id = "mlw"
    format_type = MlwFormat

    def encode(self, values: ArrayLike) -> EncodedWeights:
        """Code integer weights, each in -255..255."""
        array = check_integers(values, -WEIGHT_LIMIT, WEIGHT_LIMIT)
        blocks, distance = self._plan(array)
        words, bits = encode_blocks(blocks)
        entries = blocks.starts[:-1] if distance else np.zeros(1, np.int64)
        return EncodedWeights(words, bits, array.shape, array.dtype.name, entries=entries, entry_weights=distance)

    def decode(self, encoded: EncodedWeights) -> NDArray[Any]:
        return self.decode_blocks(encoded, 0, encoded.entries.size).reshape(encoded.shape)

    def decode_blocks(self, encoded: EncodedWeights, first: int, last: int) -> NDArray[Any]:
        check_stream(encoded)
        check_blocks(encoded, first, last)
        if encoded.table_bits:
            raise CorruptStreamError(f"stream must have no tables, not {encoded.table_bits} bits of them")
        bounds, payload = encoded.weight_bounds, encoded.payload_bounds
        weights = np.zeros(bounds[last] - bounds[first], np.int16)
        for block in range(first, last):
            part = weights[bounds[block] - bounds[first] : bounds[block + 1] - bounds[first]]
            closed = block == encoded.entries.size - 1
            decode_block(encoded.words, int(payload[block]), int(payload[block + 1]), part, closed)
        return _narrow(weights, encoded.dtype, int(bounds[first]))

    def size_bits(self, values: ArrayLike) -> int:
        array = check_integers(values, -WEIGHT_LIMIT, WEIGHT_LIMIT)
        blocks, distance = self._plan(array)
        return blocks.bits + (ENTRY_BITS * (len(blocks.plans) - 1) if distance and blocks.plans else 0)

    def _plan(self, array: NDArray[Any]) -> tuple[Blocks, int]:
        """Planned blocks, and the weights between entry points."""
        distance = self.format.block_weights(array.size, int(np.count_nonzero(array)))
        blocks = plan_blocks(to_v(array.reshape(-1)), distance)
        return blocks, distance if self.format.entry_weights else 0


def write_stream(weights: ArrayLike) -> bytes:
    """Code integer weights, each in -255..255, as a stream for an Ethos-U: all that goes to memory, no entry points.

    Raises
    ------
    TypeError, ValueError
        If the weights are not such integers.
    """
    encoded = Mlw(MlwFormat(entry_weights=0)).encode(weights)
    return bytes_from_words(encoded.words, encoded.bits)


def read_stream(data: bytes) -> NDArray[np.int16]:
    """Decode a stream of any encoder.

    Raises
    ------
    CorruptStreamError
        If it breaks a rule of the format or does not close with an end marker, with the bit position.
    """
    words, bits = words_from_bytes(data), 8 * len(data)
    weights = np.zeros(count_weights(words, bits), np.int16)
    decode_block(words, 0, bits, weights, True)
    return weights


def _narrow(weights: NDArray[np.int16], dtype: str, first: int) -> NDArray[Any]:
    """The weights in their own dtype; `first` is the number of the first one."""
    narrow = weights.astype(dtype)
    if weights.size and not np.array_equal(narrow, weights):
        wrong = int(np.flatnonzero(narrow != weights)[0])
        raise CorruptStreamError(f"weight {first + wrong} must fit {dtype}, not {int(weights[wrong])}")
    return narrow
