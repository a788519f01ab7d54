"""Each codec against a slow model of its docstring, and against examples worked by hand."""

import importlib
import re

import bit_models
import numpy as np
import pytest
from codec_strategies import coded
from hypothesis import given
from hypothesis import strategies as st

from golden.activations.raw import Raw
from golden.activations.srlc import Srlc, SrlcFormat
from golden.activations.zrlc import Zrlc, ZrlcFormat
from golden.activations.zvc import Zvc, ZvcFormat
from golden.codec import CorruptStreamError, Encoded

every_codec = pytest.mark.parametrize("codec_id", ["raw", "srlc", "zrlc", "zvc"])


def stream_bytes(encoded: Encoded) -> str:
    """The bytes of a stream as documents print them."""
    return encoded.words.astype("<u8").tobytes()[: -(-encoded.bits // 8)].hex(" ").upper()


@every_codec
@given(st.data())
def test_encoder_writes_what_the_model_writes(codec_id, data):
    codec, values, zero_point = data.draw(coded(codec_id))
    expected = bit_models.encode(codec.config(), values, zero_point)
    encoded = codec.encode(values, zero_point)
    assert encoded.words.tolist() == bit_models.words_of(expected)
    assert encoded.bits == len(expected)


@st.composite
def damaged(draw, codec_id):
    """A stream with bits flipped, cut off or put behind, or with another count: some are still streams."""
    codec, values, zero_point = draw(coded(codec_id))
    bits = list(bit_models.encode(codec.config(), values, zero_point))
    for place in draw(st.lists(st.integers(0, max(0, len(bits) - 1)), max_size=3)):
        if bits:
            bits[place] = "10"[int(bits[place])]
    bits = bits[: draw(st.integers(0, len(bits)) | st.just(len(bits)))]
    bits += draw(st.text("01", max_size=70) | st.just(""))
    count = draw(st.integers(0, 3).map(lambda more: len(values) + more) | st.integers(0, len(values) + 9))
    return codec, "".join(bits), count, zero_point


@every_codec
@given(st.data())
def test_decoder_takes_and_refuses_what_the_model_does(codec_id, data):
    codec, bits, count, zero_point = data.draw(damaged(codec_id))
    encoded = Encoded(np.array(bit_models.words_of(bits), np.uint64), len(bits), count, zero_point)
    try:
        expected = bit_models.decode(codec.config(), bits, count, zero_point)
    except bit_models.Refused:
        with pytest.raises(CorruptStreamError, match="bit"):
            codec.decode(encoded)
    else:
        assert codec.decode(encoded).tolist() == expected


@every_codec
@given(st.data())
def test_decoder_of_the_model_inverts_the_encoder(codec_id, data):
    codec, values, zero_point = data.draw(coded(codec_id))
    encoded = codec.encode(values, zero_point)
    bits = "".join(bit_models.field(word, 64) for word in encoded.words.tolist())[: encoded.bits]
    assert bit_models.decode(codec.config(), bits, len(values), zero_point) == values


EXAMPLES = [
    ("raw", "1, 2, 255", Raw(), [1, 2, 255], "01 02 FF"),
    ("raw", "(none)", Raw(), [], ""),
    ("raw", "W = 4: 1, 2, 15", Raw(Raw.format_type(4)), [1, 2, 15], "21 0F"),
    ("srlc", "2, 2, 2, 2, 2 (figure 1)", Srlc(), [2] * 5, "14 00"),
    ("srlc", "nine times 255", Srlc(), [255] * 9, "FF C7 3F"),
    ("srlc", "(none)", Srlc(), [], ""),
    ("zrlc", "0, 0, 7, 5", Zrlc(), [0, 0, 7, 5], "3A 40 01"),
    ("zrlc", "eight zeros and a 1", Zrlc(), [0] * 8 + [1], "07 40 00"),
    ("zrlc", "0, 0, 0", Zrlc(), [0] * 3, "02 00"),
    ("zvc", "0, 5, 0, 0, 9", Zvc(), [0, 5, 0, 0, 9], "12 05 09"),
    ("zvc", "eight zeros, then 7", Zvc(), [0] * 8 + [7], "00 01 07"),
    ("zvc", "(none)", Zvc(), [], ""),
]


@pytest.mark.parametrize(
    ("module", "label", "codec", "values", "expected"), EXAMPLES, ids=lambda value: str(value)[:24]
)
def test_worked_example_of_the_docstring(module, label, codec, values, expected):
    text = importlib.import_module(f"golden.activations.{module}").__doc__
    printed = expected or "(none)"
    assert re.search(rf"^{re.escape(label)} .*  {re.escape(printed)}$", text, re.MULTILINE), (
        f"{label} is not in the table"
    )
    encoded = codec.encode(values)
    assert stream_bytes(encoded) == expected
    assert codec.decode(encoded).tolist() == values


@pytest.mark.parametrize("module", ["raw", "srlc", "zrlc", "zvc"])
def test_every_row_of_the_docstring_is_worked(module):
    table = re.split(r"^=+ .*\n", importlib.import_module(f"golden.activations.{module}").__doc__, flags=re.MULTILINE)
    rows = [row for row in table[-2].splitlines() if row]
    assert len(rows) == sum(example[0] == module for example in EXAMPLES)


def test_figure_1_run_of_five_twos_is_one_token():
    """Kim et al., figure 1: symbol 2 in 8 bits and run 5 in 3 bits. As run - 1 = 100b before 00000010b."""
    encoded = Srlc(SrlcFormat(3, 8)).encode([2] * 5)
    assert encoded.bits == 11
    assert encoded.words.tolist() == [0b00000010_100]


def test_srlc_splits_runs_and_keeps_the_rest_whole():
    """R = 1: five equal symbols are runs of 2, 2 and 1."""
    assert Srlc(SrlcFormat(1, 4)).encode([9] * 5).words.tolist() == [0b1001_0_1001_1_1001_1]


def test_zrlc_levels_are_unchanged_symbols_about_a_zero_point():
    """Zero is 128: runs of 128 vanish, a literal 0 is a level like others."""
    encoded = Zrlc().encode([128, 128, 0, 128, 255], 128)
    assert encoded.words.tolist() == [(2 | 0 << 3) | (1 | 255 << 3) << 11]
    assert Zrlc().decode(encoded).tolist() == [128, 128, 0, 128, 255]


def test_zrlc_zeros_that_just_fill_a_token_need_no_other():
    """R = 2: four zeros at the end are (3, zero); before a level they are (3, zero) (0, level)."""
    codec = Zrlc(ZrlcFormat(2, 4))
    assert codec.encode([0] * 4).words.tolist() == [3]
    assert codec.encode([0] * 4 + [5]).words.tolist() == [3 | (0 | 5 << 2) << 6]


EYERISS = Zrlc(ZrlcFormat(5, 16, "eyeriss"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        # Three pairs fill a word: flag at bit 0, pairs at 1, 22 and 43, the level above its run.
        ([0, 0, 7, 5, 0, 9], [1 | (2 | 7 << 5) << 1 | (0 | 5 << 5) << 22 | (1 | 9 << 5) << 43]),
        # A fourth pair begins a word of its own: the flag moves there, the other pairs are zero.
        ([1, 2, 3, 4], [1 << 6 | 2 << 27 | 3 << 48, 1 | 4 << 6]),
        # A run of 31 is the longest; 32 zeros are (31, zero).
        ([0] * 31 + [65535], [1 | (31 | 65535 << 5) << 1]),
        ([0] * 32, [1 | 31 << 1]),
        ([0] * 33 + [1], [1 | 31 << 1 | (1 | 1 << 5) << 22]),
        # One symbol; none.
        ([0], [1]),
        ([], []),
    ],
    ids=lambda value: str(value)[:20],
)
def test_eyeriss_words_by_hand(values, words):
    encoded = EYERISS.encode(values)
    assert encoded.words.tolist() == words
    assert encoded.bits == 64 * len(words)
    assert EYERISS.decode(encoded).tolist() == values


def test_zvc_mask_goes_before_its_data():
    """W = 4: M_0, the data of group 0, M_1, the data of group 1."""
    values = [0, 3, 0, 0, 0, 0, 0, 0xA, 0xF, 0]
    encoded = Zvc(ZvcFormat(4)).encode(values)
    assert encoded.words.tolist() == [0b10000010 | 0x3 << 8 | 0xA << 12 | 0b01 << 16 | 0xF << 24]
    assert encoded.bits == 28


def test_zvc_groups_of_wide_symbols_have_16_members():
    encoded = Zvc(ZvcFormat(16)).encode([0] * 15 + [513])
    assert encoded.words.tolist() == [1 << 15 | 513 << 16]
    assert encoded.bits == 32
