"""The study of prc: its default variant is prc, its figures are those of the decision record, and prc meets its aim."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from golden.activations.prc import Prc
from golden.tile_format import MODES, TileFormat
from golden.tile_index import index_bytes
from golden.tile_stream import tensor_sizes
from golden.tiles import Tiles
from sim.prc_study import ROWS, lite0_tensors, table
from sim.prc_variants import PREDICTORS, Variant, variant_bits

RECORD = Path(__file__).parents[2] / "docs" / "decisions" / "prc.md"


def relu_like(shapes, zero_point, seed=7):
    """Slopes, noise, zeros and whole rows of zeros in tiles of these shapes (h, w, c)."""
    rng = np.random.default_rng(seed)
    planes = []
    for h, w, c in shapes:
        for _ in range(c):
            slope = rng.integers(-9, 10) * np.arange(w) + rng.integers(-9, 10) * np.arange(h)[:, None]
            plane = rng.integers(0, 256) + slope + rng.integers(-3, 4, (h, w)) * rng.choice([0, 1, 40])
            kept = (rng.random((h, w)) < rng.choice([0, 0.1, 0.5, 0.9, 1])) & (rng.random((h, 1)) < 0.8)
            planes.append(np.where(kept, np.clip(plane, 0, 255), zero_point).reshape(-1))
    symbols = np.concatenate(planes).astype(np.uint8)
    return symbols, Tiles(np.cumsum([0, *(h * w * c for h, w, c in shapes)]), np.array(shapes))


@pytest.mark.parametrize("zero_point", [0, 129])
def test_default_variant_is_prc(zero_point):
    shapes = [(8, 8, 32), (8, 8, 4), (6, 8, 32), (8, 6, 7), (7, 7, 9), (1, 8, 3), (8, 1, 6), (1, 1, 11), (2, 2, 1)] * 4
    symbols, tiles = relu_like(shapes, zero_point)
    expected = Prc().tile_bits(symbols, tiles, zero_point)
    assert variant_bits(symbols, tiles, zero_point, Variant()).tolist() == expected.tolist()
    for other in (Variant(unary_limit=7), Variant(flags="symbols"), Variant(first_raw=False), Variant(held_bits=16)):
        assert (variant_bits(symbols, tiles, zero_point, other) != expected).any()


def test_more_to_choose_from_never_costs_more_than_its_header():
    """Exact choice, planes alone in their tiles, no units."""
    symbols, tiles = relu_like([(8, 8, 1)] * 200, 0)
    free = Variant(exact=True, order="lengths known", unit_bits=1, lanes=1)

    def sizes(variant):
        return variant_bits(symbols, tiles, 0, variant) - variant.header_bits

    chosen = sizes(free)
    assert (chosen <= sizes(replace(free, exact=False))).all()
    assert (chosen <= sizes(replace(free, flags="none"))).all()
    assert (sizes(replace(free, predictors=PREDICTORS[:2])) <= chosen).all()
    assert (sizes(replace(free, predictors=PREDICTORS[:2])) < chosen).any()


def test_orders_of_units_are_ordered():
    symbols, tiles = relu_like([(8, 8, 32)] * 20, 0)
    known, trimmed, asked = (
        variant_bits(symbols, tiles, 0, Variant(order=order)) for order in ("lengths known", "trimmed", "all asked")
    )
    assert (known <= trimmed).all()
    assert (trimmed <= asked).all()
    assert (asked - known <= 4 * 32).all()


def test_lite0_reaches_its_ratios_and_the_record_tells_them():
    tensors = lite0_tensors()
    assert len(tensors) == 4 * 49
    found = []
    for burst in (32, 64):
        fmt = TileFormat(modes=MODES, burst_bytes=burst)
        sizes = [tensor_sizes(symbols, fmt, zero_point).bursts for symbols, zero_point in tensors]
        bus = sum(int(bursts.sum()) * burst + index_bytes(bursts.size) for bursts in sizes)
        found.append(sum(symbols.size for symbols, _ in tensors) / bus)
    assert found[0] >= 1.84
    assert found[1] >= 1.81
    record = RECORD.read_text().splitlines()
    lines = list(table(ROWS[:2]))
    assert lines[2].startswith(f"| **the format** | {found[0]:.4f} | {found[1]:.4f} | +0.00 % |")
    assert [line for line in record if line.startswith(("| choice", "| ---"))] == lines[:2]
    assert [line for line in record if line.startswith(("| **the format", "| without it"))] == lines[2:]
    assert sum(line.startswith("| ") for line in record) == len(ROWS) + 2
