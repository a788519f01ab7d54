"""Weights of all decoders to full beats of 32 bytes."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.packet import Packet
from hw.weights.narrower import INT8, INT16
from hw.weights.ports import COUNT_BITS, Fault, Report, Weights

__all__ = ["BEAT_BYTES", "INT32", "SIZE_BITS", "WIDE_LANES", "Chunk", "Cutter", "Gather", "Halver"]

BEAT_BYTES = 32
"""Bytes of a beat of the datapath."""
INT32 = 4
"""Number of the form that is a decoder's 32 bits as they are, behind those of `golden.weights.narrow`."""
WIDE_LANES = 16
"""Weights of a beat of 32 bits each."""
SIZE_BITS = 2
"""A chunk has 4, 8, 16 or 32 bytes: 4 shifted left by its size."""

_UNIT_BYTES = 4


class Chunk(data.StructLayout):
    """Bytes of one cycle, from the lowest; `tail` is the last of them in a tensor's last chunk."""

    def __init__(self) -> None:
        super().__init__({"bytes": data.ArrayLayout(8, BEAT_BYTES), "tail": ceil_log2(BEAT_BYTES), "error": 1})


class Halver(wiring.Component):
    """Beats of 32 integers to beats of 16, sign-extended, at once. One that ends in its lower half makes one, else two.

    Members
    -------
    i : In(stream of Packet(Weights(signed(bits), 32)))
    o : Out(stream of Packet(Weights(32, 16)))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, bits: int) -> None:
        self.bits = bits
        super().__init__(
            {
                "i": In(stream.Signature(Packet(Weights(signed(bits), 2 * WIDE_LANES)))),
                "o": Out(stream.Signature(Packet(Weights(32, WIDE_LANES)))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        upper, short = Signal(), Signal()
        beat, half = self.i.payload, self.o.payload
        m.d.comb += [
            short.eq(beat.last & ~beat.data.tail[-1]),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & (upper | short)),
            half.last.eq(beat.last & (upper | short)),
            half.data.tail.eq(beat.data.tail),
            half.data.error.eq(half.last & beat.data.error),
        ]
        for lane in range(WIDE_LANES):
            low, high = beat.data.symbols[lane], beat.data.symbols[lane + WIDE_LANES]
            m.d.comb += half.data.symbols[lane].eq(Mux(upper, high, low))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += upper.eq(~upper & ~short)
        return m


class Cutter(wiring.Component):
    """Lanes of 32 bits to chunks of whole weights, at once: 16 int8 or int16, or 8 of all 32 bits.

    Members
    -------
    form : In
        `INT8`, `INT16`, or `INT32` and above.
    i : In(stream of Packet(Weights(32, 16)))
    o : Out(stream of Packet(Chunk))
    size : Out
        Of the chunks.
    misfit : Out
        With a transfer of `o`: an integer does not fit the form.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self) -> None:
        super().__init__(
            {
                "form": In(3),
                "i": In(stream.Signature(Packet(Weights(32, WIDE_LANES)))),
                "o": Out(stream.Signature(Packet(Chunk()))),
                "size": Out(SIZE_BITS),
                "misfit": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        upper, whole = Signal(), Signal()
        beat, chunk = self.i.payload, self.o.payload
        half = WIDE_LANES // 2
        m.d.comb += [
            whole.eq(~self.form[-1] | upper | (beat.last & ~beat.data.tail[-1])),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & whole),
            chunk.last.eq(beat.last & whole),
            chunk.data.error.eq(chunk.last & beat.data.error),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += upper.eq(~whole)
        symbols = beat.data.symbols
        misfits = Signal(WIDE_LANES)
        for lane in range(WIDE_LANES):
            middle, top = symbols[lane][7:15], symbols[lane][15:]
            beyond = top.any() & ~top.all()
            wrong = beyond | ((self.form == INT8) & (middle ^ top[-1].replicate(8)).any())
            m.d.comb += misfits[lane].eq(wrong & ~self.form[-1] & (~beat.last | (beat.data.tail >= lane)))
        m.d.comb += self.misfit.eq(misfits.any())
        for k in range(BEAT_BYTES):
            octets = [symbols[k % WIDE_LANES][:8], symbols[k // 2].word_select(k % 2, 8)]
            words = [symbols[k // 4 + n * half].word_select(k % 4, 8) for n in range(2)]
            with m.If(self.form == INT8):
                m.d.comb += chunk.data.bytes[k].eq(octets[0])
            with m.Elif(self.form == INT16):
                m.d.comb += chunk.data.bytes[k].eq(octets[1])
            with m.Else():
                m.d.comb += chunk.data.bytes[k].eq(Mux(upper, words[1], words[0]))
        with m.If(self.form == INT8):
            m.d.comb += [self.size.eq(2), chunk.data.tail.eq(beat.data.tail)]
        with m.Elif(self.form == INT16):
            m.d.comb += [self.size.eq(3), chunk.data.tail.eq((beat.data.tail << 1) | 1)]
        with m.Else():
            m.d.comb += [self.size.eq(3), chunk.data.tail.eq((beat.data.tail[:-1] << 2) | 3)]
        return m


class Gather(wiring.Component):
    """Chunks of one size to full beats: one of 32 bytes in each cycle. Latency: 1 cycle. Beats behind a fault are zero.

    Members
    -------
    size : In
        Of a tensor's chunks.
    i : In(stream of Packet(Chunk))
    misfit : In
        With a chunk: one of its weights does not fit. The whole chunk is zeros then.
    released, wrong : In
        The last beat may go, and whether it carries an error.
    o : Out(stream of Packet(Weights(8, 32)))
    waits : Out
        The last beat waits to be released.
    report : Out(Report)
        `RANGE`, with the chunk's number, for the latest tensor.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self) -> None:
        super().__init__(
            {
                "size": In(SIZE_BITS),
                "i": In(stream.Signature(Packet(Chunk()))),
                "misfit": In(1),
                "released": In(1),
                "wrong": In(1),
                "o": Out(stream.Signature(Packet(Weights(8, BEAT_BYTES)))),
                "waits": Out(1),
                "report": Out(Report()),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        units = BEAT_BYTES // _UNIT_BYTES
        beat, chunk = self.o.payload, self.i.payload
        full, slot, go, base = Signal(), Signal(ceil_log2(units)), Signal(), Signal(ceil_log2(units))
        number, fresh = Signal(COUNT_BITS), Signal(init=1)
        bad = Signal()
        m.d.comb += [
            self.o.valid.eq(full & (~beat.last | self.released)),
            self.waits.eq(full & beat.last),
            self.i.ready.eq(~full | (self.o.valid & self.o.ready)),
            go.eq(self.i.valid & self.i.ready),
            base.eq((slot << self.size)[: len(slot)]),
            beat.data.error.eq(beat.last & self.wrong),
            bad.eq(self.misfit | (~fresh & (self.report.fault != Fault.NONE))),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += full.eq(0)
        with m.If(go):
            ends = chunk.last | (base + (1 << self.size) == units)
            m.d.sync += [
                full.eq(ends),
                slot.eq(Mux(ends, 0, slot + 1)),
                beat.last.eq(chunk.last),
                beat.data.tail.eq((base * _UNIT_BYTES) + chunk.data.tail),
                number.eq(Mux(chunk.last, 0, number + 1)),
                fresh.eq(chunk.last),
            ]
            with m.If(fresh):
                m.d.sync += self.report.fault.eq(Fault.NONE)
            with m.If(self.misfit & (fresh | (self.report.fault == Fault.NONE))):
                m.d.sync += [self.report.fault.eq(Fault.RANGE), self.report.position.eq(number)]
        for unit in range(units):
            with m.If(go & (unit >= base) & (unit - base < 1 << self.size)):
                for k in range(_UNIT_BYTES):
                    place = unit * _UNIT_BYTES + k
                    sources = [chunk.data.bytes[place % (_UNIT_BYTES << size)] for size in range(4)]
                    value = Mux(self.size[1], Mux(self.size[0], *sources[3:1:-1]), Mux(self.size[0], *sources[1::-1]))
                    m.d.sync += beat.data.symbols[place].eq(Mux(bad, 0, value))
        return m
