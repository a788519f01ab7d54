"""The HTML page: one file that opens offline, figures inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sim.summary import Summary

__all__ = ["render"]


@dataclass(frozen=True)
class _Column:
    field: str
    title: str
    unit: str = ""
    format: str = "%d"
    scale: float = 1
    text: bool = False


_COLUMNS = (
    _Column("layer", "layer", text=True),
    _Column("op", "op", text=True),
    _Column("activation", "activation", text=True),
    _Column("output_shape", "output", "C x H x W", text=True),
    _Column("macs", "MACs", "M", "%.2f", 1e-6),
    _Column("weight_bytes", "weights", "kB", "%.1f", 1e-3),
    _Column("zero_fraction", "zeros", "%", "%.1f", 100),
    _Column("entropy_bits_per_value", "entropy", "bits/value", "%.2f"),
    _Column("output_raw_bytes", "output raw", "kB", "%.1f", 1e-3),
    _Column("output_coded_bits", "output coded", "kB", "%.1f", 1e-3 / 8),
    _Column("output_index_bytes", "output index", "bytes", "%.0f"),
    _Column("output_bus_bytes", "output on bus", "kB", "%.1f", 1e-3),
    _Column("output_ratio", "ratio", "raw / bus", "%.3f"),
    _Column("output_ratio_std", "spread", "std", "%.3f"),
    _Column("read_bytes", "read", "kB", "%.1f", 1e-3),
    _Column("write_bytes", "written", "kB", "%.1f", 1e-3),
    _Column("bus_bytes", "traffic", "kB", "%.1f", 1e-3),
    _Column("raw_bus_bytes", "traffic raw", "kB", "%.1f", 1e-3),
    _Column("saving_pct", "saving", "%", "%.1f"),
    _Column("dram_energy_pj", "DRAM energy", "µJ", "%.2f", 1e-6),
    _Column("raw_dram_energy_pj", "DRAM energy raw", "µJ", "%.2f", 1e-6),
    _Column("dram_time_us", "transfer", "µs", "%.1f"),
)


def render(summary: Summary, figures: Mapping[str, str], command: str) -> str:
    """The page as text.

    Parameters
    ----------
    summary : Summary
    figures : mapping of name to SVG text
    command : str
        What makes this page again.
    """
    environment = Environment(loader=PackageLoader("sim"), autoescape=True, undefined=StrictUndefined)
    template = environment.get_template("report.html.j2")
    return template.render(
        s=summary,
        raw=summary.codec("raw"),
        chosen=summary.codec(summary.config["codec"]),
        columns=_COLUMNS,
        command=command,
        figure=lambda name: _image(name, figures[name]),
        mb=lambda size: f"{size / 1e6:.3f}",
        pct=lambda value: f"{value:.2f} %",
        uj=lambda energy: f"{energy / 1e6:.1f}",
    )


def _image(name: str, svg: str) -> Markup:
    data = base64.b64encode(svg.encode()).decode()
    return Markup('<img alt="{}" src="data:image/svg+xml;base64,{}">').format(name, data)
