"""Quantizations that a network brings along: scales and zero points of its QuantizeLinear nodes (QDQ format).

A tensor has the scale of the node that quantizes it; where several do, that of the first one. Symbols are unsigned on
the wire: a signed integer of W bits has 2^(W - 1) added, its zero point too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sim.graph import Graph

__all__ = ["GraphScale", "graph_scales"]


@dataclass(frozen=True)
class GraphScale:
    """A tensor's quantization.

    Attributes
    ----------
    value : str
        The quantized value in the graph: integers.
    scale : float
    zero_point : int
        Unsigned.
    word_bits : int
        8 or 16.
    offset : int
        What is added to the integers to make them unsigned.
    """

    value: str
    scale: float
    zero_point: int
    word_bits: int
    offset: int


def graph_scales(graph: Graph, names: Iterable[str]) -> dict[str, GraphScale]:
    """Scales of the tensors that the graph itself quantizes as a whole."""
    found = {name: _scale(graph, name) for name in names}
    return {name: scale for name, scale in found.items() if scale is not None}


def _scale(graph: Graph, name: str) -> GraphScale | None:
    for index in graph.readers.get(name, ()):
        node = graph.nodes[index]
        if node.op_type != "QuantizeLinear" or node.input[0] != name:
            continue
        given = [graph.constants.get(value) for value in node.input[1:]]
        scale, zero = given[0], given[1] if len(given) > 1 else np.zeros((), np.uint8)
        if scale is None or zero is None or scale.size != 1 or zero.dtype.itemsize > 2 or zero.dtype.kind not in "iu":
            continue
        bits = 8 * zero.dtype.itemsize
        offset = 1 << (bits - 1) if zero.dtype.kind == "i" else 0
        return GraphScale(node.output[0], float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0]) + offset, bits, offset)
    return None
