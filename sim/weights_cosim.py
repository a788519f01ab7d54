"""A network's weights as they go through the RTL of the decompressor: each codec at a density that suits it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import onnx

from golden.weights.container import StoredWeights
from sim.weights import Recipe, Weight, find_weights, store

__all__ = ["COSIM_CODECS", "CodedWeights", "coded_weights"]

COSIM_CODECS = {
    "packed": Recipe("packed"),
    "palette": Recipe("deepcomp", bits=4, settings={"form": "packed"}),
    "huffman": Recipe("huffman"),
    "zero-runs": Recipe("zero-runs", density=0.1),
    "relative-index": Recipe("relative-index", density=0.1),
    "deepcomp": Recipe("deepcomp", bits=5, density=0.1),
    "mlw": Recipe("mlw"),
    "block-float": Recipe("block-float"),
}
"""Codecs of hardware, and how weights are coded where nothing else is asked for."""


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
    recipe = COSIM_CODECS[codec]
    return CodedWeights(tuple(find_weights(model)), recipe if density is None else replace(recipe, density=density))
