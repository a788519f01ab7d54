"""The last layers of a network under coded weights: what comes before them is run once.

A head is one dense layer or a few with ReLU between; each layer's weights are quantized to 8 bits and coded as one
picture. *Top-1*, *top-5*: share of pictures whose label has the highest score, or is among the five highest; *loss*:
mean cross entropy to the label. Where there are no labels, the float network's own top-1 stands for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from golden.weights.hevc import Hevc, HevcFormat
from golden.weights.linear import LinearFormat, Quantized, dequantize, quantize

__all__ = ["Coded", "Head", "Quality", "code_head"]

_FLOAT_BITS = 32
_TOP = 5

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Quality:
    """Top-1 and top-5 in percent, mean cross entropy."""

    top1_pct: float
    top5_pct: float
    loss: float


@dataclass(frozen=True, eq=False)
class Head:
    """Dense layers, what reaches them, and what they should say.

    Attributes
    ----------
    name : str
        Network and pictures.
    weights : tuple of ndarray of float32, shape (inputs, outputs) each
    biases : tuple of ndarray of float32, shape (outputs,) each
    features : ndarray of float32, shape (pictures, inputs)
    labels : ndarray of int64, shape (pictures,), or None
        None: the float network's top-1.
    """

    name: str
    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]
    features: Floats
    labels: NDArray[np.int64] | None = None

    def scores(self, weights: Sequence[Floats]) -> Floats:
        """Scores of all pictures under other weights."""
        values = self.features
        for place, (matrix, bias) in enumerate(zip(weights, self.biases, strict=True)):
            values = values @ matrix + bias
            values = values if place == len(self.biases) - 1 else np.maximum(values, 0)
        return values

    def quality(self, weights: Sequence[Floats]) -> Quality:
        """How well the head does under other weights."""
        scores = self.scores(weights).astype(np.float64)
        labels = self.scores(self.weights).argmax(1) if self.labels is None else self.labels
        own = scores[np.arange(len(labels)), labels]
        above = (scores > own[:, None]).sum(1)
        highest = scores.max(1)
        loss = np.log(np.exp(scores - highest[:, None]).sum(1)) + highest - own
        top1, top5 = (100 * float((above < places).mean()) for places in (1, _TOP))
        return Quality(top1, top5, float(loss.mean()))

    @property
    def float_bits(self) -> int:
        """Size of the weights as float32."""
        return _FLOAT_BITS * sum(matrix.size for matrix in self.weights)


@dataclass(frozen=True)
class Coded:
    """A head quantized, and coded where `qp` is told.

    Attributes
    ----------
    scheme : str
        Of the linear quantizer; ``float32`` for none.
    qp : int or None
    size_bytes, ratio : float
        Size of all layers, and float32 over it.
    quality : Quality
    """

    scheme: str
    qp: int | None
    size_bytes: float
    ratio: float
    quality: Quality


def code_head(head: Head, scheme: str, qp: int | None = None) -> Coded:
    """Quantize a head, code it at a QP where one is given, and use what comes back.

    Parameters
    ----------
    head : Head
    scheme : str
        ``float32``, ``symmetric`` or ``asymmetric``.
    qp : int or None

    Raises
    ------
    ValueError
        If PyAV is missing, or the QP is out of range.
    """
    if scheme == "float32":
        return Coded(scheme, None, head.float_bits / 8, 1.0, head.quality(head.weights))
    quantized = [quantize(matrix, LinearFormat(scheme=scheme)) for matrix in head.weights]
    size_bits = 8 * sum(one.values.size for one in quantized)
    if qp is not None:
        size_bits, quantized = _through_hevc(quantized, qp)
    quality = head.quality([dequantize(one) for one in quantized])
    return Coded(scheme, qp, size_bits / 8, head.float_bits / size_bits, quality)


def _through_hevc(quantized: Sequence[Quantized], qp: int) -> tuple[int, list[Quantized]]:
    codec = Hevc(HevcFormat(qp))
    coded = [codec.encode(one.values) for one in quantized]
    decoded = [replace(one, values=codec.decode(each)) for one, each in zip(quantized, coded, strict=True)]
    return sum(each.size_bits for each in coded), decoded
