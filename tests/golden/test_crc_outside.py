"""CRCs against what others say: a catalogue's check value, the standard library, and polynomial division."""

import binascii

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.crc import CCITT_16, TRINOMIAL_15, Crc

POLYNOMIALS = {TRINOMIAL_15: (15, 1, 0), CCITT_16: (16, 12, 5, 0)}
both = pytest.mark.parametrize("crc", [TRINOMIAL_15, CCITT_16], ids=["trinomial", "ccitt"])


def remainder(message: int, exponents: tuple[int, ...]) -> int:
    """Long division of polynomials over GF(2), coefficients as bits of a number."""
    divisor = sum(1 << exponent for exponent in exponents)
    degree = exponents[0]
    while message.bit_length() > degree:
        message ^= divisor << (message.bit_length() - 1 - degree)
    return message


def by_division(crc: Crc, state: int, data: bytes) -> int:
    """CRC by its meaning: the first bit is the highest power, and the state is added to the first bits."""
    bits = [byte >> place & 1 for byte in data for place in range(8)] + [0] * crc.bits
    for place in range(crc.bits):
        bits[place] ^= state >> place & 1
    rest = remainder(int("".join(map(str, bits)), 2), POLYNOMIALS[crc])
    return int(format(rest, f"0{crc.bits}b")[::-1], 2)


def test_check_value_of_crc_16_ibm_sdlc():
    """The catalogue's check: 123456789 from all ones, complemented."""
    assert CCITT_16.update(0xFFFF, b"123456789") ^ 0xFFFF == 0x906E


@given(st.binary(max_size=80), st.integers(0, 0xFFFF))
def test_ccitt_is_the_standard_librarys_with_bits_mirrored(data, state):
    """binascii.crc_hqx is the same polynomial from the other end of byte and state."""
    mirrored = bytes(int(format(byte, "08b")[::-1], 2) for byte in data)
    expected = binascii.crc_hqx(mirrored, int(format(state, "016b")[::-1], 2))
    assert CCITT_16.update(state, data) == int(format(expected, "016b")[::-1], 2)


@both
@given(st.binary(max_size=60), st.data())
def test_crc_is_the_remainder_of_the_division(crc, data, draw):
    state = draw.draw(st.integers(0, crc.mask))
    assert crc.update(state, data) == by_division(crc, state, data)


@both
@given(st.binary(max_size=40), st.binary(max_size=40))
def test_crc_of_two_parts_is_the_crc_of_the_whole(crc, first, second):
    assert crc.update(crc.update(crc.mask, first), second) == crc.update(crc.mask, first + second)


@both
@given(st.lists(st.binary(min_size=24, max_size=24), min_size=1, max_size=5), st.data())
def test_spans_and_rows_are_single_updates(crc, rows, draw):
    seeds = draw.draw(st.lists(st.integers(0, crc.mask), min_size=len(rows), max_size=len(rows)))
    expected = [crc.update(seed, row) for seed, row in zip(seeds, rows, strict=True)]
    data = np.frombuffer(b"".join(rows), np.uint8).copy()
    spans = np.arange(len(rows) + 1) * 3
    spans = np.stack([spans[:-1], spans[1:]], axis=1)
    assert crc.over_spans(data.view(np.uint64), spans, np.array(seeds, np.uint16)).tolist() == expected
    assert crc.over_rows(data.reshape(-1, 24), np.array(seeds, np.uint16)).tolist() == expected


def test_trinomial_is_primitive():
    """x has order 2^15 - 1, so no two bits closer than 32767 cancel."""
    state, steps = 1, 0
    while steps == 0 or state != 1:
        state = TRINOMIAL_15.reflected ^ (state >> 1) if state & 1 else state >> 1
        steps += 1
    assert steps == 2**15 - 1


def syndromes(crc: Crc, count: int) -> np.ndarray:
    """What each single flipped bit of a message of `count` bits adds to its CRC: all linear, so sums tell the rest."""
    words = np.zeros((count, count // 64), np.uint64)
    words[np.arange(count), np.arange(count) // 64] = np.uint64(1) << (np.arange(count) % 64).astype(np.uint64)
    spans = np.arange(count + 1) * (count // 64)
    spans = np.stack([spans[:-1], spans[1:]], axis=1)
    return crc.over_spans(words.reshape(-1), spans, np.zeros(count, np.uint16))


@both
def test_every_one_and_two_bit_error_and_short_burst_in_a_group_of_words_is_found(crc):
    """1024 bits, every case: no syndrome is zero, no two are equal, none of a burst of 15 bits sum to zero."""
    found = syndromes(crc, 1024)
    assert (found != 0).all()
    assert np.unique(found).size == found.size
    patterns = np.arange(1, 2**15)
    for place in (0, 500, 1024 - 15):
        sums = np.zeros(patterns.size, np.uint16)
        for bit in range(15):
            sums ^= np.where(patterns >> bit & 1, found[place + bit], 0).astype(np.uint16)
        assert (sums != 0).all()


def test_sampled_two_bit_errors_and_bursts_in_a_full_tile_are_found():
    """2 KiB as they travel: flips on a random payload change its CRC."""
    rng = np.random.default_rng(7)
    payload = rng.integers(0, 2**64, 256, np.uint64)
    span = np.array([[0, 256]])
    seed = np.array([TRINOMIAL_15.mask], np.uint16)
    right = TRINOMIAL_15.over_spans(payload, span, seed)[0]
    for _ in range(4000):
        first, second = rng.choice(2**14, 2, replace=False).tolist()
        burst = int(rng.integers(1, 2**15)) << int(rng.integers(0, 2**14 - 15))
        for error in (1 << first | 1 << second, burst):
            touched = np.frombuffer(error.to_bytes(2048, "little"), "<u8")
            assert TRINOMIAL_15.over_spans(payload ^ touched, span, seed)[0] != right


@pytest.mark.parametrize(
    ("bits", "reflected", "message"),
    [
        (7, 0x40, r"bits must be in 8\.\.16, not 7"),
        (17, 0x10000, r"bits must be in 8\.\.16, not 17"),
        (15, 0x8000, "reflected must have 15 bits, the top one set, not 0x8000"),
        (15, 0x2000, "reflected must have 15 bits, the top one set, not 0x2000"),
    ],
    ids=str,
)
def test_polynomials_that_cannot_be_are_refused(bits, reflected, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Crc(bits, reflected)
