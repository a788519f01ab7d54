# amaranth: UnusedElaboratable=no
"""The queue of masks: what it shows is what came, however masks and beats fall."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw.weights.mlw_masks import MaskRows
from hw.weights.mlw_ports import MASK_BITS

BLOCK = 8


def run(lanes, masks, seed, eager):
    """Send masks, lists of bits, with a sink that takes beats at random; the bits that were shown."""
    rng = np.random.default_rng(seed)
    core, shown = MaskRows(lanes, BLOCK), []

    async def bench(ctx):
        ctx.set(core.begin, 1)
        await ctx.tick()
        ctx.set(core.begin, 0)
        came, waiting, idle = 0, [list(mask) for mask in masks], 0
        while idle < 8:
            sends = bool(waiting) and ctx.get(core.free) and rng.random() < eager
            if sends:
                # Bit k of what comes behind place `last` is at place `last + 1 + k`; behind the last bit follows noise.
                last, mask = ctx.get(core.last), waiting.pop(0)
                bits = rng.integers(0, 2, MASK_BITS)
                places = (last + 1 + np.arange(len(mask))) % MASK_BITS
                bits[places] = mask
                ctx.set(core.mask, int("".join(map(str, bits[::-1])), 2))
                ctx.set(core.next_last, last + len(mask))
            ctx.set(core.go, int(sends))
            full = ctx.get(core.full) == (1 << lanes // BLOCK) - 1
            takes = full and rng.random() < 0.7
            if takes:
                beat = ctx.get(core.sight)
                shown.extend(beat >> lane & 1 for lane in range(lanes))
                assert [ctx.get(core.ones[k]) for k in range(lanes // BLOCK)] == blocks(beat, lanes)
            ctx.set(core.next, int(takes))
            assert ctx.get(core.ahead) == (came - 1) // lanes - (len(shown) - lanes * takes) // lanes
            came += len(mask) if sends else 0
            idle = 0 if sends or takes or waiting else idle + 1
            await ctx.tick()
        ctx.set(core.go, 0)
        assert ctx.get(core.sure)
        left = came - len(shown)
        assert 0 <= left < lanes
        beat = ctx.get(core.sight)
        shown.extend(beat >> lane & 1 for lane in range(left))
        assert not beat >> left

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return shown


def blocks(beat, lanes):
    return [(beat >> at & (1 << BLOCK) - 1).bit_count() for at in range(0, lanes, BLOCK)]


@pytest.mark.parametrize("lanes", [16, 32, 64])
@pytest.mark.parametrize("sizes", ["any", "to the row's end", "long"])
def test_bits_come_in_order(lanes, sizes):
    rng, place, masks = np.random.default_rng(lanes), 0, []
    for _ in range(70):
        size = int(rng.integers(0, MASK_BITS + 1)) if sizes == "any" else MASK_BITS - int(rng.integers(2))
        if sizes == "to the row's end":
            # Up to it, beyond it, and nothing behind it.
            size = int(rng.choice([MASK_BITS - place % MASK_BITS, 0, int(rng.integers(1, 20))]))
        masks.append(rng.integers(0, 2, size).tolist())
        place += size
    for eager in (0.4, 1.0):
        assert run(lanes, masks, 3, eager) == [bit for mask in masks for bit in mask]
