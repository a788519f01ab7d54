"""Stage: tensors -> sizes. Every tensor goes through every codec; the chosen one is encoded, decoded and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.activations.bypass import is_bypassed
from golden.tile_format import MODES
from golden.tile_index import index_bytes
from golden.tile_stream import TileSizes, decode_tensor, encode_tensor, tensor_sizes
from sim.config import RunConfig
from sim.network import Network, Tensor
from sim.tensors import Recorded

__all__ = ["CodedSize", "Known", "TensorSizes", "entropy_bits", "measure"]

Symbols = NDArray[np.unsignedinteger]
Known = dict[Any, Any]  # place, codec, policy and format to what was found


@dataclass(frozen=True)
class CodedSize:
    """A tensor in memory under one codec.

    Attributes
    ----------
    coded_bits : int
        Bits that the codecs wrote.
    payload_bytes : int
        Whole bursts of all tiles.
    index_bytes : int
        Side information, whole bursts; 0 where the tensor is stored raw.
    slot_bytes : int
        Memory that the slotted layout sets aside, without the index.
    mode_tiles : tuple of int
        Tiles in each mode of `golden.tile_format.MODES`.
    """

    coded_bits: int
    payload_bytes: int
    index_bytes: int
    slot_bytes: int
    mode_tiles: tuple[int, ...]

    @property
    def bus_bytes(self) -> int:
        """Bytes on the bus each time the whole tensor is moved."""
        return self.payload_bytes + self.index_bytes


@dataclass(frozen=True)
class TensorSizes:
    """One tensor of one image.

    Attributes
    ----------
    name : str
    image : int
        Number of the image.
    values, zeros : int
        Symbols, and those equal to the zero point.
    raw_bytes : int
        The symbols alone.
    entropy_bits : float
        Order-0 entropy of the symbols: what no code of single symbols can go below.
    coded : mapping of str to CodedSize
        For each codec; empty where the tensor is none of the run's activations (network input and outputs).
    """

    name: str
    image: int
    values: int
    zeros: int
    raw_bytes: int
    entropy_bits: float
    coded: Mapping[str, CodedSize]

    @property
    def zero_fraction(self) -> float:
        """Zeros over values."""
        return self.zeros / self.values if self.values else 0.0


def measure(
    network: Network, recorder: Recorded, config: RunConfig, known: Known | None = None
) -> Iterator[TensorSizes]:
    """Size every tensor of every image, in the order of the images.

    Parameters
    ----------
    known : dict, optional
        What other runs over the same recording found: looked up, and filled.

    Raises
    ------
    RuntimeError
        If a decoded tensor differs from the original: a fault of a codec, never of the input.
    """
    coded_names = {tensor.name for tensor in network.activations}
    for image, sample in enumerate(recorder):
        for name, tensor in network.tensors.items():
            zero_point = recorder.quantization[name].zero_point
            symbols = sample.symbols[name]
            given = (image, name), {} if known is None else known
            coded = _code(symbols, tensor, zero_point, config, *given) if name in coded_names else {}
            yield _sizes(name, image, symbols, zero_point, config.word_bits, coded)


def _sizes(
    name: str, image: int, symbols: Symbols, zero_point: int, word_bits: int, coded: Mapping[str, CodedSize]
) -> TensorSizes:
    counts = np.bincount(symbols.reshape(-1), minlength=zero_point + 1)
    raw_bytes = -(-symbols.size * word_bits // 8)
    zeros = int(counts[zero_point])
    return TensorSizes(name, image, symbols.size, zeros, raw_bytes, entropy_bits(counts), coded)


def entropy_bits(counts: NDArray[np.int64]) -> float:
    """Order-0 entropy of a histogram times its total, in bits."""
    seen = counts[counts > 0]
    return float((seen * np.log2(seen.sum() / seen)).sum()) if seen.size else 0.0


def _code(
    symbols: Symbols, tensor: Tensor, zero_point: int, config: RunConfig, place: tuple[int, str], known: Known
) -> dict[str, CodedSize]:
    own = (place, config.codec, config.layout, config.format_of(config.codec))
    if own not in known:
        _verify(symbols, zero_point, config, tensor.name)
        known[own] = True
    raw = tensor_sizes(symbols, config.format_of("raw"), zero_point, "raw")
    found = {}
    for codec in config.codecs:
        key = (place, codec, config.bypass, config.format_of(codec))
        if key not in known:
            known[key] = _coded_size(symbols, raw, tensor, zero_point, config, codec)
        found[codec] = known[key]
    return found


def _coded_size(
    symbols: Symbols, raw: TileSizes, tensor: Tensor, zero_point: int, config: RunConfig, codec: str
) -> CodedSize:
    fmt = config.format_of(codec)
    sizes = raw if codec == "raw" else tensor_sizes(symbols, fmt, zero_point)
    # The index is read and written in whole bursts too.
    index = -(-index_bytes(sizes.bits.size) // fmt.burst_bytes) * fmt.burst_bytes
    raw_bus_bits = int(raw.bursts.sum()) * fmt.burst_bits
    coded_bus_bits = int(sizes.bursts.sum()) * fmt.burst_bits + 8 * index
    if codec == "raw" or is_bypassed(config.bypass, tensor.activation, raw_bus_bits, coded_bus_bits):
        sizes, index = raw, 0
    slot_bytes = sizes.bits.size * fmt.slot_bursts * fmt.burst_bytes
    return _sum(sizes, fmt.burst_bytes, index, slot_bytes)


def _sum(sizes: TileSizes, burst_bytes: int, index: int, slot_bytes: int) -> CodedSize:
    tiles = np.bincount(sizes.modes, minlength=len(MODES))
    payload = int(sizes.bursts.sum()) * burst_bytes
    return CodedSize(int(sizes.bits.sum()), payload, index, slot_bytes, tuple(tiles.tolist()))


def _verify(symbols: Symbols, zero_point: int, config: RunConfig, name: str) -> None:
    """Code the tensor for good and take it back."""
    stream = encode_tensor(symbols, config.format_of(config.codec), zero_point, config.layout)
    if not np.array_equal(decode_tensor(stream), symbols):
        raise RuntimeError(f"tensor {name!r} did not survive {config.codec}")
