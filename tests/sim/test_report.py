"""Files of a report: the layer table, the figures, the same bytes each time."""

import csv
import io
import xml.etree.ElementTree as ET

import pytest
from cli_call import files_below
from hand import CONFIG, hand_result
from PIL import Image

from sim import plots
from sim.config import RunConfig
from sim.report import layers_csv, write_report
from sim.summary import summarize

FIGURES = ("break_even", "codecs", "energy_parts", "layers", "zeros")
HEADER = (
    "layer,op,activation,output_shape,macs,weight_bytes,zero_fraction,entropy_bits_per_value,output_raw_bytes,"
    "output_coded_bits,output_index_bytes,output_bus_bytes,output_ratio,output_ratio_std,read_bytes,write_bytes,"
    "bus_bytes,raw_bus_bytes,saving_pct,dram_energy_pj,raw_dram_energy_pj,dram_time_us"
)


@pytest.fixture(scope="module")
def result():
    return hand_result()


@pytest.fixture(scope="module")
def folder(result, tmp_path_factory):
    made = tmp_path_factory.mktemp("report")
    write_report(result, made, "thinwire report")
    return made


def test_all_files_are_there_and_no_others(folder):
    figures = {f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")}
    assert set(files_below(folder)) == figures | {"index.html", "layers.csv", "summary.json"}


def test_layer_table_has_the_frozen_header_and_a_row_for_each_layer(folder, result):
    text = (folder / "layers.csv").read_text()
    assert text.splitlines()[0] == HEADER
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["layer"] for row in rows] == ["p", "q", "r", "y"]
    assert sum(float(row["bus_bytes"]) for row in rows) == summarize(result).codec("zvc").moved_bytes
    assert rows[0]["output_ratio"] == str(256 / 208)
    assert rows[3]["output_ratio"] == ""


def test_layer_names_with_commas_and_quotes_stay_one_field(result):
    row = summarize(result).layers[0].model_copy(update={"layer": 'a,"b"\n'})
    summary = summarize(result).model_copy(update={"layers": (row,)})
    assert [row["layer"] for row in csv.DictReader(io.StringIO(layers_csv(summary)))] == ['a,"b"\n']


def test_the_same_result_makes_the_same_bytes(folder, result, tmp_path):
    write_report(result, tmp_path, "thinwire report")
    assert files_below(tmp_path) == files_below(folder)


def test_figures_do_not_depend_on_settings_outside(folder, result):
    from matplotlib import rc_context

    with rc_context({"font.size": 30, "axes.facecolor": "red", "axes.spines.top": True, "svg.hashsalt": None}):
        drawn = plots.to_svg(plots.codecs(summarize(result)))
    assert "font: 30px" not in drawn
    assert drawn.count("<path") == (folder / "codecs.svg").read_text().count("<path")


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_whole_images(folder, name):
    with Image.open(folder / f"{name}.png") as image:
        image.load()
        assert min(image.size) > 300
        assert len(image.convert("RGB").getcolors(1 << 24)) > 10
    root = ET.fromstring((folder / f"{name}.svg").read_text())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "<dc:date>" not in (folder / f"{name}.svg").read_text()


@pytest.mark.parametrize("codec", CONFIG.codecs)
def test_bars_of_layers_are_activations_raw_and_coded(codec):
    summary = summarize(hand_result(RunConfig(codec, tile=(8, 8, 4))))
    top, bottom = plots.layers(summary).axes
    heights = [[bar.get_height() for bar in bars] for bars in top.containers]
    assert heights[0] == pytest.approx([0.448, 0.512, 0.768, 0.384])
    assert heights[1] == pytest.approx([(row.bus_bytes - row.weight_bytes) / 1e3 for row in summary.layers])
    assert [bar.get_height() for bar in bottom.containers[0]] == [0.032, 0.16, 0.032, 0.032]


def test_bars_of_codecs_are_their_ratios_with_the_images_as_whiskers(result):
    summary = summarize(result)
    axes = plots.codecs(summary).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [total.ratio for total in summary.totals]
    low, high = axes.collections[CONFIG.codecs.index("zvc")].get_segments()[0][:, 1]
    assert (low, high) == pytest.approx((1.2, 1.6))


def test_bars_of_energy_add_up(result):
    summary = summarize(result)
    bars = [bar for bars in plots.energy_parts(summary).axes[0].containers for bar in bars]
    for place, total in enumerate(summary.totals):
        tops = [bar.get_y() + bar.get_height() for bar in bars if round(bar.get_x() + bar.get_width() / 2) == place]
        assert max(tops) == pytest.approx(sum(total.energy_pj.values()) / 1e6)


def test_many_layers_are_named_by_every_second_or_third(result):
    summary = summarize(result)
    rows = [
        row.model_copy(update={"layer": f"module/{'deep/' * 9}{n}"}) for n in range(150) for row in summary.layers[:1]
    ]
    axes = plots.zeros(summary.model_copy(update={"layers": tuple(rows)})).axes[0]
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert len(names) == 50
    assert names[1].startswith("…")
    assert names[1].endswith("deep/3")
    assert max(map(len, names)) <= 22
