"""Weights through a video codec, as in Kim et al. (SKKU): the paper's ratios, and what the QP does to a classifier.

Two experiments. *Gaussian*: matrices of the paper's size with the paper's variances, independent, through x265 as the
paper ran it. *Classifier*: the 1280 x 1000 classifier of the default network, quantized as in the paper, over the QP;
the network before it stays as it is, so its features are computed once, on crops of the photos. Beside both stands
what a uniform quantizer and an entropy coder need for the same error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from onnx import numpy_helper

from golden.weights.blockfloat import snr_db
from golden.weights.hevc import Hevc, HevcFormat
from golden.weights.linear import SCHEMES, LinearFormat, Quantized, dequantize, quantize
from golden.weights.requantize import Requantized, mean_squared_error, requantize
from sim.images import Photo, load_images, preprocess
from sim.lite0 import INPUT_PIXELS, build_lite0
from sim.session import open_session, values_of

__all__ = [
    "QPS",
    "Classifier",
    "GaussianRow",
    "SweepPoint",
    "classifier_of",
    "figure",
    "gaussian_rows",
    "load_classifier",
    "random_crops",
    "sweep",
]

QPS = tuple(range(10, 43, 2))
"""The paper's figures 4 and 5 show about 10 to 35."""

_FLOAT_BITS = 32
_FEATURES = "flat"
_COLORS = {"symmetric": "#1f5fa8", "asymmetric": "#c98b2b"}
_PAPER = ((5.80, 16.82), (8.71, 12.51))


@dataclass(frozen=True)
class GaussianRow:
    """A Gaussian matrix through x265.

    Attributes
    ----------
    sigma : float
        Standard deviation, in integer steps; the root of a variance in the paper's table 1.
    ipratio : float
    paper_ratio : float or None
        The paper's, for the row that repeats its setting.
    ratio, shuffled_ratio : float
        Size as float32 over coded size; the second after all weights have changed places.
    error : float
        Mean squared error, in squared steps.
    requantized : Requantized
        At no more than that error.
    count : int
        Weights of the matrix.
    """

    sigma: float
    ipratio: float
    paper_ratio: float | None
    ratio: float
    shuffled_ratio: float
    error: float
    requantized: Requantized
    count: int

    @property
    def entropy_ratio(self) -> float:
        """Ratio of the uniform quantizer with an ideal order-0 coder."""
        return _FLOAT_BITS * self.count / self.requantized.entropy_bits

    @property
    def huffman_ratio(self) -> float:
        """Ratio of the uniform quantizer with a Huffman code."""
        return _FLOAT_BITS * self.count / self.requantized.huffman_bits


def gaussian_rows(
    height: int = 2048, width: int = 1000, qp: int = 23, preset: str = "medium"
) -> tuple[GaussianRow, ...]:
    """The paper's table 2 from its table 1, at x265's default `ipratio` and at 1.

    Raises
    ------
    ValueError
        If PyAV is missing.
    """
    return tuple(
        _gaussian_row(sigma, told if ipratio == HevcFormat.ipratio else None, (height, width), form)
        for sigma, told in _PAPER
        for ipratio in (HevcFormat.ipratio, 1.0)
        for form in (HevcFormat(qp, preset, ipratio),)
    )


def _gaussian_row(sigma: float, told: float | None, shape: tuple[int, int], form: HevcFormat) -> GaussianRow:
    rng = np.random.default_rng(7)
    weights = np.rint(rng.normal(0, sigma, shape)).clip(-128, 127).astype(np.int8)
    codec = Hevc(form)
    encoded = codec.encode(weights)
    error = mean_squared_error(weights, codec.decode(encoded))
    shuffled = codec.encode(rng.permutation(weights.reshape(-1)).reshape(shape))
    ratio, shuffled_ratio = (_FLOAT_BITS * weights.size / coded.size_bits for coded in (encoded, shuffled))
    uniform = requantize(weights, error)
    return GaussianRow(sigma, form.ipratio, told, ratio, shuffled_ratio, error, uniform, weights.size)


@dataclass(frozen=True, eq=False)
class Classifier:
    """The last layer of a network, and what reaches it.

    Attributes
    ----------
    weights : ndarray of float32, shape (features, classes)
    bias : ndarray of float32, shape (classes,)
    features : ndarray of float32, shape (images, features)
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    features: NDArray[np.float32]

    def top1(self, weights: NDArray[np.floating]) -> NDArray[np.int64]:
        """The class of each image under other weights."""
        classes: NDArray[np.int64] = np.argmax(self.features @ weights + self.bias, axis=1)
        return classes

    def agreement(self, weights: NDArray[np.floating]) -> float:
        """Share of images whose class is the one under the weights as they are."""
        return float((self.top1(weights) == self.top1(self.weights)).mean())


def random_crops(photos: tuple[Photo, ...], count: int) -> tuple[Photo, ...]:
    """Crops of half to all of a photo's shorter side, half of them mirrored; the same each time.

    Raises
    ------
    ValueError
        If `count` is not positive.
    """
    if count < 1:
        raise ValueError(f"crops must be 1 or more, not {count!r}")
    rng, crops = np.random.default_rng(7), []
    for number in range(count):
        pixels = photos[number % len(photos)].pixels
        side = int(rng.uniform(0.5, 1) * min(pixels.shape[:2]))
        top, left = (int(rng.integers(0, extent - side + 1)) for extent in pixels.shape[:2])
        crop = pixels[top : top + side, left : left + side]
        crops.append(Photo(f"crop{number}", crop[:, ::-1] if rng.random() < 0.5 else crop))
    return tuple(crops)


def load_classifier(crops: int = 128) -> Classifier:
    """The default network's classifier, and its features on crops of the embedded photos.

    Raises
    ------
    ValueError
        If the network's weights are not installed, or `crops` is not positive.
    """
    return classifier_of(random_crops(load_images(), crops))


def classifier_of(pictures: tuple[Photo, ...]) -> Classifier:
    """The default network's classifier, and its features on some pictures."""
    model = build_lite0()
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    session = open_session(model, [_FEATURES])
    batch = preprocess(pictures, INPUT_PIXELS, INPUT_PIXELS)
    features = [values_of(session, [_FEATURES], {"image": image[None]})[_FEATURES] for image in batch]
    return Classifier(weights["classifier.weight"].T.copy(), weights["classifier.bias"], np.concatenate(features))


@dataclass(frozen=True)
class SweepPoint:
    """A classifier quantized to 8 bits and coded at one QP.

    Attributes
    ----------
    scheme : str
        Of the linear quantizer.
    qp : int
    size_bytes : float
    ratio : float
        Size as float32 over it.
    snr_db : float
        Of the decoded weights against the float ones, quantization to 8 bits included.
    agreement : float
        Share of images with the float classifier's top-1.
    requantized_ratio, huffman_ratio : float
        Of a uniform quantizer at the same error against the 8-bit weights, with an ideal order-0 coder and with a
        Huffman code.
    requantized_agreement : float
        Its share of images.
    """

    scheme: str
    qp: int
    size_bytes: float
    ratio: float
    snr_db: float
    agreement: float
    requantized_ratio: float
    huffman_ratio: float
    requantized_agreement: float


def sweep(
    classifier: Classifier,
    qps: Iterable[int] = QPS,
    form: HevcFormat | None = None,
    told: Callable[[SweepPoint], None] = lambda point: None,
) -> tuple[SweepPoint, ...]:
    """Code a classifier at each QP, under both quantizers.

    Parameters
    ----------
    classifier : Classifier
    qps : iterable of int
    form : HevcFormat, optional
        All but the QP; x265's defaults as the paper used them.
    told : callable
        Called with each point as it is there.

    Raises
    ------
    ValueError
        If PyAV is missing, or a QP is out of range.
    """
    shared = HevcFormat() if form is None else form
    forms = [replace(shared, qp=qp) for qp in qps]
    points = []
    for scheme in SCHEMES:
        quantized = quantize(classifier.weights, LinearFormat(scheme=scheme))
        for each in forms:
            points.append(_point(classifier, quantized, scheme, each))
            told(points[-1])
    return tuple(points)


def _point(classifier: Classifier, quantized: Quantized, scheme: str, form: HevcFormat) -> SweepPoint:
    codec = Hevc(form)
    encoded = codec.encode(quantized.values)
    decoded = codec.decode(encoded)
    error = mean_squared_error(quantized.values, decoded)
    uniform = requantize(quantized.values, error)
    float_bits = _FLOAT_BITS * classifier.weights.size
    back = dequantize(replace(quantized, values=decoded))
    uniform_back = (uniform.decoded + quantized.offset) / quantized.gain
    return SweepPoint(
        scheme,
        form.qp,
        encoded.size_bits / 8,
        float_bits / encoded.size_bits,
        snr_db(classifier.weights, back),
        classifier.agreement(back),
        float_bits / uniform.entropy_bits,
        float_bits / uniform.huffman_bits,
        classifier.agreement(uniform_back),
    )


def figure(points: tuple[SweepPoint, ...]) -> Figure:
    """Ratio, signal-to-noise ratio and agreement over the QP; dashed, the uniform quantizer at the same error."""
    drawn = Figure(figsize=(10, 3.4), layout="constrained")
    panels = drawn.subplots(1, 3)
    for scheme, color in _COLORS.items():
        row = [point for point in points if point.scheme == scheme]
        qps = [point.qp for point in row]
        for panel, name, dashed in zip(
            panels,
            ("ratio", "snr_db", "agreement"),
            ("requantized_ratio", None, "requantized_agreement"),
            strict=True,
        ):
            factor = 100 if name == "agreement" else 1
            values = [factor * getattr(point, name) for point in row]
            panel.plot(qps, values, color=color, marker=".", label=f"{scheme} + HEVC")
            if dashed:
                values = [factor * getattr(point, dashed) for point in row]
                panel.plot(qps, values, color=color, linestyle="--", linewidth=1, label=f"{scheme}, uniform quantizer")
    for panel, label in zip(
        panels,
        ("size as float32 / coded size", "signal-to-noise ratio of the weights (dB)", "top-1 as in float (%)"),
        strict=True,
    ):
        panel.set_xlabel("QP")
        panel.set_ylabel(label)
        panel.grid(alpha=0.3)
    panels[0].set_yscale("log")
    panels[0].legend(fontsize="small", frameon=False)
    return drawn
