# amaranth: UnusedElaboratable=no
"""Builder and reader of the index: golden's bytes both ways, and every flipped bit is told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.crc import CCITT_16
from golden.tile_index import Index, index_bytes, pack_index
from hw.activations.index import GroupEntry, IndexBuilder, IndexReader
from hw.activations.ports import Entry
from hw.packet import Packet
from tests.hw.call import STALLS, call

_ENTRY = st.tuples(st.integers(0, 7), st.integers(1, 127), st.integers(0, 32767))


@st.composite
def indexes(draw) -> Index:
    """Index of 1 to 20 tiles, each group behind the one before it."""
    entries = np.array(draw(st.lists(_ENTRY, min_size=1, max_size=20)), np.int64)
    starts = draw(st.integers(0, 2**32 - 20 * 127)) + np.cumsum(entries[:, 1]) - entries[:, 1]
    return Index(entries[:, 0].astype(np.uint8), entries[:, 1], entries[:, 2].astype(np.uint16), starts[::8])


def _entries(index: Index) -> list[dict[str, int]]:
    rows = zip(index.modes.tolist(), index.bursts.tolist(), index.checks.tolist(), strict=True)
    return [{"mode": mode, "bursts": bursts, "check": check} for mode, bursts, check in rows]


def _words(data: bytes) -> list[int]:
    """Transfers of whole groups."""
    values = np.frombuffer(data, "<u8").tolist()
    return [value | (at % 4 == 3) << 64 for at, value in enumerate(values)]


def _orders(tiles: int, first: int = 0) -> list[int]:
    return [min(7, tiles - at - 1) | (first + at // 8) << 3 for at in range(0, tiles, 8)]


def _read(words: list[int], tiles: int, slot_bursts: int = 0, stall: str = "none", first: int = 0):
    """Modes, bursts, checks, bases, errors and lasts."""
    made = call(IndexReader(slot_bursts), {"i_group": _orders(tiles, first), "i": words}, {"o": tiles}, stall)
    packets = [Packet(GroupEntry()).from_bits(value) for value in made["o"].values]
    return [
        (p.data.entry.mode, p.data.entry.bursts, p.data.entry.check, p.data.base, p.data.error, p.last) for p in packets
    ]


@pytest.mark.parametrize("stall", STALLS)
@settings(max_examples=20)
@given(index=indexes())
def test_builder_writes_the_bytes_of_golden(stall, index):
    tiles = index.modes.size
    groups = [int(base) | number << 32 for number, base in enumerate(index.bases)]
    sent = [Packet(Entry()).const({"data": e, "last": at == tiles - 1}) for at, e in enumerate(_entries(index))]
    inputs = {"i_group": groups, "i": [packet.as_value().value for packet in sent]}
    made = call(IndexBuilder(), inputs, {"o": index_bytes(tiles) // 8}, stall)
    assert made["o"].values == _words(pack_index(index).tobytes())
    if stall == "none":
        assert made["o"].cycles[3::4] == [9 * k + 8 for k in range(len(groups))]


@pytest.mark.parametrize("stall", STALLS)
@settings(max_examples=20)
@given(index=indexes(), slot_bursts=st.sampled_from([0, 64]))
def test_reader_gives_what_golden_packed(stall, index, slot_bursts):
    tiles = index.modes.size
    made = _read(_words(pack_index(index).tobytes()), tiles, slot_bursts, stall)
    for at, (row, entry) in enumerate(zip(made, _entries(index), strict=True)):
        group, place = divmod(at, 8)
        before = place * slot_bursts if slot_bursts else int(index.bursts[8 * group : at].sum())
        base = (int(index.bases[group]) + before) % 2**32
        assert row == (*entry.values(), base, 0, at % 8 == 7 or at == tiles - 1)


def test_reader_takes_four_cycles_and_one_for_each_tile():
    index = Index(np.zeros(11, np.uint8), np.ones(11, np.int64), np.zeros(11, np.uint16), np.zeros(2, np.int64))
    words = _words(pack_index(index).tobytes())
    made = call(IndexReader(), {"i_group": _orders(11), "i": words}, {"o": 11})
    assert made["i"].cycles == [0, 1, 2, 3, 12, 13, 14, 15]
    assert made["o"].cycles == [*range(4, 12), 16, 17, 18]


@settings(max_examples=40)
@given(index=indexes(), data=st.data())
def test_any_flipped_bit_is_an_error_of_its_group_alone(index, data):
    tiles = index.modes.size
    words = _words(pack_index(index).tobytes())
    bit = data.draw(st.integers(0, 64 * len(words) - 1))
    words[bit // 64] ^= 1 << bit % 64
    errors = [row[4] for row in _read(words, tiles)]
    assert errors == [at // 8 == bit // 256 for at in range(tiles)]


def _signed_group(raw: int) -> bytes:
    """The group of 240 bits with its CRC, as group 0."""
    body = raw.to_bytes(30, "little")
    return body + CCITT_16.update(CCITT_16.mask, body).to_bytes(2, "little")


@pytest.mark.parametrize(
    ("raw", "tiles", "error"),
    [
        (8, 1, 0),
        (0, 1, 1),
        (8 | 1 << 25, 1, 1),
        (8 | 8 << 26, 1, 1),
        (8 | 8 << 26, 2, 0),
        (8 | 1 << 207, 7, 1),
        (sum(8 << 26 * k for k in range(8)), 8, 0),
        (sum(8 << 26 * k for k in range(7)), 8, 1),
    ],
)
def test_reader_refuses_entries_that_are_none_under_a_right_crc(raw, tiles, error):
    made = _read(_words(_signed_group(raw)), tiles)
    assert [row[4] for row in made] == [error] * tiles


def test_reader_refuses_a_group_of_another_number():
    words = _words(_signed_group(8))
    assert _read(words, 1, first=1)[0][4] == 1


@pytest.mark.parametrize("length", [1, 3, 5, 8])
def test_short_or_long_group_is_an_error_and_the_next_is_good(length):
    good = _words(_signed_group(8))
    bad = [8] * (length - 1) + [8 | 1 << 64]
    made = call(IndexReader(), {"i_group": [0, 0], "i": bad + good}, {"o": 2})
    errors = [Packet(GroupEntry()).from_bits(value).data.error for value in made["o"].values]
    assert errors == [1, 0]


@pytest.mark.parametrize("slot_bursts", [-1, 128])
def test_slots_longer_than_a_tile_can_be_are_refused(slot_bursts):
    with pytest.raises(ValueError, match=r"slot_bursts must be in 0\.\.127"):
        IndexReader(slot_bursts)
