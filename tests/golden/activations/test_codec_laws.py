"""Laws that every activation codec keeps, whatever its format and data."""

import json

import numpy as np
import pytest
from codec_strategies import codecs, coded, symbols
from hypothesis import given
from hypothesis import strategies as st

from golden.activations.zrlc import Zrlc, ZrlcFormat
from golden.codec import symbol_dtype
from golden.registry import ACTIVATION_CODECS, codec_from_config
from golden.symbol_codec import SymbolCodec
from golden.tiles import TileMemory, Tiles

every_codec = pytest.mark.parametrize("codec_id", sorted(ACTIVATION_CODECS))

FORMATS = [
    *({"codec": codec_id, "word_bits": w} for codec_id in ("raw", "zvc", "prc") for w in (4, 8, 16)),
    *(
        {"codec": codec_id, "run_bits": r, "word_bits": w}
        for codec_id in ("srlc", "zrlc")
        for r in range(1, 9)
        for w in (4, 8, 16)
    ),
    {"codec": "zrlc", "run_bits": 5, "word_bits": 16, "packing": "eyeriss"},
]
every_format = pytest.mark.parametrize("config", FORMATS, ids=lambda c: "-".join(str(value) for value in c.values()))


@every_codec
@given(st.data())
def test_decode_inverts_encode_and_size_tells_its_bits(codec_id, data):
    codec, values, zero_point = data.draw(coded(codec_id))
    encoded = codec.encode(values, zero_point)
    decoded = codec.decode(encoded)
    assert decoded.tolist() == values
    assert decoded.dtype == symbol_dtype(codec.word_bits)
    assert codec.size_bits(values, zero_point) == encoded.bits
    assert encoded.words.size == -(-encoded.bits // 64)
    assert (encoded.count, encoded.zero_point) == (len(values), zero_point)


@every_format
def test_every_format_inverts_the_sequences_at_its_edges(config):
    codec = codec_from_config(config)
    top = 2**codec.word_bits - 1
    limit = 2 ** config.get("run_bits", 3)
    for zero_point in (0, 1, top):
        sequences = [[], [zero_point], [top - zero_point], [0, top], list(range(top + 1))[:300]]
        sequences += [[zero_point] * (k * limit + d) + [1] for k in (1, 2, 3) for d in (-1, 0, 1)]
        sequences += [[zero_point] * (k * limit + d) for k in (1, 2, 3) for d in (-1, 0, 1)]
        sequences += [[top] * (k * limit + d) for k in (1, 2) for d in (-1, 0, 1)]
        for values in sequences:
            encoded = codec.encode(values, zero_point)
            assert codec.decode(encoded).tolist() == values
            assert codec.size_bits(values, zero_point) == encoded.bits


@every_codec
def test_no_symbols_are_no_words(codec_id):
    codec = ACTIVATION_CODECS[codec_id]()
    encoded = codec.encode([])
    assert (encoded.bits, encoded.words.size, encoded.count, codec.size_bits([])) == (0, 0, 0, 0)
    assert codec.decode(encoded).size == 0


@every_format
def test_config_round_trips_through_json(config):
    codec = codec_from_config(json.loads(json.dumps(config)))
    again = codec_from_config(json.loads(json.dumps(codec.config())))
    assert again == codec
    assert hash(again) == hash(codec)
    assert again.config() == codec.config()
    assert config.items() <= codec.config().items()


@every_codec
@given(st.data())
def test_arguments_are_not_changed(codec_id, data):
    codec, values, zero_point = data.draw(coded(codec_id))
    given_values = np.array(values, symbol_dtype(codec.word_bits))
    encoded = codec.encode(given_values, zero_point)
    codec.size_bits(given_values, zero_point)
    words = encoded.words.copy()
    codec.decode(encoded)[:] = 0
    assert given_values.tolist() == values
    assert encoded.words.tolist() == words.tolist()


@every_codec
def test_any_integer_array_is_taken_for_its_values(codec_id):
    codec = ACTIVATION_CODECS[codec_id]()
    values = [0, 0, 7, 255, 0, 3]
    expected = codec.encode(values).words.tolist()
    strided = np.repeat(np.array(values, np.uint8), 2)[::2]
    for array in (np.array(values, np.int64), np.array(values, ">u2"), strided, tuple(values)):
        assert codec.encode(array).words.tolist() == expected


@pytest.mark.parametrize("codec_id", ["raw", "srlc", "zrlc", "zvc"])  # prc predicts: there symbols are numbers
@given(st.data())
def test_moving_the_zero_point_moves_only_what_zero_is(codec_id, data):
    """Exchanging two symbols and the zero point with them keeps every size."""
    codec, values, zero_point = data.draw(coded(codec_id))
    other = data.draw(st.integers(0, 2**codec.word_bits - 1))
    swap = {zero_point: other, other: zero_point}
    swapped = [swap.get(value, value) for value in values]
    assert codec.size_bits(swapped, other) == codec.size_bits(values, zero_point)
    assert codec.decode(codec.encode(swapped, other)).tolist() == swapped


def worst_bits(codec: SymbolCodec, count: int) -> int:
    """The largest size that the docstring of each codec admits."""
    word = codec.word_bits
    match codec.codec_id:
        case "raw":
            return count * word
        case "zvc":
            return -(-count // max(8, word)) * max(8, word) + count * word
    if getattr(codec.format, "packing", "") == "eyeriss":
        return 64 * -(-count // 3)
    return count * (codec.format.run_bits + word)


@pytest.mark.parametrize("codec_id", ["raw", "srlc", "zrlc", "zvc"])
@given(st.data())
def test_no_data_passes_the_worst_case_and_some_reaches_it(codec_id, data):
    codec, values, zero_point = data.draw(coded(codec_id))
    assert codec.size_bits(values, zero_point) <= worst_bits(codec, len(values))
    dense = [1 + k % 2 for k in range(len(values))]
    assert codec.size_bits(dense, 0) == worst_bits(codec, len(dense))


@st.composite
def batches(draw, codec_id):
    """Tiles in memory with gaps before, between and behind them, in an order that is not theirs."""
    codec = draw(codecs(codec_id))
    zero_point = draw(st.integers(0, 2**codec.word_bits - 1))
    tiles = draw(st.lists(symbols(codec.word_bits, zero_point, 6), max_size=5))
    gaps = draw(st.lists(st.integers(0, 2), min_size=len(tiles) + 1, max_size=len(tiles) + 1))
    place = draw(st.permutations(range(len(tiles))))
    chosen = draw(st.lists(st.sampled_from(range(len(tiles))), unique=True)) if tiles else []
    return codec, zero_point, tiles, gaps, place, chosen


@every_codec
@given(st.data())
def test_batches_are_single_streams_in_their_spans(codec_id, data):
    codec, zero_point, sequences, gaps, place, chosen = data.draw(batches(codec_id))
    alone = [codec.encode(values, zero_point) for values in sequences]
    starts = np.cumsum([0, *map(len, sequences)])
    tiles = Tiles(starts, np.array([[len(values), 1, 1] for values in sequences], np.int64).reshape(-1, 3))
    values = np.array([v for sequence in sequences for v in sequence], symbol_dtype(codec.word_bits))
    assert codec.tile_bits(values, tiles, zero_point).tolist() == [encoded.bits for encoded in alone]
    spans = np.zeros((len(sequences), 2), np.int64)
    end = gaps[0]
    for tile, gap in zip(place, gaps[1:], strict=True):
        spans[tile] = end, end + alone[tile].words.size
        end += alone[tile].words.size + gap
    memory = TileMemory(np.zeros(end, np.uint64), spans, np.array(chosen, np.int64))
    codec.encode_tiles(values, tiles, zero_point, memory)
    expected = np.zeros(end, np.uint64)
    for tile in chosen:
        expected[spans[tile, 0] : spans[tile, 1]] = alone[tile].words
    assert memory.words.tolist() == expected.tolist()
    untouched = 2**codec.word_bits - 1 - values
    back = untouched.copy()
    bits = codec.decode_tiles(memory, tiles, zero_point, back)
    assert bits.tolist() == [alone[tile].bits for tile in chosen]
    for tile in range(len(sequences)):
        own = slice(starts[tile], starts[tile + 1])
        assert back[own].tolist() == (values if tile in chosen else untouched)[own].tolist()


@every_codec
@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([256], ValueError, r"value must fit 8 bits, not 256 \(value 0\)"),
        ([1, 2, -1], ValueError, r"value must fit 8 bits, not -1 \(value 2\)"),
        ([2**63], ValueError, r"value must fit 8 bits, not 9223372036854775808 \(value 0\)"),
        ([1.0], TypeError, "values must be integers, not float64"),
        ([True], TypeError, "values must be integers, not bool"),
        ([[1]], ValueError, "values must have 1 dimension, not 2"),
        (5, ValueError, "values must have 1 dimension, not 0"),
    ],
    ids=str,
)
def test_values_that_are_no_symbols_are_refused(codec_id, values, error, message):
    codec = ACTIVATION_CODECS[codec_id]()
    for function in (codec.encode, codec.size_bits):
        with pytest.raises(error, match=f"^{message}$"):
            function(values)


@every_codec
def test_a_nibble_above_15_is_refused(codec_id):
    codec = codec_from_config({"codec": codec_id, "word_bits": 4})
    with pytest.raises(ValueError, match=r"^value must fit 4 bits, not 16 \(value 1\)$"):
        codec.encode(np.array([15, 16], np.uint8))


@every_codec
@pytest.mark.parametrize(
    ("zero_point", "error", "message"),
    [
        (256, ValueError, "zero_point must fit 8 bits, not 256"),
        (-1, ValueError, "zero_point must fit 8 bits, not -1"),
        (0.0, TypeError, r"zero_point must be an int, not 0\.0"),
        (None, TypeError, "zero_point must be an int, not None"),
        (True, TypeError, "zero_point must be an int, not True"),
    ],
    ids=str,
)
def test_zero_points_that_are_no_symbols_are_refused(codec_id, zero_point, error, message):
    codec = ACTIVATION_CODECS[codec_id]()
    for function in (codec.encode, codec.size_bits):
        with pytest.raises(error, match=f"^{message}$"):
            function([1], zero_point)


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"codec": "lzw"}, ValueError, "codec must be one of .*, not 'lzw'"),
        ({}, ValueError, "codec must be one of .*, not None"),
        ({"codec": "raw", "run_bits": 3}, ValueError, r"raw parameter must be one of \['word_bits'\], not 'run_bits'"),
        ({"codec": "raw", "word_bits": 5}, ValueError, "word_bits must be 4, 8 or 16, not 5"),
        ({"codec": "zvc", "word_bits": 8.0}, TypeError, r"word_bits must be an int, not 8\.0"),
        ({"codec": "srlc", "run_bits": 0}, ValueError, r"run_bits must be in 1\.\.8, not 0"),
        ({"codec": "srlc", "run_bits": 9}, ValueError, r"run_bits must be in 1\.\.8, not 9"),
        ({"codec": "srlc", "run_bits": 2.5}, TypeError, r"run_bits must be an int, not 2\.5"),
        ({"codec": "zrlc", "run_bits": True}, TypeError, "run_bits must be an int, not True"),
        ({"codec": "zrlc", "run_bits": "3"}, TypeError, "run_bits must be an int, not '3'"),
        ({"codec": "zrlc", "packing": "loose"}, ValueError, "packing must be one of .*, not 'loose'"),
        (
            {"codec": "zrlc", "packing": "eyeriss"},
            ValueError,
            "eyeriss packing must have run_bits 5 and word_bits 16, not 3 and 8",
        ),
    ],
    ids=str,
)
def test_formats_that_cannot_work_are_refused(config, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        codec_from_config(config)


def test_a_config_for_another_codec_is_refused():
    with pytest.raises(ValueError, match=r"^codec must be 'zrlc', not 'zvc'$"):
        Zrlc.from_config({"codec": "zvc", "word_bits": 8})


def test_codecs_of_unequal_formats_are_unequal():
    assert Zrlc(ZrlcFormat(3, 8)) != Zrlc(ZrlcFormat(4, 8))
    assert Zrlc(ZrlcFormat(5, 16)) != Zrlc(ZrlcFormat(5, 16, "eyeriss"))
    assert len({codec_from_config(config) for config in FORMATS}) == len(FORMATS)
