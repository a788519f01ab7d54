"""What stays on the chip between two layers: whole tensors that the buffer has room for, and strips of fused layers.

*Residency.* A tensor whose values the buffer can hold from the layer that makes it to the last one that reads it never
crosses the bus; the layers in between have that much less room for tiles. ``long``: residual and long-lived tensors,
those that some layer other than the next one reads; ``all``: any tensor; ``none``. Tensors are tried by the bytes that
they save for each byte and layer that they hold, and one stays if the cost of all layers that it touches falls, the
mappings for the smaller buffer counted.

*Fusion.* Layers that follow each other, each the only reader of the one before, run strip by strip (`sim.chains`).
Where both are asked for, chains before tensors and tensors before chains are tried. An accelerator with a memory of its
own for weights does not fuse.

The network's input and outputs always travel.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sim.aligned_mapping import align
from sim.chains import Chain, fit_chain
from sim.layer_shape import LayerShape, layer_shapes, with_kept
from sim.mapping import Buffer, tiles_of, weights_stay
from sim.mapping import Mapping as LayerMapping
from sim.mapping_search import evaluate
from sim.network import Network
from sim.objective import BYTES, Objective
from sim.tile_plan import plan_layer, planned_traffic, tile_symbols

__all__ = ["RESIDENCIES", "Residency", "place_tensors"]

RESIDENCIES = ("none", "long", "all")

_Tile = tuple[int, int, int]


@dataclass(frozen=True)
class Residency:
    """Where tensors are between layers.

    Attributes
    ----------
    resident : frozenset of str
        Tensors that are in the buffer as a whole.
    fused : frozenset of str
        Tensors of which only strips ever exist.
    reserved_bytes : tuple of int
        What resident tensors take of the buffer in each layer.
    shapes : tuple of LayerShape
        The layers, with what stays on the chip.
    mappings : mapping of int to Mapping
        Of the layers in chains.
    """

    resident: frozenset[str]
    fused: frozenset[str]
    reserved_bytes: tuple[int, ...]
    shapes: tuple[LayerShape, ...]
    mappings: Mapping[int, LayerMapping]

    @property
    def kept(self) -> frozenset[str]:
        """All that never crosses the bus."""
        return self.resident | self.fused


def place_tensors(
    network: Network,
    buffer: Buffer,
    tile: _Tile,
    residency: str = "long",
    fuse: bool = False,
    objective: Objective = BYTES,
    pinned: Mapping[str, LayerMapping] | None = None,
    batch: int = 1,
) -> Residency:
    """Decide what stays on the chip.

    Parameters
    ----------
    tile : tuple of int
        Height, width and channels of a codec tile.
    residency : str
        One of `RESIDENCIES`.
    fuse : bool
    objective : Objective
        What mappings are chosen for.
    pinned : mapping of layer name to Mapping, optional
        Layers that a user mapped: they are not fused, and no tensor stays where it would take their room.
    batch : int
        Images that pass each layer before the next one.

    Raises
    ------
    ValueError
        If the residency is unknown, or a layer does not fit the whole buffer.
    """
    if residency not in RESIDENCIES:
        raise ValueError(f"residency must be one of {', '.join(RESIDENCIES)}, not {residency!r}")
    tried = []
    # Weights that are streamed through a memory of their own would come again with each strip.
    for chains_first in (False, True) if fuse and not buffer.weights_apart else (None,):
        placing = _Placing(network, buffer, tile, objective, pinned or {}, batch)
        if chains_first:
            placing.add_chains()
        placing.keep_tensors(residency)
        if chains_first is False:
            placing.add_chains()
        tried.append(placing)
    return min(tried, key=lambda placing: placing.total).result()


class _Placing:
    """Tensors that stay so far, and what each layer costs with them."""

    def __init__(
        self,
        network: Network,
        buffer: Buffer,
        tile: _Tile,
        objective: Objective,
        fixed: Mapping[str, LayerMapping],
        batch: int,
    ) -> None:
        self.network, self.buffer, self.tile, self.objective, self.fixed = network, buffer, tile, objective, fixed
        self.plain = tuple(replace(shape, batch=batch) for shape in layer_shapes(network))
        self.batch = batch
        self.resident: set[str] = set()
        self.reserved = [0] * len(self.plain)
        self.chains: dict[int, Chain] = {}  # by each of its layers
        self._symbols = {
            name: np.tile(tile_symbols(tensor.shape, tile), batch) for name, tensor in network.tensors.items()
        }
        self._number = {layer.name: k for k, layer in enumerate(network.layers)}
        _ = self.total  # a layer that does not fit is told

    @property
    def fused(self) -> set[str]:
        """Tensors inside chains."""
        return {self.network.layers[k].output for k, chain in self.chains.items() if k < chain.last}

    @property
    def total(self) -> float:
        """Cost of all layers."""
        return sum(self._cost(k, self.resident, self.reserved[k]) for k in range(len(self.plain)))

    def shape(self, number: int, kept: Container[str]) -> LayerShape:
        """A layer with what stays on the chip."""
        return with_kept(self.plain[number], self.network.layers[number], kept)

    def result(self) -> Residency:
        """All that was decided."""
        kept = self.resident | self.fused
        return Residency(
            frozenset(self.resident),
            frozenset(self.fused),
            tuple(self.reserved),
            tuple(self.shape(k, kept) for k in range(len(self.plain))),
            {k: chain.mappings[k - chain.first] for k, chain in self.chains.items()},
        )

    def keep_tensors(self, residency: str) -> None:
        """Keep what lowers the cost, the most saving first."""
        found = []
        for tensor in self.network.activations if residency != "none" else ():
            first, last = self._life(tensor.name)
            wanted = tensor.consumers and tensor.name not in self.fused and (residency == "all" or last > first + 1)
            if wanted and self._bytes(tensor.name) < self.buffer.size_bytes:
                found.append((-(1 + len(tensor.consumers)) / (last - first + 1), first, tensor.name))
        for *_, name in sorted(found):
            self._try_to_keep(name)

    def _life(self, name: str) -> tuple[int, int]:
        tensor = self.network.tensors[name]
        readers = [self._number[reader] for reader in tensor.consumers]
        first = self._number[tensor.producer or ""]
        return first, max(readers, default=first)

    def _bytes(self, name: str) -> int:
        return -(-self.batch * self.network.tensors[name].size * self.buffer.activation_bits // 8)

    def _cost(self, number: int, kept: set[str], reserved: int) -> float:
        """Of a layer; infinite where it does not fit."""
        layer = self.network.layers[number]
        if reserved >= self.buffer.size_bytes:
            return float("inf")
        room = replace(self.buffer, size_bytes=self.buffer.size_bytes - reserved)
        if number in self.chains:
            chain = self.chains[number]
            if chain.size_bytes > room.size_bytes:
                return float("inf")
            return self._planned(number, kept | self.fused, chain.mappings[number - chain.first])
        shape = self.shape(number, kept)
        try:
            if layer.name in self.fixed:
                mapping = evaluate(shape, self.fixed[layer.name], room).mapping
            else:
                mapping = align(shape, room, self.tile, self.objective)
        except ValueError:
            if not reserved:
                raise
            return float("inf")
        return self._planned(number, kept, mapping)

    def _planned(self, number: int, kept: Container[str], mapping: LayerMapping) -> float:
        """Cost of a layer with all that its codec tiles, nothing compressed, move."""
        layer, shape = self.network.layers[number], self.shape(number, kept)
        stay = bool(weights_stay(shape, tiles_of(shape, mapping), self.buffer))
        plan = plan_layer(self.network, layer, shape, mapping, self.tile, kept, stay)
        moved = planned_traffic(plan, self._symbols, self.buffer)
        return float(self.objective.cost(shape, moved, plan.steps))

    def _try_to_keep(self, name: str) -> None:
        """Keep a tensor if that costs less."""
        first, last = self._life(name)
        kept, size = self.resident | {name}, self._bytes(name)
        touched = range(first, last + 1)
        costs = {k: self._cost(k, kept, self.reserved[k] + size) for k in touched}
        if sum(costs.values()) < sum(self._cost(k, self.resident, self.reserved[k]) for k in touched):
            self.resident = kept
            for k in touched:
                self.reserved[k] += size

    def add_chains(self) -> None:
        """Fuse from the first layer on, each chain as long as it fits."""
        first = 0
        while first < len(self.plain):
            best, last = None, first + 1
            while last < len(self.plain) and _follows(self, last):
                chain = _fit(self, first, last)
                if chain is None:
                    break
                best, last = chain, last + 1
            if best is not None:
                self.chains.update(dict.fromkeys(range(first, best.last + 1), best))
            first = best.last + 1 if best is not None else first + 1


def _follows(placing: _Placing, number: int) -> bool:
    """Whether a layer reads strip by strip what the one before makes, and nothing else does."""
    network = placing.network
    before, layer = network.layers[number - 1 : number + 1]
    tensor = network.tensors.get(before.output)
    if tensor is None or before.output in network.outputs or before.output in placing.resident:
        return False
    plain, made = placing.plain[number], placing.plain[number - 1]
    same = (made.filters, made.out_height, made.out_width) == (plain.channels, plain.height, plain.width)
    alone = tensor.consumers == (layer.name,) and layer.inputs[:1] == (before.output,)
    free = not {before.name, layer.name} & set(placing.fixed)
    return alone and same and free and plain.operands < len(layer.inputs) and not plain.transposed


def _fit(placing: _Placing, first: int, last: int) -> Chain | None:
    """The chain of these layers, if it fits."""
    numbers = range(first, last + 1)
    between = {placing.network.layers[k].output for k in range(first, last)} | placing.resident
    shapes = [placing.shape(k, between) for k in numbers]
    room = placing.buffer.size_bytes - max(placing.reserved[k] for k in numbers)
    return fit_chain(first, shapes, placing.buffer, room, placing.tile)
