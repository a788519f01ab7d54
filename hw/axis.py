"""AXI4-Stream shell: a core's streams as flat ports with stable names, registered on both sides.

A core's stream ``i`` becomes ``s_axis_*`` and ``o`` ``m_axis_*``; ``i_tile`` becomes ``s_axis_tile_*``, and so on; an
input ``order`` becomes ``s_axis_order_*``, an output ``report`` ``m_axis_report_*``.

======  =====================================================================================================
port    meaning
======  =====================================================================================================
tdata   Fields of the payload in their order, each in whole bytes, least significant first. A symbol is such a
        field: 1 byte for W = 4 and 8, 2 for W = 16. Bits that fill a byte are zero in outputs, ignored in inputs.
tkeep   Symbol streams alone: a bit for each byte. All ones but in a tile's last beat, whose kept bytes are the
        lowest ones, at least one symbol. It is read with ``tlast`` alone; bytes not kept are zero in outputs.
tlast   Ends a tile's symbols or payload, or an index group.
tuser   Outputs alone: an error; of a symbol stream with ``tlast``, of an index entry with the entry.
======  =====================================================================================================

Every stream passes a `Slice`: outputs come from flip-flops, nothing is combinational between two ports, and each side
adds one cycle of latency and no bubble.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from amaranth.hdl import Cat, Module, Shape, ShapeLike, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Channel", "Field", "Shell", "Slice", "channels_of"]


@dataclass(frozen=True)
class Field:
    """Bits of a payload: `path` to it, its `bits`, and the first byte of ``tdata`` that holds them."""

    path: tuple[str | int, ...]
    bits: int
    first_byte: int

    @property
    def name(self) -> str:
        """The path in words, without what all payloads share."""
        return "_".join(str(part) for part in self.path if part != "data") or "data"


@dataclass(frozen=True)
class Channel:
    """A stream of a core and the ports that stand for it."""

    member: str
    is_input: bool
    shape: ShapeLike

    @property
    def prefix(self) -> str:
        """``s_axis`` or ``m_axis``, and what follows ``i`` or ``o`` in the member's name, or all of another name."""
        rest = self.member[1:] if re.fullmatch("[io](_.*)?", self.member) else f"_{self.member}"
        return ("s_axis" if self.is_input else "m_axis") + rest

    @cached_property
    def leaves(self) -> dict[tuple[str | int, ...], int]:
        """Bits of each leaf of the payload by path."""
        return dict(_leaves(self.shape))

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """What lies in ``tdata``."""
        fields, first_byte = [], 0
        for path, bits in self.leaves.items():
            if not {"last", "tail", "error"}.intersection(path[-1:]):
                fields.append(Field(path, bits, first_byte))
                first_byte += -(-bits // 8)
        return tuple(fields)

    @property
    def data_bits(self) -> int:
        """Width of ``tdata``."""
        return 8 * sum(-(-field.bits // 8) for field in self.fields)

    @property
    def lanes(self) -> int:
        """Symbols of a beat; 0 if the stream carries no symbols."""
        return sum("symbols" in field.path for field in self.fields)

    @property
    def has_last(self) -> bool:
        """Whether there is a ``tlast``."""
        return ("last",) in self.leaves

    @property
    def error(self) -> tuple[str | int, ...] | None:
        """Path of the bit that is ``tuser``."""
        return next((path for path in self.leaves if path[-1:] == ("error",)), None)

    @property
    def ports(self) -> dict[str, tuple[int, bool]]:
        """Port to (width, whether it is an input of the shell)."""
        payload = {"tdata": self.data_bits}
        if self.lanes:
            payload["tkeep"] = self.data_bits // 8
        if self.has_last:
            payload["tlast"] = 1
        if self.error:
            payload["tuser"] = 1
        ports = {f"{self.prefix}_{port}": (width, self.is_input) for port, width in payload.items()}
        ports[f"{self.prefix}_tvalid"] = (1, self.is_input)
        ports[f"{self.prefix}_tready"] = (1, not self.is_input)
        return ports


def _leaves(shape: ShapeLike, path: tuple[str | int, ...] = ()):
    if isinstance(shape, data.Layout):
        for key, field in shape:
            yield from _leaves(field.shape, (*path, key))
    elif Shape.cast(shape).width or path[-1:] == ("tail",):
        yield path, Shape.cast(shape).width


def _at(payload: Value, path: tuple[str | int, ...]) -> Value:
    for key in path:
        payload = payload[key]
    return payload


def channels_of(core: wiring.Component) -> tuple[Channel, ...]:
    """The streams of a core, inputs first.

    Raises
    ------
    TypeError
        If a member is not a stream.
    """
    channels = []
    for name, member in core.signature.members.items():
        if not (member.is_signature and isinstance(member.signature, stream.Signature)):
            raise TypeError(f"member must be a stream, not {name!r}")
        payload = member.signature.members["payload"].shape
        channels.append(Channel(name, member.flow == In, payload))
    return tuple(sorted(channels, key=lambda channel: not channel.is_input))


class Slice(wiring.Component):
    """Register slice: `valid`, payload and `ready` come from flip-flops. One cycle of latency, no bubble.

    A second register takes the transfer that is under way when the sink stops.

    Parameters
    ----------
    shape : ShapeLike
        The payload.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, shape: ShapeLike) -> None:
        self._shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform) -> Module:
        m = Module()
        front = Signal(self._shape, reset_less=True)
        spare = Signal(self._shape, reset_less=True)
        spare_valid = Signal()
        m.d.comb += [self.i.ready.eq(~spare_valid), self.o.payload.eq(front)]
        with m.If(~spare_valid):
            m.d.sync += spare.eq(self.i.payload)
        with m.If(self.o.ready | ~self.o.valid):
            m.d.sync += [self.o.valid.eq(spare_valid | self.i.valid), spare_valid.eq(0)]
            with m.If(spare_valid):
                m.d.sync += front.eq(spare)
            with m.Else():
                m.d.sync += front.eq(self.i.payload)
        with m.Elif(self.i.valid):
            m.d.sync += spare_valid.eq(1)
        return m


class Shell(wiring.Component):
    """A core with AXI4-Stream ports (module docstring). Latency: the core's and 2 cycles; throughput: the core's.

    Parameters
    ----------
    core : wiring.Component
        All its members are streams.

    Members
    -------
    s_axis_..., m_axis_... : In or Out
        See `channels_of`.
    """

    def __init__(self, core: wiring.Component) -> None:
        self._core = core
        self._channels = channels_of(core)
        ports = {name: port for channel in self._channels for name, port in channel.ports.items()}
        super().__init__({name: In(width) if is_input else Out(width) for name, (width, is_input) in ports.items()})

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The streams, inputs first."""
        return self._channels

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.core = self._core
        for channel in self._channels:
            (self._input if channel.is_input else self._output)(m, channel)
        return m

    def _port(self, channel: Channel, port: str) -> Value:
        return getattr(self, f"{channel.prefix}_{port}")

    def _input(self, m: Module, channel: Channel) -> None:
        m.submodules[f"{channel.member}_slice"] = part = Slice(channel.shape)
        wiring.connect(m, part.o, getattr(self._core, channel.member))
        m.d.comb += [
            part.i.valid.eq(self._port(channel, "tvalid")),
            self._port(channel, "tready").eq(part.i.ready),
        ]
        payload = part.i.payload
        for field in channel.fields:
            bits = self._port(channel, "tdata")[8 * field.first_byte :][: field.bits]
            m.d.comb += _at(payload, field.path).eq(bits)
        if channel.has_last:
            m.d.comb += payload.last.eq(self._port(channel, "tlast"))
        keep = self._port(channel, "tkeep")[:: _symbol_bytes(channel)] if channel.lanes else ()
        for lane in range(1, len(keep)):
            with m.If(keep[lane]):
                m.d.comb += payload.data.tail.eq(lane)

    def _output(self, m: Module, channel: Channel) -> None:
        # Registered in the form of the ports: bytes kept rather than the last lane.
        shape = {"fields": data.StructLayout({field.name: field.bits for field in channel.fields})}
        extras = {"keep": channel.lanes, "last": int(channel.has_last), "user": int(channel.error is not None)}
        shape = data.StructLayout(shape | {name: bits for name, bits in extras.items() if bits})
        m.submodules[f"{channel.member}_slice"] = part = Slice(shape)
        source = getattr(self._core, channel.member)
        m.d.comb += [part.i.valid.eq(source.valid), source.ready.eq(part.i.ready)]
        payload, sent = source.payload, part.i.payload
        for lane, field in enumerate(channel.fields):
            value = _at(payload, field.path)
            kept = (sent.keep[lane].replicate(field.bits) & value) if channel.lanes else value
            m.d.comb += sent.fields[field.name].eq(kept)
        if channel.has_last:
            m.d.comb += [sent.last.eq(payload.last), self._port(channel, "tlast").eq(part.o.payload.last)]
        if channel.error:
            m.d.comb += [
                sent.user.eq(_at(payload, channel.error)),
                self._port(channel, "tuser").eq(part.o.payload.user),
            ]
        for lane in range(channel.lanes):
            m.d.comb += sent.keep[lane].eq(~payload.last | (payload.data.tail >= lane))
        if channel.lanes:
            keep = [part.o.payload.keep[lane].replicate(_symbol_bytes(channel)) for lane in range(channel.lanes)]
            m.d.comb += self._port(channel, "tkeep").eq(Cat(keep))
        m.d.comb += [
            self._port(channel, "tvalid").eq(part.o.valid),
            part.o.ready.eq(self._port(channel, "tready")),
        ]
        for field in channel.fields:
            bits = self._port(channel, "tdata")[8 * field.first_byte :][: field.bits]
            m.d.comb += bits.eq(part.o.payload.fields[field.name])


def _symbol_bytes(channel: Channel) -> int:
    return channel.data_bits // 8 // channel.lanes
