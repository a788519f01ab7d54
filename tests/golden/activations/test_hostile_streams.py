"""Streams that no encoder wrote: decoders end, refuse with a position and touch nothing beside their tile."""

import re

import numpy as np
import pytest
from codec_strategies import codecs, coded
from hypothesis import given
from hypothesis import strategies as st

from golden.activations.raw import Raw
from golden.activations.srlc import Srlc, SrlcFormat
from golden.activations.zrlc import Zrlc, ZrlcFormat
from golden.activations.zvc import Zvc, ZvcFormat
from golden.codec import CorruptStreamError, Encoded, symbol_dtype
from golden.registry import ACTIVATION_CODECS
from golden.tiles import TileMemory, Tiles, check_padding

every_codec = pytest.mark.parametrize("codec_id", sorted(ACTIVATION_CODECS))
GUARD = 0x5A  # what lies beside a tile's symbols, in memory that a decoder must not reach


def words(*values: int) -> np.ndarray:
    return np.array(values, np.uint64)


def garbage_words(draw) -> list[int]:
    word = st.integers(0, 2**64 - 1) | st.just(0) | st.just(2**64 - 1)
    return draw(st.lists(word, max_size=6))


@every_codec
@given(st.data())
def test_garbage_ends_in_symbols_or_a_refusal_and_nothing_else_is_written(codec_id, data):
    """The tile lies between others; its words lie between words that would decode differently."""
    codec = data.draw(codecs(codec_id))
    inside = garbage_words(data.draw)
    count = data.draw(st.integers(0, 40) | st.sampled_from([64, 257, 1000]))
    zero_point = data.draw(st.integers(0, 2**codec.word_bits - 1))
    dtype = symbol_dtype(codec.word_bits)
    outcomes = []
    for beside in (0, 2**64 - 1):
        stream = words(beside, *inside, beside)
        values = np.full(20 + count + 20, GUARD & (2**codec.word_bits - 1), dtype)
        guard = values[0]
        tiles = Tiles(np.array([0, 20, 20 + count, 40 + count]), np.ones((3, 3), np.int64))
        spans = np.array([[0, 1], [1, 1 + len(inside)], [1 + len(inside), 2 + len(inside)]])
        try:
            bits = codec.decode_tiles(TileMemory(stream, spans, np.array([1])), tiles, zero_point, values)
        except CorruptStreamError as error:
            outcomes.append(str(error))
        else:
            assert 0 <= bits[0] <= 64 * len(inside)
            assert values.max(initial=0) < 2**codec.word_bits
            outcomes.append((bits.tolist(), values.tolist()))
        assert (values[:20] == guard).all()
        assert (values[20 + count :] == guard).all()
    assert outcomes[0] == outcomes[1]
    assert isinstance(outcomes[0], tuple) or re.fullmatch(r"tile 1: .* at bit \d+( of \d+)?", outcomes[0])


@every_codec
@given(st.data())
def test_stream_cut_at_any_word_is_refused(codec_id, data):
    codec, values, zero_point = data.draw(coded(codec_id))
    encoded = codec.encode(values, zero_point)
    for size in range(encoded.words.size):
        with pytest.raises(CorruptStreamError, match=r"^tile 0: .* bit \d+"):
            codec.decode(Encoded(encoded.words[:size], 64 * size, len(values), zero_point))


@every_codec
@given(st.data())
def test_bit_behind_the_stream_is_refused_with_its_place(codec_id, data):
    codec, values, zero_point = data.draw(coded(codec_id))
    encoded = codec.encode(values, zero_point)
    if encoded.bits % 64:
        place = data.draw(st.integers(encoded.bits, 64 * encoded.words.size - 1))
        stained = encoded.words.copy()
        stained[-1] |= np.uint64(1 << place % 64)
        with pytest.raises(CorruptStreamError, match=f"^tile 0: padding must be zero, not set at bit {place}$"):
            codec.decode(Encoded(stained, encoded.bits, len(values), zero_point))
    longer = Encoded(np.append(encoded.words, np.uint64(0)), 64 * encoded.words.size + 64, len(values), zero_point)
    message = f"^stream must end at bit {encoded.bits} after {len(values)} symbols, not at bit {longer.bits}$"
    with pytest.raises(CorruptStreamError, match=message):
        codec.decode(longer)


SRLC, ZRLC, ZVC = Srlc(SrlcFormat(3, 8)), Zrlc(ZrlcFormat(3, 8)), Zvc(ZvcFormat(8))
EYERISS = Zrlc(ZrlcFormat(5, 16, "eyeriss"))


@pytest.mark.parametrize(
    ("codec", "encoded", "message"),
    [
        (Raw(), Encoded(words(7), 16, 9), "tile 0: stream ends at bit 64 of 72"),
        (Raw(), Encoded(words(7), 72, 9), "stream of 72 bits must be 2 words, not 1"),
        (Raw(), Encoded(words(7), 16, 1), "stream must end at bit 8 after 1 symbols, not at bit 16"),
        (Raw(), Encoded(words(), -5, 0), "stream must end at bit 0 after 0 symbols, not at bit -5"),
        (SRLC, Encoded(words(7), 11, 7), "tile 0: run passes the last symbol at bit 0"),
        (SRLC, Encoded(words(0), 64, 6), "tile 0: stream ends inside the field at bit 55"),
        (SRLC, Encoded(words(), 0, 1), "tile 0: stream ends inside the field at bit 0"),
        (ZRLC, Encoded(words(7), 11, 7), "tile 0: run passes the last symbol at bit 0"),
        (ZRLC, Encoded(words(0), 64, 6), "tile 0: stream ends inside the field at bit 55"),
        (EYERISS, Encoded(words(0), 64, 1), "tile 0: last-word flag is wrong at bit 0"),
        (EYERISS, Encoded(words(1, 1), 128, 4), "tile 0: last-word flag is wrong at bit 0"),
        (EYERISS, Encoded(words(0, 0), 128, 4), "tile 0: last-word flag is wrong at bit 64"),
        (EYERISS, Encoded(words(1 | 1 << 22), 64, 1), "tile 0: unused pair must be zero, not set at bit 22"),
        (EYERISS, Encoded(words(1 | 1 << 63), 64, 2), "tile 0: unused pair must be zero, not set at bit 43"),
        (EYERISS, Encoded(words(1), 64, 4), "tile 0: stream ends inside the field at bit 65"),
        (EYERISS, Encoded(words(1 | 5 << 1), 64, 5), "tile 0: run passes the last symbol at bit 1"),
        (ZVC, Encoded(words(2), 16, 1), "tile 0: mask names a symbol past the last one at bit 0"),
        (ZVC, Encoded(words(2 << 8), 16, 9), "tile 0: mask names a symbol past the last one at bit 8"),
        (ZVC, Encoded(words(255), 64, 8), "tile 0: stream ends inside the field at bit 8"),
        (ZVC, Encoded(words(), 0, 1), "tile 0: stream ends inside the field at bit 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusal_names_the_rule_and_the_bit(codec, encoded, message):
    with pytest.raises(CorruptStreamError) as caught:
        codec.decode(encoded)
    assert str(caught.value) == message


@every_codec
def test_descriptor_that_cannot_be_is_refused(codec_id):
    codec = ACTIVATION_CODECS[codec_id]()
    with pytest.raises(ValueError, match=r"^zero_point must fit 8 bits, not 256$"):
        codec.decode(Encoded(words(), 0, 0, 256))
    with pytest.raises(ValueError, match=r"^count must be 0 or more, not -1$"):
        codec.decode(Encoded(words(), 0, -1))
    with pytest.raises(TypeError, match=r"^words must be uint64, not int64$"):
        codec.decode(Encoded(np.zeros(1, np.int64), 8, 1))


OUTSIDE = [((0, 4), 2), ((0, 4), -1), ((0, 5), 1), ((-1, 1), 1), ((3, 1), 1), ((5, 5), 1), ((-3, -1), 1)]


@every_codec
@pytest.mark.parametrize(("span", "chosen"), OUTSIDE, ids=str)
def test_batches_outside_their_memory_are_refused(codec_id, span, chosen):
    """Compiled loops check no bounds, so nothing that lies outside may reach them."""
    codec = ACTIVATION_CODECS[codec_id]()
    memory = TileMemory(np.zeros(4, np.uint64), np.array([[0, 4], span]), np.array([0, chosen]))
    tiles, values = Tiles(np.array([0, 4, 8]), np.ones((2, 3), np.int64)), np.zeros(8, np.uint8)
    message = rf"^tile {chosen} must be one of 2, in a span of 4 words$"
    with pytest.raises(ValueError, match=message):
        codec.encode_tiles(values, tiles, 0, memory)
    with pytest.raises(ValueError, match=message):
        codec.decode_tiles(memory, tiles, 0, values)


@every_codec
def test_batches_whose_parts_disagree_are_refused(codec_id):
    codec = ACTIVATION_CODECS[codec_id]()
    tiles = Tiles(np.array([0, 4, 8]), np.ones((2, 3), np.int64))
    memory = TileMemory(np.zeros(4, np.uint64), np.array([[0, 4]]), np.array([0]))
    with pytest.raises(ValueError, match=r"^spans must have shape \(2, 2\), not \(1, 2\)$"):
        codec.decode_tiles(memory, tiles, 0, np.zeros(8, np.uint8))
    memory = TileMemory(np.zeros(4, np.uint64), np.array([[0, 2], [2, 4]]), np.array([0, 1]))
    short = np.zeros(7, np.uint8)
    for function, arguments in (
        (codec.tile_bits, (short, tiles, 0)),
        (codec.encode_tiles, (short, tiles, 0, memory)),
        (codec.decode_tiles, (memory, tiles, 0, short)),
    ):
        with pytest.raises(ValueError, match=r"^values must be 8 symbols or more, not 7$"):
            function(*arguments)


@pytest.mark.parametrize("starts", [[1, 2], [0, 2, 1], [-1, 0]], ids=str)
def test_tiles_that_do_not_follow_each_other_are_refused(starts):
    with pytest.raises(ValueError, match=r"^tile starts must ascend from 0, not array"):
        Tiles(np.array(starts), np.ones((len(starts) - 1, 3), np.int64))


def test_messages_name_the_tile_by_its_number_in_the_stream():
    memory = TileMemory(words(7, 1 << 40), np.array([[0, 1], [1, 2]]), np.array([0]), first=100)
    tiles = Tiles(np.array([0, 3, 6]), np.ones((2, 3), np.int64))
    with pytest.raises(CorruptStreamError, match=r"^tile 100: run passes the last symbol at bit 0$"):
        SRLC.decode_tiles(memory, tiles, 0, np.zeros(6, np.uint8))
    with pytest.raises(CorruptStreamError, match=r"^tile 101: padding must be zero, not set at bit 40$"):
        check_padding(memory, np.array([64, 11]))
