"""A network's weights as they go through the RTL of the decompressor: each codec at a density that suits it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx

from golden.weights.container import StoredWeights
from sim.weights import Recipe, Weight, find_weights, store

__all__ = ["COSIM_CODECS", "CodedWeights", "coded_weights"]

COSIM_CODECS = {
    "packed": 1.0,
    "huffman": 1.0,
    "zero-runs": 0.1,
    "relative-index": 0.1,
    "deepcomp": 0.1,
    "mlw": 1.0,
    "block-float": 1.0,
}
"""Codecs of hardware, and the share of weights that stays where none is asked for."""


@dataclass(frozen=True)
class CodedWeights:
    """A network's weights in one codec, coded one by one as they are asked for."""

    weights: tuple[Weight, ...]
    recipe: Recipe

    @property
    def form(self) -> str:
        """In which the weights leave the hardware."""
        return "fp16" if self.recipe.takes_floats else "int8"

    def __iter__(self) -> Iterator[StoredWeights]:
        return (store(weight, self.recipe) for weight in self.weights)

    def __len__(self) -> int:
        return len(self.weights)


def coded_weights(model: onnx.ModelProto, codec: str, density: float | None = None) -> CodedWeights:
    """The weights of a network for one codec.

    Raises
    ------
    ValueError
        If the network has no weights, or no decoder in hardware is for that codec.
    """
    if codec not in COSIM_CODECS:
        raise ValueError(f"codec of weights in hardware must be one of {list(COSIM_CODECS)}, not {codec!r}")
    share = COSIM_CODECS[codec] if density is None else density
    return CodedWeights(tuple(find_weights(model)), Recipe(codec, density=share, bits=5 if codec == "deepcomp" else 8))
