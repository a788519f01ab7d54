"""Damaged and forged tile streams: each is refused by name, and none takes memory for what it only claims.

``THINWIRE_FLIPS`` sets how many random positions of full tiles are flipped (20,000 by default).
"""

import os
import tracemalloc
from dataclasses import replace

import bit_models
import numpy as np
import pytest
import tile_model
from hypothesis import given
from hypothesis import strategies as st

from golden.codec import CorruptStreamError
from golden.tile_format import TileFormat
from golden.tile_stream import TileStream, decode_tensor, decode_tile, encode_tensor

FLIPS = int(os.environ.get("THINWIRE_FLIPS", "20000"))

both_layouts = pytest.mark.parametrize("layout", ["slotted", "packed"])

SMALL = TileFormat(tile=(4, 4, 4))
RAW_TILE = bit_models.encode({"codec": "raw", "word_bits": 8}, list(range(1, 65)), 0)
ZVC_TILE = bit_models.encode({"codec": "zvc", "word_bits": 8}, [0] * 60 + [1, 2, 3, 4], 0)
PAST_END = bit_models.field(6, 11) + bit_models.field(7, 11) * 8  # zrlc: 7 symbols, then 8 times 8 of 57


def sparse_tensor(shape, seed=7):
    """Runs of three, planes from empty to dense: tiles of every mode."""
    rng = np.random.default_rng(seed)
    values = np.repeat(rng.integers(0, 256, shape, np.uint8), 3, axis=-1)[..., : shape[-1]]
    density = rng.random((shape[0], *[1] * (len(shape) - 1)))
    return np.where(rng.random(shape) < density, values, 0).astype(np.uint8)


def flip(stream, place):
    """Flip one bit of index and payload, in that order."""
    index_bits = 8 * stream.index.size
    if place < index_bits:
        stream.index[place // 8] ^= np.uint8(1 << place % 8)
    else:
        stream.payload[(place - index_bits) // 64] ^= np.uint64(1 << (place - index_bits) % 64)


def is_refused(decode, *arguments):
    """Whether a decoder reports a corrupt stream; any other exception is a fault of the decoder."""
    try:
        decode(*arguments)
    except CorruptStreamError:
        return True
    return False


@both_layouts
def test_every_single_flipped_bit_of_a_small_stream_is_reported(layout):
    """Nine tiles, so two groups; in slots the bits behind a tile too."""
    tensor = sparse_tensor((4, 12, 11))
    stream = encode_tensor(tensor, SMALL, 0, layout)
    assert stream.tiles.count == 9
    missed = []
    for place in range(8 * stream.index.size + 64 * stream.payload.size):
        flip(stream, place)
        missed += [] if is_refused(decode_tensor, stream) else [place]
        flip(stream, place)
    assert missed == []
    assert (decode_tensor(stream) == tensor).all()


@pytest.mark.parametrize("modes", [("raw",), ("raw", "srlc"), ("raw", "zrlc"), ("raw", "zvc")], ids="-".join)
def test_random_flipped_bits_of_full_tiles_are_reported(modes):
    """Tiles of 2 KiB, one dense and nine sparse: each flip is refused by the decoder of the one tile it hits."""
    rng = np.random.default_rng([7, len(modes), len(modes[-1])])
    fmt = TileFormat(modes=modes)
    tensor = sparse_tensor((320, 8, 8))
    tensor[:32] = rng.integers(0, 256, (32, 8, 8))
    streams = [encode_tensor(tensor[at : at + 32], fmt, 0, "packed") for at in range(0, 320, 32)]
    missed = 0
    for stream in streams:
        for place in rng.integers(0, 8 * stream.index.size + 64 * stream.payload.size, FLIPS // 40).tolist():
            flip(stream, place)
            missed += not is_refused(decode_tile, stream, 0)
            flip(stream, place)
        assert decode_tile(stream, 0).size == 2048
    assert missed == 0


@both_layouts
def test_a_tile_alone_reports_flips_in_its_group_and_its_bursts_and_reads_no_others(layout):
    stream = encode_tensor(sparse_tensor((16, 20, 20)), TileFormat(tile=(8, 8, 8)), 0, layout)
    whole = [decode_tile(stream, tile).tolist() for tile in range(stream.tiles.count)]
    rng = np.random.default_rng(7)
    words_per_slot = 64
    for place in rng.integers(0, 8 * stream.index.size, 60).tolist():
        flip(stream, place)
        refused = [is_refused(decode_tile, stream, tile) for tile in range(stream.tiles.count)]
        assert refused == [tile // 8 == place // 256 for tile in range(stream.tiles.count)]
        flip(stream, place)
    for word in rng.integers(0, stream.payload.size, 25).tolist():
        stream.payload[word] ^= np.uint64(1)
        refused = [is_refused(decode_tile, stream, tile) for tile in range(stream.tiles.count)]
        if layout == "slotted":
            assert sum(refused) <= 1
            assert refused.index(True) == word // words_per_slot if any(refused) else is_refused(decode_tensor, stream)
        else:
            assert sum(refused) == 1
        stream.payload[word] ^= np.uint64(1)
    assert [decode_tile(stream, tile).tolist() for tile in range(stream.tiles.count)] == whole


@both_layouts
@given(st.lists(st.integers(0, 9 * 512 + 511), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_any_damage_ends_in_the_tensor_or_a_refusal(layout, places, random):
    """Several flips, and sometimes words torn off: the decoder always ends, with the right shape if not refused."""
    stream = encode_tensor(sparse_tensor((4, 12, 11)), SMALL, 0, layout)
    for place in places:
        flip(stream, place % (8 * stream.index.size + 64 * stream.payload.size))
    try:
        torn = replace(stream, payload=stream.payload[: stream.payload.size - random.choice([0, 0, 1, 5])])
        assert decode_tensor(torn).shape == (4, 12, 11)
    except CorruptStreamError as error:
        assert any(name in str(error) for name in ("tile", "index", "payload"))  # noqa: PT017


@both_layouts
def test_exchanged_tiles_and_groups_are_reported(layout):
    """Equal lengths, so that only the numbers in the CRCs' first states tell them apart."""
    tensor = np.random.default_rng(7).integers(0, 256, (64, 4, 4), np.uint8)
    stream = encode_tensor(tensor, SMALL, 0, layout)
    assert stream.tiles.count == 16
    burst_words = 2 * SMALL.burst_bytes // 8
    tiles = stream.payload.reshape(16, burst_words).copy()
    tiles[[3, 4]] = tiles[[4, 3]]
    with pytest.raises(CorruptStreamError, match=r"^tile 3: payload CRC does not match \(byte 192\)$"):
        decode_tensor(replace(stream, payload=tiles.reshape(-1)))
    groups = stream.index.reshape(2, 32)[::-1].reshape(-1)
    with pytest.raises(CorruptStreamError, match=r"^index group 0: CRC does not match \(byte 0\)$"):
        decode_tensor(replace(stream, index=groups))
    with pytest.raises(CorruptStreamError, match=r"^index group 1: CRC does not match \(byte 0\)$"):
        decode_tile(replace(stream, index=groups), 9)


def forged(streams, layout, channels, change=None):
    """A stream of given tiles (mode, bits) whose CRCs are right after `change` of its groups."""
    config = {**tile_model.FORMAT, "tile": [4, 4, 4]}
    groups, payload = tile_model.assemble(config, streams, layout)
    index = np.frombuffer(tile_model.index_of(change(groups) if change else groups), np.uint8)
    return TileStream(SMALL, (channels, 4, 4), 0, layout, index, np.frombuffer(payload, np.uint64).copy())


def entry(tile, **fields):
    return lambda groups: tile_model.replaced(groups, tile, **fields)


def last_burst_again(groups):
    """The last tile, in slot 1, claims three bursts: one past the payload. Its CRC is that of what is there."""
    return tile_model.replaced(groups, 1, length=3)


FORGERIES = {
    "mode 5": ([(5, RAW_TILE)], None, r"tile 0: mode must be one of \('raw', 'srlc', 'zrlc', 'zvc'\), not 5"),
    "mode 7": ([(0, RAW_TILE), (7, RAW_TILE)], None, r"tile 1: mode must be one of \(.*\), not 7"),
    "length 0": ([(0, RAW_TILE)], entry(0, length=0), r"index entry 0: length must be 1\.\.127 bursts, not 0"),
    "reserved": ([(0, RAW_TILE)] * 9, entry(8, reserved=1), "index entry 8: reserved bit must be zero, not set"),
    "entry past the last": ([(0, RAW_TILE)], lambda groups: [replace(groups[0], entries=groups[0].entries * 2)],
                            "index entry 1: must be zero past the last tile"),
    "base": ([(0, RAW_TILE)] * 9, lambda groups: [groups[0], replace(groups[1], base=15)],
             "index group 1: base must be burst 16, not 15"),
    "payload too short for its mode": ([(0, RAW_TILE[:256])], None, "tile 0: stream ends at bit 256 of 512"),
    "runs too short": ([(1, bit_models.field(0, 256))], None, "tile 0: stream ends inside the field at bit 253"),
    "run past the end": ([(2, PAST_END)], None, "tile 0: run passes the last symbol at bit 88"),
    "one burst too many": ([(3, ZVC_TILE.ljust(512, "0"))], None,
                           "tile 0: payload must be 1 bursts, not 2: it ends at bit 96"),
    "bit behind the stream": ([(3, ZVC_TILE.ljust(255, "0") + "1")], None,
                              "tile 0: padding must be zero, not set at bit 255"),
}  # fmt: skip


@both_layouts
@pytest.mark.parametrize(("streams", "change", "message"), FORGERIES.values(), ids=FORGERIES)
def test_forged_stream_with_right_crcs_is_refused(layout, streams, change, message):
    stream = forged(streams, layout, 4 * len(streams), change)
    with pytest.raises(CorruptStreamError, match=f"^{message}$"):
        decode_tensor(stream)


def test_tile_alone_refuses_a_forged_tile_by_its_own_number():
    stream = forged([(0, RAW_TILE), (2, PAST_END), (3, ZVC_TILE.ljust(255, "0") + "1")], "packed", 12)
    assert decode_tile(stream, 0).tolist() == list(range(1, 65))
    with pytest.raises(CorruptStreamError, match=r"^tile 1: run passes the last symbol at bit 88$"):
        decode_tile(stream, 1)
    with pytest.raises(CorruptStreamError, match=r"^tile 2: padding must be zero, not set at bit 255$"):
        decode_tile(stream, 2)
    with pytest.raises(ValueError, match=r"^tile must be in 0\.\.2, not 3$"):
        decode_tile(stream, 3)


@pytest.mark.parametrize("decode", [decode_tensor, lambda stream: decode_tile(stream, 1)], ids=["tensor", "tile"])
@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_slotted_tile_that_claims_more_than_its_slot_is_refused(decode, mode):
    """Past the last slot there is no memory: a decoder that believed it would read beside the payload."""
    check = tile_model.payload_check(RAW_TILE, 1)  # of the words that are there
    stream = forged([(0, RAW_TILE)] * 2, "slotted", 8, entry(1, mode=mode, length=127, check=check))
    with pytest.raises(CorruptStreamError, match=r"^tile 1: slotted payload must be at most 2 bursts, not 127$"):
        decode(stream)


def test_base_past_the_payload_is_refused_by_a_tile_alone():
    stream = forged([(0, RAW_TILE)], "packed", 4, lambda groups: [replace(groups[0], base=2**32 - 1)])
    with pytest.raises(CorruptStreamError, match=r"^tile 0: payload ends at byte 64 of 137438953504$"):
        decode_tile(stream, 0)


@both_layouts
def test_streams_whose_parts_disagree_are_refused(layout):
    stream = encode_tensor(sparse_tensor((4, 12, 11)), SMALL, 0, layout)
    more = np.append(stream.payload, np.zeros(4, np.uint64))
    for payload in (more, stream.payload[:-4]):
        expected = rf"^payload must be {8 * stream.payload.size} bytes, not {8 * payload.size}$"
        with pytest.raises(CorruptStreamError, match=expected):
            decode_tensor(replace(stream, payload=payload))
    with pytest.raises(CorruptStreamError, match=r"^payload of 9 tiles must be 288 bytes or more, not 280$"):
        replace(stream, payload=stream.payload[:35])
    with pytest.raises(CorruptStreamError, match=r"^index of 9 tiles must be 64 bytes, not 32$"):
        replace(stream, index=stream.index[:32])
    with pytest.raises(ValueError, match=r"^zero_point must fit 8 bits, not 300$"):
        replace(stream, zero_point=300)
    with pytest.raises(ValueError, match=r"^layout must be one of \('slotted', 'packed'\), not 'heap'$"):
        replace(stream, layout="heap")


@pytest.mark.parametrize("shape", [(2**20, 2**10), (2**28,), (2, 3, 2**12, 2**12)], ids=str)
def test_claimed_shapes_take_no_memory(shape):
    """The largest symbol count is 2^31: index and payload must be there before anything is made of a shape."""
    stream = encode_tensor(sparse_tensor((4, 12, 11)), SMALL)
    tracemalloc.start()
    with pytest.raises(CorruptStreamError, match=r"^index of \d+ tiles must be \d+ bytes, not 64$"):
        replace(stream, shape=shape)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
