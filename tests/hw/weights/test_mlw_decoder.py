# amaranth: UnusedElaboratable=no
"""The decoder of Ethos-U weight streams on Amaranth's simulator: weights, faults and cycles."""

import numpy as np
import pytest
from amaranth.hdl import signed
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.weights.mlw import MlwDecoder
from hw.weights.mlw_ports import V_BITS, MlwOrder
from hw.weights.ports import Fault
from sim.timing_mlw import decode_times
from tests.hw.call import call
from tests.hw.weights.beats import payload_words, reports_of, tensors_of
from tests.hw.weights.mlw_streams import Stream, coded_stream, damaged, drawn_stream, of_fields

NOTHING = Stream(of_fields(), 0)
SOUND = (Fault.NONE, 0)


def decode(streams, stall="none", lanes=32, word_bits=128):
    """Weights and error flag of each tensor (none of an empty one), its report, and the trace."""
    inputs = {
        "order": [MlwOrder().const({"count": s.count, "narrow": 0}).as_value().value for s in streams],
        "i": [word for stream in streams for word in payload_words(stream.words, word_bits)],
    }
    counts = {"o": sum(-(-stream.count // lanes) for stream in streams), "report": len(streams)}
    trace = call(MlwDecoder(lanes, word_bits), inputs, counts, stall)
    came = iter(tensors_of(trace["o"].values, signed(V_BITS), lanes))
    tensors = [next(came) if stream.count else None for stream in streams]
    return tensors, reports_of(trace["report"].values), trace


def assert_decodes(streams, **settings):
    """Weights, reports and flags are golden's."""
    tensors, reports, trace = decode(streams, **settings)
    verdicts = [stream.verdict() for stream in streams]
    assert reports == [report for report, _ in verdicts]
    for stream, tensor, (report, weights) in zip(streams, tensors, verdicts, strict=True):
        if tensor is None:
            continue
        assert len(tensor.symbols) == stream.count
        assert tensor.error == (report != SOUND)
        assert report != SOUND or tensor.symbols == weights
    return trace


@pytest.mark.parametrize(
    ("stall", "lanes", "word_bits"), [("none", 32, 128), ("random", 16, 256), ("after_valid", 64, 128)], ids=str
)
@settings(max_examples=1)
@given(seed=st.integers(0, 2**32))
def test_decoder_reads_and_refuses_as_golden_does(stall, lanes, word_bits, seed):
    rng = np.random.default_rng(seed)
    sound = [NOTHING, drawn_stream(rng, 30), drawn_stream(rng, 30), NOTHING, NOTHING, coded_stream(rng, 150)]
    streams = [padded(stream, word_bits) for stream in sound]
    refused = [padded(damaged(rng, drawn_stream(rng, 12)), word_bits) for _ in range(6)]
    trace = assert_decodes(streams + refused, stall=stall, lanes=lanes, word_bits=word_bits)
    if stall == "none":
        assert_cycles(streams, trace, lanes)


def padded(stream: Stream, word_bits: int) -> Stream:
    """The stream filled up to whole words."""
    return Stream(stream.data + b"\xff" * (-len(stream.data) % (word_bits // 8)), stream.count)


def assert_cycles(streams, trace, lanes):
    begin, beats = trace["order"].cycles[0], []
    for stream, ordered, reported in zip(streams, trace["order"].cycles, trace["report"].cycles, strict=False):
        times = decode_times(stream.words, 8 * len(stream.data), stream.count, lanes)
        assert (ordered, reported) == (begin, begin + times.report)
        beats += (begin + times.beats).tolist()
        begin = reported + 1
    assert trace["o"].cycles[: len(beats)] == beats


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"lanes": 8}, r"lanes must be one of \(16, 32, 64\), not 8"),
        ({"word_bits": 64}, r"word_bits must be one of \(128, 256\), not 64"),
    ],
    ids=str,
)
def test_parameters_are_checked(parameters, message):
    with pytest.raises(ValueError, match=message):
        MlwDecoder(**parameters)
