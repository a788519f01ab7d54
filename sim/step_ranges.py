"""What each step of a mapping covers: ranges of images, rows, columns, filters and channels, loops unrolled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.aligned_mapping import strip
from sim.layer_shape import LayerShape
from sim.mapping import LOOPS, Mapping

__all__ = ["StepRanges", "input_box", "step_ranges"]

_Ints = NDArray[np.int64]
_SPACE = ("images", "rows", "columns")


@dataclass(frozen=True, eq=False)
class StepRanges:
    """What each step covers: (steps, 2) of first and end; `visit` counts the channel tiles of an output."""

    images: _Ints
    rows: _Ints
    columns: _Ints
    filters: _Ints
    channels: _Ints
    visit: _Ints
    visits: int
    spilled: bool


def step_ranges(shape: LayerShape, mapping: Mapping) -> StepRanges:
    """Ranges of every step of a mapping, in order."""
    cuts = {
        "images": (shape.batch, 1),
        "rows": (shape.out_height, mapping.rows),
        "columns": (shape.out_width, mapping.columns),
        "filters": (shape.group_filters, mapping.filters),
        "channels": (shape.group_channels, mapping.channels),
        "groups": (shape.groups, mapping.groups),
    }
    loops = [
        "groups",
        *(name for loop in mapping.order for name in (_SPACE if loop == LOOPS[0] else (loop,))),
    ]
    trips = [-(-cuts[name][0] // cuts[name][1]) for name in loops]
    places = dict(zip(loops, np.unravel_index(np.arange(int(np.prod(trips))), trips), strict=True))
    spans = {name: _span(places[name].astype(np.int64), *cuts[name]) for name in loops}
    groups, at = spans["groups"], loops.index("channels")

    def hull(inner: _Ints, size: int) -> _Ints:
        return np.stack([groups[:, 0] * size + inner[:, 0], (groups[:, 1] - 1) * size + inner[:, 1]], axis=1)

    return StepRanges(
        places["images"].astype(np.int64),
        spans["rows"],
        spans["columns"],
        hull(spans["filters"], shape.group_filters),
        hull(spans["channels"], shape.group_channels),
        places["channels"].astype(np.int64),
        trips[at],
        bool(np.prod(trips[at + 1 :]) > 1),
    )


def _span(place: _Ints, size: int, cut: int) -> _Ints:
    return np.stack([place * cut, np.minimum((place + 1) * cut, size)], axis=1)


def input_box(shape: LayerShape, ranges: StepRanges) -> tuple[_Ints, _Ints, _Ints]:
    """Channels, rows and columns of the input that each step needs."""

    def through(axis: int, spans: _Ints) -> _Ints:
        known, place = np.unique(spans, axis=0, return_inverse=True)
        return np.array([strip(shape, axis, int(low), int(high)) for low, high in known], np.int64)[place.reshape(-1)]

    return ranges.channels, through(0, ranges.rows), through(1, ranges.columns)
