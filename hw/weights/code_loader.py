"""Stored tables to what a decoder looks at: codebook, codes, and symbols in the order of their codewords."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.weights.canonical import LONGEST, MOST_SYMBOLS
from hw.memory import Memory
from hw.weights.body import TAKEN_BITS
from hw.weights.huffman import INDEX_BITS, Code
from hw.weights.ports import Fault
from hw.weights.sums import difference, less_one, more_one, not_below, total

__all__ = ["LEVEL_BITS", "CodeLoader"]

LEVEL_BITS = 32
"""Bits of a stored level: float32."""
_FIRST_BITS, _SPAN_BITS, _COUNT_BITS, _LEAST_GAP = 16, 9, 8, 3
_HEADER_BITS = _FIRST_BITS + _SPAN_BITS
_HALF = 1 << (_FIRST_BITS - 1)
_LIMITS = {(1, 1): (-128, 127), (1, 0): (0, 255), (0, 1): (-32768, 32767), (0, 0): (0, 32767)}


class CodeLoader(wiring.Component):
    """Reads the tables of a tensor from the window of its body, as golden/weights stores them.

    In order: a codebook (count, float32 values), the flag of a weight table, the table of runs, the table of weights;
    `dense` tensors have a weight table alone. Codebook: finite values that ascend and are not zero. Tables
    (golden/weights/canonical.py): one step of lengths a cycle; then a cycle for each length, which makes limits and
    bases (hw/weights/huffman.py); then one for each codeword, which puts its symbol in its place. What is taken in a
    cycle is judged in the next one.

    *Cycles*, where the body does not wait: ``s + n + 19`` for a table of s steps and n codewords, 1 for the flag, and
    ``max(k, 1) + 1`` for a codebook of k levels.

    *Bad tables*: `fault` is told in place of `done`, two cycles behind the one in which the body was there.

    Members
    -------
    start : In
        Tables are next.
    dense, has_codebook, escape_form, limit, narrow, negative : In
        What they are for: one code alone; levels; whether run symbol `limit` is the escape; the greatest run symbol;
        weights of 8 bits and not 16; weights below zero.
    sight, ready, dry : In
        Of the body.
    take, size : Out
        To the body.
    codes : Out
        Of runs and of weights.
    firsts : Out
        What the stored symbols of each code are counted from, two's complement.
    escapes, escape, escape_mask : Out
        As of `hw.weights.huffman.CodeWindow`.
    write, address, symbol : Out
        The symbol, less the first, whose codeword has place `address`, the code's number on top.
    clear_levels, write_level, level : Out
        To the codebook.
    done, fault : Out
        The end.
    """

    def __init__(self) -> None:
        flags = ("start", "dense", "has_codebook", "escape_form", "narrow", "negative", "ready", "dry")
        outs = ("take", "escapes", "write", "clear_levels", "write_level", "done")
        super().__init__(
            dict.fromkeys(flags, In(1))
            | dict.fromkeys(outs, Out(1))
            | {
                "limit": In(8),
                "sight": In(TAKEN_BITS),
                "size": Out(range(TAKEN_BITS + 1)),
                "codes": Out(Code()).array(2),
                "firsts": Out(_FIRST_BITS).array(2),
                "escape": Out(LONGEST),
                "escape_mask": Out(LONGEST),
                "address": Out(INDEX_BITS + 1),
                "symbol": Out(INDEX_BITS),
                "level": Out(LEVEL_BITS),
                "fault": Out(Fault),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        sight, go = self.sight, Signal()
        of_weights, has_weights = Signal(), Signal()
        # Of the cycle before: the body was dry, a step was taken, something was wrong.
        was_dry, told, bad = Signal(), Signal(), Signal()
        m.submodules.listed = listed = Memory(INDEX_BITS + 4, MOST_SYMBOLS)
        # Codewords of each length, then the place of the next one of them.
        counts = Array(Signal(INDEX_BITS + 1, name=f"count_{n}") for n in range(LONGEST + 1))
        which, count, put = Signal(4), Signal(INDEX_BITS + 1), Signal()
        unfit = self._judge_level(m)
        m.d.comb += [
            go.eq(self.ready),
            count.eq(counts[which]),
        ]
        with m.If(put):
            m.d.sync += counts[which].eq(more_one(count))

        first, span_less_1, missing = Signal(_FIRST_BITS), Signal(_SPAN_BITS), Signal(_SPAN_BITS)
        number, listed_count, fresh = Signal(INDEX_BITS + 1), Signal(INDEX_BITS + 1), Signal()
        last, length, counting = Signal(4), Signal(4), Signal()
        in_range, is_escape = self._range(m, of_weights, first, span_less_1)
        m.d.sync += [was_dry.eq(0), bad.eq(was_dry | unfit), self.write_level.eq(0)]

        def refuse(fault: Fault = Fault.TABLE) -> None:
            m.d.comb += self.fault.eq(fault)
            m.next = "Idle"

        def read(bits: Value | int) -> None:
            m.d.comb += [self.size.eq(bits), self.take.eq(go)]
            m.d.sync += was_dry.eq(self.dry)

        def judge() -> None:
            with m.If(bad):
                refuse()

        def begin_table() -> None:
            with m.If(self.dense):
                m.next = "Header"
            with m.Else():
                m.next = "Flag"

        with m.FSM():
            with m.State("Idle"):
                m.d.sync += [of_weights.eq(self.dense), bad.eq(0)]
                with m.If(self.start):
                    m.d.comb += self.clear_levels.eq(1)
                    m.d.sync += [self.escapes.eq(0), has_weights.eq(1)]
                    begin_table()
                    with m.If(self.has_codebook):
                        m.next = "Levels"
            self._levels(m, go, read, judge, begin_table)
            with m.State("Flag"):
                read(1)
                m.d.sync += has_weights.eq(sight[0])
                with m.If(go):
                    m.d.sync += [self.codes[1][f"limit_{n}"].eq(0) for n in range(1, LONGEST + 1)]
                    m.next = "Header"
                judge()
            with m.State("Header"):
                read(_HEADER_BITS)
                m.d.sync += [first.eq(sight[:_FIRST_BITS]), span_less_1.eq(sight[_FIRST_BITS:])]
                m.d.sync += missing.eq(sight[_FIRST_BITS:_HEADER_BITS])
                m.d.sync += [told.eq(0), counting.eq(0), number.eq(0), listed_count.eq(0), last.eq(0)]
                m.d.sync += [counter.eq(0) for counter in counts]
                with m.If(go):
                    m.next = "Steps"
                judge()
            with m.State("Steps"):
                present, now, advance, bits = _step(sight, last)
                was_present, was_length, went = Signal(), Signal(5), Signal(7)
                wrong, ends, left = Signal(), Signal(), Signal(INDEX_BITS + 2)
                m.d.comb += [
                    self.size.eq(bits),
                    left.eq(difference(missing, went, len(left))),
                    ends.eq(told & (missing == 0)),
                    wrong.eq(Mux(was_present, (was_length == 0) | was_length[-1], (number == 0) | left[-1])),
                    self.take.eq(go & ~ends),
                    which.eq(last),
                    put.eq(told & was_present),
                    listed.write.eq(put),
                    listed.write_address.eq(listed_count),
                    listed.write_data.eq(Cat(number[:INDEX_BITS], was_length[:4])),
                ]
                m.d.sync += [told.eq(self.take), was_present.eq(present), was_length.eq(now), went.eq(advance)]
                with m.If(self.take & present):
                    m.d.sync += last.eq(now)
                with m.If(told):
                    m.d.sync += [number.eq(total(number, went, len(number))), missing.eq(left)]
                with m.If(put):
                    m.d.sync += listed_count.eq(more_one(listed_count))
                m.d.sync += [was_dry.eq(self.dry & ~ends), bad.eq(was_dry | unfit | (told & wrong))]
                with m.If(ends):
                    m.d.sync += [told.eq(0), length.eq(1)]
                    m.next = "Lengths"
                judge()
            with m.State("Lengths"):
                # Counts move on, so that it is always the first one's turn; its place comes in behind the last one.
                m.d.sync += [length.eq(length + 1), number.eq(0), fresh.eq(0), counting.eq(1)]
                slack, over, limit, is_last, opened = self._lengths(m, of_weights, counts[1], length, last)
                m.d.sync += [counts[n].eq(counts[n + 1]) for n in range(1, LONGEST)]
                m.d.sync += counts[LONGEST].eq(opened)
                with m.If(length == LONGEST):
                    m.next = "Whole"
                judge()
            with m.State("Whole"):
                m.d.sync += counting.eq(0)
                m.next = "Sort"
                with m.If(of_weights):
                    m.d.sync += self.firsts[1].eq(first)
                with m.Else():
                    m.d.sync += [self.firsts[0].eq(first), self.escapes.eq(self.escape_form & is_escape)]
                with m.If(~in_range):
                    refuse(Fault.RANGE)
                with m.Elif(((slack != 0) | over) & ((span_less_1 != 0) | (last != 1))):
                    refuse()
            with m.State("Sort"):
                m.d.comb += [
                    listed.read.eq(1),
                    listed.read_address.eq(number),
                    which.eq(listed.read_data[INDEX_BITS:]),
                    put.eq(fresh),
                    self.write.eq(fresh),
                    self.address.eq(Cat(count[:INDEX_BITS], of_weights)),
                    self.symbol.eq(listed.read_data),
                ]
                m.d.sync += [number.eq(more_one(number)), fresh.eq(1)]
                with m.If(fresh & (number == listed_count)):
                    with m.If(~of_weights & has_weights):
                        m.d.sync += of_weights.eq(1)
                        m.next = "Header"
                    with m.Else():
                        m.d.comb += self.done.eq(1)
                        m.next = "Idle"
        with m.If(counting & ~of_weights):
            self._escape(m, limit, is_last)
        return m

    def _judge_level(self, m: Module) -> Signal:
        """Whether the level that was taken in the cycle before is none, or not above the one before it."""
        before, unfit = Signal(LEVEL_BITS), Signal()
        # As numbers that ascend with the floats: positive ones above all negative ones.
        sign, magnitude = self.level[-1], self.level[:-1]
        key = Cat(Mux(sign, ~magnitude, magnitude), ~sign)
        with m.If(self.clear_levels):
            m.d.sync += before.eq(0)
        with m.Elif(self.write_level):
            m.d.sync += before.eq(key)
        alone = (magnitude == 0) | magnitude[23:].all()
        m.d.comb += unfit.eq(self.write_level & (alone | not_below(before, key)))
        return unfit

    def _levels(self, m: Module, go: Signal, read, judge, begin_table) -> None:
        """The states that read the codebook."""
        left = Signal(_COUNT_BITS)
        with m.State("Levels"):
            read(_COUNT_BITS)
            m.d.sync += left.eq(self.sight)
            with m.If(go):
                m.next = "Level"
            judge()
        with m.State("Level"):
            m.d.sync += self.level.eq(self.sight)
            with m.If(left == 0):
                begin_table()
            with m.Else():
                read(LEVEL_BITS)
                m.d.sync += self.write_level.eq(go)
                with m.If(go):
                    m.d.sync += left.eq(less_one(left))
                    with m.If(left == 1):
                        begin_table()
            judge()

    def _lengths(self, m: Module, of_weights, count, length, last) -> tuple[Signal, ...]:
        """One length: its limit and base. A cycle later: numbers left, if too few; limit; is it the last.

        And at once the codewords before this length.
        """
        # `slack`: numbers of this length that begin no codeword so far. `place`: codewords so far.
        slack, limit, place, over = Signal(LONGEST + 1), Signal(LONGEST + 1), Signal(INDEX_BITS + 1), Signal()
        start, limit_now, slack_now = (Signal(LONGEST + 2, name=n) for n in ("start", "limit_now", "slack_now"))
        slack_then, opening, is_last, opened = Signal(LONGEST + 1), Signal(), Signal(), Signal(INDEX_BITS + 1)
        m.d.comb += [
            opening.eq(length == 1),
            start.eq(Mux(opening, 0, limit << 1)),
            limit_now.eq(total(start, count, LONGEST + 2)),
            slack_then.eq(Mux(opening, 1, slack)),
            slack_now.eq(difference(Cat(Const(0, 1), slack_then), count, LONGEST + 2)),
            opened.eq(Mux(opening, 0, place)),
        ]
        m.d.sync += [
            limit.eq(limit_now),
            slack.eq(slack_now),
            place.eq(total(opened, count, len(place))),
            over.eq(slack_now[-1] | (over & ~opening)),
            is_last.eq(length == last),
        ]
        base = difference(opened, start, INDEX_BITS)
        with m.Switch(length):
            for n in range(1, LONGEST + 1):
                with m.Case(n):
                    for k, chosen in enumerate((~of_weights, of_weights)):
                        with m.If(chosen):
                            m.d.sync += self.codes[k][f"limit_{n}"].eq(limit_now)
                            m.d.sync += self.codes[k][f"base_{n}"].eq(base)
        return slack, over, limit, is_last, opened

    def _escape(self, m: Module, limit, is_last) -> None:
        """The escape is the last symbol, so its codeword is the last of its length; shifted to the left end."""
        for target, newest in ((self.escape, less_one(limit)), (self.escape_mask, Const(-1, LONGEST))):
            number = Cat(reversed(target))
            m.d.sync += number.eq(Mux(is_last, newest, Cat(Const(0, 1), number)))

    def _range(self, m: Module, of_weights, first, span_less_1) -> tuple[Signal, Signal]:
        """Whether the symbols are what they may be, and whether the last one is the escape; two cycles later."""
        # Counted from the least there is.
        least, greatest = Signal(_FIRST_BITS), Signal(_FIRST_BITS + 1)
        low, high, in_range, is_escape = Signal(_FIRST_BITS), Signal(_FIRST_BITS), Signal(), Signal()
        m.d.comb += [low.eq(_HALF), high.eq(_HALF | self.limit), least.eq(Cat(first[:-1], ~first[-1]))]
        with m.If(of_weights):
            for (narrow, negative), (lowest, highest) in _LIMITS.items():
                with m.If((self.narrow == narrow) & (self.negative == negative)):
                    m.d.comb += [low.eq(lowest + _HALF), high.eq(highest + _HALF)]
        m.d.sync += [
            greatest.eq(total(least, span_less_1, len(greatest))),
            in_range.eq(not_below(least, low) & not_below(high, greatest)),
            is_escape.eq(greatest == high),
        ]
        return in_range, is_escape


def _step(sight: Value, last: Value) -> tuple[Value, Value, Value, Value]:
    """Whether a symbol has a code, its length (wrong if 0, 16 or more), symbols that are told, bits of the step."""
    changed = (last + Mux(sight[2], Const(31, 5), Const(1, 5)))[:5]
    explicit = Cat(sight[4:8], Const(0, 1))
    present = ~sight[0] | ~sight[1] | (sight[2] & ~sight[3])
    length = Mux(~sight[0], last, Mux(~sight[1], changed, explicit))
    is_gap = sight[0] & sight[1] & sight[2] & sight[3]
    advance = Mux(is_gap, sight[4:10] + _LEAST_GAP, 1)
    bits = Mux(~sight[0], 1, Mux(~sight[1] | ~sight[2], 3, Mux(sight[3], 10, 8)))
    return present, length, advance, bits
