"""The stream contract of the decoder of Ethos-U weight streams, proved for all inputs up to a depth."""

import pytest
from prover import Hold, Offers, run_sby

from hw.weights.mlw import MlwDecoder

pytestmark = pytest.mark.formal

# A faulty header makes the first report after 8 cycles, and the first beat after 9.
DEPTH = 11


def test_outputs_hold_while_they_wait(tmp_path):
    bench = Hold(MlwDecoder(16))
    assert run_sby(bench, bench.ports, "bmc", DEPTH, tmp_path) == "PASS"


def test_valid_does_not_wait_for_ready(tmp_path):
    bench = Offers(MlwDecoder(16), "o")
    assert run_sby(bench, bench.ports, "cover", DEPTH, tmp_path) == "PASS"
