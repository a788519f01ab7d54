"""Encoder and decoder of prc in a row give back every tile of a shape: for all symbols and zero points."""

from itertools import product

import pytest
from amaranth.hdl import Array, Assert, Assume, ClockDomain, Cover, Elaboratable, Module, Signal
from prover import run_sby

from golden.activations.prc import PrcFormat
from hw.activations.prc_decoder import PrcDecoder
from hw.activations.prc_encoder import PrcEncoder

pytestmark = pytest.mark.formal

_FMT = PrcFormat(4)


class _Loop(Elaboratable):
    """One tile through both; what comes out is asserted to be what went in. Free are symbols and zero point."""

    def __init__(self, shape: tuple[int, int, int], fault: int = 0) -> None:
        self.shape, self.fault = shape, fault
        height, width, channels = shape
        self.symbols = [[Signal(4, name=f"symbol_{c}_{p}") for p in range(height * width)] for c in range(channels)]
        self.zero_point = Signal(4)
        self.domain = ClockDomain("sync", reset_less=True)
        self.constants = [*(symbol for plane in self.symbols for symbol in plane), self.zero_point]
        self.ports = [*self.constants, self.domain.clk]

    def elaborate(self, platform):
        m = Module()
        m.domains += self.domain
        m.submodules.encoder = encoder = PrcEncoder(_FMT, self.shape)
        m.submodules.decoder = decoder = PrcDecoder(_FMT, self.shape)
        started = Signal()
        m.d.sync += started.eq(1)
        for k, value in enumerate(self.constants):
            before = Signal(value.shape(), name=f"before_{k}")
            m.d.sync += before.eq(value)
            m.d.comb += Assume(~started | (value == before))
        for name, core in (("encoder", encoder), ("decoder", decoder)):
            ordered = Signal(name=f"{name}_ordered")
            m.d.comb += core.i_tile.valid.eq(~ordered)
            with m.If(core.i_tile.valid & core.i_tile.ready):
                m.d.sync += ordered.eq(1)
            order = core.i_tile.payload
            for field, size in zip((order.height, order.width, order.channels), self.shape, strict=True):
                m.d.comb += field.eq(size)
            m.d.comb += order.zero_point.eq(self.zero_point)
        m.d.comb += [
            decoder.i.payload.word.eq(encoder.o.payload.data ^ self.fault),
            decoder.i.payload.final.eq(encoder.o.payload.last),
            decoder.i.payload.last.eq(encoder.o.payload.last),
            decoder.i.valid.eq(encoder.o.valid),
            encoder.o.ready.eq(decoder.i.ready),
            decoder.o.ready.eq(1),
        ]
        height, width, channels = self.shape
        steps = list(product(range(0, channels, 4), range(height * width)))
        sent, received = Signal(range(len(steps) + 1)), Signal(range(len(steps) + 1))
        beat = decoder.o.payload
        m.d.comb += encoder.i.valid.eq(sent != len(steps))
        with m.If(encoder.i.valid & encoder.i.ready):
            m.d.sync += sent.eq(sent + 1)
        with m.If(decoder.o.valid):
            m.d.sync += received.eq(received + 1)
            m.d.comb += [
                Assert(received != len(steps)),
                Assert(beat.last == (received == len(steps) - 1)),
                Assert(~beat.data.error),
            ]
        for lane in range(min(4, channels)):
            planes = [self.symbols[min(group + lane, channels - 1)] for group in range(0, channels, 4)]
            symbols = Array(symbol for plane in planes for symbol in plane)
            m.d.comb += encoder.i.payload[lane].eq(symbols[sent])
            with m.If(decoder.o.valid & (beat.data.tail >= lane)):
                m.d.comb += Assert(beat.data.symbols[lane] == symbols[received])
        m.d.comb += Cover(received == len(steps))
        return m


# Shapes with the depth of the proof: a code a lane, a code behind another, a plane behind another.
SHAPES = {(1, 1, 4): 20, (1, 2, 2): 22, (1, 1, 8): 21}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("mode", ["bmc", "cover"])
def test_decoder_gives_back_every_tile_within_the_depth(shape, mode, tmp_path):
    loop = _Loop(shape)
    assert run_sby(loop, loop.ports, mode, SHAPES[shape], tmp_path) == "PASS"


def test_prover_finds_a_flipped_bit(tmp_path):
    loop = _Loop((1, 1, 4), fault=1 << 3)
    assert run_sby(loop, loop.ports, "bmc", 20, tmp_path).startswith("FAIL")
