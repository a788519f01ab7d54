"""What a sweep writes: table, Parquet, plot, page; the command; and the page in a real browser."""

import csv
import io
import json
import re
import sys

import onnx
import pyarrow.parquet as parquet
import pytest
import typer
from cli_call import files_below
from PIL import Image
from test_page import CHROMIUM, Page, browse
from tiny_models import model

from sim import sweep_cli
from sim.sweep_grid import AXES, read_grid
from sim.sweep_point import Figures, evaluate
from sim.sweep_report import rows_parquet, sweep_page, write_sweep
from sim.sweep_table import COLUMNS, pareto_front, table_rows

GRID = """
network = ["net.onnx", "none.onnx"]
images = "images"
tile = ["8x8x4", "4x4x4"]
burst_bytes = [32, 64]
codec = ["raw", "zvc", "best"]
[[exclude]]
network = "none.onnx"
burst_bytes = 64
"""
FILES = {"index.html", "pareto.png", "pareto.svg", "results.csv", "results.parquet"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("grid")
    onnx.save(model("p = Conv(x, w) a = Relu(p) y = Conv(a, v)", w=(4, 3, 1, 1), v=(2, 4, 1, 1)), made / "net.onnx")
    (made / "images").mkdir()
    Image.linear_gradient("L").resize((16, 16)).save(made / "images" / "ramp.png")
    (made / "grid.toml").write_text(GRID)
    return made


@pytest.fixture(scope="module")
def outcomes(folder):
    return tuple(evaluate(point) for point in read_grid(folder / "grid.toml"))


@pytest.fixture(scope="module")
def written(outcomes, tmp_path_factory):
    made = tmp_path_factory.mktemp("sweep")
    write_sweep(outcomes, made, "thinwire sweep grid.toml")
    return made


@pytest.fixture(scope="module")
def html(written):
    return (written / "index.html").read_text()


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_all_files_are_there_and_the_same_again(written, outcomes, tmp_path):
    assert set(files_below(written)) == FILES
    write_sweep(outcomes, tmp_path, "thinwire sweep grid.toml")
    assert files_below(tmp_path) == files_below(written)


def test_the_table_has_a_row_for_each_point(written, outcomes):
    rows = list(csv.DictReader(io.StringIO((written / "results.csv").read_text())))
    assert tuple(rows[0]) == COLUMNS
    assert [row["id"] for row in rows] == [outcome.point.id for outcome in outcomes]
    for row, outcome in zip(rows, outcomes, strict=True):
        assert all(row[name] == str(value) for name, value in outcome.point.values)
        assert row["reason"] == outcome.reason
        assert row["moved_bytes"] == (str(outcome.figures.moved_bytes) if outcome.figures else "")


def test_parquet_holds_the_same_with_types(written, outcomes):
    table = parquet.read_table(written / "results.parquet")
    assert table.to_pylist() == [row.to_json() for row in table_rows(outcomes)]
    types = {field.name: str(field.type) for field in table.schema}
    assert tuple(types) == COLUMNS
    assert (types["mean"], types["word_bits"], types["codec"]) == ("double", "int64", "string")
    assert (types["ratio"], types["peak_bytes"], types["pareto"]) == ("double", "int64", "bool")
    assert types["entropy_ratio"] == "double"
    assert table.column("ratio").null_count == 6


def test_a_table_of_failed_points_keeps_its_types(outcomes):
    failed = rows_parquet(table_rows([outcome for outcome in outcomes if not outcome.figures]))
    whole = rows_parquet(table_rows(outcomes))
    assert parquet.read_schema(io.BytesIO(failed)) == parquet.read_schema(io.BytesIO(whole))


def test_the_front_is_what_no_other_point_betters():
    costs = [(2, 5.0), (1, 9.0), (2, 4.0), (4, 4.0), (8, 1.0), (1, 9.0), (3, 6.0)]
    assert pareto_front(costs) == [(1, 9.0), (2, 4.0), (8, 1.0)]
    assert pareto_front([]) == []


def test_rows_on_the_front_are_marked_network_by_network(outcomes):
    found = [outcome for outcome in outcomes if outcome.figures]
    costly = [outcome.figures.model_copy(update={"dram_energy_pj": 1e12}) for outcome in found]
    other = [type(one)(_renamed(one.point), costly[number]) for number, one in enumerate(found)]
    rows = table_rows([*outcomes, *other])
    for network in ("net.onnx", "other.onnx"):
        ours = [row for row in rows if row.outcome.point["network"] == network]
        costs = [(row.figures.tile_bytes, row.figures.dram_energy_pj) for row in ours]
        for row, cost in zip(ours, costs, strict=True):
            beaten = any(one != cost and one[0] <= cost[0] and one[1] <= cost[1] for one in costs)
            assert row.pareto != beaten
        assert any(row.pareto for row in ours)
    assert not any(row.pareto for row in rows if not row.outcome.figures)


def _renamed(point):
    return type(point)((("network", "other.onnx"), *point.values[1:]), point.folder)


def test_the_page_fetches_nothing_and_has_every_point(page, html, outcomes):
    links = [value for _, given in page.tags for name, value in given.items() if name in ("src", "href")]
    assert len(links) == 1
    assert links[0].startswith("data:image/svg+xml;base64,")
    assert "url(" not in html
    found = [outcome for outcome in outcomes if outcome.figures]
    rows = [row for row in page.rows if row[:1] and row[0].isdecimal()]
    assert [row[1:5] for row in rows] == [
        [one.point["network"], one.point["tile"], str(one.point["burst_bytes"]), one.point["codec"]] for one in found
    ]
    assert [row[5] for row in rows] == [f"{one.figures.ratio:.3f}" for one in found]
    assert [row[10] for row in rows] == [f"{one.figures.moved_bytes / 1e3:.1f}" for one in found]
    failed = [row for row in page.rows if row[:1] == ["none.onnx"]]
    assert len(failed) == 6
    assert "network must be a file that exists" in failed[0][-1]
    assert "6 failed" in page.text


def test_the_page_marks_the_front_and_tells_what_does_not_vary(page, outcomes):
    marked = sum(given.get("class") == "chosen" for tag, given in page.tags if tag == "tr")
    assert marked == sum(row.pareto for row in table_rows(outcomes)) > 0
    for fact in ("thinwire sweep grid.toml", "word bits8", "scantile-planar", "imagesimages"):
        assert fact in page.text


def test_names_are_escaped(outcomes):
    point = outcomes[0].point
    evil = type(point)((("network", "<script>alert(1)</script>.onnx"), *point.values[1:]), point.folder)
    rows = table_rows([type(outcomes[0])(evil, None, "<img src=x>"), *outcomes])
    text = sweep_page(rows, None, "<i>")
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_every_figure_of_a_point_has_a_column():
    assert {"id", "pareto", "reason"} == set(COLUMNS) - set(Figures.model_fields) - {axis.name for axis in AXES}


# The command


def command(monkeypatch, folder, text, out, **options):
    """Exit code of ``thinwire sweep``."""
    (folder / "own.toml").write_text(text)
    monkeypatch.setattr(sys, "argv", ["thinwire", "sweep", "own.toml"])
    try:
        sweep_cli.sweep(folder / "own.toml", out=out, **options)
    except typer.Exit as stop:
        return stop.exit_code
    return 0


def test_the_command_writes_all_and_prints_the_front(folder, tmp_path, monkeypatch, capfd):
    text = 'network = "net.onnx"\nimages = "images"\ncodec = ["raw", "zvc"]'
    assert command(monkeypatch, folder, text, tmp_path, jobs=1) == 0
    assert {name for name in files_below(tmp_path) if "/" not in name} == FILES | {"points"}
    out, err = capfd.readouterr()
    assert "2 points, 1 on the front\n" in out
    assert f"page: {tmp_path / 'index.html'}" in out
    assert err == ""


def test_the_command_ends_with_one_if_a_point_failed(folder, tmp_path, monkeypatch, capfd):
    assert command(monkeypatch, folder, 'network = "none.onnx"', tmp_path, jobs=1) == 1
    assert files_below(tmp_path).keys() >= FILES - {"pareto.png", "pareto.svg"}
    out, _ = capfd.readouterr()
    assert f"failed: best: network must be a file that exists, not '{folder / 'none.onnx'}'\n" in out
    assert "1 point, 0 on the front, 1 failed" in out


def test_the_command_refuses_before_any_work(folder, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="line 1: the file must not have codecs"):
        command(monkeypatch, folder, 'codecs = "zvc"', tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="output folder must be one that can be written"):
        command(monkeypatch, folder, "", tmp_path / "file")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"^results in Parquet need pyarrow: install the extra thinwire\[sweep\]$"):
        command(monkeypatch, folder, "", tmp_path)
    assert set(files_below(tmp_path)) == {"file"}


# In a browser

PROBE = """<script>
const faults = [];
addEventListener("error", event => faults.push(String(event.message || event.target.src)), true);
console.error = (...words) => faults.push(words.join(" "));
addEventListener("load", () => {
  const order = () => [...document.querySelectorAll("TABLE tbody tr")].map(row => +row.cells[0].textContent);
  const head = title => [...document.querySelectorAll("TABLE thead tr:last-child th")]
    .find(cell => cell.firstChild.textContent.trim() === title);
  const seen = { before: order(), images: [...document.images].map(image => [image.complete, image.naturalWidth]) };
  head("COLUMN").click(); seen.sorted = order(); seen.arrow = head("COLUMN").getAttribute("aria-sort");
  head("COLUMN").click(); seen.again = head("COLUMN").getAttribute("aria-sort");
  head("#").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" })); seen.back = order();
  const fetched = performance.getEntriesByType("resource").map(entry => entry.name);
  seen.requests = fetched.filter(name => !name.startsWith("data:"));
  seen.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  seen.faults = faults;
  const verdict = document.createElement("pre");
  verdict.id = "verdict"; verdict.textContent = JSON.stringify(seen);
  document.body.append(verdict);
});
</script>"""


def look(html, tmp_path, width, table, column):
    """What the probe saw in a page; a page with faults, requests or overflow is a failed test."""
    path = tmp_path / "index.html"
    probe = PROBE.replace("TABLE", table).replace("COLUMN", column)
    path.write_text(html.replace("<head>", "<head>" + probe, 1))
    dom, console = browse(path, width, tmp_path / "profile")
    verdict = re.search(r'<pre id="verdict">(.*?)</pre>', dom, re.DOTALL)
    assert verdict, "the page's scripts did not end"
    seen = json.loads(verdict[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    assert (seen["faults"], console, seen["requests"], seen["overflow"]) == ([], [], [], 0)
    assert all(complete and width_px > 300 for complete, width_px in seen["images"])
    assert (seen["arrow"], seen["again"]) == ("descending", "ascending")
    assert seen["before"] == seen["back"] == list(range(1, len(seen["before"]) + 1))
    return seen


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (make test-browser)")
@pytest.mark.parametrize("width", [1240, 500])
def test_sweep_page_in_a_browser(html, outcomes, tmp_path, width):
    seen = look(html, tmp_path, width, "#points", "all traffic")
    moved = [outcome.figures.moved_bytes for outcome in outcomes if outcome.figures]
    assert [moved[number - 1] for number in seen["sorted"]] == sorted(moved, reverse=True) != moved
    assert len(seen["images"]) == 1
