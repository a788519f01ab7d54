"""What a mapping is chosen for: fewest bytes, least energy, or least time.

All three look at traffic with nothing compressed. *Energy*: bytes read and written times what memory takes for each,
and the power that is always drawn times the time. *Time*: the longer of memory's and the array's, and what no other
step hides: the first load and the last store, and a turn of memory's direction in each step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.accelerator import Accelerator
from sim.dram_device import DEVICES
from sim.dram_energy import command_energy
from sim.layer_shape import LayerShape
from sim.mapping import LayerTraffic

__all__ = ["BYTES", "OBJECTIVES", "Objective", "objective_of"]

OBJECTIVES = ("bytes", "energy", "time")
# From reads to writes and back: latencies and turn-round of an LPDDR4 channel.
_TURN_NS = 50.0


@dataclass(frozen=True)
class Objective:
    """What counts, and the rates of a design.

    Attributes
    ----------
    name : str
        One of `OBJECTIVES`; the other fields matter to energy and time alone.
    read_pj, write_pj : float
        Energy of a byte.
    bytes_per_ns, operations_per_ns : float
    idle_mw : float
    """

    name: str = "bytes"
    read_pj: float = 1.0
    write_pj: float = 1.0
    bytes_per_ns: float = 1.0
    operations_per_ns: float = 1.0
    idle_mw: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in OBJECTIVES:
            raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}, not {self.name!r}")

    def cost(self, shape: LayerShape, moved: LayerTraffic, steps: Any) -> Any:
        """What a mapping costs, in bytes, picojoules or nanoseconds; arrays of candidates make an array."""
        if self.name == "bytes":
            return moved.total_bytes
        memory_ns = moved.total_bytes / self.bytes_per_ns
        array_ns = max(shape.macs, shape.outputs) / self.operations_per_ns
        time_ns = np.maximum(memory_ns, array_ns) + memory_ns / steps + _TURN_NS * steps
        if self.name == "time":
            return time_ns
        return moved.read_bytes * self.read_pj + moved.write_bytes * self.write_pj + self.idle_mw * time_ns


BYTES = Objective()


def objective_of(name: str, accelerator: Accelerator) -> Objective:
    """An objective with a design's rates.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    memory, words = accelerator.memory, accelerator.words
    read_pj = write_pj = 8 * (memory.access_pj or 1.0) / words.activation_bits
    if memory.device is not None:
        device = DEVICES[memory.device]
        each = command_energy(device)
        read_pj = (each.read_pj + each.read_io_pj) / device.burst_bytes
        write_pj = (each.write_pj + each.write_io_pj) / device.burst_bytes
    return Objective(
        name,
        read_pj,
        write_pj,
        accelerator.bandwidth_bytes_per_s / 1e9,
        accelerator.reached_macs_per_s / 1e9,
        accelerator.energy.idle_mw if accelerator.energy else 0.0,
    )
