"""Stage: simulation -> files: `layers.csv`, `summary.json`, `mappings.toml` (to be pinned), figures and the page."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from sim import simulation_plots as plots
from sim.mapping_file import mapping_text
from sim.output import write_files
from sim.plots import to_svg
from sim.simulation import Simulation
from sim.simulation_page import render_simulation
from sim.simulation_summary import SimulatedLayer, SimulationSummary, summarize_simulation

__all__ = ["simulated_layers_csv", "write_simulation"]


def write_simulation(result: Simulation, folder: Path, command: str, layer: str | None = None) -> SimulationSummary:
    """Write everything a simulation has to tell into `folder`; the timeline is that of `layer`, or of the longest.

    Raises
    ------
    ValueError
        If there is no such layer, or the folder cannot be written.
    """
    summary = summarize_simulation(result)
    accelerator = result.config.accelerator
    longest = max(result.coded, key=lambda one: one.time_ns)
    names = {one.plan.layer.name: one for one in result.coded}
    if layer is not None and layer not in names:
        raise ValueError(f"layer must be one of {', '.join(names)}, not {layer!r}")
    figures = {
        "kinds": plots.kinds(summary),
        "time_per_layer": plots.time_per_layer(summary),
        "network_timeline": plots.network_timeline(result),
        "timeline": plots.timeline(names[layer] if layer else longest),
        "roofline": plots.roofline(summary, accelerator.reached_macs_per_s, accelerator.bandwidth_bytes_per_s),
        "energy_parts": plots.energy_parts(summary),
    }
    drawn = {name: to_svg(figure) for name, figure in figures.items()}
    files: dict[str, bytes | str] = {f"{name}.svg": svg for name, svg in drawn.items()}
    files["mappings.toml"] = mapping_text((one.plan.layer.name, one.plan.mapping) for one in result.coded)
    files["layers.csv"] = simulated_layers_csv(summary)
    files["summary.json"] = summary.model_dump_json(indent=1) + "\n"
    # The page comes last: where it stands, all else does.
    files["index.html"] = render_simulation(summary, drawn, command)
    write_files(folder, files)
    return summary


def simulated_layers_csv(summary: SimulationSummary) -> str:
    """The layer table with a heading; units stand in the names."""
    text = io.StringIO()
    writer = csv.DictWriter(text, SimulatedLayer.model_fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.model_dump() for row in summary.layers)
    return text.getvalue()
