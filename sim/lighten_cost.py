"""What a network costs on a target, from its layers' shapes: arithmetic under a memory roof, each tensor moved once.

A layer takes the longer of its arithmetic (MACs over rate and efficiency) and its bytes (weights, inputs and output
over the bandwidth). No tiling: where tensors exceed the buffer, ``thinwire simulate`` counts what is fetched again.
Arithmetic's energy is one multiplication and one addition in the format; the memory's is `sim.energy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from sim.energy import CONSTANTS, Constant, energy
from sim.lighten_target import FORMAT_BITS, Target
from sim.network import Layer, Network

__all__ = ["MAC_PJ", "Cost", "cost_of", "layer_macs", "roof_s"]

_HOROWITZ = CONSTANTS["int8_multiply"].source
MAC_PJ: Mapping[str, Constant] = {
    "fp32": Constant("fp32_mac", 3.7 + 0.9, "pJ", "45 nm, 0.9 V", _HOROWITZ),
    "fp16": Constant("fp16_mac", 1.1 + 0.4, "pJ", "45 nm, 0.9 V", _HOROWITZ),
    "int8": Constant("int8_mac", 0.2 + 0.1, "pJ", "45 nm, 0.9 V", _HOROWITZ),
}
"""A multiplication and an addition: of floats in their own format, of int8 into int32."""


@dataclass(frozen=True)
class Cost:
    """A network on a target, one image.

    Attributes
    ----------
    macs, parameters : int
        Biases not counted.
    stored_bytes : float
        Of the parameters.
    external_bytes : float
        Parameters, and activations written and read once.
    energy_mj, time_s : float
    """

    macs: int
    parameters: int
    stored_bytes: float
    external_bytes: float
    energy_mj: float
    time_s: float

    @property
    def stored_mb(self) -> float:
        """Parameters in megabytes (10**6)."""
        return self.stored_bytes / 1e6

    @property
    def time_ms(self) -> float:
        """Time of an image."""
        return 1e3 * self.time_s


def layer_macs(network: Network, layer: Layer, zero_insertion: bool = False) -> int:
    """MACs of a layer; with zero insertion a transposed convolution works on every output pixel."""
    if layer.op != "deconv" or not zero_insertion:
        return layer.macs
    return layer.macs * prod(layer.stride)


def cost_of(
    network: Network, target: Target, formats: Mapping[str, str] | str, stored_bytes: float | None = None
) -> Cost:
    """Cost of a network.

    Parameters
    ----------
    network : Network
    target : Target
    formats : str or mapping of str to str
        One format for all layers, or each layer's by its name.
    stored_bytes : float, optional
        Of the parameters where they are compressed; by default each takes a word of its layer's format.
    """
    parts = [_layer(network, layer, target, _format(formats, layer.name)) for layer in network.layers]
    macs, weights, moved, pj, time_s = (sum(column) for column in zip(*parts, strict=True))
    stored = weights if stored_bytes is None else stored_bytes
    return Cost(
        int(macs),
        network.weight_count,
        stored,
        stored + moved,
        (pj + energy(stored + moved / 2, moved / 2, 0).dram_pj) * 1e-9,
        time_s + target.constant_s,
    )


def _format(formats: Mapping[str, str] | str, name: str) -> str:
    return formats if isinstance(formats, str) else formats[name]


def _layer(network: Network, layer: Layer, target: Target, kind: str) -> tuple[float, float, float, float, float]:
    """MACs, bytes of weights, bytes of activations, picojoule of arithmetic, seconds."""
    word_bytes = FORMAT_BITS[kind] / 8
    values = sum(network.tensors[name].size for name in layer.inputs)
    values += network.tensors[layer.output].size if layer.output in network.tensors else 0
    macs = layer_macs(network, layer, target.zero_insertion)
    weights, moved = layer.weight_count * word_bytes, values * word_bytes
    return macs, weights, moved, macs * MAC_PJ[kind].value, roof_s(target, macs, weights + moved, kind)


def roof_s(target: Target, macs: float, moved_bytes: float, kind: str) -> float:
    """The longer of arithmetic and transfer, without the constant."""
    rate = target.accelerator.peak_macs_per_s * target.rates[kind] * target.efficiency
    return max(macs / rate, moved_bytes / target.accelerator.bandwidth_bytes_per_s)
