"""Mappings pinned in a file."""

import pytest

from sim.layer_shape import conv
from sim.mapping import Buffer, Mapping
from sim.mapping_file import mapping_text, read_mappings
from sim.mapping_search import map_layers

SHAPES = [conv("conv1", 3, 16, 8, 3), conv("block/conv 2", 8, 16, 8, 3)]


def written(tmp_path, text):
    path = tmp_path / "pins.toml"
    path.write_text(text)
    return path


def test_sizes_that_are_not_told_are_the_layers_own(tmp_path):
    path = written(tmp_path, '[layers.conv1]\nrows = 4\norder = ["filters", "space", "channels"]\n')
    assert read_mappings(path, SHAPES) == {
        "conv1": Mapping(1, 8, 3, 4, 16, order=("filters", "space", "channels")),
    }


def test_what_the_search_found_can_be_pinned(tmp_path):
    found = map_layers(SHAPES, Buffer(1500))
    path = written(tmp_path, mapping_text((layer.shape.name, layer.mapping) for layer in found))
    again = map_layers(SHAPES, Buffer(1500), pinned=read_mappings(path, SHAPES))
    assert again == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[layers.conv3]\nrows = 1\n",
            r"pins.toml, line 1: layer must be one .* not 'conv3': did you mean 'conv1'",
        ),
        (
            "[layers.zzz]\n",
            r"line 1: layer must be one of .* not 'zzz': the network's are conv1, block/conv 2",
        ),
        ("[layers.conv1]\n\nrows = 0\n", r"line 3: rows must be at least 1, not 0"),
        ("[layers.conv1]\nrow = 1\n", r"line 2: \[layers.conv1\] must not have row: did you mean rows\?"),
        ("\n[layers.conv1]\nrows = 17\n", r"line 2: rows in the mapping of 'conv1' must be at most 16, not 17"),
        ('[layers.conv1]\norder = ["space"]\n', r"line 1: order of a mapping must hold space, filters, channels"),
        ('[layers.conv1]\norder = ["time"]\n', r"line 2: order must be 'space', 'filters' or 'channels', not 'time'"),
        ("layers = 3\n", r"line 1: layers must be a table, not 3"),
    ],
)
def test_mistakes_are_told_with_their_line(text, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_mappings(written(tmp_path, text), SHAPES)
