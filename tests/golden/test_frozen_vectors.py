"""Frozen vectors: known symbols, known bits, both ways. They are made by make_vectors.py, never by a test."""

import json
from pathlib import Path

import numpy as np
import pytest

from golden.codec import Encoded
from golden.registry import codec_from_config
from golden.tile_file import dump, load, store
from golden.tile_format import TileFormat
from golden.tile_stream import TileStream, decode_tensor, encode_tensor, tensor_sizes

VECTORS = Path(__file__).parent.parent / "vectors"
COUNTS = {"raw": 9, "srlc": 15, "zrlc": 20, "zvc": 9, "tile_stream": 6, "tile_file": 6}


def read(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def parametrized(*names):
    cases = [pytest.param(name, number, id=f"{name}-{number}") for name in names for number in range(COUNTS[name])]
    return pytest.mark.parametrize(("name", "number"), cases)


@pytest.mark.parametrize("name", COUNTS)
def test_no_vector_is_missing_and_each_tells_its_source(name):
    vectors = read(name)
    assert len(vectors) == COUNTS[name]
    assert all(len(vector["source"]) > 8 for vector in vectors)


@parametrized("raw", "srlc", "zrlc", "zvc")
def test_codec_writes_and_reads_its_vector(name, number):
    vector = read(name)[number]
    codec = codec_from_config(vector["format"])
    words = [int(word, 16) for word in vector["words"]]
    encoded = codec.encode(np.array(vector["values"], np.uint16), vector["zero_point"])
    assert encoded.words.tolist() == words
    assert encoded.bits == vector["bits"]
    assert codec.size_bits(np.array(vector["values"], np.uint16), vector["zero_point"]) == vector["bits"]
    stored = Encoded(np.array(words, np.uint64), vector["bits"], len(vector["values"]), vector["zero_point"])
    assert codec.decode(stored).tolist() == vector["values"]


def tensor_of(vector):
    dtype = np.uint16 if vector["format"]["word_bits"] == 16 else np.uint8
    return np.array(vector["values"], dtype).reshape(vector["shape"])


@parametrized("tile_stream")
def test_tile_stream_writes_and_reads_its_vector(name, number):
    vector = read(name)[number]
    fmt, tensor = TileFormat(**vector["format"]), tensor_of(vector)
    stream = encode_tensor(tensor, fmt, vector["zero_point"], vector["layout"])
    assert stream.index.tobytes().hex() == vector["index"]
    assert stream.payload.astype("<u8").tobytes().hex() == vector["payload"]
    index = np.frombuffer(bytes.fromhex(vector["index"]), np.uint8)
    payload = np.frombuffer(bytes.fromhex(vector["payload"]), "<u8").astype(np.uint64)
    stored = TileStream(fmt, tensor.shape, vector["zero_point"], vector["layout"], index, payload)
    assert decode_tensor(stored).tolist() == tensor.tolist()


@parametrized("tile_file")
def test_file_writes_and_reads_its_vector(name, number):
    vector = read(name)[number]
    tensor = tensor_of(vector)
    stored = store(tensor, TileFormat(**vector["format"]), vector["zero_point"], vector["layout"])
    assert dump(stored).hex() == vector["file"]
    restored = load(bytes.fromhex(vector["file"])).restore()
    assert restored.dtype == tensor.dtype
    assert restored.tolist() == tensor.tolist()


def test_vectors_of_the_tile_stream_reach_every_mode():
    modes = set()
    for vector in read("tile_stream"):
        fmt = TileFormat(**vector["format"])
        modes |= set(tensor_sizes(tensor_of(vector), fmt, vector["zero_point"]).modes.tolist())
    assert modes == {0, 1, 2, 3}
