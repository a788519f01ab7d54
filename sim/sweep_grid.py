"""A grid of runs: a TOML file -> points, one for each combination of its axes.

Each key names an axis, with one value or a list of them; what is left out has the default of ``thinwire report``::

    network = ["lite0", "resnet.onnx"]  # paths start from this file's folder
    codec = ["srlc", "zvc", "best"]
    tile = ["8x8x32", "8x8x16"]

    [[exclude]]                         # no point that has all of these values
    codec = "srlc"
    tile = "8x8x16"

With an accelerator (a preset or a file; ``none`` by default) a point is simulated: its traffic is that of mappings, its
time that of memory, codecs and array together. Without one it is what must move at least, and `weights_codec`,
`residency` and `fuse` have no meaning.

The axes are data: a new one is a row of `AXES` and a reader of its value.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationInfo, create_model, field_validator

from golden.activations.scan import TILE_SCANS
from golden.codec import check_run_bits, check_word_bits
from golden.tile_format import BURST_BYTES, LAYOUTS
from sim.accelerator import PRESETS, WEIGHT_CODECS, load_accelerator
from sim.config import BYPASSES, CODECS, RunConfig, parse_tile
from sim.residency import RESIDENCIES
from sim.toml_file import Table, key_line, parse_toml, toml_text

__all__ = ["AXES", "BUILT_IN_IMAGES", "BUILT_IN_NETWORK", "NO_ACCELERATOR", "Axis", "Point", "read_grid"]

BUILT_IN_NETWORK = "lite0"
BUILT_IN_IMAGES = "built-in"
NO_ACCELERATOR = "none"
_ACCELERATORS = f"none, {', '.join(PRESETS)} or a path to a .toml file"
_PIXEL_LIMIT = 1e6  # of mean and spread: beyond it pixels are lost in float32
_ID_LETTERS = 16  # of SHA-256: 64 bits

Value = str | int | float


@dataclass(frozen=True)
class Axis:
    """One thing that may vary.

    Attributes
    ----------
    name : str
        Its key in the file, and in a point.
    default : str, int or float
    check : callable
        Raises ValueError for a value that no point may have.
    """

    name: str
    default: Value
    check: Callable[[Any], None]


def _one_of(name: str, choices: tuple[Value, ...]) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if type(value) is not type(choices[0]) or value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, not {value!r}")

    return check


def _number(name: str, low: float, high: float) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"{name} must be a number in {low:g}..{high:g}, not {value!r}")

    return check


def _text(name: str, rule: str, holds: Callable[[str], object]) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if not isinstance(value, str) or not holds(value):
            raise ValueError(f"{name} must be {rule}, not {value!r}")

    return check


def _check_tile(value: Any) -> None:
    if not isinstance(value, str):
        raise ValueError(f"tile must be text as in '8x8x32', not {value!r}")
    if min(parse_tile(value, 8)) < 1:
        raise ValueError(f"tile must have sizes of at least 1, not {value!r}")


def _is_accelerator(text: str) -> bool:
    return text in (NO_ACCELERATOR, *PRESETS) or text.endswith(".toml")


def _is_network(text: str) -> bool:
    return text == BUILT_IN_NETWORK or text.endswith(".onnx")


_DEFAULT = RunConfig()

# In this order points follow each other: what shares tensors lies together.
AXES = (
    Axis("network", BUILT_IN_NETWORK, _text("network", "lite0 or a path to a .onnx file", _is_network)),
    Axis("images", BUILT_IN_IMAGES, _text("images", "built-in or a folder", bool)),
    Axis("mean", 127.0, _number("mean", -_PIXEL_LIMIT, _PIXEL_LIMIT)),
    Axis("spread", 128.0, _number("spread", 1 / _PIXEL_LIMIT, _PIXEL_LIMIT)),
    Axis("word_bits", _DEFAULT.word_bits, check_word_bits),
    Axis("scan", _DEFAULT.scan, _one_of("scan", TILE_SCANS)),
    Axis("tile", "auto", _check_tile),
    Axis("run_bits", _DEFAULT.run_bits, check_run_bits),
    Axis("burst_bytes", _DEFAULT.burst_bytes, _one_of("burst_bytes", BURST_BYTES)),
    Axis("bypass", _DEFAULT.bypass, _one_of("bypass", BYPASSES)),
    Axis("layout", _DEFAULT.layout, _one_of("layout", LAYOUTS)),
    Axis("accelerator", NO_ACCELERATOR, _text("accelerator", _ACCELERATORS, _is_accelerator)),
    Axis("residency", RESIDENCIES[0], _one_of("residency", RESIDENCIES)),
    Axis("fuse", False, _one_of("fuse", (False, True))),
    Axis("weights_codec", WEIGHT_CODECS[0], _one_of("weights_codec", WEIGHT_CODECS)),
    Axis("codec", _DEFAULT.codec, _one_of("codec", CODECS)),
)


@dataclass(frozen=True)
class Point:
    """One run of a sweep: plain values by axis, and the folder from which its paths start."""

    values: tuple[tuple[str, Value], ...]
    folder: str = "."

    @property
    def id(self) -> str:
        """A hash of the values: the same in every sweep, on every machine."""
        plain = json.dumps(dict(self.values), sort_keys=True)
        return hashlib.sha256(plain.encode()).hexdigest()[:_ID_LETTERS]

    def __getitem__(self, axis: str) -> Any:
        """The value of an axis."""
        return dict(self.values)[axis]

    def path(self, axis: str) -> Path:
        """The value of an axis as a path."""
        return Path(self.folder, self[axis])

    def to_json(self) -> dict[str, Value]:
        """Plain values by axis."""
        return dict(self.values)


class _Axes(Table):
    """A table whose keys are axes."""

    @field_validator(*(axis.name for axis in AXES), mode="before", check_fields=False)
    @classmethod
    def _checked(cls, given: Any, info: ValidationInfo) -> tuple[Value, ...]:
        axis = next(axis for axis in AXES if axis.name == info.field_name)
        return _values(axis, given)


def _values(axis: Axis, given: Any) -> tuple[Value, ...]:
    """One value or a list of them, each checked, each once."""
    values = given if isinstance(given, list) else [given]
    if not values:
        raise ValueError(f"{axis.name} must have at least one value, not none")
    try:
        for value in values:
            axis.check(value)
    except TypeError as error:  # of checks that tell a wrong type from a wrong value
        raise ValueError(str(error)) from error
    # 127 and 127.0 are the same point.
    return tuple(dict.fromkeys(float(value) if isinstance(axis.default, float) else value for value in values))


_Exclude = create_model("_Exclude", __base__=_Axes, **{axis.name: (tuple[Any, ...], ()) for axis in AXES})  # type: ignore[call-overload]
_Grid = create_model(
    "_Grid",
    __base__=_Axes,
    exclude=(list[_Exclude], Field(default_factory=list)),  # type: ignore[valid-type]
    **{axis.name: (tuple[Any, ...], (axis.default,)) for axis in AXES},  # type: ignore[call-overload]
)


def read_grid(path: Path) -> tuple[Point, ...]:
    """The points of a grid file, each once, in the order of `AXES`.

    Raises
    ------
    ValueError
        If the file cannot be read, or holds a wrong key or value, told with its line; or if it leaves no point.
    """
    text, folder = toml_text(path), str(path.parent.absolute())
    grid = parse_toml(text, _Grid, str(path)).model_dump()
    excluded = [{name: values for name, values in entry.items() if values} for entry in grid.pop("exclude")]
    for number, entry in enumerate(excluded):
        if not entry:
            raise ValueError(f"{path}, line {key_line(text, ('exclude', number))}: exclude must name a value, not none")
    points = tuple(
        Point(tuple(meant.items()), folder)
        for values in _product(grid)
        for meant in [_resolved(values, path.parent)]
        if not any(_meets(values, meant, entry) for entry in excluded)
    )
    if not points:
        raise ValueError(f"{path}: grid must leave at least one point, not exclude all")
    return tuple(dict.fromkeys(points))


def _product(values: Mapping[str, tuple[Value, ...]]) -> Iterator[dict[str, Value]]:
    for combination in itertools.product(*values.values()):
        yield dict(zip(values, combination, strict=True))


def _meets(values: dict[str, Value], meant: dict[str, Value], entry: dict[str, tuple[Value, ...]]) -> bool:
    """Whether a point has one of an entry's values on each of its axes, as written or as meant."""
    return all(values[name] in chosen or meant[name] in chosen for name, chosen in entry.items())


def _resolved(values: dict[str, Value], folder: Path) -> dict[str, Value]:
    """Without words that stand for another value: a tile has its sizes; without what has no meaning."""
    chip, tile = str(values["accelerator"]), str(values["tile"])
    if chip != NO_ACCELERATOR and tile == "auto":
        tile = load_accelerator(str(folder / chip) if chip.endswith(".toml") else chip).ports.activations.tile
    sizes = parse_tile(tile, int(values["word_bits"]))
    plain: dict[str, Value] = {"residency": RESIDENCIES[0], "fuse": False, "weights_codec": WEIGHT_CODECS[0]}
    unused = plain if values["accelerator"] == NO_ACCELERATOR else {}
    return values | {"tile": "x".join(map(str, sizes))} | unused
