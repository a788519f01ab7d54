"""Zero runs: integer weights as alternating runs of zeros and non-zero weights, each with a Huffman code of its own.

::

    tables    | has weights : 1 | run table | weight table |         golden/weights/canonical.py
    payload   | run | weight | run | weight | ...                    alternating, in C order, MSB of a codeword first

Run symbols are 0 .. 2^B - 1 with B = `run_bits`: the number of zeros in front of the weight, save the last one, the
*escape*: 2^B - 1 zeros and no weight, and the run goes on. Zeros at a block's end are a run without a weight. Blocks of
`entry_weights` weights start at entry points and share nothing but the tables; no padding between them. Out of band:
count, dtype, payload length, entry points, B.

An encoder never codes a zero as a weight. A decoder takes any run and weight symbols that its tables tell and that end
exactly at the block's end, in weights and in bits; it refuses a run past the end. With ``huffman=False`` runs are B-bit
fields and weights plain fields of the fewest bits that hold them, both told as uniform codes.

The two alphabets are kept apart on purpose: one joint table of runs and weights needs 2.07 and 1.17 bits per weight
where the two need 1.86 and 1.03 (Lite0, 80 and 90 % zeros). Worst case (no zeros): the weights' own code and one bit
each for a run of nothing.

==========================  ==============================================
weights (B = 2)             tokens (run, weight); "-" is none
==========================  ==============================================
0 0 7 5                     (2, 7) (0, 5)
0 0 0 0 1                   (3, -) (1, 1)
7 0 0 0                     (0, 7) (3, -)
==========================  ==============================================
"""

from __future__ import annotations

from dataclasses import dataclass

from golden.weights.canonical import check_max_length
from golden.weights.pair_codec import PairCodec
from golden.weights.pairs import PairRules
from golden.weights.tensor import check_entry_weights

__all__ = ["ZeroRuns", "ZeroRunsFormat"]


@dataclass(frozen=True)
class ZeroRunsFormat:
    """Run symbols of `run_bits` (1..8) bits, codewords of at most `max_length`, blocks of `entry_weights`."""

    run_bits: int = 4
    max_length: int = 14
    entry_weights: int = 8192
    huffman: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.run_bits <= 8:
            raise ValueError(f"run_bits must be in 1..8, not {self.run_bits!r}")
        check_max_length(self.max_length)
        check_entry_weights(self.entry_weights)

    @property
    def rules(self) -> PairRules:
        """As the shared pair coder takes them."""
        limit = (1 << self.run_bits) - 1
        return PairRules(limit, True, self.huffman, self.max_length, self.entry_weights)


class ZeroRuns(PairCodec[ZeroRunsFormat]):
    """Runs of zeros and non-zero weights, two alternating codes."""

    codec_id = "zero-runs"
    format_type = ZeroRunsFormat
