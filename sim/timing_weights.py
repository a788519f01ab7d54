"""Cycles of the weight decompressor, from a tensor's descriptor to its verdict, both included.

Nothing is fitted: a body's words come in every cycle, weights are taken in every cycle, and each term counts what the
hardware does (hw/weights/datapath.py; tests and ``thinwire cosim --weights`` hold the sum equal to it)::

    cycles = ceil(words in front / 2) + decoder + 4

Words in front are what the decoder does not read: gains and offsets, and for all but Huffman-coded tensors the tables
and entry points; two pass in a cycle, or four where transfers have 256 bits. The decoder counts from its order to its
report or, if that is later, to the cycle behind its last beat. One of plain fields takes a beat in every cycle: of 4
weights for block floats and fused pairs, or 8 of transfers of 256 bits; of 16 for packed integers and palettes. What
comes before and after: the descriptor, the start of the body, the check, the last beat and the verdict.
"""

from __future__ import annotations

from typing import Any

from golden.bits import words_for
from golden.weights.blockfloat import BlockFloat
from golden.weights.container import StoredWeights
from golden.weights.deepcomp import DeepComp
from golden.weights.huffman import Huffman
from golden.weights.mlw import Mlw
from golden.weights.packed import Packed
from golden.weights.relative import RelativeIndex
from golden.weights.runs import ZeroRuns
from golden.weights.tensor import WeightCodec
from sim.timing_mlw import decode_times
from sim.timing_pairs import PairTensor, pair_cycles

__all__ = ["has_cycles", "weight_cycles"]

_WORD_BITS, _FIELD_BITS, _PACKED_LANES = 64, 32, 16
_FIELD_STAGES, _PACKED_STAGES, _PALETTE_STAGES, _WIDE_STAGES, _SCALED_STAGES = 8, 5, 1, 1, 7
_AROUND = 4


def has_cycles(codec: WeightCodec[Any]) -> bool:
    """Whether `weight_cycles` knows the codec: those with a decoder in hardware."""
    return isinstance(codec, BlockFloat | Packed | Mlw | DeepComp | Huffman | ZeroRuns | RelativeIndex)


def weight_cycles(tensor: StoredWeights, bus_bits: int = 128) -> int | None:
    """Cycles of a tensor with weights: integers leave as int8, floats as 16 bits.

    None where the codec has no model.
    """
    encoded, codec = tensor.encoded, tensor.codec
    words, floats = _scale_words(tensor), encoded.dtype == "float32"
    scaled = floats * _SCALED_STAGES

    def around(words: int, decoder: int) -> int:
        return -(-words // (bus_bits // _WORD_BITS)) + decoder + _AROUND

    if isinstance(codec, BlockFloat):
        lanes = bus_bits // _FIELD_BITS
        return around(words + words_for(encoded.table_bits), -(-encoded.count // lanes) + _FIELD_STAGES)
    if isinstance(codec, Mlw):
        times = decode_times(encoded.words, encoded.bits, encoded.count)
        return around(words + words_for(encoded.entry_bits), max(int(times.beats[-1]) + 1, times.report))
    inner = codec.format.inner if isinstance(codec, DeepComp) else codec
    if isinstance(inner, Packed):
        stages = _PACKED_STAGES + floats * _PALETTE_STAGES + scaled
        return around(words + words_for(encoded.table_bits), -(-encoded.count // _PACKED_LANES) + stages)
    if isinstance(inner, Huffman | ZeroRuns | RelativeIndex):
        coded = PairTensor(encoded)
        if not isinstance(inner, Huffman):
            rules = inner.format.rules
            coded = PairTensor(encoded, rules.limit, rules.escape)
        beats, orders = pair_cycles([coded])
        return around(words, max(int(beats[-1]) + 1 + _WIDE_STAGES + scaled, int(orders[1]) - 1))
    return None


def _scale_words(tensor: StoredWeights) -> int:
    """Words of gains and offsets in front of a body."""
    scales = tensor.scales
    return words_for(32 * scales.gain.size) * (1 + scales.has_offsets) if scales else 0
