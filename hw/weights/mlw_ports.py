"""What the stages of the Ethos-U stream decoder hand to each other."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data
from amaranth.utils import bits_for

from golden.weights.mlw_format import UNARY_BITS
from hw.bits import any_of
from hw.weights.ports import COUNT_BITS

__all__ = [
    "FIELDS_BITS",
    "INDEX_BITS",
    "LAST_BITS",
    "MASK_BITS",
    "OFFSET_BITS",
    "SLOTS",
    "V_BITS",
    "Chunk",
    "MlwOrder",
    "SliceRules",
    "Trace",
    "count_ones",
    "first_one",
    "named",
    "prefix_counts",
    "rotated",
    "shifted",
    "slot_bits",
    "times",
]

SLOTS = UNARY_BITS
"""Most indices, and most runs, of a chunk."""
OFFSET_BITS = 7
"""Bits of a place within a chunk or header."""
V_BITS = 9
"""Bits of a v, and of a signed weight."""
INDEX_BITS = V_BITS + 1
"""Bits of an index, the highest of which says that it is past all that are legal."""
FIELDS_BITS = 96
"""Most bits of a chunk's remainders: 8 of 9 bits of indices, and 12 of 2 (or 8 of 3) of runs."""
MASK_BITS = 64
"""Most weights that the runs of a chunk stand for: 8 bits of 8, or 12 of 4."""
LAST_BITS = 7
"""Bits of the place of a mask's last bit, counted from where the 64 begin that the one before ended in."""


class MlwOrder(data.StructLayout):
    """A tensor: `count` weights, and whether they must be `narrow`, in -128..127."""

    def __init__(self) -> None:
        super().__init__({"count": COUNT_BITS, "narrow": 1})


class SliceRules(data.StructLayout):
    """What holds throughout a slice.

    `runs`, `zdiv`: zero runs, and their shift; `raw`, `truncated`, `wdiv`, `width`: the code of the indices, and the
    bits of a remainder; `entries`, `offset`, `entry_bits`: the palette.
    """

    def __init__(self) -> None:
        flags = dict.fromkeys(("runs", "raw", "truncated"), 1)
        fields = {"zdiv": 2, "wdiv": 3, "width": 4, "entries": 6, "offset": 5, "entry_bits": 4}
        super().__init__({**flags, **fields})


class Chunk(data.StructLayout):
    """A chunk, and what the reader knows of it.

    `indices`, `runs`: it carries such. `leads`: the first chunk of a slice whose first weight stands before the first
    run. `unary0`, `z_unary`, `unary1`: WUNARY0, ZUNARY and WUNARY1: fields that are not there and bits past ZUNARY are
    zero; past WUNARY1 follows more. `base`: where they end. `fields`: what follows: the remainders of indices, `w_bits`
    in all, and those of runs. `w_count`, `z_count`: symbols
    whose quotients end here; `w_done`, `z_done`: they are the slice's last. `cut`: the stream ends within. `place`,
    `crossed`: position of its first bit in a word, and whether that word is the one before the reader's.
    """

    def __init__(self, place_bits: int) -> None:
        flags = dict.fromkeys(("indices", "runs", "leads", "w_done", "z_done", "cut", "crossed"), 1)
        counts = dict.fromkeys(("w_count", "z_count"), bits_for(SLOTS))
        bits = {**dict.fromkeys(("unary0", "z_unary", "unary1"), SLOTS), "fields": FIELDS_BITS}
        fields = {**bits, "base": bits_for(3 * SLOTS), "w_bits": OFFSET_BITS, "place": place_bits}
        super().__init__({**fields, **flags, **counts})


class Trace(data.StructLayout):
    """Where a fault is: at bit `origin` of what begins at `place` and, for the first of `marks`, number k of them, k
    bits behind it, or with `strides` k remainders of indices.
    """

    def __init__(self, place_bits: int) -> None:
        super().__init__({"origin": OFFSET_BITS, "marks": SLOTS + 1, "strides": 1, "place": place_bits})


def slot_bits(slot: int) -> int:
    """Bits of a chunk's index number `slot`: but for the first it begins in the chunk, and so is below some limit."""
    quotient = max(2, 2 * (SLOTS - 1 - slot) + 1)
    return min(INDEX_BITS, bits_for((quotient << 5) + 31))


def named(m: Module, value: Value, name: str) -> Signal:
    """The value under a name, so that it is there once, however often it is used."""
    signal = Signal(len(value), name=name)
    m.d.comb += signal.eq(value)
    return signal


def count_ones(m: Module, bits: list[Value], name: str) -> Value:
    """How many bits are set: full adders in a tree, which is half as deep as adding numbers."""
    columns: list[list[Value]] = [list(bits)]
    number = 0
    for weight in range(len(bits).bit_length()):
        todo = columns[weight]
        columns.append([])
        while len(todo) > 1:
            (a, b), c = todo[:2], todo[2] if len(todo) > 2 else Const(0, 1)
            both = named(m, a ^ b, f"{name}_{number}_xor")
            todo = [*todo[3:], named(m, both ^ c, f"{name}_{number}_sum")]
            columns[-1].append(named(m, Mux(both, c, a), f"{name}_{number}_carry"))
            number += 1
        columns[weight] = todo
    return Cat(column[0] for column in columns[: len(bits).bit_length()])


def prefix_counts(m: Module, bits: list[Value], name: str) -> list[Value]:
    """How many of the first 0, 1, ..., n bits are set, in a tree."""
    if len(bits) == 1:
        return [Const(0), bits[0]]
    half = (len(bits) + 1) // 2
    low, high = prefix_counts(m, bits[:half], f"{name}l"), prefix_counts(m, bits[half:], f"{name}h")
    sums = [(low[-1] + count)[: bits_for(half + k + 1)] for k, count in enumerate(high[1:])]
    return low + [named(m, total, f"{name}_{k}") for k, total in enumerate(sums)]


def rotated(m: Module, values: list[Value], amount: Value, name: str) -> list[Value]:
    """Value k goes to place ``k + amount``, modulo their number, a power of two."""
    for k in range(len(amount)):
        values = [
            named(m, Mux(amount[k], values[i - (1 << k)], values[i]), f"{name}_{k}_{i}") for i in range(len(values))
        ]
    return values


def shifted(m: Module, bits: Value, place: Value, size: int, name: str) -> Value:
    """The `size` bits from `place` on, zeros where there are none."""
    # The largest shift first: what it leaves is narrow.
    for k in reversed(range(len(place))):
        bits = named(m, Mux(place[k], bits[1 << k :], bits)[: size + (1 << k) - 1], f"{name}_{k}")
    return bits


def first_of(m: Module, bits: Value, name: str) -> Value:
    """The first bit set alone."""
    size = len(bits)
    # Whether one of the bits up to this is set, in steps of doubled reach.
    some, reach = named(m, bits, f"{name}_0"), 1
    while reach < size:
        some = named(m, some | (some << reach)[:size], f"{name}_{reach}")
        reach *= 2
    return named(m, bits & ~Cat(Const(0, 1), some)[:size], f"{name}_first")


def times(m: Module, value: Value, width: Value, most: int, name: str) -> Value:
    """``value * width`` for a width up to `most` that is known early."""
    total: dict[int, Value] = {0: Const(0), 1: value}
    for factor in range(2, most + 1):
        if factor % 2 == 0:
            total[factor] = Cat(Const(0, 1), total[factor // 2])
        elif factor == 7:
            total[factor] = named(m, ((value << 3) - value)[: len(value) + 3], f"{name}_7")
        else:
            high = factor & (factor - 1)
            total[factor] = named(m, value + (value << bits_for(high) - 1), f"{name}_{factor}")
    return any_of([total[factor] & (width == factor).replicate(len(total[factor])) for factor in range(1, most + 1)])


def first_one(m: Module, bits: Value, name: str) -> Value:
    """Place of the first bit set; 0 if none is."""
    first = first_of(m, bits, name)
    return any_of([first[k].replicate(bits_for(len(bits) - 1)) & k for k in range(1, len(bits))])
