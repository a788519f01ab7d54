"""Tile-stream files: what goes in comes out, and a damaged, foreign or forged file gets one line that says why."""

import json
import tracemalloc

import bit_models
import numpy as np
import pytest
import tile_model
from hypothesis import given
from hypothesis import strategies as st
from tile_strategies import formats, layouts, tensors

from golden.codec import CorruptStreamError
from golden.tile_file import dump, load, store
from golden.tile_format import TileFormat

SMALL = TileFormat(tile=(4, 4, 4))


def is_refused(data):
    """Whether a file is reported; any other exception is a fault of the reader."""
    try:
        load(data).restore()
    except CorruptStreamError:
        return True
    return False


@st.composite
def cases(draw):
    config = draw(formats())
    tensor, zero_point = draw(tensors(config["word_bits"]))
    return TileFormat(**config), tensor, zero_point, draw(layouts)


@given(cases())
def test_unsigned_tensor_comes_back_exactly(case):
    fmt, tensor, zero_point, layout = case
    data = dump(store(tensor, fmt, zero_point, layout))
    stored = load(data)
    restored = stored.restore()
    assert restored.dtype == tensor.dtype
    assert restored.shape == tensor.shape
    assert (restored == tensor).all()
    assert (stored.stream.fmt, stored.stream.zero_point, stored.stream.layout) == (fmt, zero_point, layout)
    assert dump(stored) == data


@given(cases())
def test_signed_tensor_comes_back_exactly(case):
    fmt, tensor, zero_point, layout = case
    half = 2 ** (fmt.word_bits - 1)
    signed = tensor.astype(np.int64) - half
    stored = load(dump(store(signed, fmt, zero_point - half, layout)))
    restored = stored.restore()
    assert stored.stream.zero_point == zero_point
    assert restored.dtype == (np.int16 if fmt.word_bits == 16 else np.int8)
    assert restored.tolist() == signed.tolist()


finite = st.floats(-(2.0**126), 2.0**126, width=32)


@given(st.lists(finite, max_size=12), st.sampled_from([4, 8, 16]), st.sampled_from([np.float32, np.float64]))
def test_floats_come_back_within_half_a_step_and_zero_exactly(values, word_bits, dtype):
    tensor = np.array([0.0, *values], dtype)
    stored = load(dump(store(tensor, TileFormat(word_bits, tile=(4, 4, 4)))))
    restored = stored.restore()
    low, high = min(float(tensor.min()), 0.0), max(float(tensor.max()), 0.0)
    step = high / (2**word_bits - 1) - low / (2**word_bits - 1) or 1.0
    assert stored.scale == step
    assert restored.dtype == np.float32
    assert restored[0] == 0.0
    error = np.abs(restored.astype(np.float64) - tensor)
    # The zero point is rounded: at the ends of the range half a step more may be cut. Denormals round to float32.
    assert (error <= step * (1.0 + 2**-20) + 2.0**-148).all()
    inside = (tensor > low + step) & (tensor < high - step)
    assert (error[inside] <= step * (0.5 + 2**-20) + 2.0**-148).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_every_float_dtype_is_taken(dtype):
    restored = load(dump(store(np.array([[-1.0, 0.0, 2.0]], dtype), TileFormat()))).restore()
    assert restored == pytest.approx(np.array([[-1.0, 0.0, 2.0]]), abs=3 / 255)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int8])
def test_tensor_without_symbols_keeps_its_shape(dtype):
    restored = load(dump(store(np.zeros((3, 0, 5), dtype), TileFormat()))).restore()
    assert (restored.dtype, restored.shape) == (dtype, (3, 0, 5))


def test_file_is_the_models_byte_for_byte():
    values = [0, 0, 0, 7, 0, 0, 9, 200] * 5
    index, payload = tile_model.encode(tile_model.FORMAT, values, (1, 5, 2, 4), 0, "packed")
    header = tile_model.header_of(index, payload, shape=[5, 2, 4], layout="packed")
    tensor = np.array(values, np.uint8).reshape(5, 2, 4)
    assert dump(store(tensor, TileFormat(), layout="packed")).hex() == tile_model.file_of(header, index, payload).hex()


@pytest.mark.parametrize("layout", ["slotted", "packed"])
def test_every_single_flipped_bit_of_a_small_file_is_reported(layout):
    """Header, index and payload; nine tiles in two groups, and in slots the bits behind a tile too."""
    rng = np.random.default_rng(7)
    tensor = np.where(rng.random((2, 6, 6)) < 0.4, rng.integers(0, 256, (2, 6, 6)), 0).astype(np.uint8)
    data = dump(store(tensor, TileFormat(tile=(2, 2, 10) if layout == "slotted" else (2, 2, 2)), 0, layout))
    missed = []
    for place in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        missed += [] if is_refused(bytes(flipped)) else [place]
    assert missed == []
    assert (load(data).restore() == tensor).all()


def test_file_cut_at_any_length_is_reported():
    data = dump(store(np.arange(100, dtype=np.uint8).reshape(4, 5, 5), SMALL))
    for size in range(len(data)):
        with pytest.raises(CorruptStreamError, match=r"^file (must be|ends at byte)"):
            load(data[:size])


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_refusal(data):
    magic = bytes.fromhex("89 54 57 54 0D 0A 1A 0A")
    for candidate in (data, magic + data, magic + b"\x01\x00" + data):
        assert is_refused(candidate)


def small_file(header=..., more=b"", **changes):
    """A forged file of one raw tile of one symbol, CRCs right, with changes of its header."""
    groups, payload = tile_model.assemble(tile_model.FORMAT, [(0, bit_models.field(5, 8))], "packed")
    index = tile_model.index_of(groups)
    wanted = tile_model.header_of(index, payload, **{"layout": "packed", **changes}) if header is ... else header
    return tile_model.file_of(wanted, index, payload) + more


def with_format(**changes):
    return {"format": {**tile_model.FORMAT, **changes}}


def without(mapping, name):
    return {key: value for key, value in mapping.items() if key != name}


def test_forged_file_is_right_but_for_its_change():
    assert load(small_file()).restore().tolist() == [5]


QUANTIZED = {"quantization": {"scale": 0.5, "zero_point": 1}, "dtype": "float32"}
HEADER = tile_model.header_of(b"", b"")


def scaled(scale, dtype="float32"):
    return {"quantization": {"scale": scale, "zero_point": 0}, "dtype": dtype}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"file must be a tile stream: its first 8 bytes are not the magic \(byte 0\)"),
        (b"\x93NUMPY" + bytes(99), r"file must be a tile stream: its first 8 bytes are not the magic \(byte 0\)"),
        (small_file().replace(b"\r\n", b"\n"), r"file must be a tile stream: .*"),
        (tile_model.file_of(HEADER, b"", b"", version=2), r"file must be of version 1\.\.1, not 2 \(byte 8\)"),
        (tile_model.file_of(HEADER, b"", b"", version=0), r"file must be of version 1\.\.1, not 0 \(byte 8\)"),
        (small_file()[:30], r"file ends at byte 30 inside its header of 320 bytes"),
        (small_file(more=b"\0"), r"file must be 384 bytes, not 385: its index begins at byte 320"),
        (small_file()[:-1], r"file must be 384 bytes, not 383: its index begins at byte 320"),
        (small_file(header=b"{"), "file header must be JSON: .*"),
        (small_file(header=b"\xff\xfe{\0}\0"), "file header must be JSON: .*"),
        (small_file(header=b"[" * 100_000), "file header must be JSON: .*"),
        (small_file(header=b"1" * 5000), "file header must be JSON: .*"),
        *((small_file(header=header), r"file header must tell \['dtype', .*") for header in ([], 7, None, "a")),
        *((small_file(header=without(HEADER, name)), r"file header must tell .*") for name in HEADER),
        (small_file(more_than_this=1), "file header must tell .*"),
        (small_file(format=[]), "file header: format must be of type dict, not .*"),
        (small_file(**with_format(taps=3)), "file header's format must tell .*"),
        *(
            (small_file(format=without(tile_model.FORMAT, name)), "file header's format must tell .*")
            for name in tile_model.FORMAT
        ),
        (small_file(**with_format(word_bits=8.0)), r"STREAM: word_bits must be an int, .*"),
        (small_file(**with_format(word_bits=5)), "STREAM: word_bits must be 4, 8 or 16, .*"),
        (small_file(**with_format(run_bits="3")), "STREAM: run_bits must be an int, .*"),
        (small_file(**with_format(tile=[8, 8, 1e300])), "STREAM: tile size must be .*"),
        (small_file(**with_format(tile=8)), "STREAM: .*"),
        (small_file(**with_format(tile=[2**60] * 3)), "STREAM: tile must be at most .*"),
        (small_file(**with_format(scan=[1])), "STREAM: scan must be one of .*"),
        (small_file(**with_format(modes=7)), "STREAM: .*"),
        (small_file(**with_format(modes=[["raw"]])), "STREAM: .*"),
        (small_file(shape="12"), "file header: shape must be of type list, not '12'"),
        (small_file(shape=["1"]), "STREAM: shape must be an int, not '1'"),
        (small_file(shape=[1.0]), r"STREAM: shape must be an int, not 1\.0"),
        (small_file(shape=[float("inf")]), "STREAM: shape must be an int, not inf"),
        (small_file(shape=[True]), "STREAM: shape must be an int, not True"),
        (small_file(shape=[-1]), "STREAM: tensor sizes must be 0 or more, .*"),
        (small_file(shape=[]), "STREAM: tensor must have 1 to 4 dimensions, not 0"),
        (small_file(shape=[1] * 5), "STREAM: tensor must have 1 to 4 dimensions, not 5"),
        (small_file(shape=[0, 2**40, 2**40]), r"STREAM: tensor must have fewer than .*"),
        (small_file(shape=[0]), "STREAM: index of 0 tiles must be 0 bytes, not 32"),
        (small_file(layout="heap"), "STREAM: layout must be one of .*, not 'heap'"),
        (small_file(layout=["packed"]), r"file header: layout must be of type str, not \['packed'\]"),
        (small_file(layout="slotted"), "payload must be 2048 bytes, not 32"),
        (small_file(dtype="int16"), r"file header: dtype must be one of \('float32', 'uint8', 'int8'\), not 'int16'"),
        (small_file(dtype=None), "file header: dtype must be of type str, not None"),
        (small_file(dtype="float32"), r"file header: scale must be a positive float up to 2\*\*127, not None"),
        (small_file(**scaled(0.5, "uint8")), r"file header: scale must be null for uint8, not 0\.5"),
        *(
            (small_file(**scaled(scale)), r"file header: scale must be a positive float up to 2\*\*127, not .*")
            for scale in (0.0, -1.0, float("nan"), float("inf"), 1e300, "1", 1, True, [1.0])
        ),
        (small_file(quantization=None), "file header: quantization must be of type dict, not None"),
        (small_file(quantization={"scale": None}), "file header's quantization must tell .*"),
        (small_file(quantization={"scale": None, "zero_point": 256}), ".*: zero_point must fit 8 bits, not 256"),
        (small_file(quantization={"scale": None, "zero_point": -1}), ".*: zero_point must fit 8 bits, not -1"),
        (small_file(quantization={"scale": None, "zero_point": 1.5}), ".*: zero_point must be of type int, not 1.5"),
        (small_file(quantization={"scale": None, "zero_point": True}), ".*: zero_point must be of type int, not True"),
        (small_file(index_bytes=64, payload_bytes=0), "STREAM: index of 1 tiles .*"),
        (small_file(index_bytes=0, payload_bytes=64), "STREAM: index of 1 tiles .*"),
        (small_file(index_bytes=96, payload_bytes=-32), "file header must tell sizes of whole words, not 96 and -32"),
        (small_file(index_bytes=-32, payload_bytes=96), "file header must tell sizes of whole words, not -32 and 96"),
        (small_file(index_bytes=33, payload_bytes=31), "file header must tell sizes of whole words, not 33 and 31"),
        (small_file(payload_bytes=10**30), r"file must be 1\d+ bytes, not 384: .*"),
        (small_file(payload_bytes="32"), "file header: payload_bytes must be of type int, not '32'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_file_that_no_writer_made_is_refused(data, message):
    message = message.replace("STREAM", "file header must tell a tile stream")
    with pytest.raises(CorruptStreamError, match=f"^{message}$"):
        load(data).restore()


@pytest.mark.parametrize("shape", [[2**30], [1, 2**30], [4, 2**14, 2**14], [2**31]], ids=str)
def test_claimed_shape_takes_no_memory(shape):
    data = small_file(shape=shape)
    tracemalloc.start()
    with pytest.raises(CorruptStreamError, match=r"^file header must tell a tile stream: (index|tensor) "):
        load(data)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_header_is_readable_json_that_names_everything():
    data = dump(store(np.array([[1.5, -1.5]], np.float32), TileFormat(run_bits=4), layout="packed"))
    header = json.loads(data[18 : data.index(b"}", data.index(b"payload_bytes")) + 1])
    assert header == {
        "format": {**tile_model.FORMAT, "run_bits": 4},
        "shape": [1, 2],
        "layout": "packed",
        "dtype": "float32",
        "quantization": {"scale": 3 / 255, "zero_point": 128},
        "index_bytes": 32,
        "payload_bytes": 32,
    }


def test_numpy_integers_serve_as_zero_point():
    assert dump(store(np.zeros(4, np.uint8), SMALL, np.uint8(200))) == dump(store(np.zeros(4, np.uint8), SMALL, 200))
    assert dump(store(np.zeros(4, np.int8), SMALL, np.int8(-100))) == dump(store(np.zeros(4, np.int8), SMALL, -100))


@pytest.mark.parametrize(
    ("tensor", "zero_point", "error", "message"),
    [
        (np.array([1.0, np.nan]), None, ValueError, r"tensor must hold finite values, not nan \(value 1\)"),
        (np.array([[-np.inf]]), None, ValueError, r"tensor must hold finite values, not -inf \(value 0\)"),
        (np.array([2.0**127]), None, ValueError, r"floats must be below 2\*\*127 in size, not .*"),
        (np.array([-1e300]), None, ValueError, r"floats must be below 2\*\*127 in size, not .*"),
        (np.array([1.0]), 3, ValueError, r"zero_point must be left out for floats, whose zero is 0\.0, not 3"),
        (np.array([1j]), None, TypeError, "tensor must hold integers or floats, not complex128"),
        (np.array([True]), None, TypeError, "tensor must hold integers or floats, not bool"),
        (np.array(["a"]), None, TypeError, "tensor must hold integers or floats, not <U1"),
        (np.array([None]), None, TypeError, "tensor must hold integers or floats, not object"),
        (np.array([128]), None, ValueError, r"signed values must be in -128\.\.127, not 128\.\.128"),
        (np.array([-129, 5]), None, ValueError, r"signed values must be in -128\.\.127, not -129\.\.5"),
        (np.array([5]), 128, ValueError, r"zero_point must be in -128\.\.127, not 128"),
        (np.array([256], np.uint16), None, ValueError, r"value must fit 8 bits, not 256 \(value 0\)"),
        (np.array([5], np.uint8), 256, ValueError, "zero_point must fit 8 bits, not 256"),
        (np.array(5, np.uint8), None, ValueError, "tensor must have 1 to 4 dimensions, not 0"),
    ],
    ids=str,
)
def test_tensors_that_cannot_be_stored_are_refused(tensor, zero_point, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        store(tensor, TileFormat(), zero_point)


def test_largest_floats_come_back_finite():
    limit = np.nextafter(np.float32(2.0**127), np.float32(0))
    restored = load(dump(store(np.array([limit, -limit], np.float32), TileFormat(word_bits=4)))).restore()
    assert np.isfinite(restored).all()
    assert restored == pytest.approx(np.array([limit, -limit]), rel=0.1)
