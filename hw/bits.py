"""Fields of varying size to words: the packer. Words to fields: `window`."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

__all__ = ["Packer", "any_of", "by_count", "picked", "rotated", "window"]


def any_of(values: Sequence[Value]) -> Value:
    """The OR of some values of one width, as a tree."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    return any_of(values[:half]) | any_of(values[half:])


def picked(values: Sequence[Value], index: Value) -> Value:
    """The value at `index`, by a multiplexer a bit; beyond the last one any."""
    values = list(values)
    for k in range(ceil_log2(len(values))):
        pairs = zip(values[::2], values[1::2], strict=False)
        values = [Mux(index[k], odd, even) for even, odd in pairs] + values[len(values) & ~1 :]
    return values[0]


def rotated(values: Sequence[Value], amount: Value) -> list[Value]:
    """A power of two of values, each `amount` places further on."""
    for k in range(ceil_log2(len(values))):
        values = [Mux(amount[k], values[at - (1 << k)], value) for at, value in enumerate(values)]
    return list(values)


def by_count(choices: Sequence[Value], takes: Value) -> Value:
    """The choice whose number is how many bits of `takes` are set, from bit 0 without a gap.

    In gates: synthesis moves what multiplexers have in common behind them, but here `takes` is what comes last.
    """
    picks = [~takes[0], *(takes[k - 1] & ~takes[k] for k in range(1, len(takes))), takes[-1]]
    return any_of([choice & one.replicate(len(choice)) for choice, one in zip(choices, picks, strict=True)])


def window(low: Value, high: Value, place: Value, bits: int) -> Value:
    """The `bits` bits that follow bit `place` of the words `low` and `high`: place 0 is bit 1 of `low`.

    So `place` runs over a whole word and its last value means the beginning of `high`: a pointer that is at the end of
    a word need not know the next one.
    """
    # The largest shift first: what it leaves is narrow.
    sight: Value = Cat(low[1:], high[:bits])
    for k in reversed(range(len(place))):
        sight = Mux(place[k], sight[1 << k :], sight)[: bits + (1 << k) - 1]
    return sight


class Packer(wiring.Component):
    """Packs fields one behind the other into words, from bit 0 of a fresh word for each tile.

    A field is taken each cycle in which the sink is ready. A word is written in the cycle that fills it or takes the
    tile's last field; what this field has beyond the word is written in the next cycle, which takes the next tile's
    first field.

    Parameters
    ----------
    width : int
        Bits of a word, a power of two.
    field_bits : int
        Most bits of a field, at most `width`.

    Members
    -------
    valid, field, size, last : In
        `size` bits of `field` (0 is legal), the rest of which are zero; `last` of its tile.
    ready : Out
        The field is taken now.
    write, word : Out
        A full word, or the last of a tile filled up with zeros.
    end : Out
        The tile ends with the word that is written now or, if none is, with the one written before.
    writable, endable : In
        A word can be written, a tile can end. A packer does neither without.
    """

    def __init__(self, width: int, field_bits: int) -> None:
        if width < 2 or width & (width - 1):
            raise ValueError(f"width must be a power of two of at least 2, not {width!r}")
        if not 1 <= field_bits <= width:
            raise ValueError(f"field_bits must be in 1..{width}, not {field_bits!r}")
        self.width, self.field_bits = width, field_bits
        super().__init__(
            {
                "valid": In(1),
                "field": In(field_bits),
                "size": In(bits_for(field_bits)),
                "last": In(1),
                "ready": Out(1),
                "write": Out(1),
                "word": Out(width),
                "end": Out(1),
                "writable": In(1),
                "endable": In(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        width, place_bits = self.width, ceil_log2(self.width)
        held, place = Signal(width, reset_less=True), Signal(place_bits)
        # A whole word is held: the remainder of a tile (`closing`), or a field as wide as a word behind such a one.
        full, closing = Signal(), Signal()
        wide = self.field_bits == width
        if not wide:
            closing = full
        go, take, fills, behind = Signal(), Signal(), Signal(), Signal()
        total, shifted = Signal(place_bits + 1), Signal(width + self.field_bits - 1)
        upper = Signal(self.field_bits)

        # Behind a full word the field goes to the next one: `place` is 0 then and stands for the word's width.
        m.d.comb += [
            go.eq(self.writable & (~closing | self.endable)),
            self.ready.eq(go & (~self.last | self.endable)),
            take.eq(self.valid & self.ready),
            total.eq(place + self.size),
            shifted.eq(self.field << place),
            upper.eq(shifted[width:] | (self.field & (full & take).replicate(self.field_bits))),
            self.word.eq(
                held
                | Cat(shifted[: self.field_bits] & (~full).replicate(self.field_bits), shifted[self.field_bits : width])
            ),
            # A tile's last word is written as it is, unless the field goes past it.
            fills.eq(total[-1] | (self.last & (total != 0))),
            behind.eq(full | (total[-1] & (total[:-1] != 0))),
            self.write.eq((go & full) | (take & fills)),
            self.end.eq((go & closing) | (take & self.last & ~behind)),
        ]
        with m.If(take):
            m.d.sync += [place.eq(Mux(self.last, 0, total)), closing.eq(self.last & behind)]
        with m.Elif(go):
            m.d.sync += closing.eq(0)
        # Nothing is held when a tile begins, nor after reset: the first field comes later than the first cycle.
        with m.If((go & full) | (take & fills) | (~self.valid & ~full & (place == 0))):
            m.d.sync += held.eq(upper)
        with m.Elif(take):
            m.d.sync += held.eq(self.word)
        if wide:
            with m.If(take):
                m.d.sync += full.eq((self.last & behind) | (full & total[-1]))
            with m.Elif(go):
                m.d.sync += full.eq(0)
        return m
