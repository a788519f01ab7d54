"""Ethos-U weight streams that must be refused: each rule by a stream that breaks it alone, cuts, flips and noise."""

import re
from dataclasses import replace

import numpy as np
import pytest

from golden.bits import BitWriter
from golden.codec import CorruptStreamError
from golden.weights.mlw import Mlw, read_stream
from golden.weights.mlw_format import MlwFormat
from golden.weights.tensor import EncodedWeights


def slice_bits(zdiv, n, wdiv, truncated=0, palette=None, fields=()) -> list[tuple[int, int]]:
    """Fields of a slice, as value and width; `palette` is (DIROFS, PALSIZE, PALBITS)."""
    head = [(zdiv, 3), (n - 1, 15), (wdiv, 3), (truncated, 1), (palette is not None, 1)]
    return head + ([(palette[0], 5), (palette[1], 5), (palette[2], 3)] if palette else []) + list(fields)


def stream_of(*fields: tuple[int, int], closed=True) -> bytes:
    writer = BitWriter()
    for value, width in fields:
        writer.write_bits(int(value), width)
    if closed:
        writer.write_bits(7, 3)
        writer.write_bits((1 << -writer.bits % 8) - 1, -writer.bits % 8)
    return writer.to_bytes()


PLAIN = (0, 0, 0)
ONE = slice_bits(6, 1, 0, palette=PLAIN, fields=[(0, 12)])
BROKEN = {
    "no data": (b"", "stream must close with an end marker, not end at bit 0"),
    "no end marker": (stream_of(*ONE, closed=False)[:6], "stream must close with an end marker, not end at bit 48"),
    "header cut": (b"\x06", "stream ends inside the field at bit 0"),
    "ZDIV 4": (stream_of(*slice_bits(4, 1, 0, palette=PLAIN)), "ZDIV must be 0..3, 6 or 7, not what stands at bit 0"),
    "ZDIV 5": (stream_of(*slice_bits(5, 1, 0, palette=PLAIN)), "ZDIV must be 0..3, 6 or 7, not what stands at bit 0"),
    "WDIV 6": (stream_of(*slice_bits(6, 1, 6, palette=PLAIN)), "WDIV must be 0..5 or 7, not what stands at bit 18"),
    "no palette at first": (
        stream_of(*slice_bits(6, 1, 0, fields=[(0, 12)])),
        "slice that is first or follows an end marker, not clear at bit 22",
    ),
    "no palette after an end": (
        stream_of(*ONE, (7, 3), (31, 5), *slice_bits(6, 1, 0, fields=[(0, 12)])),
        "slice that is first or follows an end marker, not clear at bit 78",
    ),
    "runs begin without palette": (
        stream_of(*ONE, *slice_bits(0, 1, 0, fields=[(0, 24)])),
        "slice that turns zero runs on or off, not clear at bit 70",
    ),
    "runs end without palette": (
        stream_of(*slice_bits(0, 1, 0, palette=PLAIN, fields=[(0, 24)]), *slice_bits(6, 1, 0, fields=[(0, 12)])),
        "slice that turns zero runs on or off, not clear at bit 82",
    ),
    "end not filled": (
        stream_of(*ONE, (7, 3), (0, 5), closed=False),
        "filling of an end marker must be ones, not zero at bit 51",
    ),
    "palette header cut": (
        stream_of(*slice_bits(6, 1, 0, palette=PLAIN), closed=False)[:4],
        "stream ends inside the field at bit 23",
    ),
    "palette cut": (
        stream_of(*slice_bits(6, 1, 0, palette=(0, 3, 7)), closed=False),
        "stream ends inside the field at bit 36",
    ),
    "WUNARY0 cut": (
        stream_of(*slice_bits(6, 1, 0, palette=PLAIN), closed=False),
        "stream ends inside the field at bit 36",
    ),
    "ZUNARY cut": (
        stream_of(*slice_bits(0, 1, 0, palette=PLAIN, fields=[(0, 12)]), closed=False),
        "stream ends inside the field at bit 48",
    ),
    "WUNARY1 cut": (
        stream_of(*slice_bits(6, 12, 0, palette=PLAIN, fields=[(4095, 12)]), closed=False),
        "stream ends inside the field at bit 48",
    ),
    "remainders cut": (
        stream_of(*slice_bits(6, 1, 5, palette=PLAIN, fields=[(0, 12)]), closed=False),
        "stream ends inside the field at bit 48",
    ),
    "raw indices cut": (
        stream_of(*slice_bits(6, 2, 7, palette=(0, 0, 7)), closed=False),
        "stream ends inside the field at bit 36",
    ),
    "run remainders cut": (
        stream_of(*slice_bits(3, 7, 0, palette=PLAIN, fields=[(0, 12), (0, 8)]), closed=False),
        "stream ends inside the field at bit 56",
    ),
    "index padding set": (
        stream_of(*slice_bits(6, 2, 0, palette=PLAIN, fields=[(0b1000, 12), (0, 1)])),
        "unary padding must be zero, not set at bit 39",
    ),
    "run padding set": (
        stream_of(*slice_bits(0, 1, 0, palette=PLAIN, fields=[(0, 12), (0b10000, 12)])),
        "unary padding must be zero, not set at bit 52",
    ),
    "weight -256": (
        stream_of(*slice_bits(6, 2, 7, palette=(2, 0, 7), fields=[(509, 9), (511, 9)])),
        "weight must be in -255..255, not past it at bit 45",
    ),
    "index 512": (
        stream_of(*slice_bits(6, 1, 5, palette=PLAIN, fields=[(255, 12), (255, 8), (0, 5)])),
        "weight must be in -255..255, not past it at bit 56",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_streams_are_refused_with_their_position(fault):
    stream, message = BROKEN[fault]
    with pytest.raises(CorruptStreamError, match=re.escape(message) + "$"):
        read_stream(stream)


def test_parts_of_the_broken_streams_are_sound():
    assert read_stream(stream_of(*ONE)).tolist() == [0]
    assert read_stream(stream_of(*ONE, (7, 3), (31, 5), *ONE)).tolist() == [0, 0]
    highest = [(255, 12), (127, 8), (31, 5)]
    assert read_stream(stream_of(*slice_bits(6, 1, 5, palette=PLAIN, fields=highest))).tolist() == [-255]


def coded() -> tuple[EncodedWeights, np.ndarray]:
    rng = np.random.default_rng(7)
    values = (rng.integers(-20, 21, 300) * (rng.random(300) < 0.6)).astype(np.int8)
    return Mlw(MlwFormat(64)).encode(values), values


def test_tensors_that_do_not_match_their_stream_are_refused():
    encoded, _ = coded()
    last = int(encoded.entries[-1])
    cases = [
        ({"shape": (299,)}, r"slice that ends at bit \d+ passes the last weight"),
        ({"shape": (301,)}, f"slices that end at bit {encoded.bits} must hold all weights, not fewer"),
        ({"entries": encoded.entries + np.array([0, 0, 1, 0, 0])}, "bit"),
        ({"entry_weights": 65}, f"slices that end at bit {encoded.entries[1]} must hold all weights, not fewer"),
        ({"dtype": "uint8"}, r"weight \d+ must fit uint8, not -\d+"),
        ({"table_bits": 1, "tables": np.zeros(1, np.uint64)}, "stream must have no tables, not 1 bits of them"),
        ({"words": encoded.words[:-1]}, "payload of .* must be .* words"),
        (
            {"bits": last, "words": encoded.words[: -(-last // 64)] & np.uint64(0)},
            "NEWPAL must be set in a slice that is first .* at bit 22",
        ),
    ]
    for parts, message in cases:
        with pytest.raises(CorruptStreamError, match=message):
            Mlw().decode(replace(encoded, **parts))


def test_streams_cut_anywhere_are_refused():
    encoded, values = coded()
    stream = encoded.words.tobytes()[: encoded.bits // 8]
    used = len(stream.rstrip(b"\xff"))
    for size in range(used):
        with pytest.raises(CorruptStreamError, match=r"bit \d+$"):
            read_stream(stream[:size])
    # The end marker's byte, without the filling, is enough.
    assert read_stream(stream[: used + 1]).tolist() == values.tolist()


def test_any_flipped_bit_is_refused_or_changes_only_weights():
    encoded, values = coded()
    refused = 0
    for bit in range(encoded.bits):
        words = encoded.words.copy()
        words[bit >> 6] ^= np.uint64(1) << np.uint64(bit & 63)
        try:
            decoded = Mlw().decode(replace(encoded, words=words))
        except CorruptStreamError:
            refused += 1
            continue
        assert (decoded.shape, decoded.dtype) == (values.shape, values.dtype)
    assert refused > encoded.bits // 4


def test_noise_ends():
    rng = np.random.default_rng(5)
    for _ in range(3000):
        noise = bytearray(rng.integers(0, 256, int(rng.integers(1, 200)), dtype=np.uint8).tobytes())
        # Half of them with a header that is legal.
        if rng.random() < 0.5 and len(noise) > 8:
            noise[:8] = stream_of(*slice_bits(rng.choice([0, 3, 6]), int(rng.integers(1, 400)), 1, palette=PLAIN))[:8]
        try:
            weights = read_stream(bytes(noise) + b"\xff" * 16)
        except CorruptStreamError as error:
            assert re.search(r"bit \d+", str(error))  # noqa: PT017
        else:
            assert np.abs(weights).max(initial=0) <= 255
