"""Canonical codes: lengths against published examples and brute force, tables against their own rules."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.bits import BitReader, BitWriter
from golden.codec import CorruptStreamError
from golden.weights.canonical import CodeTable, code_lengths

COUNTS = st.lists(st.one_of(st.just(0), st.integers(1, 5), st.integers(1, 10**6)), min_size=1, max_size=200)


def stored(table: CodeTable) -> tuple[bytes, int]:
    writer = BitWriter()
    table.write(writer)
    return writer.to_bytes(), writer.bits


def test_lengths_of_the_lecture():
    # Frequencies of a..f; code on the slide: 0 101 100 111 1101 1100.
    assert code_lengths([45, 13, 12, 16, 9, 5], 14).tolist() == [1, 3, 3, 3, 4, 4]


def test_codewords_are_canonical():
    table = CodeTable.from_counts(0, [45, 13, 12, 16, 9, 5], 14)
    assert table.codes.tolist() == [0b0, 0b100, 0b101, 0b110, 0b1110, 0b1111]
    assert table.reversed_codes.tolist() == [0b0, 0b001, 0b101, 0b011, 0b0111, 0b1111]


@pytest.mark.parametrize("limit", [2, 3, 4])
def test_no_code_within_the_limit_is_shorter(limit):
    rng = np.random.default_rng(limit)
    for _ in range(20):
        counts = rng.integers(1, 100, rng.integers(2, min(5, 1 << limit) + 1)) ** 2
        total = int(counts @ code_lengths(counts, limit))
        lengths = product(range(1, limit + 1), repeat=counts.size)
        fitting = [np.array(choice) for choice in lengths if sum(2.0**-n for n in choice) <= 1]
        assert total == min(int(counts @ choice) for choice in fitting)


def test_without_a_tight_limit_lengths_cost_what_huffman_costs():
    counts = np.array([1, 1, 2, 3, 5, 8, 13, 21, 34])
    heap, total = sorted(counts.tolist()), 0
    while len(heap) > 1:
        merged = heap.pop(0) + heap.pop(0)
        total += merged
        heap = sorted([*heap, merged])
    assert int(counts @ code_lengths(counts, 15)) == total
    assert code_lengths(counts, 15).max() == 8
    assert code_lengths(counts, 5).max() == 5


@given(COUNTS, st.integers(8, 15))
def test_lengths_fill_the_code_and_keep_the_limit(counts, limit):
    lengths = code_lengths(counts, limit)
    present = np.array(counts) > 0
    assert (lengths[~present] == 0).all()
    assert lengths.max() <= limit
    if present.sum() > 1:
        assert (2.0 ** -lengths[present].astype(float)).sum() == 1


@given(COUNTS, st.integers(-300, 300), st.integers(8, 15))
def test_stored_table_comes_back(counts, first, limit):
    table = CodeTable.from_counts(first, counts, limit)
    data, bits = stored(table)
    assert bits == table.size_bits()
    if table.lengths.size:
        reader = BitReader(data)
        again = CodeTable.read(reader)
        assert (again.first, again.lengths.tolist(), reader.position) == (table.first, table.lengths.tolist(), bits)


@pytest.mark.parametrize(("absent", "steps"), [(1, 3), (2, 6), (3, 10), (66, 10), (67, 13), (69, 20), (132, 20)])
def test_absent_symbols_take_the_longest_gaps(absent, steps):
    table = CodeTable.from_counts(0, [5, *[0] * absent, 5], 14)
    # Head, "step" to length 1, the gap, "same".
    assert table.size_bits() == 25 + 3 + steps + 1


def test_table_is_cut_to_the_symbols_that_occur():
    table = CodeTable.from_counts(-3, [0, 0, 5, 0, 7, 0], 14)
    assert (table.first, table.lengths.tolist()) == (-1, [1, 0, 1])


def test_lookup_names_every_codeword_and_nothing_else():
    table = CodeTable(0, np.array([1], np.uint8))
    assert table.lookup.tolist() == [0 << 4 | 1, 0]


def test_uniform_code_is_plain_fields():
    table = CodeTable.uniform(-2, 2)
    assert (table.codes.tolist(), table.lengths.tolist(), table.first) == ([0, 1, 2, 3], [2, 2, 2, 2], -2)


def bits_of(*fields: tuple[int, int]) -> BitReader:
    writer = BitWriter()
    for value, width in fields:
        writer.write_bits(value, width)
    return BitReader(writer.to_bytes())


HEAD_2 = ((0, 16), (1, 9))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (((0, 16), (0, 3)), "stream ends at bit 24"),
        ((*HEAD_2, (0, 1)), "length must be in 1..15, not 0, at bit 25"),
        ((*HEAD_2, (0b101, 3)), "length must be in 1..15, not -1, at bit 25"),
        ((*HEAD_2, (0b0111, 4), (15, 4), (0b001, 3)), "not 16, at bit 33"),
        ((*HEAD_2, (0b001, 3), (0b011, 3)), "first and last of 2 symbols must have codes, at bit 31"),
        ((*HEAD_2, (0b001, 3), (0b1111, 4), (0, 6)), "first and last of 2 symbols must have codes, at bit 38"),
        ((*HEAD_2, (0b001, 3), (0b001, 3)), "Kraft sum 1, not 0.75"),
        (((0, 16), (2, 9), (0b001, 3), (0, 1), (0, 1)), "Kraft sum 1, not 1.5"),
        (((0, 16), (0, 9), (0b0111, 4), (2, 4)), "Kraft sum 1, not 0.25"),
    ],
    ids=["cut short", "same as none", "step below", "step above", "ends without", "gap past", "low", "high", "lone"],
)
def test_reader_refuses_what_is_no_table(fields, message):
    with pytest.raises(CorruptStreamError, match=message):
        CodeTable.read(bits_of(*fields))


def test_refusals_name_the_value():
    with pytest.raises(ValueError, match=r"max_length must be in 1..15, not 16"):
        code_lengths([1, 1], 16)
    with pytest.raises(ValueError, match="max_length must be 2 or more, not 1"):
        code_lengths([1, 1, 1], 1)
    with pytest.raises(ValueError, match="counts must be 0 or more, not -1"):
        code_lengths([1, -1], 3)
