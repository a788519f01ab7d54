"""Tensors as memory holds them: the bytes and codec cycles of each tile, really coded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from golden.activations.bypass import is_bypassed
from golden.tile_index import index_bytes
from golden.tile_stream import tensor_sizes
from sim.config import RunConfig
from sim.external import TensorBytes
from sim.network import Network
from sim.tensors import Recorded
from sim.tile_plan import tile_symbols
from sim.tile_times import TileTimes, no_times, tile_times

__all__ = ["batches", "coded_images", "joined", "raw_tensors"]


def raw_tensors(network: Network, run: RunConfig, value_bits: int, batch: int = 1) -> dict[str, TensorBytes]:
    """Every tensor as it is, by name: whole bursts of each codec tile, from shapes alone."""
    return {name: joined([_raw(tensor.shape, value_bits, run)] * batch) for name, tensor in network.tensors.items()}


def joined(images: Sequence[TensorBytes]) -> TensorBytes:
    """A tensor of several images: tiles one behind the other."""
    first, rest = images[0], images[1:]
    if not rest:
        return first
    known = [image.times for image in images if image.times is not None]
    return TensorBytes(
        np.concatenate([image.tile_bytes for image in images]),
        np.concatenate([image.symbols for image in images]),
        first.slot_bytes,
        any(image.indexed for image in images),
        _joined_times(images, known) if known else None,
    )


def _joined_times(images: Sequence[TensorBytes], known: Sequence[TileTimes]) -> TileTimes:
    each = [image.times or no_times(image.tile_bytes.size) for image in images]
    return TileTimes(
        np.concatenate([times.decode for times in each]),
        np.concatenate([times.encode for times in each]),
        max(times.decode_latency for times in known),
        max(times.encode_latency for times in known),
    )


def batches(images: Iterable[Mapping[str, TensorBytes]], size: int) -> Iterator[Mapping[str, TensorBytes]]:
    """Images in batches; the last one is filled up with the first images."""
    if size == 1:
        yield from images
        return
    every = list(images)
    for start in range(0, len(every), size):
        chosen = [every[(start + k) % len(every)] for k in range(size)]
        yield {name: joined([image[name] for image in chosen]) for name in chosen[0]}


def coded_images(
    network: Network, run: RunConfig, lanes: int, samples: Recorded, coded: Collection[str]
) -> Iterator[Mapping[str, TensorBytes]]:
    """What each image's tensors become.

    Parameters
    ----------
    lanes : int
        Symbols that a codec takes in a cycle.
    coded : collection of str
        Tensors that pass the codec; the others are raw.
    """
    plain = raw_tensors(network, run, run.word_bits)
    for sample in samples:
        yield {
            name: _coded(
                sample.symbols[name], samples.quantization[name].zero_point, tensor.activation, run, lanes, plain[name]
            )
            if name in coded
            else plain[name]
            for name, tensor in network.tensors.items()
        }


def _coded(
    symbols: NDArray[np.unsignedinteger],
    zero_point: int,
    activation: str,
    run: RunConfig,
    lanes: int,
    raw: TensorBytes,
) -> TensorBytes:
    fmt = run.format_of(run.codec)
    sizes = tensor_sizes(symbols, fmt, zero_point)
    whole = int(sizes.bursts.sum()) * fmt.burst_bits + 8 * index_bytes(raw.symbols.size)
    if is_bypassed(run.bypass, activation, 8 * int(raw.tile_bytes.sum()), whole):
        return raw
    times = tile_times(symbols, fmt, zero_point, sizes, lanes)
    return replace(raw, tile_bytes=sizes.bursts * fmt.burst_bytes, indexed=True, times=times)


def _raw(shape: tuple[int, ...], value_bits: int, run: RunConfig) -> TensorBytes:
    counts, burst_bits = tile_symbols(shape, run.tile), 8 * run.burst_bytes
    slot = -(-prod(run.tile) * value_bits // burst_bits) * run.burst_bytes
    return TensorBytes(-(-counts * value_bits // burst_bits) * run.burst_bytes, counts, slot, False)
