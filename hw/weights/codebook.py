"""From the number of a centroid to the centroid."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.memory import Memory

__all__ = ["Codebook"]


class Codebook(wiring.Component):
    """A table of levels, written at run time, looked up in all lanes at once: number 0 is zero, number k level k.

    *Latency*: one step. Each lane has a memory of its own, and all are written together. A number past the levels is
    told, and its level is whatever the memory holds.

    Parameters
    ----------
    value_bits : int
        Bits of a level: 32 for float32, 8 for int8; the table does not look at them.
    lanes : int
        Numbers that are looked up at once.
    levels : int
        Most levels, zero not counted: 1..255.

    Members
    -------
    clear : In
        Forget all levels.
    write, value : In
        The next level.
    count : Out
        Levels so far.
    step : In
        Go on: the numbers of now are looked up in the next step.
    numbers : In
    past : Out
        Numbers (of now) past the levels.
    values : Out
        One step later.
    """

    def __init__(self, value_bits: int = 32, lanes: int = 1, levels: int = 255) -> None:
        if value_bits < 1:
            raise ValueError(f"value_bits must be 1 or more, not {value_bits!r}")
        if lanes < 1:
            raise ValueError(f"lanes must be 1 or more, not {lanes!r}")
        if not 1 <= levels <= 255:
            raise ValueError(f"levels must be in 1..255, not {levels!r}")
        self.value_bits, self.lanes, self.levels = value_bits, lanes, levels
        self.number_bits = ceil_log2(levels + 1)
        super().__init__(
            {
                "clear": In(1),
                "write": In(1),
                "value": In(value_bits),
                "count": Out(self.number_bits),
                "step": In(1),
                "numbers": In(self.number_bits).array(lanes),
                "past": Out(lanes),
                "values": Out(value_bits).array(lanes),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        number = Signal(self.number_bits)
        m.d.comb += number.eq(self.count + 1)
        with m.If(self.clear):
            m.d.sync += self.count.eq(0)
        with m.Elif(self.write):
            m.d.sync += self.count.eq(number)
        for k in range(self.lanes):
            m.submodules[f"memory_{k}"] = memory = Memory(self.value_bits, self.levels + 1)
            is_zero = Signal(name=f"is_zero_{k}", init=1)
            m.d.comb += [
                memory.write.eq(self.write),
                memory.write_address.eq(number),
                memory.write_data.eq(self.value),
                memory.read.eq(self.step),
                memory.read_address.eq(self.numbers[k]),
                self.past[k].eq(self.numbers[k] > self.count),
                self.values[k].eq(Mux(is_zero, 0, memory.read_data)),
            ]
            with m.If(self.step):
                m.d.sync += is_zero.eq(self.numbers[k] == 0)
        return m
