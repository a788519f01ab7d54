"""What `validate dram` shows."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sim.dram_plot import time_figure
from sim.plots import to_svg
from sim.validate_cli import app
from sim.validate_dram import REFERENCE_TIMES_NS, Row, time_rows

DATA = Path(__file__).parents[1] / "data" / "dram-reference.csv"


def test_reference_is_the_data() -> None:
    with DATA.open() as file:
        rows = list(csv.DictReader(file))
    refresh = {"AllBank": "all-bank", "PerBank": "per-bank"}
    told = {(r["address_mapping"], refresh[r["refresh"]], r["trace"]): float(r["total_time_ns"]) for r in rows}
    assert told == REFERENCE_TIMES_NS


def test_times_are_within_5_pct_and_10_pct() -> None:
    errors = [abs(row.error_pct) for row in time_rows()]
    assert len(errors) == 12
    assert sum(errors) / 12 <= 5
    assert max(errors) <= 10


def test_error_of_a_part_is_a_share_of_the_whole() -> None:
    assert Row("run", "pJ", 10.0, 11.0).error_pct == pytest.approx(10)
    assert Row("part", "pJ", 1.0, 2.0, 10.0).error_pct == pytest.approx(10)


def test_command_prints_both_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = CliRunner().invoke(app, ["dram", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert " ".join(next(line for line in lines if "robaco all-bank rand32" in line).split()) == (
        "robaco all-bank rand32 772,090 772,090 ns +0.00"
    )
    assert " ".join(next(line for line in lines if "read, VDDQ of" in line).split()).startswith(
        "read, VDDQ of LPDDR4X 1.750 1.749 pJ/bit"
    )
    assert "mean error 0.00 %, largest 0.00 %" in lines
    assert max(map(len, lines)) <= 80
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["dram.png", "dram.svg"]


def test_figure_tells_every_run_and_its_error() -> None:
    rows = [Row("run a", "ns", 1000.0, 1100.0), Row("run b", "ns", 2000.0, 1900.0)]
    figure = time_figure(rows)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["run a", "run b"]
    assert [text.get_text() for text in axes.texts] == ["+10.00 %", "-5.00 %"]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([1.0, 2.0, 1.1, 1.9])
    assert axes.get_xlabel().endswith("µs")
    assert to_svg(figure) == to_svg(time_figure(rows))
