# amaranth: UnusedElaboratable=no
"""The decoder of Ethos-U weight streams as a compiled model: real weights, the reference coder, damage; every cycle."""

from itertools import pairwise

import numpy as np
import pytest

from golden.weights.mlw import Mlw, write_stream
from golden.weights.mlw_format import MlwFormat
from hw.harness import Harness, Stalls
from hw.transfers import fields_of, from_fields, words_of
from hw.weights.mlw import MlwDecoder
from hw.weights.ports import Fault
from sim.lite0 import build_lite0
from sim.timing import SHELL_CYCLES
from sim.timing_mlw import decode_times
from sim.weights import find_weights
from tests.golden.weights.mlw_reference import run_reference
from tests.hw.weights.mlw_streams import Stream, coded_stream, damaged, drawn_stream, filled, raw_slice

pytestmark = pytest.mark.rtl

LANES = 32
STALLS = {"none": Stalls(), "both": Stalls(300, 300), "slow sink": Stalls(0, 700), "after valid": Stalls(0, 0, True)}


@pytest.fixture(scope="module")
def model():
    return Harness(MlwDecoder(LANES), "thinwire_mlw")


def decode(model, streams, stalls=None, narrow=False):
    """Weights, faults and positions of each stream, and the run."""
    (order,) = set(model.inputs) - {"s_axis"}
    (report,) = set(model.outputs) - {"m_axis"}
    ends = np.cumsum([len(stream.data) // 8 for stream in streams])
    spans = np.column_stack([np.append(0, ends[:-1]), ends])
    counts = np.array([stream.count for stream in streams])
    beats = -(-counts // LANES)
    inputs = {
        "s_axis": words_of(model.inputs["s_axis"], np.concatenate([stream.words for stream in streams]), spans),
        order: fields_of(model.inputs[order], {"count": counts, "narrow": int(narrow)}),
    }
    run = model.run(inputs, {"m_axis": int(beats.sum()), report: len(streams)}, stalls)
    assert run.finished
    symbols = np.ascontiguousarray(run.records["m_axis"][:, :-1]).view(np.uint16).reshape(-1, LANES).astype(np.int16)
    symbols -= (symbols & 256) << 1
    starts = np.append(0, np.cumsum(beats))
    weights = [symbols[first:end].ravel()[:count] for (first, end), count in zip(pairwise(starts), counts, strict=True)]
    reports = from_fields(model.outputs[report], run.records[report])
    verdicts = [(Fault(int(f)), int(p) if f else 0) for f, p in zip(reports["fault"], reports["position"], strict=True)]
    return weights, verdicts, run


def assert_decodes(model, streams, stalls=None):
    weights, verdicts, run = decode(model, streams, stalls)
    golden = [stream.verdict() for stream in streams]
    assert verdicts == [verdict for verdict, _ in golden]
    for came, (verdict, expected) in zip(weights, golden, strict=True):
        assert verdict[0] is not Fault.NONE or came.tolist() == expected
    return run


@pytest.mark.parametrize("stalls", STALLS)
def test_streams_of_every_kind_and_damage(model, stalls):
    rng = np.random.default_rng(list(STALLS).index(stalls))
    sound = [drawn_stream(rng) if n % 2 else coded_stream(rng, int(rng.integers(1, 900))) for n in range(200)]
    unasked = [Stream(stream.data, 0) for stream in sound[:40]]
    streams = [*unasked, *sound[:40], *(damaged(rng, stream) for stream in sound)]
    faults = {stream.verdict()[0][0] for stream in streams}
    assert {Fault.CODE, Fault.SHORT, Fault.OVERRUN, Fault.NONE} <= faults
    assert_decodes(model, streams, STALLS[stalls])


def test_weights_that_are_no_int8_are_refused_if_they_must_be_narrow(model):
    wide = [[3, 128, 4], [-129], [5] * 13 + [255], [-255], [127, -128, 0]]
    streams = [Stream(raw_slice(weights), len(weights)) for weights in wide]
    weights, verdicts, _ = decode(model, streams, narrow=True)
    assert verdicts == [(Fault.RANGE, 36 + 9 * at) for at in (1, 0, 13, 0)] + [(Fault.NONE, 0)]
    assert weights[4].tolist() == wide[4]
    assert_decodes(model, streams)


def test_streams_of_the_reference_coder(model):
    rng = np.random.default_rng(3)
    tensors = [rng.integers(-255, 256, 500), rng.integers(-3, 4, 900), np.full(200, 7), np.zeros(300)]
    tensors += [rng.choice(rng.integers(-255, 256, 20), 700) * (rng.random(700) < density) for density in (1, 0.3, 0.1)]
    lists = [tensor.astype(int).tolist() for tensor in tensors]
    streams = [Stream(filled(data), len(row)) for data, row in zip(run_reference(lists), lists, strict=True)]
    weights, verdicts, _ = decode(model, streams)
    assert [came.tolist() for came in weights] == lists
    assert {fault for fault, _ in verdicts} == {Fault.NONE}


def quantized(values: np.ndarray, density: float) -> np.ndarray:
    """Weights in -127..127, the smallest of them zero."""
    pruned = np.where(np.abs(values) >= np.quantile(np.abs(values), 1 - density), values, 0)
    return np.rint(pruned * (127 / np.abs(values).max())).astype(np.int8).ravel()


def test_real_weights_are_those_of_the_reference_decoder(model):
    weights = sorted((weight.values for weight in find_weights(build_lite0())), key=np.size)
    tensors = [
        quantized(values, density) for values, density in zip(weights[4:24:5], (1.0, 0.5, 0.2, 0.1), strict=True)
    ]
    streams = [Stream(filled(write_stream(tensor)), tensor.size) for tensor in tensors]
    came, verdicts, _ = decode(model, streams)
    assert {fault for fault, _ in verdicts} == {Fault.NONE}
    assert [row.tolist() for row in came] == run_reference([stream.data for stream in streams])


def test_empty_masks_behind_a_whole_row_of_masks(model):
    # Blocks that end with a row of masks, some with a run of no zeros that is alone in its chunk.
    rng = np.random.default_rng(5)
    tensors = [rng.integers(-90, 91, 6400) * (rng.random(6400) < density) for density in (0.1, 0.2, 0.3, 0.4) * 4]
    coded = [Mlw(MlwFormat(entry_weights=64)).encode(tensor) for tensor in tensors]
    streams = [Stream(filled(c.words.tobytes()[: c.bits // 8]), t.size) for c, t in zip(coded, tensors, strict=True)]
    came, verdicts, _ = decode(model, streams)
    assert all(map(np.array_equal, came, tensors))
    assert {fault for fault, _ in verdicts} == {Fault.NONE}


@pytest.mark.parametrize(("density", "least"), [(1.0, 8.0), (0.1, 29.0)])
def test_real_weights_take_the_cycles_of_the_model(model, density, least):
    weights = sorted((weight.values for weight in find_weights(build_lite0())), key=np.size)
    tensors = [quantized(values, density) for values in (*weights[10:40:6], weights[-4])]
    coded = [Mlw().encode(tensor) for tensor in tensors]
    streams = [Stream(c.words.tobytes()[: c.bits // 8], t.size) for c, t in zip(coded, tensors, strict=True)]
    came, verdicts, run = decode(model, streams)
    assert all(map(np.array_equal, came, tensors))
    assert {fault for fault, _ in verdicts} == {Fault.NONE}
    begin, expected = 0, []
    for stream in streams:
        times = decode_times(stream.words, 8 * len(stream.data), stream.count)
        expected.append(begin + times.beats)
        begin += times.report + 1
    cycles = run.times["m_axis"].astype(np.int64)
    assert np.array_equal(cycles - SHELL_CYCLES, np.concatenate(expected))
    assert sum(map(np.size, tensors)) / cycles[-1] >= least
