"""Canonical Huffman codes: one codeword, and several in a row, out of a window of the stream.

*Why one stream with a window.* Entry points would let several decoders work at once, each on a block of its own; but
weights must come out in order, so that all but one of them would need memory for a whole block. Here S codewords are
read in every cycle, one behind the other. What makes that fast is that only *lengths* are in the loop from one codeword
to the next, and only the first codeword of a cycle may be long: the others have at most `SHORT` bits, and a longer one
waits and is the first of the next cycle. Of codewords that are chosen by count few are longer.

*Length.* Left-aligned, the codewords of a canonical code ascend with their length, so a codeword has more than l bits
where the next l bits of the stream, as a number, are not below `limit_l`, the number above the last codeword of l bits.
All lengths are compared at once: five levels of multiplexers for 15 bits, and the comparisons together are the length
in unary. *Symbol*, one cycle later: the codeword plus `base_l` is its place in the order of codewords; a memory holds
the symbols in that order (hw/weights/code_loader.py fills it).
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.weights.canonical import LONGEST, MOST_SYMBOLS

__all__ = ["INDEX_BITS", "PLACE_BITS", "SHORT", "Code", "CodeLane", "CodeWindow", "window_bits"]

SHORT = 8
"""Most bits of a codeword that is not the first of its cycle."""
INDEX_BITS = ceil_log2(MOST_SYMBOLS)
PLACE_BITS = 6
"""Bits of a place in a payload word."""


class Code(data.StructLayout):
    """A canonical code.

    `limit_l`: the first number above the codewords of l bits, as a number of l bits, 0..2**l. `base_l`: what makes a
    codeword of l bits its place in the order of codewords, mod 512.
    """

    def __init__(self) -> None:
        limits = {f"limit_{length}": length + 1 for length in range(1, LONGEST + 1)}
        super().__init__(limits | {f"base_{length}": INDEX_BITS for length in range(1, LONGEST + 1)})


def window_bits(slots: int) -> int:
    """Bits that `slots` codewords have at most."""
    return LONGEST + (slots - 1) * SHORT


def _not_below(number: Value, limit: Value) -> Value:
    """``number >= limit``, as a tree of multiplexers: the higher part decides unless it is equal."""
    differs: list[Value] = [number[k] ^ limit[k] for k in range(len(number))]
    above: list[Value] = [number[0] | ~limit[0], *(number[k] for k in range(1, len(number)))]
    differs.append(limit[-1])
    above.append(Const(0, 1))
    while len(above) > 1:
        pairs = range(0, len(above) - 1, 2)
        odd = slice(len(above) & ~1, None)
        above, differs = (
            [*(Mux(differs[k + 1], above[k + 1], above[k]) for k in pairs), *above[odd]],
            [*(differs[k] | differs[k + 1] for k in pairs), *differs[odd]],
        )
    return above[0]


def _pick(values: list[Value], select: Value) -> Value:
    """One of as many values as `select` has numbers, as a tree that uses its top bit first."""
    if len(values) == 1:
        return values[0]
    half = 1 << (len(select) - 1)
    if len(values) <= half:
        return _pick(values, select[:-1])
    low, high = _pick(values[:half], select[:-1]), _pick(values[half:], select[:-1])
    return Mux(select[-1], high, low)


def _unary_to_binary(longer: list[Value]) -> list[Value]:
    """How many of ``2**n - 1`` flags are set, which are set from the first one on; the top bit needs no gate."""
    if len(longer) == 1:
        return [longer[0]]
    half = len(longer) // 2
    top = longer[half]
    rest = [Mux(top, high, low) for low, high in zip(longer[:half], longer[half + 1 :], strict=True)]
    return [*_unary_to_binary(rest), top]


class CodeLane(wiring.Component):
    """One codeword: its length at once, its place in the order of codewords one step later.

    Parameters
    ----------
    longest : int
        Bits of the longest codeword that is seen: 15 or 8.

    Members
    -------
    sight : In
        The next bits of the stream.
    second : In
        The codeword is of the second code.
    codes : In
    step : In
        Go on: what is seen now is looked up in the next step.
    size_less_1 : Out
        Bits of the codeword less 1.
    unknown : Out
        No codeword, or a longer one.
    index : Out
        One step later: place in the order of codewords, the code's number on top.
    """

    def __init__(self, longest: int) -> None:
        if longest not in (SHORT, LONGEST):
            raise ValueError(f"longest must be {SHORT} or {LONGEST}, not {longest!r}")
        self.longest = longest
        super().__init__(
            {
                "sight": In(longest),
                "second": In(1),
                "codes": In(Code()).array(2),
                "step": In(1),
                "size_less_1": Out(ceil_log2(longest)),
                "unknown": Out(1),
                "index": Out(INDEX_BITS + 1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        first, second = self.codes
        longer = []
        for length in range(1, self.longest + 1):
            number, limit = Cat(reversed(self.sight[:length])), Signal(length + 1, name=f"limit_{length}")
            flag = Signal(name=f"longer_{length}")
            m.d.comb += limit.eq(Mux(self.second, second[f"limit_{length}"], first[f"limit_{length}"]))
            m.d.comb += flag.eq(_not_below(number, limit))
            longer.append(flag)
        top = (1 << len(self.size_less_1)) - 1
        m.d.comb += [self.unknown.eq(longer[-1]), self.size_less_1.eq(Cat(_unary_to_binary(longer[:top])))]

        seen, size_less_1 = Signal(self.longest, reset_less=True), Signal.like(self.size_less_1, reset_less=True)
        is_second, base = Signal(reset_less=True), Signal(INDEX_BITS)
        with m.If(self.step):
            m.d.sync += [seen.eq(self.sight), size_less_1.eq(self.size_less_1), is_second.eq(self.second)]
        bases = [Mux(is_second, second[f"base_{n}"], first[f"base_{n}"]) for n in range(1, self.longest + 1)]
        # All lengths at one end: shifting by what is missing leaves the codeword as a number.
        aligned = Cat(Const(0, top + 1 - self.longest), reversed(seen))
        m.d.comb += [
            base.eq(_pick(bases, size_less_1)),
            self.index.eq(Cat(((aligned >> ~size_less_1)[:INDEX_BITS] + base)[:INDEX_BITS], is_second)),
        ]
        return m


class CodeWindow(wiring.Component):
    """`slots` codewords of one stream in a cycle, of two codes in turn.

    A codeword of the first code (a run) is followed by one of the second (a weight), this by one of the first. The
    *escape* of the first code is followed by one of the first. With `dense` all are of the second code.

    Parameters
    ----------
    slots : int

    Members
    -------
    sight, place : In
        The next bits of the stream, and where they begin in their word.
    second, dense : In
        Whether the first codeword is of the second code; whether all are.
    alone : In
        Take no more than the first codeword.
    codes : In
    escapes, escape, escape_mask : In
        The escape's codeword, left-aligned, first bit lowest, and which of its bits count; if there is one.
    step : In
        As of `CodeLane`.
    taken : Out
        The codewords that are taken. The first is, whatever it is.
    seconds : Out
        Which of them are of the second code.
    sizes : Out
        Bits of each less 1.
    unknown : Out
        The first is no codeword.
    behind : Out
        Place behind those that are taken; with a bit more.
    next_second : Out
        Which code goes on.
    indices : Out
        One step later: their places in the order of codewords.
    """

    def __init__(self, slots: int) -> None:
        if slots < 1:
            raise ValueError(f"slots must be 1 or more, not {slots!r}")
        self.slots = slots
        super().__init__(
            {
                "sight": In(window_bits(slots)),
                "place": In(PLACE_BITS),
                "second": In(1),
                "dense": In(1),
                "alone": In(1),
                "codes": In(Code()).array(2),
                "escapes": In(1),
                "escape": In(LONGEST),
                "escape_mask": In(LONGEST),
                "step": In(1),
                "taken": Out(slots),
                "seconds": Out(slots),
                "sizes": Out(4).array(slots),
                "unknown": Out(1),
                "behind": Out(PLACE_BITS + 1),
                "next_second": Out(1),
                "indices": Out(INDEX_BITS + 1).array(slots),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        sight: Value = self.sight
        place: Value = self.place
        second: Value = self.second
        taken: Value = Const(1, 1)
        for k in range(self.slots):
            m.submodules[f"lane_{k}"] = lane = CodeLane(SHORT if k else LONGEST)
            if k:
                taken = taken & ~self.alone & ~lane.unknown
            else:
                m.d.comb += self.unknown.eq(lane.unknown)
            bits = lane.longest
            escaping, after, behind = Signal(name=f"escaping_{k}"), Signal(name=f"after_{k}"), Signal(PLACE_BITS + 1)
            wrong = (sight[:bits] ^ self.escape[:bits]) & self.escape_mask[:bits]
            m.d.comb += [
                lane.sight.eq(sight[:bits]),
                lane.second.eq(second),
                *(lane.codes[n].eq(self.codes[n]) for n in range(2)),
                lane.step.eq(self.step),
                escaping.eq(self.escapes & ~wrong.any()),
                after.eq(self.dense | ~(second | escaping)),
                # One more than the sum, by a carry.
                behind.eq(Mux(taken, (Cat(Const(1, 1), place) + Cat(Const(1, 1), lane.size_less_1))[1:], place)),
                self.taken[k].eq(taken),
                self.seconds[k].eq(second),
                self.sizes[k].eq(lane.size_less_1),
                self.indices[k].eq(lane.index),
            ]
            rest = sight[1:]
            for b in reversed(range(len(lane.size_less_1))):
                rest = Mux(lane.size_less_1[b], rest[1 << b :], rest)
            sight, place = rest[: (self.slots - 1 - k) * SHORT], behind
            with m.If(taken):
                m.d.comb += self.next_second.eq(after)
            second = after
        m.d.comb += self.behind.eq(place)
        return m
