"""The paper's table 1 again: run-length coding of whole activation tensors (Kim et al., KETI).

Each tensor of a network is one stream in one scan order; the saving is 1 - coded bits / raw bits over all tensors and
images, exact bits, no alignment, no side information. SRLC codes every tensor; BYPASS stores the outputs of linear and
sigmoid layers raw (`golden.activations.bypass`); SCAN leaves raster order for tiles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.activations.bypass import is_bypassed
from golden.activations.scan import SCANS, TILE_SCANS, scan_order
from golden.activations.srlc import Srlc, SrlcFormat
from golden.activations.zrlc import Zrlc, ZrlcFormat
from golden.activations.zvc import Zvc
from golden.codec import Symbols
from golden.symbol_codec import SymbolCodec
from golden.tile_format import DEFAULT_MODES, TileFormat
from golden.tile_index import index_bytes
from golden.tile_stream import tensor_sizes
from sim.cifar import build_cifar, load_cifar_images
from sim.config import PLANAR_MODES
from sim.images import load_images, preprocess
from sim.lite0 import build_lite0
from sim.network import Network, load_network
from sim.tensors import Recorder

__all__ = ["METHODS", "PAPER_PCT", "Row", "Table1", "cifar10", "imagenet", "run_length_table"]

RUN_BITS, WORD_BITS = 3, 8
METHODS = ("SRLC", "SRLC+BYPASS", "SRLC+BYPASS+SCAN", "ZRLC+BYPASS+SCAN")
_STREAMS: Mapping[str, tuple[str, ...]] = {
    "srlc": ("raw", "srlc"),
    "zrlc": ("raw", "zrlc"),
    "zvc": ("raw", "zvc"),
    "best of these": DEFAULT_MODES,
    "prc": ("raw", "prc"),
}
PAPER_PCT: Mapping[str, tuple[float, ...]] = {
    "CIFAR-10": (20.17, 23.87, 8.68, 36.22),
    "ImageNet": (9.25, 11.25, 11.25, 19.06),
}


@dataclass(frozen=True)
class Activation:
    """A tensor of one image."""

    symbols: Symbols
    zero_point: int
    activation: str


@dataclass(frozen=True)
class Row:
    """A method: bytes saved in percent for each scan order; `paper_pct` is None where the paper has no figure."""

    method: str
    saving_pct: Mapping[str, float]
    paper_pct: float | None = None


@dataclass(frozen=True)
class Table1:
    """One row of the paper's table, every scan order, and what else was measured on the same tensors."""

    data_set: str
    network: str
    images: int
    tensors: int
    raw_bytes: int
    rows: tuple[Row, ...]
    more: tuple[Row, ...]


def imagenet() -> tuple[str, list[list[Activation]]]:
    """EfficientNet-Lite0 on the embedded photos: the network of the paper's ImageNet row."""
    network = load_network(build_lite0())
    height, width = network.tensors[network.inputs[0]].shape[1:]
    photos = preprocess(load_images(), height, width)
    return "EfficientNet-Lite0, four photos", _activations(network, photos)


def cifar10() -> tuple[str, list[list[Activation]]]:
    """The CIFAR-10 network on its labelled images.

    Raises
    ------
    ValueError
        If its packages are not installed.
    """
    images, _ = load_cifar_images()
    return f"CIFAR-10 CNN, {len(images)} labelled images", _activations(load_network(build_cifar()), images)


def _activations(network: Network, images: NDArray[np.float32]) -> list[list[Activation]]:
    recorder = Recorder(network, images)
    return [
        [
            Activation(sample.symbols[tensor.name], recorder.quantization[tensor.name].zero_point, tensor.activation)
            for tensor in network.activations
        ]
        for sample in recorder
    ]


def run_length_table(data_set: str, network: str, images: list[list[Activation]], more: bool = True) -> Table1:
    """Measure every method on the tensors of some images.

    Parameters
    ----------
    data_set : str
        ``ImageNet`` or ``CIFAR-10``: the paper's row beside it.
    network : str
        What was run.
    images : list of list of Activation
    more : bool
        Whether run widths, policies and other codecs are measured too.
    """
    tensors = [tensor for image in images for tensor in image]
    raw_bytes = sum(tensor.symbols.size for tensor in tensors)
    srlc, zrlc = Srlc(SrlcFormat(RUN_BITS, WORD_BITS)), Zrlc(ZrlcFormat(RUN_BITS, WORD_BITS))
    ways: tuple[tuple[SymbolCodec[Any], str, tuple[str, ...]], ...] = (
        (srlc, "none", SCANS),
        (srlc, "activation", SCANS[:1]),
        (srlc, "activation", SCANS[1:]),
        (zrlc, "activation", SCANS),
    )
    rows = tuple(
        Row(method, _scans(tensors, codec, policy, scans), paper)
        for method, paper, (codec, policy, scans) in zip(METHODS, PAPER_PCT[data_set], ways, strict=True)
    )
    return Table1(
        data_set, network, len(images), len(images[0]), raw_bytes, rows, tuple(_more(tensors) if more else ())
    )


def _more(tensors: list[Activation]) -> Iterator[Row]:
    for run_bits in range(1, 9):
        pair: tuple[SymbolCodec[Any], ...] = (Srlc(SrlcFormat(run_bits)), Zrlc(ZrlcFormat(run_bits)))
        for codec in pair:
            yield Row(f"{codec.codec_id.upper()}+BYPASS R = {run_bits}", _scans(tensors, codec, "activation"))
    three: tuple[SymbolCodec[Any], ...] = (Srlc(), Zrlc(), Zvc())
    for name, codec in zip(("SRLC", "ZRLC", "ZVC"), three, strict=True):
        for policy in ("none", "tensor"):
            yield Row(f"{name}, bypass by {policy}", _scans(tensors, codec, policy))
    yield Row("Eyeriss words (5 + 16 bits) + BYPASS", _scans(tensors, Zrlc(ZrlcFormat(5, 16, "eyeriss")), "activation"))
    for burst_bytes in (32, 64):
        for name, modes in _STREAMS.items():
            scans = TILE_SCANS[:1] if set(modes) & set(PLANAR_MODES) else TILE_SCANS
            saved = {scan: _stream_pct(tensors, scan, burst_bytes, modes) for scan in scans}
            yield Row(f"tile stream, {name}, {burst_bytes}-byte bursts", saved)


def _scans(
    tensors: list[Activation], codec: SymbolCodec[Any], policy: str, scans: tuple[str, ...] = SCANS
) -> dict[str, float]:
    return {scan: _saving_pct(tensors, codec, policy, scan) for scan in scans}


def _saving_pct(tensors: list[Activation], codec: SymbolCodec[Any], policy: str, scan: str) -> float:
    raw_bits = coded_bits = 0
    for tensor in tensors:
        raw = tensor.symbols.size * WORD_BITS
        scanned = tensor.symbols.reshape(-1).take(scan_order(tensor.symbols.shape, scan)[0])
        size = codec.size_bits(scanned, tensor.zero_point)
        raw_bits += raw
        coded_bits += raw if is_bypassed(policy, tensor.activation, raw, size) else size
    return 100 * (1 - coded_bits / raw_bits)


def _stream_pct(tensors: list[Activation], scan: str, burst_bytes: int, modes: tuple[str, ...]) -> float:
    fmt = TileFormat(run_bits=RUN_BITS, scan=scan, burst_bytes=burst_bytes, modes=modes)
    raw_bytes = bus_bytes = 0
    for tensor in tensors:
        bursts = tensor_sizes(tensor.symbols, fmt, tensor.zero_point).bursts
        raw_bytes += tensor.symbols.size
        bus_bytes += int(bursts.sum()) * burst_bytes + index_bytes(bursts.size)
    return 100 * (1 - bus_bytes / raw_bytes)
