"""The decoder of pairs on every tensor that is short enough: each ends, with golden's weights or at golden's bit.

A proof by trying all: every payload of so many bits, for each count and, where there are two blocks, each place of the
second one; every table of so many bits; every such body with a word more or less. Compiled by Verilator.
"""

import pytest

from golden.weights.huffman import Huffman, HuffmanFormat
from golden.weights.relative import RelativeIndex, RelativeIndexFormat
from golden.weights.runs import ZeroRuns, ZeroRunsFormat
from hw.harness import Harness, Stalls
from hw.weights.pair_decoder import PairDecoder
from tests.hw.weights.tiny import Kind, every_table, with_a_word_less, with_a_word_more, wrong_tensors

pytestmark = pytest.mark.formal

_WEIGHTS = (-1, (1, 2, 2))
# Kinds, and the most bits of a payload.
KINDS = {
    "dense": (Kind(Huffman(HuffmanFormat(15, 0)), ((-1, (1, 2, 3, 3)),), (1, 3, 4, 6)), 13),
    "one symbol": (Kind(Huffman(HuffmanFormat(15, 0)), ((5, (1,)),), (1, 3, 4)), 10),
    "long codewords": (Kind(Huffman(HuffmanFormat(15, 0)), ((0, (2, 9, 9, 8, 7, 6, 5, 4, 3, 1)),), (2, 3)), 14),
    "runs": (Kind(ZeroRuns(ZeroRunsFormat(2, 15, 0)), ((0, (1, 2, 3, 3)), _WEIGHTS), (1, 4, 7)), 13),
    "runs alone": (Kind(ZeroRuns(ZeroRunsFormat(2, 15, 0)), ((1, (1, 2, 2)),), (1, 3, 4, 7)), 12),
    "indices": (Kind(RelativeIndex(RelativeIndexFormat(2, 15, 0)), ((0, (1, 2, 3, 3)), _WEIGHTS), (1, 4, 7)), 13),
    "blocks of runs": (
        Kind(ZeroRuns(ZeroRunsFormat(7, 15, 64)), ((62, (2, 2, 1)), _WEIGHTS), (65, 66, 127, 128), 2),
        9,
    ),
    "blocks of indices": (
        Kind(RelativeIndex(RelativeIndexFormat(7, 15, 64)), ((61, (2, 2, 1)), _WEIGHTS), (65, 127, 128), 2),
        9,
    ),
}
STALLS = {"none": None, "random": Stalls(300, 500), "late": Stalls(0, 0, after_valid=True)}


@pytest.fixture(scope="module")
def model():
    return Harness(PairDecoder(2, 8, 3, 2), "thinwire_pair_decoder")


@pytest.mark.parametrize("name", KINDS)
def test_every_payload_ends_as_golden_says(model, name):
    kind, most_bits = KINDS[name]
    wrong, good = wrong_tensors(model, kind.every(most_bits))
    assert wrong == []
    assert good > 0


@pytest.mark.parametrize("stalls", STALLS)
@pytest.mark.parametrize("name", KINDS)
def test_every_short_payload_ends_under_stalls(model, name, stalls):
    kind, most_bits = KINDS[name]
    bits = min(most_bits - 4, 8)
    assert wrong_tensors(model, kind.every(bits), STALLS[stalls])[0] == []
    for damaged in (with_a_word_more, with_a_word_less):
        assert wrong_tensors(model, damaged(kind.every(bits)), STALLS[stalls], are_damaged=True) == ([], 0)


@pytest.mark.parametrize("span", [1, 2, 3, 4])
def test_every_table_is_taken_as_golden_takes_it(model, span):
    wrong, good = wrong_tensors(model, every_table(Huffman(HuffmanFormat(15, 0)), span, 14))
    assert wrong == []
    assert good > 0
