"""What the benches of the weight codecs tell: weights per second of CPU time, as the machine may be shared."""

import time

import numpy as np

__all__ = ["cpu_timed", "report"]

cpu_timed = {"timer": time.process_time}
"""Options of the marker `benchmark`."""


def report(benchmark, tensors: list[np.ndarray], least_per_s: float) -> None:
    """Tell the rate and how many times longer than `numpy.copy` it takes; refuse a rate below the promise."""
    copy_s = min(_copy_seconds(tensors) for _ in range(10))
    weights, best_s = sum(values.size for values in tensors), benchmark.stats.stats.min
    benchmark.extra_info["million_weights_per_cpu_s"] = round(weights / best_s / 1e6, 1)
    benchmark.extra_info["times_numpy_copy"] = round(best_s / copy_s, 1)
    assert weights / best_s >= least_per_s


def _copy_seconds(tensors: list[np.ndarray]) -> float:
    started = time.process_time()
    for values in tensors:
        np.copy(values)
    return time.process_time() - started
