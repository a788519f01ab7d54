"""A grid file: the product of its axes, each point once with a lasting id; mistakes told with their line."""

import itertools
import re

import pytest

from sim.config import CODECS, RunConfig
from sim.sweep_grid import AXES, read_grid


def grid(folder, text):
    path = folder / "grid.toml"
    path.write_text(text)
    return read_grid(path)


def refusal(folder, text):
    with pytest.raises(ValueError, match=r"grid\.toml") as error:
        grid(folder, text)
    return str(error.value).replace(str(folder / "grid.toml"), "grid.toml")


def test_an_empty_grid_is_the_default_run(tmp_path):
    (point,) = grid(tmp_path, "")
    plain = RunConfig().to_json() | {"tile": "8x8x32", "codec": "best"}
    plain |= {"accelerator": "none", "residency": "none", "fuse": False, "weights_codec": "packed"}
    assert point.to_json() == {"network": "lite0", "images": "built-in", "mean": 127.0, "spread": 128.0} | plain
    assert [name for name, _ in point.values] == [axis.name for axis in AXES]


def test_points_are_the_product_and_neighbours_share_tensors(tmp_path):
    points = grid(tmp_path, f'network = ["a.onnx", "b.onnx"]\nword_bits = [8, 4]\ncodec = {list(CODECS)}\nrun_bits = 2')
    found = [(point["network"], point["word_bits"], point["codec"]) for point in points]
    assert found == list(itertools.product(["a.onnx", "b.onnx"], [8, 4], CODECS))
    assert {point["run_bits"] for point in points} == {2}


def test_points_that_are_the_same_come_once(tmp_path):
    points = grid(tmp_path, 'tile = ["auto", "8x8x32", "8x8x32"]\nmean = [127, 127.0]\nword_bits = [8, 16]')
    assert [(point["tile"], point["word_bits"]) for point in points] == [("8x8x32", 8), ("8x8x16", 16), ("8x8x32", 16)]


def test_an_id_is_a_hash_of_the_values_alone(tmp_path):
    (point,) = grid(tmp_path, 'network = "nets/a.onnx"')
    assert point.id == "25e6896641e1290f"  # the first letters of SHA-256 of its JSON, keys in order
    (tmp_path / "other").mkdir()
    (moved,) = grid(tmp_path / "other", 'codec = "best"\nnetwork = "nets/a.onnx"\n')
    assert moved.id == point.id
    ids = [one.id for one in grid(tmp_path, f"codec = {list(CODECS)}\nmean = [0, 127]\nrun_bits = [1, 2, 3]")]
    assert len(set(ids)) == len(ids) == 36


def test_paths_start_from_the_grid_file(tmp_path):
    (point,) = grid(tmp_path, 'network = "nets/a.onnx"\nimages = "/photos"')
    assert point.path("network") == tmp_path / "nets" / "a.onnx"
    assert str(point.path("images")) == "/photos"


def test_excluded_points_have_all_of_the_values(tmp_path):
    text = f'codec = {list(CODECS)}\nscan = ["tile-planar", "tile-channel-first"]\ntile = ["auto", "4x4x8"]\n'
    text += (
        '[[exclude]]\ncodec = ["prc", "raw"]\nscan = "tile-channel-first"\n[[exclude]]\ntile = "8x8x32"\ncodec = "zvc"'
    )
    points = {(point["codec"], point["scan"], point["tile"]) for point in grid(tmp_path, text)}
    whole = set(itertools.product(CODECS, ["tile-planar", "tile-channel-first"], ["8x8x32", "4x4x8"]))
    gone = {one for one in whole if one[0] in ("prc", "raw") and one[1] == "tile-channel-first"}
    gone |= {one for one in whole if (one[0], one[2]) == ("zvc", "8x8x32")}
    assert points == whole - gone
    assert len(gone) == 6


def test_a_tile_is_excluded_as_written_and_as_meant(tmp_path):
    text = 'word_bits = [8, 16]\ntile = ["auto", "8x8x32"]\n[[exclude]]\nword_bits = 16\ntile = '
    assert [point["tile"] for point in grid(tmp_path, text + '"auto"')] == ["8x8x32", "8x8x32"]
    assert [point["tile"] for point in grid(tmp_path, text + '"8x8x16"')] == ["8x8x32", "8x8x32"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('codecs = "zvc"', "the file must not have codecs: did you mean codec?"),
        ('codec = "zip"', "codec must be one of raw, srlc, zrlc, zvc, prc, best, not 'zip'"),
        ('codec = ["zvc", 3]', "codec must be one of raw, srlc, zrlc, zvc, prc, best, not 3"),
        ("codec = []", "codec must have at least one value, not none"),
        ('scan = "planar"', "scan must be one of tile-planar, tile-channel-first, not 'planar'"),
        ('layout = "loose"', "layout must be one of slotted, packed, not 'loose'"),
        ('bypass = "none"', "bypass must be one of tile, tensor, activation, not 'none'"),
        ('tile = "8x8"', "tile must be three sizes as in 8x8x32, not '8x8'"),
        ('tile = "8x0x8"', "tile must have sizes of at least 1, not '8x0x8'"),
        ("tile = [8, 8, 32]", "tile must be text as in '8x8x32', not 8"),
        ("word_bits = 7", "word_bits must be 4, 8 or 16, not 7"),
        ('word_bits = "8"', "word_bits must be an int, not '8'"),
        ("run_bits = [1, 9]", "run_bits must be in 1..8, not 9"),
        ("run_bits = true", "run_bits must be an int, not True"),
        ("burst_bytes = 48", "burst_bytes must be one of 32, 64, not 48"),
        ("burst_bytes = 32.0", "burst_bytes must be one of 32, 64, not 32.0"),
        ("mean = inf", "mean must be a number in -1e+06..1e+06, not inf"),
        ("spread = 0", "spread must be a number in 1e-06..1e+06, not 0"),
        ("spread = true", "spread must be a number in 1e-06..1e+06, not True"),
        ('network = "a.tflite"', "network must be lite0 or a path to a .onnx file, not 'a.tflite'"),
        ('images = ""', "images must be built-in or a folder, not ''"),
        ("exclude = 3", "exclude must be a list, not 3"),
        ('exclude = [{codec = "zip"}]', "codec must be one of raw, srlc, zrlc, zvc, prc, best, not 'zip'"),
        ("[[exclude]]", "exclude must name a value, not none"),
        ("codec =", "must be TOML: invalid value"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, line, told):
    assert refusal(tmp_path, f"# a grid\n\n{line}\n") == f"grid.toml, line 3: {told}"


def test_mistakes_inside_exclude_are_told_with_their_line(tmp_path):
    text = '[[exclude]]\ncodec = "zvc"\n[[exclude]]\ncodec = "zip"\n'
    assert refusal(tmp_path, text).startswith("grid.toml, line 4: codec must be one of")


def test_a_grid_without_points_and_a_missing_file_are_refused(tmp_path):
    text = 'codec = ["zvc"]\n[[exclude]]\ncodec = "zvc"'
    assert refusal(tmp_path, text) == "grid.toml: grid must leave at least one point, not exclude all"
    with pytest.raises(ValueError, match=re.escape(f"file must be readable, not '{tmp_path / 'none.toml'}'")):
        read_grid(tmp_path / "none.toml")
