"""The stream contract of every core, proved for all inputs up to a depth; small formats, all modes."""

import pytest
from amaranth.hdl import Module
from prover import Hold, Moves, Offers, run_sby

from golden.activations.prc import PrcFormat
from golden.tile_format import TileFormat
from hw.activations.chooser import Chooser
from hw.activations.index import IndexBuilder, IndexReader
from hw.activations.plane_ring import PlaneRing
from hw.activations.prc_decoder import PrcDecoder
from hw.activations.prc_encoder import PrcEncoder
from hw.activations.tile_decoder import Decoder
from hw.activations.tile_encoder import Encoder
from hw.axis import Slice
from hw.queue import Queue

pytestmark = pytest.mark.formal

_FMT = TileFormat(word_bits=4, run_bits=1, tile=(1, 2, 4))
_MIXED = TileFormat(word_bits=4, tile=(1, 2, 4), modes=("raw", "prc"))
# Each with the depth to which holding is proved (past its first output), and the longest wait between two transfers.
CORES = {
    "slice": (lambda: Slice(9), 12, 1),
    "encoder": (lambda: Encoder(_FMT, 1), 20, 16),
    "decoder": (lambda: Decoder(_FMT, 1), 14, 16),
    "chooser": (lambda: Chooser(_FMT, 1), 24, 16),
    "index_builder": (IndexBuilder, 20, 16),
    "index_reader": (IndexReader, 14, 16),
    "prc_decoder": (lambda: PrcDecoder(PrcFormat(4), (1, 1, 4)), 10, 8),
    "prc_encoder": (lambda: PrcEncoder(PrcFormat(4), (1, 1, 4)), 18, 6),
    "plane_ring": (lambda: PlaneRing(_MIXED, 2), 12, 16),
    "queue": (lambda: Queue(5, 2), 12, 4),
}
OUTPUTS = [
    *(("slice", "o"), ("encoder", "o"), ("encoder", "o_entry"), ("decoder", "o"), ("chooser", "o")),
    *(("chooser", "o_tile"), ("index_builder", "o"), ("index_reader", "o"), ("prc_decoder", "o")),
    *(("prc_encoder", "o"), ("plane_ring", "o"), ("queue", "o")),
]


@pytest.mark.parametrize("name", CORES)
def test_outputs_hold_while_they_wait(name, tmp_path):
    make, depth, _ = CORES[name]
    bench = Hold(make())
    assert run_sby(bench, bench.ports, "bmc", depth, tmp_path) == "PASS"


@pytest.mark.parametrize(("name", "output"), OUTPUTS, ids=["-".join(output) for output in OUTPUTS])
def test_valid_does_not_wait_for_ready(name, output, tmp_path):
    bench = Offers(CORES[name][0](), output)
    assert run_sby(bench, bench.ports, "cover", 45, tmp_path) == "PASS"


# The ring asks for beats as a decoder of prc sends them, and others may stop it.
@pytest.mark.parametrize("name", [name for name in CORES if name != "plane_ring"])
def test_no_dead_lock(name, tmp_path):
    make, _, patience = CORES[name]
    bench = Moves(make(), patience)
    assert run_sby(bench, bench.ports, "bmc", patience + 14, tmp_path) == "PASS"


class _Forgetful(Slice):
    """A slice whose payload changes while it waits."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.slice = part = Slice(self._shape)
        m.d.comb += [
            part.i.payload.eq(self.i.payload),
            part.i.valid.eq(self.i.valid),
            self.i.ready.eq(part.i.ready),
            self.o.payload.eq(part.o.payload ^ self.i.valid),
            self.o.valid.eq(part.o.valid),
            part.o.ready.eq(self.o.ready),
        ]
        return m


class _Polite(Slice):
    """A slice that waits for `ready` before it raises `valid`, and so waits for ever behind such a sink."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.slice = part = Slice(self._shape)
        m.d.comb += [
            part.i.payload.eq(self.i.payload),
            part.i.valid.eq(self.i.valid),
            self.i.ready.eq(part.i.ready),
            self.o.payload.eq(part.o.payload),
            self.o.valid.eq(part.o.valid & self.o.ready),
            part.o.ready.eq(self.o.ready),
        ]
        return m


class _Stuck(Slice):
    """A slice that takes nothing and gives nothing."""

    def elaborate(self, platform):
        return Module()


def test_prover_refuses_a_payload_that_changes(tmp_path):
    bench = Hold(_Forgetful(4))
    assert run_sby(bench, bench.ports, "bmc", 8, tmp_path).startswith("FAIL")


def test_prover_refuses_a_valid_that_waits_for_ready(tmp_path):
    bench = Offers(_Polite(4), "o")
    assert run_sby(bench, bench.ports, "cover", 8, tmp_path).startswith("FAIL")


def test_prover_refuses_a_core_that_stops(tmp_path):
    bench = Moves(_Stuck(4), 3)
    assert run_sby(bench, bench.ports, "bmc", 12, tmp_path).startswith("FAIL")
