"""What each choice in the predictive activation codec is worth: ``python -m sim.prc_study`` prints the table.

Data: the 49 tensors of EfficientNet-Lite0 that reach memory between layers, over the embedded photos, 8 bits. A ratio
is raw bytes over bus bytes: each tile in the mode with fewest bits (raw, srlc, zrlc, zvc or the variant), whole bursts,
and 32 index bytes for 8 tiles of a tensor. A row changes one thing of the format; the table stands in
docs/decisions/prc.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from golden.activations.scan import scan_order
from golden.tile_format import BURST_BYTES, TileFormat
from golden.tile_index import index_bytes
from golden.tile_stream import tensor_sizes
from golden.tiles import Tiles
from sim.images import load_images, preprocess
from sim.lite0 import INPUT_PIXELS, build_lite0
from sim.network import load_network
from sim.prc_variants import Variant, variant_bits
from sim.tensors import capture

__all__ = ["ROWS", "Cut", "Row", "lite0_tensors", "main", "ratios", "table"]


@dataclass(frozen=True)
class Row:
    """One line of the study: what is changed, to what, and what that means for a lane of hardware."""

    choice: str
    variant: Variant | None
    hardware: str = ""


ROWS = (
    Row("**the format**", Variant(), "one adder to predict, one sum and one count to choose"),
    Row("without it: raw, srlc, zrlc, zvc", None),
    Row("predictor: left", Variant(predictors=("left",)), "no row buffer, no adder"),
    Row("predictor: up", Variant(predictors=("up",)), "no loop through the symbol before, no adder"),
    Row("predictor: median edge", Variant(predictors=("median edge",)), "three comparators, two adders in the loop"),
    Row(
        "predictor: (2 median edge + left + up + 2) / 4",
        Variant(predictors=("smoothed median edge",)),
        "and two more adders in the loop",
    ),
    Row(
        "2 predictors: average, median edge",
        Variant(predictors=("average", "median edge")),
        "encoder: a second fold and sum; decoder: the median in the loop",
    ),
    Row(
        "4 predictors: and left, up",
        Variant(predictors=("average", "median edge", "left", "up")),
        "encoder: four folds and sums",
    ),
    Row("residual modulo 256", Variant(folded=False), "saves a comparator and an adder"),
    Row("no flags", Variant(flags="none"), "saves a few gates"),
    Row("flags without blank rows", Variant(flags="symbols"), "encoder needs no look at the row ahead"),
    Row(
        "two parameters, for zero points above or not",
        Variant(contexts=2),
        "second sum and count; zero bits of a row; k waits for the row above",
    ),
    Row("first symbol predicted from the zero point", Variant(first_raw=False), "header, k and code in one step"),
    Row(
        "exact choice of k and flag",
        Variant(exact=True),
        "encoder: 14 exact sums instead of one",
    ),
    *(
        Row(f"escape after {limit} ones", Variant(unary_limit=limit), f"longest code {8 + limit} bits")
        for limit in (4, 5, 6, 7)
    ),
    Row(
        "escape after 12 ones, units of 32 bits",
        Variant(unary_limit=12, unit_bits=32, held_bits=64),
        "lane buffers of 95 bits",
    ),
    Row("units of 32 bits", Variant(unit_bits=32, held_bits=64), "lane buffers of 95 bits; 128 bits asked at once"),
    Row("units of 8 bits", Variant(unit_bits=8), "up to two units a lane and symbol, 8 instead of 4 to place"),
    Row(
        "lanes hold one unit, not two",
        Variant(held_bits=16),
        "lane buffers of 31 bits; parsing, asking and placing in one loop",
    ),
    Row("units asked in vain at the end are sent", Variant(order="all asked"), "decoder needs no zeros past the end"),
    Row("as if lengths of lanes were known", Variant(order="lengths known"), "not decodable as it stands: the limit"),
    Row("1 lane", Variant(lanes=1), "one symbol a cycle"),
    Row("2 lanes", Variant(lanes=2), "two symbols a cycle"),
    Row("8 lanes", Variant(lanes=8), "eight symbols a cycle"),
    *(
        Row(f"tiles of {h} x {w} x {c}", Variant(tile=(h, w, c)), f"row buffers of {w} symbols; {note}")
        for h, w, c, note in (
            (4, 16, 32, "same tile buffer"),
            (16, 8, 16, "same tile buffer"),
            (16, 16, 8, "same tile buffer"),
            (8, 8, 16, "half the tile buffer, twice the index"),
        )
    ),
)


@dataclass(frozen=True)
class Cut:
    """One tensor of one image cut into tiles: symbols in scan order, zero point, bits in the best other mode."""

    symbols: NDArray[np.uint8]
    tiles: Tiles
    zero_point: int
    other_bits: NDArray[np.int64]


@cache
def lite0_tensors() -> tuple[tuple[NDArray[np.uint8], int], ...]:
    """Symbols (C, H, W) and zero point of each of the 49 tensors and each photo."""
    network = load_network(build_lite0())
    images = preprocess(load_images(), INPUT_PIXELS, INPUT_PIXELS)
    captured = capture(network, images)
    names = [name for name in network.tensors if name not in (*network.inputs, *network.outputs)]
    return tuple(
        (np.ascontiguousarray(captured.symbols[name][image]), captured.quantization[name].zero_point)
        for name in names
        for image in range(len(images))
    )


def _cut(tensors: Iterable[tuple[NDArray[np.uint8], int]], tile: tuple[int, int, int]) -> Iterator[Cut]:
    fmt = TileFormat(tile=tile)
    for tensor, zero_point in tensors:
        order, tiles = scan_order(tensor.shape, fmt.scan, tile)
        # Fewest bits are fewest bursts, whatever a burst is.
        other = tensor_sizes(tensor, fmt, zero_point).bits
        yield Cut(tensor.reshape(-1)[order], tiles, zero_point, other)


def ratios(cuts: Iterable[Cut], variant: Variant | None) -> tuple[float, ...]:
    """Raw bytes over bus bytes, for bursts of 32 and of 64 bytes.

    Parameters
    ----------
    cuts : iterable of Cut
    variant : Variant, optional
        The code to choose from beside the other modes.
    """
    raw_bytes, bus_bytes = 0, np.zeros(len(BURST_BYTES), np.int64)
    for cut in cuts:
        bits = cut.other_bits
        if variant is not None:
            bits = np.minimum(bits, variant_bits(cut.symbols, cut.tiles, cut.zero_point, variant))
        raw_bytes += cut.symbols.size
        for place, burst in enumerate(BURST_BYTES):
            bus_bytes[place] += burst * int((-(-bits // (8 * burst))).sum()) + index_bytes(cut.tiles.count)
    return tuple((raw_bytes / bus_bytes).tolist())


def table(rows: Iterable[Row] = ROWS) -> Iterator[str]:
    """The study as a Markdown table, line by line."""
    cuts = {Variant().tile: tuple(_cut(lite0_tensors(), Variant().tile))}
    chosen = ratios(cuts[Variant().tile], Variant())
    yield "| choice | 32-byte bursts | 64-byte bursts | change at 32 | hardware |"
    yield "| --- | --- | --- | --- | --- |"
    for row in rows:
        tile = Variant().tile if row.variant is None else row.variant.tile
        found = ratios(cuts[tile] if tile in cuts else _cut(lite0_tensors(), tile), row.variant)
        change = f"{100 * (found[0] / chosen[0] - 1):+.2f} %"
        yield f"| {row.choice} | {found[0]:.4f} | {found[1]:.4f} | {change} | {row.hardware} |"


def main() -> None:
    """Print the table."""
    for line in table():
        print(line, flush=True)


if __name__ == "__main__":
    main()
