"""Names to codecs: tests, the command line, the simulator and the RTL generator walk these tables."""

from __future__ import annotations

from typing import Any

from golden.activations.prc import Prc
from golden.activations.raw import Raw
from golden.activations.srlc import Srlc
from golden.activations.zrlc import Zrlc
from golden.activations.zvc import Zvc
from golden.codec import Codec
from golden.symbol_codec import SymbolCodec
from golden.weights.blockfloat import BlockFloat
from golden.weights.deepcomp import DeepComp
from golden.weights.hevc import Hevc
from golden.weights.huffman import Huffman
from golden.weights.mlw import Mlw
from golden.weights.packed import Packed
from golden.weights.relative import RelativeIndex
from golden.weights.runs import ZeroRuns
from golden.weights.tensor import WeightCodec

__all__ = ["ACTIVATION_CODECS", "WEIGHT_CODECS", "codec_from_config", "weight_codec_from_config"]

ACTIVATION_CODECS: dict[str, type[SymbolCodec[Any]]] = {codec.codec_id: codec for codec in (Raw, Srlc, Zrlc, Zvc, Prc)}

WEIGHT_CODECS: dict[str, type[WeightCodec[Any]]] = {
    codec.codec_id: codec for codec in (Packed, Huffman, ZeroRuns, RelativeIndex, DeepComp, Mlw, BlockFloat, Hevc)
}


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


def weight_codec_from_config(config: dict[str, Any]) -> WeightCodec[Any]:
    """Make the weight codec that a plain configuration names.

    Raises
    ------
    ValueError
        If no codec has that name, or a parameter is wrong.
    """
    name = config.get("codec")
    if name not in WEIGHT_CODECS:
        raise ValueError(f"codec must be one of {sorted(WEIGHT_CODECS)}, not {name!r}")
    return WEIGHT_CODECS[name].from_config(config)
