"""A simulation as plain figures: rows of layers, totals, constants, assumptions; the schema of `summary.json`."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from sim.chip_energy import constants, sensitivity
from sim.external import KINDS
from sim.simulated_layer import LayerResult
from sim.simulation import Simulation

__all__ = ["ASSUMPTIONS", "SimulatedDesign", "SimulatedLayer", "SimulationSummary", "summarize_simulation"]

ASSUMPTIONS = (
    "layers run one after the other, fused ones too, though their strips could overlap (their time is an upper bound): "
    "nothing of the next one is loaded before a layer has ended; vectors (1 x 1) stay "
    "on chip, other tensors where residency or fusion keeps them (sim/residency.py); all others travel",
    "codec tiles are fetched and decoded whole; a step keeps those that the step before had; output tiles are gathered "
    "on chip and coded once",
    "mappings are the best among those of whole codec tiles (sim/aligned_mapping.py); both designs run on the same",
    "network input and outputs travel raw; an index group of 32 bytes serves 8 tiles and is read once while the port's "
    "index cache holds the tensor's index",
    "weights are quantized to 8 bits per tensor (or are the network's own integers) and coded offline, each tile of "
    "the mapping on its own, in a stream for each weight decoder; biases take four bytes each, once a layer",
    "memory serves a layer's requests back to back; its time is shared out to steps by bytes; idle channels power down",
    "a step's load or store is not interrupted: while a slow codec draws it out, the other port waits; FIFOs deep "
    "enough to end this (they are told) show what finer interleaving would give",
    "a tile takes the cycles that the stepped models of encoder and decoder take for it (sim/timing.py, equal to the "
    "cores') at the array's clock, as if its tensor's tiles came in order; the tiles of a step go to the port's units "
    "in turn; the chooser's ring holds a whole tile, so an encoder's first word comes a tile later",
    "a weight decoder takes its share of each weight tile as one tensor, for the cycles that the decompressor takes "
    "(sim/timing_weights.py, equal to the hardware's) at the array's clock; hevc, of which there is no hardware, takes "
    "ceil(weights / symbols per cycle); weight decoders work beside activation decoders; prc's cores take four symbols "
    "a cycle each, whatever the port tells; weights that are not coded "
    "need no decoder, and a design without codecs has neither",
    "the array does all its MACs in every cycle (no loss at edges or in depthwise layers); a window without weights "
    "takes one operation for each value it reads",
    "where the accelerator's file tells what its programs make of it: the array reaches that share of its MACs, a "
    "transposed convolution counts products with inserted zeros, and an image takes a constant time in no layer",
    "an input value read from the buffer serves as many filters, a weight as many pixels, as the array has columns "
    "and rows; three register accesses for each MAC",
    "codecs take their gates times the cycles in which they work (sim/codec_energy.py); hevc counts as a pair decoder; "
    "index logic and leakage are not counted",
    "figures are means over the images; in a batch the images pass a layer one behind the other, share its weights "
    "where the mapping lets them, and what the batch takes is divided by its images; peak memory is that of the batch",
)

_STAGES = ("memory", "decode", "compute", "encode")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SimulatedLayer(_Model):
    """One layer of one design: bytes by kind, times, energies; means over the images."""

    layer: str
    op: str
    macs: int
    steps: int
    mapping: str
    input_bytes: float
    refetch_bytes: float
    weight_bytes: float
    index_bytes: float
    output_bytes: float
    partial_bytes: float
    total_bytes: float
    raw_total_bytes: float
    read_bytes: float
    write_bytes: float
    time_us: float
    raw_time_us: float
    bottleneck: str
    bottleneck_share: float
    utilization: float
    on_chip: str
    memory_us: float
    decode_us: float
    compute_us: float
    encode_us: float
    read_fifo_bytes: int
    write_fifo_bytes: int
    energy_pj: float
    raw_energy_pj: float
    dram_energy_pj: float
    dram_activate_pj: float
    dram_read_pj: float
    dram_write_pj: float
    dram_io_pj: float
    dram_background_pj: float
    dram_refresh_pj: float
    mac_pj: float
    register_pj: float
    buffer_pj: float
    codec_pj: float
    idle_pj: float


class SimulatedDesign(_Model):
    """Totals of a design over all layers, for one image."""

    name: str
    bytes_by_kind: dict[str, float]
    total_bytes: float
    read_bytes: float
    write_bytes: float
    time_ms: float
    memory_ms: float
    utilization: float
    peak_bytes: int
    energy_pj: dict[str, float]
    dram_energy_pj: float
    total_energy_pj: float
    layers_by_bottleneck: dict[str, int]
    read_fifo_bytes: int
    write_fifo_bytes: int
    sensitivity_20_pct: dict[str, float]


class SimulationSummary(_Model):
    """A simulated network."""

    schema_version: Literal[1] = 1
    kind: Literal["simulation"] = "simulation"
    thinwire_version: str
    network: str
    images: tuple[str, ...]
    accelerator: dict[str, Any]
    config: dict[str, Any]
    macs: int
    weight_count: int
    coded: SimulatedDesign
    raw: SimulatedDesign
    layers: tuple[SimulatedLayer, ...]
    resident: tuple[str, ...]
    fused: tuple[str, ...]
    fused_overlap_ms: float = 0.0
    reserved_bytes: int
    constants: tuple[dict[str, Any], ...]
    assumptions: tuple[str, ...]


def summarize_simulation(result: Simulation) -> SimulationSummary:
    """Reduce a simulation to its summary."""
    config, peak = result.config, result.config.accelerator.peak_macs_per_s
    own = {
        **config.run.to_json(),
        "weight_codec": config.weight_codec,
        "codec_units": config.activation_units,
        "weight_units": config.weight_units,
        "residency": config.residency,
        "fuse": config.fuse,
        "objective": config.objective,
        "batch": config.batch,
        "index_cache_groups": config.index_cache_groups,
        **{f"pipeline_{name}": value for name, value in asdict(config.pipeline).items()},
    }
    return SimulationSummary(
        thinwire_version=version("thinwire"),
        network=result.network.name,
        images=result.images,
        accelerator=config.accelerator.model_dump(),
        config=own,
        macs=result.network.macs,
        weight_count=result.network.weight_count,
        coded=_design(f"{config.run.codec} + {config.weight_codec}", result, result.coded, result.peak_bytes),
        raw=_design("raw + packed", result, result.raw, result.raw_peak_bytes),
        layers=tuple(_layer(*pair, result.residency.kept, peak) for pair in zip(result.coded, result.raw, strict=True)),
        resident=tuple(sorted(result.residency.resident)),
        fused=tuple(sorted(result.residency.fused)),
        fused_overlap_ms=_overlap_ms(result.coded, result.residency.fused),
        reserved_bytes=max(result.residency.reserved_bytes, default=0),
        constants=tuple(
            asdict(constant) for constant in constants(config.accelerator, config.run.codec, config.weight_codec)
        ),
        assumptions=(*ASSUMPTIONS, *result.notes),
    )


def _sum_pj(layer: LayerResult, prefix: str = "") -> float:
    return sum(value for name, value in layer.energy_pj.items() if name.startswith(prefix))


def _overlap_ms(layers: tuple[LayerResult, ...], fused: Container[str]) -> float:
    """What chains would save at most if the strips of their layers overlapped, each resource being busy as long."""
    saved_ns, chain = 0.0, list[LayerResult]()
    for layer in layers:
        chain.append(layer)
        if layer.plan.layer.output not in fused:
            busy_ns = max(sum(one.busy_ns[stage] for one in chain) for stage in _STAGES)
            saved_ns += max(0.0, sum(one.time_ns for one in chain) - busy_ns) if len(chain) > 1 else 0.0
            chain = []
    return saved_ns / 1e6


def _utilization(macs: float, time_ns: float, peak_macs_per_s: float) -> float:
    """Share of the time's MACs that are done."""
    return macs / (peak_macs_per_s * time_ns * 1e-9) if time_ns else 0.0


def _on_chip(layer: LayerResult, kept: Container[str]) -> str:
    """What of a layer's tensors does not cross the bus."""
    words = [f"reads {name}" for name in layer.plan.layer.inputs if name in kept]
    return ", ".join([*words, *(["output"] if layer.plan.layer.output in kept else [])])


def _design(name: str, result: Simulation, layers: tuple[LayerResult, ...], peak_bytes: int) -> SimulatedDesign:
    energy = {part: sum(layer.energy_pj[part] for layer in layers) for part in layers[0].energy_pj}
    macs, time_ms = sum(layer.plan.layer.macs for layer in layers), result.time_ms(layers)
    return SimulatedDesign(
        name=name,
        bytes_by_kind={kind: sum(layer.bytes_by_kind[kind] for layer in layers) for kind in KINDS},
        total_bytes=sum(layer.total_bytes for layer in layers),
        read_bytes=sum(layer.read_bytes for layer in layers),
        write_bytes=sum(layer.write_bytes for layer in layers),
        time_ms=time_ms,
        memory_ms=sum(layer.memory_ns for layer in layers) / 1e6,
        utilization=_utilization(macs, 1e6 * time_ms, result.config.accelerator.peak_macs_per_s),
        peak_bytes=peak_bytes,
        energy_pj=energy,
        dram_energy_pj=sum(_sum_pj(layer, "dram_") for layer in layers),
        total_energy_pj=sum(energy.values()),
        layers_by_bottleneck={stage: sum(layer.bottleneck == stage for layer in layers) for stage in _STAGES},
        read_fifo_bytes=max(layer.fifo_bytes[0] for layer in layers),
        write_fifo_bytes=max(layer.fifo_bytes[1] for layer in layers),
        sensitivity_20_pct={part: 100 * moved for part, moved in sensitivity(energy).items()},
    )


def _layer(coded: LayerResult, raw: LayerResult, kept: Container[str], peak_macs_per_s: float) -> SimulatedLayer:
    mapping, pj, busy = coded.plan.mapping, coded.energy_pj, coded.busy_ns
    sizes = f"{mapping.groups}g {mapping.filters}f {mapping.channels}c {mapping.rows}x{mapping.columns}"
    return SimulatedLayer(
        layer=coded.plan.layer.name,
        op=coded.plan.layer.op,
        macs=coded.plan.layer.macs,
        steps=coded.plan.steps,
        mapping=f"{sizes}, {' > '.join(mapping.order)}",
        **{f"{kind}_bytes": value for kind, value in coded.bytes_by_kind.items()},
        total_bytes=coded.total_bytes,
        raw_total_bytes=raw.total_bytes,
        read_bytes=coded.read_bytes,
        write_bytes=coded.write_bytes,
        time_us=coded.time_ns / 1e3,
        raw_time_us=raw.time_ns / 1e3,
        bottleneck=coded.bottleneck,
        bottleneck_share=busy[coded.bottleneck] / coded.time_ns if coded.time_ns else 0.0,
        utilization=_utilization(coded.plan.layer.macs, coded.time_ns, peak_macs_per_s),
        on_chip=_on_chip(coded, kept),
        **{f"{stage}_us": busy[stage] / 1e3 for stage in _STAGES},
        read_fifo_bytes=coded.fifo_bytes[0],
        write_fifo_bytes=coded.fifo_bytes[1],
        energy_pj=_sum_pj(coded),
        raw_energy_pj=_sum_pj(raw),
        dram_energy_pj=_sum_pj(coded, "dram_"),
        dram_io_pj=pj["dram_read_io_pj"] + pj["dram_write_io_pj"] + pj["dram_standby_io_pj"],
        codec_pj=pj["codec_logic_pj"] + pj["codec_memory_pj"] + pj["weight_decoder_pj"],
        dram_background_pj=pj["dram_background_pj"] + pj["dram_power_down_pj"],
        **{name: pj[name] for name in ("dram_activate_pj", "dram_read_pj", "dram_write_pj", "dram_refresh_pj")},
        **{name: pj[name] for name in ("mac_pj", "register_pj", "buffer_pj", "idle_pj")},
    )
