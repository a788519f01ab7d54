"""Cycles of tiles: the stepped models' ends, cut into tiles, and what a step makes of several units."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.activations.scan import scan_order
from golden.tile_format import TileFormat
from golden.tile_stream import encode_tensor, tensor_sizes
from sim.accelerator import load_accelerator
from sim.coded_tensors import coded_images
from sim.config import RunConfig
from sim.external import Transactions
from sim.images import PHOTOS, load_images
from sim.lite0 import build_lite0
from sim.network import load_network
from sim.network_plan import plan_network
from sim.run import record
from sim.simulated_layer import SimulationConfig, _codec_cycles
from sim.simulation import simulate_plans
from sim.tile_plan import tile_symbols
from sim.tile_times import no_times, tile_times
from sim.timing import SHELL_CYCLES, CodecTiming
from sim.timing_prc import DECODE_LATENCY_CYCLES, encode_latency_cycles
from sim.timing_tiles import CodedTiles


def noise(shape, share, seed=7):
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 256, shape) * (rng.random(shape) < share)).astype(np.uint8)


@pytest.mark.parametrize("lanes", [1, 4, 8])
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("shape", [(20, 19, 13), (24, 16, 24), (3, 9, 9)], ids=str)
def test_times_are_those_of_the_stepped_models(shape, lanes, share):
    fmt, tensor = TileFormat(tile=(8, 8, 8)), noise(shape, share)
    sizes = tensor_sizes(tensor, fmt)
    found = tile_times(tensor, fmt, 0, sizes, lanes)
    order, tiles = scan_order(tensor.shape, fmt.scan, fmt.tile)
    starts, shapes = np.asarray(tiles.starts, np.int64), np.asarray(tiles.shapes)
    coded = CodedTiles(tensor.reshape(-1)[order], starts, shapes, sizes.modes, 0)
    timing = CodecTiming(fmt, lanes)
    encoded = timing.encode(coded, adaptive=True)
    decoded = timing.decode(coded, encode_tensor(tensor, fmt, 0, "packed").payload, sizes.bursts)
    assert found.decode.sum() + found.decode_latency == decoded.beats[-1] - decoded.words[0] + 1 + SHELL_CYCLES
    beats = -(-np.asarray(tiles.symbols) // lanes)
    ends = decoded.beats[np.cumsum(beats) - 1]
    assert found.decode.tolist() == [beats[0], *np.diff(ends)]
    # The last words leave when the core has seen the last beat and what it held of the tile: a few cycles either way.
    taken = encoded.words[-1] - encoded.beats[0] + 1 + SHELL_CYCLES
    assert abs(found.encode.sum() + found.encode_latency - taken) <= 4
    # The chooser sees a tile before it is sent.
    assert found.encode_latency > beats[0]


def test_tiles_of_more_words_than_beats_wait_for_them():
    # 3 x 9 x 9 with a column and a row of tiles of one pixel: 3 symbols are one beat and a burst of two words.
    fmt, tensor = TileFormat(tile=(8, 8, 3)), noise((3, 9, 9), 1.0)
    found = tile_times(tensor, fmt, 0, tensor_sizes(tensor, fmt), 8)
    assert found.decode.tolist()[:2] == [24, 3]
    assert found.decode[3] > 1


def test_cores_of_prc_have_four_lanes():
    fmt, tensor = TileFormat(modes=("raw", "prc")), noise((64, 16, 16), 0.5)
    found = tile_times(tensor, fmt, 0, tensor_sizes(tensor, fmt), 8)
    assert found.decode.tolist() == found.encode.tolist() == [512] * 8
    latencies = DECODE_LATENCY_CYCLES, 512 + encode_latency_cycles((8, 8, 32))
    assert (found.decode_latency, found.encode_latency) == tuple(cycles + SHELL_CYCLES for cycles in latencies)
    assert no_times(3).decode.tolist() == [0, 0, 0]


@given(
    st.one_of(st.tuples(st.integers(1, 70)), st.tuples(*[st.integers(1, 40)] * 3)),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 33)),
)
@settings(max_examples=50)
def test_symbols_of_tiles_are_those_of_the_scan(shape, tile):
    assert tile_symbols(shape, tile).tolist() == np.asarray(scan_order(shape, "tile-planar", tile)[1].symbols).tolist()


def test_units_take_the_tiles_of_a_step_in_turn():
    steps = np.array([0, 0, 0, 0, 2, 2])
    cycles, write = np.array([10, 20, 30, 5, 7, 9]), np.array([False, False, False, True, False, False])
    empty = np.zeros(6, np.int64)
    moved = Transactions(steps, empty, write, empty, empty, np.ones(6, np.int64), cycles, 3)
    assert _codec_cycles(moved, False, 1).tolist() == [60, 0, 16]
    assert _codec_cycles(moved, False, 2).tolist() == [40, 0, 9]
    assert _codec_cycles(moved, False, 8).tolist() == [30, 0, 9]
    assert _codec_cycles(moved, True, 2).tolist() == [5, 0, 0]


def test_codecs_of_the_mobile_preset_do_not_slow_it_down():
    mobile, network, run = load_accelerator("mobile"), load_network(build_lite0()), RunConfig("best")
    samples = record(network, load_images(PHOTOS)[:1], 127, 128, 8)
    inner = {tensor.name for tensor in network.activations}
    images = tuple(coded_images(network, run, mobile.ports.activations.symbols_per_cycle, samples, inner))

    def times(units: int | None) -> tuple[float, float]:
        config = SimulationConfig(mobile, run, "packed", codec_units=units)
        plans, placed = plan_network(config, network, {})
        result = simulate_plans(config, network, plans, placed, images, ("one",))
        return sum(layer.time_ns for layer in result.coded), sum(layer.time_ns for layer in result.raw)

    coded, raw = times(None)
    assert coded < raw
    assert times(1)[0] > 1.2 * raw
    port = mobile.ports.activations
    assert port.units * port.symbols_per_cycle * mobile.array.clock_mhz * 1e6 >= mobile.bandwidth_bytes_per_s
