"""Units in which figures are shown: the one that suits the greatest of them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ENERGIES", "SIZES", "TIMES", "Unit", "unit_for"]


@dataclass(frozen=True)
class Unit:
    """A unit: called with a value in the base unit, it gives the figure as text."""

    name: str
    scale: float
    digits: int

    def __call__(self, value: float) -> str:
        return f"{value * self.scale:.{self.digits}f}"


SIZES = (Unit("MB", 1e-6, 3), Unit("kB", 1e-3, 1), Unit("B", 1, 0))  # of bytes
ENERGIES = (Unit("µJ", 1e-6, 1), Unit("nJ", 1e-3, 1), Unit("pJ", 1, 0))  # of picojoules
TIMES = (Unit("ms", 1, 2), Unit("µs", 1e3, 1), Unit("ns", 1e6, 0))  # of milliseconds


def unit_for(units: tuple[Unit, ...], greatest: float) -> Unit:
    """The largest unit in which `greatest` is not below 1, or the smallest there is."""
    return next((unit for unit in units if greatest * unit.scale >= 1), units[-1])
