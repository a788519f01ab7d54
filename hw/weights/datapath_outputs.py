"""From what decoders give to beats of the datapath: chunks of bytes, as they are, cut or scaled."""

from amaranth.hdl import Cat, Module, Mux, Value
from amaranth.utils import ceil_log2

from hw.axis import Slice
from hw.packet import Packet
from hw.weights.datapath_ports import Engine
from hw.weights.dequant import Dequant
from hw.weights.gather import WIDE_LANES, Cutter, Gather, Halver
from hw.weights.mlw_ports import V_BITS
from hw.weights.narrower import INT8
from hw.weights.palette import Palette
from hw.weights.ports import Weights

__all__ = ["connect_outputs", "has_palette"]


def has_palette(order) -> Value:
    """Whether a descriptor asks for plain fields that are numbers of levels."""
    return order.codebook & (order.engine == Engine.PACKED)


def connect_outputs(
    m: Module, order, decoders: dict, palette: Palette | None, cutter: Cutter, dequant: Dequant, gather: Gather, scales
) -> None:
    """Connect what is there: `palette` with the decoder of plain fields; integers go through `dequant` if `scales`."""
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
        numbered = has_palette(order)
        m.d.comb += [palette.i.p.eq(packed.o.p), palette.i.valid.eq(packed.o.valid & numbered)]
        with m.If(order.engine == Engine.PACKED):
            m.d.comb += [packed.o.ready.eq(wide.ready), wide.valid.eq(packed.o.valid), wide.p.last.eq(packed.o.p.last)]
            m.d.comb += [wide.p.data[name].eq(packed.o.p.data[name]) for name in ("tail", "error")]
            for source, target in zip(packed.o.p.data.symbols, wide.p.data.symbols, strict=True):
                m.d.comb += target.eq(Cat(source, (source[-1] & order.negative).replicate(24)))
        with m.If(numbered):
            m.d.comb += [packed.o.ready.eq(palette.i.ready), wide.p.eq(palette.o.p)]
            m.d.comb += [wide.valid.eq(palette.o.valid), palette.o.ready.eq(wide.ready)]
    m.d.comb += [
        cutter.i.p.eq(sent.p),
        dequant.i.p.eq(sent.p),
        cutter.form.eq(order.form),
        dequant.order.payload.form.eq(order.form),
        dequant.order.payload.floats.eq(order.codebook),
        dequant.order.payload.slice_weights.eq(order.slice_weights),
        dequant.order.payload.slices.eq(order.slices),
    ]
    with m.If(scales):
        m.d.comb += [dequant.i.valid.eq(sent.valid), sent.ready.eq(dequant.i.ready)]
        _send(m, gather, dequant.o, dequant.o.p.data.symbols.as_value(), 3)
        m.d.comb += chunk.data.tail.eq(Cat(1, dequant.o.p.data.tail))
    with m.Else():
        m.d.comb += [cutter.i.valid.eq(sent.valid), sent.ready.eq(cutter.i.ready)]
        _send(m, gather, cutter.o, cutter.o.p.data.bytes.as_value(), cutter.size)
        m.d.comb += [chunk.data.tail.eq(cutter.o.p.data.tail), gather.misfit.eq(cutter.misfit)]
    if mlw:
        with m.If(whole):
            _send(m, gather, mlw.o, Cat(symbol[:8] for symbol in mlw.o.p.data.symbols), 3)
            m.d.comb += [chunk.data.tail.eq(mlw.o.p.data.tail), gather.misfit.eq(0)]
    if fields := decoders.get(Engine.FIELDS):
        with m.If(order.engine == Engine.FIELDS):
            beat, byte = fields.o.p, order.form == INT8
            halves = Cat(symbol.word_select(k, 8) for symbol in beat.data.symbols for k in range(2))
            lows = Cat(symbol[:8] for symbol in beat.data.symbols)
            size = ceil_log2(fields.lanes) - 2
            _send(m, gather, fields.o, Mux(byte, lows, halves), Mux(byte, size, size + 1))
            m.d.comb += chunk.data.tail.eq(Mux(byte, beat.data.tail, Cat(1, beat.data.tail)))
            m.d.comb += gather.misfit.eq(0)


def _send(m: Module, gather: Gather, source, octets, size) -> None:
    """Connect a decoder's stream to the gathering."""
    m.d.comb += [
        gather.i.valid.eq(source.valid),
        source.ready.eq(gather.i.ready),
        gather.size.eq(size),
        gather.i.payload.last.eq(source.p.last),
        gather.i.payload.data.error.eq(source.p.data.error),
        gather.i.payload.data.bytes.eq(octets),
    ]
