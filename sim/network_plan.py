"""A network's layers, planned from shapes alone: what stays on the chip, and the steps of every layer.

For energy or time, mappings are estimated by rates; of the estimates' favourite and that for bytes, the one is taken
that costs less when the raw layer is really simulated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sim.aligned_mapping import align
from sim.coded_tensors import raw_tensors
from sim.external import transactions
from sim.mapping import Buffer, tiles_of, weights_stay
from sim.mapping import Mapping as LayerMapping
from sim.mapping_search import evaluate
from sim.network import Network
from sim.objective import BYTES, Objective, objective_of
from sim.residency import Residency, place_tensors
from sim.simulated_layer import SimulationConfig, simulate_layer
from sim.tile_plan import LayerPlan, plan_layer
from sim.weight_tiles import code_tiles

__all__ = ["plan_network"]


def plan_network(
    config: SimulationConfig, network: Network, pinned: Mapping[str, LayerMapping]
) -> tuple[tuple[LayerPlan, ...], Residency]:
    """Plan all layers.

    Raises
    ------
    ValueError
        If a layer, or a pinned mapping of one, does not fit the buffer.
    """
    buffer = config.accelerator.buffer
    objective = objective_of(config.objective, config.accelerator)
    placed = place_tensors(
        network, buffer, config.run.tile, config.residency, config.fuse, objective, pinned, config.batch
    )
    planner = _Planner(config, network, placed, objective)
    plans = []
    for number, shape in enumerate(placed.shapes):
        room = replace(buffer, size_bytes=buffer.size_bytes - placed.reserved_bytes[number])
        if shape.name in pinned:
            plans.append(planner.plan(number, evaluate(shape, pinned[shape.name], room).mapping))
        elif number in placed.mappings:
            plans.append(planner.plan(number, placed.mappings[number]))
        else:
            plans.append(planner.best(number, room))
    return tuple(plans), placed


class _Planner:
    """Plans of one network on one design."""

    def __init__(self, config: SimulationConfig, network: Network, placed: Residency, objective: Objective) -> None:
        self.config, self.network, self.placed, self.objective = config, network, placed, objective
        self.tensors = raw_tensors(network, config.run, config.accelerator.words.activation_bits, config.batch)

    def plan(self, number: int, mapping: LayerMapping) -> LayerPlan:
        """A layer with a given mapping."""
        layer, shape = self.network.layers[number], self.placed.shapes[number]
        stay = bool(weights_stay(shape, tiles_of(shape, mapping), self.config.accelerator.buffer))
        return plan_layer(self.network, layer, shape, mapping, self.config.run.tile, self.placed.kept, stay)

    def best(self, number: int, room: Buffer) -> LayerPlan:
        """A layer with the mapping that suits the objective."""
        shape, tile = self.placed.shapes[number], self.config.run.tile
        found = dict.fromkeys(align(shape, room, tile, wanted) for wanted in (BYTES, self.objective))
        plans = [self.plan(number, mapping) for mapping in found]
        return plans[0] if len(plans) == 1 else min(plans, key=self._measured)

    def _measured(self, plan: LayerPlan) -> float:
        """Time or energy of a raw layer."""
        run, words = self.config.run, self.config.accelerator.words
        weights = code_tiles([plan], {}, "packed", run.burst_bytes, words.weight_bits)[0]
        moved = transactions(
            (plan,),
            self.tensors,
            (weights.size_bytes,),
            burst_bytes=run.burst_bytes,
            partial_bits=words.partial_bits,
        )
        layer = simulate_layer(self.config, plan, moved[0], weights)
        return layer.time_ns if self.objective.name == "time" else float(np.sum(list(layer.energy_pj.values())))
