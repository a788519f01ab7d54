"""Energy of a chip and its memory: one table of constants, process scaling, and what moves when a constant moves.

On the chip: each multiplication with accumulation takes one MAC and three register accesses (two operands, one sum);
the buffer is written with all that is loaded, read for all that is stored, and read for the array: an input value
serves as many filters, a weight as many output pixels, as the array has rows and columns (the square root of its
MACs), or the layer has. Off the chip: `sim.dram_energy`, by part.

The codecs' part is `sim.codec_energy`; processes scale by `sim.chip_process`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import sqrt

from sim.accelerator import Accelerator, Energies
from sim.chip_process import NOMINAL_V, STILLMAKER, node_of, process_ratio
from sim.codec_energy import codec_constants
from sim.dram_device import DEVICES
from sim.dram_energy import command_energy
from sim.energy import Constant
from sim.layer_shape import LayerShape

__all__ = ["ChipEnergy", "chip_energy", "constants", "scaled", "sensitivity"]

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


def scaled(energies: Energies, to_nm: int, to_v: float | None = None) -> Energies:
    """The energies of a chip in another process.

    Raises
    ------
    ValueError
        As in `process_ratio`, or if the energies' own process does not tell its node.
    """
    node, volts = node_of(energies.process)
    ratio = process_ratio(node, to_nm, volts, to_v)
    names = ("mac_pj", "register_pj", "hop_pj", "buffer_pj")
    supply = NOMINAL_V[to_nm] if to_v is None else to_v
    text = f"{to_nm} nm, {supply:g} V, scaled by {ratio:.3f} from {energies.process} ({STILLMAKER})"
    return energies.model_copy(update={"process": text} | {name: getattr(energies, name) * ratio for name in names})


def constants(
    accelerator: Accelerator, codec: str | None = None, weight_codec: str | None = None
) -> tuple[Constant, ...]:
    """Every constant that a simulation's energy is made of; codecs are the accelerator's where none are told."""
    found = []
    if accelerator.energy is not None:
        each = accelerator.energy
        source = f"accelerator {accelerator.name}: {accelerator.source}"
        for name, what in (("mac", "pJ"), ("register", "pJ/access"), ("hop", "pJ/word"), ("buffer", "pJ/word")):
            found.append(Constant(name, getattr(each, f"{name}_pj"), what, each.process, source))
        found.append(Constant("idle", each.idle_mw, "mW", each.process, source))
        port = accelerator.ports.activations
        codecs = codec or port.codec, weight_codec or accelerator.ports.weights.codec
        if codecs != ("raw", "packed"):
            bits = accelerator.words.activation_bits
            found += codec_constants(bits, port.symbols_per_cycle, *codecs, each.process)
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
