"""Encoder and decoder in a row give back every tile: for all symbols, zero points and tile numbers up to a size."""

import pytest
from amaranth.hdl import Array, Assert, Assume, ClockDomain, Cover, Elaboratable, Module, Mux, Signal
from amaranth.lib.fifo import SyncFIFOBuffered
from prover import run_sby

from golden.tile_format import MODES, TileFormat
from hw.activations.ports import HARDWARE_MODES, word_bits
from hw.activations.tile_decoder import Decoder
from hw.activations.tile_encoder import Encoder

pytestmark = pytest.mark.formal

_FMT = TileFormat(word_bits=4, run_bits=1, tile=(1, 1, 4))
_PAYLOAD_WORDS = 4


class _Loop(Elaboratable):
    """Tiles of one mode, through an encoder, a queue and a decoder; what comes out is asserted to be what went in.

    Free are the symbols, counts up to `most` and zero points, and with `stalls` the cycles in which the sink is ready.
    """

    def __init__(self, mode: int, tiles: int, most: int = 4, stalls: bool = True, fault: bool = False) -> None:
        self.mode, self.tiles, self.most, self.stalls, self.fault = mode, tiles, most, stalls, fault
        self.domain = ClockDomain("sync", reset_less=True)
        count = _FMT.tile_symbols
        self.symbols = [[Signal(4, name=f"symbol_{t}_{k}") for k in range(count)] for t in range(tiles)]
        self.counts = [Signal(range(count + 1), name=f"count_{t}") for t in range(tiles)]
        self.zero_points = [Signal(4, name=f"zero_point_{t}") for t in range(tiles)]
        self.ready = Signal()
        free = [symbol for tile in self.symbols for symbol in tile] + self.counts + self.zero_points
        self.constants = free
        self.ports = [*free, self.ready, self.domain.clk]
        self.done = Signal(range(tiles + 1))

    def elaborate(self, platform):
        m = Module()
        m.domains += self.domain
        m.submodules.encoder = encoder = Encoder(_FMT, 1)
        m.submodules.decoder = decoder = Decoder(_FMT, 1)
        for k, value in enumerate(self.constants):
            before, started = Signal(value.shape(), name=f"before_{k}"), Signal(name=f"started_{k}")
            m.d.sync += [before.eq(value), started.eq(1)]
            m.d.comb += Assume(~started | (value == before))
        m.d.comb += [Assume((count > 0) & (count <= self.most)) for count in self.counts]
        self._send(m, encoder)
        self._carry(m, encoder, decoder)
        self._receive(m, decoder)
        m.d.comb += Cover(self.done == self.tiles)
        return m

    def _place(self, m, name, moved):
        """Number of the tile and of the symbol in it that are next, stepped by transfers."""
        tile, place = Signal(range(self.tiles + 1), name=f"{name}_tile"), Signal(3, name=f"{name}_place")
        last = Signal(name=f"{name}_last")
        m.d.comb += last.eq(place == Array(self.counts)[tile] - 1)
        with m.If(moved):
            m.d.sync += [place.eq(Mux(last, 0, place + 1)), tile.eq(tile + last)]
        return tile, place, last

    def _symbol(self, tile, place):
        return Array(Array(symbols) for symbols in self.symbols)[tile][place]

    def _send(self, m, encoder):
        moved = encoder.i.valid & encoder.i.ready
        tile, place, last = self._place(m, "sent", moved)
        order = encoder.i_tile.payload
        m.d.comb += [
            encoder.i.valid.eq(tile != self.tiles),
            encoder.i.payload.data.symbols[0].eq(self._symbol(tile, place)),
            encoder.i.payload.last.eq(last),
            encoder.i_tile.valid.eq(tile != self.tiles),
            order.mode.eq(self.mode),
            order.zero_point.eq(Array(self.zero_points)[tile]),
            order.number.eq(tile),
        ]

    def _carry(self, m, encoder, decoder):
        """The payload waits in a queue until its entry, which comes with its last word, is there."""
        width = word_bits(_FMT, 1)
        depth = _PAYLOAD_WORDS * self.tiles
        m.submodules.words = words = SyncFIFOBuffered(width=width + 1, depth=depth)
        m.submodules.entries = entries = SyncFIFOBuffered(width=len(encoder.o_entry.payload.as_value()), depth=2)
        flip = int(self.fault)
        m.d.comb += [
            words.w_data.eq(encoder.o.payload.as_value() ^ flip),
            words.w_en.eq(encoder.o.valid),
            encoder.o.ready.eq(words.w_rdy),
            decoder.i.payload.eq(words.r_data),
            decoder.i.valid.eq(words.r_rdy),
            words.r_en.eq(decoder.i.ready),
            entries.w_data.eq(encoder.o_entry.payload.as_value()),
            entries.w_en.eq(encoder.o_entry.valid),
            encoder.o_entry.ready.eq(entries.w_rdy),
            decoder.i_entry.payload.eq(entries.r_data),
            decoder.i_entry.valid.eq(entries.r_rdy),
            entries.r_en.eq(decoder.i_entry.ready),
        ]
        ordered = Signal(range(self.tiles + 1))
        with m.If(decoder.i_tile.valid & decoder.i_tile.ready):
            m.d.sync += ordered.eq(ordered + 1)
        order = decoder.i_tile.payload
        m.d.comb += [
            decoder.i_tile.valid.eq(ordered != self.tiles),
            order.count.eq(Array(self.counts)[ordered]),
            order.zero_point.eq(Array(self.zero_points)[ordered]),
            order.number.eq(ordered),
        ]

    def _receive(self, m, decoder):
        moved = decoder.o.valid & decoder.o.ready
        tile, place, last = self._place(m, "received", moved)
        payload = decoder.o.payload
        m.d.comb += [decoder.o.ready.eq(self.ready | (not self.stalls)), self.done.eq(tile)]
        with m.If(decoder.o.valid):
            m.d.comb += [
                Assert(tile != self.tiles),
                Assert(payload.data.symbols[0] == self._symbol(tile, place)),
                Assert(payload.last == last),
                Assert(~payload.data.error),
            ]


# Cases with the depth of the proof: one tile of up to four symbols; two of up to two, without stalls.
CASES = {"one": ({"tiles": 1}, 25), "two": ({"tiles": 2, "most": 2, "stalls": False}, 36)}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("mode", HARDWARE_MODES)
def test_decoder_gives_back_every_tile(mode, case, tmp_path):
    parameters, depth = CASES[case]
    loop = _Loop(MODES.index(mode), **parameters)
    assert run_sby(loop, loop.ports, "bmc", depth, tmp_path) == "PASS"


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("mode", HARDWARE_MODES)
def test_all_tiles_come_out_within_the_depth(mode, case, tmp_path):
    """Else the proof above would say nothing."""
    parameters, depth = CASES[case]
    loop = _Loop(MODES.index(mode), **parameters)
    assert run_sby(loop, loop.ports, "cover", depth, tmp_path) == "PASS"


def test_prover_finds_a_flipped_bit(tmp_path):
    loop = _Loop(0, tiles=1, fault=True)
    assert run_sby(loop, loop.ports, "bmc", 24, tmp_path).startswith("FAIL")
