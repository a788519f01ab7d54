"""The tile stream: round trips, sizes, modes and random access, and its bits against a slow model."""

import numpy as np
import pytest
import tile_model
from hypothesis import given
from hypothesis import strategies as st
from tile_strategies import MODES, formats, layouts, tensors

from golden.activations.scan import scan_order, tensor_shape
from golden.codec import symbol_dtype
from golden.tile_format import TileFormat, codec_of
from golden.tile_index import index_bytes, unpack_index
from golden.tile_stream import TileSizes, decode_tensor, decode_tile, encode_tensor, tensor_sizes


@st.composite
def cases(draw):
    """A format as JSON, a tensor and its zero point, a layout."""
    config = draw(formats())
    tensor, zero_point = draw(tensors(config["word_bits"]))
    return config, tensor, zero_point, draw(layouts)


@given(cases())
def test_stream_is_the_models_bit_for_bit(case):
    config, tensor, zero_point, layout = case
    stream = encode_tensor(tensor, TileFormat(**config), zero_point, layout)
    shape = tensor_shape(tensor.shape)
    index, payload = tile_model.encode(config, tensor.reshape(-1).tolist(), shape, zero_point, layout)
    assert stream.index.tobytes().hex() == index.hex()
    assert stream.payload.astype("<u8").tobytes().hex() == payload.hex()


@given(cases())
def test_decode_inverts_encode_and_sizes_tell_each_tile(case):
    config, tensor, zero_point, layout = case
    fmt = TileFormat(**config)
    before = tensor.copy()
    stream = encode_tensor(tensor, fmt, zero_point, layout)
    index, payload = stream.index.copy(), stream.payload.copy()
    decoded = decode_tensor(stream)
    assert decoded.dtype == symbol_dtype(fmt.word_bits)
    assert decoded.shape == tensor.shape
    assert (decoded == tensor).all()
    sizes = tensor_sizes(tensor, fmt, zero_point)
    stored = unpack_index(stream.index, stream.tiles.count)
    assert sizes.modes.tolist() == stored.modes.tolist()
    assert sizes.bursts.tolist() == stored.bursts.tolist()
    assert sizes.bursts.tolist() == (-(-sizes.bits // fmt.burst_bits)).tolist()
    bursts = sizes.bursts.sum() if layout == "packed" else stream.tiles.count * fmt.slot_bursts
    assert 8 * stream.payload.size == bursts * fmt.burst_bytes
    assert stream.index.size == index_bytes(stream.tiles.count) == 32 * -(-stream.tiles.count // 8)
    assert (tensor == before).all()
    assert (stream.index == index).all()
    assert (stream.payload == payload).all()


@given(cases(), st.data())
def test_any_tile_alone_is_its_slice_of_the_scan(case, data):
    config, tensor, zero_point, layout = case
    fmt = TileFormat(**config)
    stream = encode_tensor(tensor, fmt, zero_point, layout)
    order, tiles = scan_order(tensor.shape, fmt.scan, fmt.tile)
    if tiles.count:
        tile = data.draw(st.integers(0, tiles.count - 1))
        own = slice(tiles.starts[tile], tiles.starts[tile + 1])
        assert decode_tile(stream, tile).tolist() == tensor.reshape(-1)[order][own].tolist()


@given(cases())
def test_mode_is_the_best_by_brute_force(case):
    """Fewest bursts, then fewest bits, then the lowest number; never more bursts than raw."""
    config, tensor, zero_point, _ = case
    fmt = TileFormat(**config)
    order, tiles = scan_order(tensor.shape, fmt.scan, fmt.tile)
    symbols = tensor.reshape(-1)[order]
    sizes = tensor_sizes(tensor, fmt, zero_point)
    for tile in range(tiles.count):
        own = symbols[tiles.starts[tile] : tiles.starts[tile + 1]]
        bits = {mode: codec_of(fmt, mode).encode(own, zero_point).bits for mode in fmt.modes}
        rule = min((-(-bits[mode] // fmt.burst_bits), bits[mode], MODES.index(mode)) for mode in fmt.modes)
        assert (sizes.bursts[tile], sizes.bits[tile], sizes.modes[tile]) == rule
        assert sizes.bursts[tile] <= -(-own.size * fmt.word_bits // fmt.burst_bits)


@given(cases(), st.sampled_from(MODES))
def test_forced_mode_is_every_tiles_mode(case, mode):
    """Packed only, and modes that the stream has: otherwise see the refusals below."""
    config, tensor, zero_point, _ = case
    fmt = TileFormat(**{**config, "modes": MODES})
    stream = encode_tensor(tensor, fmt, zero_point, "packed", mode)
    assert set(unpack_index(stream.index, stream.tiles.count).modes.tolist()) <= {MODES.index(mode)}
    sizes = tensor_sizes(tensor, fmt, zero_point, mode)
    assert sizes.bursts.sum() * fmt.burst_bytes == 8 * stream.payload.size
    assert (decode_tensor(stream) == tensor).all()


@pytest.mark.parametrize("shape", [(0,), (1,), (0, 4, 4), (3, 0, 4), (1, 1), (1, 1, 1), (2, 0, 3, 3)], ids=str)
@pytest.mark.parametrize("layout", ["slotted", "packed"])
def test_tensors_of_no_symbol_and_of_one(shape, layout):
    tensor = np.full(shape, 9, np.uint8)
    stream = encode_tensor(tensor, TileFormat(), 9, layout)
    decoded = decode_tensor(stream)
    assert (decoded.shape, decoded.tolist()) == (shape, tensor.tolist())
    assert stream.index.size == 32 * min(1, tensor.size)
    if not tensor.size:
        with pytest.raises(ValueError, match=r"^tile must be in 0\.\.-1, not 0$"):
            decode_tile(stream, 0)


def described(sizes: TileSizes) -> list[tuple[int, int, int]]:
    return list(zip(sizes.modes.tolist(), sizes.bursts.tolist(), sizes.bits.tolist(), strict=True))


def test_worked_examples_of_the_docstring():
    fmt, rng = TileFormat(), np.random.default_rng(7)
    assert described(tensor_sizes(np.zeros((1, 1, 1), np.uint8), fmt)) == [(0, 1, 8)]
    assert tensor_sizes(np.zeros((1, 1, 1), np.uint8), fmt, mode="srlc").bits.tolist() == [11]
    zeros = np.zeros((32, 8, 8), np.uint8)
    assert [int(tensor_sizes(zeros, fmt, mode=mode).bits[0]) // 8 for mode in MODES] == [2048, 352, 352, 256]
    assert described(tensor_sizes(zeros, fmt)) == [(3, 8, 2048)]
    assert described(tensor_sizes(rng.integers(0, 256, (32, 8, 8), np.uint8), fmt)) == [(0, 64, 2048 * 8)]


def test_equal_bursts_go_to_fewer_bits_and_equal_bits_to_the_lower_mode():
    """One burst each. Four symbols, zero 0: raw 32 bits, runs of R = 1 less or as much, mask 8 + 8 per level."""
    fmt = TileFormat(run_bits=1)
    zrlc_wins, tie, raw_wins = [0, 7, 0, 8], [0, 0, 0, 0], [1, 2, 3, 4]
    sizes = [described(tensor_sizes(np.array([row], np.uint8), fmt))[0] for row in (zrlc_wins, tie, raw_wins)]
    assert sizes == [(2, 1, 18), (3, 1, 8), (0, 1, 32)]
    fmt = TileFormat(run_bits=1, modes=("zrlc", "srlc", "raw"))
    assert described(tensor_sizes(np.array([tie], np.uint8), fmt)) == [(1, 1, 18)]


@pytest.mark.parametrize(
    ("word_bits", "burst_bytes", "tile"),
    [
        (4, 32, (8, 8, 32)),
        (4, 64, (8, 8, 32)),
        (8, 32, (8, 8, 32)),
        (8, 64, (8, 8, 32)),
        (16, 32, (8, 8, 16)),
        (16, 64, (8, 8, 32)),
    ],
)
def test_dense_random_data_cost_at_most_half_a_percent_over_raw(word_bits, burst_bytes, tile):
    """Index included, in the same tiles and bursts."""
    fmt = TileFormat(word_bits=word_bits, burst_bytes=burst_bytes, tile=tile)
    tensor = np.random.default_rng(7).integers(0, 2**word_bits, (64, 32, 32)).astype(symbol_dtype(word_bits))
    raw_bytes = tensor.size * word_bits // 8
    for layout in ("slotted", "packed"):
        stream = encode_tensor(tensor, fmt, 0, layout)
        moved = stream.index.size + int(tensor_sizes(tensor, fmt).bursts.sum()) * burst_bytes
        assert stream.index.size + 8 * stream.payload.size == moved
        assert raw_bytes < moved <= 1.005 * raw_bytes
        assert (decode_tensor(stream) == tensor).all()


def test_raw_tile_is_its_symbols_and_stays_aligned():
    tensor = np.random.default_rng(7).integers(0, 256, (64, 8, 8), np.uint8)
    stream = encode_tensor(tensor, TileFormat())
    assert stream.payload.view(np.uint8).tolist() == tensor.reshape(-1).tolist()


@pytest.mark.parametrize("layout", ["slotted", "packed"])
def test_default_tiles_of_16_bit_words_need_wide_bursts_or_fewer_channels(layout):
    message = r"^tile must be at most 64 bursts of 32 bytes, not 128$"
    with pytest.raises(ValueError, match=message):
        TileFormat(word_bits=16)
    fmt = TileFormat(word_bits=16, tile=(8, 8, 16))
    tensor = np.random.default_rng(7).integers(0, 2**16, (20, 9, 9)).astype(np.uint16)
    assert (decode_tensor(encode_tensor(tensor, fmt, 5, layout)) == tensor).all()


def test_forced_mode_that_outgrows_its_place_is_refused():
    dense = np.tile(np.array([1, 2], np.uint8), 2048 * 5)[: 2048 * 5].reshape(160, 8, 8)
    with pytest.raises(ValueError, match=r"^tile 0 must be at most 64 bursts, not 88 as srlc$"):
        encode_tensor(dense, TileFormat(), mode="srlc")
    with pytest.raises(ValueError, match=r"^tile 0 must be at most 127 bursts, not 128 as srlc$"):
        encode_tensor(dense, TileFormat(run_bits=8), 0, "packed", "srlc")
    stream = encode_tensor(dense, TileFormat(), 0, "packed", "srlc")
    assert (decode_tensor(stream) == dense).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"tensor": [[1.0]]}, TypeError, "values must be integers, not float64"),
        ({"tensor": [[1, 256]]}, ValueError, r"value must fit 8 bits, not 256 \(value 1\)"),
        ({"tensor": 5}, ValueError, "tensor must have 1 to 4 dimensions, not 0"),
        ({"tensor": [[[[[1]]]]]}, ValueError, "tensor must have 1 to 4 dimensions, not 5"),
        ({"zero_point": 256}, ValueError, "zero_point must fit 8 bits, not 256"),
        ({"zero_point": -1}, ValueError, "zero_point must fit 8 bits, not -1"),
        ({"zero_point": 1.0}, TypeError, r"zero_point must be an int, not 1\.0"),
        ({"layout": "heap"}, ValueError, r"layout must be one of \('slotted', 'packed'\), not 'heap'"),
        ({"mode": "lzw"}, ValueError, r"mode must be one of \('raw', .*\), not 'lzw'"),
        ({"mode": "zvc"}, ValueError, r"mode must be one of \('raw', 'srlc'\), not 'zvc'"),
    ],
    ids=str,
)
def test_tensors_and_options_that_cannot_be_are_refused(change, error, message):
    arguments = {"tensor": [[1, 2]], "fmt": TileFormat(modes=("raw", "srlc")), **change}
    with pytest.raises(error, match=f"^{message}$"):
        encode_tensor(**arguments)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"word_bits": 7}, ValueError, "word_bits must be 4, 8 or 16, not 7"),
        ({"word_bits": 8.0}, TypeError, r"word_bits must be an int, not 8\.0"),
        ({"run_bits": 0}, ValueError, r"run_bits must be in 1\.\.8, not 0"),
        ({"burst_bytes": 48}, ValueError, "burst_bytes must be 32 or 64, not 48"),
        ({"burst_bytes": 32.0}, TypeError, r"burst_bytes must be an int, not 32\.0"),
        ({"tile": (8, 8)}, ValueError, r"tile must be three positive sizes, not \(8, 8\)"),
        ({"tile": (8, 0, 8)}, ValueError, r"tile must be three positive sizes, not \(8, 0, 8\)"),
        ({"tile": (8, 8, 32.0)}, TypeError, r"tile size must be an int, not 32\.0"),
        ({"tile": (8, 8, 33)}, ValueError, "tile must be at most 64 bursts of 32 bytes, not 66"),
        ({"scan": "chw"}, ValueError, r"scan must be one of \('tile-planar', 'tile-channel-first'\), not 'chw'"),
        ({"modes": ("srlc",)}, ValueError, r"modes must be raw and others of \(.*\), not \('srlc',\)"),
        ({"modes": ("raw", "raw")}, ValueError, r"modes must be raw and others of \(.*\), not \('raw', 'raw'\)"),
        ({"modes": ("raw", "lzw")}, ValueError, r"modes must be raw and others of \(.*\), not \('raw', 'lzw'\)"),
    ],
    ids=str,
)
def test_tile_formats_that_cannot_work_are_refused(change, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        TileFormat(**change)
