"""What a network costs on a target: the simulator's bytes, energy and time of one image.

Tensors travel raw and weights as plain fields: most steps leave weights that are to be trained again, and what a codec
makes of such weights tells nothing. Weights that are pruned take as much less of the bus as their file is smaller.
Where an accelerator tells no energies, arithmetic takes one multiplication and one addition in its format, and memory
what `sim.energy` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod

from sim.accelerator import Accelerator, Software
from sim.coded_tensors import raw_tensors
from sim.config import RunConfig, parse_tile
from sim.energy import energy
from sim.external import Transactions, transactions
from sim.lighten_target import MAC_PJ, Target
from sim.network import Layer, Network
from sim.network_plan import plan_network
from sim.pipeline import PipelineParameters
from sim.simulated_layer import LayerResult, SimulationConfig, simulate_layer
from sim.tile_plan import LayerPlan
from sim.weight_tiles import CodedTiles, code_tiles

__all__ = ["Cost", "Prepared", "cost_of", "layer_macs", "prepare"]


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
        All that crosses the bus: parameters, activations, what is fetched again.
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


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network planned on an accelerator: all that its layers move, before time and energy."""

    config: SimulationConfig
    layers: tuple[tuple[LayerPlan, Transactions, CodedTiles], ...]

    def results(self, software: Software | None = None) -> tuple[LayerResult, ...]:
        """Each layer simulated; with other `software` than the accelerator's if it is given."""
        config = self.config
        if software is not None:
            config = replace(config, accelerator=config.accelerator.model_copy(update={"software": software}))
        return tuple(simulate_layer(config, *layer) for layer in self.layers)


def prepare(network: Network, accelerator: Accelerator) -> Prepared:
    """Plan a network as ``thinwire simulate --codec raw --weights-codec packed`` does.

    Raises
    ------
    ValueError
        If a layer does not fit the accelerator's buffer.
    """
    bits = accelerator.words.activation_bits
    word = min(bits, 16)
    run = RunConfig("raw", tile=parse_tile(accelerator.ports.activations.tile, word), word_bits=word)
    pipeline = PipelineParameters(buffers=2 if accelerator.buffers.double_buffered else 1)
    config = SimulationConfig(accelerator, run, "packed", pipeline)
    plans, _ = plan_network(config, network, {})
    weights = code_tiles(plans, {}, "packed", run.burst_bytes, accelerator.words.weight_bits)
    moved = transactions(
        plans,
        raw_tensors(network, run, bits),
        tuple(tiles.size_bytes for tiles in weights),
        burst_bytes=run.burst_bytes,
        partial_bits=accelerator.words.partial_bits,
    )
    return Prepared(config, tuple(zip(plans, moved, weights, strict=True)))


def layer_macs(layer: Layer, zero_insertion: bool = False) -> int:
    """MACs of a layer; with zero insertion a transposed convolution works on every output pixel."""
    return layer.macs * prod(layer.stride) if layer.op == "deconv" and zero_insertion else layer.macs


def cost_of(
    network: Network, target: Target, formats: Mapping[str, str] | str, stored_bytes: float | None = None
) -> Cost:
    """Cost of a network.

    Parameters
    ----------
    network : Network
    target : Target
    formats : str or mapping of str to str
        One format for all layers, or each layer's by its name: such a layer is simulated as in a network of its format.
    stored_bytes : float, optional
        Of the parameters where they are compressed; by default each takes a word of its layer's format.

    Raises
    ------
    ValueError
        If a layer does not fit the accelerator's buffer.
    """
    kinds = {layer.name: formats if isinstance(formats, str) else formats[layer.name] for layer in network.layers}
    found = {kind: prepare(network, target.in_format(kind)).results() for kind in sorted(set(kinds.values()))}
    results = [found[kinds[layer.name]][place] for place, layer in enumerate(network.layers)]
    insertion = target.accelerator.software.zero_insertion
    macs = [layer_macs(layer, insertion) for layer in network.layers]
    plain = sum(layer.weight_count * target.weight_bits(kinds[layer.name]) / 8 for layer in network.layers)
    stored = plain if stored_bytes is None else stored_bytes
    external = sum(result.total_bytes for result in results)
    left = 1.0
    if plain and external:
        left -= (1 - stored / plain) * sum(result.bytes_by_kind["weight"] for result in results) / external
    arithmetic = sum(count * MAC_PJ[kinds[layer.name]].value for count, layer in zip(macs, network.layers, strict=True))
    return Cost(
        sum(macs),
        network.weight_count,
        stored,
        left * external,
        1e-9 * (left * _memory_pj(results) + (_chip_pj(results) or arithmetic)),
        1e-9 * sum(result.time_ns for result in results) + 1e-3 * target.accelerator.software.image_ms,
    )


def _memory_pj(results: Iterable[LayerResult]) -> float:
    """Energy of external memory: the accelerator's own, else that of `sim.energy`."""
    own = _parts_pj(results, True)
    read, written = (sum(getattr(result, name) for result in results) for name in ("read_bytes", "write_bytes"))
    return own or energy(read, written, 0).dram_pj


def _chip_pj(results: Iterable[LayerResult]) -> float:
    return _parts_pj(results, False)


def _parts_pj(results: Iterable[LayerResult], memory: bool) -> float:
    """Sum of the parts of memory, or of the chip."""
    parts = (item for result in results for item in result.energy_pj.items())
    return sum(value for name, value in parts if name.startswith("dram_") == memory)
