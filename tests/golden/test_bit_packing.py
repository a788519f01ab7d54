"""Bits in words against strings of bits, and against the header writer and reader."""

import bit_models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.bits import BitReader, BitWriter, get_bits, pack, put_bits, unpack, words_for

fields = st.lists(
    st.integers(0, 64).flatmap(lambda width: st.tuples(st.integers(0, 2**width - 1), st.just(width))), max_size=40
)


@given(fields)
def test_pack_puts_fields_one_behind_the_other(given_fields):
    values, widths = [value for value, _ in given_fields], [width for _, width in given_fields]
    expected = "".join(bit_models.field(value, width) for value, width in given_fields)
    words, bits = pack(np.array(values, np.uint64), widths)
    assert bits == len(expected) == sum(widths)
    assert words.tolist() == bit_models.words_of(expected)
    assert words.size == words_for(bits)
    assert unpack(words, widths).tolist() == values


@given(st.integers(0, 64), st.lists(st.integers(0, 2**64 - 1), max_size=9))
def test_one_width_serves_all_fields(width, values):
    limited = [value & (2**width - 1) for value in values]
    words, bits = pack(np.array(limited, np.uint64), width)
    assert bits == width * len(values)
    assert unpack(words, width, len(values)).tolist() == limited


@given(fields)
def test_header_writer_and_reader_agree_with_pack(given_fields):
    writer = BitWriter()
    for value, width in given_fields:
        writer.write_bits(value, width)
    words, bits = pack(np.array([value for value, _ in given_fields], np.uint64), [width for _, width in given_fields])
    assert writer.bits == bits
    data = writer.to_bytes()
    assert data == words.astype("<u8").tobytes()[: len(data)]
    assert len(data) == -(-bits // 8)
    reader = BitReader(data)
    assert [reader.read_bits(width) for _, width in given_fields] == [value for value, _ in given_fields]
    assert reader.position == bits


@given(st.integers(0, 130), st.integers(1, 64), st.integers(0, 2**64 - 1))
def test_compiled_writer_and_reader_agree_with_bit_strings(position, width, value):
    value &= 2**width - 1
    words = np.zeros(4, np.uint64)
    assert put_bits.py_func(words, position, np.uint64(value), width) == position + width
    assert words.tolist() == bit_models.words_of(("0" * position + bit_models.field(value, width)).ljust(256, "0"))
    if width < 64:
        assert int(get_bits.py_func(words, position, width)) == value


def test_reader_stays_inside_the_last_word():
    """The field ends with the last word: the word behind it is not touched."""
    words = np.array([1 << 63], np.uint64)
    assert int(get_bits.py_func(words, 63, 1)) == 1


@pytest.mark.parametrize(
    ("values", "widths", "error", "message"),
    [
        ([1, 8], 3, ValueError, r"value must fit 3 bits, not 8 \(field 1\)"),
        ([1], 0, ValueError, r"value must fit 0 bits, not 1 \(field 0\)"),
        ([1], 65, ValueError, r"width must be in 0\.\.64, not 65"),
        ([1, 1], [3, -1], ValueError, r"width must be in 0\.\.64, not -1"),
        ([-1], 64, ValueError, "value must be 0 or more, not -1"),
        ([1.5], 8, TypeError, "values must be integers, not float64"),
    ],
    ids=str,
)
def test_fields_that_do_not_fit_are_refused(values, widths, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        pack(values, widths)


def test_unpack_refuses_what_the_words_do_not_hold():
    words = np.zeros(2, np.uint64)
    assert unpack(words, [64, 64, 0]).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match=r"^stream must hold 129 bits, not 128$"):
        unpack(words, [64, 64, 1])
    with pytest.raises(ValueError, match=r"^width must be in 0\.\.64, not 65$"):
        unpack(words, 65, 1)
    with pytest.raises(ValueError, match=r"^count must be given with a single width$"):
        unpack(words, 3)


def test_header_fields_that_do_not_fit_are_refused():
    writer = BitWriter()
    for value, width in ((8, 3), (-1, 3)):
        with pytest.raises(ValueError, match=f"^value must fit {width} bits, not {value}$"):
            writer.write_bits(value, width)
    assert writer.bits == 0
    reader = BitReader(b"\x01\x02")
    assert reader.read_bits(12) == 0x201
    with pytest.raises(ValueError, match=r"^stream ends at bit 16 inside the field at bit 12$"):
        reader.read_bits(5)
    with pytest.raises(ValueError, match=r"^width must be 0 or more, not -1$"):
        reader.read_bits(-1)
    assert reader.read_bits(4) == 0
