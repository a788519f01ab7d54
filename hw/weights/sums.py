"""Sums, comparisons and shifts of little depth.

An adder that is written as ``+`` comes out of technology mapping as a chain of carries, three levels a bit. Here only
three bits at a time are such a chain; each part is worked out for both carries, and the carry of the part below
chooses: one level a part.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

__all__ = [
    "carry_save",
    "cut_difference",
    "cut_total",
    "difference",
    "less_one",
    "more_one",
    "not_below",
    "shifted",
    "total",
]

_PART_BITS = 3
_CUT_BITS = 11


def total(first: Value, second: Value, bits: int, carry: Value | int = 0) -> Value:
    """``first + second + carry``, its `bits` low bits, for unsigned operands."""
    parts = []
    for one, other in _parts(first, second, bits):
        plain, more = one + other, (Cat(Const(1, 1), one) + Cat(Const(1, 1), other))[1:]
        both = (more if carry else plain) if isinstance(carry, int) else Mux(carry, more, plain)
        parts.append(both[: len(one)])
        carry = both[len(one)]
    return Cat(parts)


def carry_save(m: Module, rows: list[Value], bits: int) -> tuple[Value, Value]:
    """Two numbers whose sum is that of all `rows`, modulo ``2**bits``; two gates for each third of the rows less."""
    rows, count = [_widened(row, bits) for row in rows], 0
    while len(rows) > 2:
        left = rows[len(rows) // 3 * 3 :]
        for one, two, three in zip(rows[::3], rows[1::3], rows[2::3], strict=False):
            odd, save, carry = (Signal(bits, name=f"{name}_{count}") for name in ("odd", "save", "carry"))
            m.d.comb += [odd.eq(one ^ two), save.eq(odd ^ three), carry.eq((one & two) | (odd & three))]
            left += [save, Cat(Const(0, 1), carry)[:bits]]
            count += 1
        rows = left
    return rows[0], rows[1]


def difference(first: Value, second: Value, bits: int) -> Value:
    """``first - second`` modulo ``2**bits``, for unsigned operands: with a bit more, the top bit is a sign."""
    return total(first, ~_widened(second, bits), bits, 1)


def cut_total(m: Module, first: Value, second: Value, name: str, carry: int = 0) -> tuple[Value, Value]:
    """``first + second + carry`` of operands of one width and its carry, where these were the same a cycle before.

    In parts of eleven bits; what they carry is of the cycle before.
    """
    result: list[Value] = []
    below: Value = Const(carry, 1)
    for k in range(0, len(first), _CUT_BITS):
        one, other = first[k : k + _CUT_BITS], second[k : k + _CUT_BITS]
        carries = Signal(2, name=f"{name}_carries_{k}", reset_less=True)
        m.d.sync += carries.eq(Cat(total(one, other, len(one) + 1, n)[-1] for n in range(2)))
        result.append(total(one, other, len(one), below))
        below = Mux(below, carries[1], carries[0])
    return Cat(result), below


def cut_difference(m: Module, first: Value, second: Value, name: str) -> tuple[Value, Value]:
    """``first - second`` of operands of one width and whether it is below zero, as `cut_total`."""
    result, carry = cut_total(m, first, ~second, name, 1)
    return result, ~carry


def less_one(value: Value) -> Value:
    """``value - 1``, modulo its range."""
    return total(value, Const(-1, len(value)), len(value))


def more_one(value: Value) -> Value:
    """``value + 1``, modulo its range."""
    return total(value, Const(0, 1), len(value), 1)


def not_below(number: Value, limit: Value) -> Value:
    """``number >= limit``, for unsigned operands."""
    bits = max(len(number), len(limit))
    one, other = _widened(number, bits), _widened(limit, bits)
    # Of each part: whether it is above, and whether it is not below; the lower part chooses, as with carries.
    parts = [(one[k] & ~other[k], one[k] | ~other[k]) for k in range(bits)]
    while len(parts) > 1:
        merged = [
            (Mux(low[0], high[1], high[0]), Mux(low[1], high[1], high[0]))
            for low, high in zip(parts[::2], parts[1::2], strict=False)
        ]
        parts = merged + parts[len(parts) & ~1 :]
    return parts[0][1]


def shifted(m: Module, value: Value, places: Value, bits: int) -> Value:
    """The `bits` bits of `value` from bit `places` on, zeros behind its end; the largest shift first."""
    for k in reversed(range(len(places))):
        step = Signal(bits + (1 << k) - 1, name=f"shifted_{1 << k}")
        m.d.comb += step.eq(Mux(places[k], value[1 << k :], value))
        value = step
    return value


def _widened(value: Value, bits: int) -> Value:
    return Cat(value, Const(0, max(0, bits - len(value))))[:bits]


def _parts(first: Value, second: Value, bits: int) -> list[tuple[Value, Value]]:
    wide, other = _widened(first, bits), _widened(second, bits)
    return [(wide[k : k + _PART_BITS], other[k : k + _PART_BITS]) for k in range(0, bits, _PART_BITS)]
