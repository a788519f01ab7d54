"""Numbers of a palette to its levels, a whole beat in each cycle."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.bits import picked
from hw.memory import Memory
from hw.packet import Packet
from hw.weights.intake import WORDS_BITS
from hw.weights.ports import COUNT_BITS, POSITION_BITS, Fault, Weights
from hw.weights.sums import less_one, more_one, not_below

__all__ = ["LEVEL_BITS", "NUMBER_BITS", "Palette"]

LEVEL_BITS = 32
"""Bits of a level: float32."""
NUMBER_BITS = 8
"""Bits of a number, and of the count of levels that a table begins with."""


class Palette(wiring.Component):
    """A codebook (golden/weights/deepcomp.py), written as its words pass, looked up in all lanes at once.

    A transfer of the table is a row of the memories, moved by a count's bits so that no level lies in two rows; each
    lane has a memory of its own, and all are written together. Number 0 is zero, number k level k.

    *Cycles*: a row is written two cycles after it passed. A beat leaves one cycle after it came, one in each cycle.

    *Bad tables*: `TABLE` for a level that is not finite, zero or not above the one before it, at its bit of the tables,
    and for tables that do not end with the last level, at its end; `LONG`, there, if the padding is not zero. *Bad
    numbers*: `past`, and the number of the beat's first weight. From either on all weights are zeros.

    Parameters
    ----------
    lanes : int
    row_bits : int
        Bits of a transfer: 128 or 256.

    Members
    -------
    begin : In
        A tensor begins: forget all.
    write, row : In
        A transfer of its tables, the first one at their first bit; bits behind their words are zero.
    words : In
        Words of the tables.
    i : In(stream of Packet(Weights(8, lanes)))
    o : Out(stream of Packet(Weights(32, lanes)))
    fault, position : Out
        Of the table; known four cycles after its last transfer.
    past, weight : Out
        Known with the last beat.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, lanes: int, row_bits: int) -> None:
        if lanes < 1 or lanes & (lanes - 1):
            raise ValueError(f"lanes must be a power of two, not {lanes!r}")
        if row_bits not in (128, 256):
            raise ValueError(f"row_bits must be 128 or 256, not {row_bits!r}")
        self.lanes, self.row_bits, self.row_levels = lanes, row_bits, row_bits // LEVEL_BITS
        self._place_bits = ceil_log2(self.row_levels)
        super().__init__(
            {
                "begin": In(1),
                "write": In(1),
                "row": In(row_bits),
                "words": In(WORDS_BITS),
                "i": In(stream.Signature(Packet(Weights(NUMBER_BITS, lanes)))),
                "o": Out(stream.Signature(Packet(Weights(LEVEL_BITS, lanes)))),
                "fault": Out(Fault),
                "position": Out(POSITION_BITS),
                "past": Out(1),
                "weight": Out(COUNT_BITS),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        # A row, the number of it and whether it is new; what begins in it and ends in the next one.
        row, rest = Signal(self.row_bits, reset_less=True), Signal(LEVEL_BITS - NUMBER_BITS)
        number, fresh, opens = Signal(NUMBER_BITS - self._place_bits), Signal(), Signal()
        count = Signal(NUMBER_BITS)
        m.d.sync += fresh.eq(self.write)
        with m.If(self.write):
            m.d.sync += [row.eq(Cat(rest, self.row)), rest.eq(self.row[-len(rest) :]), opens.eq(0)]
            m.d.sync += number.eq(Mux(opens, 0, more_one(number)))
            with m.If(opens):
                m.d.sync += count.eq(self.row[:NUMBER_BITS])
        with m.If(self.begin):
            m.d.sync += [opens.eq(1), rest.eq(0), count.eq(0)]
        self._judge(m, row, rest, number, fresh, count)
        self._look_up(m, row, number, fresh, count)
        return m

    def _judge(self, m: Module, row: Value, rest: Value, number: Value, fresh: Value, count: Value) -> None:
        """Whether levels and padding are what a table may hold, and the table as long as it says."""
        levels = [row.word_select(k, LEVEL_BITS) for k in range(self.row_levels)]
        # As numbers that ascend with the floats: positive ones above all negative ones, and all above 0.
        keys = [Cat(Mux(level[-1], ~level[:-1], level[:-1]), ~level[-1]) for level in levels]
        above, unfit, stray = Signal(LEVEL_BITS), Signal(self.row_levels), Signal(self.row_levels)
        with m.If(fresh):
            m.d.sync += above.eq(keys[-1])
        # Number 0 is no level: the count stands there.
        is_level = Signal(self.row_levels)
        m.d.comb += is_level.eq(Cat(number != 0, Const(-1, self.row_levels - 1)))
        for k, (level, key) in enumerate(zip(levels, keys, strict=True)):
            before = keys[k - 1] & is_level[k - 1].replicate(LEVEL_BITS) if k else above
            there, alone = not_below(count, Cat(Const(k, self._place_bits), number)), Signal(name=f"alone_{k}")
            m.d.comb += [
                alone.eq((level[:-1] == 0) | level[23:-1].all()),
                unfit[k].eq(fresh & is_level[k] & there & (alone | not_below(before, key))),
                stray[k].eq(fresh & is_level[k] & ~there & level.any()),
            ]
        wrong, strays, first = Signal(), Signal(), Signal(NUMBER_BITS)
        with m.If(unfit.any() & ~wrong):
            which = Signal(self._place_bits)
            for k in reversed(range(self.row_levels)):
                with m.If(unfit[k]):
                    m.d.comb += which.eq(k)
            m.d.sync += [wrong.eq(1), first.eq(less_one(Cat(which, number)))]
        with m.If(stray.any()):
            m.d.sync += strays.eq(1)
        with m.If(self.begin):
            m.d.sync += [above.eq(0), wrong.eq(0), strays.eq(0)]
        m.d.sync += self.position.eq(Cat(Const(NUMBER_BITS, 5), Mux(wrong, first, count)))
        m.d.sync += self.fault.eq(Fault.NONE)
        with m.If(wrong | (self.words != count[1:] + 1)):
            m.d.sync += self.fault.eq(Fault.TABLE)
        with m.Elif(strays | rest.any()):
            m.d.sync += self.fault.eq(Fault.LONG)

    def _look_up(self, m: Module, row: Value, number: Value, fresh: Value, count: Value) -> None:
        step, beats, passes = Signal(), Signal(COUNT_BITS - ceil_log2(self.lanes)), Signal()
        came, sent, past = self.i.payload, self.o.payload, Signal(self.lanes)
        m.d.comb += [
            step.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(step),
            self.weight.eq(Cat(Const(0, COUNT_BITS - len(beats)), beats)),
        ]
        with m.If(step):
            m.d.sync += [self.o.valid.eq(self.i.valid), sent.last.eq(came.last), passes.eq(past.any())]
            m.d.sync += [sent.data[name].eq(came.data[name]) for name in ("tail", "error")]
        with m.If(self.o.valid & self.o.ready & ~self.past):
            m.d.sync += [beats.eq(Mux(passes, beats, more_one(beats))), self.past.eq(passes)]
        with m.If(self.begin):
            m.d.sync += [beats.eq(0), self.past.eq(0)]
        void = passes | self.past | (self.fault != Fault.NONE)
        for lane in range(self.lanes):
            m.submodules[f"memory_{lane}"] = memory = Memory(self.row_bits, (1 << NUMBER_BITS) // self.row_levels)
            wanted = came.data.symbols[lane]
            place, is_level = Signal(self._place_bits, name=f"place_{lane}"), Signal(name=f"is_level_{lane}")
            with m.If(step):
                m.d.sync += [place.eq(wanted), is_level.eq(wanted != 0)]
            levels = [memory.read_data.word_select(k, LEVEL_BITS) for k in range(self.row_levels)]
            m.d.comb += [
                memory.write.eq(fresh),
                memory.write_address.eq(number),
                memory.write_data.eq(row),
                memory.read.eq(step),
                memory.read_address.eq(wanted[self._place_bits :]),
                past[lane].eq(wanted > count),
                sent.data.symbols[lane].eq(picked(levels, place) & (is_level & ~void).replicate(LEVEL_BITS)),
            ]
