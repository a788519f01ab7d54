# amaranth: UnusedElaboratable=no
"""A datapath of one decoder on Amaranth's simulator; all decoders are in tests/hw/rtl/test_verdicts.py."""

import numpy as np
import pytest

from golden.registry import weight_codec_from_config
from golden.weights.container import Scales, StoredWeights
from golden.weights.linear import LinearFormat, quantize
from hw.weights.datapath import Datapath
from hw.weights.datapath_ports import Engine, Where
from hw.weights.descriptors import Job, job_of
from hw.weights.ports import Fault
from tests.hw.weights.jobs import good, run_jobs


def packed_job(rng: np.random.Generator, shape, form: str, axis=None, scheme="symmetric", bits=8) -> Job:
    quantized = quantize(rng.normal(0, 0.1, shape).astype(np.float32), LinearFormat(bits, scheme, axis))
    codec = weight_codec_from_config({"codec": "packed", "bits": bits})
    return job_of(StoredWeights("w", codec, codec.encode(quantized.values), Scales.of(quantized)), form)


def test_an_order_for_a_decoder_that_is_not_there_has_no_beats():
    job = packed_job(np.random.default_rng(5), (8, 15), "int8", 0)
    absent = Job(job.fields | {"engine": Engine.MLW}, job.body, job.scales, job.expected[:0])
    came, verdicts, _ = run_jobs(Datapath(16, 2, (Engine.PACKED,)), [job, absent, job])
    assert verdicts == [(Fault.NONE,), (Fault.ORDER, Where.BODY, 0), (Fault.NONE,)]
    assert came == good(job) * 2


def test_codebooks_and_weights_that_do_not_fit_are_refused_in_words():
    codec = weight_codec_from_config({"codec": "packed"})
    stored = StoredWeights("w", codec, codec.encode(np.array([1, 2], np.int8)))
    with pytest.raises(ValueError, match="weights 'w' must have scales to become fp16"):
        job_of(stored, "fp16")
    codec = weight_codec_from_config({"codec": "huffman"})
    stored = StoredWeights("w", codec, codec.encode(np.array([1, 200], np.int16)))
    with pytest.raises(ValueError, match=r"weights must fit int8, not 1\.\.200"):
        job_of(stored, "int8")
    with pytest.raises(ValueError, match="engines must be one or more, each once, not"):
        Datapath(engines=())
    with pytest.raises(ValueError, match=r"bus_bits must be one of \(128, 256\), not 64"):
        Datapath(bus_bits=64)
