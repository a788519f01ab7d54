"""Compiled models that several files of tests share."""

import pytest

from hw.weights.bench import WeightBench


@pytest.fixture(scope="session")
def weight_bench():
    return WeightBench()
