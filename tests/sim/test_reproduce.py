"""The papers' tables again: figures of the default network, and that the commands tell them."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from golden.activations.scan import scan_order
from golden.activations.srlc import Srlc
from sim import nnc
from sim.chapter import Chapter
from sim.cli import main
from sim.reproduce_rlc import METHODS, Activation, imagenet, run_length_table
from sim.section import Section


@pytest.fixture(scope="module")
def lite0():
    return run_length_table("ImageNet", *imagenet())


def test_the_imagenet_row_stands_near_the_papers(lite0):
    rows = {row.method: row for row in lite0.rows}
    assert tuple(rows) == METHODS
    assert lite0.tensors == 49
    assert lite0.images == 4
    assert rows["SRLC"].saving_pct["chw"] == pytest.approx(10.14, abs=0.1)
    assert rows["SRLC+BYPASS"].saving_pct["chw"] == pytest.approx(12.64, abs=0.1)
    assert rows["ZRLC+BYPASS+SCAN"].saving_pct["tile-channel-first"] == pytest.approx(17.57, abs=0.1)
    assert [rows[method].paper_pct for method in METHODS] == [9.25, 11.25, 11.25, 19.06]


def test_every_scan_order_is_told_where_the_scan_is_free(lite0):
    rows = {row.method: row.saving_pct for row in lite0.rows}
    assert set(rows["SRLC"]) == set(rows["ZRLC+BYPASS+SCAN"]) == {"chw", "hwc", "tile-planar", "tile-channel-first"}
    assert set(rows["SRLC+BYPASS+SCAN"]) == {"hwc", "tile-planar", "tile-channel-first"}


def test_saving_counts_exact_bits_of_every_tensor():
    rng = np.random.default_rng(7)
    coded = Activation(rng.integers(0, 3, (4, 9, 9)).astype(np.uint8), 0, "relu6")
    bypassed = Activation(rng.integers(0, 256, (4, 9, 9)).astype(np.uint8), 128, "linear")
    rows = {row.method: row.saving_pct for row in run_length_table("ImageNet", "made", [[coded, bypassed]]).rows}
    raw_bits = 8 * (coded.symbols.size + bypassed.symbols.size)
    for scan, saving_pct in rows["SRLC"].items():
        scanned = [one.symbols.reshape(-1)[scan_order((4, 9, 9), scan)[0]] for one in (coded, bypassed)]
        bits = [Srlc().encode(symbols).bits for symbols in scanned]
        assert saving_pct == pytest.approx(100 * (1 - sum(bits) / raw_bits))
        if scan == "chw":
            assert rows["SRLC+BYPASS"][scan] == pytest.approx(100 * (1 - (bits[0] + raw_bits // 2) / raw_bits))


@pytest.mark.parametrize(
    "arguments",
    [["rlc", "--more", "--quick"], ["fusion", "--quick"], ["hevc", "--quick"], ["deepcomp", "--quick"]],
    ids=lambda words: words[0],
)
def test_command_writes_its_tables(arguments, tmp_path, monkeypatch, capsys):
    """Without torch, what needs trained networks is skipped and says so; here it is as if there were none."""
    monkeypatch.setattr("sim.torch_fit.find_spec", lambda name: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.argv", ["thinwire", "reproduce", *arguments, "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    text = (tmp_path / f"{arguments[0]}.md").read_text()
    assert text.startswith("# ")
    assert text.count("\n| ") > 8
    assert "written" in capsys.readouterr().out
    if arguments[0] == "hevc":
        assert (tmp_path / "hevc.svg").stat().st_size > 10_000
    if arguments[0] in ("fusion", "hevc"):
        assert "Skipped: package torch must be installed" in text
    if arguments[0] == "deepcomp":
        assert "LeNet-300-100 on mnist skipped: " in text
    page = (tmp_path / "index.html").read_text()
    assert f'<h1 id="{arguments[0]}"' in page
    assert "made on" in text
    assert "thinwire reproduce" in page


def test_a_chapter_is_told_in_markdown():
    section = Section("Title", ("a", "b"), (("1", "2"),), ("Note.",))
    figure = Figure(figsize=(1, 1))
    chapter = Chapter("rlc", "Runs", "A paper", (section,), {"drawn": figure}, {"drawn": "What to see."})
    files = chapter.files("made on a day")
    assert set(files) == {"rlc.md", "drawn.svg"}
    assert files["rlc.md"].startswith("# Runs\n\nA paper. `thinwire reproduce rlc`; made on a day.\n")
    assert "| 1 | 2 |" in files["rlc.md"]
    assert "![What to see.](drawn.svg)" in files["rlc.md"]


@pytest.mark.parametrize("codec", ["srlc", "zrlc", "zvc", "best of these", "prc"])
def test_the_tile_stream_is_told_for_each_codec(lite0, codec):
    rows = {row.method: row.saving_pct for row in lite0.more}
    saved = rows[f"tile stream, {codec}, 32-byte bursts"]
    assert ("tile-channel-first" in saved) == (codec != "prc")
    assert saved["tile-planar"] > rows[f"tile stream, {codec}, 64-byte bursts"]["tile-planar"]
    assert 10 < saved["tile-planar"] < 50


def test_section_is_a_markdown_table():
    section = Section("Sizes", ("what", "bytes"), (("raw", "8"), ("coded", "5")), ("Exact.",))
    assert section.markdown() == "## Sizes\n\n| what | bytes |\n| --- | ---: |\n| raw | 8 |\n| coded | 5 |\n\nExact.\n"


def test_a_section_cuts_no_figure_however_narrow_the_terminal():
    rows = tuple((f"a network of some name {k}", *(f"{10**5 + k},{j}" for j in range(9))) for k in range(3))
    section = Section("Sizes", ("what", *("stored kilobytes",) * 9), rows)
    text = io.StringIO()
    section.print(Console(file=text, width=40))
    assert all(cell in text.getvalue() for row in rows for cell in row)
    assert "kilobytes" in text.getvalue()


def test_nnc_is_compared_where_it_is_installed(monkeypatch):
    levels = np.array([[0, -3], [1, 0]], np.int16)

    def encoder():
        kept = []
        return SimpleNamespace(
            initCtxModels=lambda length, choose: kept.append(length),
            encodeLayer=lambda values, *options: kept.append(int(np.abs(values).sum())),
            finish=lambda: np.zeros(sum(kept), np.uint8),
        )

    coder = SimpleNamespace(Encoder=encoder, HdspMode=SimpleNamespace(AlwaysOff=0))
    monkeypatch.setattr(nnc, "_coder", lambda: coder)
    assert nnc.nnc_bits(levels) == 8 * (11 + 4)
    monkeypatch.undo()
    monkeypatch.setattr(nnc, "find_spec", lambda name: None)
    nnc._coder.cache_clear()
    assert nnc.nnc_bits(levels) is None
    nnc._coder.cache_clear()
