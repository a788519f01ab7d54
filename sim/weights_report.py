"""Weight files and codec comparisons as rows and tables."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table

from golden.weights.container import WeightFile
from sim.weights import Comparison, Recipe

__all__ = ["compare_rows", "compare_table", "inspect_rows", "inspect_table"]


def inspect_rows(file: WeightFile) -> list[dict[str, Any]]:
    """A row for each tensor, and one for all: plain values."""
    rows = []
    for tensor in file.tensors:
        encoded = tensor.encoded
        parts = encoded.breakdown | ({"scales": tensor.scales.bits} if tensor.scales else {})
        rows.append(
            {
                "name": tensor.name,
                "codec": tensor.codec.config(),
                "shape": list(encoded.shape),
                "weights": encoded.count,
                "size_bits": tensor.size_bits,
                "bits_per_weight": tensor.size_bits / max(encoded.count, 1),
                "blocks": int(encoded.entries.size),
                "parts_bits": parts,
            }
        )
    return rows


def inspect_table(file: WeightFile) -> Table:
    """The rows of a file with their sum."""
    rows = inspect_rows(file)
    names = list(dict.fromkeys(name for row in rows for name in row["parts_bits"]))
    codecs = ", ".join(dict.fromkeys(row["codec"]["codec"] for row in rows))
    title = f"{len(rows)} tensors as {codecs}; bytes by part; {len(file.attachment)} bytes of graph and biases"
    table = Table(title=title, show_footer=True, box=box.SIMPLE, padding=(0, 1, 0, 0))
    # On a narrow terminal names fold; figures never do.
    table.add_column("tensor", overflow="fold")
    for heading in ("weights", "bits/w", "blocks", *names):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        parts = [_bytes(row["parts_bits"].get(name, 0)) for name in names]
        numbers = [str(row["weights"]), f"{row['bits_per_weight']:.3f}", str(row["blocks"])]
        table.add_row(row["name"], *numbers, *parts)
    weights, size_bits = sum(row["weights"] for row in rows), sum(row["size_bits"] for row in rows)
    sums = [_bytes(sum(row["parts_bits"].get(name, 0) for row in rows)) for name in names]
    blocks = sum(row["blocks"] for row in rows)
    totals = ["all", str(weights), f"{size_bits / max(weights, 1):.3f}", str(blocks), *sums]
    for column, total in zip(table.columns, totals, strict=True):
        column.footer = total
    return table


def _bytes(size_bits: int) -> str:
    return f"{size_bits / 8:.0f}"


def compare_rows(comparisons: list[Comparison]) -> list[dict[str, Any]]:
    """A row for each codec: plain values, with the reason where there is no result."""
    rows = []
    for found in comparisons:
        row: dict[str, Any] = {"codec": found.codec}
        if found.fault:
            rows.append(row | {"fault": found.fault})
            continue
        rows.append(
            row
            | {
                "weights": found.weights,
                "size_bytes": -(-found.size_bits // 8),
                "bits_per_weight": found.size_bits / found.weights,
                "entropy_bits_per_weight": found.entropy_bits / found.weights,
                "ratio_to_float32": 32 * found.weights / found.size_bits,
                "relative_error": found.error,
                "encode_s": found.encode_s,
                "decode_s": found.decode_s,
            }
        )
    return rows


def compare_table(rows: list[dict[str, Any]], recipe: Recipe) -> Table:
    """The rows as a table."""
    kept = f", {100 * recipe.density:g} % of the weights kept per {recipe.scope}" if recipe.density < 1 else ""
    slices = "per channel" if recipe.per_channel else "per tensor"
    title = f"{recipe.bits} bits, {recipe.scheme} {slices}{kept}; with tables, entry points, scales; ratio to float32"
    table = Table(title=title, box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("codec", no_wrap=True)
    for heading in ("bits/w", "entropy", "bytes", "ratio", "error %", "encode s", "decode s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        if "fault" in row:
            table.add_row(row["codec"], row["fault"])
            continue
        table.add_row(
            row["codec"],
            f"{row['bits_per_weight']:.4f}",
            f"{row['entropy_bits_per_weight']:.4f}",
            str(row["size_bytes"]),
            f"{row['ratio_to_float32']:.2f}",
            f"{100 * row['relative_error']:.3f}",
            f"{row['encode_s']:.3f}",
            f"{row['decode_s']:.3f}",
        )
    return table
