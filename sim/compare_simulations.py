"""Two simulations side by side: totals, energy by part, layer by layer. Each stands with its codecs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sim.simulation_summary import SimulatedDesign, SimulatedLayer, SimulationSummary

__all__ = ["LayerPair", "SimulationComparison", "Total", "compare_simulations", "is_simulation"]


@dataclass(frozen=True)
class Total:
    """One figure of both designs; `unit` follows the scaled values."""

    name: str
    a: float
    b: float
    unit: str

    @property
    def change_pct(self) -> float | None:
        """From A to B in percent of A; None where A is zero."""
        return 100 * (self.b / self.a - 1) if self.a else None


@dataclass(frozen=True)
class LayerPair:
    """A layer in both; None where one has none of that name."""

    layer: str
    a: SimulatedLayer | None
    b: SimulatedLayer | None


@dataclass(frozen=True)
class SimulationComparison:
    """Two simulations.

    Attributes
    ----------
    a, b : SimulationSummary
    names : tuple of str
        Their folders.
    differences : tuple of (setting, A, B)
        What was asked differently, accelerators included.
    totals : tuple of Total
    layers : tuple of LayerPair
    """

    a: SimulationSummary
    b: SimulationSummary
    names: tuple[str, str]
    differences: tuple[tuple[str, str, str], ...]
    totals: tuple[Total, ...]
    layers: tuple[LayerPair, ...]


def is_simulation(folder: Path) -> bool:
    """Whether a folder's summary is that of a simulation; False where there is none."""
    try:
        values = json.loads((folder / "summary.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and values.get("kind") == "simulation"


def compare_simulations(first: Path, second: Path) -> SimulationComparison:
    """Read two folders and lay them side by side.

    Raises
    ------
    ValueError
        If one does not hold a simulation that this version of thinwire understands.
    """
    a, b = _load(first), _load(second)
    return SimulationComparison(a, b, (str(first), str(second)), _differences(a, b), _totals(a, b), _pairs(a, b))


def _load(folder: Path) -> SimulationSummary:
    path = folder / "summary.json"
    if not is_simulation(folder):
        raise ValueError(f"folder must hold a simulation, as the other one does, not {str(folder)!r}")
    try:
        return SimulationSummary.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: file must be a simulation's summary: {place}: {first['msg'].lower()}") from error


def _flat(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield above + name, "x".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _differences(a: SimulationSummary, b: SimulationSummary) -> tuple[tuple[str, str, str], ...]:
    asked = []
    for one in (a, b):
        plain = {"network": one.network, "images": ", ".join(one.images), "thinwire": one.thinwire_version}
        asked.append(dict(_flat({**plain, **one.config, "accelerator": one.accelerator})))
    names = dict.fromkeys((*asked[0], *asked[1]))
    pairs = ((name, *(one.get(name, "—") for one in asked)) for name in names)
    return tuple((name, left, right) for name, left, right in pairs if left != right)


def _totals(a: SimulationSummary, b: SimulationSummary) -> tuple[Total, ...]:
    def total(name: str, unit: str, of: Callable[[SimulatedDesign], float]) -> Total:
        return Total(name, of(a.coded), of(b.coded), unit)

    def kind(name: str) -> Total:
        return total(name, "MB", lambda design: design.bytes_by_kind[name] / 1e6)

    def part(field: str) -> Total:
        name = field.removesuffix("_pj").replace("dram_", "DRAM ").replace("_", " ")
        return total(name, "µJ", lambda design: design.energy_pj.get(field, 0.0) / 1e6)

    found = [
        total("external memory", "MB", lambda design: design.total_bytes / 1e6),
        *map(kind, a.coded.bytes_by_kind),
        total("peak memory", "MB", lambda design: design.peak_bytes / 1e6),
        total("time", "ms", lambda design: design.time_ms),
        total("memory alone", "ms", lambda design: design.memory_ms),
        total("use of the array", "% of MACs", lambda design: 100 * design.utilization),
        total("energy", "µJ", lambda design: design.total_energy_pj / 1e6),
        *map(part, dict.fromkeys((*a.coded.energy_pj, *b.coded.energy_pj))),
    ]
    return tuple(one for one in found if one.a or one.b)


def _pairs(a: SimulationSummary, b: SimulationSummary) -> tuple[LayerPair, ...]:
    left, right = ({row.layer: row for row in one.layers} for one in (a, b))
    return tuple(LayerPair(name, left.get(name), right.get(name)) for name in dict.fromkeys((*left, *right)))
