"""Canonical Huffman codes: up to three codewords in a cycle, out of a window of the stream.

*Why one stream with a window.* Entry points would let several decoders work at once, each on a block of its own; but
weights must come out in order, so that all but one of them would need memory for a whole block. Here up to three
codewords are read in a cycle, one behind the other. All that the next cycle needs to know is their lengths, and these
are not found one after the other: the second codeword's length is worked out for each place at which it can begin, so
is the third's, and then chosen. To keep that small, only the first codeword may be long: the second has at most 8 bits
and begins within 8 bits, the third has at most 5. What is longer waits and is the next cycle's first. Codewords that
are chosen by count are mostly short: on EfficientNet-Lite0 pruned to 90 % zeros, relative index of 4 bits, one, two and
three codewords a cycle make 3.9, 7.4 and 9.3 weights a cycle, tables included.

*Length.* Left-aligned, the codewords of a canonical code ascend with their length, so a codeword has more than l bits
where the next l bits of the stream, as a number, are not below `limit_l`, the number above the last codeword of l bits.
All lengths are compared at once, and the comparisons together are the length in unary. *Symbol*, one cycle later: the
codeword plus `base_l` is its place in the order of codewords; a memory holds the symbols in that order
(hw/weights/code_loader.py fills it).
"""

from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from golden.weights.canonical import LONGEST, MOST_SYMBOLS
from hw.bits import any_of
from hw.weights.sums import not_below, shifted, total

__all__ = ["INDEX_BITS", "LONGEST_OF_SLOT", "SIGHT_BITS", "SIZE_BITS", "WINDOW_BITS", "Code", "CodeIndex", "CodeWindow"]

LONGEST_OF_SLOT = (LONGEST, 8, 5)
"""Most bits of the first, second and third codeword of a cycle; the second begins within as many as it may have."""
WINDOW_BITS = 21
"""Bits that codewords are found in: two of 8 and one of 5, or one of 15."""
SIGHT_BITS = 2 * WINDOW_BITS
"""Bits of which the next cycle's are chosen."""
SIZE_BITS = bits_for(WINDOW_BITS)
INDEX_BITS = ceil_log2(MOST_SYMBOLS)


class Code(data.StructLayout):
    """A canonical code.

    `limit_l`: the first number above the codewords of l bits, as a number of l bits, 0..2**l. `base_l`: what makes a
    codeword of l bits its place in the order of codewords, two's complement: more than ``-2**l`` if there is one, and 0
    at most, since no place is above the codeword.
    """

    def __init__(self) -> None:
        limits = {f"limit_{length}": length + 1 for length in range(1, LONGEST + 1)}
        super().__init__(limits | {f"base_{length}": min(length + 1, INDEX_BITS) for length in range(1, LONGEST + 1)})


def _pick(values: list[Value], select: Value) -> Value:
    """One of at most ``2**len(select)`` values, as a tree that looks at the top bit last."""
    if len(values) == 1:
        return values[0]
    half = 1 << (len(select) - 1)
    if len(values) <= half:
        return _pick(values, select[:-1])
    return Mux(select[-1], _pick(values[half:], select[:-1]), _pick(values[:half], select[:-1]))


def _marks(longer: list[Value]) -> list[Value]:
    """Of lengths 1, 2, ...: which it is, where all below are `longer` and it is not; none if all are."""
    return [~longer[0], *(below & ~here for below, here in pairwise(longer))]


def _number(flags: list[Value]) -> Value:
    """How many of the ``2**n - 1`` flags are set, of which the first are."""
    half = len(flags) // 2
    if not half:
        return flags[0]
    low, high = _number(flags[:half]), _number(flags[half + 1 :])
    return Cat((low & ~flags[half].replicate(len(low))) | high, flags[half])


def _among(marks: list[Value], values: list[Value]) -> Value:
    """The value that is marked, zero if none is: all at once, where a tree of choices would be three gates a choice."""
    bits = max(len(value) for value in values)
    return any_of(
        [
            Cat(value, Const(0, bits - len(value))) & mark.replicate(bits)
            for mark, value in zip(marks, values, strict=True)
        ]
    )


class CodeIndex(wiring.Component):
    """The place of a codeword in the order of codewords, one step after its length is known.

    Parameters
    ----------
    longest : int
        Bits of the longest codeword.

    Members
    -------
    sight, size_less_1, second : In
        The stream from the codeword on, the codeword's bits less 1, and whether it is of the second code.
    codes : In
    step : In
        Go on: what is seen now is looked up in the next step.
    index : Out
        One step later: its place, the code's number on top.
    """

    def __init__(self, longest: int) -> None:
        if not 1 <= longest <= LONGEST:
            raise ValueError(f"longest must be in 1..{LONGEST}, not {longest!r}")
        self.longest = longest
        super().__init__(
            {
                "sight": In(longest),
                "size_less_1": In(ceil_log2(longest)),
                "second": In(1),
                "codes": In(Code()).array(2),
                "step": In(1),
                "index": Out(INDEX_BITS + 1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        first, second = self.codes
        seen, size_less_1 = Signal(self.longest, reset_less=True), Signal.like(self.size_less_1, reset_less=True)
        is_second = Signal(reset_less=True)
        with m.If(self.step):
            m.d.sync += [seen.eq(self.sight), size_less_1.eq(self.size_less_1), is_second.eq(self.second)]
        bases = [
            Mux(is_second, second[f"base_{n}"], first[f"base_{n}"]).as_signed() for n in range(1, self.longest + 1)
        ]
        # All lengths at one end: shifting by what is missing leaves the codeword as a number.
        aligned = Cat(Const(0, (1 << len(size_less_1)) - self.longest), reversed(seen))
        number = shifted(m, aligned, ~size_less_1, INDEX_BITS)
        base = Signal(INDEX_BITS)
        m.d.comb += base.eq(_pick(bases, size_less_1))
        index = total(number, base, INDEX_BITS)
        m.d.comb += self.index.eq(Cat(index, is_second))
        return m


class CodeWindow(wiring.Component):
    """Up to `slots` codewords of one stream in a cycle, of two codes in turn.

    A codeword of the first code (a run) is followed by one of the second (a weight), this by one of the first. The
    *escape* of the first code is followed by one of the first, and ends the cycle. With `dense` all are of the second.

    Parameters
    ----------
    slots : int
        1..3.

    Members
    -------
    sight : In
        The next bits of the stream; codewords lie in the first `WINDOW_BITS` of them.
    open, dense : In
        A block begins in the next cycle; whether all its codewords are of the second code.
    take : In
        Go on behind the codewords that are taken.
    alone : In
        Take no more than the first codeword.
    codes : In
    escapes, escape, escape_mask : In
        The escape's codeword, first bit lowest, and which bits it has; if there is one.
    step : In
        As of `CodeIndex`.
    taken : Out
        The codewords that are taken. The first is, whatever it is.
    seconds : Out
        Which of them are of the second code.
    sizes : Out
        Bits of each less 1.
    longer : Out
        Which numbers of bits, from 1 on, are less than the first one's; all if it is no codeword.
    size : Out
        Bits of all that are taken.
    following : Out
        The bits behind them.
    indices : Out
        One step later: their places in the order of codewords.
    """

    def __init__(self, slots: int) -> None:
        if not 1 <= slots <= len(LONGEST_OF_SLOT):
            raise ValueError(f"slots must be in 1..{len(LONGEST_OF_SLOT)}, not {slots!r}")
        self.slots = slots
        super().__init__(
            {
                "sight": In(SIGHT_BITS),
                "open": In(1),
                "dense": In(1),
                "take": In(1),
                "alone": In(1),
                "codes": In(Code()).array(2),
                "escapes": In(1),
                "escape": In(LONGEST),
                "escape_mask": In(LONGEST),
                "step": In(1),
                "taken": Out(slots),
                "seconds": Out(slots),
                "sizes": Out(ceil_log2(LONGEST)).array(slots),
                "longer": Out(LONGEST),
                "size": Out(SIZE_BITS),
                "following": Out(WINDOW_BITS),
                "indices": Out(INDEX_BITS + 1).array(slots),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        # Codes take turns, so the third codeword's is the first's. Their limits are chosen a cycle ahead.
        second, others, following_second = Signal(), Signal(), Signal()
        m.d.comb += others.eq(self.dense | ~second)
        turns = [second, others, second]
        next_second = (self.dense & self.open) | (following_second & ~self.open)
        even, odd = self._limits("even"), self._limits("odd")
        with m.If(self.open | self.take):
            m.d.sync += second.eq(next_second)
            for limits, turn in ((even, next_second), (odd, self.dense | ~next_second)):
                for limit, pair in zip(
                    limits, zip(*(self._limits_of(code) for code in self.codes), strict=True), strict=True
                ):
                    m.d.sync += limit.eq(Mux(turn, pair[1], pair[0]))

        # What is found at the place of each codeword: its length in unary, whether it is the escape, where it ends.
        window, (_, short, least) = self.sight, LONGEST_OF_SLOT
        longer = self._longer(m, window, even, LONGEST, "first")
        marks = _marks(longer)
        found = [self._found(window, longer, 0, 0)]
        if self.slots > 1:
            flags = [self._longer(m, window[n:], odd, short, f"second_{n}") for n in range(1, short + 1)]
            at = [self._found(window[n:], flags[n - 1], n, n) for n in range(1, short + 1)]
            found.append(_among(marks[:short], at))
        if self.slots > 2:
            # The first two end 2 to 16 bits behind the beginning. Chosen by both lengths and not by their sum.
            third = {}
            for n in range(2, 2 * short + 1):
                longer_here = self._longer(m, window[n:], even, least, f"third_{n}")
                third[n] = self._found(window[n:], longer_here, n, n)
            behind = [
                _among(_marks(flags[n - 1]), [third[n + size] for size in range(1, short + 1)])
                for n in range(1, short + 1)
            ]
            found.append(_among(marks[:short], behind))

        # What follows the codewords that are taken: where they end, which code goes on, the bits.
        follows: Value = Const(1, 1)
        escaping: Value = Const(0, 1)
        reached: Value = Const(0, 1)
        sight = window
        for k in range(self.slots):
            most, size_bits = LONGEST_OF_SLOT[k], ceil_log2(LONGEST_OF_SLOT[k])
            here = Signal(len(found[k]), name=f"found_{k}")
            m.d.comb += here.eq(found[k])
            longer_here, end = [here[n] for n in range(most)], here[-SIZE_BITS:]
            unknown, may = longer_here[-1], follows & ~escaping
            if k == 1:
                may = may & ~self.alone & ~longer[short - 1]
            follows, escaping = Signal(name=f"follows_{k}"), Signal(name=f"escaping_{k}")
            size_less_1 = Signal(size_bits, name=f"size_less_1_{k}")
            padded = [*longer_here, *[Const(0, 1)] * (1 << size_bits)][: (1 << size_bits) - 1]
            after = self.dense | (Mux(unknown, turns[k], ~turns[k] & ~escaping) if k else ~turns[k] & ~escaping)
            reached = Mux(may, Cat(end, after), reached) if k else Cat(end, after)
            m.submodules[f"index_{k}"] = index = CodeIndex(most)
            m.d.comb += [
                escaping.eq(here[most] & ~turns[k]),
                follows.eq(may & ~unknown if k else 1),
                size_less_1.eq(_number(padded)),
                index.sight.eq(sight),
                index.size_less_1.eq(size_less_1),
                index.second.eq(turns[k]),
                *(index.codes[n].eq(self.codes[n]) for n in range(2)),
                index.step.eq(self.step),
                self.taken[k].eq(follows),
                self.seconds[k].eq(turns[k]),
                self.sizes[k].eq(size_less_1),
                self.indices[k].eq(index.index),
            ]
            # The longest codewords are alone.
            bits = WINDOW_BITS + sum(LONGEST_OF_SLOT[k + 1 : self.slots])
            values = [sight[n : n + (bits if n <= short else WINDOW_BITS)] for n in range(1, most + 1)]
            behind_it = _marks(longer_here)
            if k:
                behind_it = [mark & may for mark in behind_it] + [~follows]
                values.append(sight[:bits])
            sight = Signal(bits, name=f"behind_{k}")
            m.d.comb += sight.eq(_among(behind_it, values))
        m.d.comb += [
            self.longer.eq(Cat(longer)),
            Cat(self.size, following_second).eq(reached),
            self.following.eq(sight),
        ]
        return m

    def _limits(self, name: str) -> list[Signal]:
        """Registers for the limits of the code whose turn it is."""
        return [Signal(length + 1, name=f"{name}_limit_{length}", reset_less=True) for length in range(1, LONGEST + 1)]

    def _limits_of(self, code) -> list[Value]:
        return [code[f"limit_{length}"] for length in range(1, LONGEST + 1)]

    def _longer(self, m: Module, sight: Value, limits: list[Value], longest: int, name: str) -> list[Value]:
        """For each length up to `longest`, whether the codeword has more bits; by the last, it is none of these."""
        flags = []
        for length in range(1, longest + 1):
            flag = Signal(name=f"{name}_longer_{length}")
            m.d.comb += flag.eq(not_below(Cat(reversed(sight[:length])), limits[length - 1]))
            flags.append(flag)
        return flags

    def _found(self, sight: Value, longer: list[Value], begin: int, end: int) -> Value:
        """The codeword at the beginning of `sight`: length in unary, is it the escape, where it ends.

        One that is none ends at `end`.
        """
        longest = len(longer)
        other = (sight[:longest] ^ self.escape[:longest]) & self.escape_mask[:longest]
        is_escape = self.escapes & ~other.any()
        ends = [Const(begin + n + 1, SIZE_BITS) for n in range(longest)] + [Const(end, SIZE_BITS)]
        return Cat(*longer, is_escape, _among([*_marks(longer), longer[-1]], ends))
