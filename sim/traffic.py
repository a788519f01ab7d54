"""Stage: sizes -> traffic. What each layer moves over the bus: compulsory traffic.

Each activation is written once by its producer and read once by each of its consumers, whole, without halos or
re-fetches; weights (one symbol each) and biases (four bytes) are read once for each image. The network's input and
outputs travel raw. A run's figures are means over its images.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sim.config import RunConfig
from sim.measure import TensorSizes
from sim.network import Layer, Network

__all__ = ["BIAS_BYTES", "LayerTraffic", "Moved", "layer_traffic", "whole_bursts"]

BIAS_BYTES = 4


@dataclass(frozen=True)
class Moved:
    """Bytes on the bus, by kind."""

    activation_read_bytes: int = 0
    activation_write_bytes: int = 0
    index_read_bytes: int = 0
    index_write_bytes: int = 0
    weight_bytes: int = 0
    input_bytes: int = 0
    output_bytes: int = 0

    @property
    def read_bytes(self) -> int:
        """All that is read."""
        return self.activation_read_bytes + self.index_read_bytes + self.weight_bytes + self.input_bytes

    @property
    def write_bytes(self) -> int:
        """All that is written."""
        return self.activation_write_bytes + self.index_write_bytes + self.output_bytes

    @property
    def bus_bytes(self) -> int:
        """Read and written."""
        return self.read_bytes + self.write_bytes

    def __add__(self, other: Moved) -> Moved:
        return Moved(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class LayerTraffic:
    """What one layer moves for one image under each codec."""

    layer: Layer
    image: int
    moved: Mapping[str, Moved]


def whole_bursts(size_bytes: int, burst_bytes: int) -> int:
    """Bytes of the bursts that hold `size_bytes`."""
    return -(-size_bytes // burst_bytes) * burst_bytes


def layer_traffic(network: Network, sizes: Mapping[str, TensorSizes], config: RunConfig) -> list[LayerTraffic]:
    """Traffic of each layer for one image.

    Parameters
    ----------
    network : Network
    sizes : mapping of tensor name to TensorSizes
        Of that image.
    config : RunConfig
    """
    image = next(iter(sizes.values())).image
    return [
        LayerTraffic(layer, image, {codec: _moved(network, layer, sizes, config, codec) for codec in config.codecs})
        for layer in network.layers
    ]


def _moved(network: Network, layer: Layer, sizes: Mapping[str, TensorSizes], config: RunConfig, codec: str) -> Moved:
    weights = -(-layer.weight_count * config.word_bits // 8) + layer.bias_count * BIAS_BYTES
    moved = Moved(weight_bytes=whole_bursts(weights, config.burst_bytes))
    moved += _sum(_read(network, name, sizes[name], config, codec) for name in layer.inputs)
    if layer.output in sizes:
        moved += _written(network, layer.output, sizes[layer.output], config, codec)
    return moved


def _sum(parts: Iterable[Moved]) -> Moved:
    return sum(parts, Moved())


def _read(network: Network, name: str, size: TensorSizes, config: RunConfig, codec: str) -> Moved:
    if not size.coded:
        raw = whole_bursts(size.raw_bytes, config.burst_bytes)
        return Moved(input_bytes=raw) if name in network.inputs else Moved(activation_read_bytes=raw)
    coded = size.coded[codec]
    return Moved(activation_read_bytes=coded.payload_bytes, index_read_bytes=coded.index_bytes)


def _written(network: Network, name: str, size: TensorSizes, config: RunConfig, codec: str) -> Moved:
    if not size.coded:
        return Moved(output_bytes=whole_bursts(size.raw_bytes, config.burst_bytes))
    coded = size.coded[codec]
    return Moved(activation_write_bytes=coded.payload_bytes, index_write_bytes=coded.index_bytes)
