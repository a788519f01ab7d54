"""The simulator against silicon: Eyeriss' external-memory bytes, processing time and power on AlexNet and VGG-16.

Constants are fitted on AlexNet, none of them per layer: one for time, the set-up of a pass in cycles; two for power,
the energy of a MAC and the idle power. Bytes have none. `ASSUMPTIONS` lists what the paper leaves open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from golden.activations.zrlc import Zrlc, ZrlcFormat
from sim.accelerator import Accelerator, load_accelerator
from sim.eyeriss_chip import NETWORKS, ChipLayer, chip_layers
from sim.layer_shape import LayerShape
from sim.mapping import LOOPS, Mapping, buffer_bits, fetches, tiles_of
from sim.mapping_search import tile_sizes
from sim.row_stationary import PassWork, most_rows, pass_work

__all__ = ["ASSUMPTIONS", "LIMITS_PCT", "Constants", "LayerCheck", "Validation", "validate_eyeriss"]

ASSUMPTIONS = (
    "Filters travel as they are, 16 bits each; maps as one RLC stream per tensor, stored with their padding, since the "
    "paper's zeros count it; the first input is not coded.",
    "Zeros are drawn at random with the measured share; levels are random.",
    "A strip of rows costs its share of the stream; halo rows are fetched again with each strip.",
    "The buffer's 100 KiB for maps hold partial sums of m filters, n images, e rows, and q r input channels of them.",
    "AlexNet: tiles and passes of the paper's table III; densities of outputs as others took them for the same run. "
    "(Conv3's measured buffer accesses would fit the passes of conv4, p q r t = 16 3 2 2, better than the table's.)",
    "VGG-16: the paper tells no mapping. Of the tiles m, n, e that fit, m a divisor of the filters and a multiple of "
    "p t, and that run within 10 % of the fastest, those with the fewest bytes: a rule that finds table III's in four "
    "of AlexNet's five layers.",
    "VGG-16: p = 16 as in AlexNet; q, r, t are read off the buffer accesses, on which its time and power stand; "
    "its bytes, only through the least m, p t, and the room that q r channels take.",
    "VGG-16: outputs have the zeros of the next layer's input. Before 2 x 2 pooling: the square root of the pooled "
    "share of zeros, as if two of four pixels were independent (AlexNet's figures give 2.5 to 3.5 of nine, again "
    "about the square root). The last layer's output is taken as dense as its input.",
    "MB in the paper's tables are 10^6 bytes. (Read as 2^20, VGG-16's buffer accesses agree within 5 %.)",
    "A zero input saves the MAC, its weight read and both accesses to its partial sum; the input is read all the same.",
    "Energies relative to a MAC: register 1, neighbour and delivery 2, buffer 6 (ISCA 2016). Power is of the chip, "
    "without external memory, over the processing time.",
)
LIMITS_PCT = {
    ("AlexNet", "bytes", "mean"): 4.0,
    ("AlexNet", "bytes", "max"): 8.0,
    ("AlexNet", "bytes", "total"): 3.0,
    ("AlexNet", "time", "mean"): 4.0,
    ("AlexNet", "time", "max"): 8.0,
    ("AlexNet", "power", "mean"): 8.0,
    ("VGG-16", "bytes", "mean"): 10.0,
    ("VGG-16", "bytes", "total"): 5.0,
    ("VGG-16", "power", "mean"): 10.0,
}

_GATED_REGISTERS, _FREE_REGISTERS = 3, 1  # accesses of a MAC that a zero input saves, and that it does not
_CHUNK = 1 << 20  # symbols drawn at a time
_PATIENCE = 1.1  # a mapping may be so much slower than the fastest


@dataclass(frozen=True)
class Constants:
    """What is fitted on AlexNet."""

    overhead_cycles: float
    mac_pj: float
    idle_mw: float


@dataclass(frozen=True)
class LayerCheck:
    """A layer's figures beside the chip's: `bytes`, `time` in ms, `power` in mW, `buffer` bytes."""

    layer: ChipLayer
    mapping: Mapping
    input_bytes: float
    weight_bytes: float
    output_bytes: float
    model: dict[str, float]
    chip: dict[str, float]

    def error_pct(self, figure: str) -> float:
        """How far the model is above the chip."""
        return 100 * (self.model[figure] / self.chip[figure] - 1)


@dataclass(frozen=True)
class Validation:
    """All layers of both networks, and the constants."""

    constants: Constants
    networks: dict[str, tuple[LayerCheck, ...]]

    def errors_pct(self, network: str, figure: str) -> dict[str, float]:
        """Mean and greatest error over layers, of either sign, and the error of the total."""
        rows = self.networks[network]
        errors = [abs(row.error_pct(figure)) for row in rows]
        model, chip = (sum(getattr(row, side)[figure] for row in rows) for side in ("model", "chip"))
        return {"mean": float(np.mean(errors)), "max": max(errors), "total": 100 * (model / chip - 1)}

    @property
    def misses(self) -> tuple[str, ...]:
        """Limits that do not hold, in words."""
        return tuple(
            f"{network} {figure}: {kind} error {found:.1f} %, limit {limit:g} %"
            for (network, figure, kind), limit in LIMITS_PCT.items()
            if abs(found := self.errors_pct(network, figure)[kind]) > limit
        )


@dataclass(frozen=True)
class _Parts:
    """A layer before the constants are known."""

    layer: ChipLayer
    mapping: Mapping
    moved: tuple[float, float, float]
    work: PassWork


def validate_eyeriss() -> Validation:
    """Compare all layers of both networks; the same each time."""
    chip = load_accelerator("eyeriss")
    parts = {network: _network_parts(chip_layers(network), chip) for network in NETWORKS}
    constants = _fit(parts["AlexNet"], chip)
    checks = {name: tuple(_check(part, constants, chip) for part in layers) for name, layers in parts.items()}
    return Validation(constants, checks)


def _network_parts(layers: Sequence[ChipLayer], chip: Accelerator) -> list[_Parts]:
    rng = np.random.default_rng(7)
    inputs = [_stored_bytes(layer, k == 0, rng) for k, layer in enumerate(layers)]
    result = []
    for k, layer in enumerate(layers):
        after = layers[k + 1] if k + 1 < len(layers) else None
        if after and not layer.pooled and layer.output_density is None:
            written = inputs[k + 1]
        else:
            written = _coded_bytes(layer.shape.outputs, _output_density(layer, after), rng)
        mapping = _mapping(layer, inputs[k], chip)
        moved = (*_read_bytes(layer, mapping, inputs[k]), written)
        result.append(_Parts(layer, mapping, moved, pass_work(layer.shape, layer.plan, mapping, chip)))
    return result


def _stored_bytes(layer: ChipLayer, is_first: bool, rng: np.random.Generator) -> float:
    """A layer's input in external memory."""
    symbols = layer.shape.touched_inputs
    return 2.0 * symbols if is_first else _coded_bytes(symbols, 1 - layer.measured.zero_fraction, rng)


def _output_density(layer: ChipLayer, after: ChipLayer | None) -> float:
    """Non-zeros of what a layer writes: told, or those of the next layer's input, pooling undone."""
    if layer.output_density is not None:
        return layer.output_density
    if after is None:
        return 1 - layer.measured.zero_fraction
    non_zeros = (1 - after.measured.zero_fraction) * after.shape.touched_inputs
    places = layer.shape.outputs / (4 if layer.pooled else 1)
    zeros = 1 - non_zeros / places
    return 1 - sqrt(zeros) if layer.pooled else 1 - zeros


def _coded_bytes(symbols: int, density: float, rng: np.random.Generator) -> float:
    """Bytes of a tensor of 16-bit values, so many of them non-zero, in Eyeriss' run-length code."""
    values = np.empty(symbols, np.uint16)
    for start in range(0, symbols, _CHUNK):
        part = values[start : start + _CHUNK]
        part[:] = rng.integers(1, 1 << 16, part.size, np.uint16)
        part[rng.random(part.size, np.float32) >= density] = 0
    return Zrlc(ZrlcFormat(5, 16, "eyeriss")).encode(values).bits / 8


def _read_bytes(layer: ChipLayer, mapping: Mapping, stored: float) -> tuple[float, float]:
    """Bytes of input and weights that cross; `stored` is the whole input."""
    values, weight_visits, _ = fetches(layer.shape, tiles_of(layer.shape, mapping), LOOPS)
    return stored * float(values) / layer.shape.touched_inputs, 2.0 * layer.shape.weights * float(weight_visits)


def _mapping(layer: ChipLayer, stored: float, chip: Accelerator) -> Mapping:
    """The paper's tiles; else, of all within 10 % of the fastest, those with the fewest bytes."""
    shape, plan = layer.shape, layer.plan
    if layer.tile:
        choices = [layer.tile]
    else:
        filters = [m for m in range(plan.filters, shape.filters + 1, plan.filters) if shape.group_filters % m == 0]
        rows = [int(e) for e in tile_sizes(shape.out_height) if e <= most_rows(shape, plan, chip)]
        choices = [(m, n, e) for m in filters for n in range(1, shape.batch + 1) for e in rows]
    channels = min(plan.channels, shape.group_channels)
    mappings = [Mapping(n, m, channels, e, shape.out_width) for m, n, e in choices]
    fitting = [mapping for mapping in mappings if _need_bytes(shape, mapping, chip) <= chip.buffer.size_bytes]
    if not fitting:
        raise ValueError(f"tiles of {shape.name!r} must fit {chip.buffer.size_bytes} bytes, and none does")
    cycles = [pass_work(shape, plan, mapping, chip).cycles(0) for mapping in fitting]
    fast = [mapping for mapping, took in zip(fitting, cycles, strict=True) if took <= _PATIENCE * min(cycles)]
    return min(fast, key=lambda mapping: sum(_read_bytes(layer, mapping, stored)))


def _need_bytes(shape: LayerShape, mapping: Mapping, chip: Accelerator) -> float:
    return float(buffer_bits(shape, tiles_of(shape, mapping), chip.buffer)) / 8


def _fit(parts: list[_Parts], chip: Accelerator) -> Constants:
    """Least squares of the relative errors; time first, for power is energy over time."""
    overhead = _fit_time(parts, chip)
    return Constants(overhead, *_fit_power(parts, overhead, chip))


def _fit_time(parts: list[_Parts], chip: Accelerator) -> float:
    """Cycles of set-up."""
    times = np.array([part.layer.measured.processing_ms for part in parts])
    own = np.array([_milliseconds(part, 0, chip) for part in parts]) / times
    slope = np.array([_milliseconds(part, 1, chip) for part in parts]) / times - own
    return float(slope @ (1 - own) / (slope @ slope))


def _fit_power(parts: list[_Parts], overhead: float, chip: Accelerator) -> tuple[float, float]:
    """Energy of a MAC and idle power."""
    powers = np.array([part.layer.measured.power_mw for part in parts])
    rates = np.array([_mac_units(part) / _milliseconds(part, overhead, chip) * 1e-6 for part in parts])
    columns: NDArray[np.float64] = np.stack([rates / powers, 1 / powers], axis=1)
    mac_pj, idle_mw = np.linalg.lstsq(columns, np.ones(len(parts)))[0]
    return float(mac_pj), float(idle_mw)


def _milliseconds(part: _Parts, overhead_cycles: float, chip: Accelerator) -> float:
    return part.work.cycles(overhead_cycles) / chip.array.clock_mhz * 1e-3


def _mac_units(part: _Parts) -> float:
    """Energy of a layer in MACs."""
    work = part.work
    gated = work.macs * (1 - part.layer.measured.zero_fraction) * (1 + _GATED_REGISTERS)
    return (
        gated + work.macs * _FREE_REGISTERS + 2 * (work.delivered_words + work.neighbour_words) + 6 * work.buffer_words
    )


def _check(part: _Parts, constants: Constants, chip: Accelerator) -> LayerCheck:
    measured = part.layer.measured
    time = _milliseconds(part, constants.overhead_cycles, chip)
    model = {
        "bytes": sum(part.moved),
        "time": time,
        "power": constants.idle_mw + constants.mac_pj * _mac_units(part) / time * 1e-6,
        "buffer": 2 * part.work.buffer_words,
        "elements": part.work.active_elements,
    }
    silicon = {
        "bytes": measured.external_bytes,
        "time": measured.processing_ms,
        "power": measured.power_mw,
        "buffer": measured.buffer_bytes,
        "elements": measured.active_elements,
    }
    return LayerCheck(part.layer, part.mapping, *part.moved, model, silicon)
