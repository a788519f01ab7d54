"""Whole tensors through the RTL of chooser, encoder and decoder in Verilator: every bit compared, every cycle counted.

``thinwire cosim`` sends a network's, ``python -m hw.dense`` random ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from golden.tile_format import TileFormat
from golden.tile_stream import encode_tensor
from hw.batch import Batch, batch_of_tensor
from hw.bench import Bench
from hw.harness import Run

__all__ = ["Cosimulation", "NamedTensor", "Passage", "cosimulate"]


@dataclass(frozen=True, eq=False)
class NamedTensor:
    """A tensor of symbols, shape (C, H, W), and the symbol that means zero."""

    name: str
    symbols: NDArray[np.unsignedinteger]
    zero_point: int


@dataclass(frozen=True, eq=False)
class Passage:
    """A tensor's way through one core, in its shell, without stalls.

    Attributes
    ----------
    equal : bool
        Whether every bit that came out is golden's.
    cycles : int
        From the first symbol beat to the last one: into the encoder, out of the decoder. A core that never waits
        takes as many as there are beats.
    latency : int
        From the first beat in to the first beat out.
    busy : int
        From the first beat in to the last beat out.
    beats_in, beats_out : ndarray of int64
        Cycle of each transfer, of the first one on.
    """

    equal: bool
    cycles: int
    latency: int
    busy: int
    beats_in: NDArray[np.int64]
    beats_out: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Cosimulation:
    """A tensor through both cores.

    Attributes
    ----------
    name : str
    symbols, tiles, beats : int
        A tile of ``n`` symbols is ``ceil(n / lanes)`` beats.
    raw_bytes, coded_bytes, index_bytes : int
        Symbols as they are; whole bursts; index.
    batch : Batch
    encode, decode : Passage
    """

    name: str
    symbols: int
    tiles: int
    beats: int
    raw_bytes: int
    coded_bytes: int
    index_bytes: int
    batch: Batch
    encode: Passage
    decode: Passage

    @property
    def equal(self) -> bool:
        """Whether encoder and decoder agree with golden in every bit."""
        return self.encode.equal and self.decode.equal

    @property
    def symbols_per_cycle(self) -> tuple[float, float]:
        """Of encoder and decoder."""
        return self.symbols / self.encode.cycles, self.symbols / self.decode.cycles


def cosimulate(
    tensors: Iterable[NamedTensor], fmt: TileFormat | None = None, lanes: int = 4, folder: Path | None = None
) -> Iterator[Cosimulation]:
    """Send tensors through chooser and encoder, and golden's streams through the decoder.

    The chooser finds each tile's mode. Both models run at once, a process each; so two cores of the machine are used.

    Parameters
    ----------
    tensors : iterable of NamedTensor
        Taken one by one.
    fmt : TileFormat, optional
    lanes : int
    folder : Path, optional
        Where compiled models are kept.

    Raises
    ------
    ValueError
        If Verilator is missing or the parameters are refused.
    """
    fmt = fmt or TileFormat()
    bench = Bench(fmt, lanes, folder)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(bench.model, ("adaptive_encoder", "decoder")))
        waiting: tuple[NamedTensor, Batch, Future[Passage], Future[Passage]] | None = None
        for tensor in tensors:
            # Golden makes the next tensor's stream while the models run on the one before.
            batch = batch_of_tensor(encode_tensor(tensor.symbols, fmt, tensor.zero_point, "packed"), tensor.symbols)
            if waiting:
                yield _result(*waiting, lanes)
            waiting = tensor, batch, pool.submit(_encode, bench, batch), pool.submit(_decode, bench, batch)
        if waiting:
            yield _result(*waiting, lanes)


def _result(
    tensor: NamedTensor, batch: Batch, encode: Future[Passage], decode: Future[Passage], lanes: int
) -> Cosimulation:
    return Cosimulation(
        name=tensor.name,
        symbols=batch.values.size,
        tiles=batch.tiles,
        beats=int((-(-batch.counts // lanes)).sum()),
        raw_bytes=-(-batch.values.size * batch.fmt.word_bits // 8),
        coded_bytes=int(batch.bursts.sum()) * batch.fmt.burst_bytes,
        index_bytes=batch.index_bytes,
        batch=batch,
        encode=encode.result(),
        decode=decode.result(),
    )


def _encode(bench: Bench, batch: Batch) -> Passage:
    made = bench.encode(batch, adaptive=True)
    equal = made.run.finished and not made.wrong_tiles(batch, bench.payload(batch)).size
    return _passage(equal, made.run, "s_axis")


def _decode(bench: Bench, batch: Batch) -> Passage:
    made = bench.decode(batch)
    return _passage(made.run.finished and not made.wrong_tiles(batch).size, made.run, "m_axis")


def _passage(equal: bool, run: Run, symbols: str) -> Passage:
    sent, came = run.times["s_axis"].astype(np.int64), run.times["m_axis"].astype(np.int64)
    if not (sent.size and came.size):
        return Passage(False, 0, 0, 0, sent, came)
    first = int(sent[0])
    counted = run.times[symbols].astype(np.int64)
    return Passage(
        equal=bool(equal),
        cycles=int(counted[-1] - counted[0]) + 1,
        latency=int(came[0]) - first,
        busy=int(came[-1]) - first + 1,
        beats_in=sent - first,
        beats_out=came - first,
    )
