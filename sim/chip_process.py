"""Energy of a circuit in another process.

It goes with ``a V^2 + b V + c``, V in volts, coefficients for each node by Stillmaker and Baas, "Scaling equations for
the accurate prediction of CMOS device performance from 180 nm to 7 nm", Integration 58, 2017.
"""

from __future__ import annotations

import re

__all__ = ["NODES", "NOMINAL_V", "STILLMAKER", "node_of", "process_ratio", "ratio_from_45"]

# Node in nm: a, b, c of the energy polynomial.
NODES = {
    65: (3.755, -4.398, 1.975),
    45: (1.103, -0.362, 0.2767),
    32: (0.9559, -0.7823, 0.471),
    16: (0.2958, -0.1241, 0.03024),
    7: (0.1776, -0.09097, 0.02447),
}
NOMINAL_V = {65: 1.1, 45: 0.9, 32: 0.9, 16: 0.8, 7: 0.7}  # where a process is named without its voltage

STILLMAKER = "Stillmaker, Baas, Integration 58, 2017"


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


def node_of(process: str) -> tuple[int, float | None]:
    """Node and voltage of a process as a preset tells it: "45 nm, 0.9 V (source)"."""
    node, volts = re.search(r"(\d+) ?nm", process), re.search(r"(\d(?:\.\d+)?) ?V\b", process)
    if node is None:
        raise ValueError(f"process must tell its node as in '45 nm', not {process!r}")
    return int(node[1]), float(volts[1]) if volts else None


def ratio_from_45(process: str) -> float:
    """Energy in a process as an accelerator tells it over that in 45 nm at 0.9 V.

    A scaled process counts as what it is scaled to, a node that is not in `NODES` as the nearest one; where no node is
    told, nothing is scaled.
    """
    try:
        node, volts = node_of(process)
    except ValueError:
        return 1.0
    nearest = min(NODES, key=lambda known: abs(known - node))
    return process_ratio(45, nearest, None, None if volts is None else min(max(volts, 0.4), 1.3))
