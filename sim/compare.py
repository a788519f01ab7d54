"""Two reports side by side: totals codec by codec, layers by name, and what was asked differently."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from sim.summary import CodecTotals, LayerRow, Summary

__all__ = ["Comparison", "Difference", "LayerPair", "change_pct", "compare", "load_summary"]

_SCHEMAS: tuple[int, ...] = get_args(Summary.model_fields["schema_version"].annotation)


@dataclass(frozen=True)
class LayerPair:
    """A layer of both reports; None where one has none of its name."""

    layer: str
    a: LayerRow | None
    b: LayerRow | None

    @property
    def added_bytes(self) -> float:
        """Bus bytes that B moves more than A."""
        return (self.b.bus_bytes if self.b else 0.0) - (self.a.bus_bytes if self.a else 0.0)


@dataclass(frozen=True)
class Difference:
    """Something asked of the two runs in different ways, as text."""

    name: str
    a: str
    b: str


@dataclass(frozen=True)
class Comparison:
    """Two reports.

    Attributes
    ----------
    a, b : Summary
    names : tuple of str
        What to call them: their folders.
    differences : tuple of Difference
    codecs : tuple of tuple
        Name of a codec and its totals in A and B; None where a run did not compare it.
    layers : tuple of LayerPair
        In the order of A, then those that only B has.
    """

    a: Summary
    b: Summary
    names: tuple[str, str]
    differences: tuple[Difference, ...]
    codecs: tuple[tuple[str, CodecTotals | None, CodecTotals | None], ...]
    layers: tuple[LayerPair, ...]

    @property
    def chosen(self) -> tuple[CodecTotals, CodecTotals]:
        """Totals of each run's own codec."""
        return self.a.codec(self.a.config["codec"]), self.b.codec(self.b.config["codec"])

    @property
    def unpaired(self) -> int:
        """Layers that only one report has."""
        return sum(pair.a is None or pair.b is None for pair in self.layers)


def load_summary(folder: Path) -> Summary:
    """The summary of a report's folder.

    Raises
    ------
    ValueError
        If the folder holds no report, or one that another version of thinwire wrote in a schema unknown here.
    """
    path = folder / "summary.json"
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ValueError(f"folder must hold a report's summary.json, not {str(folder)!r}: {error.strerror}") from error
    schema = _schema(text, path)
    if schema not in _SCHEMAS:
        newer = "a newer thinwire wrote it" if schema > max(_SCHEMAS) else "no thinwire wrote it"
        raise ValueError(f"{path}: schema_version must be {' or '.join(map(str, _SCHEMAS))}, not {schema}: {newer}")
    try:
        return Summary.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path}: file must be a report's summary: {place}: {first['msg'].lower()}") from error


def _schema(text: bytes, path: Path) -> int:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path}: file must be JSON, not cut or broken: {error}") from error
    schema = values.get("schema_version") if isinstance(values, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool):
        raise ValueError(f"{path}: file must be a report's summary with its schema_version, not {schema!r}")
    return schema


def compare(first: Path, second: Path) -> Comparison:
    """Read two folders and lay them side by side.

    Raises
    ------
    ValueError
        As `load_summary`.
    """
    a, b = load_summary(first), load_summary(second)
    codecs = dict.fromkeys((*(total.codec for total in a.totals), *(total.codec for total in b.totals)))
    return Comparison(
        a=a,
        b=b,
        names=(str(first), str(second)),
        differences=_differences(a, b),
        codecs=tuple((codec, _totals(a, codec), _totals(b, codec)) for codec in codecs),
        layers=_pairs(a, b),
    )


def change_pct(a: float, b: float) -> float | None:
    """Change from A to B in percent of A; None where A is zero."""
    return 100 * (b / a - 1) if a else None


def _totals(summary: Summary, codec: str) -> CodecTotals | None:
    return next((total for total in summary.totals if total.codec == codec), None)


def _pairs(a: Summary, b: Summary) -> tuple[LayerPair, ...]:
    """Layers of the same name; the n-th of a name that comes twice goes with the n-th."""
    left, right = _numbered(a), _numbered(b)
    return tuple(LayerPair(key[0], left.get(key), right.get(key)) for key in dict.fromkeys((*left, *right)))


def _numbered(summary: Summary) -> dict[tuple[str, int], LayerRow]:
    seen: dict[str, int] = {}
    rows: dict[tuple[str, int], LayerRow] = {}
    for row in summary.layers:
        number = seen[row.layer] = seen.get(row.layer, -1) + 1
        rows[row.layer, number] = row
    return rows


def _differences(a: Summary, b: Summary) -> tuple[Difference, ...]:
    left, right = _asked(a), _asked(b)
    names = dict.fromkeys((*left, *right))
    pairs = (Difference(name, left.get(name, "—"), right.get(name, "—")) for name in names)
    return tuple(pair for pair in pairs if pair.a != pair.b)


def _asked(summary: Summary) -> dict[str, str]:
    """What makes a run, as text."""
    plain: dict[str, Any] = {
        "network": summary.network,
        "images": ", ".join(summary.images),
        **summary.config,
        "thinwire": summary.thinwire_version,
    }
    return {name: "x".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in plain.items()}
