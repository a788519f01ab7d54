"""One lane of an encoder of prc: symbols to codes, codes to units."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from golden.activations.prc import PrcFormat

__all__ = ["LaneCoder"]


class LaneCoder(wiring.Component):
    """Writes a symbol's code, a cycle later what it fills of a unit.

    Members
    -------
    valid, first, row_start, edge : In
        A symbol comes, where it is.
    symbol, residual, zero, k, flagged, blank : In
        The symbol and its plane; `blank` of its row.
    put, opening : In
        One cycle later: the code is put behind those before; it is the first of its tile.
    flush : In
        One cycle after the last code of a tile was put: the unit begun is written.
    ask : Out
        Since the last code was put a unit has been reached for the first time.
    write, unit : Out
        A unit is full, or flushed.
    """

    def __init__(self, fmt: PrcFormat) -> None:
        self._fmt = fmt
        super().__init__(
            {
                **dict.fromkeys(("valid", "first", "row_start", "edge", "zero", "flagged", "blank"), In(1)),
                "symbol": In(fmt.word_bits),
                "residual": In(fmt.word_bits),
                "k": In(fmt.k_bits),
                **dict.fromkeys(("put", "opening", "flush"), In(1)),
                "ask": Out(1),
                "write": Out(1),
                "unit": Out(fmt.unit_bits),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fmt = self._fmt
        bits, unit_bits, limit, longest = fmt.word_bits, fmt.unit_bits, fmt.unary_limit, fmt.longest_bits
        special, flags = Signal(), Signal()
        ones, low, escapes = Signal(bits), Signal(bits - 2), Signal()
        unary = ones[: ceil_log2(limit)]
        m.d.comb += [
            special.eq(self.k == bits - 1),
            flags.eq(self.flagged & ~special),
            ones.eq(self.residual >> self.k),
            low.eq(self.residual & Cat(self.k > b for b in range(bits - 2))),
            escapes.eq((ones >= limit) | (flags & (ones == limit - 1))),
        ]
        rice, value, value_bits = Signal(longest), Signal(longest), Signal(bits_for(longest))
        m.d.comb += rice.eq(Cat(unary > b for b in range(limit - 1)) | (low << (unary + 1)))
        with m.If(self.first | special):
            m.d.comb += [value.eq(self.symbol), value_bits.eq(bits)]
        with m.Elif(escapes):
            m.d.comb += [
                value.eq(Mux(flags, Cat(Const(-1, limit - 1), self.symbol), Cat(Const(-1, limit), self.symbol))),
                value_bits.eq(bits + limit - flags),
            ]
        with m.Else():
            m.d.comb += [value.eq(rice), value_bits.eq(unary + 1 + self.k)]

        body, body_bits = Signal(longest), Signal(bits_for(longest))
        with m.If(special & self.flagged):
            m.d.comb += body_bits.eq(0)
        with m.Elif(flags & self.zero):
            m.d.comb += [
                body.eq((self.edge & self.blank) << 1),
                body_bits.eq(Mux(self.row_start, Mux(self.edge, 2, 1), ~self.blank)),
            ]
        with m.Elif(flags):
            m.d.comb += [body.eq(Cat(1, value)), body_bits.eq(value_bits + 1)]
        with m.Else():
            m.d.comb += [body.eq(value), body_bits.eq(value_bits)]
        code, size = Signal(longest), Signal(bits_for(longest))
        with m.If(self.valid):
            with m.If(self.first):
                m.d.sync += [code.eq(Cat(self.k, self.flagged, body)), size.eq(body_bits + fmt.header_bits)]
            with m.Else():
                m.d.sync += [code.eq(body), size.eq(body_bits)]

        # `place` bits of a unit are kept; the decoder's pointer is one less.
        place_bits = ceil_log2(unit_bits)
        held, place = Signal(unit_bits - 1), Signal(place_bits)
        kept, put_at = Signal.like(held), Signal(place_bits)
        total, reached, merged = Signal(place_bits + 1), Signal(place_bits + 1), Signal(2 * unit_bits - 1)
        m.d.comb += [
            kept.eq(Mux(self.flush, 0, held)),
            put_at.eq(Mux(self.flush, 0, place)),
            total.eq(put_at + size),
            reached.eq((put_at - 1)[:place_bits] + size),
            merged.eq(kept | (code << put_at)),
            self.unit.eq(Mux(self.flush, held, merged)),
            self.write.eq(Mux(self.flush, place != 0, self.put & total[-1])),
        ]
        with m.If(self.put):
            m.d.sync += [
                place.eq(total),
                held.eq(Mux(total[-1], merged[unit_bits:], merged)),
                self.ask.eq(reached[-1]),
            ]
        with m.Elif(self.flush):
            m.d.sync += [place.eq(0), held.eq(0)]
        return m
