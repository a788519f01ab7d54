"""Relative index: each stored weight with the number of zeros in front of it, long gaps bridged by filler weights.

::

    tables    | has weights : 1 | index table | weight table |       golden/weights/canonical.py
    payload   | index | weight | index | weight | ...                alternating, in C order, MSB of a codeword first

With B = `index_bits`, an index is 0 .. 2^B - 1 zeros; the weight behind it fills one more place. A gap of 2^B zeros or
more goes on with a *filler*: index 2^B - 1 and weight zero, together 2^B zeros. k <= 2^B zeros at the end of a block
end as index k - 1 and weight zero. So every token has both fields, and the zero is one of the weights' levels: that
tells the form from `golden/weights/runs.py`. Blocks of `entry_weights` weights start at entry points and share nothing
but the tables; no padding between them. Out of band: count, dtype, payload length, entry points, B.

With ``huffman=False`` an index is a B-bit field and a weight a field of ceil(log2 span) bits, both told to the
decoder as uniform codes, so that it has one way to work.

An encoder writes a zero weight in those two places only. A decoder takes any tokens that end exactly at the block's
end, in weights and in bits; it refuses an index past it. Worst case (no zeros): the weights' own code and one bit each.

Expected size at density d: ``n d (1 + f) (Wb + B)`` bits with ``f = (1 - d)^(2^B) / (1 - (1 - d)^(2^B))`` fillers per
weight (`expected_fillers`): a gap is geometric, and each 2^B zeros of it cost a filler.

==========================  ==============================================
weights (B = 2)             tokens (index, weight)
==========================  ==============================================
0 0 7 5                     (2, 7) (0, 5)
0 0 0 0 1                   (3, 0) (0, 1)
7 0 0 0                     (0, 7) (2, 0)
==========================  ==============================================

Source: Han et al., "Deep Compression", arXiv 1510.00149, section 2 and figure 2 (there an index is the difference of
positions, 1 more than ours). Zeros at the end are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from golden.weights.canonical import check_max_length
from golden.weights.pair_codec import PairCodec
from golden.weights.pairs import PairRules
from golden.weights.tensor import check_entry_weights

__all__ = ["RelativeIndex", "RelativeIndexFormat", "expected_fillers"]


@dataclass(frozen=True)
class RelativeIndexFormat:
    """Indices of `index_bits` (2..8) bits, codewords of at most `max_length`, blocks of `entry_weights`."""

    index_bits: int = 4
    max_length: int = 14
    entry_weights: int = 8192
    huffman: bool = True

    def __post_init__(self) -> None:
        if not 2 <= self.index_bits <= 8:
            raise ValueError(f"index_bits must be in 2..8, not {self.index_bits!r}")
        check_max_length(self.max_length)
        check_entry_weights(self.entry_weights)

    @property
    def rules(self) -> PairRules:
        """As the shared pair coder takes them."""
        limit = (1 << self.index_bits) - 1
        return PairRules(limit, False, self.huffman, self.max_length, self.entry_weights)


def expected_fillers(density: float, index_bits: int) -> float:
    """Fillers per stored weight where each weight is non-zero with probability `density`, independently.

    Raises
    ------
    ValueError
        If the density is not in 0..1, zero excluded.
    """
    if not 0 < density <= 1:
        raise ValueError(f"density must be above 0 and at most 1, not {density!r}")
    miss = (1 - density) ** (1 << index_bits)
    return float(miss / (1 - miss))


class RelativeIndex(PairCodec[RelativeIndexFormat]):
    """Weights with the zeros in front of them, fillers across long gaps."""

    codec_id = "relative-index"
    format_type = RelativeIndexFormat
