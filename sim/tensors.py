"""Runs a network on images and quantizes what reaches memory to unsigned symbols.

Post-training quantization, per tensor, with W-bit words::

    symbol = clip(floor(value / scale + 0.5) + zero_point, 0, 2**W - 1)        in float64

========== ============================ ==========================================
activation scale                        zero point
========== ============================ ==========================================
relu6      6 / (2**W - 1)               0
other      (high - low) / (2**W - 1)    floor(-low / scale + 0.5)
========== ============================ ==========================================

A tensor that the network itself quantizes to W bits (QDQ format) has the network's scale and zero point, and the
network's own integers. For the others ``low`` and ``high`` are the extremes over all images of the run, widened to hold
zero: zero is exactly the symbol ``zero_point``, and tensors without negative values have zero point 0. A tensor that is
zero everywhere has scale 1.

Images pass one at a time and twice: for the ranges, and for the symbols. Floats of one image are in memory at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

import numpy as np

from sim.network import Network
from sim.session import open_session, values_of

__all__ = ["Captured", "Quantization", "Recorded", "Recorder", "Sample", "capture", "quantize"]

_RELU6_LIMIT = 6.0
_WORD_BITS = (4, 8, 16)


@dataclass(frozen=True)
class Quantization:
    """Meaning of a symbol: value = (symbol - zero_point) * scale."""

    scale: float
    zero_point: int
    word_bits: int = 8

    def __post_init__(self) -> None:
        if self.word_bits not in _WORD_BITS:
            raise ValueError(f"word_bits must be one of 4, 8, 16, not {self.word_bits!r}")
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale must be positive and finite, not {self.scale!r}")
        if not 0 <= self.zero_point < 2**self.word_bits:
            raise ValueError(f"zero_point must be in 0..{2**self.word_bits - 1}, not {self.zero_point!r}")

    @classmethod
    def of_range(cls, low: float, high: float, word_bits: int = 8) -> "Quantization":
        """Affine quantization that covers ``low..high`` and zero."""
        low, high, top = min(low, 0.0), max(high, 0.0), 2**word_bits - 1
        if low == high:
            return cls(1.0, 0, word_bits)
        scale = high / top - low / top
        return cls(scale, int(np.floor(-low / scale + 0.5)), word_bits)

    @classmethod
    def of_relu6(cls, word_bits: int = 8) -> "Quantization":
        """Fixed range 0..6."""
        return cls(_RELU6_LIMIT / (2**word_bits - 1), 0, word_bits)

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Type of the symbols: uint16 for 16-bit words, else uint8."""
        return np.dtype(np.uint16 if self.word_bits > 8 else np.uint8)


@dataclass(frozen=True, eq=False)
class Sample:
    """One image: symbols (C, H, W) or (n,) per tensor in memory, and the network's outputs as float32."""

    symbols: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Captured:
    """All images: symbols (N, C, H, W) or (N, n) per tensor, quantizations, outputs as float32 (N, ...)."""

    symbols: Mapping[str, np.ndarray]
    quantization: Mapping[str, Quantization]
    outputs: Mapping[str, np.ndarray]


def quantize(values: np.ndarray, quantization: Quantization) -> np.ndarray:
    """Quantize finite values; the formula stands in the module's docstring.

    Parameters
    ----------
    values : ndarray of float, any shape
        Finite. Not changed.
    quantization : Quantization
        Scale, zero point and word.

    Returns
    -------
    ndarray of uint8 or uint16, same shape
        Symbols below ``2**word_bits``.
    """
    steps: np.ndarray = np.divide(values, quantization.scale, dtype=np.float64)
    steps += 0.5
    np.floor(steps, out=steps)
    steps += quantization.zero_point
    np.clip(steps, 0, 2**quantization.word_bits - 1, out=steps)
    return steps.astype(quantization.dtype)


class Recorded(Protocol):
    """Symbols of some images, one image at a time, as often as asked."""

    @property
    def quantization(self) -> Mapping[str, Quantization]:
        """Quantization of every tensor in memory."""

    def __iter__(self) -> Iterator[Sample]:
        """One `Sample` for each image."""


class Recorder:
    """Network, images and word size, ready to give one image's symbols at a time.

    Parameters
    ----------
    network : Network
        As `sim.network.load_network` reads it.
    images : ndarray of float32, shape (N, C, H, W)
        At least one; (C, H, W) as the network's image tensor.
    word_bits : int
        4, 8 or 16.

    Raises
    ------
    ValueError
        If the images do not fit the network, or onnxruntime refuses it.
    """

    def __init__(self, network: Network, images: np.ndarray, word_bits: int = 8) -> None:
        if word_bits not in _WORD_BITS:
            raise ValueError(f"word_bits must be one of 4, 8, 16, not {word_bits!r}")
        self._network, self._word_bits = network, word_bits
        self._images = _fitting(network, images)
        self._names = list(network.tensors)
        image = network.inputs[0]
        self._scales = {name: own for name, own in network.scales.items() if own.word_bits == word_bits}
        self._integers = {own.value: name for name, own in self._scales.items() if name != image}
        self._session = open_session(network.model, [*self._names, *self._integers])

    def __len__(self) -> int:
        return len(self._images)

    @cached_property
    def quantization(self) -> Mapping[str, Quantization]:
        """Quantization of every tensor in memory, found in a first pass over the images.

        Raises
        ------
        ValueError
            If a tensor holds NaN or infinity.
        """
        ranges: dict[str, tuple[float, float]] = {}
        for index in range(len(self)):
            for name, values in self._run(index).items():
                low, high = ranges.get(name, (0.0, 0.0))
                ranges[name] = (min(low, float(values.min())), max(high, float(values.max())))
        return MappingProxyType({name: self._quantization(name, *ranges[name]) for name in self._names})

    def __iter__(self) -> Iterator[Sample]:
        for index in range(len(self)):
            values = self._run(index)
            outputs = {name: values[name] for name in self._network.outputs}
            symbols = self._own_symbols(index)
            for name in self._names:
                floats = values.pop(name)
                if name not in symbols:
                    symbols[name] = quantize(floats, self.quantization[name])
            yield Sample({name: symbols[name] for name in self._names}, outputs)

    def _own_symbols(self, index: int) -> dict[str, np.ndarray]:
        """Symbols of the tensors that the network quantizes itself, without the batch."""
        found = values_of(self._session, list(self._integers), self._feed(index))
        return {
            self._integers[value]: (integers[0].astype(np.int32) + self._scales[self._integers[value]].offset).astype(
                self.quantization[self._integers[value]].dtype
            )
            for value, integers in found.items()
        }

    def _quantization(self, name: str, low: float, high: float) -> Quantization:
        if name in self._scales:
            return Quantization(self._scales[name].scale, self._scales[name].zero_point, self._word_bits)
        if self._network.tensors[name].activation == "relu6":
            return Quantization.of_relu6(self._word_bits)
        return Quantization.of_range(low, high, self._word_bits)

    def _feed(self, index: int) -> dict[str, np.ndarray]:
        batch = self._images[index : index + 1]
        turned = batch.transpose(0, 2, 3, 1) if self._network.channels_last else batch
        return {self._network.inputs[0]: np.ascontiguousarray(turned)}

    def _run(self, index: int) -> dict[str, np.ndarray]:
        """Floats of one image, without the batch; the image itself with channels first."""
        image, batch = self._network.inputs[0], self._images[index : index + 1]
        inner = [name for name in self._names if name != image]
        found = values_of(self._session, inner, self._feed(index))
        return {name: _finite(name, values) for name, values in ({image: batch} | found).items()}


def _fitting(network: Network, images: np.ndarray) -> np.ndarray:
    """Images as float32, if they have the shape of the network's input."""
    shape = network.tensors[network.inputs[0]].shape
    if images.ndim != 4 or not len(images) or images.shape[1:] != shape:
        wanted = ", ".join(map(str, shape))
        raise ValueError(f"images must have shape (N, {wanted}) with N >= 1, not {images.shape}")
    return np.ascontiguousarray(images, np.float32)


def _finite(name: str, values: np.ndarray) -> np.ndarray:
    """The values of the one image, if each is a finite float32."""
    if values.dtype != np.float32:
        raise ValueError(f"tensor {name!r} must be float32, not {values.dtype}")
    if not np.isfinite(values).all():
        raise ValueError(f"tensor {name!r} must hold finite values, not NaN or infinity")
    alone: np.ndarray = values[0]
    return alone


def capture(network: Network, images: np.ndarray, word_bits: int = 8) -> Captured:
    """Run the network on all images and keep every symbol: one or two bytes per value and image.

    Parameters and errors are those of `Recorder`, which gives the same one image at a time.
    """
    recorder = Recorder(network, images, word_bits)
    samples = list(recorder)
    return Captured(
        MappingProxyType({n: np.stack([sample.symbols[n] for sample in samples]) for n in network.tensors}),
        recorder.quantization,
        MappingProxyType({n: np.stack([sample.outputs[n] for sample in samples]) for n in network.outputs}),
    )
