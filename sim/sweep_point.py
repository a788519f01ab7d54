"""One point of a sweep -> one row of its table. What points share is kept in the process that runs them."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from sim.accelerator import Accelerator, load_accelerator
from sim.coded_tensors import coded_images, raw_tensors
from sim.config import RunConfig, parse_tile
from sim.external import TensorBytes
from sim.images import PHOTOS, load_images
from sim.lite0 import build_lite0
from sim.measure import Known
from sim.network import Network, load_network
from sim.network_plan import plan_network
from sim.run import record, run_recorded
from sim.simulated_layer import LayerResult, SimulationConfig
from sim.simulation import Simulation, simulate_plans
from sim.summary import Summary, summarize
from sim.sweep_grid import BUILT_IN_IMAGES, BUILT_IN_NETWORK, NO_ACCELERATOR, Point
from sim.tensors import Quantization, Recorded, Sample

__all__ = ["Figures", "Outcome", "evaluate"]

_HELD_BYTES = 1 << 29  # symbols of one recording kept in memory; larger ones are recorded for each point
_RECORDINGS = 2  # kept in a process
_PLAIN = ("codec", "bypass", "layout", "scan", "run_bits", "word_bits", "burst_bytes")  # axes as `RunConfig` has them
_LOCK = threading.Lock()  # a worker may run points in several threads: the first one records, the others wait


class Figures(BaseModel):
    """What a point found: totals for one image, under the point's codec.

    Times of the whole are known where the point has an accelerator; `dram_time_ms` is memory's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    activation_raw_bytes: int
    activation_bus_bytes: float
    ratio: float
    ratio_least_image: float
    ratio_most_image: float
    entropy_ratio: float | None
    zero_fraction: float
    index_bytes: float
    read_bytes: float
    write_bytes: float
    moved_bytes: float
    raw_moved_bytes: float
    saving_pct: float
    dram_time_ms: float
    dram_energy_pj: float
    raw_dram_energy_pj: float
    energy_pj: float
    peak_bytes: int
    tile_bytes: int
    macs: int
    weight_count: int
    time_ms: float | None = None
    raw_time_ms: float | None = None


@dataclass(frozen=True)
class Outcome:
    """A point and its figures, or the reason in one line why there are none."""

    point: Point
    figures: Figures | None
    reason: str = ""


def evaluate(point: Point) -> Outcome:
    """Run a point; whatever goes wrong is told in the outcome."""
    try:
        return Outcome(point, _figures(point))
    except Exception as error:
        text = " ".join(str(error).split())
        reason = text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"
        return Outcome(point, None, reason)


def _figures(point: Point) -> Figures:
    tile = parse_tile(point["tile"], point["word_bits"])
    config = RunConfig(tile=tile, compared=(point["codec"],), **{name: point[name] for name in _PLAIN})
    with _LOCK:
        shared = _shared(
            None if point["network"] == BUILT_IN_NETWORK else point.path("network"),
            PHOTOS if point["images"] == BUILT_IN_IMAGES else point.path("images"),
            *(point[name] for name in ("mean", "spread", "word_bits")),
        )
    result = run_recorded(config, shared.network, shared.names, shared.recorded, known=shared.sizes)
    figures = _reduced(summarize(result), config)
    return figures if point["accelerator"] == NO_ACCELERATOR else _simulated(point, config, shared, figures)


def _simulated(point: Point, config: RunConfig, shared: _Shared, plain: Figures) -> Figures:
    """The figures on an accelerator; those of the activations alone stay."""
    name = point["accelerator"]
    accelerator = load_accelerator(str(point.path("accelerator")) if name.endswith(".toml") else name)
    design = SimulationConfig(
        accelerator, config, point["weights_codec"], residency=point["residency"], fuse=point["fuse"]
    )
    plans, placed = plan_network(design, shared.network, {})
    images, names = shared.images(config, accelerator), shared.names if config.codec != "raw" else ("shapes alone",)
    result = simulate_plans(design, shared.network, plans, placed, images, names, known=shared.weights)
    coded, raw = (_design_sums(result, layers) for layers in (result.coded, result.raw))
    return plain.model_copy(
        update={
            "index_bytes": sum(layer.bytes_by_kind["index"] for layer in result.coded),
            "read_bytes": sum(layer.read_bytes for layer in result.coded),
            "write_bytes": sum(layer.write_bytes for layer in result.coded),
            "moved_bytes": coded.moved_bytes,
            "raw_moved_bytes": raw.moved_bytes,
            "saving_pct": 100 * (1 - coded.moved_bytes / raw.moved_bytes) if raw.moved_bytes else 0.0,
            "dram_time_ms": sum(layer.memory_ns for layer in result.coded) / 1e6,
            "dram_energy_pj": coded.dram_pj,
            "raw_dram_energy_pj": raw.dram_pj,
            "energy_pj": coded.energy_pj,
            "peak_bytes": result.peak_bytes,
            "time_ms": coded.time_ms,
            "raw_time_ms": raw.time_ms,
        }
    )


@dataclass(frozen=True)
class _Sums:
    moved_bytes: float
    time_ms: float
    dram_pj: float
    energy_pj: float


def _design_sums(result: Simulation, layers: tuple[LayerResult, ...]) -> _Sums:
    parts = [(name, value) for layer in layers for name, value in layer.energy_pj.items()]
    return _Sums(
        sum(layer.total_bytes for layer in layers),
        result.time_ms(layers),
        sum(value for name, value in parts if name.startswith("dram_")),
        sum(value for _, value in parts),
    )


def _reduced(summary: Summary, config: RunConfig) -> Figures:
    chosen, raw = summary.codec(config.codec), summary.codec("raw")
    layout = "raw" if config.codec == "raw" else config.layout
    return Figures(
        activation_raw_bytes=summary.activation_raw_bytes,
        activation_bus_bytes=chosen.bus_bytes,
        ratio=chosen.ratio,
        ratio_least_image=chosen.ratio_images.min,
        ratio_most_image=chosen.ratio_images.max,
        entropy_ratio=summary.entropy_ratio,
        zero_fraction=summary.activation_zero_fraction,
        index_bytes=chosen.index_bytes,
        read_bytes=chosen.read_bytes,
        write_bytes=chosen.write_bytes,
        moved_bytes=chosen.moved_bytes,
        raw_moved_bytes=raw.moved_bytes,
        saving_pct=chosen.moved_saving_pct,
        dram_time_ms=chosen.dram_time_ms,
        dram_energy_pj=chosen.dram_energy_pj,
        raw_dram_energy_pj=raw.dram_energy_pj,
        energy_pj=sum(chosen.energy_pj.values()),
        peak_bytes=next(row.peak_bytes for row in summary.footprints if row.layout == layout),
        tile_bytes=config.tile[0] * config.tile[1] * config.tile[2] * config.word_bits // 8,
        macs=summary.macs,
        weight_count=summary.weight_count,
    )


@dataclass(frozen=True, eq=False)
class _Shared:
    """A network and its tensors, and what points found: sizes of tensors, tiles with their cycles, coded weights."""

    network: Network
    names: tuple[str, ...]
    recorded: Recorded
    sizes: Known = field(default_factory=dict)
    weights: Known = field(default_factory=dict)
    tiles: dict[Any, tuple[Mapping[str, TensorBytes], ...]] = field(default_factory=dict)

    def images(self, run: RunConfig, accelerator: Accelerator) -> tuple[Mapping[str, TensorBytes], ...]:
        """Tiles of each image's tensors."""
        lanes, bits = accelerator.ports.activations.symbols_per_cycle, accelerator.words.activation_bits
        if run.codec == "raw":
            return (raw_tensors(self.network, run, bits),)
        key = run.format_of(run.codec), run.bypass, lanes
        if key not in self.tiles:
            inner = {tensor.name for tensor in self.network.activations}
            self.tiles[key] = tuple(coded_images(self.network, run, lanes, self.recorded, inner))
        return self.tiles[key]


@dataclass(frozen=True, eq=False)
class _Held:
    """Symbols in memory."""

    quantization: Mapping[str, Quantization]
    samples: tuple[Sample, ...]

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)


@lru_cache(maxsize=_RECORDINGS)
def _shared(model: Path | None, folder: Path, mean: float, spread: float, word_bits: int) -> _Shared:
    """Run a network on images; without a model, the built-in one."""
    photos = load_images(folder)
    network = load_network(model if model else build_lite0())
    recorder = record(network, photos, mean, spread, word_bits)
    symbols = len(photos) * sum(math.prod(tensor.shape) for tensor in network.tensors.values())
    small = symbols * (1 + (word_bits > 8)) <= _HELD_BYTES
    names = tuple(photo.name for photo in photos)
    return _Shared(network, names, _Held(recorder.quantization, tuple(recorder)) if small else recorder)
