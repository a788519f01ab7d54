"""Encoder, decoder and adaptive encoder as compiled models that take batches of tiles and are compared with golden."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from golden.tile_format import TileFormat
from hw.activations.ports import word_bits
from hw.activations.tile_decoder import Decoder
from hw.activations.tile_encoder import Encoder
from hw.adaptive_encoder import AdaptiveEncoder
from hw.axis import Channel
from hw.batch import Batch
from hw.harness import Harness, Run, Stalls
from hw.mixed_decoder import MixedDecoder
from hw.mixed_encoder import MixedEncoder
from hw.mixed_ports import plain_format
from hw.packet import Packet
from hw.transfers import LAST, USER, Records, beats_of, fields_of, from_beats, from_fields, words_of

__all__ = ["Bench", "Decoded", "Encoded"]

_LAST = np.uint64(LAST)
_PLAIN = {"encoder": Encoder, "decoder": Decoder, "adaptive_encoder": AdaptiveEncoder}
_MIXED = {"encoder": MixedEncoder, "decoder": MixedDecoder}


@dataclass(frozen=True, eq=False)
class Encoded:
    """What an encoder made: payload records, entries by field, and the run with its cycles."""

    payload: Records
    entries: dict[str, NDArray[np.int64]]
    run: Run

    def wrong_tiles(self, batch: Batch, expected: Records) -> NDArray[np.int64]:
        """Numbers of the tiles that are not what golden makes of them."""
        wrong = _differs(self.payload, expected, _ends(expected))
        for name, golden in (("mode", batch.modes), ("bursts", batch.bursts), ("check", batch.checks)):
            wrong |= _unequal(self.entries[name], golden.astype(np.int64))
        return np.flatnonzero(wrong)


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a decoder made: symbols and tiles as in `Batch`, whether each tile raised its error, and the run."""

    values: NDArray[np.unsignedinteger]
    starts: NDArray[np.int64]
    errors: NDArray[np.bool_]
    run: Run

    def wrong_tiles(
        self, batch: Batch, corrupt: NDArray[np.bool_] | None = None, unknown: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """Numbers of the tiles that are not golden's: symbols (of good tiles), counts, and the error flag.

        Parameters
        ----------
        batch : Batch
        corrupt, unknown : ndarray of bool, shape (n,), optional
            Tiles that must raise the error, and tiles whose symbols and error say nothing; by default none.
        """
        none = np.zeros(batch.tiles, bool)
        corrupt, unknown = none if corrupt is None else corrupt, none if unknown is None else unknown
        if not np.array_equal(self.starts, batch.starts):
            counts = np.diff(self.starts)[: batch.tiles]
            return np.flatnonzero(_unequal(counts, batch.counts))
        differs = np.add.reduceat(self.values != batch.values, batch.starts[:-1]) > 0
        return np.flatnonzero(((differs & ~corrupt) | (self.errors != corrupt)) & ~unknown)


class Bench:
    """The compiled models of one format and number of lanes; each is compiled when it is first used.

    Where prc is a mode, one encoder takes told modes and finds them.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int
    folder : Path, optional
        Where compiled models are kept.
    """

    def __init__(self, fmt: TileFormat, lanes: int, folder: Path | None = None) -> None:
        self._fmt, self._lanes, self._folder = fmt, lanes, folder
        self._models: dict[str, Harness] = {}
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)
        self._mixed = "prc" in fmt.modes
        self._payload = Channel("o", False, Packet(word_bits(plain_format(fmt), lanes)))

    def model(self, name: str) -> Harness:
        """The model of ``encoder``, ``decoder`` or ``adaptive_encoder``."""
        if self._mixed and name == "adaptive_encoder":
            name = "encoder"
        core = (_MIXED if self._mixed else _PLAIN)[name]
        with self._locks[name]:
            if name not in self._models:
                full_name = f"thinwire_{'mixed_' * self._mixed}{name}"
                self._models[name] = Harness(core(self._fmt, self._lanes), full_name, self._folder)
            return self._models[name]

    def payload(self, batch: Batch) -> Records:
        """Golden's payload as records."""
        return words_of(self._payload, batch.words, batch.spans)

    def encode(self, batch: Batch, stalls: Stalls | None = None, adaptive: bool = False) -> Encoded:
        """Send the batch through the encoder in its modes, or let the adaptive one find them."""
        model = self.model("adaptive_encoder" if adaptive else "encoder")
        order = {"mode": batch.modes, "zero_point": batch.zero_point, "number": batch.numbers} | self._shapes(batch)
        if adaptive:
            order |= {"mode": 0, "told": 0}
        elif self._mixed:
            order |= {"told": 1}
        inputs = {
            "s_axis": beats_of(model.inputs["s_axis"], batch.values, batch.starts),
            "s_axis_tile": fields_of(model.inputs["s_axis_tile"], order),
        }
        counts = {"m_axis": len(self.payload(batch)), "m_axis_entry": batch.tiles}
        run = model.run(inputs, counts, stalls)
        entries = from_fields(model.outputs["m_axis_entry"], run.records["m_axis_entry"])
        return Encoded(run.records["m_axis"], entries, run)

    def decode(
        self, batch: Batch, stalls: Stalls | None = None, payload: Records | None = None, **entry: NDArray[np.int64]
    ) -> Decoded:
        """Send golden's stream through the decoder, or `payload` and fields of entries in its place."""
        model = self.model("decoder")
        order = {"count": batch.counts, "zero_point": batch.zero_point, "number": batch.numbers} | self._shapes(batch)
        entry = {"mode": batch.modes, "bursts": batch.bursts, "check": batch.checks} | entry
        inputs = {
            "s_axis": self.payload(batch) if payload is None else payload,
            "s_axis_tile": fields_of(model.inputs["s_axis_tile"], order),
            "s_axis_entry": fields_of(model.inputs["s_axis_entry"], entry),
        }
        beats = int((-(-batch.counts // self._lanes)).sum())
        run = model.run(inputs, {"m_axis": beats}, stalls)
        records = run.records["m_axis"]
        values, starts = from_beats(model.outputs["m_axis"], records)
        flags = records[(records[:, -1] & _LAST) != 0, -1]
        return Decoded(values, starts, (flags & np.uint64(USER)) != 0, run)

    def _shapes(self, batch: Batch) -> dict[str, NDArray[np.int64]]:
        """What orders say of shapes, if they do."""
        names = ("height", "width", "channels") if self._mixed else ()
        return {name: batch.shapes[:, axis] for axis, name in enumerate(names)}


def _ends(records: Records) -> NDArray[np.int64]:
    return np.flatnonzero(records[:, -1] & _LAST)


def _unequal(made: NDArray[np.int64], golden: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where two arrays differ, what is missing or too much included."""
    wrong = np.ones(golden.size, bool)
    size = min(made.size, golden.size)
    wrong[:size] = made[:size] != golden[:size]
    if made.size > golden.size:
        wrong[-1] = True
    return wrong


def _differs(made: Records, golden: Records, ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tiles, ending at records `ends`, in which two arrays of records differ; lengths included."""
    rows = np.ones(len(golden), bool)
    size = min(len(made), len(golden))
    rows[:size] = (made[:size] != golden[:size]).any(axis=1)
    if len(made) > len(golden):
        rows[-1] = True
    return np.add.reduceat(rows, np.append(0, ends[:-1] + 1)) > 0
