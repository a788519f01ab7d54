"""A component as a compiled program: whole arrays of transfers in, whole arrays out, with the cycle of each.

A *record* is one transfer: the words of ``tdata``, then a word of flags (bits 0-31 ``tkeep``, 32 ``tlast``, 33
``tuser``). The job file, 64-bit words throughout::

    limit, patience, settle, seed, then for each input: count, stall, 0, records; for each output: count, stall, after

The result: cycles, finished; for each input: done, cycles; for each output: done, cycles, records. `limit` ends the run
in any case, `patience` when no transfer happened for so many cycles, and once all is done it goes on for `settle`
cycles, so that a transfer too many is seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import run as run_program
from tempfile import TemporaryDirectory

import numpy as np
from amaranth.lib import wiring
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray

from hw.axis import Channel, Shell
from hw.transfers import Records, record_words
from hw.verilator import build, default_folder
from hw.verilog import to_verilog

__all__ = ["Harness", "Run", "Stalls"]

_SETTLE, _PATIENCE = 64, 4096


@dataclass(frozen=True)
class Stalls:
    """How sources and sinks hold back.

    Attributes
    ----------
    source, sink : int
        Of 1024 cycles, those in which a source that could offer does not, and a sink is not ready; 0..1000.
    after_valid : bool
        Sinks raise ``tready`` only in a cycle after one in which they saw ``tvalid``.
    seed : int
    """

    source: int = 0
    sink: int = 0
    after_valid: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        for name, value in (("source", self.source), ("sink", self.sink)):
            if not 0 <= value <= 1000:
                raise ValueError(f"{name} must be in 0..1000 of 1024 cycles, not {value!r}")


@dataclass(frozen=True, eq=False)
class Run:
    """What came out: records and cycles by the prefix of their ports.

    Attributes
    ----------
    cycles : int
        Length of the run.
    finished : bool
        Whether all inputs were taken and all outputs came.
    records : mapping of str to ndarray of uint64, shape (n, words + 1)
        Of the outputs.
    times : mapping of str to ndarray of uint64, shape (n,)
        Cycle of each transfer, of inputs and outputs; 0 is the first cycle after reset.
    """

    cycles: int
    finished: bool
    records: Mapping[str, Records]
    times: Mapping[str, NDArray[np.uint64]] = field(repr=False)


class Harness:
    """A core in its AXI4-Stream shell, compiled with Verilator.

    Parameters
    ----------
    core : wiring.Component
        All its members are streams.
    name : str
        Name of the model; a plain identifier.
    folder : Path, optional
        Where compiled models are kept; by default `hw.verilator.default_folder`.

    Raises
    ------
    ValueError, RuntimeError
        If Verilator or g++ is missing, or refuses.
    """

    def __init__(self, core: wiring.Component, name: str, folder: Path | None = None) -> None:
        shell = Shell(core)
        self._inputs = [channel for channel in shell.channels if channel.is_input]
        self._outputs = [channel for channel in shell.channels if not channel.is_input]
        main = _main(name, self._inputs, self._outputs)
        self._program = build(name, to_verilog(shell, name), main, folder or default_folder())

    @property
    def inputs(self) -> dict[str, Channel]:
        """Channels by the prefix of their ports."""
        return {channel.prefix: channel for channel in self._inputs}

    @property
    def outputs(self) -> dict[str, Channel]:
        """Channels by the prefix of their ports."""
        return {channel.prefix: channel for channel in self._outputs}

    def run(
        self,
        inputs: Mapping[str, Records],
        counts: Mapping[str, int],
        stalls: Stalls | None = None,
        limit: int | None = None,
    ) -> Run:
        """Send all records through the model, from reset.

        Parameters
        ----------
        inputs : mapping of str to ndarray of uint64, shape (n, words + 1)
            Records of each input.
        counts : mapping of str to int
            Records that each output is to give.
        stalls : Stalls, optional
            By default none.
        limit : int, optional
            Cycles after which the run ends; by default well above what any stall needs.

        Raises
        ------
        ValueError
            If the records do not fit the ports.
        RuntimeError
            If the program fails.
        """
        stalls = stalls or Stalls()
        for channel in self._inputs:
            if inputs[channel.prefix].shape[1:] != (record_words(channel) + 1,):
                raise ValueError(f"records of {channel.prefix} must have {record_words(channel) + 1} words")
        if limit is None:
            moved = sum(map(len, inputs.values())) + sum(counts.values())
            limit = 20_000 + 64 * moved * 1024 // (1024 - max(stalls.source, stalls.sink))
        job = [np.array([limit, _PATIENCE, _SETTLE, stalls.seed], np.uint64)]
        for channel in self._inputs:
            records = inputs[channel.prefix]
            job += [np.array([len(records), stalls.source, 0], np.uint64), records.reshape(-1)]
        for channel in self._outputs:
            job.append(np.array([counts[channel.prefix], stalls.sink, int(stalls.after_valid)], np.uint64))
        with TemporaryDirectory() as scratch:
            source, target = Path(scratch) / "job", Path(scratch) / "result"
            np.concatenate(job).astype("<u8").tofile(source)
            done = run_program([self._program, source, target], capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"model ends with code {done.returncode}: {done.stderr.strip()[-400:]}")
            return self._result(np.fromfile(target, "<u8"))

    def _result(self, result: NDArray[np.uint64]) -> Run:
        records, times, at = {}, {}, 2
        for channel in (*self._inputs, *self._outputs):
            count, at = int(result[at]), at + 1
            times[channel.prefix], at = result[at : at + count], at + count
            if not channel.is_input:
                width = record_words(channel) + 1
                records[channel.prefix], at = result[at : at + count * width].reshape(count, width), at + count * width
        return Run(int(result[0]), bool(result[1]), records, times)


def _main(name: str, inputs: list[Channel], outputs: list[Channel]) -> str:
    """The C++ main program."""
    folder = FileSystemLoader(Path(__file__).parent / "templates")
    template = Environment(loader=folder, undefined=StrictUndefined, keep_trailing_newline=True)
    return template.get_template("harness.cpp").render(
        name=name, inputs=[_view(channel) for channel in inputs], outputs=[_view(channel) for channel in outputs]
    )


def _view(channel: Channel) -> dict[str, object]:
    names = ("prefix", "data_bits", "lanes", "has_last", "error")
    return {name: getattr(channel, name) for name in names} | {"words": record_words(channel)}
