"""The datapath of the weight decoders: bodies of weight files in, weights out, whatever their codec."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.axis import Slice
from hw.packet import Packet
from hw.weights.dequant import SLICE_BITS, Dequant, Scale
from hw.weights.fusion import Fusion, Selection
from hw.weights.gather import BEAT_BYTES, INT32, WIDE_LANES, Cutter, Gather, Halver
from hw.weights.intake import BUS_BITS, WORDS_BITS, BodyBeat, Intake
from hw.weights.mlw import MlwDecoder
from hw.weights.mlw_ports import V_BITS
from hw.weights.narrower import BF16, FP16, INT8, INT16
from hw.weights.pair_decoder import PairDecoder
from hw.weights.pair_ports import Form
from hw.weights.ports import COUNT_BITS, POSITION_BITS, Fault, Weights
from hw.weights.unpack import Unpacker

__all__ = ["FORM_BITS", "Datapath", "Descriptor", "Engine", "Verdict", "Where"]

FORM_BITS = 3
_MLW_LANES = 32


class Engine(enum.Enum, shape=2):
    """The decoders."""

    FIELDS = 0
    """hw/weights/fusion.py: block floats, fused pairs, bit planes."""
    PAIRS = 1
    """hw/weights/pair_decoder.py: Huffman codes, zero runs, relative indices."""
    MLW = 2
    """hw/weights/mlw.py: Ethos-U streams."""
    PACKED = 3
    """hw/weights/unpack.py: plain fields, two's complement."""


class Where(enum.Enum, shape=2):
    """What the position of a fault counts."""

    CODE = 0
    """Bits of the payload, or, for a table's fault, of the tables: what the decoder reads."""
    BODY = 1
    """Bits of the body."""
    WEIGHT = 2
    """Weights."""


class Descriptor(data.StructLayout):
    """A tensor, as the directory of its file tells it.

    ==================  ===============================================================================================
    field               meaning
    ==================  ===============================================================================================
    ``engine``          `Engine`
    ``form``            of the weights that leave: 0 int8, 1 int16, 2 fp16, 3 bf16, 4 the 32 bits of a decoder's lane
                        (float32 levels of a codebook, or an integer, sign-extended)
    ``count``           weights
    ``words``           words of the body
    ``head``            words in front of what the decoder reads: gains and offsets; tables and entry points, too, but
                        for ``PAIRS``
    ``tables``          number of the word that holds the exponents (``FIELDS`` without planes)
    ``second``          the second exponent, of task B, counts
    ``check``           CRC-32 of the body
    ``selection``       ``FIELDS``: see `Selection`; its form is ignored. ``PACKED``: its width alone, 2..8
    ``pair_form``       ``PAIRS``: this and the following; see `hw.weights.pair_ports.PairOrder`
    ``slice_weights``   integers to floats: see `hw.weights.dequant.DequantOrder`
    ``slices``          the same
    ==================  ===============================================================================================
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "engine": Engine,
                "form": FORM_BITS,
                "count": COUNT_BITS,
                "words": WORDS_BITS,
                "head": WORDS_BITS,
                "tables": WORDS_BITS,
                "second": 1,
                "check": 32,
                "selection": Selection(),
                "pair_form": Form,
                "index_bits": 4,
                "codebook": 1,
                "narrow": 1,
                "negative": 1,
                "entry_weights": COUNT_BITS,
                "table_bits": POSITION_BITS,
                "entries": COUNT_BITS,
                "bits": POSITION_BITS,
                "slice_weights": COUNT_BITS,
                "slices": SLICE_BITS,
            }
        )


class Verdict(data.StructLayout):
    """How a tensor ended: `fault`, and unless it is NONE its `position`, of which `where` tells the unit.

    `words` of the body were taken, and `beats` of weights sent.
    """

    def __init__(self) -> None:
        counts = {"words": WORDS_BITS, "beats": COUNT_BITS}
        super().__init__({"fault": Fault, "where": Where, "position": POSITION_BITS, **counts})


class Datapath(wiring.Component):
    """Decodes tensors, one behind the other, each from its body exactly as a weight file holds it.

    The body's words go through the intake (hw/weights/intake.py) to the decoder that the descriptor names; what comes
    out is scaled if integers are to become floats (hw/weights/dequant.py), and gathered to beats of 32 bytes.

    *Throughput*: the decoder's, at most 128 bits of the body and 32 bytes of weights a cycle; int8 from MLW streams 32
    weights a cycle, else 16 (hw/weights/gather.py). sim/timing_weights.py has the cycles. Tensors do not overlap.

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

    def __init__(self, slices: int = 2048, entries: int = 512, engines: Sequence[Engine] = tuple(Engine)) -> None:
        if not engines or len(set(engines)) != len(engines):
            raise ValueError(f"engines must be one or more, each once, not {engines!r}")
        self.slices, self.entries, self.engines = slices, entries, tuple(engines)
        super().__init__(
            {
                "i_scale": In(stream.Signature(Scale())),
                "order": In(stream.Signature(Descriptor())),
                "i": In(stream.Signature(Packet(BodyBeat()))),
                "o": Out(stream.Signature(Packet(Weights(8, BEAT_BYTES)))),
                "report": Out(stream.Signature(Verdict())),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.intake = intake = Intake()
        m.submodules.gather = gather = Gather()
        m.submodules.cutter = cutter = Cutter()
        m.submodules.dequant = dequant = Dequant(WIDE_LANES, self.slices)
        wiring.connect(m, wiring.flipped(self.i), intake.i)
        wiring.connect(m, wiring.flipped(self.i_scale), dequant.i_scale)
        wiring.connect(m, gather.o, wiring.flipped(self.o))
        order = Signal(Descriptor(), reset_less=True)
        makers = {
            Engine.FIELDS: lambda: Fusion(BUS_BITS),
            Engine.PAIRS: lambda: PairDecoder(WIDE_LANES, 32, entries=self.entries),
            Engine.MLW: lambda: MlwDecoder(_MLW_LANES, BUS_BITS),
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
            intake.words.eq(order.words),
            intake.head.eq(order.head),
            intake.kept.eq(order.tables),
            intake.check.eq(order.check),
            intake.feeds.eq(feeds),
            intake.feeds_wide.eq(order.engine != Engine.PAIRS),
        ]
        # A decoder hears of its tensor in the cycle in which it is offered the first word.
        m.submodules.feed = feed = Slice(Packet(BUS_BITS))
        passed = Signal()
        m.d.sync += passed.eq(asks & intake.passed & ~told)
        for engine, decoder in decoders.items():
            source = intake.narrow if engine is Engine.PAIRS else intake.wide
            with m.If(order.engine == engine):
                m.d.comb += [
                    decoder.order.valid.eq(passed),
                    told.eq(decoder.order.valid & decoder.order.ready),
                    feed.i.p.last.eq(source.p.last),
                    feed.i.p.data.eq(source.p.data),
                    feed.i.valid.eq(source.valid),
                    source.ready.eq(feed.i.ready),
                    decoder.i.p.last.eq(feed.o.p.last),
                    decoder.i.p.data.eq(feed.o.p.data),
                    decoder.i.valid.eq(feed.o.valid),
                    feed.o.ready.eq(decoder.i.ready),
                    reported.eq(decoder.report.valid),
                    decoder.report.ready.eq(ends),
                    fault.eq(decoder.report.payload.fault),
                    position.eq(decoder.report.payload.position),
                ]
        self._outputs(m, order, decoders, cutter, dequant, gather, scales)

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
                    m.next = "Judge"
                m.d.sync += [verdict.fault.eq(intake.fault), verdict.where.eq(Where.BODY)]
                m.d.sync += [verdict.position.eq(intake.position), verdict.words.eq(intake.seen)]
                with m.If((order.count != 0) & ~known):
                    m.d.sync += [verdict.fault.eq(Fault.ORDER), verdict.position.eq(0)]
                with m.Elif(feeds & ~intake.starved):
                    with m.If(fault != Fault.NONE):
                        m.d.sync += [verdict.fault.eq(fault), verdict.where.eq(Where.CODE)]
                        m.d.sync += verdict.position.eq(position)
                    with m.Elif(scaled):
                        m.d.sync += [verdict.fault.eq(dequant.report.payload.fault), verdict.where.eq(Where.WEIGHT)]
                        m.d.sync += verdict.position.eq(dequant.report.payload.position)
                    with m.Elif(gather.report.fault != Fault.NONE):
                        m.d.sync += [verdict.fault.eq(Fault.RANGE), verdict.where.eq(Where.WEIGHT)]
                        shift = Mux(order.form == INT32, 3, 4)
                        m.d.sync += verdict.position.eq(gather.report.position << shift)
            with m.State("Judge"):
                m.d.comb += [ends.eq(feeds), dequant.report.ready.eq(scales)]
                m.next = "Release"
            with m.State("Release"):
                m.d.comb += gather.released.eq(1)
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

    def _orders(self, m: Module, order: Signal, intake: Intake, decoders: dict) -> None:
        """What each decoder is told."""
        with_form = {"selection": order.selection, "form": Mux(order.form == INT32, INT16, order.form)}
        for engine, decoder in decoders.items():
            told = decoder.order.payload
            m.d.comb += told.count.eq(order.count)
            if engine is Engine.FIELDS:
                m.d.comb += [
                    told.exponent.eq(Mux(order.second, intake.kept_word[8:16], intake.kept_word[:8])),
                    told.selection.eq(with_form["selection"]),
                    told.selection.form.eq(with_form["form"]),
                ]
            elif engine is Engine.MLW:
                m.d.comb += told.narrow.eq(order.form == INT8)
            elif engine is Engine.PACKED:
                m.d.comb += [told.width.eq(order.selection.width), told.negative.eq(1)]
            else:
                names = (
                    "index_bits",
                    "codebook",
                    "narrow",
                    "negative",
                    "entry_weights",
                    "table_bits",
                    "entries",
                    "bits",
                )
                m.d.comb += [told.form.eq(order.pair_form), *(told[name].eq(order[name]) for name in names)]

    def _outputs(self, m, order, decoders: dict, cutter: Cutter, dequant: Dequant, gather: Gather, scales) -> None:
        """From the decoders' beats to chunks: bytes at once, or lanes of 32 bits through the cutter or the scaling."""
        m.submodules.link = link = Slice(Packet(Weights(32, WIDE_LANES)))
        wide, sent, chunk = link.i, link.o, gather.i.payload
        whole = (order.engine == Engine.MLW) & (order.form == INT8)
        if mlw := decoders.get(Engine.MLW):
            m.submodules.halver = halver = Halver(V_BITS)
            m.d.comb += halver.i.p.eq(mlw.o.p)
            with m.If((order.engine == Engine.MLW) & ~whole):
                m.d.comb += [halver.i.valid.eq(mlw.o.valid), mlw.o.ready.eq(halver.i.ready)]
                m.d.comb += [wide.p.eq(halver.o.p), wide.valid.eq(halver.o.valid), halver.o.ready.eq(wide.ready)]
        if pairs := decoders.get(Engine.PAIRS):
            with m.If(order.engine == Engine.PAIRS):
                m.d.comb += [wide.p.eq(pairs.o.p), wide.valid.eq(pairs.o.valid), pairs.o.ready.eq(wide.ready)]
        if packed := decoders.get(Engine.PACKED):
            with m.If(order.engine == Engine.PACKED):
                m.d.comb += [
                    wide.valid.eq(packed.o.valid),
                    packed.o.ready.eq(wide.ready),
                    wide.p.last.eq(packed.o.p.last),
                ]
                m.d.comb += [wide.p.data[name].eq(packed.o.p.data[name]) for name in ("tail", "error")]
                for source, target in zip(packed.o.p.data.symbols, wide.p.data.symbols, strict=True):
                    m.d.comb += target.eq(source.as_signed())
        m.d.comb += [
            cutter.i.p.eq(sent.p),
            dequant.i.p.eq(sent.p),
            cutter.form.eq(order.form),
            dequant.order.payload.form.eq(order.form),
            dequant.order.payload.floats.eq(order.codebook & (order.engine == Engine.PAIRS)),
            dequant.order.payload.slice_weights.eq(order.slice_weights),
            dequant.order.payload.slices.eq(order.slices),
        ]
        with m.If(scales):
            m.d.comb += [dequant.i.valid.eq(sent.valid), sent.ready.eq(dequant.i.ready)]
            self._send(m, gather, dequant.o, dequant.o.p.data.symbols.as_value(), 3)
            m.d.comb += chunk.data.tail.eq(Cat(1, dequant.o.p.data.tail))
        with m.Else():
            m.d.comb += [cutter.i.valid.eq(sent.valid), sent.ready.eq(cutter.i.ready)]
            self._send(m, gather, cutter.o, cutter.o.p.data.bytes.as_value(), cutter.size)
            m.d.comb += [chunk.data.tail.eq(cutter.o.p.data.tail), gather.misfit.eq(cutter.misfit)]
        if mlw:
            with m.If(whole):
                self._send(m, gather, mlw.o, Cat(symbol[:8] for symbol in mlw.o.p.data.symbols), 3)
                m.d.comb += [chunk.data.tail.eq(mlw.o.p.data.tail), gather.misfit.eq(0)]
        if fields := decoders.get(Engine.FIELDS):
            with m.If(order.engine == Engine.FIELDS):
                beat, byte = fields.o.p, order.form == INT8
                halves = Cat(symbol.word_select(k, 8) for symbol in beat.data.symbols for k in range(2))
                lows = Cat(symbol[:8] for symbol in beat.data.symbols)
                self._send(m, gather, fields.o, Mux(byte, lows, halves), Mux(byte, 0, 1))
                m.d.comb += chunk.data.tail.eq(Mux(byte, beat.data.tail, Cat(1, beat.data.tail)))
                m.d.comb += gather.misfit.eq(0)

    def _send(self, m: Module, gather: Gather, source, octets, size) -> None:
        """Connect a decoder's stream to the gathering."""
        m.d.comb += [
            gather.i.valid.eq(source.valid),
            source.ready.eq(gather.i.ready),
            gather.size.eq(size),
            gather.i.payload.last.eq(source.p.last),
            gather.i.payload.data.error.eq(source.p.data.error),
            gather.i.payload.data.bytes.eq(octets),
        ]
