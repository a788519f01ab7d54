"""Sizes of tensors: the hand-made network of hand.py, and laws over codecs."""

import numpy as np
import pytest
from hand import CONFIG, HandRecorder, hand_network, symbols

from golden.tile_format import MODES
from sim.config import RunConfig
from sim.measure import TensorSizes, entropy_bits, measure

# tensor, codec: bits, bursts, mode
BY_HAND = {
    ("a", "raw"): (2048, 8, "raw"),
    ("a", "srlc"): (968, 4, "srlc"),
    ("a", "zrlc"): (968, 4, "zrlc"),
    ("a", "zvc"): (768, 3, "zvc"),
    ("b", "raw"): (2048, 8, "raw"),
    ("b", "srlc"): (352, 2, "srlc"),
    ("b", "zrlc"): (352, 2, "zrlc"),
    ("b", "zvc"): (256, 1, "zvc"),
    ("c", "srlc"): (2048, 8, "raw"),
    ("c", "zrlc"): (2048, 8, "raw"),
    ("c", "zvc"): (2048, 8, "raw"),
}


def sizes_of(config: RunConfig = CONFIG, *images: dict[str, np.ndarray]) -> list[dict[str, TensorSizes]]:
    found = list(measure(hand_network(), HandRecorder(images or (symbols(),), config.word_bits), config))
    return [{size.name: size for size in found if size.image == image} for image in range(len(images) or 1)]


@pytest.fixture(scope="module")
def sizes() -> dict[str, TensorSizes]:
    return sizes_of()[0]


@pytest.mark.parametrize(("tensor", "codec"), BY_HAND, ids="-".join)
def test_bits_and_bursts_are_those_worked_out_by_hand(sizes, tensor, codec):
    coded = sizes[tensor].coded[codec]
    bits, bursts, mode = BY_HAND[tensor, codec]
    assert (coded.coded_bits, coded.payload_bytes) == (bits, 32 * bursts)
    assert coded.index_bytes == (0 if codec == "raw" else 32)
    assert coded.bus_bytes == coded.payload_bytes + coded.index_bytes
    assert coded.mode_tiles == tuple(int(name == mode) for name in MODES)


def test_values_zeros_and_raw_bytes_are_counted(sizes):
    counts = {name: (size.values, size.zeros, size.raw_bytes) for name, size in sizes.items()}
    assert counts == {
        "x": (192, 1, 192),
        "a": (256, 192, 256),
        "b": (256, 256, 256),
        "c": (256, 0, 256),
        "y": (128, 0, 128),
    }
    assert sizes["a"].zero_fraction == 0.75


def test_input_and_outputs_of_the_network_are_not_coded(sizes):
    assert not sizes["x"].coded
    assert not sizes["y"].coded
    assert set(sizes["a"].coded) == set(CONFIG.codecs)


def test_entropy_of_known_histograms(sizes):
    assert entropy_bits(np.array([4, 4, 4, 4])) == 32  # two bits for each of 16
    assert entropy_bits(np.array([8, 0, 4, 4])) == pytest.approx(8 * 1 + 8 * 2)
    assert entropy_bits(np.array([0, 7])) == 0
    assert str(entropy_bits(np.array([0, 7]))) == "0.0"  # not -0.0, which pages would show
    assert entropy_bits(np.zeros(4, np.int64)) == 0
    assert sizes["b"].entropy_bits == 0
    # 192 zeros of 256 and 64 others once: .75 log2(4/3) + .25 * 8 bits a symbol
    assert sizes["a"].entropy_bits == pytest.approx(256 * (0.75 * np.log2(4 / 3) + 0.25 * 8))


def test_bursts_of_64_bytes_round_payload_and_index_up():
    coded = sizes_of(RunConfig("zvc", tile=(8, 8, 4), burst_bytes=64))[0]
    assert [coded[name].coded["zvc"].payload_bytes for name in "abc"] == [128, 64, 256]
    assert [coded[name].coded["zvc"].index_bytes for name in "abc"] == [64, 64, 64]
    assert [coded[name].coded["raw"].payload_bytes for name in "abc"] == [256, 256, 256]


def test_tiles_of_part_of_a_tensor_round_up_one_by_one():
    # 8 x 8 x 3: `a` is planes 0..2, all zeros (192 mask bits), and plane 3, no zeros: 64 * 8 raw against 64 + 512
    coded = sizes_of(RunConfig("zvc", tile=(8, 8, 3)))[0]["a"].coded["zvc"]
    assert (coded.coded_bits, coded.payload_bytes, coded.slot_bytes) == (192 + 512, 32 + 64, 2 * 192)
    assert coded.mode_tiles[: len(MODES)] == tuple({"raw": 1, "zvc": 1}.get(name, 0) for name in MODES)


@pytest.mark.parametrize("word_bits", [4, 8, 16])
def test_raw_codec_is_the_raw_bytes_in_whole_bursts(word_bits):
    images = {name: values % 16 for name, values in symbols().items()}
    config = RunConfig("raw", tile=(8, 8, 4), word_bits=word_bits)
    for name in "abc":
        size = sizes_of(config, images)[0][name]
        assert size.raw_bytes == 256 * word_bits // 8
        assert size.coded["raw"].payload_bytes == size.raw_bytes  # 128, 256, 512: whole bursts already
        assert size.coded["raw"].coded_bits == 8 * size.raw_bytes
        assert size.coded["raw"].index_bytes == 0


@pytest.mark.parametrize("scan", ["tile-planar", "tile-channel-first"])
@pytest.mark.parametrize("layout", ["slotted", "packed"])
def test_best_never_takes_more_than_a_codec_it_holds(scan, layout):
    config = RunConfig("best", tile=(4, 4, 3), scan=scan, layout=layout)
    for size in sizes_of(config)[0].values():
        for codec in config.format_of("best").modes if size.coded else ():
            if codec != "raw":
                assert size.coded["best"].bus_bytes <= size.coded[codec].bus_bytes
            # A stream never moves more than raw tiles and its index.
            assert size.coded[codec].payload_bytes <= size.coded["raw"].payload_bytes


def test_bypass_by_tensor_drops_the_index_of_what_coding_does_not_shrink():
    coded = sizes_of(RunConfig("zvc", "tensor", tile=(8, 8, 4)))[0]
    assert [coded[name].coded["zvc"].index_bytes for name in "abc"] == [32, 32, 0]
    assert coded["c"].coded["zvc"].bus_bytes == 256


def test_bypass_by_activation_leaves_linear_tensors_raw():
    images = symbols() | {"c": np.full((4, 8, 8), 128, np.uint8)}  # linear, and all zeros: would shrink
    assert sizes_of(CONFIG, images)[0]["c"].coded["zvc"].bus_bytes == 64
    coded = sizes_of(RunConfig("zvc", "activation", tile=(8, 8, 4)), images)[0]
    assert [coded[name].coded["zvc"].bus_bytes for name in "abc"] == [128, 64, 256]


def test_the_zero_point_tells_what_a_zero_is():
    images = symbols() | {"c": np.full((4, 8, 8), 128, np.uint8)}
    size = sizes_of(CONFIG, images)[0]["c"]
    assert (size.zeros, size.coded["zvc"].coded_bits, size.coded["zrlc"].coded_bits) == (256, 256, 352)


def test_a_codec_that_does_not_restore_its_input_is_a_fault(monkeypatch):
    monkeypatch.setattr("sim.measure.decode_tensor", lambda stream: np.zeros(stream.shape, np.uint8))
    with pytest.raises(RuntimeError, match="tensor 'a' did not survive zvc"):
        sizes_of()
