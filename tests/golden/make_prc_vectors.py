"""Writes ``tests/vectors/prc.json`` from the slow model: ``python tests/golden/make_prc_vectors.py`` (no test runs it).

A frozen vector that is missing or wrong fails its test; to change the format, change model and vectors in one commit.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import prc_model
from bit_models import bytes_of

VECTORS = Path(__file__).parent.parent / "vectors" / "prc.json"


def smooth(rng, shape, top, zero):
    """A relu of slow waves and noise: blank rows and planes, steps, dense planes."""
    h, w, c = shape
    y, x = np.mgrid[0:h, 0:w]
    phase, slope = rng.random((c, 1, 1)) * 6, rng.normal(0, 0.5, (2, c, 1, 1))
    waves = np.sin(phase + slope[0] * y + slope[1] * x) + rng.normal(0, 0.1, (c, h, w)) - rng.random((c, 1, 1))
    return np.clip(zero + np.maximum(waves, 0) * top / 2, 0, top).astype(int).reshape(-1).tolist()


def cases():
    """(source, W, zero point, shape, symbols)."""
    rng = np.random.default_rng(7)
    yield "docstring, first example", 8, 0, (2, 2, 1), [10, 12, 11, 14]
    yield "docstring, second example", 8, 0, (2, 3, 1), [0, 0, 0, 0, 7, 0]
    yield "docstring, third example", 8, 0, (1, 2, 2), [0, 0, 255, 3]
    yield "no symbols", 8, 0, (0, 1, 1), []
    yield "one symbol, which is the zero point", 8, 129, (1, 1, 1), [129]
    yield "one symbol, which is not", 8, 129, (1, 1, 1), [0]
    yield "five planes of one symbol", 8, 0, (1, 1, 5), [1, 0, 255, 0, 2]
    yield "one column: a row of one has no blank bit", 8, 3, (9, 1, 1), [3, 3, 3, 3, 3, 4, 3, 3, 3]
    yield "escape", 8, 0, (4, 4, 1), [100] * 11 + [220] + [100] * 4
    yield "escape in a flagged plane", 8, 0, (8, 4, 1), [0] * 5 + [5] * 15 + [250] + [5] * 11
    yield "largest parameter in a flagged plane", 8, 0, (2, 6, 1), [0, 255, 1, 255, 1, 254, 0, 1, 255, 1, 254, 1]
    yield "raw plane", 8, 0, (2, 4, 1), [255, 1, 254, 2, 3, 253, 1, 252]
    yield "residuals on the longer side", 8, 0, (1, 8, 1), [1, 9, 250, 245, 254, 3, 7, 1]
    for w in (4, 8, 16):
        top = 2**w - 1
        for zero in (0, top // 2):
            for shape in ((8, 8, 4), (3, 5, 6), (7, 7, 3), (8, 2, 5)):
                yield f"waves, W = {w}, zero point {zero}", w, zero, shape, smooth(rng, shape, top, zero)
        shape = (4, 4, 9)
        yield f"random, W = {w}", w, 1, shape, rng.integers(0, top + 1, 144).tolist()


def main() -> None:
    """Write the file."""
    lines = []
    for source, w, zero, shape, values in cases():
        stream = prc_model.encode(values, shape, zero, w)
        head = {"source": source, "word_bits": w, "zero_point": zero, "shape": shape, "values": values}
        lines.append(json.dumps({**head, "bytes": bytes_of(stream).hex(" ").upper()}))
    VECTORS.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
