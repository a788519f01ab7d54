"""Runs inside the simulator: a driver of the decompressor (see test_decompressor.py for what it is told)."""

import json
import os
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamSink, AxiStreamSource
from tb_streams import PERIOD_NS, random_pause

SCENARIOS = {scenario["name"]: scenario for scenario in json.loads(Path(os.environ["SCENARIOS"]).read_text())}


class Driver:
    """The bus masters, and the registers by name."""

    def __init__(self, dut, scenario: dict) -> None:
        self.dut, self.addresses = dut, scenario["addresses"]
        cocotb.start_soon(Clock(dut.clk, PERIOD_NS, unit="ns").start())
        dut.rst.value = 1
        self.bus = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst)
        for number, port in enumerate((self.source, self.sink)):
            if scenario["stall"]:
                port.set_pause_generator(random_pause(scenario["stall"], number))

    async def read(self, name: str) -> int:
        return await self.bus.read_dword(self.addresses[name])

    async def write(self, name: str, value: int) -> None:
        await self.bus.write_dword(self.addresses[name], value)

    async def meddle(self, words: dict, body: str) -> None:
        """Start again and write another descriptor: nothing may come of it. Then let the weights wait."""
        assert await self.read("status") == 2
        await self.write("start", 1)
        for address, word in words.items():
            await self.bus.write_dword(int(address), word ^ 0xFFFF_FFFF)
        await self.write("start", 1)
        self.sink.pause = True
        self.source.send_nowait(bytes.fromhex(body))
        await ClockCycles(self.dut.clk, 400)
        assert not self.dut.irq.value
        assert await self.read("status") == 2
        self.sink.pause = False

    async def decode(self, job: dict, meddles: bool) -> None:
        """Set up, start, wait for the line, and compare everything."""
        if job["scales"]:
            await self.write("scale_index", 0)
        for word in job["scales"]:
            await self.write("scale_low", word & 0xFFFF_FFFF)
            await self.write("scale_high", word >> 32)
        for address, word in job["words"].items():
            await self.bus.write_dword(int(address), word)
        assert await self.read("status") == 1
        await self.write("start", 1)
        if meddles:
            await self.meddle(job["words"], job["body"])
        elif job["body"]:
            self.source.send_nowait(bytes.fromhex(job["body"]))
        while not self.dut.irq.value:
            await RisingEdge(self.dut.clk)
        fault, where, position = job["verdict"]
        assert await self.read("interrupt") == (2 if fault else 1), job["name"]
        await self.write("interrupt", 3)
        assert not self.dut.irq.value
        told = await self.read("fault")
        assert (told & 15, told >> 4 if fault else 0, await self.read("position")) == (fault, where, position), job[
            "name"
        ]
        assert await self.read("beats") == -(-len(job["expected"]) // 64)
        assert await self.read("words") == len(job["body"]) // 16
        assert await self.read("cycles") > len(job["body"]) // 32
        if job["expected"]:
            frame = await self.sink.recv(compact=False)
            keep = frame.tkeep or [1] * len(frame.tdata)
            kept = bytes(byte for byte, bit in zip(frame.tdata, keep, strict=True) if bit)
            user = frame.tuser if isinstance(frame.tuser, list) else [frame.tuser]
            assert bool(user[-1]) == bool(fault), job["name"]
            if job["compare"]:
                assert kept.hex() == job["expected"], job["name"]
            assert len(kept) == len(job["expected"]) // 2, job["name"]


@cocotb.test()
@cocotb.parametrize(name=list(SCENARIOS))
async def scenario(dut, name: str) -> None:
    told = SCENARIOS[name]
    driver = Driver(dut, told)
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 2)
    assert await driver.read("version") == told["version"]
    await driver.write("enable", 3)
    await driver.write("version", 0xFFFF_FFFF)
    assert await driver.read("version") == told["version"]
    limit = 4000 + 20 * sum(len(job["words"]) + len(job["body"]) + len(job["expected"]) for job in told["jobs"])
    for job in told["jobs"]:
        await with_timeout(driver.decode(job, told["meddles"]), limit * PERIOD_NS, "ns")
    await ClockCycles(dut.clk, 20)
    assert driver.sink.empty()
    assert (await driver.bus.read(0xF0, 4)).resp == 2
    assert (await driver.bus.write(0x00, b"\1\0\0\0")).resp == 2
