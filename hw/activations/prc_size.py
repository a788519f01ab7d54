"""How long a stream of prc gets, known when its tile is coded."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from golden.activations.prc import PrcFormat

__all__ = ["SizeCounter", "saved_bits"]


def saved_bits(fmt: PrcFormat, tile: tuple[int, int, int]) -> int:
    """Bits of the number of bits that a stream saves against its symbols as they are."""
    return bits_for(tile[0] * tile[1] * tile[2] * fmt.word_bits)


class SizeCounter(wiring.Component):
    """Numbers the units from 1 on as lanes ask for them; a stream ends with the highest number that a lane used.

    A lane has asked for one unit behind its last one, or for two. So three numbers a lane are kept.

    Members
    -------
    put, opening, active, asks : In
        A step is put, it is its tile's first; lanes that have a plane, and those that ask before it.
    end, lanes, ahead : In
        Behind the last step: the tile is coded; lanes that it began with; those that would have asked next.
    valid, saved : Out
        Three cycles later: bits that the stream saves against the symbols as they are, 0 if it does not.
    """

    def __init__(self, fmt: PrcFormat, tile: tuple[int, int, int]) -> None:
        self._fmt, self._tile = fmt, tile
        super().__init__(
            {
                **dict.fromkeys(("put", "opening", "end"), In(1)),
                **dict.fromkeys(("active", "asks", "ahead"), In(fmt.lanes)),
                "lanes": In(3),
                "valid": Out(1),
                "saved": Out(saved_bits(fmt, tile)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fmt, lanes = self._fmt, self._fmt.lanes
        height, width, channels = self._tile
        most = 2 * lanes + lanes * height * width * -(-channels // lanes)
        asked, symbols = Signal(range(most + 2)), Signal(range(height * width * channels + 1))
        count = sum(self.active)
        with m.If(self.put & self.opening):
            m.d.sync += [asked.eq((count << 1) + 1), symbols.eq(count)]
        with m.Elif(self.put):
            m.d.sync += [asked.eq(asked + sum(self.asks)), symbols.eq(symbols + count)]
        used = []
        for lane in range(lanes):
            numbers = [Signal(len(asked), name=f"number_{lane}_{n}", reset_less=True) for n in range(3)]
            with m.If(self.put & self.opening):
                m.d.sync += [numbers[0].eq(2 * lane + 2), numbers[1].eq(2 * lane + 1)]
            with m.Elif(self.put & self.asks[lane]):
                m.d.sync += [
                    numbers[0].eq(asked + sum(self.asks[:lane])),
                    numbers[1].eq(numbers[0]),
                    numbers[2].eq(numbers[1]),
                ]
            number = Signal(len(asked), name=f"used_{lane}")
            m.d.comb += number.eq(
                Mux(self.ahead[lane], numbers[1], numbers[2]) & (self.lanes > lane).replicate(len(asked))
            )
            used.append(number)
        # Pairs, then the last of all, and what is left of the symbols.
        pairs = []
        for n, (one, other) in enumerate(zip(used[::2], used[1::2], strict=True)):
            pair = Signal(len(asked), name=f"pair_{n}", reset_less=True)
            m.d.sync += pair.eq(Mux(one > other, one, other))
            pairs.append(pair)
        ended, measured = Signal(), Signal()
        total, paired_total = (Signal(len(symbols), name=n, reset_less=True) for n in ("total", "paired_total"))
        unit_symbols = fmt.unit_bits // fmt.word_bits
        length, saved = Signal(len(asked), reset_less=True), Signal(signed(1 + len(asked) + ceil_log2(unit_symbols)))
        # The upper bits are ready for a borrow and for none.
        sent, lower = Cat(Const(0, ceil_log2(unit_symbols)), length), len(saved) // 2
        low = total[:lower] - sent[:lower]
        high, high_less_1 = (total[lower:] - sent[lower:] - borrow for borrow in (0, 1))
        m.d.comb += saved.eq(Cat(low[:lower], Mux(low[lower], high_less_1, high)))
        m.d.sync += [
            ended.eq(self.end),
            paired_total.eq(symbols),
            measured.eq(ended),
            total.eq(paired_total),
            length.eq(Mux(pairs[0] > pairs[1], pairs[0], pairs[1])),
            self.valid.eq(measured),
            self.saved.eq(Mux(saved[-1], 0, Cat(Const(0, ceil_log2(fmt.word_bits)), saved[:-1]))),
        ]
        return m
