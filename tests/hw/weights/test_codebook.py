# amaranth: UnusedElaboratable=no
"""The codebook: levels by number, zero for number 0, numbers past the levels."""

import pytest
from amaranth.sim import Simulator

from hw.weights.codebook import Codebook


@pytest.mark.parametrize(("value_bits", "levels"), [(32, 255), (8, 15)])
def test_numbers_are_looked_up_in_all_lanes(value_bits, levels):
    core = Codebook(value_bits, 3, levels)
    book = [(0x9E3779B1 * (k + 1)) % (1 << value_bits) for k in range(5)]
    groups = [(0, 1, 5), (4, 0, 2), (6, 3, 3)]
    seen, past = [], []

    async def bench(ctx):
        ctx.set(core.write, 1)
        for level in [7, *book]:
            # A book of one level is forgotten.
            ctx.set(core.value, level)
            await ctx.tick()
            if level == 7:
                ctx.set(core.write, 0)
                ctx.set(core.clear, 1)
                await ctx.tick()
                ctx.set(core.clear, 0)
                ctx.set(core.write, 1)
        ctx.set(core.write, 0)
        assert ctx.get(core.count) == len(book)
        for group in groups:
            for lane, number in enumerate(group):
                ctx.set(core.numbers[lane], number)
            past.append(ctx.get(core.past))
            ctx.set(core.step, 1)
            await ctx.tick()
            ctx.set(core.step, 0)
            await ctx.tick()
            seen.append([ctx.get(core.values[lane]) for lane in range(3)])

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    levels_of = [0, *book]
    assert seen[:2] == [[levels_of[number] for number in group] for group in groups[:2]]
    assert seen[2][1:] == [levels_of[3]] * 2
    assert past == [0, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, 3), "value_bits must be 1 or more, not 0"),
        ((8, 0, 3), "lanes must be 1 or more, not 0"),
        ((8, 1, 256), r"levels must be in 1\.\.255, not 256"),
    ],
)
def test_parameters_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        Codebook(*arguments)
