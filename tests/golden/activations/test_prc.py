"""prc against its slow model, against frozen vectors, and in the tile stream."""

import json
import re
from pathlib import Path

import numpy as np
import prc_model
import pytest
from bit_models import bytes_of, words_of
from hypothesis import given
from hypothesis import strategies as st

from golden.activations import prc
from golden.activations.prc import Prc, PrcFormat
from golden.codec import CorruptStreamError, Encoded, symbol_dtype
from golden.tile_format import DEFAULT_MODES, MODES, TileFormat
from golden.tile_index import index_bytes
from golden.tile_stream import TileStream, decode_tensor, decode_tile, encode_tensor, tensor_sizes
from golden.tiles import TileMemory, Tiles

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "prc.json").read_text())
every_vector = pytest.mark.parametrize("vector", VECTORS, ids=[v["source"] for v in VECTORS])


def words_for(bits: int) -> int:
    return -(-bits // 64)


def one_tile(shape, count=None):
    return Tiles(np.array([0, int(np.prod(shape)) if count is None else count]), np.array([shape]))


def encode(values, shape, zero_point, word_bits) -> Encoded:
    """One tile of a known shape, in as many words as it needs."""
    codec, symbols = Prc(PrcFormat(word_bits)), np.array(values, symbol_dtype(word_bits))
    bits = int(codec.tile_bits(symbols, one_tile(shape), zero_point)[0])
    words = np.zeros(words_for(bits), np.uint64)
    memory = TileMemory(words, np.array([[0, words.size]]), np.array([0]))
    codec.encode_tiles(symbols, one_tile(shape), zero_point, memory)
    return Encoded(words, bits, symbols.size, zero_point)


def decode(words, shape, zero_point, word_bits) -> tuple[list[int], int]:
    """Symbols of one tile and the bits it took."""
    values = np.zeros(int(np.prod(shape)), symbol_dtype(word_bits))
    memory = TileMemory(words, np.array([[0, words.size]]), np.array([0]))
    bits = Prc(PrcFormat(word_bits)).decode_tiles(memory, one_tile(shape), zero_point, values)
    return values.tolist(), int(bits[0])


@every_vector
def test_vectors_both_ways(vector):
    case = (vector["shape"], vector["zero_point"], vector["word_bits"])
    encoded = encode(vector["values"], *case)
    assert encoded.words.astype("<u8").tobytes()[: encoded.bits // 8].hex(" ").upper() == vector["bytes"]
    frozen = bytes.fromhex(vector["bytes"])
    words = np.frombuffer(frozen + bytes(-len(frozen) % 8), "<u8").astype(np.uint64)
    assert decode(words, *case) == (vector["values"], 8 * len(frozen))


def test_worked_examples_of_the_docstring_are_frozen():
    printed = re.findall(r"^[\d ,/]+ \((\d)x(\d)x(\d)\) .*  ((?:[0-9A-F]{2} ?)+)$", prc.__doc__, re.MULTILINE)
    frozen = [(*map(str, v["shape"]), v["bytes"]) for v in VECTORS if v["source"].startswith("docstring")]
    assert printed == frozen
    assert len(printed) == 3


@st.composite
def planes(draw):
    """A small tile: W, zero point, shape, symbols that are flat, sloped, sparse or dense, plane by plane."""
    word_bits = draw(st.sampled_from([4, 8, 16]))
    top = 2**word_bits - 1
    zero_point = draw(st.sampled_from([0, 1, top // 2, top]) | st.integers(0, top))
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = []
    for _ in range(shape[2]):
        spread = draw(st.sampled_from([0, 1, 3, top // 8, top]))
        steps = rng.integers(-spread, spread + 1, shape[:2]).cumsum(draw(st.sampled_from([0, 1])))
        plane = np.clip(steps + rng.integers(0, top + 1), 0, top)
        kept = rng.random(shape[:2]) < draw(st.sampled_from([0.0, 0.1, 0.8, 0.95, 1.0]))
        kept &= rng.random((shape[0], 1)) < draw(st.sampled_from([0.5, 1.0]))
        values += np.where(kept, plane, zero_point).reshape(-1).tolist()
    return values, shape, zero_point, word_bits


@given(planes())
def test_encoder_writes_what_the_model_writes_and_decoder_inverts_it(case):
    values, shape, zero_point, word_bits = case
    expected = prc_model.encode(values, shape, zero_point, word_bits)
    encoded = encode(values, shape, zero_point, word_bits)
    assert encoded.bits == len(expected)
    assert encoded.words.tolist() == words_of(expected)
    assert decode(encoded.words, *case[1:]) == (values, encoded.bits)
    assert prc_model.decode(expected, shape, zero_point, word_bits) == (values, encoded.bits)


@given(planes(), st.data())
def test_decoder_takes_and_refuses_what_the_model_does(case, data):
    """Streams with wrong bits, cut to words or followed by more."""
    _, shape, zero_point, word_bits = case
    stream = list(prc_model.encode(*case).ljust(64, "0"))
    for place in data.draw(st.lists(st.integers(0, len(stream) - 1), max_size=3)):
        stream[place] = "10"[int(stream[place])]
    stream = "".join(stream)[: 64 * data.draw(st.integers(1, 9))]
    stream += data.draw(st.text("01", max_size=70) | st.just(""))
    stream = stream.ljust(64 * words_for(len(stream)), "0")
    words = np.array(words_of(stream), np.uint64)
    try:
        expected = prc_model.decode(stream, shape, zero_point, word_bits)
    except prc_model.Refused:
        with pytest.raises(CorruptStreamError, match=r"^tile 0: .* at bit \d+$"):
            decode(words, shape, zero_point, word_bits)
    else:
        assert decode(words, shape, zero_point, word_bits) == expected


@given(planes(), st.data())
def test_garbage_ends_in_symbols_or_a_refusal_inside_the_tile(case, data):
    _, shape, zero_point, word_bits = case
    inside = data.draw(st.lists(st.integers(0, 2**64 - 1) | st.sampled_from([0, 2**64 - 1]), max_size=12))
    count = int(np.prod(shape))
    tiles = Tiles(np.array([0, 5, 5 + count, 10 + count]), np.array([(5, 1, 1), shape, (5, 1, 1)]))
    spans = np.array([[0, 1], [1, 1 + len(inside)], [1 + len(inside), 2 + len(inside)]])
    outcomes = []
    for beside in (0, 2**64 - 1):
        values = np.full(count + 10, 9, symbol_dtype(word_bits))
        memory = TileMemory(np.array([beside, *inside, beside], np.uint64), spans, np.array([1]))
        try:
            bits = Prc(PrcFormat(word_bits)).decode_tiles(memory, tiles, zero_point, values)
        except CorruptStreamError as error:
            place = re.fullmatch(r"tile 1: .* at bit (\d+)", str(error))
            assert 0 <= int(place[1]) <= 64 * len(inside)
            outcomes.append(str(error))
        else:
            assert bits[0] <= 64 * len(inside)
            assert values.max() < 2**word_bits
            outcomes.append(values.tolist())
        assert values[:5].tolist() == values[-5:].tolist() == [9] * 5
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        ("", "stream ends inside the field at bit 0"),
        ("1110" + "11111111" * 7, "stream ends inside the field at bit 60"),  # raw: 4 + 8 * 8 bits of 64
        ("0110" + "00000000" + "1111110" + "111111", "residual is larger than any symbol's at bit 12"),
        ("1111" + "0" * 40 + "1", "padding must be zero, not set at bit 44"),
        ("1111" + "0" * 5 + "1", "padding must be zero, not set at bit 9"),
    ],
    ids=str,
)
def test_refusal_names_the_rule_and_the_bit(stream, message):
    words = np.array(words_of(stream.ljust(64 if stream else 0, "0")), np.uint64)
    encoded = Encoded(words, 16 if "padding" in message else 64 * words.size, 8, 0)
    with pytest.raises(CorruptStreamError, match=f"^tile 0: {message}$"):
        Prc().decode(encoded)


@pytest.mark.parametrize("place", [20, 40, 63, 64, 79, 80, 95])
def test_stray_bits_are_named_in_whichever_unit_they_stand(place):
    """Lane 0 is raw and has units 0, 1 and 4, lane 1 is empty and has 2, 3 and 5."""
    stream = list(("1110" + "0" * 28 + "1111").ljust(128, "0"))
    assert decode(np.array(words_of("".join(stream)), np.uint64), (1, 2, 2), 9, 8) == ([0, 0, 9, 9], 48)
    stream[place] = "1"
    with pytest.raises(CorruptStreamError, match=f"^tile 0: padding must be zero, not set at bit {place}$"):
        decode(np.array(words_of("".join(stream)), np.uint64), (1, 2, 2), 9, 8)


def test_tiles_of_unknown_shape_are_one_column():
    codec, values = Prc(), np.array([0, 0, 4, 5, 5, 0], np.uint8)
    for shape in ((6, 1, 1), (1, 1, 1), (2, 2, 2)):
        assert codec.tile_bits(values, one_tile(shape, 6), 0)[0] == codec.size_bits(values)


@given(planes())
def test_no_tile_passes_the_worst_case(case):
    _, (h, w, c), _, word_bits = case
    fmt = PrcFormat(word_bits)
    lanes = [h * w * fmt.longest_bits * p + fmt.header_bits * p for p in ((c + 3 - lane) // 4 for lane in range(4))]
    assert encode(*case).bits <= sum((bits // fmt.unit_bits + 3) * fmt.unit_bits for bits in lanes if bits)


PRC = TileFormat(tile=(4, 4, 8), modes=MODES)


@st.composite
def tensors(draw):
    """Blocks of smooth, sparse and random symbols; a zero point."""
    c, h, w = draw(st.tuples(st.integers(1, 12), st.integers(1, 9), st.integers(1, 9)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    zero_point = draw(st.sampled_from([0, 128]))
    slopes = rng.integers(0, 4, (c, 1, 1)) * np.arange(w) + rng.integers(0, 4, (c, 1, 1)) * np.arange(h)[:, None]
    kinds = np.stack([slopes + zero_point, np.full((c, h, w), zero_point), rng.integers(0, 256, (c, h, w))])
    return np.choose(rng.integers(0, 3, (c, 1, 1)), kinds).astype(np.uint8), zero_point


@given(tensors(), st.sampled_from(["slotted", "packed"]), st.data())
def test_tile_streams_with_prc_invert_and_give_each_tile_alone(case, layout, data):
    tensor, zero_point = case
    mode = data.draw(st.sampled_from([None, "prc"])) if layout == "packed" else None
    stream = encode_tensor(tensor, PRC, zero_point, layout, mode)
    assert decode_tensor(stream).tolist() == tensor.tolist()
    tile = data.draw(st.integers(0, stream.tiles.count - 1))
    rows = -(-tensor.shape[1] // 4), -(-tensor.shape[2] // 4), -(-tensor.shape[0] // 8)
    row, column, block = np.unravel_index(tile, rows)
    own = tensor[8 * block : 8 * block + 8, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
    assert decode_tile(stream, tile).tolist() == own.reshape(-1).tolist()


@given(tensors())
def test_a_tile_is_never_larger_for_having_prc(case):
    tensor, zero_point = case
    without = tensor_sizes(tensor, TileFormat(tile=PRC.tile), zero_point)
    best = tensor_sizes(tensor, PRC, zero_point)
    alone = tensor_sizes(tensor, PRC, zero_point, "prc")
    assert (best.bursts == np.minimum(without.bursts, alone.bursts)).all()
    assert ((best.modes == MODES.index("prc")) <= (alone.bits < without.bits)).all()


def test_smooth_tiles_take_prc_and_random_ones_raw():
    smooth = np.add.outer(np.arange(32), np.add.outer(np.arange(16), 3 * np.arange(16))).astype(np.uint8)
    dense = np.random.default_rng(7).integers(0, 256, (64, 56, 56)).astype(np.uint8)
    fmt = TileFormat(modes=MODES)
    assert set(tensor_sizes(smooth, fmt).modes.tolist()) == {MODES.index("prc")}
    stream = encode_tensor(dense, fmt)
    assert 8 * stream.payload.size + stream.index.size <= 1.005 * dense.size


@pytest.mark.parametrize(
    ("word_bits", "tile", "burst_bytes"), [(4, (8, 8, 32), 32), (8, (8, 8, 32), 64), (16, (8, 8, 16), 64)], ids=str
)
def test_dense_random_tiles_cost_at_most_half_a_percent_over_raw_with_all_modes(word_bits, tile, burst_bytes):
    fmt = TileFormat(word_bits=word_bits, tile=tile, burst_bytes=burst_bytes, modes=MODES)
    dense = np.random.default_rng(3).integers(0, 2**word_bits, (64, 32, 32)).astype(symbol_dtype(word_bits))
    sizes = tensor_sizes(dense, fmt)
    raw_bytes = dense.size * word_bits // 8
    assert raw_bytes < int(sizes.bursts.sum()) * burst_bytes + index_bytes(sizes.modes.size) <= 1.005 * raw_bytes


@given(tensors(), st.data())
def test_any_flipped_bit_is_reported(case, data):
    tensor, zero_point = case
    stream = encode_tensor(tensor, PRC, zero_point, "packed", "prc")
    payload = stream.payload.copy()
    place = data.draw(st.integers(0, 64 * payload.size - 1))
    payload[place >> 6] ^= np.uint64(1 << (place & 63))
    broken = TileStream(stream.fmt, stream.shape, zero_point, "packed", stream.index, payload)
    with pytest.raises(CorruptStreamError, match=r"^tile \d+: payload CRC does not match"):
        decode_tensor(broken)


def test_prc_is_mode_4_is_not_a_default_and_needs_planes():
    assert MODES.index("prc") == 4
    assert "prc" not in DEFAULT_MODES
    with pytest.raises(ValueError, match=r"^scan must be 'tile-planar' where prc is a mode, not 'tile-channel-first'$"):
        TileFormat(scan="tile-channel-first", modes=("raw", "prc"))
    with pytest.raises(ValueError, match=r"^word_bits must be 4, 8 or 16, not 7$"):
        PrcFormat(7)


@pytest.mark.parametrize(("word_bits", "derived"), [(4, (2, 12, 16)), (8, (3, 16, 16)), (16, (4, 24, 32))], ids=str)
def test_format_derives_its_widths(word_bits, derived):
    fmt = PrcFormat(word_bits)
    assert (fmt.k_bits, fmt.longest_bits, fmt.unit_bits) == derived
    assert (fmt.header_bits, fmt.lanes, fmt.unary_limit) == (fmt.k_bits + 1, 4, 8)
    assert fmt.header_bits + 1 + word_bits <= fmt.longest_bits <= fmt.unit_bits == fmt.held_bits // 2
    assert fmt.unit_bits == prc_model.unit_bits(word_bits)


def test_model_and_bytes_agree_on_an_example():
    assert bytes_of(prc_model.encode([10, 12, 11, 14], (2, 2, 1), 0, 8)) == bytes.fromhex("A1301900")
