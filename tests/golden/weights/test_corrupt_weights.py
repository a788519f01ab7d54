"""Corrupt coded tensors: refused with their position, or decoded to the right shape; never a hang."""

from dataclasses import replace

import numpy as np
import pytest

from golden.bits import BitWriter, words_from_bytes
from golden.codec import CorruptStreamError
from golden.weights.canonical import CodeTable
from golden.weights.deepcomp import DeepComp, DeepCompFormat
from golden.weights.huffman import Huffman, HuffmanFormat
from golden.weights.packed import Packed
from golden.weights.relative import RelativeIndex, RelativeIndexFormat
from golden.weights.runs import ZeroRuns, ZeroRunsFormat
from golden.weights.tensor import EncodedWeights

CODECS = [
    Huffman(HuffmanFormat(entry_weights=64)),
    ZeroRuns(ZeroRunsFormat(2, entry_weights=64)),
    RelativeIndex(RelativeIndexFormat(2, entry_weights=64)),
    Packed(),
    DeepComp(DeepCompFormat(0.5, 3, entry_weights=64)),
    DeepComp(DeepCompFormat(0.5, 8, "packed")),
]


def sample(codec) -> EncodedWeights:
    rng = np.random.default_rng(7)
    values = rng.integers(-20, 21, 200) * (rng.random(200) < 0.4)
    return codec.encode(values.astype(np.int8) if codec.lossless else values.astype(np.float32))


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.codec_id)
def test_any_flipped_bit_is_refused_or_changes_only_weights(codec):
    encoded = sample(codec)
    for part, bits in (("words", encoded.bits), ("tables", encoded.table_bits)):
        for bit in range(bits):
            words = getattr(encoded, part).copy()
            words[bit >> 6] ^= np.uint64(1) << np.uint64(bit & 63)
            try:
                decoded = codec.decode(replace(encoded, **{part: words}))
            except CorruptStreamError:
                continue
            assert (decoded.shape, decoded.dtype) == ((200,), encoded.dtype)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.codec_id)
def test_lengths_that_do_not_fit_are_refused(codec):
    encoded = sample(codec)
    last = encoded.bits - 1
    cut = encoded.words[: -(-last // 64)].copy()
    cut[-1] &= np.uint64((1 << (last & 63 or 64)) - 1)
    shorter = replace(encoded, bits=last, words=cut)
    with pytest.raises(CorruptStreamError, match=r"block 3: .* at bit|must be 1600 bits"):
        codec.decode(shorter)
    with pytest.raises(CorruptStreamError, match=r"payload of .* bits must be .* words, not"):
        codec.decode(replace(encoded, words=encoded.words[:-1]))
    with pytest.raises(CorruptStreamError, match=r"block 3: |must be 1600 bits"):
        codec.decode(replace(encoded, bits=encoded.bits + 64, words=np.append(encoded.words, np.uint64(0))))


def test_padding_and_entry_points_are_checked():
    codec = Huffman(HuffmanFormat(entry_weights=64))
    encoded = sample(codec)
    assert encoded.bits & 63
    stray = encoded.words.copy()
    stray[-1] |= np.uint64(1 << 63)
    with pytest.raises(
        CorruptStreamError, match=f"payload: padding must be zero, not set at bit {64 * stray.size - 1}"
    ):
        codec.decode(replace(encoded, words=stray))
    for entries, message in (
        (encoded.entries[:-1], "entry points must be 4, not 3"),
        (encoded.entries + 1, "entry points must ascend from 0"),
        (encoded.entries[[0, 2, 1, 3]], "entry points must ascend from 0"),
        (encoded.entries + np.array([0, 1, 0, 0]), "block 0: no codeword of this block at bit"),
    ):
        with pytest.raises(CorruptStreamError, match=message):
            codec.decode(replace(encoded, entries=entries))


def test_tables_must_end_where_told():
    codec = Huffman()
    encoded = codec.encode(np.array([1, 2]))
    longer = replace(encoded, table_bits=encoded.table_bits + 1)
    with pytest.raises(CorruptStreamError, match=f"tables must end at bit {encoded.table_bits + 1}, not"):
        codec.decode(longer)
    with pytest.raises(CorruptStreamError, match="tables must end at bit 3, not 0"):
        codec.decode(EncodedWeights(np.zeros(0, np.uint64), 0, (0,), "int8", np.zeros(1, np.uint64), 3))


def test_symbols_must_fit_the_dtype():
    codec = Huffman()
    encoded = codec.encode(np.array([100, 200]))
    with pytest.raises(CorruptStreamError, match=r"symbols of the table must be int8, not 100..200"):
        codec.decode(replace(encoded, dtype="int8"))


def pairs_of(codec, count: int, runs: CodeTable, weights: CodeTable, payload: str) -> EncodedWeights:
    """A stream by hand: payload bits in the order in which they are sent."""
    writer = BitWriter()
    writer.write_bits(1, 1)
    runs.write(writer)
    weights.write(writer)
    words = words_from_bytes(int(payload[::-1], 2).to_bytes(8, "little"))
    tables = words_from_bytes(writer.to_bytes())
    entries = np.zeros(1, np.int64)
    return EncodedWeights(words, len(payload), (count,), "int8", tables, writer.bits, entries, 8192)


PLAIN = CodeTable.uniform(0, 2)


@pytest.mark.parametrize(
    ("codec", "count", "payload", "message"),
    [
        (ZeroRuns(ZeroRunsFormat(2)), 2, "11", "block 0: run passes the last weight of this block at bit 0"),
        (ZeroRuns(ZeroRunsFormat(2)), 3, "11", None),
        (ZeroRuns(ZeroRunsFormat(2)), 4, "1101", None),
        (ZeroRuns(ZeroRunsFormat(2)), 4, "1111", "block 0: run passes the last weight of this block at bit 2"),
        (RelativeIndex(RelativeIndexFormat(2)), 4, "1100", None),
        (
            RelativeIndex(RelativeIndexFormat(2)),
            3,
            "1100",
            "block 0: run passes the last weight of this block at bit 0",
        ),
        (RelativeIndex(RelativeIndexFormat(2)), 5, "110", "block 0: no codeword of this block at bit 2"),
        (RelativeIndex(RelativeIndexFormat(2)), 4, "11000", "block 0: block does not end at bit 4"),
    ],
)
def test_runs_end_with_their_block(codec, count, payload, message):
    encoded = pairs_of(codec, count, PLAIN, PLAIN, payload)
    if message is None:
        assert codec.decode(encoded).tolist() == [0] * count
        return
    with pytest.raises(CorruptStreamError, match=message):
        codec.decode(encoded)


def test_run_symbols_must_be_those_of_the_format():
    encoded = pairs_of(None, 2, CodeTable.uniform(0, 3), PLAIN, "00000")
    with pytest.raises(CorruptStreamError, match=r"run symbols must be in 0..3, not 0..7"):
        ZeroRuns(ZeroRunsFormat(2)).decode(encoded)


@pytest.mark.parametrize("form", ["zero-runs", "packed"])
def test_symbols_past_the_codebook_are_refused(form):
    codec = DeepComp(DeepCompFormat(density=1.0, bits=2, form=form, huffman=False))
    encoded = codec.encode(np.float32([1, 2, 3]))
    # The codebook says three; without its last entry symbol 3 has no centroid.
    value = int.from_bytes(encoded.tables.tobytes(), "little")
    fewer = 2 | (value >> 8 & (1 << 64) - 1) << 8 | value >> 104 << 72
    tables = words_from_bytes(fewer.to_bytes(-(-(encoded.table_bits - 32) // 8), "little"))
    corrupt = replace(encoded, tables=tables, table_bits=encoded.table_bits - 32)
    with pytest.raises(CorruptStreamError, match=r"symbol must be in 0..2, not 3 \(weight 2 of block 0\)"):
        codec.decode(corrupt)
    with pytest.raises(CorruptStreamError, match="codebook: stream ends at bit"):
        codec.decode(replace(encoded, tables=encoded.tables[:1], table_bits=60))
