"""Two reports side by side: totals, layers, what was asked; refusals; the page, also in a browser."""

import json
import sys

import numpy as np
import pytest
from cli_call import files_below
from hand import hand_result
from test_page import CHROMIUM, Page
from test_sweep_report import look
from tiny_models import model

from sim import sweep_cli
from sim.compare import change_pct, compare, load_summary
from sim.compare_report import compare_page, layer_bars
from sim.config import RunConfig
from sim.images import Photo
from sim.network import load_network
from sim.report import write_report
from sim.run import run
from sim.summary import summarize


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Reports of the network by hand under zvc, and under srlc with packed tiles; and one of another network."""
    made = [tmp_path_factory.mktemp(name) for name in "abc"]
    write_report(hand_result(RunConfig("zvc", tile=(8, 8, 4))), made[0], "thinwire report")
    packed = hand_result(RunConfig("srlc", layout="packed", tile=(8, 8, 4)))
    body = "p = Conv(x, w) a = Relu(p) z = Conv(a, v)"
    other = load_network(model(body, outputs="float[] z", w=(4, 3, 1, 1), v=(2, 4, 1, 1)))
    photo = Photo("grey", np.full((8, 8, 3), 90, np.uint8))
    channel_first = run(RunConfig(tile=(8, 8, 4), scan="tile-channel-first"), other, (photo,))
    for folder, result in zip(made[1:], (packed, channel_first), strict=True):
        (folder / "summary.json").write_text(summarize(result).model_dump_json())
    return made


def test_layers_of_one_name_stand_side_by_side(folders):
    found = compare(*folders[:2])
    assert [pair.layer for pair in found.layers] == ["p", "q", "r", "y"]
    a, b = load_summary(folders[0]), load_summary(folders[1])
    for pair, left, right in zip(found.layers, a.layers, b.layers, strict=True):
        assert (pair.a, pair.b) == (left, right)
        assert pair.added_bytes == right.bus_bytes - left.bus_bytes
    # One image's tensor `a` takes 3 bursts with zvc and 4 with srlc, the other's 8; `b` takes 1 and 2; `c` is raw:
    # p writes a, q reads a and writes b, r reads b and a.
    assert [pair.added_bytes for pair in found.layers] == [16.0, 48.0, 48.0, 0.0]
    total = found.chosen[1].moved_bytes - found.chosen[0].moved_bytes
    assert sum(pair.added_bytes for pair in found.layers) == total == 112
    assert found.unpaired == 0


def test_totals_are_compared_codec_by_codec(folders):
    found = compare(folders[0], folders[2])
    assert [(codec, bool(a), bool(b)) for codec, a, b in found.codecs] == [
        *((codec, True, True) for codec in ("raw", "srlc", "zrlc", "zvc")),
        ("prc", True, False),
        ("best", True, True),
    ]
    assert all(total.codec == codec for codec, *both in found.codecs for total in both if total)
    assert (found.chosen[0].codec, found.chosen[1].codec) == ("zvc", "best")


def test_layers_of_one_report_only_count_whole(folders):
    found = compare(folders[0], folders[2])
    assert [(pair.layer, bool(pair.a), bool(pair.b)) for pair in found.layers] == [
        *(("p", True, True), ("q", True, False), ("r", True, False), ("y", True, False), ("z", False, True))
    ]
    assert found.unpaired == 4
    q, z = found.layers[1], found.layers[4]
    assert (q.added_bytes, z.added_bytes) == (-q.a.bus_bytes, z.b.bus_bytes)


def test_what_was_asked_differently_is_told(folders):
    asked = [(one.name, one.a, one.b) for one in compare(*folders[:2]).differences]
    assert asked == [("codec", "zvc", "srlc"), ("layout", "slotted", "packed")]
    assert compare(folders[0], folders[0]).differences == ()
    assert ("images", "image0, image1", "grey") in [
        (one.name, one.a, one.b) for one in compare(folders[0], folders[2]).differences
    ]


def test_layers_of_the_same_name_are_paired_in_order(folders, tmp_path):
    values = json.loads((folders[0] / "summary.json").read_text())
    for layer, name in zip(values["layers"], ["n", "n", "m", "n"], strict=True):
        layer["layer"] = name
    (tmp_path / "summary.json").write_text(json.dumps(values))
    pairs = compare(tmp_path, tmp_path).layers
    assert [pair.layer for pair in pairs] == ["n", "n", "m", "n"]
    assert all(pair.a == pair.b for pair in pairs)
    assert len({pair.a.bus_bytes for pair in pairs}) > 2


@pytest.mark.parametrize(("a", "b", "change"), [(4, 5, 25.0), (4, 3, -25.0), (4, 4, 0.0), (0, 3, None)])
def test_a_change_is_in_percent_of_a(a, b, change):
    assert change_pct(a, b) == change


def spoilt(folders, tmp_path, text):
    (tmp_path / "summary.json").write_text(text)
    with pytest.raises(ValueError, match="summary") as error:
        compare(folders[0], tmp_path)
    return str(error.value).replace(str(tmp_path), "B")


def test_folders_that_are_no_reports_are_refused(folders, tmp_path):
    with pytest.raises(ValueError, match=r"folder must hold a report's summary.json, not '.*': No such file"):
        compare(tmp_path, folders[0])
    no_summary = "B/summary.json: file must be a report's summary with its schema_version, not None"
    assert spoilt(folders, tmp_path, "{}") == no_summary
    assert spoilt(folders, tmp_path, "[1]") == no_summary
    assert spoilt(folders, tmp_path, "{").startswith("B/summary.json: file must be JSON, not cut or broken: ")
    values = json.loads((folders[0] / "summary.json").read_text())
    newer = json.dumps(values | {"schema_version": 99, "more": 1})
    assert spoilt(folders, tmp_path, newer).endswith("not 99: a newer thinwire wrote it")
    assert spoilt(folders, tmp_path, json.dumps(values | {"schema_version": 0})).endswith("not 0: no thinwire wrote it")
    cut = json.dumps({name: value for name, value in values.items() if name != "macs"})
    assert spoilt(folders, tmp_path, cut) == "B/summary.json: file must be a report's summary: macs: field required"


def test_the_command_prints_and_writes(folders, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["thinwire", "compare", "A", "B"])
    sweep_cli.compare(*folders[:2], out=tmp_path)
    out, err = capfd.readouterr()
    assert err == ""
    assert set(files_below(tmp_path)) == {"index.html"}
    lines = [line.split() for line in out.splitlines()]
    a, b = load_summary(folders[0]), load_summary(folders[1])
    for codec in a.config["codec"], b.config["codec"]:
        (row,) = [line for line in lines if line[:1] == [codec]]
        assert row[1:3] == [f"{one.codec(codec).ratio:.3f}" for one in (a, b)]
    assert ["codec:", "zvc", "|", "srlc"] in lines
    most = [line[0] for line in lines if line[:1] in (["p"], ["q"], ["r"], ["y"])]
    assert most == ["q", "r", "p", "y"]
    assert "thinwire compare A B" in (tmp_path / "index.html").read_text()


@pytest.fixture(scope="module")
def html(folders, tmp_path_factory):
    made = tmp_path_factory.mktemp("page")
    sweep_cli.compare(*folders[:2], out=made)
    return (made / "index.html").read_text()


def test_the_page_fetches_nothing_and_has_every_layer(html):
    page = Page(html)
    links = [value for _, given in page.tags for name, value in given.items() if name in ("src", "href")]
    assert len(links) == 1
    assert links[0].startswith("data:image/svg+xml;base64,")
    rows = {row[1]: row for row in page.rows if len(row) == 11 and row[0].isdecimal()}
    assert list(rows) == ["p", "q", "r", "y"]
    assert [row[6] for row in rows.values()] == ["+0.0", "+0.0", "+0.0", "+0.0"]
    assert rows["y"][2:4] == ["", ""]
    assert float(rows["q"][7]) > float(rows["y"][7]) == 0


def test_names_are_escaped(folders, tmp_path):
    values = json.loads((folders[0] / "summary.json").read_text())
    values["layers"][0]["layer"] = values["network"] = "<script>alert(1)</script>"
    (tmp_path / "summary.json").write_text(json.dumps(values))
    text = compare_page(compare(tmp_path, folders[2]), "<svg/>", "<i>")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "6 of 6 layers are in one report only" in text


def test_reports_without_layers_in_common_have_a_figure(folders):
    top, bottom = layer_bars(compare(folders[0], folders[2])).axes
    assert [bar.get_height() for bar in bottom.patches] == [
        pair.added_bytes / 1e3 for pair in compare(folders[0], folders[2]).layers
    ]
    assert len(top.patches) == 2 * len(bottom.patches) == 10


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (make test-browser)")
@pytest.mark.parametrize("width", [1240, 500])
def test_page_in_a_browser(html, tmp_path, width):
    seen = look(html, tmp_path, width, "#layers", "B − A")
    assert seen["sorted"] == [2, 3, 1, 4]
