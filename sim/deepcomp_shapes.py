"""AlexNet and VGG-16 as weights to be stored: layer shapes, and sizes from the densities that the paper tells.

Nothing is trained here: the networks' weights are not to be had. A layer's size follows from its number of weights,
the paper's density and code widths (`golden.weights.deepcomp.model_ratio`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from golden.weights.deepcomp import model_ratio
from sim.deepcomp_sizes import PaperRow, paper_rows

__all__ = ["SHAPES", "ShapeRow", "shape_rows"]

SHAPES: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "AlexNet": {
        "conv1": (96, 3, 11, 11),
        "conv2": (256, 48, 5, 5),
        "conv3": (384, 256, 3, 3),
        "conv4": (384, 192, 3, 3),
        "conv5": (256, 192, 3, 3),
        "fc6": (4096, 9216),
        "fc7": (4096, 4096),
        "fc8": (1000, 4096),
    },
    "VGG-16": {
        "conv1_1": (64, 3, 3, 3),
        "conv1_2": (64, 64, 3, 3),
        "conv2_1": (128, 64, 3, 3),
        "conv2_2": (128, 128, 3, 3),
        "conv3_1": (256, 128, 3, 3),
        "conv3_2": (256, 256, 3, 3),
        "conv3_3": (256, 256, 3, 3),
        "conv4_1": (512, 256, 3, 3),
        "conv4_2": (512, 512, 3, 3),
        "conv4_3": (512, 512, 3, 3),
        "conv5_1": (512, 512, 3, 3),
        "conv5_2": (512, 512, 3, 3),
        "conv5_3": (512, 512, 3, 3),
        "fc6": (4096, 25088),
        "fc7": (4096, 4096),
        "fc8": (1000, 4096),
    },
}
"""Weights of each layer; AlexNet's second, fourth and fifth convolutions work in two groups."""


@dataclass(frozen=True)
class ShapeRow:
    """A layer's size from its shape; `paper` is the paper's row.

    Attributes
    ----------
    count : int
        Weights.
    quantized_pct, huffman_pct : float
        Of float32, before and after Huffman coding.
    """

    paper: PaperRow
    count: int
    quantized_pct: float
    huffman_pct: float


def shape_rows(network: str) -> tuple[ShapeRow, ...]:
    """Every layer of a network of `SHAPES`."""
    told = {row.layer: row for row in paper_rows(network)}
    return tuple(_row(told[layer], prod(shape)) for layer, shape in SHAPES[network].items())


def _row(told: PaperRow, count: int) -> ShapeRow:
    density, widths = told.kept_pct / 100, (round(told.weight_bits), round(told.index_bits))
    plain, coded = (
        100 * model_ratio(density, count, *widths, *codes)
        for codes in ((told.weight_bits, told.index_bits), (told.weight_huffman, told.index_huffman))
    )
    return ShapeRow(told, count, plain, coded)
