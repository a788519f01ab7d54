"""Names to codecs: tests, the command line, the simulator and the RTL generator walk these tables."""

from __future__ import annotations

from typing import Any

from golden.activations.raw import Raw
from golden.activations.srlc import Srlc
from golden.activations.zrlc import Zrlc
from golden.activations.zvc import Zvc
from golden.codec import Codec, SymbolCodec

__all__ = ["ACTIVATION_CODECS", "codec_from_config"]

ACTIVATION_CODECS: dict[str, type[SymbolCodec[Any]]] = {codec.codec_id: codec for codec in (Raw, Srlc, Zrlc, Zvc)}


def codec_from_config(config: dict[str, Any]) -> Codec[Any]:
    """Make the codec that a plain configuration names.

    Raises
    ------
    ValueError
        If no codec has that name, or a parameter is wrong.
    """
    name = config.get("codec")
    if name not in ACTIVATION_CODECS:
        raise ValueError(f"codec must be one of {sorted(ACTIVATION_CODECS)}, not {name!r}")
    return ACTIVATION_CODECS[name].from_config(config)
