"""Frozen vectors of the weight formats: known weights, known bits, both directions."""

import json
from pathlib import Path

import numpy as np
import pytest

from golden.registry import weight_codec_from_config
from golden.weights.tensor import EncodedWeights

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "weights.json").read_text())


def words(texts: list[str]) -> np.ndarray:
    return np.array([int(text, 16) for text in texts], np.uint64)


@pytest.fixture(params=VECTORS, ids=lambda vector: vector["name"])
def vector(request) -> dict:
    return request.param


def test_encoder_writes_the_frozen_bits(vector):
    values = np.array(vector["values"], vector["dtype"]).reshape(vector["shape"])
    encoded = weight_codec_from_config(vector["config"]).encode(values)
    assert [f"{int(word):016x}" for word in encoded.words] == vector["words"]
    assert [f"{int(word):016x}" for word in encoded.tables] == vector["tables"]
    assert (encoded.bits, encoded.table_bits) == (vector["bits"], vector["table_bits"])
    assert encoded.entries.tolist() == vector["entries"]


def test_decoder_reads_the_frozen_bits(vector):
    codec = weight_codec_from_config(vector["config"])
    encoded = EncodedWeights(
        words(vector["words"]),
        vector["bits"],
        tuple(vector["shape"]),
        vector["dtype"],
        words(vector["tables"]),
        vector["table_bits"],
        np.array(vector["entries"], np.int64),
        codec.config().get("entry_weights", 0),
    )
    expected = vector["values"] if vector["decoded"] is None else vector["decoded"]
    decoded = codec.decode(encoded)
    assert decoded.ravel().tolist() == expected
    assert decoded.dtype == vector["dtype"]


def sent(vector_name: str) -> str:
    """Payload bits of a vector in the order in which they are sent."""
    (vector,) = (vector for vector in VECTORS if vector["name"] == vector_name)
    return "".join(f"{int(text, 16):064b}"[::-1] for text in vector["words"])[: vector["bits"]]


def test_vectors_are_the_examples_of_the_docstrings():
    assert sent("huffman: docstring, three levels") == "0" + "0" + "11" + "0" + "10" + "0"
    assert sent("huffman: one level") == "000"
    # Nibbles 1 F 7 8, low nibble of each byte first.
    assert sent("packed: docstring") == "1000" + "1111" + "1110" + "0001"
    # (2, 7) (0, 5): plain fields, 5 and 7 as 0 and 2 above 5.
    assert sent("zero-runs: docstring, plain") == "10" + "10" + "00" + "00"
    assert sent("relative-index: docstring, plain") == "10" + "10" + "00" + "00"
    # (3, -) (1, 1): run symbols 1 and 3, codes 0 and 1; weight 1 alone, code 0.
    assert sent("zero-runs: docstring, escape") == "1" + "0" + "0"
    # (0, 7) (3, -): run symbols 0 and 3.
    assert sent("zero-runs: docstring, end") == "0" + "0" + "1"
    # (3, 0) (0, 1): index symbols 0 and 3, weights 0 and 1.
    assert sent("relative-index: docstring, filler") == "1" + "0" + "0" + "1"
    # (0, 7) (2, 0): index symbols 0 and 2, weights 0 and 7.
    assert sent("relative-index: docstring, end") == "0" + "1" + "1" + "0"
