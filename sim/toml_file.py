"""TOML files checked against a pydantic model: a mistake is told in words with file and line.

Keys carry their unit at the end (`clock_mhz`), so that a key of another unit (`clock_ghz`) can be told from a word that
does not exist.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = ["UNITS", "Table", "key_line", "parse_toml", "read_toml", "toml_text"]

UNITS = {
    "mhz": "MHz",
    "ghz": "GHz",
    "khz": "kHz",
    "hz": "Hz",
    "bits": "bits",
    "bytes": "bytes",
    "kib": "KiB",
    "kb": "kB",
    "mib": "MiB",
    "mb": "MB",
    "gbps": "GB/s",
    "ns": "ns",
    "ms": "ms",
    "pj": "pJ",
    "nj": "nJ",
    "mw": "mW",
    "w": "W",
    "words": "words",
    "cycles": "cycles",
}

_TABLE = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_SYNTAX = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")
_SHOWN = 3  # mistakes told at once


class Table(BaseModel):
    """A table of a file: its keys and no others, numbers as numbers, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


_Model = TypeVar("_Model", bound=BaseModel)
_Path = tuple[int | str, ...]


def read_toml(path: Path, model: type[_Model]) -> _Model:
    """Read a file.

    Raises
    ------
    ValueError
        If it cannot be read, is not TOML, or does not suit the model.
    """
    return parse_toml(toml_text(path), model, str(path))


def toml_text(path: Path) -> str:
    """Text of a file.

    Raises
    ------
    ValueError
        If it cannot be read or is not UTF-8.
    """
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise ValueError(f"file must be readable, not {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: file must be UTF-8, not hold byte {error.object[error.start]:#04x}") from error


def parse_toml(text: str, model: type[_Model], file: str) -> _Model:
    """Check a file's text; `file` is how messages name it.

    Raises
    ------
    ValueError
        If it is not TOML or does not suit the model: up to three mistakes, each with its line.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _SYNTAX.search(str(error))
        line = place[1] if place and place[1] else str(len(text.splitlines()))
        raise ValueError(f"{file}, line {line}: must be TOML: {_SYNTAX.sub('', str(error)).lower()}") from error
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = _lines(text)
        found = [(_line(lines, entry["loc"]), _words(entry, model)) for entry in _mistakes(error)]
        told = [f"line {line}: {words}" for line, words in sorted(found)]
        more = [f"and {len(told) - _SHOWN} more"] if len(told) > _SHOWN else []
        raise ValueError(f"{file}, " + "; ".join(told[:_SHOWN] + more)) from error


def key_line(text: str, place: _Path) -> int:
    """The line of a key or table, for messages about what a model cannot check."""
    return _line(_lines(text), place)


def _mistakes(error: ValidationError) -> list[Any]:
    """All mistakes; a key that is there in another unit is not told as missing, too."""
    found = error.errors()
    extra = {(*entry["loc"][:-1], _stem(entry["loc"])) for entry in found if entry["type"] == "extra_forbidden"}
    return [
        entry for entry in found if entry["type"] != "missing" or (*entry["loc"][:-1], _stem(entry["loc"])) not in extra
    ]


def _stem(place: _Path) -> str:
    """A key without its unit."""
    stem, _, unit = str(place[-1]).rpartition("_")
    return stem if unit in UNITS else str(place[-1])


def _lines(text: str) -> dict[_Path, int]:
    """Line of each key and table; tables of a list count from 0."""
    lines: dict[_Path, int] = {(): 1}
    table: _Path = ()
    counts: dict[_Path, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _TABLE.match(line):
            table = _parts(found[2])
            if found[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            lines.setdefault(table, number)
        elif found := _KEY.match(line):
            lines.setdefault((*table, *_parts(found[1])), number)
    return lines


def _parts(dotted: str) -> _Path:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _line(lines: dict[_Path, int], place: _Path) -> int:
    """The line of a key, or of what stands first in its table, or in the nearest table above it."""
    while True:
        inside = [line for known, line in lines.items() if known[: len(place)] == place]
        if inside:
            return min(inside)
        place = place[:-1]


def _words(entry: Any, model: type[BaseModel]) -> str:
    place: _Path = entry["loc"]
    owner = _owner(model, place[:-1])
    names = list(owner.model_fields) if owner else []
    table = ".".join(str(part) for part in place[:-1])
    where = f"[{table}]" if table else "the file"
    key = next((part for part in reversed(place) if isinstance(part, str)), where)
    value, context = entry["input"], entry.get("ctx", {})
    match entry["type"]:
        case "extra_forbidden":
            return _unknown(key, names, where)
        case "missing":
            return f"{where} must have {key}"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            ((rule, limit),) = ((name, context[name]) for name in ("gt", "ge", "lt", "le") if name in context)
            words = {"gt": "greater than", "ge": "at least", "lt": "less than", "le": "at most"}
            return f"{key} must be {words[rule]} {limit:g}, not {value!r}"
        case "literal_error":
            return f"{key} must be {context['expected']}, not {value!r}"
        case "int_type" | "int_from_float" | "float_type" | "finite_number":
            kind = "a whole number" if entry["type"].startswith("int") else "a number"
            return f"{key} must be {kind}{_unit(key)}, not {value!r}"
        case "value_error":
            return str(context["error"])
        case kind:
            words = {"string_type": "text", "bool_type": "true or false", "list_type": "a list"}
            words.update(dict.fromkeys(("model_type", "dict_type"), "a table"))
            return f"{key} must be {words.get(kind, entry['msg'].lower())}, not {value!r}"


def _unknown(key: str, names: list[str], where: str) -> str:
    """A key that does not exist: of another unit, misspelt, or neither."""
    stem, _, unit = key.rpartition("_")
    for name in names:
        if stem and unit in UNITS and name.rpartition("_")[0] == stem:
            return f"{stem} must be in{_unit(name)[3:]}, as {name}, not in{_unit(key)[3:]}, as {key}"
    close = difflib.get_close_matches(key, names, 1)
    if not close:
        close = [name for name in names if name.startswith(f"{key}_")][:1]
    hint = f"did you mean {close[0]}?" if close else f"it may have {', '.join(names)}"
    return f"{where} must not have {key}: {hint}"


def _unit(key: str) -> str:
    unit = UNITS.get(key.rpartition("_")[2])
    return f" in {unit}" if unit else ""


def _owner(model: Any, place: _Path) -> type[BaseModel] | None:
    """The model of the table at `place`; keys of a mapping and places in a list are free."""
    here = model
    for part in place:
        if _is_model(here):
            field = here.model_fields.get(str(part))
            here = _inner(field.annotation) if field else None
        else:
            here = _inner(get_args(here)[-1]) if get_args(here) else None
    return here if _is_model(here) else None


def _inner(annotation: Any) -> Any:
    """What an optional or annotated type is about."""
    while get_origin(annotation) in (Annotated, Union, UnionType):
        annotation = next(part for part in get_args(annotation) if part is not NoneType)
    return annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
