"""Parts of the weight decoders never stop: from any state they can be in, for ever, and with one end for each tensor.

Proved by induction: sources that offer and sinks that are ready are assumed, inputs that are no streams are what their
cores are promised. What a core waits for at most stands with each proof.
"""

import pytest
from amaranth.hdl import Assert, Assume, Cat, ClockDomain, Elaboratable, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from prover import Moves, run_sby

from hw.weights.body import BodyReader
from hw.weights.code_loader import CodeLoader
from hw.weights.gather import Cutter, Gather, Halver
from hw.weights.intake import Intake
from hw.weights.pair_decoder import PairDecoder
from hw.weights.pair_ports import Form
from hw.weights.ports import Fault

pytestmark = pytest.mark.formal


class _Bench(Elaboratable):
    """A core whose inputs are all free; `properties` says what they are not, and what is to be proved."""

    def __init__(self, core: wiring.Component) -> None:
        self.core = core
        self.domain = ClockDomain("sync", reset_less=True)
        self.ports = [self.domain.clk]
        for _, member, value in core.signature.flatten(core):
            self.ports += [Value.cast(value)] if member.flow == In else []

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains += self.domain
        m.submodules.core = self.core
        self.properties(m)
        return m

    def properties(self, m: Module) -> None:
        raise NotImplementedError

    def constant(self, m: Module, *names: str) -> None:
        """Inputs that never change."""
        for name in names:
            value = getattr(self.core, name)
            before, begun = Signal.like(value, name=f"{name}_before"), Signal(name=f"{name}_begun")
            m.d.sync += [before.eq(value), begun.eq(1)]
            m.d.comb += Assume(~begun | (value == before))

    def idle(self, m: Module, moves, patience: int) -> None:
        """Nothing `moves` in no more than `patience` cycles on end."""
        idle = Signal(range(patience + 3))
        with m.If(moves):
            m.d.sync += idle.eq(0)
        with m.Elif(idle <= patience + 1):
            m.d.sync += idle.eq(idle + 1)
        m.d.comb += Assert(idle <= patience)


class _Gathering(_Bench):
    """Chunks are taken while beats are; a tensor has one last beat, which waits for its release and nothing else."""

    def properties(self, m):
        core = self.core
        self.constant(m, "size")
        owed = Signal(2)
        takes, gives = core.i.valid & core.i.ready, core.o.valid & core.o.ready
        m.d.sync += owed.eq(owed + (takes & core.i.payload.last) - (gives & core.o.payload.last))
        m.d.comb += [
            Assert(owed == core.waits),
            Assert(~(core.o.ready & (core.released | ~core.waits)) | core.i.ready),
            Assert(~(core.waits & core.released) | (core.o.valid & core.o.payload.last)),
        ]


class _FullBeats(_Bench):
    """While chunks come and beats are taken, there is a beat at least every 8 cycles: 8 chunks of 4 bytes."""

    def properties(self, m):
        core = self.core
        self.constant(m, "size")
        m.d.comb += [Assume(core.i.valid), Assume(core.o.ready), Assume(core.released)]
        self.idle(m, core.o.valid, 8)


class _Reading(_Bench):
    """A body's window has bits, or tells that there are none, within 4 cycles; a drained one takes a word a cycle."""

    def properties(self, m):
        core = self.core
        is_read = Signal()
        m.d.sync += is_read.eq((core.start | is_read) & ~core.drain)
        m.d.comb += [Assume(core.i.valid), Assume(~core.take | core.ready), Assume(core.size <= 32)]
        self.idle(m, ~is_read | core.start | core.part | core.ready | core.dry | core.drain, 4)
        m.d.comb += Assert(~core.drain | core.drained | core.i.ready)


class _Loading(_Bench):
    """With a body that is there a loader takes bits, gives a symbol its place, or ends, within 19 cycles of such a one.

    Bits of a body that is dry end it two cycles later at the latest.
    """

    def properties(self, m):
        core = self.core
        idle, dry, ends = Signal(range(22)), Signal(2), Signal()
        m.d.comb += [Assume(core.ready), ends.eq(core.done | (core.fault != Fault.NONE))]
        m.d.comb += [Assert(idle <= 19), Assert(~dry[1] | (core.fault != Fault.NONE))]
        m.d.sync += dry.eq(Cat(core.take & core.dry & ~ends, dry[0] & ~ends))
        with m.If(ends):
            m.d.sync += idle.eq(0)
        with m.Elif(core.take | core.write):
            m.d.sync += idle.eq(1)
        with m.Elif((idle != 0) & (idle <= 20)):
            m.d.sync += idle.eq(idle + 1)


class _Intaking(_Bench):
    """A body that is read takes words, gives them, or is done, within 3 cycles."""

    def properties(self, m):
        core = self.core
        self.constant(m, "words", "head", "kept", "feeds", "feeds_wide", "check")
        m.d.comb += [Assume(core.i.valid), Assume(core.wide.ready), Assume(core.narrow.ready)]
        m.d.comb += Assume(~core.begin | core.done)
        self.idle(m, core.i.ready | core.wide.valid | core.narrow.valid | core.done, 3)


class _Refusing(Moves):
    """Tensors that cannot be served, or have no weights: something moves, and each has one report and one last beat."""

    def __init__(self, patience: int) -> None:
        super().__init__(PairDecoder(2, 8, 1, 2), patience)

    def properties(self, m):
        super().properties(m)
        core = self.core
        order = core.order.payload
        m.d.comb += [
            Assume((order.count == 0) | ((order.form == Form.RUNS) & (order.index_bits == 0))),
            Assume(order.count <= 4),
        ]
        owed, beat = Signal(), Signal()
        with m.If(core.order.valid & core.order.ready):
            m.d.comb += Assert(~owed)
            m.d.sync += [owed.eq(1), beat.eq(order.count != 0)]
        with m.If(core.o.valid & core.o.ready):
            m.d.comb += [Assert(owed & beat), Assert(~core.o.payload.last | core.o.payload.data.error)]
            m.d.sync += beat.eq(~core.o.payload.last)
        with m.If(core.report.valid & core.report.ready):
            m.d.comb += [Assert(owed & ~beat)]
            m.d.sync += owed.eq(0)


INDUCTIONS = {
    "gather": (lambda: _Gathering(Gather()), 2),
    "full beats": (lambda: _FullBeats(Gather()), 11),
    "body": (lambda: _Reading(BodyReader()), 9),
    "code loader": (lambda: _Loading(CodeLoader()), 22),
    "intake": (lambda: _Intaking(Intake()), 6),
    "halver": (lambda: Moves(Halver(3), 0), 2),
    "cutter": (lambda: Moves(Cutter(), 0), 2),
}


@pytest.mark.parametrize("name", INDUCTIONS)
def test_something_moves_for_ever(name, tmp_path):
    make, depth = INDUCTIONS[name]
    bench = make()
    assert run_sby(bench, bench.ports, "prove", depth, tmp_path) == "PASS"


def test_tensors_that_cannot_be_served_end(tmp_path):
    bench = _Refusing(6)
    assert run_sby(bench, bench.ports, "bmc", 17, tmp_path) == "PASS"
