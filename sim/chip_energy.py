"""Energy of a chip and its memory: one table of constants, process scaling, and what moves when a constant moves.

On the chip: each multiplication with accumulation takes one MAC and three register accesses (two operands, one sum);
the buffer is written with all that is loaded, read for all that is stored, and read for the array: an input value
serves as many filters, a weight as many output pixels, as the array has rows and columns (the square root of its
MACs), or the layer has. Off the chip: `sim.dram_energy`, by part.

Processes: energy of the same circuit goes with ``a V^2 + b V + c``, V in volts, coefficients for each node by
Stillmaker and Baas, "Scaling equations for the accurate prediction of CMOS device performance from 180 nm to 7 nm",
Integration 58, 2017.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import sqrt

from sim.accelerator import Accelerator, Energies
from sim.dram_device import DEVICES
from sim.dram_energy import command_energy
from sim.energy import Constant
from sim.layer_shape import LayerShape

__all__ = ["NODES", "NOMINAL_V", "ChipEnergy", "chip_energy", "constants", "process_ratio", "scaled", "sensitivity"]

# Node in nm: a, b, c of the energy polynomial.
NODES = {
    65: (3.755, -4.398, 1.975),
    45: (1.103, -0.362, 0.2767),
    32: (0.9559, -0.7823, 0.471),
    16: (0.2958, -0.1241, 0.03024),
    7: (0.1776, -0.09097, 0.02447),
}
NOMINAL_V = {65: 1.1, 45: 0.9, 32: 0.9, 16: 0.8, 7: 0.7}  # where a process is named without its voltage

_STILLMAKER = "Stillmaker, Baas, Integration 58, 2017"
_STATES = {
    "dram_active": "active_mw",
    "dram_precharged": "precharged_mw",
    "dram_power_down": "active_power_down_mw",
    "dram_standby_io": "standby_io_mw",
}
_COMMANDS = {
    "dram_activate": "activate_pj",
    "dram_read": "read_pj",
    "dram_read_io": "read_io_pj",
    "dram_write": "write_pj",
    "dram_write_io": "write_io_pj",
    "dram_refresh": "refresh_all_pj",
}


@dataclass(frozen=True)
class ChipEnergy:
    """Energy on the chip by part, in picojoule."""

    mac_pj: float
    register_pj: float
    buffer_pj: float
    idle_pj: float

    def parts(self) -> dict[str, float]:
        """Parts by name."""
        return asdict(self)


def chip_energy(
    shape: LayerShape, operations: float, loaded: float, stored: float, accelerator: Accelerator, time_ns: float
) -> ChipEnergy:
    """Energy of a layer on the chip; zeros where the accelerator has no energies.

    Parameters
    ----------
    operations : float
        Multiplications with accumulation, or values that a window without weights reads.
    loaded, stored : float
        Words that cross between external memory and buffer.
    time_ns : float
        Time of the layer, for the power that is always drawn.
    """
    each = accelerator.energy
    if each is None:
        return ChipEnergy(0.0, 0.0, 0.0, 0.0)
    side = max(1.0, sqrt(accelerator.array.macs_per_cycle))
    inputs = operations / min(side, shape.group_filters)
    weights = operations / min(side, shape.out_height * shape.out_width) if shape.weighted else 0.0
    return ChipEnergy(
        mac_pj=operations * each.mac_pj,
        register_pj=3 * operations * each.register_pj,
        buffer_pj=(loaded + stored + inputs + weights) * each.buffer_pj,
        idle_pj=each.idle_mw * time_ns,
    )


def process_ratio(from_nm: int, to_nm: int, from_v: float | None = None, to_v: float | None = None) -> float:
    """Energy of a circuit in one process over that in another.

    Raises
    ------
    ValueError
        If a node is not in `NODES`, or a voltage is outside 0.4..1.3 V.
    """

    def energy(node: int, volts: float | None) -> float:
        if node not in NODES:
            raise ValueError(f"process must be one of {', '.join(map(str, NODES))} nm, not {node!r}")
        supply = NOMINAL_V[node] if volts is None else volts
        if not 0.4 <= supply <= 1.3:
            raise ValueError(f"voltage must be in 0.4..1.3 V, not {supply!r}")
        square, linear, constant = NODES[node]
        return square * supply**2 + linear * supply + constant

    return energy(to_nm, to_v) / energy(from_nm, from_v)


def _node(process: str) -> tuple[int, float | None]:
    """Node and voltage of a process as a preset tells it: "45 nm, 0.9 V (source)"."""
    node, volts = re.search(r"(\d+) ?nm", process), re.search(r"(\d(?:\.\d+)?) ?V\b", process)
    if node is None:
        raise ValueError(f"process must tell its node as in '45 nm', not {process!r}")
    return int(node[1]), float(volts[1]) if volts else None


def scaled(energies: Energies, to_nm: int, to_v: float | None = None) -> Energies:
    """The energies of a chip in another process.

    Raises
    ------
    ValueError
        As in `process_ratio`, or if the energies' own process does not tell its node.
    """
    node, volts = _node(energies.process)
    ratio = process_ratio(node, to_nm, volts, to_v)
    names = ("mac_pj", "register_pj", "hop_pj", "buffer_pj")
    supply = NOMINAL_V[to_nm] if to_v is None else to_v
    text = f"{to_nm} nm, {supply:g} V, scaled by {ratio:.3f} from {energies.process} ({_STILLMAKER})"
    return energies.model_copy(update={"process": text} | {name: getattr(energies, name) * ratio for name in names})


def constants(accelerator: Accelerator) -> tuple[Constant, ...]:
    """Every constant that a simulation's energy is made of."""
    found = []
    if accelerator.energy is not None:
        each = accelerator.energy
        source = f"accelerator {accelerator.name}: {accelerator.source}"
        for name, what in (("mac", "pJ"), ("register", "pJ/access"), ("hop", "pJ/word"), ("buffer", "pJ/word")):
            found.append(Constant(name, getattr(each, f"{name}_pj"), what, each.process, source))
        found.append(Constant("idle", each.idle_mw, "mW", each.process, source))
    if accelerator.memory.access_pj is not None:
        found.append(Constant("memory_access", accelerator.memory.access_pj, "pJ/word", "", accelerator.source))
    if accelerator.memory.device is not None:
        device = DEVICES[accelerator.memory.device]
        table = asdict(command_energy(device))
        source = "from the part's currents: sim/dram_energy.py; " + device.source
        for names, unit in ((_COMMANDS, "pJ/command"), (_STATES, "mW/channel")):
            found += [Constant(name, table[field], unit, device.name, source) for name, field in names.items()]
    return tuple(found)


def sensitivity(parts_pj: Mapping[str, float], change: float = 0.2) -> dict[str, float]:
    """How far the total moves, as a fraction of it, when each part's constant grows by `change`.

    Each part is its constant times a count, so the total moves by the part's share; smaller constants move it down by
    as much.
    """
    total = sum(parts_pj.values())
    return {name: change * part / total if total else 0.0 for name, part in parts_pj.items()}
