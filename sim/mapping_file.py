"""Mappings that a user pins, in TOML: a table for each layer, sizes that are not told are the layer's own.

::

    [layers."conv1"]
    filters = 96
    rows = 7
    order = ["space", "filters", "channels"]
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from json import dumps
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from sim.layer_shape import LayerShape
from sim.mapping import LOOPS, Mapping, tiles_of
from sim.toml_file import Table, key_line, parse_toml, toml_text

__all__ = ["mapping_text", "read_mappings"]

_Count = Annotated[int, Field(ge=1)]
_SIZES = ("images", "filters", "channels", "rows", "columns", "groups")


class _Pinned(Table):
    images: _Count | None = None
    filters: _Count | None = None
    channels: _Count | None = None
    rows: _Count | None = None
    columns: _Count | None = None
    groups: _Count = 1
    order: list[Literal["space", "filters", "channels"]] | None = None


class _File(Table):
    layers: dict[str, _Pinned]


def read_mappings(path: Path, shapes: Iterable[LayerShape]) -> dict[str, Mapping]:
    """Pinned mappings by layer.

    Raises
    ------
    ValueError
        If the file has mistakes, names a layer that is not there, or a tile greater than its layer; with the line.
    """
    text = toml_text(path)
    known = {shape.name: shape for shape in shapes}
    result = {}
    for name, pinned in parse_toml(text, _File, str(path)).layers.items():
        line = f"{path}, line {key_line(text, ('layers', name))}"
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"the network's are {', '.join(known)}"
            raise ValueError(f"{line}: layer must be one of the network, not {name!r}: {hint}")
        try:
            result[name] = _mapping(known[name], pinned)
            tiles_of(known[name], result[name])
        except ValueError as error:
            raise ValueError(f"{line}: {error}") from error
    return result


def _mapping(shape: LayerShape, pinned: _Pinned) -> Mapping:
    return Mapping(
        pinned.images or shape.batch,
        pinned.filters or shape.group_filters,
        pinned.channels or shape.group_channels,
        pinned.rows or shape.out_height,
        pinned.columns or shape.out_width,
        pinned.groups,
        tuple(pinned.order or LOOPS),
    )


def mapping_text(mapped: Iterable[tuple[str, Mapping]]) -> str:
    """The file that pins these mappings, by the names of their layers."""
    parts = []
    for layer, mapping in mapped:
        sizes = [f"{name} = {getattr(mapping, name)}" for name in _SIZES]
        order = f"order = {dumps(list(mapping.order))}"
        parts.append("\n".join([f"[layers.{dumps(layer)}]", *sizes, order, ""]))
    return "\n".join(parts)
