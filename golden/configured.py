"""An object made from a frozen format, and from a plain configuration that tells that format."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, ClassVar, Generic, Self, TypeVar

__all__ = ["Configured", "FormatT"]

FormatT = TypeVar("FormatT")


class Configured(Generic[FormatT]):
    """A codec's identity: its id and its format. ``from_config(config())`` is an equal codec."""

    codec_id: ClassVar[str]
    format_type: ClassVar[type]

    def __init__(self, format: FormatT | None = None) -> None:
        self.format: FormatT = self.format_type() if format is None else format

    def config(self) -> dict[str, Any]:
        """Plain JSON that tells this codec."""
        return {"codec": self.codec_id, **asdict(self.format)}  # type: ignore[call-overload]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make the codec that `config` tells.

        Raises
        ------
        ValueError
            If `config` names another codec, or has a key that the format lacks.
        """
        parameters = dict(config)
        named = parameters.pop("codec", cls.codec_id)
        if named != cls.codec_id:
            raise ValueError(f"codec must be {cls.codec_id!r}, not {named!r}")
        known = {field.name for field in fields(cls.format_type)}
        for name in parameters:
            if name not in known:
                raise ValueError(f"{cls.codec_id} parameter must be one of {sorted(known)}, not {name!r}")
        return cls(cls.format_type(**parameters))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.format == self.format

    def __hash__(self) -> int:
        return hash((self.codec_id, self.format))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.format!r})"
