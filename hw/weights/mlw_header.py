"""The header of a slice of an Ethos-U weight stream, or an end marker, as fields of what is in sight."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from golden.weights.mlw_format import (
    END_MARKER,
    HEADER_BITS,
    MARKER_BITS,
    NO_RUNS,
    PALETTE_BITS,
    RAW,
)
from hw.weights.mlw_ports import SliceRules
from hw.weights.mlw_sizes import LEFT_BITS

__all__ = ["FILL_BITS", "HeaderFields"]

FILL_BITS = 32
"""Bits of filling that are taken at once."""
_MARKER_MOST = 10
_SIZE = slice(HEADER_BITS + 5, HEADER_BITS + 10)


class HeaderFields(wiring.Component):
    """Fields by their meaning, and the rules that the slice brings.

    Members
    -------
    sight, place : In
        The header's bits, and the place modulo 8 of the bit before them.
    before, rules : In, Out
        Rules of the slice before, and of this one.
    symbols, palette, size : Out
        Indices, NEWPAL, PALSIZE.
    bad_zdiv, bad_wdiv, bad_runs : Out
        A field is illegal; runs go on or off without NEWPAL.
    ends, marker_bits, hole, filled : Out
        It is an end marker of so many bits with its filling; which bits of that are not set; it is filling, and so are
        at least `FILL_BITS` bits.
    """

    def __init__(self) -> None:
        flags = ("palette", "bad_zdiv", "bad_wdiv", "bad_runs", "ends", "filled")
        super().__init__(
            {
                "sight": In(HEADER_BITS + PALETTE_BITS),
                "place": In(3),
                "before": In(SliceRules()),
                "rules": Out(SliceRules()),
                **dict.fromkeys(flags, Out(1)),
                "symbols": Out(LEFT_BITS),
                "size": Out(5),
                "marker_bits": Out(bits_for(_MARKER_MOST)),
                "hole": Out(_MARKER_MOST),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        sight, rules, before = self.sight, self.rules, self.before
        zdiv, wdiv = sight[:3], sight[18:21]
        offset, entry_code = sight[HEADER_BITS : HEADER_BITS + 5], sight[HEADER_BITS + 10 : HEADER_BITS + PALETTE_BITS]
        m.d.comb += [
            self.symbols.eq(sight[3:18] + 1),
            self.palette.eq(sight[22]),
            self.size.eq(sight[_SIZE]),
            self.bad_zdiv.eq((zdiv == 4) | (zdiv == 5)),
            self.bad_wdiv.eq(wdiv == 6),
            self.bad_runs.eq(~self.palette & (rules.runs != before.runs)),
            rules.runs.eq(zdiv != NO_RUNS),
            rules.zdiv.eq(zdiv),
            rules.raw.eq(wdiv == RAW),
            rules.wdiv.eq(wdiv),
            rules.truncated.eq(sight[21]),
            rules.entries.eq(Mux(self.palette, self.size + (self.size != 0), before.entries)),
            rules.offset.eq(Mux(self.palette, offset, before.offset)),
            rules.entry_bits.eq(Mux(self.palette, entry_code + 2, before.entry_bits)),
            rules.width.eq(Mux(rules.raw, self._raw_width(), wdiv)),
        ]

        # A marker goes on to the next byte that begins behind its three bits.
        begin, bits = Signal(3), Signal(bits_for(_MARKER_MOST))
        needed = Cat(bits > bit for bit in range(_MARKER_MOST))
        m.d.comb += [
            begin.eq(self.place + 1),
            self.ends.eq(zdiv == END_MARKER),
            bits.eq(Mux(begin > 8 - MARKER_BITS, 16 - begin, 8 - begin)),
            self.marker_bits.eq(bits),
            self.hole.eq(needed & ~sight[:_MARKER_MOST]),
            self.filled.eq((begin == 0) & sight[:FILL_BITS].all()),
        ]
        return m

    def _raw_width(self) -> Value:
        """Bits of a raw index: of the highest entry's number, or of an entry without a palette."""
        highest = (self.rules.entries - 1)[:5]
        width: Value = Mux(highest[0], 1, 0)
        for bit in range(1, 5):
            width = Mux(highest[bit], bit + 1, width)
        return Mux(self.rules.entries == 0, self.rules.entry_bits, width)
