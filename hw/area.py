"""Gates, flip-flops, depth, LUTs and clock of the cores, by one fixed script: ``python -m hw.area [NAME...]``.

What is counted, and how:

* **Gate equivalents**: ABC maps the logic, all of it at once, to the cells of ``data/gates.lib`` (areas in units of a
  NAND2, made for this project after common standard-cell libraries). A flip-flop counts 5; its enable is taken as a
  clock gate and adds nothing but the logic that drives it; a synchronous reset is logic. Memories are no gates: their
  bits are counted apart.
* **Depth**: the longest path between flip-flops, ports and memories in two-input AND and XOR gates, MUXes and
  inverters, as ABC maps to these for speed: what its default script does first to save gates (dc2) makes some paths
  longer, those of the Ethos-U decoder 45 levels instead of 39.
* **ECP5**: LUTs and flip-flops of the design in its shell after `synth_ecp5`, and the clock that nextpnr reaches on the
  smallest LFE5U of speed grade 6 that holds it, the median of `SEEDS`; out of context, since all ports are registered.
  The shell is AXI4-Stream's (hw/axis.py), or a chain of flip-flops where ports are no streams (hw/scan.py): then no
  gates are told for it. The decompressor has a shell of its own, counted with it, and is mapped to LUTs but not placed.

By this script the encoder of EBPC (github.com/pulp-platform/stream-ebpc, one symbol per cycle) is 2651 GE and depth 35,
its decoder 3038 GE and depth 44, with nothing counted for their asynchronous resets.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from amaranth.lib import wiring

from golden.activations.prc import PrcFormat
from golden.tile_format import MODES, TileFormat
from hw.activations.chooser import Chooser
from hw.activations.index import IndexBuilder, IndexReader
from hw.activations.prc_decoder import PrcDecoder
from hw.activations.prc_encoder import PrcEncoder
from hw.activations.tile_decoder import Decoder
from hw.activations.tile_encoder import Encoder
from hw.axis import Shell
from hw.ecp5 import place
from hw.mixed_decoder import MixedDecoder
from hw.mixed_encoder import MixedEncoder
from hw.scan import Scan
from hw.verilog import to_rtlil
from hw.weights.code_loader import CodeLoader
from hw.weights.codebook import Codebook
from hw.weights.datapath_ports import Engine
from hw.weights.decompressor import Decompressor
from hw.weights.dequant import Dequant
from hw.weights.fusion import Fusion
from hw.weights.huffman import CodeWindow
from hw.weights.mlw import MlwDecoder
from hw.weights.pair_decoder import PairDecoder
from hw.weights.palette import Palette
from hw.weights.sparse import Expander
from hw.weights.unpack import Unpacker
from hw.yowasp import cells_of, run_tool

__all__ = ["DESIGNS", "SEEDS", "Cost", "Design", "main", "measure", "select", "table"]

FLIP_FLOP_GE = 5
# The decompressor without Ethos-U streams.
_SMALL_ENGINES = (Engine.FIELDS, Engine.PAIRS, Engine.PACKED)
SEEDS = (1, 2, 3)
_DATA = Path(__file__).parent / "data"
# Memories stay cells from here on; enables stay in the flip-flops, resets become logic.
_SYNTH = """read_rtlil design.il
hierarchy -top top
proc
flatten
opt_expr
opt_clean
opt -nodffe -nosdff
fsm
opt
wreduce
peepopt
opt_clean
alumacc
share
opt
tee -q -o memories.json stat -json
memory -nomap
opt_clean
opt -fast -full
opt -undriven -fine
techmap
opt -fast
dfflegalize -cell $_DFFE_PP_ 01 -cell $_DFF_P_ 01
opt_expr
opt_merge
opt_clean
select -set logic t:$_DFF* t:$mem* %u %n
design -save mapped
tee -q -o cells.json stat -json
abc -g AND,XOR,MUX -script +strash;ifraig;scorr;dch;map @logic
opt_clean
ltp -noff
design -load mapped
select -set logic t:$_DFF* t:$mem* %u %n
abc -liberty gates.lib @logic
opt_clean
tee -q -o gates.json stat -json -liberty gates.lib
"""


@dataclass(frozen=True)
class Design:
    """A core to be measured, and the shell that it is placed in, once with each of `seeds`.

    `symbol_bits` and `lanes` are 0 where it has none.
    """

    name: str
    symbol_bits: int
    lanes: int
    make: Callable[[], wiring.Component]
    shell: Callable[[wiring.Component], wiring.Component] = Shell
    seeds: tuple[int, ...] = SEEDS

    @property
    def label(self) -> str:
        """What the command line calls it: ``decoder-w8-l4``, ``index-reader``."""
        size = [f"w{self.symbol_bits}"] * bool(self.symbol_bits) + [f"l{self.lanes}"] * bool(self.lanes)
        return "-".join([*self.name.split(), *size])


@dataclass(frozen=True)
class Cost:
    """What a design takes.

    Attributes
    ----------
    name : str
    symbol_bits, lanes : int
    logic_ge, core_ge : float
        Gate equivalents of the core's logic; with its flip-flops.
    flip_flops, depth, memory_bits : int
        Of the core.
    shell_ge : float, optional
        What the AXI4-Stream shell adds, if that is its shell.
    device : str, optional
        Of `hw.ecp5.DEVICES`.
    luts, ecp5_flip_flops, block_rams : int, optional
        With the shell.
    clock_mhz : float, optional
        With the shell; the median of the seeds, if there are any.
    """

    name: str
    symbol_bits: int
    lanes: int
    logic_ge: float
    flip_flops: int
    core_ge: float
    depth: int
    memory_bits: int
    shell_ge: float | None = None
    device: str | None = None
    luts: int | None = None
    ecp5_flip_flops: int | None = None
    block_rams: int | None = None
    clock_mhz: float | None = None


def _codec(name: str, core: type[wiring.Component], fmt: TileFormat, lanes: int) -> Design:
    return Design(name, fmt.word_bits, lanes, lambda: core(fmt, lanes))


def _bare(component: wiring.Component) -> wiring.Component:
    """The shell of what has one itself."""
    return component


def _designs() -> tuple[Design, ...]:
    """All rows of the table, in its order; a new core is a new line here."""
    wide = TileFormat(word_bits=16, tile=(8, 8, 16))
    formats = [(TileFormat(), lanes) for lanes in (1, 2, 4, 8)] + [(wide, 4)]
    cores = (("encoder", Encoder), ("decoder", Decoder), ("chooser", Chooser))
    every = TileFormat(modes=MODES)
    mixed = (("mixed encoder", MixedEncoder), ("mixed decoder", MixedDecoder))
    return (
        *(_codec(name, core, fmt, lanes) for name, core in cores for fmt, lanes in formats),
        *(_codec(name, core, every, lanes) for name, core in mixed for lanes in (1, 2, 4)),
        Design("prc encoder", 8, 4, lambda: PrcEncoder(PrcFormat())),
        Design("prc decoder", 8, 4, lambda: PrcDecoder(PrcFormat()), Scan),
        Design("index builder", 0, 0, IndexBuilder),
        Design("index reader", 0, 0, IndexReader),
        Design("fusion", 16, 4, lambda: Fusion(128)),
        Design("fusion", 16, 8, lambda: Fusion(256)),
        Design("dequant", 16, 8, lambda: Dequant(8)),
        Design("packed", 8, 16, lambda: Unpacker(16)),
        Design("pair decoder", 8, 16, lambda: PairDecoder(16, 8)),
        Design("huffman lanes", 0, 1, lambda: CodeWindow(1), Scan),
        Design("huffman lanes", 0, 3, lambda: CodeWindow(3), Scan),
        Design("code loader", 0, 0, CodeLoader, Scan),
        Design("expander", 8, 16, lambda: Expander(16, 3, 8), Scan),
        Design("codebook", 32, 3, lambda: Codebook(32, 3), Scan),
        Design("palette", 32, 16, lambda: Palette(16, 128), Scan),
        Design("decompressor", 0, 0, Decompressor, _bare, ()),
        Design("decompressor without mlw", 0, 0, lambda: Decompressor(engines=_SMALL_ENGINES), _bare, ()),
        Design("mlw decoder", 9, 32, lambda: MlwDecoder(32, 128)),
    )


DESIGNS = _designs()


def _gates(component: wiring.Component, folder: Path) -> tuple[float, int, int, int]:
    """Logic in gate equivalents, flip-flops, memory bits and depth."""
    (folder / "design.il").write_text(to_rtlil(component, "top"))
    (folder / "gates.lib").write_text((_DATA / "gates.lib").read_text())
    (folder / "synth.ys").write_text(_SYNTH)
    run_tool("yosys", ["-q", "-l", "log", "-s", "synth.ys"], folder)
    cells, _ = cells_of(folder / "cells.json")
    totals = cells_of(folder / "gates.json")[1]
    memory_bits = int(cells_of(folder / "memories.json")[1].get("num_memory_bits", 0))
    longest = (folder / "log").read_text().rpartition("(length=")[2].partition(")")[0]
    flip_flops = sum(count for kind, count in cells.items() if kind.startswith("$_DFF"))
    return round(float(totals.get("area", 0)), 1), flip_flops, memory_bits, int(longest)


def measure(design: Design, is_placed: bool = True) -> Cost:
    """Measure one design: some three seconds without its shell and its place on the ECP5, half a minute with them.

    Raises
    ------
    RuntimeError
        If a tool fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        logic_ge, flip_flops, memory_bits, depth = _gates(design.make(), folder)
        core_ge = round(logic_ge + FLIP_FLOP_GE * flip_flops, 1)
        size = design.name, design.symbol_bits, design.lanes
        cost = Cost(*size, logic_ge, flip_flops, core_ge, depth, memory_bits)
        if not is_placed:
            return cost
        if design.shell is Shell:
            logic_ge, flip_flops, *_ = _gates(Shell(design.make()), folder)
            cost = replace(cost, shell_ge=round(logic_ge + FLIP_FLOP_GE * flip_flops - core_ge, 1))
        return replace(cost, **asdict(place(design.shell(design.make()), folder, design.seeds)))


def table(costs: list[Cost]) -> str:
    """The costs as a table in Markdown."""
    headings = ("core", "W", "L", "logic GE", "flip-flops", "core GE", "depth", "SRAM bits", "shell GE")
    headings += ("LFE5U", "LUTs", "Fmax (ECP5) MHz")
    rows = [headings, ("---", *["--:"] * (len(headings) - 1))]
    for cost in costs:
        gates = f"{cost.logic_ge:.0f}", cost.flip_flops, f"{cost.core_ge:.0f}", cost.depth, cost.memory_bits
        shell, luts, clock = (
            f"{value:.0f}" if value is not None else "" for value in (cost.shell_ge, cost.luts, cost.clock_mhz)
        )
        size = cost.symbol_bits or "", cost.lanes or ""
        rows.append((cost.name, *size, *gates, shell, cost.device or "", luts, clock))
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


def select(names: list[str]) -> tuple[Design, ...]:
    """The designs that are named: by name (``decoder``, all its sizes), label or a pattern of labels (``*-w8-l4``).

    Raises
    ------
    ValueError
        If a name fits no design.
    """
    names = names or ["*"]
    fits = {name: [d for d in DESIGNS if name == d.name or fnmatchcase(d.label, name)] for name in names}
    for name, found in fits.items():
        if not found:
            raise ValueError(f"name must be of {', '.join(design.label for design in DESIGNS)}, not {name!r}")
    return tuple(design for design in DESIGNS if any(design in found for found in fits.values()))


def _merge(cost: Cost) -> None:
    """Put a cost in the place of the older one of its design, in the order of `DESIGNS`."""
    path = _DATA / "area.json"
    known = [Cost(**one) for one in json.loads(path.read_text())] if path.exists() else []
    by_size = {(one.name, one.symbol_bits, one.lanes): one for one in [*known, cost]}
    sizes = [(design.name, design.symbol_bits, design.lanes) for design in DESIGNS]
    merged = [by_size.pop(size) for size in sizes if size in by_size] + list(by_size.values())
    path.write_text(json.dumps([asdict(one) for one in merged], indent=1) + "\n")
    (_DATA / "area.md").write_text(table(merged))


def main(arguments: list[str] | None = None) -> int:
    """Measure designs, two at a time, and write them into ``data/area.json`` and ``data/area.md``."""
    parser = argparse.ArgumentParser(prog="hw.area", description="Gates, depth, LUTs and clock of the cores.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="decoder, decoder-w8-l4, '*-w8-l4'; by default all")
    parser.add_argument("--list", action="store_true", help="print the labels of the designs and nothing else")
    parser.add_argument(
        "--no-place", action="store_true", help="gates, flip-flops and depth of the cores alone; writes nothing"
    )
    options = parser.parse_args(arguments)
    try:
        designs = select(options.names)
    except ValueError as error:
        parser.error(str(error))
    if options.list:
        print("\n".join(design.label for design in designs))
        return 0
    print(table([]), end="")
    with ThreadPoolExecutor(2) as pool:
        for cost in pool.map(lambda design: measure(design, not options.no_place), designs):
            print(table([cost]).splitlines()[-1], flush=True)
            if not options.no_place:
                _merge(cost)
    return 0


if __name__ == "__main__":
    sys.exit(main())
