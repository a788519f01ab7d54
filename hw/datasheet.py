"""The datasheet of a generated codec: one plain dictionary, as JSON and as Markdown."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from golden.tile_format import DEFAULT_MODES, GROUP_BYTES, GROUP_TILES, MODES, TileFormat
from hw.activations.chooser import Chooser
from hw.activations.index import IndexBuilder, IndexReader
from hw.activations.plane_ring import PlaneRing
from hw.activations.ports import word_bits
from hw.activations.prc_decoder import PrcDecoder
from hw.activations.prc_encoder import PrcEncoder
from hw.activations.tile_decoder import Decoder
from hw.activations.tile_encoder import Encoder
from hw.adaptive_encoder import AdaptiveEncoder
from hw.axis import Channel, Shell
from hw.mixed_decoder import MixedDecoder
from hw.mixed_encoder import MixedEncoder
from hw.mixed_ports import plain_format

__all__ = ["datasheet", "datasheet_markdown"]

_CORES = {
    "encoder": (Encoder,),
    "decoder": (Decoder,),
    "adaptive_encoder": (AdaptiveEncoder, Chooser, Encoder),
    "mixed_encoder": (MixedEncoder, Chooser, PrcEncoder, Encoder),
    "mixed_decoder": (MixedDecoder, PlaneRing, PrcDecoder, Decoder),
    "index_builder": (IndexBuilder,),
    "index_reader": (IndexReader,),
}
_STORE = re.compile(r"^module (\w+)\(|^  reg \[(\d+):0\] store \[(\d+):0\];", re.MULTILINE)
_FIELDS = {
    "zero_point": "the symbol that means zero",
    "number": "number of the tile mod 2^15, or of the group mod 2^16: first state of the CRC",
    "told": "1: take `mode` as told; 0: choose",
    "count": "symbols of the tile, at least 1",
    "bursts": "bursts of the payload",
    "check": "CRC of the payload",
    "base": "burst number: of the group's first tile, or of the tile's payload at the reader",
    "tiles": "tiles in the group, less one",
    "height": "rows of the tile's planes, at least 1",
    "width": "columns of the tile's planes, at least 1",
    "channels": "planes of the tile, at least 1",
}
_COSTS = {"adaptive_encoder": ("chooser", "encoder"), "index_builder": ("index builder",)}
_COSTS |= {"index_reader": ("index reader",), "encoder": ("encoder",), "decoder": ("decoder",)}
_COSTS |= {"mixed_encoder": ("mixed encoder",), "mixed_decoder": ("mixed decoder",)}


def datasheet(
    codec: str, fmt: TileFormat, lanes: int, modules: list[tuple[str, str, Shell]], verilog: dict[str, str]
) -> dict[str, Any]:
    """All facts of a generated codec.

    Parameters
    ----------
    codec : str
    fmt : TileFormat
    lanes : int
    modules : list of (str, str, Shell)
        Name in Verilog, kind of core, and its shell.
    verilog : dict of str to str
        Text of each module by name; it tells the memories.
    """
    return {
        "codec": codec,
        "format": asdict(fmt),
        "lanes": lanes,
        "word_bits": word_bits(plain_format(fmt), lanes),
        "limits": _limits(fmt),
        "buffers": _buffers(fmt, lanes),
        "modules": [
            _module(name, kind, shell, fmt, lanes) | {"memories": _memories(verilog[name])}
            for name, kind, shell in modules
        ],
    }


def _limits(fmt: TileFormat) -> dict[str, int]:
    return {
        "tile_symbols": fmt.tile_symbols,
        "tile_bursts_raw": fmt.slot_bursts,
        "burst_bytes": fmt.burst_bytes,
        "index_group_tiles": GROUP_TILES,
        "index_group_bytes": GROUP_BYTES,
    }


def _buffers(fmt: TileFormat, lanes: int) -> dict[str, int]:
    """Sizes to plan with: bits per cycle of dense data, and bits of a tile."""
    return {
        "symbol_bits_per_cycle": lanes * fmt.word_bits,
        "payload_bits_per_cycle_most": lanes * (fmt.word_bits + fmt.run_bits),
        "tile_bits": fmt.tile_symbols * fmt.word_bits,
    }


def _module(name: str, kind: str, shell: Shell, fmt: TileFormat, lanes: int) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "what": "\n\n".join(_prose(core) for core in _CORES[kind]),
        "streams": [_stream(channel, fmt) for channel in shell.channels],
        "cost": _cost(kind, fmt, lanes),
    }


def _memories(verilog: str) -> list[dict[str, Any]]:
    """Every memory: the module that is nothing else, its bits a word and its words."""
    memories, module = [], ""
    for name, top_bit, last in _STORE.findall(verilog):
        if name:
            module = name
        else:
            memories.append({"module": module, "word_bits": int(top_bit) + 1, "words": int(last) + 1})
    return memories


def _prose(core: type) -> str:
    """A core's docstring down to its parameters: what it does, its latency and throughput, stalls and bad input."""
    text = inspect.getdoc(core) or ""
    return text.partition("\nParameters\n")[0].partition("\nMembers\n")[0].strip()


def _meaning(field: str, fmt: TileFormat) -> str:
    if field == "mode":
        return "mode of the tile: " + ", ".join(f"{MODES.index(mode)} {mode}" for mode in fmt.modes)
    return _FIELDS[field]


def _stream(channel: Channel, fmt: TileFormat) -> dict[str, Any]:
    ports = [
        {"name": name, "bits": width, "direction": "input" if is_input else "output"}
        for name, (width, is_input) in channel.ports.items()
    ]
    fields = [
        {
            "name": field.name,
            "from_bit": 8 * field.first_byte,
            "bits": field.bits,
            "meaning": _meaning(field.name.removeprefix("entry_"), fmt),
        }
        for field in channel.fields
        if not channel.lanes and field.name != "data"
    ]
    return {"prefix": channel.prefix, "symbols": channel.lanes, "ports": ports, "fields": fields}


def _cost(kind: str, fmt: TileFormat, lanes: int) -> list[dict[str, Any]]:
    """What `hw.area` measured for the module's cores; empty for a format that it does not measure."""
    path = Path(__file__).parent / "data" / "area.json"
    measured = json.loads(path.read_text()) if path.exists() else []
    modes = MODES if "prc" in fmt.modes else DEFAULT_MODES
    tile = (8, 8, 16) if fmt.word_bits == 16 else (8, 8, 32)
    default = TileFormat(word_bits=fmt.word_bits, tile=tile, modes=modes)
    wanted = {(name, fmt.word_bits, lanes) for name in _COSTS[kind]} | {(name, 0, 0) for name in _COSTS[kind]}
    if fmt != default and not kind.startswith("index"):
        return []
    return [cost for cost in measured if (cost["name"], cost["symbol_bits"], cost["lanes"]) in wanted]


def datasheet_markdown(sheet: dict[str, Any]) -> str:
    """The datasheet for a reader."""
    folder = FileSystemLoader(Path(__file__).parent / "templates")
    template = Environment(loader=folder, undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    return template.get_template("datasheet.md").render(**sheet)
