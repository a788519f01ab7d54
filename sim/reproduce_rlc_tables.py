"""Table 1 of Kim et al. (KETI) as it is told: paper and ours, what else the same tensors give, what differs."""

from __future__ import annotations

from collections.abc import Callable

from golden.activations.scan import SCANS
from sim.chapter import Chapter, skipped
from sim.reproduce_rlc import Activation, Row, Table1, cifar10, imagenet, run_length_table
from sim.section import Section

__all__ = ["rlc_chapter"]

_NOTES = {
    "ImageNet": (
        "The paper retrained EfficientNet-B0 with ReLU6; this is its published sibling Lite0 with its trained weights.",
        "The paper names neither quantizer nor images: here ReLU6 outputs have scale 6/255, others are affine.",
        "Its scan (figure 3b) is tile-channel-first: there ZRLC gains, since zeros cluster over channels, and SRLC "
        "loses, since neighbouring channels are rarely equal.",
        "The paper has that gain, and that loss in its CIFAR-10 row (23.87 to 8.68); its 11.25 that no scan moves "
        "fits tile-planar.",
    ),
    "CIFAR-10": (
        "The paper's network for CIFAR-10 is EfficientNet-B0; this is a plain CNN with ReLU, which has more zeros.",
        "No tensor of it is linear, so BYPASS changes nothing. SRLC falls with the scan as in the paper.",
    ),
}
_MORE_NOTES = (
    "The same tensors. Up to the Eyeriss words: exact bits of whole tensors, no alignment, no index. Bypass by tensor "
    "stores raw what the code does not make smaller.",
    "Tile stream: tiles of 8 x 8 x 32, whole bursts, index included, raw tiles where they are smaller (bypass by "
    "tile); prc predicts inside planes and so has no channel-first scan.",
)


def rlc_chapter(more: bool = False, quick: bool = False) -> Chapter:
    """Both rows of the table; `more` adds run widths, policies and other codecs, `quick` takes one image of each.

    Raises
    ------
    ValueError
        If the default network's weights are not installed.
    """
    sources: tuple[tuple[str, Callable[[], tuple[str, list[list[Activation]]]]], ...] = (
        ("ImageNet", imagenet),
        ("CIFAR-10", cifar10),
    )
    sections: list[Section] = []
    for data_set, source in sources:
        try:
            name, images = source()
        except ValueError as error:
            if data_set == "ImageNet":
                raise
            sections.append(skipped(data_set, error))
            continue
        table = run_length_table(data_set, name, images[:1] if quick else images, more)
        sections.append(_section(f"{_what(table)}: bytes saved, % of raw", table.rows, _NOTES[data_set]))
        if more:
            sections.append(_section(f"{_what(table)}: other widths, policies and codecs", table.more, _MORE_NOTES))
    source_text = "Kim et al. (KETI), run-length coding of activations, table 1"
    return Chapter("rlc", "Run-length coding of activations", source_text, tuple(sections))


def _what(table: Table1) -> str:
    return f"{table.data_set} ({table.network}, {table.tensors} tensors)"


def _section(title: str, rows: tuple[Row, ...], notes: tuple[str, ...]) -> Section:
    return Section(title, ("method (R = 3, W = 8)", "paper", *SCANS), tuple(_cells(row) for row in rows), notes)


def _cells(row: Row) -> tuple[str, ...]:
    paper = "" if row.paper_pct is None else f"{row.paper_pct:.2f}"
    return row.method, paper, *(f"{row.saving_pct[scan]:.2f}" if scan in row.saving_pct else "" for scan in SCANS)
