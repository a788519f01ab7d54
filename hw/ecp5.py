"""LUTs and clock on ECP5, out of context: Yosys, then nextpnr on the smallest device that holds the design."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from amaranth.lib import wiring

from hw.verilog import to_rtlil
from hw.yowasp import cells_of, run_tool

__all__ = ["DEVICES", "Placed", "place", "smallest_device"]

DEVICES = {"25F": (24288, 56), "45F": (43848, 108), "85F": (83640, 208)}
"""Device, LFE5U-..., to its LUTs and its block memories."""

_MOST_FILLED = 0.9
_SYNTH = """read_rtlil placed.il
synth_ecp5 -nodsp -top top -json ecp5.json
tee -q -o ecp5_stat.json stat -json
"""
# What a cell takes of the device's LUTs.
_LUTS_OF = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}


@dataclass(frozen=True)
class Placed:
    """What a design takes on `device`, and its clock.

    Attributes
    ----------
    device : str
        The one of `DEVICES`; package CABGA381, speed grade 6.
    luts, ecp5_flip_flops, block_rams : int
    clock_mhz : float, optional
        The median of the seeds, if there are any.
    """

    device: str
    luts: int
    ecp5_flip_flops: int
    block_rams: int
    clock_mhz: float | None = None


def place(component: wiring.Component, folder: Path, seeds: Sequence[int]) -> Placed:
    """Synthesize, place and route a component whose ports are registered; the work lies in `folder`.

    Without seeds it is only synthesized.

    Raises
    ------
    RuntimeError
        If a tool fails, or no device is large enough.
    """
    (folder / "placed.il").write_text(to_rtlil(component, "top"))
    (folder / "ecp5.ys").write_text(_SYNTH)
    run_tool("yosys", ["-q", "-s", "ecp5.ys"], folder)
    cells = cells_of(folder / "ecp5_stat.json")[0]
    device, clocks = smallest_device(cells), []
    if not seeds:
        return Placed(device, _luts(cells), cells.get("TRELLIS_FF", 0), cells.get("DP16KD", 0))
    for seed in seeds:
        options = [f"--{device[:-1]}k", "--package", "CABGA381", "--speed", "6", "--json", "ecp5.json"]
        options += ["--out-of-context", "--seed", str(seed), "--freq", "150", "--timing-allow-fail", "--quiet"]
        run_tool("nextpnr_ecp5", [*options, "--report", "report.json"], folder)
        report = json.loads((folder / "report.json").read_text())
        clocks.append(max(entry["achieved"] for entry in report["fmax"].values()))
    used = report["utilization"]
    sizes = [used[kind]["used"] for kind in ("TRELLIS_COMB", "TRELLIS_FF", "DP16KD")]
    return Placed(device, *sizes, round(median(clocks), 1))


def smallest_device(cells: dict[str, int]) -> str:
    """The smallest device that a design of these cells of Yosys fills to nine tenths at most.

    Raises
    ------
    RuntimeError
        If none is.
    """
    luts, block_rams = _luts(cells), cells.get("DP16KD", 0)
    for device, (most_luts, most_block_rams) in DEVICES.items():
        if luts <= _MOST_FILLED * most_luts and block_rams <= most_block_rams:
            return device
    raise RuntimeError(f"the design must fit a device, not take {luts} LUTs and {block_rams} block memories")


def _luts(cells: dict[str, int]) -> int:
    return sum(each * cells.get(kind, 0) for kind, each in _LUTS_OF.items())
