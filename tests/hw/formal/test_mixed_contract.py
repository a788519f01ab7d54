"""The stream contract of encoder and decoder of all modes with prc; tiles of one place and up to four planes."""

import pytest
from amaranth.hdl import Assume, Module
from prover import Hold, Moves, Offers, run_sby

from golden.tile_format import TileFormat
from hw.mixed_decoder import MixedDecoder
from hw.mixed_encoder import MixedEncoder

pytestmark = pytest.mark.formal

_FMT = TileFormat(word_bits=4, tile=(1, 1, 4), modes=("raw", "prc"))
# Each with the depth to which holding is proved (past its first output), that to which transfers are, and the longest
# wait between two of them.
CORES = {"mixed_encoder": (MixedEncoder, 17, 16, 8), "mixed_decoder": (MixedDecoder, 14, 18, 8)}
OUTPUTS = [("mixed_encoder", "o"), ("mixed_encoder", "o_entry"), ("mixed_decoder", "o")]


class _TilesMove(Moves):
    """Orders tell the shape that the tile has."""

    def properties(self, m: Module) -> None:
        super().properties(m)
        order = self.sources["i_tile"].payload
        m.d.comb += Assume((order.height == 1) & (order.width == 1) & (order.channels > 0) & (order.channels <= 4))
        if "i_entry" in self.sources:
            m.d.comb += Assume(order.count == order.channels)
        else:
            beat = self.sources["i"].payload
            m.d.comb += Assume(beat.last & (beat.data.tail == order.channels - 1))


@pytest.mark.parametrize("name", CORES)
def test_outputs_hold_while_they_wait(name, tmp_path):
    make, depth, _, _ = CORES[name]
    bench = Hold(make(_FMT, 4))
    assert run_sby(bench, bench.ports, "bmc", depth, tmp_path) == "PASS"


@pytest.mark.parametrize(("name", "output"), OUTPUTS, ids=["-".join(output) for output in OUTPUTS])
def test_valid_does_not_wait_for_ready(name, output, tmp_path):
    bench = Offers(CORES[name][0](_FMT, 4), output)
    assert run_sby(bench, bench.ports, "cover", 45, tmp_path) == "PASS"


@pytest.mark.parametrize("name", CORES)
def test_no_dead_lock(name, tmp_path):
    make, _, depth, patience = CORES[name]
    bench = _TilesMove(make(_FMT, 4), patience)
    assert run_sby(bench, bench.ports, "bmc", depth, tmp_path) == "PASS"
