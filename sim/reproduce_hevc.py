"""Weights through a video codec again: statistics, histograms, the table at QP 23, sweeps of the QP, the claims."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from matplotlib.figure import Figure

from golden.weights.hevc import Hevc, HevcFormat
from golden.weights.linear import SCHEMES, LinearFormat, quantize, statistics
from sim.chapter import Chapter, skipped
from sim.coded_head import Coded, Head, code_head
from sim.hevc_heads import crops_head, fashion_head, labelled_head
from sim.hevc_sweep import QPS, Classifier, SweepPoint, figure, gaussian_rows, sweep
from sim.plots import styled
from sim.reproduce_weights import gaussian_section, sweep_section
from sim.section import Section

__all__ = ["hevc_chapter"]

_CROPS, _QUICK_CROPS = 128, 8
_PAPER_QP = 23
_HEAD_QPS = (10, 15, 20, 23, 25, 28, 30, 33, 36, 39, 42, 45)
_SIGMAS = {"symmetric": 5.80, "asymmetric": 8.71}
_NAMES = {"float32": "baseline", "symmetric": "Qsym", "asymmetric": "Qasym"}
_COLORS = {"symmetric": "#1f5fa8", "asymmetric": "#c98b2b"}

# The paper's table 1: mean, variance, least, greatest; and table 2: bytes, ratio, top-1, top-5, loss.
_TABLE1 = {
    "float32": ("0", ".001", "-.24", ".73"),
    "symmetric": ("0", "33.62", "-42", "127"),
    "asymmetric": ("-65.00", "75.92", "-128", "127"),
}
_TABLE2 = (
    ("float32", None, ("8,196,256", "-", "76.13", "92.86", ".962")),
    ("symmetric", None, ("2,052,498", "4.00", "74.57", "92.01", "1.023")),
    ("asymmetric", None, ("2,052,498", "4.00", "74.33", "92.08", "1.028")),
    ("symmetric", _PAPER_QP, ("487,353", "16.82", "73.91", "91.88", "1.032")),
    ("asymmetric", _PAPER_QP, ("655,094", "12.51", "74.17", "91.98", "1.031")),
)


def hevc_chapter(quick: bool = False, told: Callable[[SweepPoint], None] = lambda point: None) -> Chapter:
    """Everything of the paper; `quick` takes small matrices, few crops and three QPs.

    Raises
    ------
    ValueError
        If PyAV is missing.
    """
    size, qps = ((256, 250), QPS[::8]) if quick else ((2048, 1000), QPS)
    crops = crops_head(_QUICK_CROPS if quick else _CROPS)
    classifier = Classifier(crops.weights[0], crops.biases[0], crops.features)
    points = sweep(classifier, qps, told=told)
    sections = [_statistics(crops), gaussian_section(gaussian_rows(*size)), _claim(*size), _qp23(crops)]
    figures = {"hevc-histograms": histograms(crops), "hevc": figure(points)}
    captions = {
        "hevc-histograms": "The paper's figures 1 to 3: EfficientNet-Lite0's classifier as float32, Qsym and Qasym.",
        "hevc": "The paper's figures 4 and 5 on EfficientNet-Lite0's classifier; dashed, a uniform quantizer and ideal "
        "coder at the same error.",
    }
    for name, source in (("the labelled pictures", labelled_head), ("Fashion-MNIST", lambda: fashion_head(quick))):
        try:
            head = source()
        except ValueError as error:
            sections.append(skipped(f"Weights through HEVC: {name}", error))
            continue
        sections.append(_qp23(head))
        if len(head.weights) > 1:
            swept = [code_head(head, scheme, qp) for scheme in SCHEMES for qp in (qps if quick else _HEAD_QPS)]
            sections.append(_head_sweep(head, swept))
            figures["hevc-fashion"] = head_figure(head, swept)
            captions["hevc-fashion"] = f"Ratio and real accuracy over the QP: {head.name}; dashed, float32."
    sections.append(sweep_section(points))
    source_text = "Kim et al. (SKKU), weight compression with a video codec"
    return Chapter("hevc", "Weights through a video codec", source_text, tuple(sections), figures, captions)


def _statistics(head: Head) -> Section:
    rows = []
    for scheme, paper in _TABLE1.items():
        weights = head.weights[0]
        values = weights if scheme == "float32" else quantize(weights, LinearFormat(scheme=scheme)).values
        found = statistics(values)
        cells = found.mean, found.variance, found.minimum, found.maximum
        digits = 3 if scheme == "float32" else 2
        rows.append((_NAMES[scheme], *(f"{p} / {c:.{digits}f}" for p, c in zip(paper, cells, strict=True))))
    notes = (
        "Paper / ours: ResNet50's 2048 x 1000 classifier, and EfficientNet-Lite0's 1280 x 1000 one in its place.",
        "Ours fills its 8 bits better (its greatest weight is nearer to the others) and compresses less at one QP.",
    )
    return Section(
        "Statistics of the weights (the paper's table 1)",
        ("weights", "mean", "variance", "min", "max"),
        tuple(rows),
        notes,
    )


def _claim(height: int, width: int) -> Section:
    """Qasym at QP 30 beside Qsym at QP 25, from the paper's variances."""
    rows = []
    for scheme, qp in (("symmetric", 25), ("asymmetric", 28), ("asymmetric", 29), ("asymmetric", 30)):
        rng = np.random.default_rng(7)
        values = np.rint(rng.normal(0, _SIGMAS[scheme], (height, width))).clip(-128, 127).astype(np.int8)
        ratio = 32 * values.size / Hevc(HevcFormat(qp)).encode(values).size_bits
        rows.append((f"{_NAMES[scheme]}, QP {qp}", f"{_SIGMAS[scheme]:.2f}", f"{ratio:.2f}"))
    notes = (
        "The paper tells that both compress alike, with over 3.5 points of top-1 between them. Gaussian matrices of "
        "the paper's variances: the quantizer's step doubles every 6 QP, so they are alike at 25 + 6 log2(8.71 / 5.80) "
        "= 28.5. What accuracy that costs cannot be told from them; the tables over the QP below tell it for ours.",
    )
    return Section("Qasym at QP 30 against Qsym at QP 25", ("matrix", "sigma", "ratio"), tuple(rows), notes)


def _qp23(head: Head) -> Section:
    rows = []
    for scheme, qp, paper in _TABLE2:
        coded = code_head(head, scheme, qp)
        found = coded.quality
        name = _NAMES[scheme] + ("" if qp is None else f" + HEVC, QP {qp}")
        figures = (
            f"{coded.size_bytes:,.0f}",
            f"{coded.ratio:.2f}",
            f"{found.top1_pct:.2f}",
            f"{found.top5_pct:.2f}",
            f"{found.loss:.3f}",
        )
        rows.append((name, *(f"{told} / {ours}" for told, ours in zip(paper, figures, strict=True))))
    notes = (
        f"Paper (ResNet50 on ImageNet) / ours ({head.name}).",
        "Pictures without labels: top-1 and top-5 say where the float network's own choice comes out, loss is the "
        "cross entropy to it."
        if head.labels is None
        else f"Real accuracy against labels. Coded: {', '.join(f'{a} x {b}' for a, b in map(np.shape, head.weights))}, "
        f"{sum(w.size for w in head.weights):,} weights.",
    )
    headings = ("weights", "bytes", "ratio", "top-1 %", "top-5 %", "loss")
    return Section(f"The paper's table 2: {head.name}", headings, tuple(rows), notes)


def _head_sweep(head: Head, swept: Iterable[Coded]) -> Section:
    rows = tuple(
        (
            f"{_NAMES[one.scheme]}, {one.qp}",
            f"{one.size_bytes:,.0f}",
            f"{one.ratio:.2f}",
            f"{one.quality.top1_pct:.2f}",
            f"{one.quality.top5_pct:.2f}",
            f"{one.quality.loss:.3f}",
        )
        for one in swept
    )
    headings = ("quantizer, QP", "bytes", "ratio", "top-1 %", "top-5 %", "loss")
    return Section(f"Real accuracy over the QP: {head.name} (the paper's figures 4 and 5)", headings, rows)


@styled
def histograms(head: Head) -> Figure:
    """The weights as float32, and as integers of both quantizers."""
    drawn = Figure(figsize=(10, 2.6), layout="constrained")
    for panel, (scheme, name) in zip(drawn.subplots(1, 3), _NAMES.items(), strict=True):
        weights = head.weights[0]
        values = weights if scheme == "float32" else quantize(weights, LinearFormat(scheme=scheme)).values
        bins = np.linspace(weights.min(), weights.max(), 129) if scheme == "float32" else np.arange(-128.5, 128)
        counts, edges = np.histogram(values, bins)
        panel.stairs(counts, edges, fill=True, color=_COLORS.get(scheme, "#9aa5b1"))
        panel.set_yscale("symlog")
        panel.set_title(name)
        panel.set_xlabel("weight")
    return drawn


@styled
def head_figure(head: Head, swept: Sequence[Coded]) -> Figure:
    """Ratio and accuracy over the QP, one line for each quantizer."""
    drawn = Figure(figsize=(7, 3), layout="constrained")
    left, right = drawn.subplots(1, 2)
    for scheme, color in _COLORS.items():
        line = [one for one in swept if one.scheme == scheme]
        qps = [one.qp for one in line]
        left.plot(qps, [one.ratio for one in line], color=color, marker=".", label=f"{_NAMES[scheme]} + HEVC")
        right.plot(qps, [one.quality.top1_pct for one in line], color=color, marker=".")
    right.axhline(head.quality(head.weights).top1_pct, color="#444b54", linestyle="--", linewidth=0.9)
    left.set_yscale("log")
    left.set_ylabel("size as float32 / coded size")
    right.set_ylabel("top-1, %")
    left.legend()
    for panel in (left, right):
        panel.set_xlabel("QP")
    return drawn
