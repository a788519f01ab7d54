"""Laws of every weight codec in the registry, on drawn tensors and drawn formats."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from golden.registry import WEIGHT_CODECS, weight_codec_from_config
from golden.weights.deepcomp import DeepComp, DeepCompFormat
from golden.weights.huffman import Huffman, HuffmanFormat
from golden.weights.packed import Packed, PackedFormat
from golden.weights.relative import RelativeIndex, RelativeIndexFormat
from golden.weights.runs import ZeroRuns, ZeroRunsFormat

ENTRIES = st.sampled_from([0, 64, 100, 8192])
LENGTHS = st.integers(8, 15)
INTEGER_CODECS = st.one_of(
    st.builds(lambda *p: Huffman(HuffmanFormat(*p)), LENGTHS, ENTRIES),
    st.builds(lambda *p: ZeroRuns(ZeroRunsFormat(*p)), st.integers(1, 8), LENGTHS, ENTRIES, st.booleans()),
    st.builds(lambda *p: RelativeIndex(RelativeIndexFormat(*p)), st.integers(2, 8), LENGTHS, ENTRIES, st.booleans()),
    st.just(Packed(PackedFormat(8))),
    st.just(DeepComp(DeepCompFormat(density=1.0))),
    st.just(DeepComp(DeepCompFormat(density=1.0, bits=8, form="packed"))),
)
FORMED_BITS = st.one_of(
    st.tuples(st.integers(1, 8), st.sampled_from(["zero-runs", "relative-index"])),
    st.tuples(st.integers(2, 8), st.just("packed")),
)
DEEPCOMP = st.builds(
    lambda density, formed, *p: DeepComp(DeepCompFormat(density, *formed, *p)),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    FORMED_BITS,
    st.integers(2, 8),
    st.booleans(),
    st.sampled_from(["linear", "density", "random"]),
    st.integers(0, 3),
    LENGTHS,
    ENTRIES,
)
SHAPES = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9)
SPARSE = st.one_of(st.just(0), st.just(0), st.just(0), st.integers(-128, 127))
INTEGERS = arrays(np.int8, SHAPES, elements=SPARSE, fill=st.just(0))
REALS = arrays(np.float32, SHAPES, elements=st.one_of(st.just(0), st.floats(-3, 3, width=32)), fill=st.just(0))


def check_parts(codec, encoded, values):
    assert encoded.words.size == -(-encoded.bits // 64)
    assert encoded.tables.size == -(-encoded.table_bits // 64)
    assert sum(encoded.breakdown.values()) == encoded.size_bits == codec.size_bits(values)


@given(INTEGERS, INTEGER_CODECS)
def test_integers_come_back(values, codec):
    given_bytes = values.tobytes()
    encoded = codec.encode(values)
    decoded = codec.decode(encoded)
    assert (decoded.dtype, decoded.shape) == (values.dtype, values.shape)
    assert np.array_equal(decoded, values)
    assert values.tobytes() == given_bytes
    check_parts(codec, encoded, values)


@given(arrays(np.int8, st.integers(0, 700), elements=SPARSE), INTEGER_CODECS, st.data())
def test_any_blocks_decode_alone(values, codec, data):
    encoded = codec.encode(values)
    blocks = encoded.entries.size
    first = data.draw(st.integers(0, blocks))
    last = data.draw(st.integers(first, blocks))
    step = encoded.entry_weights or values.size
    expected = values[first * step : last * step]
    assert np.array_equal(codec.decode_blocks(encoded, first, last), expected)


@given(REALS, DEEPCOMP)
def test_deep_compression_is_idempotent(values, codec):
    encoded = codec.encode(values)
    check_parts(codec, encoded, values)
    once = codec.decode(encoded)
    again = codec.encode(once)
    assert (once.dtype, once.shape) == (np.float32, values.shape)
    assert np.array_equal(codec.decode(again), once)
    assert (again.bits, again.words.tolist(), again.tables.tolist()) == (
        encoded.bits,
        encoded.words.tolist(),
        encoded.tables.tolist(),
    )
    assert np.count_nonzero(once) <= np.floor(codec.format.density * values.size + 0.5)


@pytest.mark.parametrize("name", WEIGHT_CODECS)
def test_configuration_tells_the_codec(name):
    codec = WEIGHT_CODECS[name]()
    assert codec.config()["codec"] == name
    assert weight_codec_from_config(codec.config()) == codec
    known = {field.name for field in fields(codec.format)}
    assert set(codec.config()) == {"codec"} | known
    with pytest.raises(ValueError, match=f"{name} parameter must be one of .* not 'colour'"):
        weight_codec_from_config({"codec": name, "colour": 1})


@given(INTEGER_CODECS | DEEPCOMP)
def test_drawn_configurations_tell_the_codec(codec):
    assert weight_codec_from_config(codec.config()) == codec


def test_unknown_codec_is_refused():
    with pytest.raises(ValueError, match=r"codec must be one of .* not 'zip'"):
        weight_codec_from_config({"codec": "zip"})


@pytest.mark.parametrize("name", [name for name, codec in WEIGHT_CODECS.items() if "f" not in codec.takes])
def test_integer_codecs_of_the_registry_keep_small_integers(name):
    codec = WEIGHT_CODECS[name]()
    values = np.random.default_rng(7).integers(-127, 128, (5, 70, 3)).astype(np.int8)
    values[np.random.default_rng(8).random(values.shape) < 0.6] = 0
    encoded = codec.encode(values)
    decoded = codec.decode(encoded)
    assert sum(encoded.breakdown.values()) == encoded.size_bits == codec.size_bits(values)
    assert (decoded.shape, decoded.dtype) == (values.shape, values.dtype)
    if codec.lossless:
        assert np.array_equal(decoded, values)
    with pytest.raises(TypeError, match="weights must be integers, not float64"):
        codec.encode(np.ones(3))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "int64"])
def test_dtypes_of_integers_are_kept(dtype):
    values = np.array([[0, 100], [0, 127]], dtype)
    for codec in (Huffman(), ZeroRuns(), RelativeIndex(), Packed()):
        decoded = codec.decode(codec.encode(values))
        assert decoded.dtype == dtype
        assert np.array_equal(decoded, values)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint16"])
def test_packed_fields_of_unsigned_weights_count_from_zero(dtype):
    values = np.array([1, -1, 7, -8]).astype(dtype) & (15 if dtype[0] == "u" else -1)
    encoded = Packed(PackedFormat(4)).encode(values)
    assert (encoded.bits, encoded.words.tolist()) == (16, [0x87F1])
    assert np.array_equal(Packed(PackedFormat(4)).decode(encoded), values)


def test_palette_is_a_codebook_and_plain_fields():
    codec = DeepComp(DeepCompFormat(density=1.0, bits=2, form="packed"))
    encoded = codec.encode(np.float32([0.5, 0, -1, 0.5]))
    assert (encoded.bits, encoded.words.tolist(), encoded.table_bits) == (8, [0b10_01_00_10], 72)
    assert encoded.tables.tobytes() == b"\2" + np.float32([-1, 0.5]).tobytes() + bytes(7)
    assert encoded.breakdown == {"weights": 8, "codebook": 72, "entries": 0}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: HuffmanFormat(max_length=16), r"max_length must be in 1..15, not 16"),
        (lambda: HuffmanFormat(entry_weights=10), "entry_weights must be 0 or 64 and more, not 10"),
        (lambda: ZeroRunsFormat(run_bits=0), r"run_bits must be in 1..8, not 0"),
        (lambda: RelativeIndexFormat(index_bits=9), r"index_bits must be in 2..8, not 9"),
        (lambda: PackedFormat(1), r"bits must be in 2..8, not 1"),
        (lambda: DeepCompFormat(bits=9), r"bits must be in 1..8, not 9"),
        (lambda: DeepCompFormat(density=-0.1), r"density must be in 0..1, not -0.1"),
        (lambda: DeepCompFormat(bits=1, form="packed"), r"bits must be in 2..8, not 1"),
        (lambda: DeepCompFormat(form="dense"), "form must be one of .* not 'dense'"),
        (lambda: DeepCompFormat(index_bits=1), r"index_bits must be in 2..8, not 1"),
        (lambda: DeepCompFormat(start="best"), "start must be one of .* not 'best'"),
        (lambda: DeepCompFormat(max_length=0), r"max_length must be in 1..15, not 0"),
        (lambda: Huffman().encode(np.array([0, 512])), "weights must span 512 levels or fewer, not 513"),
        (lambda: ZeroRuns().encode(np.array([-1, 511])), "weights must span 512 levels or fewer, not 513"),
        (lambda: ZeroRuns().encode(np.array([-32768])), r"weight must be in -32767..32767, not -32768 \(weight 0\)"),
        (lambda: Packed(PackedFormat(4)).encode(np.array([[7], [8]])), r"weight must be in -8..7, not 8 \(weight 1\)"),
        (lambda: Packed(PackedFormat(4)).encode(np.uint8([15, 16])), r"weight must be in 0..15, not 16 \(weight 1\)"),
        (lambda: DeepComp().encode(np.array([1.0, np.nan])), "weight must be finite as float32, not nan"),
        (lambda: DeepComp().encode(np.array([1e300])), r"weight must be finite as float32, not 1e\+300"),
        (
            lambda: Huffman().decode_blocks(Huffman().encode(np.zeros(3, int)), 0, 2),
            r"blocks must be in 0..1, not 0..2",
        ),
    ],
)
def test_refusals_name_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()
