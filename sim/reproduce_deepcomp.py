"""Deep Compression's tables and its curve again: two LeNets trained, pruned, shared and coded on real pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import mean

from golden.weights.sparse import compress_columns, compress_rows, coordinates
from sim.chapter import Chapter
from sim.datasets import load_dataset
from sim.deepcomp_plot import curve_figure, size_points
from sim.deepcomp_shapes import SHAPES, shape_rows
from sim.deepcomp_sizes import (
    CODES,
    INDEX_BITS,
    LayerSize,
    PaperRow,
    code_bits,
    layer_size,
    paper_rows,
    ratio,
    shared_of,
    signed_levels,
)
from sim.lenet import LENETS
from sim.lenet_runs import CurvePoint, Run, curve, run
from sim.nnc import MISSING, nnc_bits
from sim.section import Section
from sim.torch_fit import Schedule
from sim.train_lenet import Recipe

__all__ = ["deepcomp_chapter"]

# Network: the paper's kilobytes before and after, ratio, error in percent before and after.
_PAPER_TOTALS = {
    "LeNet-300-100": (1070, 27, 40, 1.64, 1.58),
    "LeNet-5": (1720, 44, 39, 0.80, 0.74),
    "AlexNet": (240_000, 6_900, 35, None, None),
    "VGG-16": (552_000, 11_300, 49, None, None),
}
_RUNS = (
    ("lenet-300-100", "mnist", 3),
    ("lenet-5", "mnist", 3),
    ("lenet-300-100", "fashion", 3),
    ("lenet-5", "fashion", 1),
)
_QUICK = Recipe(5, Schedule(2, 1e-3), Schedule(3, 1.5e-3), Schedule(1, 2e-4))
_QUICK_PICTURES = 2000, 500


def deepcomp_chapter(quick: bool = False) -> Chapter:
    """Everything of the paper; `quick` trains one small network on few pictures."""
    recipe = _QUICK if quick else Recipe()
    groups, missing = _trained(recipe, quick)
    firsts = [group[0] for group in groups if group[0].data == "MNIST"]
    sections = [_totals(groups, recipe, missing)]
    sections += [_layers(first, recipe.bits) for first in firsts]
    sections += [_codes(groups, recipe.bits)] if groups else []
    points = [] if quick or not firsts else curve(firsts[0].net, load_dataset("mnist"), firsts[0].steps["dense"])
    sections += [_curve_section(points)] if points else []
    sections += [_shapes(network) for network in SHAPES] + ([_sparse(firsts)] if firsts else [])
    captions = {"deepcomp-curve": "Error over size of LeNet-300-100 on MNIST: pruning alone, sharing alone, both."}
    figures = {"deepcomp-curve": curve_figure(points, firsts[0])} if points else {}
    source = 'Han, Mao, Dally, "Deep Compression", arXiv 1510.00149'
    return Chapter("deepcomp", "Deep Compression", source, tuple(sections), figures, captions)


def _trained(recipe: Recipe, quick: bool) -> tuple[list[list[Run]], list[str]]:
    """Runs by network and data, and what could not be had."""
    groups: list[list[Run]] = []
    missing: list[str] = []
    for network, name, seeds in _RUNS[:1] if quick else _RUNS:
        try:
            data = load_dataset(name)
            data = data.first(*_QUICK_PICTURES) if quick else data
            source = f"{data.source}, the first {_QUICK_PICTURES}" if quick else data.source
            data = replace(data, source=source)
            groups.append([run(LENETS[network], data, seed, recipe) for seed in range(1 if quick else seeds)])
        except ValueError as error:
            missing.append(f"{LENETS[network].name} on {name} skipped: {error}.")
    return groups, missing


def _totals(groups: Iterable[Sequence[Run]], recipe: Recipe, missing: Sequence[str]) -> Section:
    headings = (
        "network, data, seed",
        "float32 kB",
        "coded kB, paper",
        "coded kB",
        "ratio, paper",
        "ratio",
        "error %, paper",
        "error %",
        "error % after, paper",
        "error % after",
        "pruned only %",
    )
    rows = []
    for group in groups:
        rows += [_run_cells([one], str(one.seed), recipe.bits) for one in group]
        if len(group) > 1:
            rows.append(_run_cells(group, f"mean of {len(group)}", recipe.bits))
    notes = (
        "Ratio: float32 weights over codes, 5-bit relative indices, float32 codebooks, Huffman tables; biases are in "
        "neither. The paper's kilobytes count them.",
        f"Trained with Adam: {recipe.dense.epochs} epochs dense, {recipe.pruned.epochs} of pruning and retraining on "
        f"the dense network's scores, {recipe.shared.epochs} for the centroids; {(1 << recipe.bits) - 1} centroids and "
        "zero in each layer. No epoch is chosen by the test pictures: a run's last weights are told.",
        *missing,
    )
    return Section("Sizes and errors (the paper's table 1)", headings, tuple(rows), notes)


def _coded_bits(one: Run, code: str, bits: int) -> int:
    return sum(code_bits(shared_of(weights), code, bits) for weights in one.steps["shared"].weights)


def _run_cells(runs: Sequence[Run], told: str, bits: int) -> tuple[str, ...]:
    net = runs[0].net
    _, paper_kb, paper_ratio, before, after = _PAPER_TOTALS[net.name] if runs[0].data == "MNIST" else (None,) * 5
    coded = [_coded_bits(one, CODES[1], bits) for one in runs]
    ratios = [ratio(one.steps["shared"].weights, size) for one, size in zip(runs, coded, strict=True)]
    dense, pruned, shared = (mean(one.errors_pct[step] for one in runs) for step in ("dense", "pruned", "shared"))
    return (
        f"{net.name}, {runs[0].data}, {told}",
        f"{net.count * 4 / 1e3:.0f}",
        "" if paper_kb is None else f"{paper_kb}",
        f"{mean(coded) / 8e3:.1f}",
        "" if paper_ratio is None else f"{paper_ratio}x",
        f"{mean(ratios):.1f}x",
        "" if before is None else f"{before:.2f}",
        f"{dense:.2f}",
        "" if after is None else f"{after:.2f}",
        f"{shared:.2f}",
        f"{pruned:.2f}",
    )


def _layers(one: Run, bits: int) -> Section:
    headings = ("layer", "weights", "kept %", "weight bits", "Huffman", "index bits", "Huffman", "P+Q %", "P+Q+H %")
    sizes = [layer_size(weights, bits) for weights in one.steps["shared"].weights]
    told = paper_rows(one.net.name)
    rows = [_layer_cells(row.layer, row, size) for row, size in zip(told, sizes, strict=False)]
    rows.append(_layer_cells("total", told[-1], _sum(sizes)))
    number = 2 if one.net.name == "LeNet-300-100" else 3
    notes = (
        "Paper / ours. P+Q: pruned and shared, plain fields; P+Q+H: with Huffman codes; percent of float32, codebook "
        "and tables counted. Means of the last row are over stored weights, fillers included.",
        "The paper keeps more weights in 6 to 8 bits; ours are retrained by distillation, which lets 5 bits do.",
    )
    return Section(
        f"{one.net.name} on {one.data}, seed {one.seed} (the paper's table {number})", headings, tuple(rows), notes
    )


def _layer_cells(name: str, paper: PaperRow, size: LayerSize) -> tuple[str, ...]:
    kept = 100 * size.kept / size.count
    plain, coded = (100 * bits / (32 * size.count) for bits in (size.quantized_bits, size.huffman_bits))
    return (
        name,
        f"{size.count:,}",
        f"{paper.kept_pct:g} / {kept:.1f}",
        f"{paper.weight_bits:g} / {size.weight_bits}",
        f"{paper.weight_huffman:g} / {size.weight_huffman:.1f}",
        f"{paper.index_bits:g} / {size.index_bits}",
        f"{paper.index_huffman:g} / {size.index_huffman:.1f}",
        f"{paper.quantized_pct:g} / {plain:.2f}",
        f"{paper.huffman_pct:g} / {coded:.2f}",
    )


def _sum(sizes: Sequence[LayerSize]) -> LayerSize:
    count, kept, entries = (sum(getattr(s, name) for s in sizes) for name in ("count", "kept", "entries"))
    weight, index = (
        sum(getattr(s, f"{name}_huffman") * s.entries for s in sizes) / entries for name in ("weight", "index")
    )
    plain, coded = (sum(getattr(s, f"{name}_bits") for s in sizes) for name in ("quantized", "huffman"))
    return LayerSize(count, kept, entries, sizes[0].weight_bits, INDEX_BITS, weight, index, plain, coded)


def _codes(groups: Iterable[Sequence[Run]], bits: int) -> Section:
    rows, compared = [], True
    for one in (group[0] for group in groups):
        layers = one.steps["shared"].weights
        sizes = [_coded_bits(one, code, bits) for code in CODES]
        compared = (other := _nnc_bits(one)) is not None
        cells = [f"{size / 8e3:.2f} kB, {ratio(layers, size):.1f}x" for size in (*sizes, *([other] if other else []))]
        rows.append((f"{one.net.name}, {one.data}", *cells))
    notes = (
        "The same shared weights (seed 0) under each code, codebooks included. Relative index with Huffman codes is "
        "the paper's; zero runs keep two alphabets apart and need no fillers; MLW is Arm's weight stream.",
        "NNC: the arithmetic coder of Fraunhofer's nncodec, to compare with." if compared else MISSING,
    )
    headings = ("network, data", *CODES, *(["NNC"] if compared else []))
    return Section("State of the art on the same networks", headings, tuple(rows), notes)


def _nnc_bits(one: Run) -> int | None:
    """All layers, codebooks included."""
    shared = [shared_of(weights) for weights in one.steps["shared"].weights]
    coded = [nnc_bits(signed_levels(layer)) for layer in shared]
    books = sum(32 * layer.centroids.size for layer in shared)
    return None if None in coded else books + sum(filter(None, coded))


def _curve_section(points: Sequence[CurvePoint]) -> Section:
    headings = ("way", "kept %", "bits", "size, % of float32", "error %")
    rows = tuple(
        (
            point.way,
            f"{100 * point.density:g}",
            str(point.bits),
            f"{size:.2f}",
            f"{point.error_pct:.2f}",
        )
        for point, size in zip(points, size_points(points), strict=True)
    )
    notes = (
        "LeNet-300-100 on MNIST, one density for all layers, 4 epochs of retraining, 1 for the centroids. Weights only "
        "pruned are float32 with a 5-bit index, sharing alone plain fields, both with Huffman codes.",
    )
    return Section("Error over size (the paper's figure 6)", headings, rows, notes)


def _shapes(network: str) -> Section:
    headings = ("layer", "weights", "kept %", "P+Q %, paper", "P+Q %", "P+Q+H %, paper", "P+Q+H %")
    rows = shape_rows(network)
    cells = [
        (
            row.paper.layer,
            f"{row.count:,}",
            f"{row.paper.kept_pct:g}",
            f"{row.paper.quantized_pct:g}",
            f"{row.quantized_pct:.2f}",
            f"{row.paper.huffman_pct:g}",
            f"{row.huffman_pct:.2f}",
        )
        for row in rows
    ]
    count = sum(row.count for row in rows)
    plain, coded = (
        sum(getattr(row, name) * row.count for row in rows) / count for name in ("quantized_pct", "huffman_pct")
    )
    told = paper_rows(network)[-1]
    both = f"{told.quantized_pct:g}", f"{plain:.2f}", f"{told.huffman_pct:g}", f"{coded:.2f}"
    cells.append(("total", f"{count:,}", f"{told.kept_pct:g}", *both))
    before_kb, after_kb, paper_ratio, *_ = _PAPER_TOTALS[network]
    notes = (
        "From the layers' shapes and the paper's densities and code widths, nothing trained: fillers as geometric gaps "
        "need them.",
        f"{4 * count / 1e6:.0f} MB to {4 * count * coded / 1e8:.1f} MB, {100 / coded:.1f}x; the paper tells "
        f"{before_kb / 1e3:.0f} MB to {after_kb / 1e3:.1f} MB, {paper_ratio}x. Its totals do not follow from its rows.",
    )
    number = 4 if network == "AlexNet" else 5
    return Section(f"{network} from its shapes (the paper's table {number})", headings, tuple(cells), notes)


def _sparse(firsts: Sequence[Run]) -> Section:
    headings = ("layer", "non-zeros a", "lines n", "COO", "3a", "CSR", "2a + n + 1", "CSC", "2a + n + 1 by columns")
    rows = []
    for one in firsts:
        for layer, weights in zip(one.net.layers, one.steps["pruned"].weights, strict=True):
            rows_form, columns_form = compress_rows(weights), compress_columns(weights)
            a, (m, n) = rows_form.values.size, rows_form.shape
            sizes = coordinates(weights).numbers, 3 * a, rows_form.numbers, 2 * a + m + 1
            cells = (a, m, *sizes, columns_form.numbers, 2 * a + n + 1)
            rows.append((f"{one.net.name} {layer.name}", *(f"{cell:,}" for cell in cells)))
    notes = ("Stored numbers of the pruned layers (filters as rows), measured beside the lecture's formulas.",)
    return Section("Sparse formats", headings, tuple(rows), notes)
