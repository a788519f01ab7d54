# amaranth: UnusedElaboratable=no
"""The palette: tables as they pass, levels of all lanes, what is wrong with either."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from golden.weights.deepcomp import DeepComp, DeepCompFormat, Shared
from hw.weights.palette import Palette
from hw.weights.ports import Fault

_LANES = 2


def table(levels) -> bytes:
    """A codebook in whole words, as golden writes it."""
    codec = DeepComp(DeepCompFormat(density=1.0, bits=8, form="packed"))
    return codec.encode_shared(Shared(np.zeros(1, np.uint8), np.float32(levels))).tables.tobytes()


class Bench:
    """Tables and numbers, all in one simulation."""

    def __init__(self, row_bits: int) -> None:
        self.core, self.row_bytes = Palette(_LANES, row_bits), row_bits // 8
        self.cases, self.came = [], []

    def run(self, cases) -> list:
        """Of tables, each with its words and beats of numbers: fault and position, patterns, the first weight past."""
        self.cases, self.came = cases, []
        simulator = Simulator(self.core)
        simulator.add_clock(1e-6)
        simulator.add_testbench(self.bench)
        simulator.run()
        return self.came

    async def bench(self, ctx) -> None:
        core = self.core
        ctx.set(core.o.ready, 1)
        for octets, words, numbers in self.cases:
            ctx.set(core.words, words)
            ctx.set(core.begin, 1)
            await ctx.tick()
            ctx.set(core.begin, 0)
            for k in range(0, len(octets), self.row_bytes):
                ctx.set(core.row, int.from_bytes(octets[k : k + self.row_bytes], "little"))
                ctx.set(core.write, 1)
                await ctx.tick()
            ctx.set(core.write, 0)
            await ctx.tick().repeat(4)
            values = []
            for beat in numbers:
                for lane, number in enumerate(beat):
                    ctx.set(core.i.p.data.symbols[lane], number)
                ctx.set(core.i.valid, 1)
                await ctx.tick()
                assert ctx.get(core.o.valid)
                values.append([ctx.get(core.o.p.data.symbols[lane]) for lane in range(_LANES)])
            ctx.set(core.i.valid, 0)
            await ctx.tick()
            assert not ctx.get(core.o.valid)
            found = Fault(ctx.get(core.fault)), ctx.get(core.position)
            self.came.append((found, values, ctx.get(core.weight) if ctx.get(core.past) else None))


@pytest.fixture(params=[128, 256], ids=str)
def bench(request):
    return Bench(request.param)


def case(octets: bytes, numbers=(), words: int | None = None) -> tuple:
    return octets, len(octets) // 8 if words is None else words, numbers


def test_every_number_has_its_level(bench):
    cases, expected = [], []
    for count in (0, 255, 1, 2, 3, 4, 7, 8, 9, 31):
        levels = np.setdiff1d(np.arange(-100, 156), [0])[:count].astype(np.float32) / 8
        numbers = np.resize(np.arange(count + 1), (count // _LANES + 1, _LANES))
        cases.append(case(table(levels), numbers.tolist()))
        expected.append(np.append(np.float32(0), levels).view(np.uint32)[numbers].tolist())
    came = bench.run(cases)
    assert [(fault, past) for (fault, _), _, past in came] == [(Fault.NONE, None)] * len(cases)
    assert [values for _, values, _ in came] == expected


def test_numbers_past_the_levels_are_told_and_all_behind_them_is_zero(bench):
    one, two = np.float32([1, 2]).view(np.uint32).tolist()
    sound = case(table([1.0, 2.0]), [[1, 2]])
    bad = case(table([1.0, 2.0]), [[1, 2], [2, 3], [1, 1], [4, 0]])
    came = [(fault, values, past) for (fault, _), values, past in bench.run([bad, sound])]
    assert came[0] == (Fault.NONE, [[one, two], [0, 0], [0, 0], [0, 0]], 2)
    assert came[1] == (Fault.NONE, [[one, two]], None)


def test_levels_that_no_codebook_holds_are_told_with_their_place(bench):
    levels = np.arange(1, 11).astype(np.float32)
    cases, places = [], []
    for number in (1, 2, 3, 4, 5, 7, 8, 9, 10):
        before = [int(pattern) for pattern in levels.view(np.uint32)[number - 2 : number - 1]]
        for pattern in (0, 1 << 31, 0x7F80_0000, 0xFFC0_0000, *before, *(level - 1 for level in before)):
            octets = bytearray(table(levels))
            octets[4 * number - 3 : 4 * number + 1] = pattern.to_bytes(4, "little")
            cases.append(case(bytes(octets), [[1, 2]]))
            places.append(32 * number - 24)
    came = bench.run(cases)
    assert [found for found, _, _ in came] == [(Fault.TABLE, place) for place in places]
    assert all(values == [[0, 0]] for _, values, _ in came)


def test_tables_of_another_length_and_padding_are_told(bench):
    def stray(octets: bytes, bit: int) -> tuple:
        return case((int.from_bytes(octets, "little") | 1 << bit).to_bytes(len(octets), "little"), [[1, 1]])

    three = table([1.0, 2.0, 3.0])
    lengths = [case(three, [[1, 1]], words) for words in (1, 3, 200)]
    strays = [stray(three, 104), stray(three, 127), stray(table([1.0]), 40), stray(table([1.0]), 63)]
    came = bench.run([*lengths, case(b"", [[0, 0]]), *strays])
    assert [found for found, _, _ in came[:4]] == [(Fault.TABLE, 104)] * 3 + [(Fault.TABLE, 8)]
    assert [found for found, _, _ in came[4:]] == [(Fault.LONG, 104)] * 2 + [(Fault.LONG, 40)] * 2
    assert all(values == [[0, 0]] for _, values, _ in came)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((3, 128), "lanes must be a power of two, not 3"), ((16, 64), "row_bits must be 128 or 256, not 64")],
)
def test_parameters_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        Palette(*arguments)
