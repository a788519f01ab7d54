"""A core as a function: streams in, streams out, with the cycle of every transfer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from amaranth.sim import Simulator

STALLS = ("none", "random", "after_valid")


@dataclass(frozen=True)
class Trace:
    """What went through one port: payloads as integers, and the cycle of each transfer."""

    values: list[int]
    cycles: list[int]


def call(
    core, inputs: Mapping[str, Sequence[int]], counts: Mapping[str, int], stall="none", seed=7, patience=24
) -> dict[str, Trace]:
    """Send `inputs` (payloads as integers, by port) through `core`; collect `counts` transfers of each output.

    Stalls: ``none``; ``random`` on all ports; ``after_valid``, sinks ready only in a cycle after they saw valid.
    After the end the core runs on for a while, and must not send more. Fails if the end is not reached within a
    deadline of `patience` cycles for each transfer.
    """
    deadline = 300 + patience * (sum(map(len, inputs.values())) + sum(counts.values()))
    traces = {name: Trace([], []) for name in (*inputs, *counts)}
    now = 0
    after = None

    def done() -> bool:
        return all(len(traces[n].values) == len(v) for n, v in inputs.items()) and all(
            len(traces[n].values) >= c for n, c in counts.items()
        )

    async def bench(ctx):
        nonlocal now, after
        chance = Random(seed)
        offered = dict.fromkeys(inputs, False)
        seen = dict.fromkeys(counts, False)
        while now < deadline and (after is None or now < after):
            for name, values in inputs.items():
                port, at = getattr(core, name), len(traces[name].values)
                if not offered[name] and at < len(values) and (stall != "random" or chance.random() < 0.6):
                    offered[name] = True
                    ctx.set(port.p.as_value() if hasattr(port.p, "as_value") else port.p, values[at])
                ctx.set(port.valid, int(offered[name]))
            for name in counts:
                ready = seen[name] if stall == "after_valid" else stall == "none" or chance.random() < 0.6
                ctx.set(getattr(core, name).ready, int(ready))
            for name in (*inputs, *counts):
                port = getattr(core, name)
                valid, ready = ctx.get(port.valid), ctx.get(port.ready)
                if valid and ready:
                    payload = port.p.as_value() if hasattr(port.p, "as_value") else port.p
                    traces[name].values.append(ctx.get(payload))
                    traces[name].cycles.append(now)
                    offered[name] = False
                if name in counts:
                    seen[name] = bool(valid and not ready)
            if after is None and done():
                after = now + 40
            await ctx.tick()
            now += 1

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    left = {name: f"{len(traces[name].values)} of {len(values)}" for name, values in inputs.items()}
    left |= {name: f"{len(traces[name].values)} of {count}" for name, count in counts.items()}
    assert after is not None, f"deadline of {deadline} cycles passed: {left}"
    for name, count in counts.items():
        assert len(traces[name].values) == count, f"{name} sent {len(traces[name].values)}, not {count}"
    return traces
