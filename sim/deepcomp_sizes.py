"""What Deep Compression's steps make of a network's size: per layer, in total, and beside other codes of the weights.

A layer's size is its codes, indices, float32 codebook and Huffman tables, without entry points (the paper has none);
the ratio is float32 weights over that. Biases are left out, or counted as float32 on both sides where they are given.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.weights.deepcomp import DeepComp, DeepCompFormat, Shared
from golden.weights.mlw import Mlw
from golden.weights.mlw_format import MlwFormat
from golden.weights.pairs import plan_pairs
from golden.weights.relative import RelativeIndexFormat

__all__ = [
    "CODES",
    "INDEX_BITS",
    "LayerSize",
    "PaperRow",
    "code_bits",
    "layer_size",
    "paper_rows",
    "ratio",
    "shared_of",
    "signed_levels",
]

INDEX_BITS = 5
"""Of the paper's LeNets."""
CODES = ("plain fields", "Huffman, relative index", "Huffman, zero runs", "MLW", "order-0 entropy")
"""Ways to store the same shared weights; the second is the paper's."""

_FLOAT_BITS = 32
_PAPER = Path(__file__).parent / "data" / "deep-compression.csv"
_UNITS = {"K": 10**3, "M": 10**6}

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class PaperRow:
    """A row of the paper's tables 2 to 5.

    Attributes
    ----------
    network, layer : str
    weights : int
        As told: 235K is 235,000.
    kept_pct, weight_bits, weight_huffman, index_bits, index_huffman : float
    quantized_pct, huffman_pct : float
        Size after pruning and sharing, and after Huffman coding; percent of float32.
    """

    network: str
    layer: str
    weights: int
    kept_pct: float
    weight_bits: float
    weight_huffman: float
    index_bits: float
    index_huffman: float
    quantized_pct: float
    huffman_pct: float


def paper_rows(network: str) -> tuple[PaperRow, ...]:
    """The paper's layers of a network, ``total`` last.

    Raises
    ------
    ValueError
        If the paper has no such network.
    """
    with _PAPER.open(newline="") as file:
        lines = [line for line in csv.reader(file) if line[0] == network]
    if not lines:
        raise ValueError(f"network must be one of the paper's tables 2 to 5, not {network!r}")
    return tuple(
        PaperRow(name, layer, round(float(count[:-1]) * _UNITS[count[-1]]), *map(float, figures))
        for name, layer, count, *figures in lines
    )


@dataclass(frozen=True)
class LayerSize:
    """A layer after all steps, in the terms of the paper's tables.

    Attributes
    ----------
    count, kept : int
        Weights, and those that are not zero.
    entries : int
        Stored weights: kept ones and fillers.
    weight_bits, index_bits : int
        Widths of plain fields.
    weight_huffman, index_huffman : float
        Mean codewords.
    quantized_bits, huffman_bits : int
        Size of the layer, codebook and tables included.
    """

    count: int
    kept: int
    entries: int
    weight_bits: int
    index_bits: int
    weight_huffman: float
    index_huffman: float
    quantized_bits: int
    huffman_bits: int


def shared_of(weights: Floats) -> Shared:
    """Symbols and codebook of weights that share a few values."""
    centroids = np.unique(weights[weights != 0])
    symbols = np.where(weights == 0, 0, np.searchsorted(centroids, weights) + 1)
    return Shared(symbols.astype(np.uint8), centroids)


def signed_levels(shared: Shared) -> NDArray[np.int16]:
    """Symbols as integers around zero, -k for the centroid k-th below it: what integer codes take."""
    below = int((shared.centroids < 0).sum())
    numbers = np.arange(shared.centroids.size, dtype=np.int16) - below
    numbers[below:] += 1
    levels: NDArray[np.int16] = np.append(np.int16(0), numbers)[shared.symbols]
    return levels


def layer_size(weights: Floats, bits: int) -> LayerSize:
    """Measure a layer as the paper stores it: relative index of 5 bits, two Huffman codes."""
    shared = shared_of(weights)
    plan = plan_pairs(shared.symbols, RelativeIndexFormat(INDEX_BITS, entry_weights=0).rules)
    entries = plan.tokens.runs.size
    return LayerSize(
        weights.size,
        int(np.count_nonzero(weights)),
        entries,
        bits,
        INDEX_BITS,
        plan.weight_bits / max(entries, 1),
        plan.run_bits / max(entries, 1),
        code_bits(shared, "plain fields", bits),
        code_bits(shared, "Huffman, relative index", bits),
    )


def code_bits(shared: Shared, code: str, bits: int) -> int:
    """Size of a layer under one of `CODES`, codebook included; of the entropy, symbols and codebook alone.

    Raises
    ------
    ValueError
        If there is no such code.
    """
    if code not in CODES:
        raise ValueError(f"code must be one of {CODES}, not {code!r}")
    book = _FLOAT_BITS * shared.centroids.size
    if code == "MLW":
        return Mlw(MlwFormat(entry_weights=0)).size_bits(signed_levels(shared)) + book
    if code == "order-0 entropy":
        counts = np.bincount(shared.symbols.reshape(-1))
        share = counts[counts > 0] / shared.symbols.size
        return int(np.ceil(-shared.symbols.size * float((share * np.log2(share)).sum()))) + book
    form = "zero-runs" if code == "Huffman, zero runs" else "relative-index"
    fmt = DeepCompFormat(bits=bits, form=form, index_bits=INDEX_BITS, huffman=code != "plain fields", entry_weights=0)
    return DeepComp(fmt).encode_shared(shared).size_bits


def ratio(layers: Sequence[Floats], size_bits: int, biases: Sequence[Any] = ()) -> float:
    """Float32 size over size, biases counted on both sides where they are given."""
    kept = _FLOAT_BITS * sum(np.size(bias) for bias in biases)
    return (_FLOAT_BITS * sum(layer.size for layer in layers) + kept) / (size_bits + kept)
