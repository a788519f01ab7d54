# amaranth: UnusedElaboratable=no
"""Packed integers against golden: dense and cut, under stalls, a beat in every cycle."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.bits import pack
from golden.weights.packed import Packed, PackedFormat
from hw.weights.ports import Fault
from hw.weights.unpack import Unpacker, UnpackOrder
from tests.hw.call import STALLS, call
from tests.hw.weights.beats import payload_words, reports_of, tensors_of


@dataclass(frozen=True)
class Fields:
    """Weights and the width of their fields; from 0 on where they are no weights but codes."""

    width: int
    values: tuple[int, ...]
    negative: bool = True

    def words(self, word_bits: int) -> list[int]:
        values = np.array(self.values, np.int64)
        if not self.negative:
            return payload_words(pack(values, self.width)[0], word_bits)
        return payload_words(Packed(PackedFormat(self.width)).encode(values.astype(np.int8)).words, word_bits)

    @property
    def order(self) -> int:
        fields = {"width": self.width, "negative": int(self.negative), "count": len(self.values)}
        return UnpackOrder().const(fields).as_value().value

    @property
    def symbols(self) -> list[int]:
        return [value & 0xFF for value in self.values]


def unpack(tensors, lanes, stall="none", words=None):
    """What came out of each tensor, its report, and the trace."""
    core = Unpacker(lanes)
    words = [tensor.words(core.word_bits) for tensor in tensors] if words is None else words
    inputs = {"order": [tensor.order for tensor in tensors], "i": [word for part in words for word in part]}
    beats = sum(-(-len(tensor.values) // lanes) for tensor in tensors)
    trace = call(core, inputs, {"o": beats, "report": len(tensors)}, stall)
    return tensors_of(trace["o"].values, 8, lanes), reports_of(trace["report"].values), trace


@st.composite
def fields(draw, most=90):
    width, negative = draw(st.integers(2, 8)), draw(st.booleans())
    low = -(1 << (width - 1)) if negative else 0
    values = st.integers(low, low + (1 << width) - 1)
    return Fields(width, tuple(draw(st.lists(values, max_size=most))), negative)


@pytest.mark.parametrize("stall", STALLS)
@settings(max_examples=3)
@given(tensors=st.lists(fields(), min_size=4, max_size=8))
def test_unpacker_reads_what_golden_writes(stall, tensors):
    came, reports, _ = unpack(tensors, 8, stall)
    assert [tensor.symbols for tensor in came] == [tensor.symbols for tensor in tensors if tensor.values]
    assert reports == [(Fault.NONE, 0)] * len(tensors)
    assert not any(tensor.error for tensor in came)


@pytest.mark.parametrize("stall", STALLS)
@settings(max_examples=3)
@given(data=st.data())
def test_every_other_payload_is_refused_and_the_next_tensor_read(stall, data):
    tensors, words, expected = [], [], []
    for _ in range(6):
        tensor = data.draw(fields().filter(lambda tensor: tensor.values))
        own, bits = tensor.words(64), tensor.width * len(tensor.values)
        match data.draw(st.sampled_from(["none", "cut", "more", "padding"])):
            case "cut" if len(own) > 1:
                own = [*own[:-2], own[-2] | 1 << 64]
                expected.append((Fault.SHORT, 64 * len(own)))
            case "more":
                extra = data.draw(st.integers(1, 3))
                own = [*own[:-1], own[-1] ^ 1 << 64, *[0] * (extra - 1), 1 << 64]
                expected.append((Fault.LONG, bits))
            case "padding" if bits % 64:
                own = [*own[:-1], own[-1] | 1 << data.draw(st.integers(bits % 64, 63))]
                expected.append((Fault.LONG, bits))
            case _:
                expected.append((Fault.NONE, 0))
        tensors.append(tensor)
        words.append(own)
    came, reports, _ = unpack(tensors, 8, stall, words)
    assert reports == expected
    for tensor, made, (fault, _) in zip(tensors, came, expected, strict=True):
        assert made.error == (fault is not Fault.NONE)
        assert len(made.symbols) == len(tensor.values)
        if fault is Fault.SHORT:
            whole = len(tensor.values) * 0 + (64 * (len(tensor.words(64)) - 1) // tensor.width) // 8 * 8
            assert made.symbols[:whole] == tensor.symbols[:whole]
            assert not any(made.symbols[whole:])
        else:
            assert made.symbols == tensor.symbols


@pytest.mark.parametrize("width", [2, 5, 8])
def test_sixteen_weights_in_every_cycle(width):
    tensor = Fields(width, tuple((np.arange(640) % (1 << width) - (1 << (width - 1))).tolist()))
    came, _, trace = unpack([tensor], 16)
    assert came[0].symbols == tensor.symbols
    cycles = trace["o"].cycles
    assert cycles[:-1] == list(range(cycles[0], cycles[0] + 39))
    assert cycles[0] == trace["i"].cycles[0] + 2
    assert cycles[-1] == cycles[-2] + 2


def test_widths_that_no_field_has_are_refused():
    good = Fields(3, (1, 2, 3))
    bad = UnpackOrder().const({"width": 9, "negative": 0, "count": 20}).as_value().value
    core = Unpacker(8)
    words = [*payload_words(np.arange(3, dtype=np.uint64), 64), *good.words(64)]
    trace = call(core, {"order": [bad, good.order], "i": words}, {"o": 4, "report": 2})
    assert reports_of(trace["report"].values) == [(Fault.ORDER, 0), (Fault.NONE, 0)]
    assert [tensor.symbols for tensor in tensors_of(trace["o"].values, 8, 8)] == [[0] * 20, good.symbols]


def test_lanes_are_checked():
    with pytest.raises(ValueError, match="lanes must be a power of two of at least 2, not 12"):
        Unpacker(12)
