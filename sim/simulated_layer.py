"""One layer on a design: its transactions through memory and pipeline, its time and energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from golden.activations.prc import PrcFormat
from sim.accelerator import Accelerator
from sim.chip_energy import chip_energy
from sim.codec_energy import CodecWork, codec_energy, gates_of
from sim.config import RunConfig
from sim.dram import DramConfig, simulate
from sim.dram_device import DEVICES
from sim.dram_energy import DramActivity, dram_energy
from sim.external import Transactions
from sim.objective import OBJECTIVES
from sim.pipeline import PipelineParameters, StepTimes, Timeline, fifo_bytes_needed, run_pipeline
from sim.residency import RESIDENCIES
from sim.tile_plan import LayerPlan
from sim.weight_tiles import CodedTiles

__all__ = ["DRAM_PARTS", "LayerResult", "SimulationConfig", "simulate_layer"]

_Floats = NDArray[np.float64]

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
    codec_units : int or None
        Codecs side by side on each port, those of activations each with the port's symbols per cycle; tiles go to them
        in turn, and a weight tile is cut into a stream for each. None: as many as the accelerator has.
    index_cache_groups : int
        As in `sim.external.transactions`.
    residency, fuse : str, bool
        What stays on the chip, as in `sim.residency`.
    objective : str
        What mappings are chosen for, as in `sim.objective`.
    batch : int
        Images that pass each layer before the next one; they share its weights.
    """

    accelerator: Accelerator
    run: RunConfig
    weight_codec: str
    pipeline: PipelineParameters = field(default_factory=PipelineParameters)
    codec_units: int | None = None
    index_cache_groups: int = 128
    residency: str = "long"
    fuse: bool = False
    objective: str = "bytes"
    batch: int = 1

    def __post_init__(self) -> None:
        words, codecs = self.accelerator.words, (self.run.codec, self.weight_codec)
        if words.kind == "float" and codecs != ("raw", "packed"):
            raise ValueError(f"codecs of an accelerator of floats must be raw and packed, not {' and '.join(codecs)}")
        if self.run.codec != "raw" and self.run.word_bits != words.activation_bits:
            bits = words.activation_bits
            raise ValueError(f"word_bits must be the accelerator's activation_bits, {bits}, not {self.run.word_bits}")
        if self.codec_units is not None and not 1 <= self.codec_units <= 64:
            raise ValueError(f"codec_units must be in 1..64, not {self.codec_units!r}")
        if not 1 <= self.batch <= 64:
            raise ValueError(f"batch must be in 1..64, not {self.batch!r}")
        if self.index_cache_groups < 0:
            raise ValueError(f"index_cache_groups must be at least 0, not {self.index_cache_groups!r}")
        for name, choices in (("residency", RESIDENCIES), ("objective", OBJECTIVES)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")

    @property
    def activation_units(self) -> int:
        """Codecs on the activation port."""
        return self.codec_units or self.accelerator.ports.activations.units

    @property
    def weight_units(self) -> int:
        """Decoders on the weight port."""
        return self.codec_units or self.accelerator.ports.weights.units

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


def simulate_layer(config: SimulationConfig, plan: LayerPlan, moved: Transactions, weights: CodedTiles) -> LayerResult:
    """Send a layer's transactions through memory and pipeline; `weights` are those that they move."""
    memory_ns, activity = _memory(config, moved)
    weight_cycles = _per_step(plan, weights.cycles)
    times = _step_times(config, plan, moved, memory_ns, weight_cycles)
    timeline = run_pipeline(times, _pipeline(config, moved))
    read, write = (float(moved.per_step(direction).sum()) for direction in (False, True))
    work = _codec_work(config, moved, float(_per_step(plan, weights.work_cycles).sum()))
    return LayerResult(
        plan,
        {name: float(total) for name, total in moved.by_kind().items()},
        read,
        write,
        memory_ns,
        timeline.time_ns,
        timeline.busy_ns,
        _energy(config, plan, moved, activity, timeline.time_ns) | _codec_energy(config, work),
        fifo_bytes_needed(times),
        timeline,
    )


def _pipeline(config: SimulationConfig, moved: Transactions) -> PipelineParameters:
    """The pipeline with the codecs' latencies in this layer."""
    cycle_ns = 1e3 / config.accelerator.array.clock_mhz
    return replace(
        config.pipeline,
        decode_latency_ns=moved.decode_latency_cycles * cycle_ns,
        encode_latency_ns=moved.encode_latency_cycles * cycle_ns,
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
    config: SimulationConfig, plan: LayerPlan, moved: Transactions, memory_ns: float, weight_cycles: _Floats
) -> StepTimes:
    """Memory's time goes to steps by their bytes; codecs and array work at the array's clock."""
    accelerator = config.accelerator
    cycle_ns = 1e3 / accelerator.array.clock_mhz
    per_byte = memory_ns / moved.total_bytes if moved.total_bytes else 0.0
    reads, writes = moved.per_step(False), moved.per_step(True)
    decode, encode = (_codec_cycles(moved, way, config.activation_units) for way in (False, True))
    rate = accelerator.array.macs_per_cycle * accelerator.software.efficiency
    return StepTimes(
        reads * per_byte,
        np.maximum(decode, weight_cycles) * cycle_ns,
        np.ceil(_operations(config, plan) / rate) * cycle_ns,
        encode * cycle_ns,
        writes * per_byte,
        reads,
        writes,
    )


def _operations(config: SimulationConfig, plan: LayerPlan) -> _Floats:
    """Those of each step; products with inserted zeros count."""
    shape = plan.shape
    inserted = config.accelerator.software.zero_insertion and shape.transposed and shape.weighted
    return plan.operations * prod(shape.stride) if inserted else plan.operations


def _codec_cycles(moved: Transactions, write: bool, units: int) -> _Floats:
    """Cycles of each step: its coded tiles go to the units in turn, the busiest of them tells."""
    chosen = np.flatnonzero((moved.write == write) & (moved.symbols > 0))
    steps = moved.step[chosen]
    first = np.searchsorted(steps, steps)  # steps do not fall
    unit = (np.arange(chosen.size) - first) % units
    sums = np.bincount(steps * units + unit, moved.cycles[chosen], moved.steps * units)
    busiest: _Floats = sums.reshape(moved.steps, units).max(axis=1)
    return busiest


def _per_step(plan: LayerPlan, weight_cycles: NDArray[np.int64]) -> _Floats:
    """Cycles of each step, of those of each weight tile: decoders share a tile, tiles come one behind the other."""
    fetches = plan.weight_fetches
    return np.bincount(fetches.steps, weight_cycles[fetches.tiles], plan.steps).astype(np.float64)


def _codec_work(config: SimulationConfig, moved: Transactions, weight_cycles: float) -> CodecWork:
    """What the layer's codecs do; every unit counts."""
    read, write = ((moved.symbols > 0) & (moved.write == way) for way in (False, True))
    port = config.accelerator.ports.activations
    lanes = PrcFormat().lanes if config.run.codec == "prc" else port.symbols_per_cycle
    beat_words = max(1.0, lanes * config.run.word_bits / 64)
    return CodecWork(
        float(moved.cycles[read].sum()),
        float(moved.cycles[write].sum()),
        float(moved.size_bytes[read].sum()) / 8,
        float(moved.size_bytes[write].sum()) / 8,
        float(moved.symbols[write].sum()) / lanes * beat_words,
        weight_cycles,
    )


def _codec_energy(config: SimulationConfig, work: CodecWork) -> dict[str, float]:
    """By part; zeros where the accelerator has no energies."""
    energies, port = config.accelerator.energy, config.accelerator.ports.activations
    gates = gates_of(config.run.word_bits, port.symbols_per_cycle, config.run.codec, config.weight_codec)
    found = codec_energy(work, gates, energies.process if energies else "")
    return found if energies else dict.fromkeys(found, 0.0)


def _energy(
    config: SimulationConfig, plan: LayerPlan, moved: Transactions, activity: DramActivity | None, time_ns: float
) -> dict[str, float]:
    words = 8 / config.accelerator.words.activation_bits
    dram, accelerator = config.dram, config.accelerator
    if dram is None or activity is None:
        each = accelerator.memory.access_pj or 0.0
        parts = dict.fromkeys(DRAM_PARTS, 0.0) | {"read": moved.total_bytes * words * each}
    else:
        spent = vars(dram_energy(activity + _idle(activity, dram, time_ns), dram.device))
        parts = {name: spent[f"{name}_pj"] for name in DRAM_PARTS}
    loaded, stored = (float(moved.per_step(way).sum()) * words for way in (False, True))
    stored += plan.shape.outputs * plan.shape.output_on_chip  # into the buffer, if not out of it
    chip = chip_energy(plan.shape, float(_operations(config, plan).sum()), loaded, stored, accelerator, time_ns)
    return {f"dram_{name}_pj": part for name, part in parts.items()} | chip.parts()


def _idle(activity: DramActivity, dram: DramConfig, time_ns: float) -> DramActivity:
    """Power-down and refreshes while the layer runs on and memory has nothing to do."""
    states = ("active_ns", "precharged_ns", "active_power_down_ns", "power_down_ns", "self_refresh_ns")
    rest = max(0.0, time_ns * dram.channels - sum(getattr(activity, name) for name in states))
    timing = dram.device.timing
    every, kind = (timing.refi, "refreshes_all") if dram.refresh == "all-bank" else (timing.refi_bank, "refreshes_bank")
    count = int(rest / (every * timing.clock_ns)) if dram.refresh != "none" else 0
    return DramActivity(active_power_down_ns=rest, **{kind: count})
