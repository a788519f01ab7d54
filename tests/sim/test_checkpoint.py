"""The reader of old checkpoints: tensors come out, anything else is refused before it runs."""

import io
import os
import pickle
import struct
from collections import OrderedDict

import numpy as np
import pytest

from sim.checkpoint import read_checkpoint

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


class Named:
    """Pickles as a name, as torch's classes and functions do in a file."""

    def __init__(self, name):
        self.name = name

    def __reduce__(self):
        return self.name


class Tensor:
    """Pickles as torch writes a tensor: a call on a persistent id of its storage."""

    def __init__(self, key, count, shape, stride, offset=0, kind="FloatStorage"):
        self.arguments = (key, count, shape, stride, offset, kind)


class Writer(pickle._Pickler):
    """Writes `Tensor` objects and names of modules that are not there."""

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Tensor):
            key, count, shape, stride, offset, kind = obj.arguments
            self.write(b"ctorch._utils\n_rebuild_tensor_v2\n(")
            self.write(b"(")
            self.save("storage")
            self.write(f"ctorch\n{kind}\n".encode())
            for part in (key, "cpu", count, None):
                self.save(part)
            self.write(b"tQ")
            for part in (offset, shape, stride, False, OrderedDict()):
                self.save(part)
            self.write(b"tR")
        else:
            super().save(obj, save_persistent_id)


def dump(state, storages, magic=MAGIC, protocol=1001, system=SYSTEM):
    file = io.BytesIO()
    for part in (magic, protocol, system, state, list(storages)):
        Writer(file, 2).dump(part)
    for values in storages.values():
        file.write(struct.pack("<q", len(values)) + values.tobytes())
    return file.getvalue()


def read(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    return read_checkpoint(path)


VALUES = np.arange(12, dtype="<f4")
PLAIN = OrderedDict(w=Tensor("a", 12, (3, 4), (4, 1)))


def test_tensors_are_read_in_order(tmp_path):
    state = OrderedDict(
        plain=Tensor("a", 12, (3, 4), (4, 1)),
        turned=Tensor("a", 12, (4, 3), (1, 4)),
        part=Tensor("a", 12, (2,), (3,), offset=5),
        scalar=Tensor("b", 1, (), (), kind="LongStorage"),
        empty=Tensor("a", 12, (0, 4), (4, 1)),
    )
    found = read(tmp_path, dump(state, {"b": np.array([7], "<i8"), "a": VALUES}))
    assert list(found) == list(state)
    grid = VALUES.reshape(3, 4)
    np.testing.assert_array_equal(found["plain"], grid)
    np.testing.assert_array_equal(found["turned"], grid.T)
    assert found["turned"].flags.c_contiguous
    np.testing.assert_array_equal(found["part"], [5, 8])
    assert found["scalar"].shape == ()
    assert (found["scalar"].dtype, int(found["scalar"])) == (np.int64, 7)
    assert found["empty"].shape == (0, 4)


class Call:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("attack", "name"),
    [
        (Call(os.mkdir, "pwned"), "posix.mkdir"),
        (Call(eval, "1"), "__builtin__.eval"),
        (Call(getattr, OrderedDict, "fromkeys"), "__builtin__.getattr"),
    ],
    ids=["mkdir", "eval", "getattr"],
)
def test_anything_but_tensors_is_refused(tmp_path, monkeypatch, attack, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=rf"checkpoint must hold tensors only, not '{name}'"):
        read(tmp_path, dump(OrderedDict(w=attack), {}))
    assert not (tmp_path / "pwned").exists()


def test_every_truncation_is_refused(tmp_path):
    content = dump(PLAIN, {"a": VALUES})
    assert read(tmp_path, content)["w"].shape == (3, 4)
    for length in range(len(content)):
        with pytest.raises(ValueError, match=r"(checkpoint|storage) .*must"):
            read(tmp_path, content[:length])


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (Tensor("a", 12, (3, 5), (4, 1)), "must lie within its 12 values, not reach value 12"),
        (Tensor("a", 12, (12,), (1,), offset=1), "must lie within its 12 values, not reach value 12"),
        (Tensor("a", 12, (2,), (-1,), offset=3), "must have one stride, not negative, per dimension"),
        (Tensor("a", 12, (2, 2), (1,)), "must have one stride, not negative, per dimension"),
        (Tensor("a", 12, (2,), (1,), offset=-1), "must have one stride, not negative, per dimension"),
        (Tensor("a", 11, (2,), (1,)), "storage 'a' must hold 11 values, not 12"),
    ],
    ids=["too long", "offset", "negative stride", "ranks", "negative offset", "count"],
)
def test_windows_outside_their_storage_are_refused(tmp_path, tensor, reason):
    with pytest.raises(ValueError, match=reason):
        read(tmp_path, dump(OrderedDict(w=tensor), {"a": VALUES}))


@pytest.mark.parametrize(
    "header",
    [{"magic": 1}, {"protocol": 1002}, {"system": SYSTEM | {"little_endian": False}}, {"system": []}],
    ids=["magic", "protocol", "endian", "system"],
)
def test_other_headers_are_refused(tmp_path, header):
    with pytest.raises(ValueError, match=r"checkpoint must be a .*torch file of the old format"):
        read(tmp_path, dump(PLAIN, {"a": VALUES}, **header))


@pytest.mark.parametrize("state", [[1, 2], OrderedDict(w=3), 7])
def test_state_that_is_no_dictionary_of_tensors_is_refused(tmp_path, state):
    with pytest.raises(ValueError, match="checkpoint must be a dictionary of tensors"):
        read(tmp_path, dump(state, {}))


def test_missing_storage_is_refused(tmp_path):
    with pytest.raises(ValueError, match="checkpoint must be a torch file of the old format"):
        read(tmp_path, dump(PLAIN, {}))


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"checkpoint must be a readable file, not '.*none.pth'"):
        read_checkpoint(tmp_path / "none.pth")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(60), b"text, no pickle", bytes(100)])
def test_other_files_are_refused(tmp_path, content):
    with pytest.raises(ValueError, match=r"checkpoint must be a .*torch file of the old format"):
        read(tmp_path, content)
