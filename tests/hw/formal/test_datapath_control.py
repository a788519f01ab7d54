"""The datapath's control: one report for each order, behind one last beat and a body that was taken to its end.

In the places of the decoders and of the scaling are things that keep their contract (hw/weights/ports.py) and no more:
orders are taken, words taken, beats given and reports made whenever they like, as many beats as they like. Bodies are
of any length and any head, whatever the descriptor says. Intake, slices, palette, cutting and gathering are the real
ones. Proved from reset, for so many cycles as stand with each proof: several tensors of few words, one behind the
other; what is longer is left to tests. By induction, for ever, but this alone: orders and reports take turns, and a
decoder hears of a tensor once. Not proved: values, faults, and that the number of weights is the ordered one.
"""

import pytest
from amaranth.hdl import Assert, Assume, Cat, ClockDomain, Cover, Elaboratable, Fragment, Module, Mux, Signal, Value
from amaranth.lib.wiring import In
from prover import run_sby

from hw.weights import datapath
from hw.weights.datapath import Datapath
from hw.weights.datapath_ports import Engine

pytestmark = pytest.mark.formal

_DECODERS = {
    Engine.FIELDS: "Fusion",
    Engine.PAIRS: "PairDecoder",
    Engine.MLW: "MlwDecoder",
    Engine.PACKED: "Unpacker",
}
_WHIMS = ("takes", "wants", "gives", "ends", "tells")


class _Actor:
    """A decoder, or with `passes` the scaling, that does what it likes within its contract; its whims are free."""

    passes = False

    def __init__(self, *arguments, **named) -> None:
        super().__init__(*arguments, **named)
        self.whims = {name: Signal(name=name) for name in _WHIMS}
        self.active, self.fed, self.gave = Signal(), Signal(), Signal()
        made.append(self)

    def elaborate(self, platform) -> Module:
        m = Module()
        takes, wants, gives, ends, tells = self.whims.values()
        order, i, o, report = self.order, self.i, self.o, self.report
        flows = self.active & ~self.fed
        m.d.comb += [order.ready.eq(takes & ~self.active), report.valid.eq(tells & self.active & self.fed & self.gave)]
        if self.passes:
            m.d.comb += [o.valid.eq(i.valid & flows & gives), i.ready.eq(o.ready & flows & gives)]
            m.d.comb += [o.p.last.eq(i.p.last), self.i_scale.ready.eq(1)]
        else:
            m.d.comb += [o.valid.eq(gives & self.active & ~self.gave), i.ready.eq(wants & flows), o.p.last.eq(ends)]
        with m.If(order.valid & order.ready):
            m.d.sync += [self.active.eq(1), self.fed.eq(0), self.gave.eq(0)]
        with m.If(i.valid & i.ready & i.p.last):
            m.d.sync += self.fed.eq(1)
        with m.If(o.valid & o.ready & o.p.last):
            m.d.sync += self.gave.eq(1)
        with m.If(report.valid & report.ready):
            m.d.sync += self.active.eq(0)
        return m


made: list[_Actor] = []


def stays(m: Module, name: str, bus, payload: Value | int = 0) -> Value:
    """Whether a transfer that waited in the cycle before waits still, with the same part of its payload."""
    payload = Value.cast(payload)
    before, waited = Signal(payload.shape(), name=f"{name}_before"), Signal(name=f"{name}_waited")
    m.d.sync += [before.eq(payload), waited.eq(bus.valid & ~bus.ready)]
    return ~waited | (bus.valid & (payload == before))


class _Orders(Elaboratable):
    """Tensors one behind the other; with `eager`, all that can happen does."""

    def __init__(self, engines: tuple[Engine, ...], eager: int = 0) -> None:
        made.clear()
        self.eager, self.core = eager, Datapath(2, 2, engines)
        self.domain = ClockDomain("sync", reset_less=True)
        self.ports = [self.domain.clk]
        for _, member, value in self.core.signature.flatten(self.core):
            self.ports += [Value.cast(value)] if member.flow == In else []

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains += self.domain
        m.submodules.core = core = self.core
        # The actors are there once the datapath is elaborated.
        elaborated = core.elaborate(platform)
        core.elaborate = lambda _: elaborated
        for number, actor in enumerate(made):
            self.ports += actor.whims.values()
            m.d.comb += Assume(stays(m, f"o_{number}", actor.o, actor.o.p.last))
            m.d.comb += Assume(stays(m, f"report_{number}", actor.report))
            m.d.comb += Assert(stays(m, f"order_{number}", actor.order))
            if not actor.passes:
                m.d.comb += Assert(~actor.i.valid | Mux(actor.active, ~actor.fed, actor.order.valid))
        m.d.comb += Assume(stays(m, "i", core.i, Cat(core.i.p.last, core.i.p.data.tail)))
        m.d.comb += [Assert(stays(m, "o", core.o, core.o.p.last)), Assert(stays(m, "report", core.report))]
        self.tensors(m)
        if self.eager:
            self.moves(m)
        return m

    def tensors(self, m: Module) -> None:
        core = self.core
        order, owed, drained, gave = core.order.payload, Signal(), Signal(), Signal()
        body, weights, told, known, whole = Signal(), Signal(), Signal(), Signal(), Signal(2)
        m.d.comb += known.eq(Cat(order.engine == engine for engine in core.engines).any())
        with m.If(core.order.valid & core.order.ready):
            m.d.comb += Assert(~owed)
            m.d.sync += [owed.eq(1), drained.eq(0), gave.eq(0), told.eq(0)]
            m.d.sync += [body.eq(order.words != 0), weights.eq(known & (order.count != 0))]
        with m.If(core.i.valid & core.i.ready):
            m.d.comb += Assert(owed & body & ~drained)
            m.d.sync += drained.eq(core.i.payload.last)
        with m.If(core.o.valid):
            m.d.comb += Assert(owed & weights & ~gave)
            m.d.comb += Assert(~core.o.payload.last | drained | ~body)
        with m.If(core.o.valid & core.o.ready):
            m.d.sync += gave.eq(core.o.payload.last)
        for actor in made:
            with m.If(actor.order.valid & actor.order.ready & (not actor.passes)):
                m.d.comb += Assert(owed & weights & ~told)
                m.d.sync += told.eq(1)
        with m.If(core.report.valid):
            m.d.comb += [Assert(owed & (drained == body) & (gave == weights) & (told == weights))]
            m.d.comb += [Assert(~actor.active) for actor in made]
        with m.If(core.report.valid & core.report.ready):
            m.d.sync += [owed.eq(0), whole.eq(whole + (weights & body))]
        m.d.comb += Cover(whole == 2)

    def moves(self, m: Module) -> None:
        """Something is transferred at least every so many cycles, as long as all that can happen does."""
        core, idle, moved = self.core, Signal(range(self.eager + 3)), Signal()
        m.d.comb += [Assume(core.order.valid & core.i.valid & core.o.ready & core.report.ready)]
        for actor in made:
            m.d.comb += [Assume(actor.whims[name]) for name in _WHIMS if name != "ends"]
        ports = [core.order, core.i, core.o, core.report]
        ports += [port for actor in made for port in (actor.i, actor.o)]
        for port in ports:
            with m.If(port.valid & port.ready):
                m.d.comb += moved.eq(1)
        with m.If(moved):
            m.d.sync += idle.eq(0)
        with m.Elif(idle <= self.eager + 1):
            m.d.sync += idle.eq(idle + 1)
        m.d.comb += Assert(idle <= self.eager)


class _Turns(_Orders):
    """Orders and reports take turns, and of each order one decoder hears at most, once."""

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains += self.domain
        m.submodules.core = fragment = Fragment.get(self.core, platform)
        driven = {signal.name: signal for part in fragment.statements.values() for signal in part._lhs_signals()}
        core, owed, told, hears = self.core, Signal(), Signal(), Signal()
        for actor in made:
            self.ports += actor.whims.values()
            if not actor.passes:
                m.d.comb += Assert(stays(m, f"order_{made.index(actor)}", actor.order))
                with m.If(actor.order.valid):
                    m.d.comb += [hears.eq(actor.order.ready), Assert(owed & ~told)]
        m.d.comb += [
            Assert(owed == ~core.order.ready),
            Assert(~driven["asks"] | (owed & ~told)),
            Assert(~core.report.valid | owed),
            Assert(stays(m, "report", core.report)),
        ]
        with m.If(core.order.valid & core.order.ready):
            m.d.sync += [owed.eq(1), told.eq(0)]
        with m.If(hears):
            m.d.sync += told.eq(1)
        with m.If(core.report.valid & core.report.ready):
            m.d.sync += owed.eq(0)
        return m


@pytest.fixture
def actors(monkeypatch):
    for name in (*_DECODERS.values(), "Dequant"):
        kind = getattr(datapath, name)
        monkeypatch.setattr(datapath, name, type(name, (_Actor, kind), {"passes": name == "Dequant"}))


PAIRS = [(Engine.FIELDS, Engine.PAIRS), (Engine.MLW, Engine.PACKED)]


@pytest.mark.parametrize("engines", PAIRS, ids=lambda engines: "-".join(engine.name for engine in engines))
def test_each_order_has_its_body_its_beats_and_its_report(actors, engines, tmp_path):
    bench = _Orders(engines)
    assert run_sby(bench, bench.ports, "bmc", 18, tmp_path, flat=True) == "PASS"


@pytest.mark.parametrize("engines", PAIRS, ids=lambda engines: "-".join(engine.name for engine in engines))
def test_orders_and_reports_take_turns_for_ever(actors, engines, tmp_path):
    bench = _Turns(engines)
    assert run_sby(bench, bench.ports, "prove", 2, tmp_path, flat=True) == "PASS"


@pytest.mark.parametrize("engines", PAIRS, ids=lambda engines: "-".join(engine.name for engine in engines))
def test_something_moves_until_a_tensor_ends(actors, engines, tmp_path):
    bench = _Orders(engines, 5)
    assert run_sby(bench, bench.ports, "bmc", 22, tmp_path, flat=True) == "PASS"


def test_tensors_of_few_words_end_within_the_proofs(actors, tmp_path):
    bench = _Orders(PAIRS[1])
    assert run_sby(bench, bench.ports, "cover", 18, tmp_path, flat=True) == "PASS"
