"""One layer on a design: its transactions through memory and pipeline, its time and energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sim.accelerator import Accelerator
from sim.chip_energy import chip_energy
from sim.config import RunConfig
from sim.dram import DramConfig, simulate
from sim.dram_device import DEVICES
from sim.dram_energy import DramActivity, dram_energy
from sim.external import Transactions
from sim.pipeline import PipelineParameters, StepTimes, Timeline, codec_cycles, fifo_bytes_needed, run_pipeline
from sim.tile_plan import LayerPlan

__all__ = ["DRAM_PARTS", "LayerResult", "SimulationConfig", "simulate_layer"]

DRAM_PARTS = ("activate", "read", "write", "read_io", "write_io", "standby_io", "background", "power_down", "refresh")


@dataclass(frozen=True)
class SimulationConfig:
    """A simulated design.

    Attributes
    ----------
    accelerator : Accelerator
    run : RunConfig
        Codec of activations, tiles, layout, bypass, words.
    weight_codec : str
    pipeline : PipelineParameters
    codec_units : int
        Codecs side by side on a port, each with the port's symbols per cycle; tiles go to them in turn.
    index_cache_groups : int
        As in `sim.external.transactions`.
    """

    accelerator: Accelerator
    run: RunConfig
    weight_codec: str
    pipeline: PipelineParameters = field(default_factory=PipelineParameters)
    codec_units: int = 1
    index_cache_groups: int = 128

    def __post_init__(self) -> None:
        bits = self.accelerator.words.activation_bits
        if self.run.word_bits != bits:
            raise ValueError(f"word_bits must be the accelerator's activation_bits, {bits}, not {self.run.word_bits}")
        if not 1 <= self.codec_units <= 64:
            raise ValueError(f"codec_units must be in 1..64, not {self.codec_units!r}")
        if self.index_cache_groups < 0:
            raise ValueError(f"index_cache_groups must be at least 0, not {self.index_cache_groups!r}")

    @property
    def dram(self) -> DramConfig | None:
        """The memory, or None where it is a bandwidth alone. Idle channels power down."""
        memory = self.accelerator.memory
        if memory.device is None:
            return None
        shared = {"channels": memory.channels, "interleave_bytes": memory.interleave_bytes}
        return DramConfig(DEVICES[memory.device], memory.mapping, memory.refresh, "power-down", **shared)


@dataclass(frozen=True, eq=False)
class LayerResult:
    """One layer, means over the images.

    Attributes
    ----------
    plan : LayerPlan
    bytes_by_kind : mapping
        Keys of `sim.external.KINDS`.
    read_bytes, write_bytes : float
    memory_ns : float
        What memory alone would take for the layer's requests.
    time_ns : float
    busy_ns : mapping
        Of each resource.
    energy_pj : mapping
        DRAM and chip, by part.
    fifo_bytes : tuple of int
        Least read and write FIFO with which memory never waits, the greatest of the images.
    timeline : Timeline
        Of the first image.
    """

    plan: LayerPlan
    bytes_by_kind: Mapping[str, float]
    read_bytes: float
    write_bytes: float
    memory_ns: float
    time_ns: float
    busy_ns: Mapping[str, float]
    energy_pj: Mapping[str, float]
    fifo_bytes: tuple[int, int]
    timeline: Timeline

    @property
    def bottleneck(self) -> str:
        """The resource that is busy longest."""
        return max(self.busy_ns, key=lambda name: self.busy_ns[name])

    @property
    def total_bytes(self) -> float:
        """All kinds, both ways."""
        return sum(self.bytes_by_kind.values())


def simulate_layer(config: SimulationConfig, plan: LayerPlan, moved: Transactions, weight_codec: str) -> LayerResult:
    """Send a layer's transactions through memory and pipeline; `weight_codec` is the one that made them."""
    memory_ns, activity = _memory(config, moved)
    times = _step_times(config, plan, moved, memory_ns, weight_codec)
    timeline = run_pipeline(times, config.pipeline)
    read, write = (float(moved.per_step(direction).sum()) for direction in (False, True))
    return LayerResult(
        plan,
        {name: float(total) for name, total in moved.by_kind().items()},
        read,
        write,
        memory_ns,
        timeline.time_ns,
        timeline.busy_ns,
        _energy(config, plan, moved, activity, timeline.time_ns),
        fifo_bytes_needed(times),
        timeline,
    )


def _memory(config: SimulationConfig, moved: Transactions) -> tuple[float, DramActivity | None]:
    dram = config.dram
    if dram is None:
        return moved.total_bytes / config.accelerator.bandwidth_bytes_per_s * 1e9, None
    if not moved.total_bytes:
        return 0.0, DramActivity()
    result = simulate(moved.streams(), dram)
    return result.time_ns, result.activity


def _step_times(
    config: SimulationConfig, plan: LayerPlan, moved: Transactions, memory_ns: float, weight_codec: str
) -> StepTimes:
    """Memory's time goes to steps by their bytes; codecs and array work at the array's clock."""
    accelerator = config.accelerator
    cycle_ns = 1e3 / accelerator.array.clock_mhz
    per_byte = memory_ns / moved.total_bytes if moved.total_bytes else 0.0
    reads, writes = moved.per_step(False), moved.per_step(True)
    lanes = accelerator.ports.activations.symbols_per_cycle
    cycles = codec_cycles(moved.symbols, lanes) / config.codec_units
    decode, encode = (
        np.bincount(moved.step[moved.write == way], cycles[moved.write == way], plan.steps).astype(np.float64)
        for way in (False, True)
    )
    return StepTimes(
        reads * per_byte,
        np.maximum(decode, _weight_cycles(config, plan, weight_codec)) * cycle_ns,
        np.ceil(plan.operations / accelerator.array.macs_per_cycle) * cycle_ns,
        encode * cycle_ns,
        writes * per_byte,
        reads,
        writes,
    )


def _weight_cycles(config: SimulationConfig, plan: LayerPlan, weight_codec: str) -> NDArray[np.float64]:
    if weight_codec == "packed" or not plan.weight_tiles:
        return np.zeros(plan.steps)
    window = plan.shape.weights // (plan.shape.filters * plan.shape.group_channels)
    tiles = plan.weight_tiles
    counts = [(t.end_filter - t.first_filter) * (t.end_channel - t.first_channel) * window for t in tiles]
    lanes = config.accelerator.ports.weights.symbols_per_cycle
    cycles = codec_cycles(np.array(counts, np.int64), lanes)[plan.weight_fetches.tiles] / config.codec_units
    return np.bincount(plan.weight_fetches.steps, cycles, plan.steps).astype(np.float64)


def _energy(
    config: SimulationConfig, plan: LayerPlan, moved: Transactions, activity: DramActivity | None, time_ns: float
) -> dict[str, float]:
    words = 8 / config.run.word_bits
    dram, accelerator = config.dram, config.accelerator
    if dram is None or activity is None:
        each = accelerator.memory.access_pj or 0.0
        parts = dict.fromkeys(DRAM_PARTS, 0.0) | {"read": moved.total_bytes * words * each}
    else:
        spent = vars(dram_energy(activity + _idle(activity, dram, time_ns), dram.device))
        parts = {name: spent[f"{name}_pj"] for name in DRAM_PARTS}
    loaded, stored = (float(moved.per_step(way).sum()) * words for way in (False, True))
    chip = chip_energy(plan.shape, float(plan.operations.sum()), loaded, stored, accelerator, time_ns)
    return {f"dram_{name}_pj": part for name, part in parts.items()} | chip.parts()


def _idle(activity: DramActivity, dram: DramConfig, time_ns: float) -> DramActivity:
    """Power-down and refreshes while the layer runs on and memory has nothing to do."""
    states = ("active_ns", "precharged_ns", "active_power_down_ns", "power_down_ns", "self_refresh_ns")
    rest = max(0.0, time_ns * dram.channels - sum(getattr(activity, name) for name in states))
    timing = dram.device.timing
    every, kind = (timing.refi, "refreshes_all") if dram.refresh == "all-bank" else (timing.refi_bank, "refreshes_bank")
    count = int(rest / (every * timing.clock_ns)) if dram.refresh != "none" else 0
    return DramActivity(active_power_down_ns=rest, **{kind: count})
