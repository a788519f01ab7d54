"""Stage: sizes -> peak footprint: the most external memory that the activations take at one time.

A tensor lives from the layer that writes it to the last one that reads it; the network's input lives from the start,
its outputs to the end. Three ways to lay it out: raw, coded in slots (each tile keeps the room of a full raw tile) and
coded and packed. Indices count, weights do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sim.measure import TensorSizes
from sim.network import Network, Tensor

__all__ = ["Footprint", "peak_bytes", "peak_footprint"]


@dataclass(frozen=True)
class Footprint:
    """Peak bytes in each layout, and the layer at which each is reached."""

    raw_bytes: int
    slotted_bytes: int
    packed_bytes: int
    raw_layer: str
    slotted_layer: str
    packed_layer: str


def peak_footprint(network: Network, sizes: Mapping[str, TensorSizes], codec: str) -> Footprint:
    """Peak memory of the activations of one image under `codec`."""
    raw = {name: size.raw_bytes for name, size in sizes.items()}
    slotted, packed = dict(raw), dict(raw)
    for name, size in sizes.items():
        if size.coded:
            coded = size.coded[codec]
            slotted[name] = coded.slot_bytes + coded.index_bytes
            packed[name] = coded.payload_bytes + coded.index_bytes
    peaks = [peak_bytes(network, memory) for memory in (raw, slotted, packed)]
    (raw_bytes, raw_layer), (slotted_bytes, slotted_layer), (packed_bytes, packed_layer) = peaks
    return Footprint(raw_bytes, slotted_bytes, packed_bytes, raw_layer, slotted_layer, packed_layer)


def peak_bytes(network: Network, memory: Mapping[str, int]) -> tuple[int, str]:
    """The most that tensors of these sizes take at one time, and the first layer at which they do."""
    order = {layer.name: step for step, layer in enumerate(network.layers)}
    lives = {name: _life(network, tensor, order) for name, tensor in network.tensors.items()}
    peaks = [
        (sum(memory[name] for name, (first, last) in lives.items() if first <= step <= last), layer.name)
        for step, layer in enumerate(network.layers)
    ]
    return max(peaks, key=lambda peak: peak[0])


def _life(network: Network, tensor: Tensor, order: Mapping[str, int]) -> tuple[int, int]:
    """First and last step at which a tensor is in memory."""
    first = 0 if tensor.producer is None else order[tensor.producer]
    if tensor.name in network.outputs:
        return first, len(order) - 1
    return first, max((order[reader] for reader in tensor.consumers), default=first)
