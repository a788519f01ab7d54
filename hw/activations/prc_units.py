"""Words of a stream of prc to the units that lanes ask for."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.activations.prc import PrcFormat
from hw.activations.prc_ports import StreamWord, Unit

__all__ = ["UnitQueue"]

_DEPTH = 7


class UnitQueue(wiring.Component):
    """Hands up to four units a step to the lanes that ask, and eight at once when a tile begins.

    A word is held when it comes. A tile's first goes on to `opener` and waits there while the tile before is read; then
    both words go into the lanes. Later words go to the queue when less than four units are left in it, so that the
    lanes find four in every step. Zero words that were left out at the end of the last burst come behind the others;
    units past the end of the stream are zero, too.

    Members
    -------
    i : In(stream of StreamWord)
    lanes : In
        Lanes that begin the next tile: its channels, at most 4.
    startable, start : Out, In
        The next tile can begin, and begins after this cycle.
    start_units : Out
        Two units for each lane.
    busy, step, finish : In
        A tile is being read; its lanes go on a step; that is its last.
    ready : Out
        A step finds all units that lanes may ask for, but for the first step of a tile, which asks for none.
    asks, units : In, Out
        In this step a lane takes its unit.
    wrong : Out
        Words, or bits in units, are left after this step, or the stream is bad.
    """

    i: stream.Interface

    def __init__(self, fmt: PrcFormat, burst_words: int) -> None:
        self._fmt, self._burst_words = fmt, burst_words
        super().__init__(
            {
                "i": In(stream.Signature(StreamWord(fmt, burst_words))),
                "lanes": In(3),
                "startable": Out(1),
                "start": In(1),
                "start_units": Out(Unit(fmt)).array(fmt.lanes, 2),
                **dict.fromkeys(("busy", "step", "finish"), In(1)),
                "ready": Out(1),
                "asks": In(fmt.lanes),
                "units": Out(Unit(fmt)).array(fmt.lanes),
                "wrong": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fmt, lanes = self._fmt, self._fmt.lanes
        unit_bits, size = fmt.unit_bits, Unit(fmt).size
        word = StreamWord(fmt, self._burst_words)
        held, opener = Signal(word, reset_less=True), Signal(word, reset_less=True)
        held_valid, opener_valid = Signal(), Signal()
        # All words are taken; so many zero words behind them are not; what was told with the last one.
        dry, skips, bad = Signal(), Signal(), Signal(reset_less=True)
        zeros = Signal(len(held.zeros), reset_less=True)
        ended = dry & (zeros == 0)

        # Where the held word goes.
        queued, left, asked, taken = Signal(3), Signal(3), Signal(3), Signal(3)
        few, loads, opens, appends, fills, take = (Signal() for _ in range(6))
        m.d.comb += [
            few.eq(self.lanes <= 2),
            loads.eq(self.start & ~opener.last & ~few),
            opens.eq(held_valid & ~skips & (dry | ~self.busy) & Mux(opener_valid, self.start & opener.last, 1)),
            appends.eq(held_valid & self.busy & ~dry & ~left[2] & ~self.finish),
            fills.eq(self.busy & dry & (zeros != 0) & ~left[2]),
            take.eq(loads | opens | appends | skips),
            self.i.ready.eq(~held_valid | take),
            self.startable.eq(opener_valid & (opener.last | few | held_valid)),
            self.ready.eq(queued[2] | ended),
        ]
        with m.If(self.i.ready):
            m.d.sync += [held.eq(self.i.payload), held_valid.eq(self.i.valid)]
        with m.If(opens):
            m.d.sync += opener.eq(held)
        m.d.sync += opener_valid.eq(opens | (opener_valid & ~self.start))
        beyond = opener.zeros != 0
        with m.If(self.start):
            m.d.sync += [
                dry.eq(opener.last | (loads & held.last)),
                bad.eq(opener.bad | (loads & held.bad)),
                zeros.eq(Mux(opener.last, opener.zeros - (beyond & ~few), held.zeros)),
            ]
        with m.Elif(appends):
            m.d.sync += [dry.eq(held.last), bad.eq(held.bad), zeros.eq(held.zeros)]
        with m.Elif(fills):
            m.d.sync += zeros.eq(zeros - 1)
        # After a stream that is too long: to its last word.
        with m.If(self.finish & ~dry):
            m.d.sync += skips.eq(1)
        with m.Elif(held_valid & held.last):
            m.d.sync += skips.eq(0)

        # The first eight units, two a lane; those of lanes that do not begin go to the queue.
        first = [_unit(opener.word, n, unit_bits, opener.final) for n in range(lanes)]
        more = [_unit(held.word, n, unit_bits, held.final) for n in range(lanes)]
        blank = _unit(Const(0, fmt.unit_bits), 0, unit_bits, 1)
        starts = [*first, *(Mux(opener.last, blank & beyond.replicate(size), unit) for unit in more)]
        m.d.comb += [self.start_units[n // 2][n % 2].eq(unit) for n, unit in enumerate(starts)]
        spare = [(Mux(self.lanes == 1, starts[n], starts[n + 4])) & ((self.lanes[0]).replicate(size)) for n in (2, 3)]

        # The queue: unit 0 is next, and those behind the last are zero.
        queue = [Signal(size, name=f"queue_{n}") for n in range(_DEPTH)]
        ranks = [Signal(range(max(2, lane + 1)), name=f"rank_{lane}") for lane in range(lanes)]
        m.d.comb += [rank.eq(sum(self.asks[:lane])) for lane, rank in enumerate(ranks) if lane]
        for lane, rank in enumerate(ranks):
            with m.Switch(rank):
                for n in range(lane + 1):
                    with m.Case(n):
                        m.d.comb += self.units[lane].eq(queue[n])
        everything, rest = Cat(queue), Signal(_DEPTH * size)
        m.d.comb += [
            asked.eq(sum(self.asks)),
            taken.eq(Mux(self.step, asked, 0)),
            rest.eq(everything >> (taken * size)),
            # Whether a step is taken comes late.
            left.eq(Mux(self.step, queued - asked, queued)),
            self.wrong.eq(Cat(rest[n * size : n * size + unit_bits] for n in range(_DEPTH)).any() | ~dry | bad),
        ]
        added = Cat((more[n] & appends.replicate(size)) | (blank & fills.replicate(size)) for n in range(lanes))
        filled = Signal(_DEPTH * size)
        m.d.comb += filled.eq(rest | (added << (left[:2] * size)))
        with m.If(self.start):
            m.d.sync += [Cat(queue).eq(Cat(spare)), queued.eq(Cat(0, self.lanes[0]))]
        with m.Else():
            m.d.sync += [Cat(queue).eq(filled), queued.eq(left + Cat(0, 0, appends | fills))]
        return m


def _unit(word, n, unit_bits, final):
    """Unit `n` of a word, as the bits of a `Unit`."""
    return Cat(word[n * unit_bits : (n + 1) * unit_bits], final, Const(1))
