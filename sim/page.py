"""The HTML page: one file that opens offline, figures inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sim.html import image, render_template
from sim.summary import Summary
from sim.units import ENERGIES, SIZES, TIMES, unit_for

__all__ = ["render"]


_FIRST_IMAGES = 6  # named in the introduction; all are at the end of the page


@dataclass(frozen=True)
class _Column:
    field: str
    title: str
    unit: str = ""
    format: str = "%d"
    scale: float = 1
    text: bool = False
    total: bool = False


# Groups of columns of the layer table: heading, columns.
_GROUPS = (
    (
        "layer",
        (
            _Column("layer", "name", text=True),
            _Column("op", "op", text=True),
            _Column("activation", "activation", text=True),
            _Column("macs", "MACs", "M", "%.2f", 1e-6, total=True),
            _Column("weight_bytes", "weights", "kB", "%.1f", 1e-3, total=True),
        ),
    ),
    (
        "output tensor",
        (
            _Column("output_shape", "shape", "C × H × W", text=True),
            _Column("zero_fraction", "zeros", "%", "%.1f", 100),
            _Column("entropy_bits_per_value", "entropy", "bits/value", "%.2f"),
            _Column("output_raw_bytes", "raw", "kB", "%.1f", 1e-3, total=True),
            _Column("output_coded_bits", "coded", "kB", "%.1f", 1e-3 / 8, total=True),
            _Column("output_index_bytes", "index", "bytes", "%.0f", total=True),
            _Column("output_bus_bytes", "on bus", "kB", "%.1f", 1e-3, total=True),
            _Column("output_ratio", "ratio", "raw / bus", "%.3f"),
            _Column("output_ratio_std", "spread", "std", "%.3f"),
        ),
    ),
    (
        "traffic: inputs, weights, output",
        (
            _Column("read_bytes", "read", "kB", "%.1f", 1e-3, total=True),
            _Column("write_bytes", "written", "kB", "%.1f", 1e-3, total=True),
            _Column("bus_bytes", "sum", "kB", "%.1f", 1e-3, total=True),
            _Column("raw_bus_bytes", "raw", "kB", "%.1f", 1e-3, total=True),
            _Column("saving_pct", "saving", "%", "%.1f"),
        ),
    ),
    (
        "external memory",
        (
            _Column("dram_energy_pj", "energy", "µJ", "%.2f", 1e-6, total=True),
            _Column("raw_dram_energy_pj", "raw", "µJ", "%.2f", 1e-6, total=True),
            _Column("dram_time_us", "time", "µs", "%.1f", total=True),
        ),
    ),
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
    raw = summary.codec("raw")
    columns = [column for _, group in _GROUPS for column in group]
    return render_template(
        "report.html.j2",
        s=summary,
        raw=raw,
        chosen=summary.codec(summary.config["codec"]),
        groups=_GROUPS,
        columns=columns,
        totals={c.field: sum(getattr(row, c.field) for row in summary.layers) for c in columns if c.total},
        images=_some(summary.images),
        command=command,
        figure=lambda name: image(name, figures[name]),
        size=unit_for(SIZES, raw.moved_bytes),
        energy=unit_for(ENERGIES, raw.dram_energy_pj),
        time=unit_for(TIMES, raw.dram_time_ms),
        pct=lambda value: f"{value:.2f} %",
    )


def _some(names: tuple[str, ...]) -> str:
    """The first few of many."""
    more = len(names) - _FIRST_IMAGES
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:_FIRST_IMAGES])} and {more} more"
