"""The pipeline: timelines worked out by hand, and laws of any schedule."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.pipeline import STAGES, PipelineParameters, StepTimes, fifo_bytes_needed, run_pipeline


def times(load, decode, compute, encode, store, load_bytes=None, store_bytes=None):
    columns = (load, decode, compute, encode, store, load_bytes or load, store_bytes or store)
    return StepTimes(*(np.array(column, np.float64) for column in columns))


def spans(timeline, stage):
    return timeline.spans_ns[STAGES.index(stage)].tolist()


def test_double_buffers_overlap_loads_arithmetic_and_stores():
    # Load 2 waits for the buffer of step 0 (free at 30), store 0 for load 2, which asked at the same time.
    timeline = run_pipeline(times([10] * 3, [0] * 3, [20] * 3, [0] * 3, [5] * 3))
    assert spans(timeline, "load") == [[0, 10], [10, 20], [30, 40]]
    assert spans(timeline, "compute") == [[10, 30], [30, 50], [50, 70]]
    assert spans(timeline, "store") == [[40, 45], [50, 55], [70, 75]]
    assert (timeline.time_ns, timeline.bottleneck, timeline.bottleneck_share) == (75, "compute", 60 / 75)


def test_single_buffers_wait_for_each_other():
    timeline = run_pipeline(times([10] * 3, [0] * 3, [20] * 3, [0] * 3, [5] * 3), PipelineParameters(buffers=1))
    assert spans(timeline, "load") == [[0, 10], [30, 40], [65, 75]]
    assert spans(timeline, "compute") == [[10, 30], [45, 65], [80, 100]]
    assert timeline.time_ns == 105


@pytest.mark.parametrize(("fifo", "held"), [(0, 20), (25, 15), (50, 10), (90, 10)])
def test_a_read_fifo_frees_memory_from_a_slow_decoder(fifo, held):
    one = times([10], [20], [1], [0], [0], [100])
    timeline = run_pipeline(one, PipelineParameters(read_fifo_bytes=fifo))
    assert spans(timeline, "load") == [[0, held]]
    assert spans(timeline, "decode") == [[0, 20]]
    assert timeline.time_ns == 21
    assert fifo_bytes_needed(one) == (50, 0)


@pytest.mark.parametrize(("fifo", "store"), [(0, [2, 22]), (25, [7, 22]), (50, [12, 22])])
def test_a_write_fifo_gathers_what_a_slow_encoder_makes(fifo, store):
    one = times([1], [0], [1], [20], [10], None, [100])
    timeline = run_pipeline(one, PipelineParameters(write_fifo_bytes=fifo))
    assert spans(timeline, "store") == [store]
    assert spans(timeline, "encode")[0][1] == 22
    assert fifo_bytes_needed(one) == (0, 50)


def test_loads_wait_for_a_decoder_that_is_behind():
    # The FIFO takes all of a load; memory is free at 10 and stores meanwhile, the decoder is not before 30.
    timeline = run_pipeline(times([10, 10], [30, 30], [1, 1], [0, 0], [5, 5]), PipelineParameters(read_fifo_bytes=10))
    assert spans(timeline, "load") == [[0, 10], [30, 40]]
    assert spans(timeline, "decode") == [[0, 30], [30, 60]]
    assert spans(timeline, "store") == [[40, 45], [61, 66]]


def test_latencies_count_for_coded_steps_alone():
    parameters = PipelineParameters(decode_latency_ns=3, encode_latency_ns=4)
    assert run_pipeline(times([10], [5], [20], [5], [10]), parameters).time_ns == 10 + 3 + 20 + 4 + 10
    assert run_pipeline(times([10], [0], [20], [0], [10]), parameters).time_ns == 40


def test_each_resource_can_be_the_bottleneck():
    base = {"load": [4], "decode": [4], "compute": [4], "encode": [4], "store": [4]}
    found = [run_pipeline(times(**{**base, stage: [90]})).bottleneck for stage in STAGES]
    assert found == ["memory", "decode", "compute", "encode", "memory"]


durations = st.integers(0, 3).flatmap(lambda kind: st.just(0) if kind == 0 else st.integers(1, 50))


@st.composite
def step_times(draw):
    count = draw(st.integers(1, 7))
    return times(*(draw(st.lists(durations, min_size=count, max_size=count)) for _ in range(7)))


@given(step_times(), st.integers(0, 100), st.integers(1, 3))
@settings(max_examples=300)
def test_laws_of_any_schedule(steps, fifo, buffers):
    timeline = run_pipeline(steps, PipelineParameters(fifo, fifo, buffers=buffers))
    load, decode, compute, encode, store = timeline.spans_ns
    coded = decode[steps.decode_ns > 0]
    assert (coded[1:, 0] >= coded[:-1, 0] + steps.decode_ns[steps.decode_ns > 0][:-1]).all()
    assert (timeline.spans_ns[:, :, 1] >= timeline.spans_ns[:, :, 0]).all()
    assert timeline.time_ns >= max(timeline.busy_ns.values())
    assert timeline.time_ns <= sum(timeline.busy_ns.values())
    moved = sorted(span for span in (*load.tolist(), *store.tolist()) if span[1] > span[0])
    assert all(after[0] >= before[1] for before, after in itertools.pairwise(moved))
    assert (compute[1:, 0] >= compute[:-1, 1]).all()
    assert (compute[:, 0] >= load[:, 1]).all()
    assert (encode[:, 0] >= compute[:, 1]).all()
    assert (load[buffers:, 0] >= compute[:-buffers, 1]).all()
    assert (compute[buffers:, 0] >= encode[:-buffers, 1]).all()


@given(step_times())
def test_with_the_fifo_it_asks_for_memory_never_waits(steps):
    read, write = fifo_bytes_needed(steps)
    timeline = run_pipeline(steps, PipelineParameters(read, write))
    held = timeline.spans_ns[[0, 4], :, 1] - timeline.spans_ns[[0, 4], :, 0]
    assert np.allclose(held[0][steps.load_bytes > 0], steps.load_ns[steps.load_bytes > 0])
    assert np.allclose(held[1][steps.store_bytes > 0], steps.store_ns[steps.store_bytes > 0])


def test_wrong_parameters_and_times_are_told():
    with pytest.raises(ValueError, match="read_fifo_bytes must be at least 0, not -1"):
        PipelineParameters(read_fifo_bytes=-1)
    with pytest.raises(ValueError, match="buffers must be at least 1, not 0"):
        PipelineParameters(buffers=0)
    with pytest.raises(ValueError, match="store_ns must be finite and at least 0"):
        times([1], [1], [1], [1], [-1])
    with pytest.raises(ValueError, match=r"decode_ns must have the shape of load_ns, \(1,\), not \(2,\)"):
        times([1], [1, 1], [1], [1], [1])
