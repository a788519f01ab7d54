"""The datapath of the weight decoders: bodies of weight files in, weights out, whatever their codec."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.packet import Packet
from hw.weights.datapath_inputs import connect_inputs
from hw.weights.datapath_outputs import connect_outputs, has_palette
from hw.weights.datapath_ports import Descriptor, Engine, Verdict, Where
from hw.weights.dequant import Dequant, Scale
from hw.weights.fusion import Fusion
from hw.weights.gather import BEAT_BYTES, WIDE_LANES, Cutter, Gather
from hw.weights.intake import BUSES, BodyBeat, Intake
from hw.weights.mlw import MlwDecoder
from hw.weights.narrower import BF16, FP16, INT8, INT16
from hw.weights.pair_decoder import PairDecoder
from hw.weights.palette import Palette
from hw.weights.ports import POSITION_BITS, Fault, Weights
from hw.weights.unpack import Unpacker

__all__ = ["Datapath"]

_MLW_LANES = 32
_TOLD_PAIRS = ("index_bits", "codebook", "narrow", "negative", "entry_weights", "table_bits", "entries", "bits")


class Datapath(wiring.Component):
    """Decodes tensors, one behind the other, each from its body exactly as a weight file holds it.

    The body's words go through the intake (hw/weights/intake.py) to the decoder that the descriptor names; what comes
    out is scaled if integers are to become floats (hw/weights/dequant.py), and gathered to beats of 32 bytes.

    *Throughput*: the decoder's, at most a transfer of the body and 32 bytes of weights a cycle; int8 from MLW streams
    32 weights, else 16 (hw/weights/gather.py), of `FIELDS` 4, or 8 from transfers of 256 bits. sim/timing_weights.py
    has the cycles. Tensors do not overlap.

    *Bad tensors*: exactly the ordered weights come out, zeros from the fault on, and the body is taken to its last
    transfer. The last beat waits until the whole body was checked, and carries `error` if anything was wrong. The
    verdict is that of the decoder; if this sees nothing wrong, that of the weights' form; then the body's length, then
    its checksum. A body too short to reach its decoder is `SHORT` in any case. A tensor of no weights has no beats.

    Parameters
    ----------
    slices : int
        Scales that can be held.
    entries : int
        Entry points that can be held.
    engines : sequence of Engine
        Decoders that are there. A descriptor of another is `ORDER`: no beat, and the body is taken.
    bus_bits : int
        Bits of a transfer of the body: 128 or 256.

    Members
    -------
    i_scale : In(stream of Scale)
    order : In(stream of Descriptor)
    i : In(stream of Packet(BodyBeat))
        Bodies; none for a tensor whose body has no words.
    o : Out(stream of Packet(Weights(8, 32)))
        Bytes of the weights, least significant first.
    report : Out(stream of Verdict)
        One for each tensor, behind its last beat.
    """

    i_scale: stream.Interface
    order: stream.Interface
    i: stream.Interface
    o: stream.Interface
    report: stream.Interface

    def __init__(
        self,
        slices: int = 2048,
        entries: int = 512,
        engines: Sequence[Engine] = tuple(Engine),
        bus_bits: int = BUSES[0],
    ) -> None:
        if not engines or len(set(engines)) != len(engines):
            raise ValueError(f"engines must be one or more, each once, not {engines!r}")
        if bus_bits not in BUSES:
            raise ValueError(f"bus_bits must be one of {BUSES}, not {bus_bits!r}")
        self.slices, self.entries, self.engines, self.bus_bits = slices, entries, tuple(engines), bus_bits
        super().__init__(
            {
                "i_scale": In(stream.Signature(Scale())),
                "order": In(stream.Signature(Descriptor())),
                "i": In(stream.Signature(Packet(BodyBeat(bus_bits)))),
                "o": Out(stream.Signature(Packet(Weights(8, BEAT_BYTES)))),
                "report": Out(stream.Signature(Verdict())),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.intake = intake = Intake(self.bus_bits)
        m.submodules.gather = gather = Gather()
        m.submodules.cutter = cutter = Cutter()
        m.submodules.dequant = dequant = Dequant(WIDE_LANES, self.slices)
        wiring.connect(m, wiring.flipped(self.i), intake.i)
        wiring.connect(m, wiring.flipped(self.i_scale), dequant.i_scale)
        wiring.connect(m, gather.o, wiring.flipped(self.o))
        order = Signal(Descriptor(), reset_less=True)
        makers = {
            Engine.FIELDS: lambda: Fusion(self.bus_bits),
            Engine.PAIRS: lambda: PairDecoder(WIDE_LANES, 32, entries=self.entries),
            Engine.MLW: lambda: MlwDecoder(_MLW_LANES, BUSES[0]),
            Engine.PACKED: lambda: Unpacker(WIDE_LANES),
        }
        decoders = {engine: makers[engine]() for engine in self.engines}
        for engine, decoder in decoders.items():
            m.submodules[engine.name.lower()] = decoder

        # What the decoders are told and fed, and how they end.
        asks, told, known, feeds, scales = (Signal(name=name) for name in ("asks", "told", "known", "feeds", "scales"))
        reported, ends = Signal(), Signal()
        fault, position = Signal(Fault), Signal(POSITION_BITS)
        self._orders(m, order, intake, decoders)
        m.d.comb += [
            known.eq(Cat(order.engine == engine for engine in decoders).any()),
            feeds.eq((order.count != 0) & known),
            scales.eq(feeds & (order.engine != Engine.FIELDS) & ((order.form == FP16) | (order.form == BF16))),
            intake.words.eq(self.order.payload.words),
            intake.head.eq(self.order.payload.head),
            intake.kept.eq(self.order.payload.tables),
            intake.check.eq(self.order.payload.check),
            intake.feeds.eq(feeds),
            intake.feeds_wide.eq(order.engine != Engine.PAIRS),
        ]
        # A decoder hears of its tensor in the cycle before it is offered the first word.
        for engine, decoder in decoders.items():
            with m.If(order.engine == engine):
                m.d.comb += [
                    decoder.order.valid.eq(asks & intake.passed),
                    told.eq(decoder.order.valid & decoder.order.ready),
                    reported.eq(decoder.report.valid),
                    decoder.report.ready.eq(ends),
                    fault.eq(decoder.report.payload.fault),
                    position.eq(decoder.report.payload.position),
                ]
        connect_inputs(m, order, decoders, intake)
        palette = self._palette(m, order, intake) if Engine.PACKED in decoders else None
        connect_outputs(m, order, decoders, palette, cutter, dequant, gather, scales)

        verdict = Signal(Verdict(), reset_less=True)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += verdict.beats.eq(verdict.beats + 1)
        scaled, ready = Signal(), Signal()
        m.d.comb += [
            self.report.payload.eq(verdict),
            scaled.eq(scales & (dequant.report.payload.fault != Fault.NONE)),
            gather.wrong.eq(verdict.fault != Fault.NONE),
            ready.eq(intake.done & (~feeds | (reported & gather.waits & (~scales | dequant.report.valid)))),
        ]
        with m.FSM():
            with m.State("Idle"):
                m.d.comb += [self.order.ready.eq(1), intake.begin.eq(self.order.valid)]
                m.d.sync += [order.eq(self.order.payload), verdict.beats.eq(0)]
                with m.If(self.order.valid):
                    m.next = "Order"
            with m.State("Order"):
                m.d.comb += asks.eq(feeds)
                with m.If(told | (~feeds & ~intake.done)):
                    m.next = "Run"
            with m.State("Run"):
                with m.If(ready):
                    m.next = "Release"
                m.d.sync += [verdict.fault.eq(intake.fault), verdict.where.eq(Where.BODY)]
                m.d.sync += [verdict.position.eq(intake.position), verdict.words.eq(intake.seen)]
                with m.If((order.count != 0) & ~known):
                    m.d.sync += [verdict.fault.eq(Fault.ORDER), verdict.position.eq(0)]
                with m.Elif(feeds & ~intake.starved):
                    self._decide(m, order, verdict, palette, fault, position, scaled, dequant, gather)
            with m.State("Release"):
                m.d.comb += [ends.eq(feeds), dequant.report.ready.eq(scales), gather.released.eq(1)]
                with m.If(~feeds | (self.o.valid & self.o.ready)):
                    m.next = "Report"
            with m.State("Report"):
                m.d.comb += self.report.valid.eq(1)
                with m.If(self.report.ready):
                    m.next = "Idle"

        # Scaling is ordered with the decoder, once.
        wanted = Signal()
        m.d.comb += dequant.order.valid.eq(wanted)
        with m.If(asks & told):
            m.d.sync += wanted.eq(scales)
        with m.Elif(dequant.order.ready):
            m.d.sync += wanted.eq(0)
        return m

    def _palette(self, m: Module, order: Signal, intake: Intake) -> Palette:
        """What looks numbers up, and is told its table as that passes."""
        m.submodules.palette = palette = Palette(WIDE_LANES, self.bus_bits)
        m.d.comb += [
            palette.begin.eq(intake.begin),
            palette.write.eq(intake.shows),
            palette.row.eq(intake.shown),
            palette.words.eq(order.head),
        ]
        return palette

    def _decide(self, m, order, verdict, palette, fault, position, scaled, dequant, gather) -> None:
        """What was wrong with the weights, if anything: the first of what they pass."""
        shift = Mux(order.form[-1], 3, 4)
        scaling, range_ = dequant.report.payload, Fault.RANGE
        found = [
            (fault != Fault.NONE, fault, Where.CODE, position),
            (scaled, scaling.fault, Where.WEIGHT, scaling.position),
            (gather.report.fault != Fault.NONE, range_, Where.WEIGHT, gather.report.position << shift),
        ]
        if palette:
            numbered = has_palette(order)
            found.insert(1, (numbered & palette.past, range_, Where.WEIGHT, palette.weight))
            found.insert(0, (numbered & (palette.fault != Fault.NONE), palette.fault, Where.CODE, palette.position))
        for number, (condition, kind, where, place) in enumerate(found):
            with m.Elif(condition) if number else m.If(condition):
                m.d.sync += [verdict.fault.eq(kind), verdict.where.eq(where), verdict.position.eq(place)]

    def _orders(self, m: Module, order: Signal, intake: Intake, decoders: dict) -> None:
        """What each decoder is told."""
        # None that fields could have, where it is 32 bits.
        form = Mux(order.form[-1], INT16, order.form)
        for engine, decoder in decoders.items():
            told = decoder.order.payload
            m.d.comb += told.count.eq(order.count)
            if engine is Engine.FIELDS:
                m.d.comb += [
                    told.exponent.eq(Mux(order.second, intake.kept_word[8:16], intake.kept_word[:8])),
                    told.selection.eq(order.selection),
                    told.selection.form.eq(form),
                ]
            elif engine is Engine.MLW:
                m.d.comb += told.narrow.eq(order.form == INT8)
            elif engine is Engine.PACKED:
                m.d.comb += [told.width.eq(order.selection.width), told.negative.eq(order.negative)]
            else:
                m.d.comb += [told.form.eq(order.pair_form), *(told[name].eq(order[name]) for name in _TOLD_PAIRS)]
