"""The papers' experiments on weights as tables: the video codec (SKKU) and bit fusion (Kyung Hee University)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from golden.weights.blockfloat import MOST_MANTISSA_BITS, BlockFloat, BlockFloatFormat, snr_db
from golden.weights.fusion import STORAGE, fuse_integers
from sim.hevc_sweep import GaussianRow, SweepPoint
from sim.lite0 import build_lite0
from sim.section import Section
from sim.weights import find_weights

__all__ = ["fusion_sections", "gaussian_section", "sweep_section"]


def gaussian_section(rows: tuple[GaussianRow, ...]) -> Section:
    """Table 2 of the paper from its table 1: matrices with the paper's variances."""
    headings = ("matrix", "ipratio", "paper", "HEVC", "shuffled", "uniform, ideal coder", "uniform, Huffman")
    cells = tuple(
        (
            f"Gaussian, sigma {row.sigma:.2f}",
            f"{row.ipratio:g}",
            "" if row.paper_ratio is None else f"{row.paper_ratio:.2f}",
            *(f"{ratio:.2f}" for ratio in (row.ratio, row.shuffled_ratio, row.entropy_ratio, row.huffman_ratio)),
        )
        for row in rows
    )
    notes = (
        "Ratio of float32 size to coded size at QP 23. ResNet50's matrix is not to be had: independent Gaussian values "
        "of the paper's variances (33.62 and 75.92) and size stand for it.",
        "x265 codes intra frames at QP - 3 at its default ipratio 1.4, which is what the paper's ratios show.",
        "Uniform: a uniform quantizer with an order-0 coder, at no more than HEVC's error.",
    )
    return Section("Weights through HEVC: the paper's statistics", headings, cells, notes)


def sweep_section(points: tuple[SweepPoint, ...]) -> Section:
    """Figures 4 and 5 of the paper, on the default network's classifier."""
    headings = ("quantizer, QP", "bytes", "ratio", "SNR dB", "top-1 as float %", "uniform ratio", "its top-1 %")
    cells = tuple(
        (
            f"{point.scheme}, {point.qp}",
            f"{point.size_bytes:.0f}",
            f"{point.ratio:.2f}",
            f"{point.snr_db:.1f}",
            f"{100 * point.agreement:.1f}",
            f"{point.requantized_ratio:.2f}",
            f"{100 * point.requantized_agreement:.1f}",
        )
        for point in points
    )
    notes = (
        "EfficientNet-Lite0's 1280 x 1000 classifier on crops of the four photos, in place of ResNet50's on ImageNet; "
        "agreement with the float network stands for accuracy.",
        "Uniform: a uniform quantizer with an ideal order-0 coder at the same error against the 8-bit weights.",
    )
    return Section("Weights through HEVC: a classifier over the QP", headings, cells, notes)


def fusion_sections(widths: Iterable[int] = range(1, MOST_MANTISSA_BITS + 1)) -> tuple[Section, ...]:
    """Block floating point of some widths on the default network's weights, the storage column, integers fused."""
    weights = [np.asarray(weight.values, np.float32) for weight in find_weights(build_lite0())]
    quality = Section(
        "Block floating point: signal-to-noise ratio of EfficientNet-Lite0's weights",
        ("mantissa bits", "truncated dB", "rounded dB", "gain dB"),
        tuple(_quality(weights, width) for width in widths),
        ("An exponent for each tensor; a decoder of either task reads its own bits only.",),
    )
    storage = Section(
        "Storage of two tasks' weights, bits for a pair",
        ("method", "told formula", "told bits", "stored bits"),
        tuple((row.method, row.formula, str(row.told_bits), str(row.stored_bits)) for row in STORAGE),
        ("The paper's formulas and its bit counts do not all agree; both stand here.",),
    )
    small = np.array([1, 2, 3, 5, 100], np.uint8)
    fused = fuse_integers(small, np.full(small.size, 255, np.uint8))
    integers = Section(
        "Fusing 8-bit integers, as the paper tells its failure",
        ("weight of task A", "fused with 255"),
        tuple((str(a), str(b)) for a, b in zip(small.tolist(), fused.tolist(), strict=True)),
        ("The low four bits of A become the high four of B: small weights are swamped.",),
    )
    return quality, storage, integers


def _quality(weights: list[NDArray[np.float32]], width: int) -> tuple[str, ...]:
    exact = np.concatenate([tensor.reshape(-1) for tensor in weights])
    ratios = []
    for rounded in (False, True):
        codec = BlockFloat(BlockFloatFormat(width, rounded))
        decoded = [codec.decode(codec.encode(tensor)).reshape(-1) for tensor in weights]
        ratios.append(snr_db(exact, np.concatenate(decoded)))
    truncated, rounded_db = ratios
    return str(width), f"{truncated:.2f}", f"{rounded_db:.2f}", f"{rounded_db - truncated:.2f}"
