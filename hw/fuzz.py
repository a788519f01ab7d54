"""Random tiles through the RTL in Verilator, compared with golden: ``python -m hw.fuzz --tiles 1000000``.

A *job* is some thousand tiles of one format, one zero point and one kind of stall, made from the seed and the job's
number alone. Each is encoded (in random modes, or in those that the chooser finds) and decoded; when decoding, some
tiles are damaged: they must raise the error, give the exact symbol count, and leave their neighbours alone. The tiles
that fail are written as a vector, cut to the few that are needed, which `replay` and the tests run again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from golden.codec import symbol_dtype
from golden.tile_format import MAX_BURSTS, MODES, TileFormat
from hw.batch import Batch, batch_of_tiles
from hw.bench import Bench
from hw.damage import damage
from hw.harness import Stalls

__all__ = ["CONFIGURATIONS", "Job", "job_of", "main", "read_vector", "replay", "run_job", "write_vector"]

JOB_TILES = 4000

CONFIGURATIONS = (
    (TileFormat(), 4),
    (TileFormat(), 1),
    (TileFormat(run_bits=5, burst_bytes=64), 8),
    (TileFormat(word_bits=4, run_bits=1), 2),
    (TileFormat(word_bits=16, run_bits=4, tile=(8, 8, 16)), 4),
    (TileFormat(word_bits=16, run_bits=8, tile=(8, 8, 16)), 8),
    (TileFormat(modes=MODES), 4),
    (TileFormat(word_bits=4, tile=(7, 9, 6), burst_bytes=64, modes=("raw", "zvc", "prc")), 2),
)
_STALLS = (
    Stalls(),
    Stalls(),
    Stalls(source=200, sink=200),
    Stalls(source=700),
    Stalls(sink=700),
    Stalls(after_valid=True),
    Stalls(source=500, after_valid=True),
)


@dataclass(frozen=True, eq=False)
class Job:
    """Tiles and how they travel.

    Attributes
    ----------
    lanes : int
    batch : Batch
    stalls : Stalls
    adaptive : bool
        Let the chooser find the modes.
    damaged : ndarray of uint8, shape (n,)
        Kind of damage of each tile when it is decoded, 0 for none (`hw.damage`).
    seed : int
        Of the damage.
    """

    lanes: int
    batch: Batch
    stalls: Stalls
    adaptive: bool
    damaged: NDArray[np.uint8]
    seed: int


def job_of(seed: int, number: int, tiles: int = JOB_TILES) -> Job:
    """The job that seed and number make."""
    rng = np.random.default_rng([seed, number])
    fmt, lanes = CONFIGURATIONS[number % len(CONFIGURATIONS)]
    shapes = _shapes(rng, tiles, fmt) if "prc" in fmt.modes else None
    lengths = _lengths(rng, tiles, fmt.tile_symbols) if shapes is None else shapes.prod(axis=1)
    starts = np.append(0, np.cumsum(lengths))
    zero_point = int(rng.integers(0, 1 << fmt.word_bits)) if rng.random() < 0.7 else 0
    values = _values(rng, starts, fmt.word_bits, zero_point, smooth=shapes is not None)
    adaptive = rng.random() < 0.3
    modes = None if adaptive else rng.choice([MODES.index(mode) for mode in fmt.modes], tiles).astype(np.uint8)
    batch = batch_of_tiles(fmt, values, starts, zero_point, modes, shapes)
    if batch.bursts.max() > MAX_BURSTS:  # a mode that expands the tile too far for its index entry
        fits = np.where(batch.bursts > MAX_BURSTS, 0, batch.modes).astype(np.uint8)
        batch = batch_of_tiles(fmt, values, starts, zero_point, fits, shapes)
    stalls = replace(_STALLS[int(rng.integers(len(_STALLS)))], seed=int(rng.integers(1 << 30)))
    damaged = np.where(rng.random(tiles) < 0.1, rng.integers(1, 8, tiles), 0).astype(np.uint8)
    return Job(lanes, batch, stalls, adaptive, damaged, int(rng.integers(1 << 30)))


def _lengths(rng: np.random.Generator, tiles: int, most: int) -> NDArray[np.int64]:
    """Mostly short tiles: their ends are where faults lie."""
    limits = rng.choice([1, 8, 64, 256, most], tiles, p=[0.1, 0.35, 0.4, 0.13, 0.02])
    return np.where(rng.random(tiles) < 0.002, most, rng.integers(1, limits + 1))


def _shapes(rng: np.random.Generator, tiles: int, fmt: TileFormat) -> NDArray[np.int64]:
    """Mostly a few small planes; one in fifty is a whole tile."""
    small = np.minimum(rng.choice([1, 3, 8], (tiles, 3), p=[0.2, 0.5, 0.3]), fmt.tile)
    shapes = rng.integers(1, small + 1)
    return np.where(rng.random((tiles, 1)) < 0.02, fmt.tile, shapes)


def _values(
    rng: np.random.Generator, starts: NDArray[np.int64], word_bits: int, zero_point: int, smooth: bool
) -> NDArray[np.unsignedinteger]:
    """Symbols whose share of zeros, and length of zero runs, changes from tile to tile; some of them `smooth`."""
    size = int(starts[-1])
    values = rng.integers(0, 1 << word_bits, size).astype(symbol_dtype(word_bits))
    if smooth:
        steps = np.cumsum(rng.integers(-2, 3, size)) % (1 << word_bits)
        values = np.where(np.repeat(rng.random(starts.size - 1) < 0.6, np.diff(starts)), steps, values)
        values = values.astype(symbol_dtype(word_bits))
    share = np.repeat(rng.choice([0.0, 0.1, 0.5, 0.9, 0.99, 1.0], starts.size - 1), np.diff(starts))
    run = np.repeat(rng.choice([1, 7, 40], starts.size - 1), np.diff(starts))
    dice = rng.random(size)
    values[dice[np.arange(size) // run] < share] = zero_point
    return values


@cache
def _bench(fmt: TileFormat, lanes: int) -> Bench:
    return Bench(fmt, lanes)


def run_job(job: Job) -> NDArray[np.int64]:
    """Numbers of the tiles that fail, in ascending order; none if all is well."""
    bench, batch = _bench(job.batch.fmt, job.lanes), job.batch
    made = bench.encode(batch, job.stalls, job.adaptive)
    wrong = made.wrong_tiles(batch, bench.payload(batch))
    sent = damage(bench, batch, job.damaged, job.seed)
    came = bench.decode(batch, job.stalls, sent.payload, **sent.entry)
    return np.union1d(wrong, came.wrong_tiles(batch, sent.corrupt, sent.unknown))


def _part(job: Job, first: int, end: int) -> Job:
    """Tiles `first` to `end` of a job, numbered from 0."""
    batch, starts = job.batch, job.batch.starts[first : end + 1]
    values = batch.values[starts[0] : starts[-1]]
    modes, shapes = batch.modes[first:end], batch.shapes[first:end]
    part = batch_of_tiles(batch.fmt, values, starts - starts[0], batch.zero_point, modes, shapes)
    return replace(job, batch=part, damaged=job.damaged[first:end])


def _shrink(job: Job, tile: int) -> Job:
    """As few tiles up to the failing one as still fail; the whole job if it takes them all."""
    for before in (0, 1, 3, 15, 127):
        part = _part(job, max(0, tile - before), tile + 1)
        if run_job(part).size:
            return part
    return job


def write_vector(job: Job, path: Path) -> None:
    """Write a job as JSON."""
    batch = job.batch
    vector = {
        "format": asdict(batch.fmt),
        "lanes": job.lanes,
        "zero_point": batch.zero_point,
        "adaptive": job.adaptive,
        "stalls": asdict(job.stalls),
        "seed": job.seed,
        "tiles": [
            {
                "mode": int(mode),
                "damage": int(kind),
                "shape": shape,
                "values": batch.values[start:end].tolist(),
            }
            for mode, kind, shape, start, end in zip(
                batch.modes,
                job.damaged,
                batch.shapes.tolist(),
                batch.starts[:-1].tolist(),
                batch.starts[1:].tolist(),
                strict=True,
            )
        ],
    }
    path.write_text(json.dumps(vector) + "\n")


def read_vector(path: Path) -> Job:
    """Read what `write_vector` wrote."""
    vector = json.loads(path.read_text())
    fmt = TileFormat(**vector["format"])
    tiles = vector["tiles"]
    starts = np.append(0, np.cumsum([len(tile["values"]) for tile in tiles]))
    values = np.concatenate([tile["values"] for tile in tiles]).astype(symbol_dtype(fmt.word_bits))
    modes = np.array([tile["mode"] for tile in tiles], np.uint8)
    shapes = np.array([tile.get("shape", (len(tile["values"]), 1, 1)) for tile in tiles])
    batch = batch_of_tiles(fmt, values, starts, vector["zero_point"], modes, shapes)
    damaged = np.array([tile["damage"] for tile in tiles], np.uint8)
    return Job(vector["lanes"], batch, Stalls(**vector["stalls"]), vector["adaptive"], damaged, vector["seed"])


def replay(path: Path) -> NDArray[np.int64]:
    """Run a vector; numbers of the tiles that fail."""
    return run_job(read_vector(path))


def main(arguments: list[str] | None = None) -> int:
    """Fuzz; 1 if a tile failed, and its vector's path is printed."""
    parser = argparse.ArgumentParser(prog="hw.fuzz", description="Random tiles through the RTL.")
    parser.add_argument("--tiles", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=None, help="by default the time")
    parser.add_argument("--out", type=Path, default=Path("build"), help="folder for the vectors of failing tiles")
    options = parser.parse_args(arguments)
    seed = time.time_ns() // 1_000_000_000 if options.seed is None else options.seed
    print(f"seed {seed}: {options.tiles} tiles, {JOB_TILES} a job", flush=True)
    began, done, symbols = time.monotonic(), 0, 0
    numbers = range(-(-options.tiles // JOB_TILES))
    sizes = [min(JOB_TILES, options.tiles - number * JOB_TILES) for number in numbers]

    def work(number: int) -> tuple[Job, NDArray[np.int64]]:
        job = job_of(seed, number, sizes[number])
        return job, run_job(job)

    with ThreadPoolExecutor(2) as pool:
        for number, (job, wrong) in zip(numbers, pool.map(work, numbers), strict=True):
            if wrong.size:
                path = options.out / f"fuzz-{seed}-{number}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_vector(_shrink(job, int(wrong[0])), path)
                print(f"job {number}: {wrong.size} tiles fail, the first is {wrong[0]}; vector: {path}")
                return 1
            done, symbols = done + job.batch.tiles, symbols + job.batch.values.size
            if number % 25 == 24:
                print(f"{done} tiles, {symbols} symbols, {time.monotonic() - began:.0f} s", flush=True)
    print(f"seed {seed}: {done} tiles, {symbols} symbols equal in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
