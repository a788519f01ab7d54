"""Runs inside the simulator: sends each scenario's frames and compares what comes out (see simulators.py)."""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, SimTimeoutError, with_timeout
from cocotbext.axi import AxiStreamBus, AxiStreamSink, AxiStreamSource

SCENARIOS = {scenario["name"]: scenario for scenario in json.loads(Path(os.environ["SCENARIOS"]).read_text())}
PERIOD_NS = 10


def random_pause(chance: int, seed: int) -> Iterator[bool]:
    """True in `chance` of 1024 cycles."""
    dice = random.Random(seed)
    while True:
        yield dice.randrange(1024) < chance


def pause_until_valid(valid) -> Iterator[bool]:
    """False only in a cycle after one that saw ``tvalid`` and took nothing."""
    taken = True
    while True:
        taken = not (valid.value == 1 and taken)
        yield taken


class Bench:
    """Sources and sinks on all streams of the design."""

    def __init__(self, dut, scenario: dict) -> None:
        self.dut, self.scenario = dut, scenario
        cocotb.start_soon(Clock(dut.clk, PERIOD_NS, unit="ns").start())
        dut.rst.value = 1
        self.sources = {prefix: self._port(AxiStreamSource, prefix) for prefix in scenario["inputs"]}
        self.sinks = {prefix: self._port(AxiStreamSink, prefix) for prefix in scenario["outputs"]}

    def _port(self, kind, prefix: str):
        bus = AxiStreamBus.from_prefix(self.dut, prefix)
        lanes = {} if hasattr(bus, "tkeep") else {"byte_lanes": len(bus.tdata) // 8}
        return kind(bus, self.dut.clk, self.dut.rst, **lanes)

    async def reset(self) -> None:
        self.dut.rst.value = 1
        await ClockCycles(self.dut.clk, 4)
        for port in (*self.sources.values(), *self.sinks.values()):
            port.clear()
        self.dut.rst.value = 0
        await ClockCycles(self.dut.clk, 1)

    def stall(self) -> None:
        for k, source in enumerate(self.sources.values()):
            if self.scenario["source_stall"]:
                source.set_pause_generator(random_pause(self.scenario["source_stall"], k))
        for k, sink in enumerate(self.sinks.values()):
            if self.scenario["after_valid"]:
                sink.set_pause_generator(pause_until_valid(sink.bus.tvalid))
            elif self.scenario["sink_stall"]:
                sink.set_pause_generator(random_pause(self.scenario["sink_stall"], 100 + k))

    def send(self) -> None:
        for prefix, frames in self.scenario["inputs"].items():
            for frame in frames:
                self.sources[prefix].send_nowait(bytes.fromhex(frame))

    async def compare(self) -> None:
        for prefix, frames in self.scenario["outputs"].items():
            errors = self.scenario["errors"].get(prefix)
            for number, expected in enumerate(frames):
                frame = await self.sinks[prefix].recv(compact=False)
                keep = frame.tkeep or [1] * len(frame.tdata)
                kept = bytes(byte for byte, bit in zip(frame.tdata, keep, strict=True) if bit)
                user = (frame.tuser or [0])[-1]
                failed = bool(errors and errors[number])
                assert user == failed, f"{prefix} frame {number}: tuser {user}"
                if errors and errors[number]:
                    assert len(kept) == len(expected) // 2, f"{prefix} frame {number}: {len(kept)} bytes"
                else:
                    assert kept.hex() == expected, f"{prefix} frame {number}"


def cycles_of(scenario: dict) -> int:
    """A deadline well above what the stalls need."""
    size = sum(
        len(frame) for frames in (*scenario["inputs"].values(), *scenario["outputs"].values()) for frame in frames
    )
    return 2000 + size * 1024 // (1024 - max(scenario["source_stall"], scenario["sink_stall"])) * 2


@cocotb.test()
@cocotb.parametrize(name=list(SCENARIOS))
async def scenario(dut, name: str) -> None:
    bench = Bench(dut, SCENARIOS[name])
    await bench.reset()
    bench.stall()
    if bench.scenario["reset_after"]:
        bench.send()
        await ClockCycles(dut.clk, bench.scenario["reset_after"])
        await bench.reset()
    bench.send()
    try:
        await with_timeout(bench.compare(), cycles_of(bench.scenario) * PERIOD_NS, "ns")
    except SimTimeoutError:
        left = {prefix: source.count() for prefix, source in bench.sources.items()}
        raise AssertionError(f"deadline passed; frames left to send: {left}") from None
    await ClockCycles(dut.clk, 20)
    assert all(sink.empty() for sink in bench.sinks.values()), "a frame too many"
    assert not any(sink.active for sink in bench.sinks.values()), "a transfer too many"
