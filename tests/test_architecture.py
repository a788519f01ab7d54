"""The house: who may import whom. Data flows one way, golden -> hw and golden -> sim.

Every import counts, inside functions too. A new file of golden gets a word in `GOLDEN_LAYERS`, a new package from
outside one in `OUTSIDE`.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Package: the packages of ours that it may import.
OURS = {"golden": {"golden"}, "hw": {"golden", "hw"}, "sim": {"golden", "sim"}}
MAY_REACH_ALL = {"sim.cli"}

# Package: what it may import from outside, the standard library besides.
OUTSIDE = {
    "golden": {"numpy", "numba", "av"},
    "hw": {"amaranth", "numpy", "jinja2", "rich", "typer"},
    "sim": {
        *("numpy", "numba", "onnx", "onnxruntime", "PIL", "pydantic", "typer", "rich", "jinja2", "markupsafe"),
        *("matplotlib", "h5py", "distributed", "pyarrow", "torch"),
    },
}
# Optional packages: imported by these files alone, and only when they are asked for, inside a function.
OPTIONAL = {
    "av": {"golden.weights.hevc"},
    "h5py": {"sim.cifar"},
    "distributed": {"sim.sweep_maps"},
    "pyarrow": {"sim.sweep_report"},
    "torch": {"sim.lenet", "sim.small_resnet", "sim.torch_fit", "sim.train_lenet", "sim.train_resnet"},
}

# Lowest first. A file imports from layers below its own: never from a peer.
GOLDEN_LAYERS = (
    ("bits", "configured", "crc"),
    ("codec",),
    ("tiles",),
    ("symbol_codec",),
    ("activations.bypass", "activations.prc_kernels", "activations.scan"),
    ("activations.raw", "activations.srlc", "activations.zrlc", "activations.zvc", "activations.prc"),
    ("tile_format",),
    ("tile_index",),
    ("tile_stream",),
    ("tile_file",),
    ("weights.tensor", "weights.linear", "weights.prune", "weights.sparse", "weights.kmeans"),
    ("weights.narrow",),
    ("weights.rescale",),
    ("weights.canonical", "weights.packed", "weights.blockfloat", "weights.hevc", "weights.mlw_format"),
    ("weights.huffman", "weights.pairs", "weights.fusion", "weights.mlw_alphabet", "weights.mlw_chunks"),
    ("weights.pair_codec", "weights.requantize", "weights.mlw_decode", "weights.mlw_pool"),
    ("weights.relative", "weights.runs"),
    ("weights.deepcomp", "weights.mlw_plan"),
    ("weights.mlw_encode",),
    ("weights.mlw_blocks",),
    ("weights.mlw",),
    ("registry",),
    ("weights.container",),
)
_LEVEL = {f"golden.{name}": level for level, names in enumerate(GOLDEN_LAYERS) for name in names}


@dataclass(frozen=True)
class Import:
    """One imported module, and whether it waits for a call."""

    target: str
    line: int
    lazy: bool


def modules() -> dict[str, Path]:
    """Module name to file, packages' own files left out."""
    paths = [path for top in OURS for path in sorted((ROOT / top).rglob("*.py")) if path.name != "__init__.py"]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}


MODULES = modules()


def imports(source: str) -> Iterator[Import]:
    """All imports of a file; ``from package import module`` is an import of the module."""
    todo = [(node, False) for node in ast.parse(source).body]
    while todo:
        node, lazy = todo.pop()
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = "." * node.level + (node.module or "")
            for alias in node.names:
                whole = f"{package}.{alias.name}"
                yield Import(whole if whole in MODULES or alias.name == "*" else package, node.lineno, lazy)
        typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        inside = lazy or typing_only or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        todo += [(child, inside) for child in ast.iter_child_nodes(node)]


def violations(module: str, source: str) -> list[str]:
    """What a file does that it may not, a line each."""
    return [
        f"{module.replace('.', '/')}.py:{found.line} imports {found.target}: {reason}"
        for found in imports(source)
        if (reason := _reason(module, found))
    ]


def _reason(module: str, found: Import) -> str:
    """Why an import is wrong; empty if it is not."""
    package, target = module.split(".")[0], found.target.split(".")[0]
    if not target or found.target.endswith("*"):
        return "imports name the module they come from"
    if target in OURS:
        if target not in OURS[package] and module not in MAY_REACH_ALL:
            return f"{package} does not know {target}"
        return _peer(module, found.target)
    if target in sys.stdlib_module_names or target == "__future__":
        return ""
    if target not in OUTSIDE[package]:
        return f"{package} knows only {', '.join(sorted(OUTSIDE[package]))}"
    if target in OPTIONAL and not (found.lazy and module in OPTIONAL[target]):
        return f"optional: inside a function of {', '.join(sorted(OPTIONAL[target]))} only"
    return ""


def _peer(module: str, target: str) -> str:
    if module.split(".")[0] != "golden":
        return ""
    for name in (module, target):
        if name not in _LEVEL:
            return f"{name} has no layer in tests/test_architecture.py"
    return "" if _LEVEL[target] < _LEVEL[module] else "it lies in the same layer or above"


@pytest.mark.parametrize("module", MODULES)
def test_imports_follow_the_data(module):
    assert violations(module, MODULES[module].read_text()) == []


def test_layers_name_every_file_of_golden_once_and_no_others():
    named = [name for names in GOLDEN_LAYERS for name in names]
    assert sorted(f"golden.{name}" for name in named) == sorted(name for name in MODULES if name.startswith("golden."))


def test_no_module_reaches_itself():
    reached: dict[str, set[str]] = {
        module: {found.target for found in imports(path.read_text()) if found.target in MODULES}
        for module, path in MODULES.items()
    }
    while True:
        wider = {module: targets.union(*(reached[t] for t in targets)) for module, targets in reached.items()}
        if wider == reached:
            break
        reached = wider
    assert [module for module, targets in reached.items() if module in targets] == []


@pytest.mark.parametrize(
    ("module", "source", "reason"),
    [
        ("golden.bits", "import scipy", "golden/bits.py:1 imports scipy: golden knows only av, numba, numpy"),
        ("golden.bits", "def f():\n    import sim.run", "golden/bits.py:2 imports sim.run: golden does not know sim"),
        ("golden.bits", "from golden import codec", "imports golden.codec: it lies in the same layer or above"),
        ("golden.activations.zvc", "from golden.activations.raw import Raw", "it lies in the same layer or above"),
        ("golden.weights.huffman", "import golden.weights.pairs", "it lies in the same layer or above"),
        ("golden.new", "import golden.bits", "golden.new has no layer in tests/test_architecture.py"),
        ("golden.weights.hevc", "import av", "imports av: optional: inside a function of golden.weights.hevc only"),
        ("golden.weights.mlw", "def f():\n    import av", "optional: inside a function of golden.weights.hevc only"),
        ("hw.axis", "from sim.run import run", "hw/axis.py:1 imports sim.run: hw does not know sim"),
        ("sim.run", "from hw import axis", "sim/run.py:1 imports hw.axis: sim does not know hw"),
        ("sim.run", "import tensorflow", "sim/run.py:1 imports tensorflow: sim knows only"),
        ("sim.run", "from .config import RunConfig", "imports .config: imports name the module they come from"),
        ("sim.run", "from sim.config import *", "imports sim.config.*: imports name the module they come from"),
    ],
    ids=lambda value: value.replace("\n", " ") if " " in value else value,
)
def test_a_violation_is_told_with_file_and_import(module, source, reason):
    assert reason in "\n".join(violations(module, source))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("golden.weights.hevc", "def f():\n    import av\n    import av.codec"),
        ("golden.registry", "import golden.weights.mlw"),
        ("sim.cli", "def f():\n    from hw import axis"),
        ("sim.run", "from golden import bits\nfrom collections import abc"),
        ("hw.axis", "from golden.crc import TRINOMIAL_15\nimport amaranth.lib.data"),
    ],
)
def test_what_is_allowed_is_not_told(module, source):
    assert violations(module, source) == []
