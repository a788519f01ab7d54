# amaranth: UnusedElaboratable=no
"""The expander alone: runs and weights to beats, cut short, under a sink that waits."""

from random import Random

import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.packet import Packet
from hw.weights.ports import Weights
from hw.weights.sparse import Expander

LANES, SLOTS, BITS = 4, 3, 8

SYMBOLS = st.lists(st.tuples(st.booleans(), st.sampled_from([0, 1, 2, 3, 5, 9, 40, 255])), min_size=1, max_size=SLOTS)


def weights_of(symbols):
    """What the symbols (weight or run, value) of a group stand for."""
    return [w for is_weight, value in symbols for w in ([value] if is_weight else [0] * value)]


def expand(groups, count, void_at=None, seed=1):
    """Beats of a tensor of `count` weights; from group `void_at` on, nothing is known of it."""
    core, shape = Expander(LANES, SLOTS, BITS), Packet(Weights(BITS, LANES))
    beats, chance = [], Random(seed)

    def fields(symbols, finish):
        offsets, at = [], 0
        for is_weight, value in symbols:
            offsets.append(at)
            at += 1 if is_weight else value
        padding = SLOTS - len(symbols)
        return {
            "present": sum(is_weight << k for k, (is_weight, _) in enumerate(symbols)),
            "offsets": offsets + [0] * padding,
            "weights": [value if is_weight else 99 for is_weight, value in symbols] + [77] * padding,
            "count": at,
            "finish": int(finish),
        }

    async def bench(ctx):
        ctx.set(core.start, 1)
        ctx.set(core.count, count)
        await ctx.tick()
        ctx.set(core.start, 0)
        at, cycles = 0, 0
        while ctx.get(core.active):
            cycles += 1
            assert cycles < 200 + 8 * count
            offers = at < len(groups) and at != void_at
            ctx.set(core.valid, offers)
            if offers:
                ctx.set(core.group, fields(groups[at], at == len(groups) - 1))
            ready = chance.random() < 0.7
            ctx.set(core.o.ready, ready)
            ctx.set(core.settled, cycles > 20)
            if at == void_at and ctx.get(core.ready):
                ctx.set(core.void, 1)
                ctx.set(core.error, 1)
            if ctx.get(core.o.valid) and ready:
                beats.append(shape.from_bits(ctx.get(core.o.p.as_value())))
            at += bool(offers and ctx.get(core.ready))
            await ctx.tick()
        assert void_at is not None or at == len(groups)

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert [beat.last for beat in beats] == [0] * (len(beats) - 1) + [1]
    assert [beat.data.error for beat in beats] == [0] * (len(beats) - 1) + [int(void_at is not None)]
    assert beats[-1].data.tail == (count - 1) % LANES
    return [beat.data.symbols[lane] for beat in beats for lane in range(LANES)]


@settings(max_examples=12)
@given(groups=st.lists(SYMBOLS.filter(weights_of), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_groups_become_beats(groups, seed):
    weights = [w for group in groups for w in weights_of(group)]
    made = expand(groups, len(weights), seed=seed)
    assert made == weights + [0] * (-len(weights) % LANES)


@settings(max_examples=6)
@given(groups=st.lists(SYMBOLS.filter(weights_of), min_size=2, max_size=6), more=st.integers(0, 30), data=st.data())
def test_the_rest_of_a_tensor_that_is_cut_is_zeros(groups, more, data):
    void_at = data.draw(st.integers(0, len(groups) - 1))
    known = [w for group in groups[:void_at] for w in weights_of(group)]
    count = sum(len(weights_of(group)) for group in groups) + more
    assert expand(groups, count, void_at) == known + [0] * (count - len(known) + -count % LANES)


def test_lanes_are_checked():
    with pytest.raises(ValueError, match="lanes must be a power of two of at least 2, not 6"):
        Expander(6, 3, 8)
