"""Weights and masks of an Ethos-U weight stream to beats."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from hw.bits import any_of, by_count
from hw.memory import Memory
from hw.packet import Packet
from hw.weights.mlw_masks import MaskRows
from hw.weights.mlw_ports import LAST_BITS, MASK_BITS, SLOTS, V_BITS, named, prefix_counts, rotated
from hw.weights.ports import Weights
from hw.weights.sums import difference, not_below, total

__all__ = ["LANES", "Merger"]

LANES = (16, 32, 64)
_WINDOW = 16
_DEPTH = 16
_RING = _WINDOW * _DEPTH
_BLOCK = 8
_BLOCK_BITS = bits_for(_BLOCK)
_COUNT_BITS = bits_for(SLOTS)
_END_BITS = bits_for(_RING)


class Merger(wiring.Component):
    """Puts weights where masks have ones, up to `lanes` a cycle, 16 of them from the ring.

    Weights lie in a ring of 256, 16 memories side by side, and can be read in the second cycle after the write. The
    beat's bits are those of `MaskRows`. Each 8 lanes whose bits are all known and whose ones all have their weights
    become lanes of the beat at once; the beat is whole when all are. A butterfly moves the weights: those of a block of
    lanes lie side by side in the ring, so that each of its nodes is told by where they begin.

    Members
    -------
    begin : In
        Forget everything.
    fits : Out
        The ring has room for a row.
    weights, writes, count, advance : In
        Weights that are written, each behind the last row's; that the row is complete with them, so many.
    go, free, last, mask, next_last : In, Out, Out, In, In
        A mask is taken, if 64 bits are free; its bits from the one after place `last` on, modulo 64; the place of
        its last one, not modulo 64, behind which bits may be set.
    final, fill : In
        No mask comes any more; what is missing are zeros: a beat every cycle.
    more, tail, error : In
        The beat is not the tensor's last, which comes with `fill` alone; the last one's lane and error flag.
    ahead : Out
        Beats, with a sign, from the one in sight to that of bit `last`.
    made : Out
        A beat is made.
    idle : Out
        Nothing leaves, nor would it if the sink took all.
    o : Out(stream of Packet(Weights))
    """

    o: stream.Interface

    def __init__(self, lanes: int) -> None:
        if lanes not in LANES or isinstance(lanes, bool):
            raise ValueError(f"lanes must be one of {LANES}, not {lanes!r}")
        self._lanes = lanes
        self._masks = MaskRows(lanes, _BLOCK)
        super().__init__(
            {
                **dict.fromkeys(("begin", "advance", "go", "final", "fill", "more", "error"), In(1)),
                "weights": In(data.ArrayLayout(signed(V_BITS), SLOTS)),
                "writes": In(SLOTS),
                "count": In(_COUNT_BITS),
                "mask": In(MASK_BITS),
                "last": Out(LAST_BITS - 1),
                "next_last": In(LAST_BITS),
                "tail": In(ceil_log2(lanes)),
                "ahead": Out(self._masks.ahead.shape()),
                **dict.fromkeys(("fits", "free", "made", "idle"), Out(1)),
                "o": Out(stream.Signature(Packet(Weights(signed(V_BITS), lanes)))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes, blocks, o = self._lanes, self._lanes // _BLOCK, self.o
        free = Signal()
        m.d.comb += free.eq(~o.valid | o.ready)
        m.submodules.masks = masks = self._masks
        sight, full, sure = masks.sight, masks.full, masks.sure
        m.d.comb += [
            *(getattr(masks, name).eq(getattr(self, name)) for name in ("begin", "go", "mask", "next_last")),
            *(getattr(self, name).eq(getattr(masks, name)) for name in ("free", "last", "ahead")),
            masks.next.eq(self.made & ~self.fill),
        ]

        # Which of its blocks have their weights.
        end, first = (Signal(_END_BITS, name=name, reset_less=True) for name in ("end", "first"))
        # What was written a cycle ago is not to be read yet.
        readable, fits = Signal(_END_BITS, name="readable", reset_less=True), Signal(name="fits_next", reset_less=True)
        m.d.sync += readable.eq(end & (~self.begin).replicate(_END_BITS))
        level = named(m, difference(readable, first, _END_BITS), "level")
        past, serves, served = Signal(blocks, reset_less=True), Signal(), Signal(blocks)
        ranks = self._ranks(m, sight, list(masks.ones), past)
        ends = [ranks[lane] for lane in range(_BLOCK, lanes + 1, _BLOCK)]
        plenty = level[ceil_log2(_WINDOW) :].any()
        enough = [self._enough(rank, level, plenty) for rank in ends]
        m.d.comb += [
            self.fits.eq(fits),
            serves.eq(free & ~self.fill),
            served.eq(Cat(enough) & (full | (self.final & sure).replicate(blocks))),
            self.made.eq(free & (self.fill | (full[-1] & served[-1] & self.more))),
            self.idle.eq(free & sure & ~self.made & ~(served & ~past).any()),
        ]

        # Lanes that are not served are zeros from the beat's first turn on, or from the first that fills.
        blocks_served = served & ~past & (~self.fill).replicate(blocks)
        lights = named(m, sight & Cat(bit.replicate(_BLOCK) for bit in blocks_served), "lights")
        following = Signal(_END_BITS, name="following")
        outputs = self._route(m, self._window(m, end, following), first, ranks, lights)
        beat = [Signal(V_BITS, name=f"lane_{lane}", reset_less=True) for lane in range(lanes)]
        last, error, fresh = (Signal(name=name, reset_less=True) for name in ("last_beat", "error_beat", "fresh"))
        tail = Signal(ceil_log2(lanes), reset_less=True)
        with m.If(free):
            for lane, value in enumerate(beat):
                with m.If(lights[lane] | fresh):
                    m.d.sync += value.eq(outputs[lane])
            m.d.sync += [
                o.valid.eq(self.made),
                fresh.eq(self.made),
                last.eq(~self.more),
                tail.eq(self.tail),
                error.eq(self.error),
            ]
        m.d.comb += [
            *(symbol.eq(value) for symbol, value in zip(o.payload.data.symbols, beat, strict=True)),
            o.payload.last.eq(last),
            o.payload.data.tail.eq(tail),
            o.payload.data.error.eq(last & error),
        ]

        # Ready for each number of blocks that are served, which is known late.
        then = [first, *((first + rank)[: len(first)] for rank in ends)]
        turns = named(m, served & serves.replicate(blocks), "turns")
        m.d.comb += following.eq(by_count(then, turns))
        with m.If(self.begin):
            m.d.sync += [Cat(first, end, past).eq(0), Cat(fresh, fits).eq(-1)]
        with m.Else():
            with m.If(self.advance):
                m.d.sync += end.eq(total(end, self.count, _END_BITS))
            m.d.sync += [
                # There is room for two rows that `level` does not tell of and the next one: a quarter is easily told.
                fits.eq(level < _RING * 3 // 4),
                first.eq(following),
                past.eq((past | turns) & ~(self.made & ~self.fill).replicate(blocks)),
            ]
        return m

    def _window(self, m: Module, end: Value, following: Value) -> list[Value]:
        """The weights from `following` on in the next cycle, weight n in column ``n % 16``: a memory a column."""
        bits = ceil_log2(_WINDOW)
        rows = [Cat(self.writes[k], self.weights[k]) if k < SLOTS else Const(0, V_BITS + 1) for k in range(_WINDOW)]
        rows = rotated(m, rows, end[:bits], "row")

        def places(begin: Value, name: str) -> tuple[Value, Value]:
            """Rows of the memories from which those from place `begin` on are, and from which those before."""
            here = begin[bits:-1]
            return here, named(m, (here + 1)[: len(here)], name)

        columns = []
        (here, beyond), (next_here, next_beyond) = places(end, "end_beyond"), places(following, "following_beyond")
        for k in range(_WINDOW):
            m.submodules[f"column_{k}"] = column = Memory(V_BITS, _DEPTH)
            m.d.comb += [
                column.write.eq(rows[k][0]),
                column.write_address.eq(Mux(end[:bits] > k, beyond, here)),
                column.write_data.eq(rows[k][1:]),
                column.read.eq(1),
                column.read_address.eq(Mux(following[:bits] > k, next_beyond, next_here)),
            ]
            columns.append(column.read_data)
        return columns

    def _enough(self, rank: Value, level: Value, plenty: Value) -> Value:
        """Whether so many weights are there, and not more than are seen at once."""
        bits = ceil_log2(_WINDOW)
        low = plenty | not_below(level[:bits], rank[:bits])
        return low if len(rank) <= bits else Mux(rank[bits:].any(), plenty & (rank == _WINDOW), low)

    def _ranks(self, m: Module, sight: Value, totals: list[Value], past: Value) -> list[Value]:
        """Ones before each lane, and all, but for blocks that are past: of each block alone, and of all before."""
        starts = range(0, self._lanes, _BLOCK)
        left = [ones & (~gone).replicate(_BLOCK_BITS) for ones, gone in zip(totals, past, strict=True)]
        bases = [Const(0, 1), *self._sums(m, left, "base")]
        ranks = []
        for at, base in zip(starts, bases, strict=False):
            inner = prefix_counts(m, list(sight[at : at + _BLOCK - 1]), f"inner_{at}")
            ranks += [named(m, base + count, f"rank_{at}_{k}") for k, count in enumerate(inner)]
        return [*ranks, bases[-1]]

    def _sums(self, m: Module, values: list[Value], name: str) -> list[Value]:
        """The sum of the first 1, 2, ... values, in a tree."""
        if len(values) == 1:
            return values
        half = (len(values) + 1) // 2
        low, high = self._sums(m, values[:half], f"{name}l"), self._sums(m, values[half:], f"{name}h")
        sums = [(low[-1] + value)[: bits_for(_BLOCK * (half + k + 1))] for k, value in enumerate(high)]
        return low + [named(m, value, f"{name}_{k}") for k, value in enumerate(sums)]

    def _route(self, m: Module, window: list[Value], first: Value, ranks: list[Value], lights: Value) -> list[Value]:
        """Weight ``first + ranks[l]`` of the window for each lane l of `lights`, zero for others."""

        def halve(values: list[Value], lane: int) -> list[Value]:
            """Of each two values half a ring apart the one that is among the weights from lane `lane` on."""
            half = len(values) // 2
            start = named(m, (first + ranks[lane])[: ceil_log2(len(values))], f"start_{half}_{lane}")
            begin = start[:-1] if half > 1 else Const(0)
            moved = [Mux(start[-1] ^ (begin > k), values[k + half], values[k]) for k in range(half)]
            return [named(m, value, f"node_{half}_{lane}_{k}") for k, value in enumerate(moved)]

        def pick(values: list[Value], lane: int) -> Value:
            """One of two, in gates: a multiplexer and a gate would take more."""
            odd = named(m, first[0] ^ ranks[lane][0], f"odd_{lane}")
            chosen = [(lights[lane] & ~odd, values[0]), (lights[lane] & odd, values[1])]
            return named(m, any_of([value & when.replicate(V_BITS) for when, value in chosen]), f"lane_{lane}_next")

        def route(values: list[Value], lane: int) -> list[Value]:
            if len(values) == 2:
                return [pick(values, lane), pick(values, lane + 1)]
            half = len(values) // 2
            return route(halve(values, lane), lane) + route(halve(values, lane + half), lane + half)

        return [value for lane in range(0, self._lanes, _WINDOW) for value in route(window, lane)]
