"""Speed of the activation codecs on the default network's tensors: `make bench`.

Raw bytes per second of CPU time on one core, with all that a tile costs: scan order, sizes, choice of mode, CRC and
index. Compilation and the shared scan orders are warmed. The best of several rounds counts, as the machine may be
shared; each figure stands beside `numpy.copy` of the same bytes in the same run.
"""

import time

import numpy as np
import pytest

from golden.tile_format import DEFAULT_MODES, TileFormat
from golden.tile_stream import decode_tensor, encode_tensor, tensor_sizes
from sim.images import load_images, preprocess
from sim.lite0 import INPUT_PIXELS, build_lite0
from sim.network import load_network
from sim.tensors import capture

SIZES_MB_PER_S = 200.0
STREAM_MB_PER_S = 100.0

CHOICES = {mode: ("raw", mode) for mode in DEFAULT_MODES[1:]} | {"raw": ("raw",), "all": DEFAULT_MODES}

pytestmark = [pytest.mark.bench, pytest.mark.benchmark(timer=time.process_time, warmup=True, warmup_iterations=2)]


@pytest.fixture(scope="module")
def tensors():
    """(symbols, zero point) of the 49 tensors of one photo that reach memory between layers."""
    network = load_network(build_lite0())
    captured = capture(network, preprocess(load_images()[:1], INPUT_PIXELS, INPUT_PIXELS))
    inner = [name for name in network.tensors if name not in (*network.inputs, *network.outputs)]
    assert len(inner) == 49
    return [(np.ascontiguousarray(captured.symbols[name][0]), captured.quantization[name].zero_point) for name in inner]


@pytest.fixture(scope="module")
def copy_seconds(tensors):
    """Best CPU time of copying all tensors."""
    return min(_seconds(lambda: [np.copy(symbols) for symbols, _ in tensors]) for _ in range(50))


def _seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def report(benchmark, name, tensors, copy_seconds, target):
    """Print and keep the rate and its ratio to the copy, and hold it to the target."""
    raw_bytes = sum(symbols.nbytes for symbols, _ in tensors)
    rate = raw_bytes / benchmark.stats.stats.min / 1e6
    ratio = benchmark.stats.stats.min / copy_seconds
    benchmark.extra_info.update(mb_per_cpu_s=round(rate, 1), copy_ratio=round(ratio, 1), raw_bytes=raw_bytes)
    print(f"\n{name}: {rate:.0f} MB/s of raw bytes per CPU second, {ratio:.0f} x numpy.copy")
    assert rate >= target


choices = pytest.mark.parametrize("choice", CHOICES)


@choices
def test_sizes(benchmark, tensors, copy_seconds, choice):
    fmt = TileFormat(modes=CHOICES[choice])
    benchmark(lambda: [tensor_sizes(symbols, fmt, zero_point) for symbols, zero_point in tensors])
    report(benchmark, f"sizes {choice}", tensors, copy_seconds, SIZES_MB_PER_S)


@choices
def test_encode(benchmark, tensors, copy_seconds, choice):
    fmt = TileFormat(modes=CHOICES[choice])
    benchmark(lambda: [encode_tensor(symbols, fmt, zero_point) for symbols, zero_point in tensors])
    report(benchmark, f"encode {choice}", tensors, copy_seconds, STREAM_MB_PER_S)


@choices
def test_decode(benchmark, tensors, copy_seconds, choice):
    fmt = TileFormat(modes=CHOICES[choice])
    streams = [encode_tensor(symbols, fmt, zero_point) for symbols, zero_point in tensors]
    benchmark(lambda: [decode_tensor(stream) for stream in streams])
    report(benchmark, f"decode {choice}", tensors, copy_seconds, STREAM_MB_PER_S)
