"""Bit fusion of two tasks again: accuracies over the width, the lossless point, both methods, storage, the failure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from golden.weights.fusion import STORAGE
from sim.chapter import Chapter, skipped
from sim.datasets import load_dataset
from sim.fusion_tasks import FILLED, Learned, Pair, WidthPoint, bit_planes, integers, lossless_bits, papers_bits, widths
from sim.plots import styled
from sim.reproduce_weights import fusion_sections
from sim.section import Section
from sim.small_resnet import RESNET18_WEIGHTS
from sim.torch_fit import check_torch
from sim.train_resnet import HEAD, head_only, resnet, schedule_of

__all__ = ["fusion_chapter"]

WIDTHS = range(1, 24)
_QUICK_WIDTHS, _QUICK_FILLED, _QUICK_PICTURES, _QUICK_STEPS = (11, 12), (16,), (1000, 200), 8
_TASKS = ("fashion", "mnist", "animals")
_SWEPT_PICTURES = 2000  # of each task: a sweep runs every network some fifty times
_COLORS = ("#1f5fa8", "#b5485d", "#2a9d8f")


def fusion_chapter(quick: bool = False) -> Chapter:
    """Everything of the paper; `quick` trains on few pictures and takes few widths."""
    sections: list[Section] = []
    figures: dict[str, Figure] = {}
    title = "Two tasks on one small ResNet"
    try:
        check_torch()
        tasks = _tasks(quick)
    except ValueError as error:
        sections.append(skipped(title, error))
    else:
        few = [task.first(_SWEPT_PICTURES) for task in tasks]
        points = [widths(Pair(few[0], other), _QUICK_WIDTHS if quick else WIDTHS) for other in few[1:]]
        sections += [_method_section(tasks, quick), _width_section(few, points), _lossless(few, points)]
        sections += [_planes(few, _QUICK_FILLED if quick else FILLED), _failure(tasks)]
        figures["fusion-accuracy"] = accuracy_figure(few, points)
    sections += fusion_sections(_QUICK_WIDTHS) if quick else fusion_sections()
    captions = {"fusion-accuracy": "Accuracy over mantissa bits: truncated dashed, rounded solid, float32 dotted."}
    source = "Bae, Bae (Kyung Hee University), adapting a network to several tasks by bit plane slicing"
    return Chapter("fusion", "Bit fusion of two tasks' weights", source, tuple(sections), figures, captions)


def _tasks(quick: bool) -> list[Learned]:
    """The tasks whose data can be had, two at least."""
    tasks: list[Learned] = []
    for name in _TASKS:
        try:
            data = load_dataset(name)
            data = data.first(*_QUICK_PICTURES) if quick else data
            tasks.append(Learned(data, resnet(data, steps=_QUICK_STEPS) if quick else resnet(data)))
        except ValueError:
            if len(tasks) < 2 and name != "animals":
                raise
    return tasks


def _method_section(tasks: Sequence[Learned], quick: bool) -> Section:
    """The paper's table: accuracy and storage of each way to keep two tasks."""
    names = [task.data.name for task in tasks]
    alone = [task.accuracy_pct() for task in tasks]
    told = f"{names[0]}-quick" if quick else names[0]
    heads = [Learned(task.data, head_only(task.data, tasks[0].weights, told)).accuracy_pct() for task in tasks[1:]]
    fused = [papers_bits(Pair(tasks[0], other)) for other in tasks[1:]]
    planes = [bit_planes(Pair(tasks[0], other), [16])[0] for other in tasks[1:]]
    measured = {
        "separate networks": alone,
        "classifier only": [alone[0], *heads],
        "bit planes": [planes[0].a_pct, *(point.b_pct for point in planes)],
        "block floating point, 12 + 11 bits": [fused[0].a_pct, *(point.b_pct for point in fused)],
    }
    headings = (
        "method",
        "formula",
        "told MB",
        "stored MB",
        "CIFAR-100, paper",
        "CIFAR-10, paper",
        *(f"{name} %" for name in names),
    )
    rows = []
    for row in STORAGE:
        told, stored = (f"{RESNET18_WEIGHTS * bits / 8e6:.1f}" for bits in (row.told_bits, row.stored_bits))
        found = [f"{value:.2f}" for value in measured.get(row.method, ())] or ["" for _ in names]
        paper = f"{row.cifar100_percent:.2f}", f"{row.cifar10_percent:.2f}"
        rows.append((row.method, row.formula, told, stored, *paper, *found))
    schedules = [schedule_of(task.data, _QUICK_STEPS) if quick else schedule_of(task.data) for task in tasks]
    first = schedules[0]
    epochs = ", ".join(f"{name} {one.epochs} epochs" for name, one in zip(names, schedules, strict=True))
    notes = (
        f"Sizes: two tasks' convolutions of the real ResNet-18, {RESNET18_WEIGHTS:,} weights: told by the paper's "
        "formula (alpha 32 bits for a weight, beta and s 1, e 8), and what the method really stores.",
        f"Accuracies: task A is {names[0]}, B {' or '.join(names[1:])}, on a ResNet-18-shaped network of width 16 for "
        "28 x 28 pixels; CIFAR-10 and CIFAR-100 are not to be had. Data: "
        + "; ".join(t.data.source for t in tasks)
        + ".",
        f"Trained with Adam, rate {first.rate:g} falling as half a cosine, batches of {first.batch}: {epochs}; heads "
        f"alone {HEAD.epochs} epochs. No epoch is chosen by the test pictures: a run's last weights are told.",
        "Classifier only: a new head on A's network. Bit planes: 16 bits each. Piggyback's binary masks are counted, "
        "not trained: one bit a weight and task.",
    )
    return Section("Two tasks on one small ResNet (the paper's table 1)", headings, tuple(rows), notes)


def _lines(tasks: Sequence[Learned], points: Sequence[Sequence[WidthPoint]]) -> list[tuple[Learned, str, int]]:
    """Each task with where its figures stand: a field of `WidthPoint`, and which pair."""
    return [(tasks[0], "a_pct", 0), *((task, "b_pct", k) for k, task in enumerate(tasks[1:]))]


def _width_section(tasks: Sequence[Learned], points: Sequence[Sequence[WidthPoint]]) -> Section:
    lines = _lines(tasks, points)
    headings = ("mantissa bits", *(f"{t.data.name}, {how}" for t, _, _ in lines for how in ("truncated", "rounded")))
    rows = []
    for place in range(0, len(points[0]), 2):
        cells = [f"{getattr(points[pair][place + how], name):.2f}" for _, name, pair in lines for how in (0, 1)]
        rows.append((str(points[0][place].bits), *cells))
    rows.append(("float32", *(text for t, _, _ in lines for text in (f"{t.accuracy_pct():.2f}",) * 2)))
    count = ", ".join(f"{len(task.data.test):,}" for task in tasks)
    notes = (
        f"Accuracy in percent on {count} test pictures. Both tasks have n = m bits; neither depends on the other's.",
    )
    return Section("Block floating point: accuracy over the width", headings, tuple(rows), notes)


def _lossless(tasks: Sequence[Learned], points: Sequence[Sequence[WidthPoint]]) -> Section:
    rows = []
    for task, name, pair in _lines(tasks, points):
        exact = task.accuracy_pct()
        bits = [lossless_bits(points[pair], name, exact, rounded) for rounded in (False, True)]
        rows.append((task.data.name, f"{exact:.2f}", *(str(b) for b in bits)))
    headings = ("task", "float32 %", "bits, truncated", "bits, rounded")
    notes = (
        "Fewest mantissa bits from which on accuracy stays within 0.1 points of float32. The paper, which truncates: "
        "12 for CIFAR-100, 11 for CIFAR-10, so 25 of 64 bits a pair with both signs.",
    )
    return Section("The lossless point", headings, tuple(rows), notes)


def _planes(tasks: Sequence[Learned], filled: Sequence[int]) -> Section:
    points = bit_planes(Pair(tasks[0], tasks[1]), filled)
    rows = tuple((str(p.bits), str(32 - p.bits), f"{p.a_pct:.2f}", f"{p.b_pct:.2f}") for p in points)
    headings = ("bits given to B", "bits left to A", f"{tasks[0].data.name} %", f"{tasks[1].data.name} %")
    notes = ("Sign and exponent of both tasks stay whole; B's bits are dither on A's mantissa.",)
    return Section("Bit planes (the earlier method)", headings, rows, notes)


def _failure(tasks: Sequence[Learned]) -> Section:
    pair = Pair(tasks[0], tasks[1])
    rows = []
    for filled in (0, 2, 3, 4):
        name = "int8, not fused" if not filled else f"int8, {filled} low bits of A filled"
        rows.append((name, *(f"{value:.2f}" for value in integers(pair, filled))))
    headings = ("weights", f"{tasks[0].data.name} %", f"{tasks[1].data.name} %")
    notes = ("Symmetric int8 per tensor; what is left of A and of B is used as it stands. Small weights are swamped.",)
    return Section("Fusing 8-bit integers: the failure that the paper tells", headings, tuple(rows), notes)


@styled
def accuracy_figure(tasks: Sequence[Learned], points: Sequence[Sequence[WidthPoint]]) -> Figure:
    """Accuracy of each task over mantissa bits."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    for (task, name, pair), color in zip(_lines(tasks, points), _COLORS, strict=False):
        for rounded, style in ((False, "--"), (True, "-")):
            line = [point for point in points[pair] if point.rounded == rounded]
            label = task.data.name if rounded else None
            axes.plot([p.bits for p in line], [getattr(p, name) for p in line], style, color=color, label=label)
        axes.axhline(task.accuracy_pct(), color=color, linestyle=":", linewidth=0.9)
    axes.set_xlabel("mantissa bits of a weight")
    axes.set_ylabel("accuracy, %")
    axes.set_ylim(0, 101)
    axes.legend(loc="lower right")
    return figure
