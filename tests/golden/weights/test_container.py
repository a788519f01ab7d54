"""Weight files: what is written comes back; every damage is reported with its place."""

import json
import struct
import zlib

import numpy as np
import pytest

from golden.codec import CorruptStreamError
from golden.registry import WEIGHT_CODECS
from golden.weights.container import MAGIC, VERSION, Scales, StoredWeights, WeightFile, dump, load
from golden.weights.deepcomp import DeepComp, DeepCompFormat
from golden.weights.huffman import Huffman, HuffmanFormat
from golden.weights.linear import LinearFormat, dequantize, quantize
from golden.weights.packed import Packed
from golden.weights.runs import ZeroRuns, ZeroRunsFormat


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).laplace(0, 0.05, shape).astype(np.float32)


def stored(name, codec, values, linear=None) -> StoredWeights:
    if linear is None:
        return StoredWeights(name, codec, codec.encode(values))
    quantized = quantize(values, linear)
    return StoredWeights(name, codec, codec.encode(quantized.values), Scales.of(quantized))


def small_file() -> WeightFile:
    return WeightFile(
        (
            stored("a", Huffman(HuffmanFormat(entry_weights=64)), weights(20, 7), LinearFormat(4, axis=0)),
            stored("b", DeepComp(DeepCompFormat(0.3, 2)), weights(6, 5)),
        ),
        b"graph",
    )


def test_every_codec_and_quantizer_comes_back():
    values = weights(8, 3, 5, 5)
    linears = [LinearFormat(), LinearFormat(4, axis=0), LinearFormat(8, "asymmetric", 1)]
    own = [codec() for name, codec in WEIGHT_CODECS.items() if name in ("packed", "huffman", "zero-runs", "deepcomp")]
    tensors = []
    for codec in own:
        if "f" in codec.takes:
            tensors.append(stored(codec.codec_id, codec, values))
        else:
            tensors += [stored(f"{codec.codec_id} {linear}", codec, values, linear) for linear in linears]
    file = WeightFile(tuple(tensors), b"anything")
    again = load(dump(file))
    assert again.attachment == b"anything"
    assert len(again.tensors) == len(own) * 3 - 2
    for before, after in zip(file.tensors, again.tensors, strict=True):
        assert (after.name, after.codec, after.size_bits) == (before.name, before.codec, before.size_bits)
        assert np.array_equal(after.restore(), before.restore())
        assert after.encoded.breakdown == before.encoded.breakdown
    for linear in linears:
        (tensor,) = (t for t in again.tensors if t.name == f"huffman {linear}")
        assert np.array_equal(tensor.restore(), dequantize(quantize(values, linear)))
        assert tensor.restore().dtype == np.float32


def test_empty_files_and_empty_tensors():
    assert load(dump(WeightFile(()))) == WeightFile((), b"")
    empty = weights(0, 4)
    tensors = [
        stored(name, WEIGHT_CODECS[name](), empty, LinearFormat()) for name in ("packed", "huffman", "zero-runs")
    ]
    tensors += [stored("axis", Huffman(), empty, LinearFormat(axis=0)), stored("deepcomp", DeepComp(), empty)]
    for tensor in load(dump(WeightFile(tuple(tensors)))).tensors:
        assert tensor.restore().shape == (0, 4)
        assert tensor.restore().dtype == np.float32


def test_a_block_decodes_from_its_entry_point():
    file = load(dump(small_file()))
    codec, encoded = file.tensors[0].codec, file.tensors[0].encoded
    assert encoded.entries.size == 3
    everything = codec.decode(encoded).ravel()
    assert np.array_equal(codec.decode_blocks(encoded, 1, 2), everything[64:128])


def test_scales_are_stored_in_float32_and_offsets_only_where_needed():
    symmetric = stored("s", Packed(), weights(6, 2), LinearFormat(axis=0))
    asymmetric = stored("a", Packed(), weights(6, 2), LinearFormat(8, "asymmetric", 0))
    assert symmetric.size_bits - symmetric.encoded.size_bits == 6 * 32
    assert asymmetric.size_bits - asymmetric.encoded.size_bits == 6 * 64


def test_the_file_is_hardly_larger_than_its_tensors(lite0_sets):
    tensors = [stored(f"tensor {k}", ZeroRuns(), v) for k, v in enumerate(lite0_sets["pruned 90 %"])]
    data = dump(WeightFile(tuple(tensors)))
    assert len(data) - sum(tensor.size_bits for tensor in tensors) / 8 < 50 * 100


def test_any_flipped_bit_is_reported():
    data = dump(small_file())
    assert len(data) < 1500
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        with pytest.raises(CorruptStreamError, match=r"byte|bytes"):
            load(bytes(damaged))


def test_truncated_and_lengthened_files_are_refused():
    data = dump(small_file())
    for size in range(len(data)):
        with pytest.raises(CorruptStreamError, match=rf"byte 0|file ends at byte {size} inside|must be .* not {size}"):
            load(data[:size])
    with pytest.raises(CorruptStreamError, match=f"file must be {len(data)} bytes, not {len(data) + 1}"):
        load(data + b"\0")


def test_foreign_and_newer_files_are_refused():
    data = dump(small_file())
    for foreign in (b"", b"PK\x03\x04" + data[4:], data.replace(b"\r\n", b"\n", 1)):
        with pytest.raises(CorruptStreamError, match=r"first 8 bytes are not the magic \(byte 0\)"):
            load(foreign)
    newer = data[:8] + struct.pack("<H", VERSION + 1) + data[10:]
    with pytest.raises(CorruptStreamError, match=r"file must be of version 1, not 2 \(byte 8\)"):
        load(newer)


def test_damage_names_tensor_and_bytes():
    file = small_file()
    data = bytearray(dump(file))
    start = len(data) - len(file.attachment)
    data[start - 1] ^= 1
    with pytest.raises(CorruptStreamError, match=rf"tensor 'b': CRC-32 does not match \(bytes \d+..{start - 1}\)"):
        load(bytes(data))
    data[start - 1] ^= 1
    data[-1] ^= 1
    with pytest.raises(
        CorruptStreamError, match=rf"attachment: CRC-32 does not match \(bytes {start}..{len(data) - 1}\)"
    ):
        load(bytes(data))


def rewritten(change, data: bytes | None = None) -> bytes:
    """A file whose directory was changed by someone who knows the format: all CRCs are right."""
    data = data or dump(small_file())
    size = struct.unpack_from("<I", data, 10)[0]
    end = -(-(18 + size) // 64) * 64
    directory = json.loads(zlib.decompress(data[18 : 18 + size]))
    directory = change(directory) or directory
    text = zlib.compress(json.dumps(directory).encode(), 9)
    padding = bytes(-(18 + len(text)) % 64)
    check = zlib.crc32(MAGIC + struct.pack("<HII", VERSION, len(text), 0) + text + padding)
    return MAGIC + struct.pack("<HII", VERSION, len(text), check) + text + padding + data[end:]


def changed(**entries):
    return lambda directory: directory["tensors"][0].update(entries)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["codecs"][0].update(codec="zip"), "codec must be one of .* not 'zip'"),
        (lambda d: d["codecs"][0].update(max_length=99), "max_length must be in 1..15, not 99"),
        (lambda d: {"codecs": d["codecs"]}, "directory must tell codecs, tensors and attachment: KeyError"),
        (lambda d: [1, 2], "directory must tell codecs, tensors and attachment: TypeError"),
        (changed(dtype="float128"), "tensor 'a' must have a known dtype and shape, not float128"),
        (changed(shape=[-1, 7]), "tensor 'a' must have a known dtype and shape, not int8 \\(-1, 7\\)"),
        (changed(shape=[1 << 62, 1 << 62]), "tensor 'a' must have a known dtype and shape"),
        (changed(shape=[20, 1]), r"tensor 'a': CRC-32 does not match|file must be"),
        (changed(bits=-1), "bits must be 0 or more, not -1"),
        (changed(bits=1.5), "bits must be 0 or more, not 1.5"),
        (changed(bits=1 << 60), "file ends at byte .* inside tensor 'a'"),
        (changed(axis=1), "slices must be those of axis 1, not 20"),
        (changed(axis=5), "directory must tell .*IndexError"),
        (changed(codec=7), "directory must tell .*IndexError"),
    ],
)
def test_directories_that_make_no_sense_are_refused(change, message):
    with pytest.raises(CorruptStreamError, match=message):
        load(rewritten(change))


def test_a_rewritten_directory_is_otherwise_accepted():
    assert load(rewritten(lambda d: None)).tensors[0].name == "a"


def test_padding_of_scales_must_be_zero():
    data = bytearray(dump(WeightFile((stored("three", Packed(), weights(3, 8), LinearFormat(axis=0)),))))
    body = data[-40:]  # three gains, padding, 24 weights
    assert body[12:16] == bytes(4)
    body[13] = 1
    data[-40:] = body
    crc = zlib.crc32(body)
    with pytest.raises(CorruptStreamError, match="tensor 'three': padding of scales and entry points must be zero"):
        load(rewritten(changed(crc=crc), bytes(data)))


def test_a_stream_that_breaks_its_codec_names_the_tensor():
    file = small_file()
    broken = load(dump(file)).tensors[0]
    broken.encoded.entries[1] += 1
    with pytest.raises(CorruptStreamError, match="tensor 'a': block 0: no codeword of this block at bit"):
        broken.restore()


def test_files_that_cannot_be_are_not_written():
    twice = WeightFile((stored("a", Packed(), np.array([1])), stored("a", Packed(), np.array([1]))))
    with pytest.raises(ValueError, match="tensor names must differ, not 'a' twice"):
        dump(twice)
    far = stored("far", ZeroRuns(ZeroRunsFormat(entry_weights=64)), np.zeros(100, np.int8))
    far.encoded.entries[1] = 1 << 32
    with pytest.raises(ValueError, match="entry point of 'far' must fit 32 bits, not 4294967296"):
        dump(WeightFile((far,)))
