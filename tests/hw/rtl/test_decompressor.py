"""The decompressor as a processor sees it, under cocotb in Icarus and Verilator, and as its files for a project."""

import json
import subprocess
from dataclasses import dataclass, field

import numpy as np
import pytest
from simulators import SIMULATORS, simulate

from golden.registry import weight_codec_from_config
from golden.weights.container import Scales, StoredWeights
from golden.weights.fusion import BlockFusion, Task, weave
from golden.weights.linear import LinearFormat, quantize
from hw.verilator import lint
from hw.verilog import to_verilog
from hw.weights.datapath_ports import Engine, Where
from hw.weights.decompressor import Decompressor
from hw.weights.descriptors import Job, fused_job, job_of
from hw.weights.generate import generate_decompressor
from hw.weights.ports import Fault
from hw.weights.registers import ADDRESS_BITS, MAP, VERSION

pytestmark = pytest.mark.rtl

_NAME = "thinwire_decompressor"
# The decoders that become Verilog in seconds.
_PLAIN = (Engine.FIELDS, Engine.PACKED)


@dataclass(frozen=True)
class Scenario:
    """Jobs one behind the other; `stall` of 1024 cycles on both streams.

    With `meddles`, a tensor is started again and the descriptor written anew while it is decoded, before its body
    comes; then nobody takes its weights for a while.
    """

    name: str
    jobs: list
    stall: int = 0
    meddles: bool = False
    version: int = VERSION
    addresses: dict = field(default_factory=lambda: {register.name: register.address for register in MAP.registers})


def told(name: str, job: Job, body=None, verdict=(Fault.NONE, Where.CODE, 0), compare: bool = True) -> dict:
    """A job as JSON; with `compare` what comes out must be golden's, else only as long."""
    return {
        "name": name,
        "words": MAP.words_of(job.fields),
        "scales": job.scales.tolist(),
        "body": (job.body if body is None else body).astype("<u8").tobytes().hex(),
        "expected": job.expected.tobytes().hex(),
        "verdict": [part.value if hasattr(part, "value") else int(part) for part in verdict],
        "compare": compare,
    }


def good_jobs() -> dict[str, Job]:
    rng = np.random.default_rng(7)
    weights = np.where(rng.random((6, 7, 3)) < 0.5, 0, rng.normal(0, 0.1, (6, 7, 3))).astype(np.float32)
    quantized = quantize(weights, LinearFormat(8, "symmetric", 0))
    codec = weight_codec_from_config({"codec": "block-float"})
    jobs = {"block float": job_of(StoredWeights("w", codec, codec.encode(weights)), "bf16")}
    fusion = BlockFusion()
    fused = fusion.encode(weights, weights[::-1])
    jobs["fused"] = fused_job(weave(fused), fusion.format, Task.B, fusion.decode(fused, Task.B), "fp16")
    codec = weight_codec_from_config({"codec": "packed"})
    stored = StoredWeights("w", codec, codec.encode(quantized.values), Scales.of(quantized))
    jobs |= {f"packed as {form}": job_of(stored, form) for form in ("int8", "int16", "fp16")}
    for form in ("packed", "zero-runs"):
        codec = weight_codec_from_config({"codec": "deepcomp", "form": form, "density": 0.5})
        jobs[f"shared, {form}"] = job_of(StoredWeights("w", codec, codec.encode(weights)), "fp16")
    for name in ("huffman", "zero-runs", "relative-index", "mlw"):
        codec = weight_codec_from_config({"codec": name})
        stored = StoredWeights("w", codec, codec.encode(quantized.values), Scales.of(quantized))
        jobs[name] = job_of(stored, "int16" if name == "huffman" else "int8")
    return jobs


@pytest.fixture(scope="module")
def verilog():
    return to_verilog(Decompressor(64, 64), _NAME)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_processor_decodes_tensors(simulator, verilog, tmp_path):
    jobs = good_jobs()
    plain = [told(name, job) for name, job in jobs.items()]
    bad = []
    for name, job in jobs.items():
        bad += [*bad_of(name, job), told(name, job)]
    scenarios = [Scenario("good", plain), Scenario("stalls", plain, 400), Scenario("bad", bad)]
    scenarios.append(Scenario("meddles", plain, meddles=True))
    simulate(verilog, _NAME, simulator, scenarios, tmp_path, "tb_weights")


def bad_of(name: str, job: Job) -> list[dict]:
    """Bodies that end before their decoder has a word, or whose checksum is another."""
    wrong = Job(job.fields | {"check": job.fields["check"] ^ 1}, job.body, job.scales, job.expected)
    cases = [told(f"{name}, wrong check", wrong, verdict=(Fault.CHECK, Where.BODY, 64 * job.body.size))]
    if head := int(job.fields["head"]):
        cut = (Fault.SHORT, Where.BODY, 64 * head)
        cases.append(told(f"{name}, head alone", job, job.body[:head], cut, compare=False))
    return cases


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("decompressor")
    generate_decompressor(out, _PLAIN, 256)
    return out


def icarus(folder) -> tuple[int, str]:
    sources = [str(path) for path in (*folder.glob("rtl/*.sv"), *folder.glob("tb/*.sv"))]
    subprocess.run(["iverilog", "-g2012", "-o", "tb.vvp", *sources], cwd=folder, check=True)
    done = subprocess.run(["vvp", "tb.vvp"], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_generated_bench_passes_and_sees_a_wrong_byte(folder):
    code, text = icarus(folder)
    assert (code, "PASS: 7 tensors" in text) == (0, True), text[-2000:]
    path = folder / "tb" / "weights.hex"
    good, lines = path.read_text(), path.read_text().splitlines()
    lines[7] = f"{int(lines[7], 16) ^ 0x100:073x}"
    path.write_text("\n".join(lines) + "\n")
    code, text = icarus(folder)
    path.write_text(good)
    assert code != 0
    assert "beat 7 is" in text
    assert "FAIL: 120 of 120 beats came, 1 differ" in text


def test_generated_files_agree_with_each_other(folder):
    sheet = json.loads((folder / "datasheet.json").read_text())
    markdown, text = (folder / "datasheet.md").read_text(), (folder / "rtl" / f"{_NAME}.sv").read_text()
    ports = {
        port.strip() for port in text[text.index(f"module {_NAME}(") :].split(");", 1)[0].partition("(")[2].split(",")
    }
    assert ports == {port["name"] for port in sheet["ports"]} | {"clk", "rst"}
    header = (folder / f"{_NAME}.h").read_text()
    for register in MAP.registers:
        assert f"#define THINWIRE_{register.name.upper()} {register.address:#04x}u\n" in header
        assert f"| {register.address:#04x} | {register.name} | {register.access} |" in markdown
    for kind in (Fault, Where, Engine):
        told = sheet["numbers"][kind.__name__.lower()]
        assert [(one["number"], one["name"]) for one in told] == [(one.value, one.name) for one in kind]
        assert all(one["meaning"] or one["name"] == "NONE" for one in told)
        assert all(f"#define THINWIRE_{kind.__name__.upper()}_{one.name} {one.value}\n" in header for one in kind)
    assert len(sheet["memories"]) == text.count("] store [") == 17
    assert lint([next(folder.glob("*.vlt")), folder / "rtl" / f"{_NAME}.sv"], _NAME) == ""


def test_verilog_of_all_decoders_has_no_warnings(verilog, folder, tmp_path):
    source = tmp_path / f"{_NAME}.sv"
    source.write_text(verilog)
    assert lint([next(folder.glob("*.vlt")), source], _NAME) == ""


def test_registers_lie_apart_and_hold_what_they_are_given():
    addresses = [register.address for register in MAP.registers]
    assert addresses == sorted(set(addresses))
    assert all(address % 4 == 0 and address < 1 << ADDRESS_BITS for address in addresses)
    words = MAP.words_of({"engine": Engine.PACKED, "count": 7, "selection": {"width": 5, "plane": 1}})
    by_name = {register.name: words.get(register.address) for register in MAP.registers}
    assert (by_name["descriptor_form"], by_name["descriptor_count"]) == (3, 7)
    assert by_name["descriptor_selection"] == 5 | 1 << 21
    with pytest.raises(ValueError, match="width must fit 6 bits, not 64"):
        MAP.words_of({"selection": {"width": 64}})
