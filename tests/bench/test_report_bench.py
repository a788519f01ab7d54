"""Time and memory of the full report on four photos, as a user starts it: `make bench`."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

SECONDS = 30.0
GIGABYTES = 1.5

pytestmark = pytest.mark.bench


def test_full_report_on_four_photos(benchmark, tmp_path):
    command = [Path(sys.executable).parent / "thinwire", "report", "--out", tmp_path / "made"]
    peaks_kb: list[int] = []

    def run() -> None:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        peaks_kb.append(usage.ru_maxrss)

    start = time.perf_counter()
    benchmark.pedantic(run, rounds=2, iterations=1)
    seconds = (time.perf_counter() - start) / 2
    gigabytes = max(peaks_kb) * 1024 / 1e9
    benchmark.extra_info.update(peak_gb=round(gigabytes, 2))
    print(f"\nfull report: {seconds:.1f} s, {gigabytes:.2f} GB")
    assert seconds <= SECONDS
    assert gigabytes <= GIGABYTES
