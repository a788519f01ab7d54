"""The codecs as a table: what `thinwire codecs` prints."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from golden.registry import ACTIVATION_CODECS, WEIGHT_CODECS
from golden.tile_format import MODES

__all__ = ["codec_rows"]


def codec_rows() -> list[dict[str, Any]]:
    """A row for each registered codec: plain values."""
    sides = (("activations", ACTIVATION_CODECS), ("weights", WEIGHT_CODECS))
    return [_row(name, side, codec) for side, codecs in sides for name, codec in codecs.items()]


def _row(name: str, side: str, codec: Any) -> dict[str, Any]:
    return {
        "codec": name,
        "side": side,
        "mode": MODES.index(name) if name in MODES else None,
        "lossless": codec.lossless,
        "parameters": {field.name: getattr(codec().format, field.name) for field in fields(codec.format_type)},
        "summary": (codec.__doc__ or "").splitlines()[0],
    }
