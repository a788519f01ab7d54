"""Time of a layer: load, decode, compute, encode, store, step by step.

::

    load 0 | load 1         | load 2 ...       | store 0 | ...     external memory, one transfer at a time
     decode 0 | decode 1 ...                                       while the data comes, through a FIFO
               compute 0    | compute 1        | ...               when its input is there
                             encode 0          | encode 1          while the data goes, through a FIFO

A step's load waits for a free input buffer (its own turn ago: the step two before, or one with single buffers), its
compute for a free output buffer likewise. Memory serves whoever can begin first, loads before stores.

A load or store is not interrupted: one that a slow codec draws out keeps the other port waiting, where a memory that
interleaves both ports' bursts would not. A FIFO that takes the whole difference comes to the same as such a memory.

Decoder and encoder work at a steady rate while the data moves; a load begins when the decoder is done with the one
before, and memory may store meanwhile. Where memory is the faster side, its FIFO of F bytes
fills, and memory then waits: a load of B bytes that takes L on the bus and D in the decoder holds the bus for
``max(L, D (1 - F / B))``. `fifo_bytes_needed` is the least F for which no transfer holds the bus longer than L.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["STAGES", "PipelineParameters", "StepTimes", "Timeline", "fifo_bytes_needed", "run_pipeline"]

STAGES = ("load", "decode", "compute", "encode", "store")

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PipelineParameters:
    """Depths of the FIFOs between memory and codecs, latency of a codec, tiles that each buffer holds."""

    read_fifo_bytes: int = 512
    write_fifo_bytes: int = 512
    decode_latency_ns: float = 0.0
    encode_latency_ns: float = 0.0
    buffers: int = 2

    def __post_init__(self) -> None:
        for name in ("read_fifo_bytes", "write_fifo_bytes", "decode_latency_ns", "encode_latency_ns"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)!r}")
        if self.buffers < 1:
            raise ValueError(f"buffers must be at least 1, not {self.buffers!r}")


@dataclass(frozen=True, eq=False)
class StepTimes:
    """How long each stage of each step takes by itself, in ns, and the bytes it moves; all of shape (steps,)."""

    load_ns: _Floats
    decode_ns: _Floats
    compute_ns: _Floats
    encode_ns: _Floats
    store_ns: _Floats
    load_bytes: _Floats
    store_bytes: _Floats

    def __post_init__(self) -> None:
        for name, values in vars(self).items():
            if values.shape != self.load_ns.shape or values.ndim != 1:
                raise ValueError(f"{name} must have the shape of load_ns, {self.load_ns.shape}, not {values.shape}")
            if not (np.isfinite(values).all() and (values >= 0).all()):
                raise ValueError(f"{name} must be finite and at least 0")

    @property
    def busy_ns(self) -> dict[str, float]:
        """Sum of each resource's own time; loads and stores share memory."""
        memory = float(self.load_ns.sum() + self.store_ns.sum())
        rest = {name: float(getattr(self, f"{name}_ns").sum()) for name in ("decode", "compute", "encode")}
        return {"memory": memory, **rest}


@dataclass(frozen=True, eq=False)
class Timeline:
    """When each stage of each step begins and ends: `spans_ns` of shape (stages, steps, 2)."""

    spans_ns: _Floats
    busy_ns: dict[str, float]

    @property
    def time_ns(self) -> float:
        """End of the last stage."""
        return float(self.spans_ns[:, :, 1].max()) if self.spans_ns.size else 0.0

    @property
    def bottleneck(self) -> str:
        """The resource that is busy longest."""
        return max(self.busy_ns, key=lambda name: self.busy_ns[name])

    @property
    def bottleneck_share(self) -> float:
        """Its busy time over the layer's: far below 1, it is the order of the steps that takes the time."""
        return self.busy_ns[self.bottleneck] / self.time_ns if self.time_ns else 0.0


def run_pipeline(times: StepTimes, parameters: PipelineParameters | None = None) -> Timeline:
    """Put the stages of all steps in order."""
    parameters = parameters or PipelineParameters()
    hold_load = _held(times.load_ns, times.decode_ns, times.load_bytes, parameters.read_fifo_bytes)
    hold_store = _held(times.store_ns, times.encode_ns, times.store_bytes, parameters.write_fifo_bytes)
    spans = _schedule(
        hold_load,
        times.decode_ns,
        times.compute_ns,
        times.encode_ns,
        hold_store,
        parameters.decode_latency_ns,
        parameters.encode_latency_ns,
        parameters.buffers,
    )
    return Timeline(spans, times.busy_ns)


def fifo_bytes_needed(times: StepTimes) -> tuple[int, int]:
    """Least read and write FIFO with which memory never waits for a codec."""
    return (
        _fifo(times.load_ns, times.decode_ns, times.load_bytes),
        _fifo(times.store_ns, times.encode_ns, times.store_bytes),
    )


def _held(bus_ns: _Floats, codec_ns: _Floats, size_bytes: _Floats, fifo_bytes: int) -> _Floats:
    share = np.divide(fifo_bytes, size_bytes, out=np.ones_like(bus_ns), where=size_bytes > 0)
    held: _Floats = np.maximum(bus_ns, codec_ns * (1 - np.minimum(share, 1)))
    return held


def _fifo(bus_ns: _Floats, codec_ns: _Floats, size_bytes: _Floats) -> int:
    slower = codec_ns > bus_ns
    left = size_bytes[slower] * (1 - bus_ns[slower] / codec_ns[slower])
    return int(np.ceil(left.max())) if left.size else 0


@njit(cache=True, nogil=True)
def _schedule(load, decode, compute, encode, store, decode_latency, encode_latency, buffers):  # type: ignore[no-untyped-def]
    count = load.size
    spans = np.zeros((5, count, 2))
    loaded = computed = stored = 0
    free = decoder = 0.0  # when memory, the decoder can begin anew
    while stored < count:
        # Compute what is loaded and has room for its output.
        while computed < loaded and computed - buffers < stored:
            start = spans[1, computed, 1]
            if computed > 0:
                start = max(start, spans[2, computed - 1, 1])
            if computed >= buffers:
                start = max(start, spans[3, computed - buffers, 1])
            spans[2, computed] = start, start + compute[computed]
            computed += 1
        load_at = np.inf
        if loaded < count and loaded - buffers < computed:
            load_at = spans[2, loaded - buffers, 1] if loaded >= buffers else 0.0
            if load[loaded] > 0:
                load_at = max(load_at, free)
            if decode[loaded] > 0:
                load_at = max(load_at, decoder)
        store_at = np.inf
        if stored < computed:
            begin = spans[2, stored, 1]
            if stored > 0:  # the encoder takes symbols again while the last ones are on their way through it
                begin = max(begin, spans[3, stored - 1, 1] - encode_latency * (encode[stored - 1] > 0))
            store_at = begin + encode_latency * (encode[stored] > 0) + max(0.0, encode[stored] - store[stored])
            if store[stored] > 0:
                store_at = max(store_at, free)
        if load_at <= store_at:
            end = load_at + load[loaded]
            spans[0, loaded] = load_at, end
            coded = decode[loaded] > 0
            spans[1, loaded, 0] = load_at
            spans[1, loaded, 1] = load_at + max(load[loaded], decode[loaded]) + decode_latency * coded
            if loaded > 0:
                spans[1, loaded, 1] = max(spans[1, loaded, 1], spans[1, loaded - 1, 1])
            if load[loaded] > 0:
                free = end
            if coded:
                decoder = load_at + max(load[loaded], decode[loaded])
            loaded += 1
        else:
            end = store_at + store[stored]
            spans[4, stored] = store_at, end
            spans[3, stored] = begin, end
            if store[stored] > 0:
                free = end
            stored += 1
    return spans
