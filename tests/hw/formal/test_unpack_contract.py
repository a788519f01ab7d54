"""The stream contract of the decoders of packed and Huffman-coded weights; the latter as far as refused orders go."""

import pytest
from prover import Hold, Moves, Offers, run_sby

from hw.weights.pair_decoder import PairDecoder
from hw.weights.unpack import Unpacker

pytestmark = pytest.mark.formal

# Each with the depth to which holding is proved, past its first output.
CORES = {
    "unpacker": (lambda: Unpacker(2), 14),
    "pair_decoder": (lambda: PairDecoder(2, 8, 1, 2), 12),
}


@pytest.mark.parametrize("name", CORES)
def test_outputs_hold_while_they_wait(name, tmp_path):
    make, depth = CORES[name]
    bench = Hold(make())
    assert run_sby(bench, bench.ports, "bmc", depth, tmp_path) == "PASS"


@pytest.mark.parametrize("output", ["o", "report"])
def test_valid_does_not_wait_for_ready(output, tmp_path):
    bench = Offers(Unpacker(2), output)
    assert run_sby(bench, bench.ports, "cover", 16, tmp_path) == "PASS"


def test_no_dead_lock(tmp_path):
    bench = Moves(Unpacker(2), 8)
    assert run_sby(bench, bench.ports, "bmc", 22, tmp_path) == "PASS"
