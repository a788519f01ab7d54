"""Every beat of the decoder of Huffman codes leaves in the cycle that the simulator computes."""

import numpy as np
import pytest

from golden.weights.deepcomp import DeepComp, DeepCompFormat
from golden.weights.huffman import Huffman, HuffmanFormat
from golden.weights.relative import RelativeIndex, RelativeIndexFormat
from golden.weights.runs import ZeroRuns, ZeroRunsFormat
from sim.timing_pairs import PairTensor, pair_cycles
from tests.hw.weights.bodies import Tensor, decode


def sparse(count, density, top=9):
    rng = np.random.default_rng(count)
    return (rng.integers(-top, top, count) * (rng.random(count) < density)).astype(np.int8)


def timed(tensor: Tensor) -> PairTensor:
    inner = tensor.codec.format.inner if tensor.codec.codec_id == "deepcomp" else tensor.codec
    if inner.codec_id == "huffman":
        return PairTensor(tensor.encoded)
    return PairTensor(tensor.encoded, inner.format.rules.limit, inner.format.rules.escape)


BATCHES = {
    "forms": [
        (ZeroRuns(ZeroRunsFormat(3, entry_weights=64)), sparse(150, 0.3)),
        (RelativeIndex(RelativeIndexFormat(2, entry_weights=70)), sparse(140, 0.2)),
        (Huffman(HuffmanFormat(entry_weights=64)), sparse(130, 0.6)),
        (Huffman(), sparse(0, 1)),
        (Huffman(), sparse(5, 1)),
    ],
    "long runs": [
        (ZeroRuns(ZeroRunsFormat(8)), sparse(700, 0.005)),
        (ZeroRuns(), np.zeros(70, np.int8)),
        (RelativeIndex(RelativeIndexFormat(8, huffman=False)), sparse(300, 0.01, 2)),
    ],
    # A block is one run and takes many beats: the next one's waits right behind it.
    "blocks of one run": [(ZeroRuns(ZeroRunsFormat(8, entry_weights=100)), np.zeros(432, np.int8))],
    "codebook": [(DeepComp(DeepCompFormat(0.3, 2, entry_weights=64)), sparse(100, 1).astype(np.float32))],
}


@pytest.mark.parametrize("name", BATCHES)
def test_every_beat_leaves_in_the_cycle_of_the_simulator(name):
    batch = [Tensor.of(codec, codec.encode(values)) for codec, values in BATCHES[name]]
    made, trace = decode(batch, lanes=4, weight_bits=32, entries=16)
    assert [result.weights for result in made] == [tensor.expected(32) for tensor in batch]
    beats, orders = pair_cycles([timed(tensor) for tensor in batch], lanes=4)
    assert orders[:-1].tolist() == trace["order"].cycles
    assert beats.tolist() == trace["o"].cycles
    assert orders[-1] == trace["report"].cycles[-1] + 1
