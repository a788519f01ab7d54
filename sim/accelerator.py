"""The accelerator: array, buffers, words, memory, codecs on its ports, energies, as a TOML file tells them."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from sim.config import CODECS, parse_tile
from sim.dram_device import DEVICES
from sim.dram_mapping import AddressMapping
from sim.mapping import Buffer
from sim.toml_file import Table, parse_toml, read_toml

__all__ = ["PRESETS", "WEIGHT_CODECS", "Accelerator", "load_accelerator", "preset_text"]

WEIGHT_CODECS = ("packed", "huffman", "zero-runs", "relative-index", "deepcomp", "mlw", "block-float", "hevc")
PRESETS = ("mobile", "eyeriss", "ethos-u55", "rk3399-gpu")

_Count = Annotated[int, Field(ge=1)]
_Positive = Annotated[float, Field(gt=0)]
_NotNegative = Annotated[float, Field(ge=0)]
_Bits = Literal[4, 8, 16, 32]


class Array(Table):
    """Arithmetic: `macs_per_cycle` at best; `rows` x `columns` processing elements where the dataflow needs them."""

    dataflow: Literal["output-stationary", "row-stationary", "vector"]
    macs_per_cycle: _Count
    clock_mhz: _Positive
    rows: _Count | None = None
    columns: _Count | None = None

    @model_validator(mode="after")
    def _grid(self) -> Array:
        if self.dataflow == "row-stationary" and not (self.rows and self.columns):
            raise ValueError("a row-stationary array must have rows and columns")
        if self.rows and self.columns and self.rows * self.columns != self.macs_per_cycle:
            raise ValueError(
                f"macs_per_cycle must be rows x columns, {self.rows * self.columns}, not {self.macs_per_cycle}"
            )
        return self


class Registers(Table):
    """Register files of one processing element."""

    input_words: _Count
    weight_words: _Count
    partial_words: _Count


class Buffers(Table):
    """On-chip memory for tiles; with `weights_kib`, weights have one of their own."""

    size_kib: _Positive
    weights_kib: _Positive | None = None
    double_buffered: bool

    @model_validator(mode="after")
    def _whole(self) -> Buffers:
        if (self.size_kib * 1024) % 1:
            raise ValueError(f"size_kib must be a whole number of bytes, not {self.size_kib!r}")
        return self


class Words(Table):
    """Widths of values. Codecs of activations are for integers: floats travel as they are."""

    kind: Literal["integer", "float"] = "integer"
    activation_bits: _Bits
    weight_bits: _Bits
    partial_bits: Literal[16, 24, 32, 40, 48]

    @model_validator(mode="after")
    def _known(self) -> Words:
        if self.kind == "float" and min(self.activation_bits, self.weight_bits) < 16:
            raise ValueError("activation_bits and weight_bits of floats must be 16 or 32")
        if self.kind == "integer" and max(self.activation_bits, self.weight_bits) > 16:
            raise ValueError('activation_bits and weight_bits must be 4, 8 or 16 (where kind is "float", 16 or 32)')
        return self


class OnChipNetwork(Table):
    """Words per cycle between buffer and array; None where it never limits."""

    input_words: _Count | None = None
    weight_words: _Count | None = None
    partial_words: _Count | None = None


class Memory(Table):
    """External memory: a DRAM part with its channels, or nothing but a bandwidth."""

    device: str | None = None
    channels: int = 1
    interleave_bytes: int = 256
    mapping: str = "robaco"
    refresh: Literal["none", "all-bank", "per-bank"] = "all-bank"
    bandwidth_gbps: _Positive | None = None
    access_pj: _Positive | None = None

    @field_validator("device")
    @classmethod
    def _known(cls, device: str | None) -> str | None:
        if device is not None and device not in DEVICES:
            raise ValueError(f"device must be one of {', '.join(DEVICES)}, not {device!r}")
        return device

    @field_validator("channels", "interleave_bytes")
    @classmethod
    def _power_of_two(cls, value: int, info: ValidationInfo) -> int:
        least = 32 if info.field_name == "interleave_bytes" else 1
        if value < least or value & (value - 1):
            raise ValueError(f"{info.field_name} must be a power of two from {least}, not {value}")
        return value

    @field_validator("mapping")
    @classmethod
    def _mapping(cls, order: str) -> str:
        return AddressMapping(order).order

    @model_validator(mode="after")
    def _one_kind(self) -> Memory:
        if (self.device is None) == (self.bandwidth_gbps is None):
            raise ValueError("[memory] must have either device or bandwidth_gbps")
        return self


class Port(Table):
    """A codec between buffer and external memory: units side by side, and the symbols that each takes in a cycle."""

    codec: str
    symbols_per_cycle: Literal[1, 2, 4, 8] = 8
    units: Annotated[int, Field(ge=1, le=64)] = 1

    _codecs: ClassVar[tuple[str, ...]]

    @field_validator("codec")
    @classmethod
    def _known(cls, codec: str) -> str:
        if codec not in cls._codecs:
            raise ValueError(f"codec must be one of {', '.join(cls._codecs)}, not {codec!r}")
        return codec


class ActivationPort(Port):
    """Codecs of activations; ``best`` takes the smallest for each tile. Tiles are height x width x channels."""

    tile: str = "auto"

    _codecs = CODECS

    @field_validator("tile")
    @classmethod
    def _sizes(cls, text: str) -> str:
        if min(parse_tile(text, 8)) < 1:
            raise ValueError(f"tile must have sizes of at least 1, not {text!r}")
        return text


class WeightPort(Port):
    """Codecs of weights; ``packed`` is none.

    Each takes the cycles of its decoder in hardware (`sim.timing_weights`); `symbols_per_cycle` is that of codecs
    without one (``hevc``).
    """

    _codecs = WEIGHT_CODECS


class Ports(Table):
    """Codecs on the ports."""

    activations: ActivationPort
    weights: WeightPort


class Software(Table):
    """What the programs of a device make of it.

    `efficiency` is the share of the array's MACs that a layer reaches at best, `image_ms` the time of an image that is
    in no layer. With `zero_insertion`, a transposed convolution runs as a convolution over its input spread with
    zeros: on every output pixel.
    """

    efficiency: Annotated[float, Field(gt=0, le=1)] = 1.0
    image_ms: _NotNegative = 0.0
    zero_insertion: bool = False


class Energies(Table):
    """Energy of one event on one word, and power that is always drawn."""

    process: str
    mac_pj: _NotNegative
    register_pj: _NotNegative
    hop_pj: _NotNegative
    buffer_pj: _NotNegative
    idle_mw: _NotNegative = 0.0


class Accelerator(Table):
    """An accelerator.

    Attributes
    ----------
    name, source : str
        What it is, and where its figures come from.
    """

    name: str
    source: str
    array: Array
    registers: Registers | None = None
    buffers: Buffers
    words: Words
    network: OnChipNetwork = OnChipNetwork()
    memory: Memory
    ports: Ports
    software: Software = Software()
    energy: Energies | None = None

    @model_validator(mode="after")
    def _codes_integers(self) -> Accelerator:
        if self.words.kind == "float" and (self.ports.activations.codec, self.ports.weights.codec) != ("raw", "packed"):
            raise ValueError("ports of an accelerator of floats must have the codecs raw and packed")
        return self

    @property
    def peak_macs_per_s(self) -> float:
        """Multiplications with accumulation in a second, at best."""
        return self.array.macs_per_cycle * self.array.clock_mhz * 1e6

    @property
    def reached_macs_per_s(self) -> float:
        """The same as its programs reach it."""
        return self.peak_macs_per_s * self.software.efficiency

    @property
    def buffer(self) -> Buffer:
        """The buffer as mappings see it."""
        words = self.words
        return Buffer(
            size_bytes=int(self.buffers.size_kib * 1024),
            double=self.buffers.double_buffered,
            weights_apart=self.buffers.weights_kib is not None,
            weights_bytes=int((self.buffers.weights_kib or 0) * 1024),
            activation_bits=words.activation_bits,
            weight_bits=words.weight_bits,
            partial_bits=words.partial_bits,
        )

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """Peak of the external memory."""
        if self.memory.bandwidth_gbps is not None:
            return self.memory.bandwidth_gbps * 1e9
        return self.memory.channels * DEVICES[self.memory.device or ""].peak_gb_s * 1e9


def preset_text(name: str) -> str:
    """The file of a preset.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in PRESETS:
        raise ValueError(f"accelerator must be one of {', '.join(PRESETS)} or a .toml file, not {name!r}")
    return (files("sim") / "accelerators" / f"{name}.toml").read_text("utf-8")


@lru_cache
def _preset(name: str) -> Accelerator:
    return parse_toml(preset_text(name), Accelerator, f"{name}.toml")


def load_accelerator(name: str) -> Accelerator:
    """A preset by its name, or a file by its path (ending in ``.toml``).

    Raises
    ------
    ValueError
        If there is no such preset or file, or the file has mistakes: each is told with its line.
    """
    return read_toml(Path(name), Accelerator) if name.endswith(".toml") else _preset(name)
