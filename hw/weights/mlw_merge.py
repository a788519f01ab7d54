"""Weights and masks of an Ethos-U weight stream to beats."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from hw.bits import any_of
from hw.packet import Packet
from hw.weights.mlw_ports import MASK_BITS, SLOTS, V_BITS, count_ones, named, prefix_counts, rotated
from hw.weights.ports import Weights

__all__ = ["LANES", "Merger"]

LANES = (16, 32, 64)
_BANKS = 32
_RING_BITS = 128
_ROW = 16
_BLOCK = 8
_COUNT_BITS = bits_for(SLOTS)


class Merger(wiring.Component):
    """Puts weights where masks have ones, up to `lanes` a cycle.

    Weights lie in a ring of 32, masks in a ring of 128 bits, of which a beat's are in sight. Each 8 lanes whose ones
    all have their weights become lanes of the beat at once; the beat is whole when all are. A butterfly moves the
    weights: those of a block of lanes lie side by side in the ring, so that each of its nodes is told by where they
    begin.

    Members
    -------
    begin : In
        Forget everything.
    row_valid, count, weights, row_ready : In, In, In, Out
        Up to 12 weights, taken or not as one.
    valid, mask, length, go : In, In, In, Out
        So many bits of a mask, taken as one if 64 are free; what is above is zero.
    fill : In
        What is missing are zeros: a beat every cycle.
    more, tail, error : In
        The beat is not the tensor's last, which comes with `fill` alone; the last one's lane and error flag.
    made : Out
        A beat is made.
    idle : Out
        Nothing moves, nor would it if the sink took all.
    o : Out(stream of Packet(Weights))
    """

    o: stream.Interface

    def __init__(self, lanes: int) -> None:
        if lanes not in LANES or isinstance(lanes, bool):
            raise ValueError(f"lanes must be one of {LANES}, not {lanes!r}")
        self._lanes = lanes
        super().__init__(
            {
                **dict.fromkeys(("begin", "row_valid", "valid", "fill", "more", "error"), In(1)),
                "count": In(_COUNT_BITS),
                "weights": In(data.ArrayLayout(signed(V_BITS), SLOTS)),
                "mask": In(MASK_BITS),
                "length": In(bits_for(MASK_BITS)),
                "tail": In(ceil_log2(lanes)),
                **dict.fromkeys(("row_ready", "go", "made", "idle"), Out(1)),
                "o": Out(stream.Signature(Packet(Weights(signed(V_BITS), lanes)))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes, o = self._lanes, self.o
        free = Signal()
        m.d.comb += free.eq(~o.valid | o.ready)

        # The ring of masks: beats of them, the bits that are served cleared.
        beats = _RING_BITS // lanes
        ring = [Signal(lanes, name=f"mask_{k}", reset_less=True) for k in range(beats)]
        held, turn = Signal(bits_for(_RING_BITS), reset_less=True), Signal(range(beats), reset_less=True)
        place = Signal(ceil_log2(_RING_BITS), reset_less=True)
        sight, whole = Signal(lanes), Signal()
        m.d.comb += [
            self.go.eq(self.valid & (held <= _RING_BITS - MASK_BITS)),
            sight.eq(any_of([bits & (turn == k).replicate(lanes) for k, bits in enumerate(ring)])),
            whole.eq(held[ceil_log2(lanes) :].any()),
        ]
        low = place[: ceil_log2(MASK_BITS)]
        turned = rotated(m, list(self.mask), low, "turned")
        added = []
        for k in range(_RING_BITS):
            upper = Const(k // MASK_BITS, 1)
            added.append(turned[k % MASK_BITS] & self.go & (place[-1] ^ (low > k % MASK_BITS) ^ ~upper))

        # Which of its ones have their weights.
        level, first = Signal(bits_for(_BANKS), reset_less=True), Signal(ceil_log2(_BANKS), reset_less=True)
        ranks = self._ranks(m, sight)
        total, served, serves, enough = ranks[-1], Signal(lanes), Signal(), Signal()
        reaches = Cat(ranks[lane] <= level for lane in range(_BLOCK, lanes, _BLOCK))
        m.d.comb += [
            serves.eq(free & ~self.fill),
            enough.eq(total <= level),
            served.eq(sight & Cat(bit.replicate(_BLOCK) for bit in Cat(reaches, enough))),
            self.made.eq(free & (self.fill | (whole & enough & self.more))),
        ]

        # The ring of weights.
        banks = [Signal(signed(V_BITS), name=f"bank_{k}", reset_less=True) for k in range(_BANKS)]
        write, end = Signal(), Signal(ceil_log2(_BANKS))
        m.d.comb += [
            write.eq(self.row_valid & (self.count <= _BANKS - level)),
            self.row_ready.eq(~self.row_valid | write),
            end.eq(first + level),
        ]
        row = [Cat(self.count > k, self.weights[k]) if k < SLOTS else Const(0, V_BITS + 1) for k in range(_ROW)]
        row = rotated(m, row, end[:-1], "row")
        for k, bank in enumerate(banks):
            upper = Const(k // _ROW, 1)
            with m.If(write & row[k % _ROW][0] & (end[-1] ^ (end[:-1] > k % _ROW) ^ ~upper)):
                m.d.sync += bank.eq(row[k % _ROW][1:])

        # Lanes that are not served are zeros from the beat's first turn on, or from the first that fills.
        outputs = self._route(m, banks, first, ranks)
        beat = [Signal(V_BITS, name=f"lane_{lane}", reset_less=True) for lane in range(lanes)]
        last, error, fresh = (Signal(name=name, reset_less=True) for name in ("last", "error", "fresh"))
        tail = Signal(ceil_log2(lanes), reset_less=True)
        with m.If(free):
            for lane, value in enumerate(beat):
                lights = served[lane] & ~self.fill
                with m.If(lights | fresh):
                    m.d.sync += value.eq(outputs[lane] & lights.replicate(V_BITS))
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

        # What is held: ready for a beat that is made and one that is not, which is known late.
        more = named(m, held + Mux(self.go, self.length, 0), "more_held")
        gained = named(m, level + Mux(write, self.count, 0), "gained")
        steps = [(bit, ranks[lane]) for bit, lane in zip(reaches, range(_BLOCK, lanes, _BLOCK), strict=True)]
        left, then = named(m, gained, "left"), named(m, first, "then")
        for bit, rank in [*steps, (enough, total)]:
            left, then = Mux(bit, gained - rank, left), Mux(bit, first + rank, then)
        with m.If(self.begin):
            m.d.sync += [*(bits.eq(0) for bits in ring), Cat(held, turn, place, level, first).eq(0), fresh.eq(1)]
        with m.Else():
            for k, bits in enumerate(ring):
                kept = bits & ~(served & (serves & (turn == k)).replicate(lanes))
                m.d.sync += bits.eq(kept | Cat(added[k * lanes : (k + 1) * lanes]))
            m.d.sync += [
                held.eq(Mux(self.made & ~self.fill, more - lanes, more)),
                place.eq(place + Mux(self.go, self.length, 0)),
                turn.eq(turn + (self.made & ~self.fill)),
                level.eq(Mux(serves, left, gained)),
                first.eq(Mux(serves, then, first)),
            ]
        m.d.comb += self.idle.eq(free & ~self.made & ~served.any() & ~write & ~self.go)
        return m

    def _ranks(self, m: Module, sight: Value) -> list[Value]:
        """Ones before each lane, and all: of each block alone, and of all blocks before."""
        ranks: list[Value] = []
        base: Value = Const(0, 1)
        for first in range(0, self._lanes, _BLOCK):
            block = list(sight[first : first + _BLOCK])
            inner = prefix_counts(m, block[:-1], f"inner_{first}")
            ranks += [named(m, base + count, f"rank_{first}_{k}") for k, count in enumerate(inner)]
            total = count_ones(m, block, f"block_{first}")
            base = named(m, (base + total)[: bits_for(first + _BLOCK)], f"rank_{first + _BLOCK}")
        return [*ranks, base]

    def _route(self, m: Module, banks: list[Value], first: Value, ranks: list[Value]) -> list[Value]:
        """Weight ``first + ranks[l]`` of the ring for each lane l that has one, anything for others."""

        def halve(values: list[Value], lane: int) -> list[Value]:
            """Of each two values half a ring apart the one that is among the weights from lane `lane` on."""
            half = len(values) // 2
            start = named(m, (first + ranks[lane])[: ceil_log2(len(values))], f"start_{half}_{lane}")
            begin = start[:-1] if half > 1 else Const(0)
            moved = [Mux(start[-1] ^ (begin > k), values[k + half], values[k]) for k in range(half)]
            return [named(m, value, f"node_{half}_{lane}_{k}") for k, value in enumerate(moved)]

        def route(values: list[Value], lane: int) -> list[Value]:
            if len(values) == 1:
                return values
            half = len(values) // 2
            return route(halve(values, lane), lane) + route(halve(values, lane + half), lane + half)

        if self._lanes < _BANKS:
            return route(halve(banks, 0), 0)
        return [value for lane in range(0, self._lanes, _BANKS) for value in route(banks, lane)]
