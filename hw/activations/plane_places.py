"""Where four planes lie that are told in step: rows of four symbols, plane after plane, in four memories.

Symbol ``n`` of four planes of ``p`` places, counted plane after plane, is of row ``n // 4``; all symbols of a row lie
at its address, one in each memory. A row is turned so far that the symbols at one place of the four planes lie in four
different memories, too: ``q`` symbols in plane ``q`` if ``p`` is a multiple of 4; three in planes 2 and 3 if ``p`` is
even else; not at all if ``p`` is odd. So memory ``(place + shift) % 4`` has the symbol of a plane, with `SHIFTS`.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.bits import rotated

__all__ = ["LANES", "PlanePlaces", "from_memories", "ring_rows", "row_turn", "to_memories"]

LANES = 4
# Shifts of planes 0 to 3 by the places of a plane mod 4.
SHIFTS = ((0, 1, 2, 3), (0, 1, 2, 3), (0, 2, 3, 1), (0, 3, 2, 1))


def ring_rows(tile: tuple[int, int, int]) -> int:
    """Rows of a memory for twice four planes, a power of two, at least 16."""
    rows = 16
    while rows < 2 * tile[0] * tile[1]:
        rows *= 2
    return rows


def to_memories(values: list[Value], places: Value, place: Value) -> list[Value]:
    """What goes to each memory, of values by plane: `places` of a plane and the `place` of the symbols, both mod 4."""
    by_shift = []
    for shift in range(LANES):
        odd, even, three = (values[SHIFTS[kind].index(shift)] for kind in (1, 2, 3))
        by_shift.append(Mux(places[1], Mux(places[0], three, even), odd))
    return rotated(by_shift, place)


def from_memories(values: list[Value], places: Value, place: Value) -> list[Value]:
    """What comes of each plane, of values by memory; see `to_memories`."""
    by_shift = rotated(values, -place)
    return [
        Mux(places[1], Mux(places[0], by_shift[SHIFTS[3][q]], by_shift[SHIFTS[2][q]]), by_shift[q])
        for q in range(LANES)
    ]


def row_turn(places: Value, plane: Value) -> Value:
    """By how many memories a row is turned that begins in plane `plane`."""
    return Mux(places[0], 0, Mux(places[1], Cat(plane[1], plane[1]), plane))


class PlanePlaces(wiring.Component):
    """Numbers of the symbols at one place of four planes, place after place.

    Members
    -------
    step, plane_end : In
        Go on; these are the last symbols of their planes.
    places, triple : In
        Symbols of a plane, and of three.
    base : In
        Row in which the planes begin, with the first place of each four.
    numbers : Out
        Number of each plane's symbol: its row, and two bits that tell which of the row.
    """

    def __init__(self, places_bits: int, row_bits: int) -> None:
        self._bits = row_bits + 2
        super().__init__(
            {
                "step": In(1),
                "plane_end": In(1),
                "places": In(places_bits),
                "triple": In(places_bits + 2),
                "base": In(row_bits),
                "numbers": Out(row_bits + 2).array(LANES),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        first = Signal(init=1)
        parts = (0, self.places, Cat(Const(0, 1), self.places), self.triple)
        for lane, part in enumerate(parts):
            kept = Signal(self._bits, name=f"kept_{lane}", reset_less=True)
            m.d.comb += self.numbers[lane].eq(Mux(first, Cat(Const(0, 2), self.base) + part, kept))
            with m.If(self.step):
                m.d.sync += kept.eq(self.numbers[lane] + 1)
        with m.If(self.step):
            m.d.sync += first.eq(self.plane_end)
        return m
