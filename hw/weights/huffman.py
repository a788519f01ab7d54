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

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from golden.weights.canonical import LONGEST, MOST_SYMBOLS
from hw.weights.sums import not_below, shifted, total

__all__ = ["INDEX_BITS", "LONGEST_OF_SLOT", "SIZE_BITS", "WINDOW_BITS", "Code", "CodeIndex", "CodeWindow"]

LONGEST_OF_SLOT = (LONGEST, 8, 5)
"""Most bits of the first, second and third codeword of a cycle; the second begins within as many as it may have."""
WINDOW_BITS = 21
"""Bits in sight: two of 8 and one of 5, or one of 15."""
SIZE_BITS = bits_for(WINDOW_BITS)
INDEX_BITS = ceil_log2(MOST_SYMBOLS)


class Code(data.StructLayout):
    """A canonical code.

    `limit_l`: the first number above the codewords of l bits, as a number of l bits, 0..2**l. `base_l`: what makes a
    codeword of l bits its place in the order of codewords, mod 512.
    """

    def __init__(self) -> None:
        limits = {f"limit_{length}": length + 1 for length in range(1, LONGEST + 1)}
        super().__init__(limits | {f"base_{length}": INDEX_BITS for length in range(1, LONGEST + 1)})


def _pick(values: list[Value], select: Value) -> Value:
    """One of at most ``2**len(select)`` values, as a tree that looks at the top bit last."""
    if len(values) == 1:
        return values[0]
    half = 1 << (len(select) - 1)
    if len(values) <= half:
        return _pick(values, select[:-1])
    return Mux(select[-1], _pick(values[half:], select[:-1]), _pick(values[:half], select[:-1]))


def _count(flags: list[Value], values: list[Value]) -> Value:
    """``values[n]`` where the first n of `flags` are set, and no other."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    return Mux(flags[half - 1], _count(flags[half:], values[half:]), _count(flags[: half - 1], values[:half]))


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
        bases = [Mux(is_second, second[f"base_{n}"], first[f"base_{n}"]) for n in range(1, self.longest + 1)]
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
        The next bits of the stream.
    second, dense : In
        Whether the first codeword is of the second code; whether all are.
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
    unknown : Out
        The first is no codeword.
    size : Out
        Bits of all that are taken.
    next_second : Out
        Which code goes on.
    indices : Out
        One step later: their places in the order of codewords.
    """

    def __init__(self, slots: int) -> None:
        if not 1 <= slots <= len(LONGEST_OF_SLOT):
            raise ValueError(f"slots must be in 1..{len(LONGEST_OF_SLOT)}, not {slots!r}")
        self.slots = slots
        super().__init__(
            {
                "sight": In(WINDOW_BITS),
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
                "sizes": Out(ceil_log2(LONGEST)).array(slots),
                "unknown": Out(1),
                "size": Out(SIZE_BITS),
                "next_second": Out(1),
                "indices": Out(INDEX_BITS + 1).array(slots),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        # Codes take turns, so the third codeword's is the first's.
        others = self.dense | ~self.second
        even, odd = self._limits(m, "even", self.second), self._limits(m, "odd", others)
        turns = [self.second, others, self.second]

        # What is found at the place of each codeword: whether it is none, or the escape, its length, where it ends.
        window, short = self.sight, LONGEST_OF_SLOT[1]
        longer = self._longer(m, window, even, LONGEST, "first")
        found, seen = [self._found(window, longer, 0)], [window[:LONGEST]]
        if self.slots > 1:
            flags = [self._longer(m, window[n:], odd, short, f"second_{n}") for n in range(1, short + 1)]
            at = [self._found(window[n:], flags[n - 1], n) for n in range(1, short + 1)]
            found.append(_count(longer[: short - 1], at))
            seen.append(_count(longer[: short - 1], [window[n : n + short] for n in range(1, short + 1)]))
        if self.slots > 2:
            # The first two end 2 to 16 bits behind the beginning. Chosen by both lengths and not by their sum.
            least = LONGEST_OF_SLOT[2]
            at = [Const(0, 1)] * 2
            for n in range(2, 2 * short + 1):
                here = Signal(len(found[0]), name=f"third_{n}")
                value = self._found(window[n:], self._longer(m, window[n:], even, least, f"third_{n}"), n)
                m.d.comb += here.eq(value)
                at.append(here[: len(value)])
            behind = [_count(flags[n - 1][: short - 1], at[n + 1 : n + short + 1]) for n in range(1, short + 1)]
            found.append(_count(longer[: short - 1], behind))
            seen.append(shifted(m, window, found[1][-SIZE_BITS:], least))

        going: Value = Const(1, 1)
        for k in range(self.slots):
            bits, size_bits = LONGEST_OF_SLOT[k], ceil_log2(LONGEST_OF_SLOT[k])
            here = Signal(len(found[k]), name=f"found_{k}")
            m.d.comb += here.eq(found[k])
            unknown, is_escape = here[0], here[1]
            size_less_1, end = here[2 : 2 + size_bits], here[-SIZE_BITS:]
            escaping, after = Signal(name=f"escaping_{k}"), Signal(name=f"after_{k}")
            if k == 0:
                m.d.comb += self.unknown.eq(unknown)
            else:
                going = going & ~unknown
            if k == 1:
                going = going & ~self.alone & ~longer[LONGEST_OF_SLOT[1] - 1]
            m.submodules[f"index_{k}"] = index = CodeIndex(bits)
            m.d.comb += [
                escaping.eq(is_escape & ~turns[k]),
                after.eq(self.dense | (~turns[k] & ~escaping)),
                index.sight.eq(seen[k]),
                index.size_less_1.eq(size_less_1),
                index.second.eq(turns[k]),
                *(index.codes[n].eq(self.codes[n]) for n in range(2)),
                index.step.eq(self.step),
                self.taken[k].eq(going),
                self.seconds[k].eq(turns[k]),
                self.sizes[k].eq(size_less_1),
                self.indices[k].eq(index.index),
            ]
            with m.If(going):
                m.d.comb += [self.size.eq(end), self.next_second.eq(after)]
            going = going & ~escaping
        return m

    def _limits(self, m: Module, name: str, second: Value) -> list[Value]:
        """The limits of the code whose turn it is."""
        limits = []
        for length in range(1, LONGEST + 1):
            limit = Signal(length + 1, name=f"{name}_limit_{length}")
            m.d.comb += limit.eq(Mux(second, self.codes[1][f"limit_{length}"], self.codes[0][f"limit_{length}"]))
            limits.append(limit)
        return limits

    def _longer(self, m: Module, sight: Value, limits: list[Value], longest: int, name: str) -> list[Value]:
        """For each length up to `longest`, whether the codeword has more bits; by the last, it is none of these."""
        flags = []
        for length in range(1, longest + 1):
            flag = Signal(name=f"{name}_longer_{length}")
            m.d.comb += flag.eq(not_below(Cat(reversed(sight[:length])), limits[length - 1]))
            flags.append(flag)
        return flags

    def _found(self, sight: Value, longer: list[Value], begin: int) -> Value:
        """The codeword at the beginning of `sight`: is it none, is it the escape, size less 1, where it ends."""
        longest = len(longer)
        size_bits = ceil_log2(longest)
        padded = [*longer, *[Const(0, 1)] * (1 << size_bits)][: (1 << size_bits) - 1]
        sizes = [Const(n, size_bits) for n in range(1 << size_bits)]
        ends = [Const(begin + n + 1, SIZE_BITS) for n in range(1 << size_bits)]
        other = (sight[:longest] ^ self.escape[:longest]) & self.escape_mask[:longest]
        is_escape = self.escapes & ~other.any()
        return Cat(longer[-1], is_escape, _count(padded, sizes), _count(padded, ends))
