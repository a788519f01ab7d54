"""Speed of prc on the default network's tensors: `make bench`. Raw bytes per second of CPU time on one core.

Sizes, encoder and decoder alone, without scan order, CRC and index, which test_codec_bench.py measures.
"""

import time

import numpy as np
import pytest

from golden.activations.prc import Prc
from golden.activations.scan import scan_order
from golden.tiles import TileMemory
from sim.prc_study import lite0_tensors

TARGET_MB_PER_S = 20.0

pytestmark = [pytest.mark.bench, pytest.mark.benchmark(timer=time.process_time, warmup=True, warmup_iterations=1)]


@pytest.fixture(scope="module")
def coded():
    """(symbols, tiles, zero point, coded memory) of each tensor of the first photo."""
    found, codec = [], Prc()
    for tensor, zero_point in lite0_tensors()[::4]:
        order, tiles = scan_order(tensor.shape, "tile-planar")
        symbols = tensor.reshape(-1)[order]
        ends = np.cumsum(-(-codec.tile_bits(symbols, tiles, zero_point) // 64))
        spans = np.stack([np.append(0, ends[:-1]), ends], axis=1)
        memory = TileMemory(np.zeros(ends[-1], np.uint64), spans, np.arange(tiles.count))
        codec.encode_tiles(symbols, tiles, zero_point, memory)
        found.append((symbols, tiles, zero_point, memory))
    return found


def sizes(codec, symbols, tiles, zero_point, memory):
    codec.tile_bits(symbols, tiles, zero_point)


def encode(codec, symbols, tiles, zero_point, memory):
    codec.encode_tiles(symbols, tiles, zero_point, TileMemory(np.zeros_like(memory.words), memory.spans, memory.chosen))


def decode(codec, symbols, tiles, zero_point, memory):
    codec.decode_tiles(memory, tiles, zero_point, np.empty_like(symbols))


@pytest.mark.parametrize("work", [sizes, encode, decode], ids=lambda work: work.__name__)
def test_prc(benchmark, coded, work):
    codec = Prc()
    benchmark(lambda: [work(codec, *case) for case in coded])
    rate = sum(case[0].nbytes for case in coded) / benchmark.stats.stats.min / 1e6
    benchmark.extra_info.update(mb_per_cpu_s=round(rate, 1))
    print(f"\n{work.__name__} prc: {rate:.0f} MB/s of raw bytes per CPU second")
    assert rate >= TARGET_MB_PER_S
