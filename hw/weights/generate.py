"""The decompressor for a hardware project: SystemVerilog, datasheet, C header, core file, vectors and test bench."""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from golden.registry import weight_codec_from_config
from golden.weights.container import Scales, StoredWeights
from golden.weights.linear import LinearFormat, quantize
from golden.weights.rescale import ADDEND_BITS, EXPONENT_BITS, MULTIPLIER_BITS
from hw.verilog import to_verilog
from hw.weights.datapath import Datapath
from hw.weights.datapath_ports import Descriptor, Engine, Where
from hw.weights.decompressor import Decompressor
from hw.weights.dequant import DequantOrder
from hw.weights.descriptors import FORM_NUMBERS, Job, job_of
from hw.weights.fusion import FIELD_BITS, Selection
from hw.weights.gather import BEAT_BYTES
from hw.weights.intake import BUSES, WORDS_BITS
from hw.weights.pair_ports import Form, PairOrder
from hw.weights.ports import COUNT_BITS, Fault
from hw.weights.registers import ADDRESS_BITS, MAP, Register

__all__ = ["generate_decompressor"]

_NAME, _VERSION = "thinwire_decompressor", "0.1.0"
_WAIVERS = {
    "DECLFILENAME": "submodules stand in the file of their top module",
    "UNUSEDSIGNAL": "parts of a payload or of a sum that a core does not read",
    "PROCASSINIT": "registers have an initial value, for an FPGA without reset, beside their reset",
    "WIDTHEXPAND": "sums are written with operands of their own widths; Verilog extends them as meant",
    "WIDTHTRUNC": "sums that cannot carry are stored without the carry",
    "CASEOVERLAP": "multiplexers of several one-hot conditions",
    "UNSIGNED": "comparisons that some parameters make constant",
    "CMPCONST": "the same",
}
# What the fields of the descriptor are made of, and what its numbers mean.
_LAYOUTS = (Descriptor, Selection, PairOrder, DequantOrder)
_NUMBERS = {"engine": Engine, "pair_form": Form, "fault": Fault, "where": Where}
_STORE = re.compile(r"^module (\w+)\(|^  reg \[(\d+):0\] store \[(\d+):0\];", re.MULTILINE)
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "templates"),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
)
_COSTS = {
    Engine.FIELDS: ("fusion",),
    Engine.PAIRS: ("pair decoder",),
    Engine.MLW: ("mlw decoder",),
    Engine.PACKED: ("packed", "palette"),
}


def generate_decompressor(out: Path, engines: Sequence[Engine] = tuple(Engine), bus_bits: int = BUSES[0]) -> list[Path]:
    """Write the files into a folder, made if absent; return their paths.

    Raises
    ------
    ValueError
        If there is no such bus.
    """
    core = Decompressor(engines=engines, bus_bits=bus_bits)
    verilog = to_verilog(core, _NAME)
    files = {f"rtl/{_NAME}.sv": verilog, f"{_NAME}.h": _header(), **_vectors(engines, bus_bits)}
    sources = [f"rtl/{_NAME}.sv"]
    files[f"{_NAME}.core"] = _TEMPLATES.get_template("core.jinja").render(
        name=_NAME,
        library="weights",
        version=_VERSION,
        description="Decompressor of neural networks' weights",
        sources=sources,
        tops=[_NAME],
    )
    files[f"{_NAME}_waivers.vlt"] = "\n".join(
        [
            "`verilator_config",
            *(f'// {rule}: {why}.\nlint_off -rule {rule} -file "*{_NAME}.sv"' for rule, why in _WAIVERS.items()),
            "",
        ]
    )
    sheet = _sheet(core, engines, bus_bits, verilog)
    files["datasheet.json"] = json.dumps(sheet, indent=1) + "\n"
    files["datasheet.md"] = _TEMPLATES.get_template("decompressor.md").render(**sheet)
    paths = []
    for name, text in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        paths.append(path)
    return paths


def _sheet(core: Decompressor, engines: Sequence[Engine], bus_bits: int, verilog: str) -> dict[str, Any]:
    ports = [
        {
            "name": name,
            "bits": member.shape.width if hasattr(member.shape, "width") else int(member.shape),
            "direction": "input" if member.flow.name == "In" else "output",
        }
        for name, member in core.signature.members.items()
    ]
    return {
        "name": _NAME,
        "engines": [engine.name for engine in engines],
        "bus_bits": bus_bits,
        "what": _prose(Decompressor) + "\n\n" + _prose(Datapath),
        "ports": ports,
        "registers": [_register(register) for register in MAP.registers],
        "layouts": {layout.__name__: inspect.getdoc(layout) for layout in _LAYOUTS},
        "numbers": {name: _numbers(kind) for name, kind in _NUMBERS.items()},
        "limits": _limits(core),
        "scale": {"multiplier": MULTIPLIER_BITS, "addend": ADDEND_BITS, "exponent": EXPONENT_BITS},
        "memories": _memories(verilog),
        "costs": _costs(core),
    }


def _numbers(kind: type) -> list[dict[str, Any]]:
    """Members of an enumeration, with what stands below each in its source."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0].body
    told = {
        first.targets[0].id: " ".join(second.value.value.split())
        for first, second in pairwise(body)
        if isinstance(first, ast.Assign) and isinstance(second, ast.Expr)
    }
    return [{"number": one.value, "name": one.name, "meaning": told.get(one.name, "")} for one in kind]


def _limits(core: Decompressor) -> dict[str, int]:
    """The most that a tensor may have; more scales or entry points are `ORDER`."""
    return {
        "scales": core.datapath.slices,
        "entry points": core.datapath.entries,
        "weights": (1 << COUNT_BITS) - 1,
        "words of a body": (1 << WORDS_BITS) - 1,
    }


def _prose(core: type) -> str:
    return (inspect.getdoc(core) or "").partition("\nParameters\n")[0].strip()


def _register(register: Register) -> dict[str, str]:
    bits = ", ".join(f"{field.first_bit + field.bits - 1}:{field.first_bit} {field.name}" for field in register.fields)
    return {
        "address": f"{register.address:#04x}",
        "name": register.name,
        "access": register.access,
        "bits": bits,
        "meaning": register.meaning,
    }


def _memories(verilog: str) -> list[dict[str, Any]]:
    memories, module = [], ""
    for name, top_bit, last in _STORE.findall(verilog):
        if name:
            module = name
        else:
            memories.append({"module": module, "word_bits": int(top_bit) + 1, "words": int(last) + 1})
    return memories


def _costs(core: Decompressor) -> list[dict[str, Any]]:
    """What `hw.area` measured for the parts, and for the whole if it is the one that it measures."""
    engines, bus_bits = core.datapath.engines, core.datapath.bus_bits
    path = Path(__file__).parents[1] / "data" / "area.json"
    measured = json.loads(path.read_text()) if path.exists() else []
    wanted = {"dequant", *(name for engine in engines for name in _COSTS[engine])}
    if set(engines) == set(Engine) and bus_bits == BUSES[0]:
        wanted.add("decompressor")
    other_bus = {("fusion", bits // FIELD_BITS) for bits in BUSES if bits != bus_bits}
    return [cost for cost in measured if cost["name"] in wanted and (cost["name"], cost["lanes"]) not in other_bus]


def _header() -> str:
    """Addresses and fields for C."""
    lines = [f"/* Registers of {_NAME}. */", "#ifndef THINWIRE_DECOMPRESSOR_H", "#define THINWIRE_DECOMPRESSOR_H", ""]
    for register in MAP.registers:
        name = f"THINWIRE_{register.name.upper()}"
        lines.append(f"#define {name} {register.address:#04x}u")
        if len(register.fields) > 1:
            lines += [f"#define {name}_{field.name.upper()}_SHIFT {field.first_bit}" for field in register.fields]
    for name, kind in _NUMBERS.items():
        lines += [f"#define THINWIRE_{name.upper()}_{one.name} {one.value}" for one in kind]
    lines += [f"#define THINWIRE_FORM_{form.upper()} {number}" for form, number in FORM_NUMBERS.items()]
    return "\n".join([*lines, "", "#endif", ""])


def _vectors(engines: Sequence[Engine], bus_bits: int) -> dict[str, str]:
    """Writes, bodies and weights of some tensors, the middle one with a wrong checksum, and the bench."""
    jobs = _jobs(engines)
    wrong = len(jobs) // 2
    writes, bodies, beats = [], [], []
    counts = []
    for number, job in enumerate(jobs):
        fields = job.fields | ({"check": job.fields["check"] ^ 1} if number == wrong else {})
        words = list(MAP.words_of(fields).items())
        if job.scales.size:
            low, high = (MAP.by_name[name].address for name in ("scale_low", "scale_high"))
            scales = [(MAP.by_name["scale_index"].address, 0)]
            for word in job.scales.tolist():
                scales += [(low, word & 0xFFFF_FFFF), (high, word >> 32)]
            words = scales + words
        words.append((MAP.by_name["start"].address, 1))
        counts.append(f"{len(words):08x}")
        writes += [f"{address:08x}{word:08x}" for address, word in words]
        bodies += _body_lines(job, bus_bits)
        beats += _beat_lines(job.expected, number == wrong)
    bench = _TEMPLATES.get_template("decompressor_tb.sv").render(
        name=_NAME,
        jobs=len(jobs),
        writes=len(writes),
        bodies=len(bodies),
        beats=len(beats),
        address_bits=ADDRESS_BITS,
        bus_bits=bus_bits,
        enable=MAP.by_name["enable"].address,
        interrupt=MAP.by_name["interrupt"].address,
        limit=20_000,
    )
    texts = {"jobs": counts, "writes": writes, "bodies": bodies, "weights": beats}
    return {f"tb/{_NAME}_tb.sv": bench} | {f"tb/{name}.hex": "\n".join([*lines, ""]) for name, lines in texts.items()}


def _jobs(engines: Sequence[Engine]) -> list[Job]:
    rng = np.random.default_rng(7)
    weights = (rng.normal(0, 0.1, (6, 9, 5)) * (rng.random((6, 9, 5)) < 0.4)).astype(np.float32)
    quantized = quantize(weights, LinearFormat(8, "symmetric", 0))
    names = {Engine.PAIRS: ("huffman", "zero-runs", "relative-index"), Engine.MLW: ("mlw",), Engine.PACKED: ("packed",)}
    jobs = []
    for engine in engines:
        for name in names.get(engine, ()):
            codec = weight_codec_from_config({"codec": name})
            stored = StoredWeights("w", codec, codec.encode(quantized.values), Scales.of(quantized))
            jobs += [job_of(stored, form) for form in ("int8", "fp16")]
    if Engine.PACKED in engines:
        codec = weight_codec_from_config({"codec": "deepcomp", "form": "packed", "density": 0.4})
        jobs += [job_of(StoredWeights("w", codec, codec.encode(weights)), form) for form in ("fp16", "raw")]
    if Engine.FIELDS in engines:
        codec = weight_codec_from_config({"codec": "block-float"})
        jobs += [job_of(StoredWeights("w", codec, codec.encode(weights)), form) for form in ("int8", "bf16", "fp16")]
    return jobs


def _body_lines(job: Job, bus_bits: int) -> list[str]:
    """``{tlast, tkeep, tdata}``."""
    lines, size = [], bus_bits // 64
    for k in range(0, job.body.size, size):
        words = job.body[k : k + size].tolist()
        data = sum(word << 64 * n for n, word in enumerate(words))
        value = data | ((1 << 8 * len(words)) - 1) << bus_bits | int(k + size >= job.body.size) << bus_bits * 9 // 8
        lines.append(f"{value:0{bus_bits * 9 // 32 + 1}x}")
    return lines


def _beat_lines(octets: np.ndarray, wrong: bool) -> list[str]:
    """``{tuser, tlast, tkeep, tdata}``."""
    lines = []
    for k in range(0, octets.size, BEAT_BYTES):
        part, last = octets[k : k + BEAT_BYTES].tobytes(), k + BEAT_BYTES >= octets.size
        value = int.from_bytes(part, "little") | ((1 << len(part)) - 1) << 256
        lines.append(f"{value | int(last) << 288 | int(last and wrong) << 289:073x}")
    return lines
