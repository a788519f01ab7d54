"""What a layer moves over the external bus: transactions of real size, in the order of its steps.

The plan (`sim.tile_plan`) says which codec tiles cross at which step; here they get the bytes that their tensor's
codec really makes of them, an address, and a kind:

========  ==================================================================================================
kind      what
========  ==================================================================================================
input     codec tiles of input tensors, the first time
refetch   the same tiles again: halos and loops that the buffer cannot hold
weight    weight tiles in their codec, and biases (four bytes each, once)
index     index groups of 32 bytes, read and written; a group is read once where the index cache holds the
          tensor's whole index, else again at each step that asks for one of its tiles
output    codec tiles of the output
partial   sums that wait for more channels, written and read
========  ==================================================================================================

Addresses: each tensor has a region for its tiles (slotted: each tile in the room of a full raw one; packed: one behind
the other), one for its index and each layer one for weights and one for partial sums, from 0 upwards, on pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from golden.tile_format import GROUP_BYTES, GROUP_TILES
from sim.dram_streams import Streams
from sim.tile_plan import Fetches, LayerPlan
from sim.tile_times import TileTimes
from sim.traffic import BIAS_BYTES

__all__ = ["KINDS", "Allocation", "TensorBytes", "Transactions", "allocate", "transactions"]

KINDS = ("input", "refetch", "weight", "index", "output", "partial")
PAGE_BYTES = 4096

_INPUT, _REFETCH, _WEIGHT, _INDEX, _OUTPUT, _PARTIAL = range(len(KINDS))
_Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TensorBytes:
    """A tensor's tiles in memory.

    Attributes
    ----------
    tile_bytes : ndarray of int64, shape (n,)
        Whole bursts of each tile.
    symbols : ndarray of int64, shape (n,)
    slot_bytes : int
        Room of a tile in the slotted layout.
    indexed : bool
        Whether an index is needed to read it: False where it is stored raw.
    times : TileTimes or None
        Cycles in decoder and encoder; None where it is stored raw and passes neither.
    """

    tile_bytes: _Ints
    symbols: _Ints
    slot_bytes: int
    indexed: bool
    times: TileTimes | None = None

    @property
    def groups(self) -> int:
        """Groups of the index."""
        return -(-self.tile_bytes.size // GROUP_TILES) if self.indexed else 0

    def memory_bytes(self, layout: str) -> int:
        """Room of tiles and index in memory."""
        slots = self.slot_bytes * self.tile_bytes.size
        return (slots if layout == "slotted" else int(self.tile_bytes.sum())) + self.groups * GROUP_BYTES

    def starts(self, layout: str) -> _Ints:
        """First byte of each tile in the tensor's region."""
        if layout == "slotted":
            return np.arange(self.tile_bytes.size, dtype=np.int64) * self.slot_bytes
        return np.cumsum(self.tile_bytes) - self.tile_bytes


@dataclass(frozen=True, eq=False)
class Transactions:
    """Transfers of one layer: arrays of shape (n,), ordered by step, reads of a step before its writes.

    `kind` are places in `KINDS`; `symbols` pass the activation codec, which takes `cycles`: both 0 for all but tiles
    of coded tensors. The latencies are the longest among the layer's tensors.
    """

    step: _Ints
    kind: _Ints
    write: NDArray[np.bool_]
    address: _Ints
    size_bytes: _Ints
    symbols: _Ints
    cycles: _Ints
    steps: int
    decode_latency_cycles: int = 0
    encode_latency_cycles: int = 0

    @property
    def total_bytes(self) -> int:
        """All kinds, both ways."""
        return int(self.size_bytes.sum())

    def by_kind(self) -> dict[str, int]:
        """Bytes of each kind."""
        sums = np.bincount(self.kind, self.size_bytes, len(KINDS))
        return {name: int(total) for name, total in zip(KINDS, sums, strict=True)}

    def per_step(self, write: bool) -> NDArray[np.float64]:
        """Bytes read or written at each step."""
        chosen = self.write == write
        return np.bincount(self.step[chosen], self.size_bytes[chosen], self.steps).astype(np.float64)

    def streams(self) -> Streams:
        """Runs of consecutive bytes: neighbours of one step and direction made one."""
        ends = self.address + self.size_bytes
        joined = (self.address[1:] == ends[:-1]) & (self.step[1:] == self.step[:-1])
        joined &= self.write[1:] == self.write[:-1]
        first = np.flatnonzero(np.append(True, ~joined))
        last = np.append(first[1:], self.step.size) - 1
        return Streams(self.address[first], ends[last] - self.address[first], self.write[first])


@dataclass(frozen=True)
class Allocation:
    """First byte of each tensor's tiles and index, of each layer's weights and partial sums; and the layout."""

    tiles: Mapping[str, int]
    index: Mapping[str, int]
    weights: tuple[int, ...]
    partials: tuple[int, ...]
    layout: str
    size_bytes: int


def allocate(
    plans: tuple[LayerPlan, ...], tensors: Mapping[str, TensorBytes], weights: tuple[_Ints, ...], layout: str
) -> Allocation:
    """Give every region its pages, tensors first, one behind the other; nothing is used twice."""
    place = 0

    def take(size_bytes: int) -> int:
        nonlocal place
        start, place = place, place + -(-size_bytes // PAGE_BYTES) * PAGE_BYTES
        return start

    tiles, index = {}, {}
    for name, tensor in tensors.items():
        slots = tensor.slot_bytes * tensor.tile_bytes.size
        tiles[name] = take(slots if layout == "slotted" else int(tensor.tile_bytes.sum()))
        index[name] = take(tensor.groups * GROUP_BYTES)
    parameters = tuple(
        take(int(sizes.sum()) + BIAS_BYTES * plan.layer.bias_count + GROUP_BYTES)
        for plan, sizes in zip(plans, weights, strict=True)
    )
    sums = tuple(take(8 * plan.shape.outputs if plan.partial_values.any() else 0) for plan in plans)
    return Allocation(tiles, index, parameters, sums, layout, place)


def transactions(
    plans: tuple[LayerPlan, ...],
    tensors: Mapping[str, TensorBytes],
    weights: tuple[_Ints, ...],
    *,
    layout: str = "slotted",
    burst_bytes: int = 32,
    partial_bits: int = 32,
    index_cache_groups: int = 128,
) -> tuple[Transactions, ...]:
    """The transfers of every layer.

    Parameters
    ----------
    plans : tuple of LayerPlan
    tensors : mapping of tensor name to TensorBytes
    weights : tuple of ndarray of int64
        Bytes of each layer's weight tiles.
    layout : str
        ``slotted`` or ``packed``.
    burst_bytes : int
        Biases and partial sums take whole bursts.
    partial_bits : int
        Width of a partial sum.
    index_cache_groups : int
        Groups of 32 bytes that the index cache of a port holds.
    """
    places = allocate(plans, tensors, weights, layout)
    return tuple(
        _layer(plan, tensors, weights[number], places, number, burst_bytes, partial_bits, index_cache_groups)
        for number, plan in enumerate(plans)
    )


_Rows = list[tuple[_Ints, int, bool, _Ints, _Ints, _Ints, _Ints]]


def _layer(
    plan: LayerPlan,
    tensors: Mapping[str, TensorBytes],
    weights: _Ints,
    places: Allocation,
    number: int,
    burst_bytes: int,
    partial_bits: int,
    cache: int,
) -> Transactions:
    rows: _Rows = []
    _weights(rows, plan, weights, places.weights[number], burst_bytes)
    for fetches in plan.reads:
        tensor = tensors[fetches.tensor]
        _index(rows, fetches, tensor, places, cache)
        again = fetches.again
        for kind, chosen in ((_INPUT, ~again), (_REFETCH, again)):
            _tiles(rows, fetches, tensor, places, chosen, kind)
    _partials(rows, plan, places.partials[number], burst_bytes, partial_bits)
    if plan.writes is not None:
        tensor = tensors[plan.writes.tensor]
        _tiles(rows, plan.writes, tensor, places, np.ones(plan.writes.tiles.size, bool), _OUTPUT)
        _written_index(rows, plan.writes, tensor, places)
    read = [tensors[fetches.tensor].times for fetches in plan.reads]
    made = tensors[plan.writes.tensor].times if plan.writes is not None else None
    latency = max((times.decode_latency for times in read if times), default=0)
    return _sorted(rows, plan.steps, latency, made.encode_latency if made else 0)


def _sorted(rows: _Rows, steps: int, *latencies: int) -> Transactions:
    counts = [row[0].size for row in rows]
    step, address, size, symbols, cycles = (np.concatenate([row[k] for row in rows]) for k in (0, 3, 4, 5, 6))
    kind = np.repeat([row[1] for row in rows], counts)
    write = np.repeat([row[2] for row in rows], counts).astype(bool)
    order = np.lexsort((np.arange(step.size), write, step))
    first, second = [step[order], kind[order]], [column[order] for column in (address, size, symbols, cycles)]
    return Transactions(first[0], first[1], write[order], second[0], second[1], second[2], second[3], steps, *latencies)


def _tiles(
    rows: _Rows, fetches: Fetches, tensor: TensorBytes, places: Allocation, chosen: NDArray[np.bool_], kind: int
) -> None:
    tiles = fetches.tiles[chosen]
    address = places.tiles[fetches.tensor] + tensor.starts(places.layout)[tiles]
    symbols, write = tensor.symbols[tiles] * tensor.indexed, kind == _OUTPUT
    cycles = np.zeros_like(tiles)
    if tensor.times is not None:
        cycles = (tensor.times.encode if write else tensor.times.decode)[tiles]
    rows.append((fetches.steps[chosen], kind, write, address, tensor.tile_bytes[tiles], symbols, cycles))


def _index(rows: _Rows, fetches: Fetches, tensor: TensorBytes, places: Allocation, cache: int) -> None:
    if not tensor.indexed:
        return
    asked = np.unique(np.stack([fetches.steps, fetches.tiles // GROUP_TILES], axis=1), axis=0)
    if tensor.groups <= cache:
        asked = asked[np.sort(np.unique(asked[:, 1], return_index=True)[1])]
    _groups(rows, asked[:, 0], asked[:, 1], fetches.tensor, places, False)


def _written_index(rows: _Rows, writes: Fetches, tensor: TensorBytes, places: Allocation) -> None:
    """A group is written when the last of its tiles is."""
    if not tensor.indexed:
        return
    last = np.zeros(tensor.groups, np.int64)
    np.maximum.at(last, writes.tiles // GROUP_TILES, writes.steps)
    order = np.argsort(last, kind="stable")
    _groups(rows, last[order], order, writes.tensor, places, True)


def _groups(rows: _Rows, steps: _Ints, groups: _Ints, name: str, places: Allocation, write: bool) -> None:
    size = np.full(groups.size, GROUP_BYTES, np.int64)
    none = np.zeros_like(size)
    rows.append((steps, _INDEX, write, places.index[name] + groups * GROUP_BYTES, size, none, none))


def _weights(rows: _Rows, plan: LayerPlan, weights: _Ints, place: int, burst_bytes: int) -> None:
    tiles, steps = plan.weight_fetches.tiles, plan.weight_fetches.steps
    if tiles.size:
        starts = np.cumsum(weights) - weights
        none = np.zeros_like(tiles)
        rows.append((steps, _WEIGHT, False, place + starts[tiles], weights[tiles], none, none))
    biases = -(-BIAS_BYTES * plan.layer.bias_count // burst_bytes) * burst_bytes
    if biases:
        one = np.zeros(1, np.int64)
        rows.append((one, _WEIGHT, False, one + place + int(weights.sum()), one + biases, one, one))


def _partials(rows: _Rows, plan: LayerPlan, place: int, burst_bytes: int, partial_bits: int) -> None:
    for values, write in zip(plan.partial_values, (False, True), strict=True):
        steps = np.flatnonzero(values)
        size = -(-(values[steps].astype(np.int64) * partial_bits) // (8 * burst_bytes)) * burst_bytes
        none = np.zeros_like(size)
        rows.append((steps, _PARTIAL, write, np.full(steps.size, place, np.int64), size, none, none))
