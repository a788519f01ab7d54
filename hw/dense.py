"""Dense random tensors through the RTL: data that no codec shrinks, at the full rate.

``python -m hw.dense --lanes 8`` prints what ``thinwire cosim`` prints of a network.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import numpy as np

from golden.codec import symbol_dtype
from golden.tile_format import DEFAULT_MODES, MODES, TileFormat
from hw.cli import run_cosim
from hw.cosim import NamedTensor

__all__ = ["SHAPES", "dense_tensors", "main"]

SHAPES = ((32, 112, 112), (40, 57, 57), (1280, 7, 7))
"""C, H, W: whole tiles, cut ones, many small planes."""


def dense_tensors(seed: int, fmt: TileFormat) -> Iterator[NamedTensor]:
    """Random tensors of `SHAPES` without a zero."""
    rng = np.random.default_rng(seed)
    for shape in SHAPES:
        symbols = rng.integers(1, 1 << fmt.word_bits, shape).astype(symbol_dtype(fmt.word_bits))
        yield NamedTensor("x".join(map(str, shape)), symbols, 0)


def main(arguments: list[str] | None = None) -> int:
    """Co-simulate them; 1 if a bit differs."""
    parser = argparse.ArgumentParser(prog="hw.dense", description="Dense random tensors through the RTL.")
    parser.add_argument("--lanes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--prc", action="store_true", help="prc among the modes; up to 4 lanes")
    options = parser.parse_args(arguments)
    fmt = TileFormat(modes=MODES if options.prc else DEFAULT_MODES)
    return 0 if run_cosim(dense_tensors(options.seed, fmt), len(SHAPES), options.lanes, fmt) else 1


if __name__ == "__main__":
    sys.exit(main())
