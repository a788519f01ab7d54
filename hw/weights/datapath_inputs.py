"""From the intake to the decoders: words of a body through registers, in the widths that decoders take."""

from amaranth.hdl import Module, Value
from amaranth.lib import wiring

from hw.axis import Slice
from hw.packet import Packet
from hw.weights.datapath_ports import Engine
from hw.weights.intake import BUSES, BodyBeat, Intake
from hw.weights.splitter import Splitter
from hw.weights.turns import Turns

__all__ = ["connect_inputs"]

# Bits of a word of the decoders that need no wider one.
_DECODER_BITS = BUSES[0]


def connect_inputs(m: Module, order, decoders: dict, intake: Intake) -> None:
    """Give the ordered decoder its payload, a cycle after the intake has it."""
    m.submodules.feed = feed = Slice(Packet(BodyBeat(intake.bus_bits)))
    for engine, decoder in decoders.items():
        chosen = order.engine == engine
        if engine is Engine.MLW:
            _feed_late(m, decoder, intake, chosen)
        else:
            with m.If(chosen):
                _feed(m, engine, decoder, intake, feed)


def _feed(m: Module, engine: Engine, decoder, intake: Intake, feed: Slice) -> None:
    """From the register that decoders share."""
    source = intake.narrow if engine is Engine.PAIRS else intake.wide
    m.d.comb += [
        feed.i.p.last.eq(source.p.last),
        feed.i.valid.eq(source.valid),
        source.ready.eq(feed.i.ready),
    ]
    if engine is Engine.PAIRS:
        m.d.comb += feed.i.p.data.symbols[0].eq(source.p.data)
    else:
        m.d.comb += feed.i.p.data.eq(source.p.data)
    given = feed.o
    if engine is Engine.PACKED and intake.bus_bits > _DECODER_BITS:
        m.submodules.packed_splitter = splitter = Splitter(intake.bus_bits)
        m.d.comb += [
            splitter.i.p.eq(feed.o.p),
            splitter.i.valid.eq(feed.o.valid),
            feed.o.ready.eq(splitter.i.ready),
        ]
        given = splitter.o
        m.d.comb += decoder.i.p.data.eq(given.p.data)
    else:
        m.d.comb += decoder.i.p.data.eq(given.p.data.symbols.as_value())
    m.d.comb += [
        decoder.i.p.last.eq(given.p.last),
        decoder.i.valid.eq(given.valid),
        given.ready.eq(decoder.i.ready),
    ]


def _feed_late(m: Module, decoder, intake: Intake, chosen: Value) -> None:
    """From registers of its own, for a decoder that knows late in a cycle whether it takes a word."""
    m.submodules.turns = turns = Turns(Packet(_DECODER_BITS))
    wiring.connect(m, turns.o, decoder.i)
    source, entry = intake.wide, turns.i
    if intake.bus_bits > _DECODER_BITS:
        m.submodules.late_splitter = splitter = Splitter(intake.bus_bits)
        wiring.connect(m, splitter.o, turns.i)
        entry = splitter.i
        m.d.comb += entry.p.data.eq(source.p.data)
    else:
        m.d.comb += entry.p.data.eq(source.p.data.symbols.as_value())
    m.d.comb += [entry.p.last.eq(source.p.last), entry.valid.eq(source.valid & chosen)]
    with m.If(chosen):
        m.d.comb += source.ready.eq(entry.ready)
