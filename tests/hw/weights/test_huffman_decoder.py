# amaranth: UnusedElaboratable=no
"""The decoder of Huffman codes against golden: all forms, under stalls, damaged bodies, tensors back to back."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.codec import CorruptStreamError
from golden.weights.deepcomp import DeepComp, DeepCompFormat
from golden.weights.huffman import Huffman, HuffmanFormat
from golden.weights.relative import RelativeIndex, RelativeIndexFormat
from golden.weights.runs import ZeroRuns, ZeroRunsFormat
from hw.weights.pair_decoder import PairDecoder
from hw.weights.ports import Fault
from tests.hw.call import STALLS
from tests.hw.weights.bodies import Tensor, decode
from tests.hw.weights.tiny import Kind

SMALL = {"lanes": 4, "weight_bits": 16, "entries": 16}
FLOAT = {"lanes": 4, "weight_bits": 32, "entries": 16}


@st.composite
def codecs(draw):
    entry_weights, longest = draw(st.sampled_from([0, 64, 70])), draw(st.sampled_from([9, 14, 15]))
    plain = draw(st.booleans())
    match draw(st.integers(0, 2)):
        case 0:
            return Huffman(HuffmanFormat(longest, entry_weights))
        case 1:
            return ZeroRuns(ZeroRunsFormat(draw(st.integers(1, 8)), longest, entry_weights, plain))
        case _:
            return RelativeIndex(RelativeIndexFormat(draw(st.integers(2, 8)), longest, entry_weights, plain))


@st.composite
def weights(draw, most=110):
    """Weights of a dtype: from dense to nearly none, few levels or many, peaked or flat."""
    dtype = np.dtype(draw(st.sampled_from(["int8", "int8", "uint8", "int16"])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count, density = draw(st.integers(0, most)), draw(st.sampled_from([0, 0.02, 0.1, 0.5, 1]))
    spread = draw(st.sampled_from([1, 3, 20, 90]))
    middle = draw(st.sampled_from([0, 0, 300])) if dtype.itemsize > 1 else 0
    values = np.rint(rng.laplace(0, spread, count)).clip(-110, 110) + middle
    values = np.abs(values) if dtype.kind == "u" else values
    return (values * (rng.random(count) < density)).astype(dtype)


@st.composite
def tensors(draw):
    codec = draw(codecs())
    return Tensor.of(codec, codec.encode(draw(weights())))


def assert_decoded(tensors, made, weight_bits):
    for tensor, result in zip(tensors, made, strict=True):
        assert result.fault is Fault.NONE
        assert result.weights == tensor.expected(weight_bits)


@pytest.mark.parametrize("stall", STALLS)
@settings(max_examples=1)
@given(batch=st.lists(tensors(), min_size=6, max_size=6))
def test_decoder_reads_what_golden_writes(stall, batch):
    made, _ = decode(batch, stall, **SMALL)
    assert_decoded(batch, made, 16)


@pytest.mark.parametrize("form", ["zero-runs", "relative-index"])
def test_decoder_reads_codebooks(form):
    rng = np.random.default_rng(5)
    batch = []
    for density, bits, size in ((0.3, 3, 150), (0.5, 1, 40), (0, 4, 30)):
        codec = DeepComp(DeepCompFormat(density, bits, form, entry_weights=64))
        batch.append(Tensor.of(codec, codec.encode(rng.normal(size=size))))
    made, _ = decode(batch, "random", **FLOAT)
    assert_decoded(batch, made, 32)


@pytest.mark.parametrize("slots", [1, 2])
def test_fewer_slots_read_the_same(slots):
    rng = np.random.default_rng(3)
    values = np.rint(rng.laplace(0, 2, 150)).astype(np.int8)
    batch = [Tensor.of(codec, codec.encode(values)) for codec in (Huffman(), ZeroRuns(ZeroRunsFormat(2)))]
    made, _ = decode(batch, slots=slots, lanes=2, weight_bits=8, entries=2)
    assert_decoded(batch, made, 8)


def refusal(tensor: Tensor) -> int | None:
    """The bit at which golden refuses the payload, or None."""
    try:
        tensor.codec.decode(tensor.encoded)
    except CorruptStreamError as error:
        return int(re.search(r"at bit (\d+)", str(error)).group(1))
    return None


def flipped(tensor: Tensor, bit: int) -> Tensor:
    """The tensor with a bit of its payload flipped."""
    words = tensor.encoded.words.copy()
    words[bit // 64] ^= np.uint64(1 << bit % 64)
    return Tensor.of(tensor.codec, replace(tensor.encoded, words=words))


def assert_as_golden(batch, made, weight_bits):
    """Faults at golden's bits; what golden accepts is decoded."""
    refused = 0
    for tensor, result in zip(batch, made, strict=True):
        position = refusal(tensor)
        if position is None:
            assert result.fault is Fault.NONE
            assert result.weights == tensor.expected(weight_bits)
        else:
            refused += 1
            assert (result.fault is not Fault.NONE, result.position) == (True, position)
    return refused


@pytest.mark.parametrize(
    "codec",
    [
        Huffman(HuffmanFormat(entry_weights=64)),
        ZeroRuns(ZeroRunsFormat(2, entry_weights=64)),
        RelativeIndex(RelativeIndexFormat(2, entry_weights=64)),
    ],
    ids=lambda codec: codec.codec_id,
)
def test_flipped_bits_are_refused_as_golden_refuses_them(codec):
    rng = np.random.default_rng(11)
    values = (np.rint(rng.laplace(0, 3, 80)) * (rng.random(80) < 0.4)).astype(np.int8)
    whole = Tensor.of(codec, codec.encode(values))
    batch = [flipped(whole, bit) for bit in rng.choice(whole.encoded.bits, 8, replace=False).tolist()]
    made, _ = decode([*batch, whole], **SMALL)
    assert assert_as_golden([*batch, whole], made, 16) >= 2


def test_entry_points_are_checked():
    codec = ZeroRuns(ZeroRunsFormat(3, entry_weights=64))
    whole = Tensor.of(codec, codec.encode(np.arange(150).astype(np.int8) % 5))
    batch = []
    for k in range(1, whole.encoded.entries.size):
        for step in (-9, 1):
            entries = whole.encoded.entries.copy()
            entries[k] += step
            batch.append(Tensor.of(codec, replace(whole.encoded, entries=entries)))
    batch.append(whole)
    made, _ = decode(batch, **SMALL)
    assert_as_golden(batch, made, 16)
    assert [result.fault is Fault.NONE for result in made] == [False] * (len(batch) - 1) + [True]


def test_lengths_that_do_not_match_are_refused():
    codec = RelativeIndex(RelativeIndexFormat(3, entry_weights=64))
    whole = Tensor.of(codec, codec.encode((np.arange(150) % 7 - 3).astype(np.int8)))
    bits, words = whole.encoded.bits, list(whole.body)
    stray = [*words[:-1], words[-1] | 1 << 63]
    shorter = Tensor.of(codec, replace(whole.encoded, bits=bits - 1))
    longer = Tensor.of(codec, replace(whole.encoded, bits=bits + 1))
    # Too many weights behind a full last beat, which waits for the end.
    fewer = Tensor.of(codec, replace(whole.encoded, shape=(148,)))
    table = Tensor.of(codec, replace(whole.encoded, table_bits=whole.encoded.table_bits - 1))
    cases = [
        (whole, words, Fault.NONE),
        (whole, stray, Fault.LONG),
        (whole, words[:-1], Fault.SHORT),
        (whole, words[:1], Fault.TABLE),
        (whole, [*words, 0], Fault.LONG),
        (whole, [*words, 5, 6, 7], Fault.LONG),
        (shorter, words, Fault.SHORT),
        (longer, words, Fault.LONG),
        (fewer, words, Fault.LONG),
        (table, words, Fault.TABLE),
        (whole, words, Fault.NONE),
    ]
    made, _ = decode([tensor for tensor, *_ in cases], "random", [body for _, body, _ in cases], **SMALL)
    for (tensor, _, fault), result in zip(cases, made, strict=True):
        assert result.fault is fault
        assert fault is not Fault.NONE or result.weights == tensor.expected(16)


@pytest.mark.parametrize("form", ["huffman", "zero-runs"])
def test_flipped_tables_are_refused_as_golden_refuses_them(form):
    rng = np.random.default_rng(2)
    codec = Huffman() if form == "huffman" else ZeroRuns(ZeroRunsFormat(2))
    whole = Tensor.of(codec, codec.encode(np.rint(rng.laplace(0, 2, 40)).astype(np.int8)))
    batch = []
    for bit in range(1, whole.encoded.table_bits, 8):
        tables = whole.encoded.tables.copy()
        tables[bit // 64] ^= np.uint64(1 << bit % 64)
        batch.append(Tensor.of(codec, replace(whole.encoded, tables=tables)))
    made, _ = decode([*batch, whole], **SMALL)
    expected = [tensor.expected(16) for tensor in [*batch, whole]]
    assert [result.fault is Fault.NONE for result in made] == [weights is not None for weights in expected]
    for result, weights_of in zip(made, expected, strict=True):
        assert weights_of is None or result.weights == weights_of
    assert expected.count(None) > len(batch) // 3


def test_full_last_beat_waits_for_a_group_that_is_refused():
    kind = Kind(Huffman(HuffmanFormat(15, 0)), ((-1, (1, 2, 3, 3)),), (4,))
    batch = [tensor for tensor in kind.every(6) if tensor.encoded.bits >= 4 and not int(tensor.encoded.words[0]) & 31]
    made, _ = decode(batch, "random", lanes=2, weight_bits=8, slots=1, entries=2)
    assert assert_as_golden(batch, made, 8) == len(batch) - 1


def test_symbols_past_the_codebook_are_refused():
    codec = DeepComp(DeepCompFormat(1.0, 3, index_bits=2, huffman=False, entry_weights=0))
    whole = Tensor.of(codec, codec.encode(np.arange(1.0, 7.0)))
    assert int(whole.encoded.tables[0]) & 0xFF == 6
    batch = [flipped(whole, bit) for bit in range(0, whole.encoded.bits, 2)]
    made, _ = decode(batch, **FLOAT)
    expected = [tensor.expected(32) for tensor in batch]
    assert [result.fault is Fault.NONE for result in made] == [weights is not None for weights in expected]
    assert any(result.fault is Fault.RANGE for result in made)


def test_codebooks_are_checked():
    codec = DeepComp(DeepCompFormat(1.0, 2, index_bits=2, entry_weights=0))
    whole = Tensor.of(codec, codec.encode(np.array([-1.0, 0.5, 2.0])))
    batch = []
    for levels in ([-1, 0.5, 2], [-1, 0, 2], [0.5, -1, 2], [-1, 0.5, 0.5], [-1, 0.5, np.inf], [-2, -1, np.nan]):
        patterns = np.array(levels, np.float32).view(np.uint32).tolist()
        stored = 3 | sum(pattern << 8 + 32 * k for k, pattern in enumerate(patterns))
        rest = int.from_bytes(whole.encoded.tables.tobytes(), "little") >> 104 << 104
        tables = np.frombuffer((stored | rest).to_bytes(8 * whole.encoded.tables.size, "little"), "<u8")
        batch.append(Tensor.of(codec, replace(whole.encoded, tables=tables.astype(np.uint64))))
    made, _ = decode(batch, **FLOAT)
    assert [result.fault for result in made] == [Fault.NONE] + [Fault.TABLE] * 5
    assert made[0].weights == batch[0].expected(32)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"weight_bits": 9}, "weight_bits must be 8, 16 or 32, not 9"),
        ({"slots": 4}, "slots must be 1, 2 or 3, not 4"),
        ({"entries": 1}, r"entries must be in 2\.\.65536, not 1"),
    ],
)
def test_parameters_are_checked(parameters, message):
    with pytest.raises(ValueError, match=message):
        PairDecoder(**parameters)
