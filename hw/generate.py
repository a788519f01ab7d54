"""Everything that a hardware project needs of a codec: SystemVerilog, datasheet, core file, vectors and test bench."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.lib import wiring
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from golden.tile_format import MODES, TileFormat
from hw.activations.index import IndexBuilder, IndexReader
from hw.activations.ports import HARDWARE_MODES, LANES
from hw.activations.tile_decoder import Decoder
from hw.activations.tile_encoder import Encoder
from hw.adaptive_encoder import AdaptiveEncoder
from hw.axis import Channel, Shell
from hw.datasheet import datasheet, datasheet_markdown
from hw.mixed_decoder import MixedDecoder
from hw.mixed_encoder import MixedEncoder
from hw.vectors import Stream, hex_lines, module_streams, record_bits
from hw.verilog import to_verilog

__all__ = ["CODECS", "WAIVERS", "generate", "modules_of"]

CODECS = {"tile": HARDWARE_MODES, **{mode: ("raw", mode) for mode in HARDWARE_MODES[1:]}, "raw": ("raw",)}
CODECS |= {"prc": ("raw", "prc"), "all": MODES}
VERSION = "0.1.0"

WAIVERS = {
    "DECLFILENAME": "submodules stand in the file of their top module",
    "UNUSEDSIGNAL": "bits of tdata that fill a field up to whole bytes; parts of a payload that a core does not read",
    "PROCASSINIT": "registers have an initial value, for an FPGA without reset, beside their reset",
    "WIDTHEXPAND": "sums are written with operands of their own widths; Verilog extends them as meant",
    "WIDTHTRUNC": "sums that cannot carry are stored without the carry",
    "CASEOVERLAP": "multiplexers of several one-hot conditions",
    "UNSIGNED": "comparisons that some parameters make constant",
}
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)


@dataclass(frozen=True)
class Module:
    """A top module: its name in Verilog, what kind of core it is, and how to make it."""

    name: str
    kind: str
    make: Callable[[], wiring.Component]


def modules_of(codec: str, fmt: TileFormat, lanes: int) -> tuple[Module, ...]:
    """The top modules of a codec.

    Raises
    ------
    ValueError
        If the lanes are refused.
    """
    if lanes not in LANES:
        raise ValueError(f"lanes must be 1, 2, 4 or 8, not {lanes!r}")
    kinds: dict[str, Callable[[], wiring.Component]] = {
        "encoder": lambda: Encoder(fmt, lanes),
        "decoder": lambda: Decoder(fmt, lanes),
        "adaptive_encoder": lambda: AdaptiveEncoder(fmt, lanes),
        "index_builder": IndexBuilder,
        "index_reader": IndexReader,
    }
    if "prc" in fmt.modes:
        del kinds["adaptive_encoder"], kinds["encoder"], kinds["decoder"]
        kinds = {
            "mixed_encoder": lambda: MixedEncoder(fmt, lanes),
            "mixed_decoder": lambda: MixedDecoder(fmt, lanes),
            **kinds,
        }
    elif len(fmt.modes) == 1:
        del kinds["adaptive_encoder"]
    return tuple(Module(f"thinwire_{codec}_{kind}", kind, make) for kind, make in kinds.items())


def generate(codec: str, lanes: int, out: Path, **parameters: Any) -> list[Path]:
    """Write a codec's files.

    Parameters
    ----------
    codec : str
        A key of `CODECS`.
    lanes : int
        Symbols per cycle: 1, 2, 4 or 8.
    out : Path
        Folder; made if absent.
    **parameters
        Of `golden.tile_format.TileFormat`, without the modes.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ValueError
        If codec, lanes or format are refused.
    """
    if codec not in CODECS:
        raise ValueError(f"codec must be one of {sorted(CODECS)}, not {codec!r}")
    fmt = TileFormat(modes=CODECS[codec], **parameters)
    modules = modules_of(codec, fmt, lanes)
    name = f"thinwire_{codec}"
    files: dict[str, str] = {}
    shells = {module.name: Shell(module.make()) for module in modules}
    for module in modules:
        files[f"rtl/{module.name}.sv"] = to_verilog(shells[module.name], module.name)
    sources = list(files)
    instances = []
    for module in modules:
        channels = {channel.prefix: channel for channel in shells[module.name].channels}
        streams = module_streams(module.kind, channels, fmt)
        for stream in streams:
            files[f"tb/{_file(module, stream)}"] = hex_lines(stream)
        instances.append(_instance(module, streams))
    files[f"tb/{name}_tb.sv"] = _testbench(name, sources, instances)
    files[f"{name}.core"] = _TEMPLATES.get_template("core.jinja").render(
        name=name,
        library="activations",
        version=VERSION,
        description=f"Activation codec of modes {', '.join(fmt.modes)}, {lanes} symbols per cycle",
        sources=sources,
        tops=[module.name for module in modules],
    )
    files[f"{name}_waivers.vlt"] = _waivers(sources)
    tops = [(module.name, module.kind, shells[module.name]) for module in modules]
    sheet = datasheet(codec, fmt, lanes, tops, {module.name: files[f"rtl/{module.name}.sv"] for module in modules})
    files["datasheet.json"] = json.dumps(sheet, indent=1) + "\n"
    files["datasheet.md"] = datasheet_markdown(sheet)
    return _write(out, files)


def _write(out: Path, files: dict[str, str]) -> list[Path]:
    paths = []
    for name, text in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        paths.append(path)
    return paths


def _file(module: Module, stream: Stream) -> str:
    return f"{module.kind}_{stream.channel.prefix}.hex"


def _instance(module: Module, streams: list[Stream]) -> dict[str, Any]:
    return {
        "top": module.name,
        "short": module.kind,
        "channels": [_channel(module, stream) for stream in streams],
    }


def _channel(module: Module, stream: Stream) -> dict[str, Any]:
    channel = stream.channel
    flags = [flag for flag, has in (("tlast", channel.has_last), ("tuser", channel.error is not None)) if has]
    return {
        "prefix": channel.prefix,
        "data_bits": channel.data_bits,
        "keep_bits": channel.data_bits // 8 if channel.lanes else 0,
        "flags": flags,
        "ports": list(channel.ports),
        "is_input": channel.is_input,
        "record_bits": record_bits(channel),
        "count": len(stream.records),
        "file": _file(module, stream),
        "dice": _dice(module, channel),
        "names": lambda prefix: ", ".join(
            f"{prefix}_{port}" for port in (*reversed(flags), *(["tkeep"] if channel.lanes else []), "tdata")
        ),
    }


def _dice(module: Module, channel: Channel) -> int:
    """Bit of the test bench's dice that stalls a channel: no two of a module the same."""
    return (7 * len(channel.prefix) + 3 * len(module.kind) + (0 if channel.is_input else 13)) % 32


def _testbench(name: str, sources: list[str], instances: list[dict[str, Any]]) -> str:
    counts = [channel["count"] for instance in instances for channel in instance["channels"]]
    return _TEMPLATES.get_template("testbench.sv").render(
        name=name,
        tops=[instance["top"] for instance in instances],
        sources=sources,
        instances=instances,
        transfers=int(np.sum(counts)),
        limit=2000 + 40 * max(counts),
    )


def _waivers(sources: list[str]) -> str:
    lines = ["`verilator_config"]
    for rule, reason in WAIVERS.items():
        lines.append(f"// {rule}: {reason}.")
        lines += [f'lint_off -rule {rule} -file "*{Path(source).name}"' for source in sources]
    return "\n".join(lines) + "\n"
