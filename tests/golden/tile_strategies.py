"""What hypothesis draws for the tile stream: small formats, tensors with empty and dense tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

MODES = ("raw", "srlc", "zrlc", "zvc")

layouts = st.sampled_from(["slotted", "packed"])


@st.composite
def formats(draw: st.DrawFn) -> dict[str, Any]:
    """A tile format as plain JSON; tiles of up to 125 symbols, in up to 8 bursts."""
    others = draw(st.sets(st.sampled_from(MODES[1:])))
    return {
        "word_bits": draw(st.sampled_from([4, 8, 16])),
        "run_bits": draw(st.integers(1, 8)),
        "tile": draw(st.lists(st.integers(1, 5), min_size=3, max_size=3)),
        "scan": draw(st.sampled_from(["tile-planar", "tile-channel-first"])),
        "burst_bytes": draw(st.sampled_from([32, 64])),
        "modes": draw(st.permutations(["raw", *sorted(others)])),
    }


@st.composite
def tensors(draw: st.DrawFn, word_bits: int) -> tuple[np.ndarray, int]:
    """A tensor of 1 to 4 dimensions, some of its planes empty, and a zero point."""
    shape = tuple(draw(st.lists(st.integers(0, 9), min_size=1, max_size=4)))
    top = 2**word_bits - 1
    zero_point = draw(st.just(0) | st.integers(0, top))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.sampled_from([0.0, 0.02, 0.3, 1.0]))
    values = rng.integers(0, top + 1, shape)
    kept = rng.random(shape) < density * (rng.random(shape[:1] + (1,) * (len(shape) - 1)) < 0.7)
    return np.where(kept, values, zero_point).astype(np.uint8 if word_bits <= 8 else np.uint16), zero_point
