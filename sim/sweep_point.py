"""One point of a sweep -> one row of its table. What points share is kept in the process that runs them."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from sim.config import RunConfig, parse_tile
from sim.images import PHOTOS, load_images
from sim.lite0 import build_lite0
from sim.network import Network, load_network
from sim.run import record, run_recorded
from sim.summary import Summary, summarize
from sim.sweep_grid import BUILT_IN_IMAGES, BUILT_IN_NETWORK, Point
from sim.tensors import Quantization, Recorded, Sample

__all__ = ["Figures", "Outcome", "evaluate"]

_HELD_BYTES = 1 << 29  # symbols of one recording kept in memory; larger ones are recorded for each point
_RECORDINGS = 2  # kept in a process
_PLAIN = ("codec", "bypass", "layout", "scan", "run_bits", "word_bits", "burst_bytes")  # axes as `RunConfig` has them
_LOCK = threading.Lock()  # a worker may run points in several threads: the first one records, the others wait


class Figures(BaseModel):
    """What a point found: totals for one image, under the point's codec."""

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
    config = RunConfig(tile=tile, **{name: point[name] for name in _PLAIN})
    with _LOCK:
        shared = _shared(
            None if point["network"] == BUILT_IN_NETWORK else point.path("network"),
            PHOTOS if point["images"] == BUILT_IN_IMAGES else point.path("images"),
            *(point[name] for name in ("mean", "spread", "word_bits")),
        )
    return _reduced(summarize(run_recorded(config, shared.network, shared.names, shared.recorded)), config)


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
    """A network and its tensors."""

    network: Network
    names: tuple[str, ...]
    recorded: Recorded


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
