"""The stream contract of what weights pass besides their decoders of codes, as far as small depths reach.

Inputs that are no streams are free, but constant.
"""

import pytest
from amaranth.hdl import Assert, Assume, ClockDomain, Elaboratable, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from prover import Hold, Moves, Offers, run_sby

from hw.packet import Packet
from hw.weights.codebook import Codebook
from hw.weights.dequant import Dequant
from hw.weights.fusion import Fusion
from hw.weights.gather import Cutter, Gather, Halver
from hw.weights.intake import Intake
from hw.weights.narrower import NARROWER_STEPS, Narrower
from hw.weights.pair_decoder import PairDecoder
from hw.weights.palette import Palette
from hw.weights.ports import COUNT_BITS, Weights
from hw.weights.sparse import Expander, Group
from hw.weights.splitter import Splitter

pytestmark = pytest.mark.formal


class _Groups(wiring.Component):
    """The expander as a core of streams: counts of tensors and groups in, beats out."""

    def __init__(self) -> None:
        self.core = Expander(2, 2, 2)
        super().__init__(
            {
                "order": In(stream.Signature(COUNT_BITS)),
                "i": In(stream.Signature(Group(2, 2))),
                "void": In(1),
                "o": Out(stream.Signature(Packet(Weights(2, 2)))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = self.core
        wiring.connect(m, core.o, wiring.flipped(self.o))
        m.d.comb += [
            self.order.ready.eq(~core.active),
            core.start.eq(self.order.valid & self.order.ready),
            core.count.eq(self.order.payload),
            core.group.eq(self.i.payload),
            core.valid.eq(self.i.valid & core.active),
            self.i.ready.eq(core.ready & core.active),
            core.void.eq(self.void),
            core.settled.eq(1),
        ]
        return m


class _Numbers(wiring.Component):
    """The palette as a core of streams: a table passes, then numbers come."""

    def __init__(self) -> None:
        self.core = Palette(1, 128)
        members = {name: self.core.signature.members[name] for name in ("row", "words", "i", "o")}
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = self.core
        wiring.connect(m, core.o, wiring.flipped(self.o))
        passed = Signal(6)
        m.d.sync += passed.eq((passed << 1) | 1)
        m.d.comb += [
            core.begin.eq(~passed[0]),
            core.write.eq(passed[0] & ~passed[1]),
            core.row.eq(self.row),
            core.words.eq(self.words),
            core.i.p.eq(self.i.p),
            core.i.valid.eq(self.i.valid & passed[-1]),
            self.i.ready.eq(core.i.ready & passed[-1]),
        ]
        return m


# Each with the depth to which holding is proved, past its first output.
CORES = {
    "fusion": (lambda: Fusion(64), 14),
    "dequant": (lambda: Dequant(2, 2), 14),
    "expander": (_Groups, 16),
    "intake": (Intake, 12),
    "gather": (Gather, 14),
    "cutter": (Cutter, 8),
    "halver": (lambda: Halver(3), 10),
    "palette": (_Numbers, 12),
    "splitter": (lambda: Splitter(256), 10),
    "pair_decoder": (lambda: PairDecoder(2, 8, 1, 2), 14),
}
OUTPUTS = [("fusion", "o"), ("expander", "o"), ("intake", "wide"), ("intake", "narrow"), ("gather", "o")]
OUTPUTS += [
    ("palette", "o"),
    ("dequant", "o"),
    ("dequant", "report"),
    ("pair_decoder", "o"),
    ("pair_decoder", "report"),
]


@pytest.mark.parametrize("name", [name for name in CORES if name != "pair_decoder"])
def test_outputs_hold_while_they_wait(name, tmp_path):
    make, depth = CORES[name]
    bench = Hold(make())
    assert run_sby(bench, bench.ports, "bmc", depth, tmp_path) == "PASS"


@pytest.mark.parametrize(("name", "output"), OUTPUTS, ids=["-".join(output) for output in OUTPUTS])
def test_valid_does_not_wait_for_ready(name, output, tmp_path):
    bench = Offers(CORES[name][0](), output)
    assert run_sby(bench, bench.ports, "cover", 24, tmp_path) == "PASS"


# Longest waits between two transfers; of the expander by induction, for ever.
@pytest.mark.parametrize(
    ("name", "patience", "mode"),
    [("fusion", 12, "bmc"), ("expander", 3, "prove"), ("splitter", 1, "bmc"), ("palette", 6, "bmc")],
)
def test_no_dead_lock(name, patience, mode, tmp_path):
    bench = Moves(CORES[name][0](), patience)
    assert run_sby(bench, bench.ports, mode, patience + (12 if mode == "bmc" else 3), tmp_path) == "PASS"


class _Lookup(Elaboratable):
    """A codebook that is written as it may be; what was written as level `k` is read, and stays while nothing steps."""

    def __init__(self) -> None:
        self.core = Codebook(4, 1, 3)
        self.domain = ClockDomain("sync", reset_less=True)
        self.k = Signal(2)
        core = self.core
        self.ports = [core.clear, core.write, core.value, core.step, core.numbers[0], self.k, self.domain.clk]

    def elaborate(self, platform):
        m = Module()
        m.domains += self.domain
        m.submodules.core = core = self.core
        begun, k, stepped = Signal(), Signal(2), Signal()
        level, asked, known = Signal(4), Signal(2), Signal()
        before = Signal(4)
        m.d.comb += Assume(~(core.write & (core.clear | (core.count == 3))))
        m.d.comb += Assume(~(core.write & core.step))
        m.d.sync += [begun.eq(1), k.eq(self.k)]
        m.d.comb += Assume(~begun | (self.k == k))
        with m.If(core.write & (core.count + 1 == self.k)):
            m.d.sync += level.eq(core.value)
        m.d.sync += [stepped.eq(core.step), before.eq(core.values[0])]
        with m.If(core.step):
            m.d.sync += [asked.eq(core.numbers[0]), known.eq(~core.past[0])]
        with m.If(stepped & (asked == 0)):
            m.d.comb += Assert(core.values[0] == 0)
        with m.If(stepped & (asked == self.k) & known & (self.k != 0)):
            m.d.comb += Assert(core.values[0] == level)
        with m.If(begun & ~stepped):
            m.d.comb += Assert(core.values[0] == before)
        return m


def test_codebook_gives_the_levels_that_were_written(tmp_path):
    bench = _Lookup()
    assert run_sby(bench, bench.ports, "bmc", 12, tmp_path) == "PASS"


class _Still(Elaboratable):
    """A narrower whose output changes with its steps alone; `steps` behind a magnitude of zero it is a zero."""

    def __init__(self) -> None:
        self.core = Narrower()
        self.domain = ClockDomain("sync", reset_less=True)
        core = self.core
        self.ports = [core.step, core.form, core.negative, core.magnitude, core.exponent, self.domain.clk]

    def elaborate(self, platform):
        m = Module()
        m.domains += self.domain
        m.submodules.core = core = self.core
        before, stepped, begun, form = Signal(17), Signal(), Signal(), Signal(2)
        zeros = Signal(NARROWER_STEPS)
        now = Signal(17)
        m.d.comb += [now[:16].eq(core.pattern), now[16].eq(core.misfit), Assume(~begun | (core.form == form))]
        m.d.sync += [before.eq(now), stepped.eq(core.step), begun.eq(1), form.eq(core.form)]
        with m.If(core.step):
            m.d.sync += zeros.eq((zeros << 1) | (core.magnitude == 0))
        with m.If(begun & ~stepped):
            m.d.comb += Assert(now == before)
        with m.If(zeros[-1]):
            m.d.comb += [Assert(core.pattern[:15] == 0), Assert(~core.misfit)]
        return m


def test_narrower_stands_still_and_keeps_zeros(tmp_path):
    bench = _Still()
    assert run_sby(bench, bench.ports, "bmc", 8, tmp_path) == "PASS"
