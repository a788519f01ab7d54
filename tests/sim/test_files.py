"""`thinwire encode` and `decode`: every kind of array there and back, everything else refused in one line."""

import io
import shutil
import zipfile

import numpy as np
import pytest
from cli_call import call, files_below, refused
from numpy.lib import format as npy

from golden.tile_file import load
from sim.config import CODECS
from sim.files import encode_file

RNG = np.random.default_rng(7)
SHAPES = {1: (1000,), 2: (33, 40), 3: (35, 17, 9), 4: (2, 33, 9, 10)}


def sparse(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Half zeros, else the whole range."""
    limits = np.iinfo(dtype)
    values = RNG.integers(limits.min, limits.max, shape, endpoint=True)
    return np.where(RNG.random(shape) < 0.5, 0, values).astype(dtype)


def round_trip(tmp_path, capfd, array, *options, target="back.npy"):
    np.save(tmp_path / "a.npy", array)
    coded = call(capfd, "encode", tmp_path / "a.npy", *options)
    assert (coded.code, coded.err) == (0, "")
    decoded = call(capfd, "decode", tmp_path / "a.tw", "--out", tmp_path / target)
    assert (decoded.code, decoded.err) == (0, "")
    assert decoded.out.startswith(f"{tmp_path / target}: ")
    return np.load(tmp_path / target)


@pytest.mark.parametrize("dimensions", SHAPES)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_integers_come_back_as_they_were(tmp_path, capfd, dtype, dimensions):
    array = sparse(dtype, SHAPES[dimensions])
    back = round_trip(tmp_path, capfd, array)
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


@pytest.mark.parametrize("dtype", [">u2", ">i2", "<i4", ">i8", "uint32"])
def test_wide_and_foreign_integers_come_back_in_16_bits(tmp_path, capfd, dtype):
    array = sparse("uint8", (9, 10, 11)).astype(dtype)
    back = round_trip(tmp_path, capfd, array)
    assert back.dtype == ("uint16" if np.dtype(dtype).kind == "u" else "int16")
    assert np.array_equal(back, array)


@pytest.mark.parametrize("dtype", ["float16", "float32", ">f4", "float64"])
def test_floats_come_back_within_half_a_step(tmp_path, capfd, dtype):
    array = np.maximum(RNG.normal(size=(17, 9, 10)), 0).astype(dtype)
    back = round_trip(tmp_path, capfd, array)
    step = float(array.max()) / 255
    assert back.dtype == np.float32
    assert np.abs(back - array.astype(np.float64)).max() <= step / 2 * 1.0001
    assert (back[array == 0] == 0).all()
    fine = round_trip(tmp_path, capfd, array, "--word-bits", 16)
    assert np.abs(fine - array.astype(np.float64)).max() <= step / 2 / 256


@pytest.mark.parametrize("make", [np.asfortranarray, lambda a: a[::2, ::-1], np.transpose], ids=["F", "strided", "T"])
def test_order_in_memory_does_not_matter(tmp_path, capfd, make):
    array = make(sparse("uint8", (12, 9, 10)))
    assert np.array_equal(round_trip(tmp_path, capfd, array), array)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 4, 4), (2, 3, 0, 5), (1,), (1, 1, 1, 1)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_empty_and_single_values(tmp_path, capfd, shape, dtype):
    back = round_trip(tmp_path, capfd, np.ones(shape, dtype))
    assert back.shape == shape
    assert (back == 1).all()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("layout", ["packed", "slotted"])
def test_every_codec_and_layout_restores(tmp_path, capfd, codec, layout):
    array = sparse("uint8", (40, 20, 20))
    back = round_trip(tmp_path, capfd, array, "--codec", codec, "--layout", layout, "--burst", 64, "--run-bits", 5)
    assert np.array_equal(back, array)
    fmt = load((tmp_path / "a.tw").read_bytes()).stream.fmt
    assert (fmt.burst_bytes, fmt.run_bits, fmt.tile) == (64, 5, (8, 8, 32))


@pytest.mark.parametrize(("word_bits", "tile"), [(4, (8, 8, 32)), (8, (8, 8, 32)), (16, (8, 8, 16))])
def test_the_default_tile_suits_the_symbols(tmp_path, capfd, word_bits, tile):
    round_trip(tmp_path, capfd, np.ones((40, 9, 9), np.uint8), "--word-bits", word_bits)
    assert load((tmp_path / "a.tw").read_bytes()).stream.fmt.tile == tile


def test_the_zero_point_is_kept_and_used(tmp_path, capfd):
    array = np.full((32, 16, 16), -5, np.int8)
    assert np.array_equal(round_trip(tmp_path, capfd, array, "--zero-point", -5, "--codec", "zvc"), array)
    # 4 tiles of 256 bytes of mask, and one index group
    assert load((tmp_path / "a.tw").read_bytes()).stream.payload.nbytes == 4 * 256


def test_the_line_tells_the_sizes(tmp_path, capfd):
    np.save(tmp_path / "a.npy", np.zeros((32, 16, 16), np.uint8))
    outcome = call(capfd, "encode", tmp_path / "a.npy", "--codec", "zvc")
    size = (tmp_path / "a.tw").stat().st_size
    told = f"8192 raw bytes -> payload 1024 + index 32 bytes, {8192 / 1056:.3f}x ({size} bytes in the file)"
    assert outcome.out == f"{tmp_path / 'a.tw'}: {told}\n"


def test_decode_does_not_overwrite_the_original_unasked(tmp_path, capfd):
    np.save(tmp_path / "a.npy", RNG.normal(size=9))
    call(capfd, "encode", tmp_path / "a.npy")
    assert "named with --out where" in refused(capfd, tmp_path, "decode", tmp_path / "a.tw")
    (tmp_path / "a.npy").unlink()
    assert call(capfd, "decode", tmp_path / "a.tw").code == 0
    assert np.load(tmp_path / "a.npy").shape == (9,)


def test_no_file_is_written_over_its_own_source(tmp_path, capfd):
    np.save(tmp_path / "a.npy", np.arange(9, dtype=np.uint8))
    shutil.copy(tmp_path / "a.npy", tmp_path / "b.tw")
    rule = "output file must be another than the input"
    assert rule in refused(capfd, tmp_path, "encode", tmp_path / "a.npy", "--out", tmp_path / "a.npy")
    assert rule in refused(capfd, tmp_path, "encode", tmp_path / "b.tw")
    (tmp_path / "link.tw").symlink_to(tmp_path / "a.npy")
    assert rule in refused(capfd, tmp_path, "encode", tmp_path / "a.npy", "--out", tmp_path / "link.tw")


WRONG_ARRAYS = {
    "objects": (np.array([{}, 1], object), "Object arrays cannot be loaded"),
    "complex": (np.ones(3, complex), "tensor must hold integers or floats, not complex128"),
    "strings": (np.array(["a"]), "tensor must hold integers or floats, not <U1"),
    "booleans": (np.array([True]), "tensor must hold integers or floats, not bool"),
    "dates": (np.array(["2020"], "M8[D]"), "tensor must hold integers or floats, not datetime64[D]"),
    "records": (np.zeros(2, [("a", "i4")]), "tensor must hold integers or floats, not [('a', '<i4')]"),
    "scalar": (np.array(3.0), "tensor must have 1 to 4 dimensions, not 0"),
    "5-d": (np.zeros((1,) * 5, np.uint8), "tensor must have 1 to 4 dimensions, not 5"),
    "NaN": (np.array([1.0, np.nan]), "tensor must hold finite values, not nan (value 1)"),
    "infinity": (np.array([-np.inf]), "tensor must hold finite values, not -inf (value 0)"),
    "too large float": (np.array([1e300]), "floats must be below 2**127 in size"),
    "too large": (np.array([70000]), "signed values must be in -32768..32767, not 70000..70000"),
    "too small": (np.array([-40000]), "signed values must be in -32768..32767, not -40000..-40000"),
    "too large unsigned": (np.array([2**40], np.uint64), "must fit 16 bits, not 1099511627776"),
}


@pytest.mark.parametrize("kind", WRONG_ARRAYS)
def test_arrays_that_are_no_tensors_are_refused(tmp_path, capfd, kind):
    array, message = WRONG_ARRAYS[kind]
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    assert message in refused(capfd, tmp_path, "encode", tmp_path / "a.npy")


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _huge_header() -> bytes:
    buffer = io.BytesIO()
    npy.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": (1 << 60,)})
    return buffer.getvalue() + b"abc"


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.npy", _npy(np.ones(3)))
    return buffer.getvalue()


WRONG_FILES = {
    "empty": (b"", "file must be an array in .npy format, not"),
    "text": (b"hello\n", "file must be an array in .npy format, not"),
    "archive": (_archive(), "file must hold one array, not an archive"),
    "cut header": (_npy(np.ones(3))[:40], "file must be an array in .npy format, not"),
    "cut data": (_npy(np.ones(3))[:-1], "file must be an array in .npy format, not"),
    "long": (_npy(np.ones(3)) + b"xy", "file must end with its array, not 2 bytes after"),
    "no memory": (_huge_header(), "file must be an array in .npy format, not"),
}


@pytest.mark.parametrize("kind", WRONG_FILES)
def test_files_that_are_no_arrays_are_refused(tmp_path, capfd, kind):
    data, message = WRONG_FILES[kind]
    (tmp_path / "a.npy").write_bytes(data)
    line = refused(capfd, tmp_path, "encode", tmp_path / "a.npy")
    assert line.startswith(message)
    assert "a.npy" in line
    assert "allow_pickle" not in line


def test_missing_files_and_folders_are_refused(tmp_path, capfd):
    for command in ("encode", "decode"):
        assert "No such file" in refused(capfd, tmp_path, command, tmp_path / "none")
        assert "Is a directory" in refused(capfd, tmp_path, command, tmp_path)


WRONG_OPTIONS = {
    ("--codec", "nope"): "codec must be one of",
    ("--scan", "chw"): "scan must be one of",
    ("--layout", "nope"): "layout must be one of",
    ("--tile", "8x8"): "tile must be three sizes as in 8x8x32, not '8x8'",
    ("--tile", "64x64x64"): "tile must be at most 64 bursts of 32 bytes, not 8192",
    ("--run-bits", "0"): "run_bits must be in 1..8, not 0",
    ("--burst", "48"): "burst_bytes must be 32 or 64, not 48",
    ("--word-bits", "7"): "word_bits must be 4, 8 or 16, not 7",
    ("--word-bits", "-1"): "word_bits must be 4, 8 or 16, not -1",
    ("--word-bits", "4"): "must fit 4 bits, not 200",
    ("--zero-point", "256"): "zero_point must fit 8 bits, not 256",
    ("--zero-point", "-1"): "zero_point must fit 8 bits, not -1",
    ("--zero-point", "9" * 30): "zero_point must fit 8 bits",
    ("--out", "."): "output file must be one that can be written",
    ("--out", "a.npy/x"): "output folder must be one that can be written, not 'a.npy': Not a directory",
    ("--out", "/proc/x.tw"): "output folder must be one that can be written, not '/proc'",
}


@pytest.mark.parametrize("option", WRONG_OPTIONS, ids=" ".join)
def test_wrong_options_of_encode_are_refused(tmp_path, capfd, monkeypatch, option):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "a.npy", np.full(9, 200, np.uint8))
    assert WRONG_OPTIONS[option] in refused(capfd, tmp_path, "encode", "a.npy", *option)


def test_floats_have_no_zero_point(tmp_path, capfd):
    np.save(tmp_path / "a.npy", np.ones(9))
    assert "zero_point must be left out" in refused(capfd, tmp_path, "encode", tmp_path / "a.npy", "--zero-point", 3)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A file of three tiles in three modes."""
    folder = tmp_path_factory.mktemp("stored")
    array = np.zeros((96, 8, 8), np.uint8)
    array[:32] = RNG.integers(0, 256, (32, 8, 8))
    array[64:, :4] = 9
    np.save(folder / "a.npy", array)
    options = {"codec": "best", "layout": "packed", "scan": "tile-planar", "run_bits": 3, "burst_bytes": 32}
    encode_file(folder / "a.npy", None, None, 0, "auto", **options)
    return (folder / "a.tw").read_bytes()


def test_truncated_and_long_streams_are_refused(tmp_path, capfd, stored):
    ends = [0, 1, 7, 8, 17, 18, 100, len(stored) // 2, len(stored) - 33, len(stored) - 1]
    for end in ends:
        (tmp_path / "a.tw").write_bytes(stored[:end])
        assert refused(capfd, tmp_path, "decode", tmp_path / "a.tw").startswith("file ")
    (tmp_path / "a.tw").write_bytes(stored + b"\0")
    assert f"file must be {len(stored)} bytes, not" in refused(capfd, tmp_path, "decode", tmp_path / "a.tw")


def test_every_sampled_flipped_bit_is_refused(tmp_path, capfd, stored):
    """All bits of header, index and payload are tried in tests/golden; these go through the command."""
    header = [*range(0, 18 * 8, 5), *range(18 * 8, 320 * 8, 131)]
    rest = range(320 * 8, 8 * len(stored), 397)
    for bit in [*header, *rest]:
        data = bytearray(stored)
        data[bit // 8] ^= 1 << bit % 8
        (tmp_path / "a.tw").write_bytes(data)
        assert refused(capfd, tmp_path, "decode", tmp_path / "a.tw")


def test_foreign_files_are_refused(tmp_path, capfd):
    np.save(tmp_path / "a.npy", np.arange(9))
    assert "its first 8 bytes are not the magic" in refused(capfd, tmp_path, "decode", tmp_path / "a.npy")
    # What decode writes is no stream either.
    call(capfd, "encode", tmp_path / "a.npy")
    call(capfd, "decode", tmp_path / "a.tw", "--out", tmp_path / "b.npy")
    assert "not the magic" in refused(capfd, tmp_path, "decode", tmp_path / "b.npy", "--out", tmp_path / "c.npy")


def test_an_output_that_cannot_be_written_is_refused(tmp_path, capfd, stored, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tw").write_bytes(stored)
    for target, reason in ((".", "Is a directory"), ("a.tw/b", "Not a directory"), ("/proc/b.npy", "/proc")):
        assert reason in refused(capfd, tmp_path, "decode", "a.tw", "--out", target)
    assert list(files_below(tmp_path)) == ["a.tw"]
