"""What weight codecs of pairs share: a format tells the rules, `pairs` does the work."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from numpy.typing import ArrayLike, NDArray

from golden.weights.pairs import PairRules, decode_pairs, encode_pairs, pair_bits, plan_pairs
from golden.weights.tensor import EncodedWeights, WeightCodec

__all__ = ["PairCodec", "PairFormat"]


class PairFormat(Protocol):
    """A format of pairs."""

    @property
    def rules(self) -> PairRules:
        """As the pair coder takes them."""
        ...


PairFormatT = TypeVar("PairFormatT", bound=PairFormat)


class PairCodec(WeightCodec[PairFormatT]):
    """Tokens of a zero run and a weight, in blocks that start at entry points."""

    def encode(self, values: ArrayLike) -> EncodedWeights:
        return encode_pairs(plan_pairs(values, self.format.rules), self.format.rules)

    def decode(self, encoded: EncodedWeights) -> NDArray[Any]:
        return self.decode_blocks(encoded, 0, encoded.entries.size).reshape(encoded.shape)

    def decode_blocks(self, encoded: EncodedWeights, first: int, last: int) -> NDArray[Any]:
        return decode_pairs(encoded, self.format.rules, first, last)

    def size_bits(self, values: ArrayLike) -> int:
        return pair_bits(plan_pairs(values, self.format.rules))
