"""Stage: result -> files: `layers.csv`, `summary.json`, figures and the page."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from sim import page, plots
from sim.output import write_files
from sim.run import Result
from sim.summary import LayerRow, Summary, summarize

__all__ = ["layers_csv", "write_report"]


def write_report(result: Result, folder: Path, command: str) -> Summary:
    """Write everything a run has to tell into `folder`.

    Raises
    ------
    ValueError
        If the folder cannot be written.
    """
    summary = summarize(result)
    figures = {
        "codecs": plots.codecs(summary),
        "energy_parts": plots.energy_parts(summary),
        "layers": plots.layers(summary),
        "zeros": plots.zeros(summary),
        "break_even": plots.break_even(result.break_even, summary),
    }
    drawn = {name: plots.to_svg(figure) for name, figure in figures.items()}
    files: dict[str, bytes | str] = {f"{name}.svg": svg for name, svg in drawn.items()}
    files |= {f"{name}.png": plots.to_png(figure) for name, figure in figures.items()}
    files["layers.csv"] = layers_csv(summary)
    files["summary.json"] = summary.model_dump_json(indent=1) + "\n"
    # The page comes last: where it stands, all else does.
    files["index.html"] = page.render(summary, drawn, command)
    write_files(folder, files)
    return summary


def layers_csv(summary: Summary) -> str:
    """The layer table with a heading; units stand in the names."""
    text = io.StringIO()
    writer = csv.DictWriter(text, LayerRow.model_fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.model_dump() for row in summary.layers)
    return text.getvalue()
