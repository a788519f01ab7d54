"""Pairs of a zero run and a weight, each with a code of its own: what `runs` and `relative` share.

A block of weights becomes tokens, in order; each is a run of zeros and, mostly, a weight behind it. Two ways differ in
how a run longer than the run alphabet goes on, with `limit` its greatest symbol:

``escape``
    Symbol `limit` means `limit` zeros and *no weight*: the run goes on in the next token. 0 .. limit - 1 end it.
``filler``
    Symbol `limit` means `limit` zeros, as any other symbol does; a *zero weight* behind it fills one more place.

Zeros at the end of a block: with ``escape`` the run's token stands without a weight, and a run that is a multiple of
`limit` ends with its last escape; with ``filler`` k zeros end as (k - 1, zero).

Payload: ``| run codeword | weight codeword | run codeword | ...``, MSB of each codeword first, no padding between
blocks. Tables: run table, then weight table (golden/weights/canonical.py); no weight table where no token has a
weight (flag below). Stored tables, LSB-first: ``| has weights : 1 | run table | weight table if any |``; an empty
tensor has neither tables nor payload.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from golden.bits import BitReader, BitWriter, bytes_from_words, put_bits, words_for, words_from_bytes
from golden.codec import CorruptStreamError
from golden.weights.canonical import EMPTY_TABLE, MOST_SYMBOLS, CodeTable, check_levels, check_tables_end, look
from golden.weights.tensor import (
    ENTRY_BITS,
    EncodedWeights,
    block_starts,
    check_blocks,
    check_integers,
    check_stream,
)

__all__ = ["NO_WEIGHT", "PairRules", "Tokens", "decode_pairs", "encode_pairs", "pair_bits", "plan_pairs"]

NO_WEIGHT = -32768
"""Stands for the weight of a token that has none; weights are above it."""

_FAULTS = ("no codeword of this block", "run passes the last weight of this block", "block does not end")


@dataclass(frozen=True)
class PairRules:
    """The run alphabet ``0 .. limit``, what its last symbol does, and how both alphabets are coded.

    `huffman` chooses codes by count, at most `max_length` bits long; without it both are plain fields, told to the
    decoder as uniform codes.
    """

    limit: int
    escape: bool
    huffman: bool
    max_length: int
    entry_weights: int


@dataclass(frozen=True)
class Tokens:
    """The tokens of a tensor.

    Attributes
    ----------
    runs : ndarray of uint8, shape (n,)
        Run symbols.
    weights : ndarray of int16, shape (n,)
        Weights, or `NO_WEIGHT`.
    starts : ndarray of int64, shape (blocks + 1,)
        First token of each block, and the count.
    """

    runs: NDArray[np.uint8]
    weights: NDArray[np.int16]
    starts: NDArray[np.int64]


@dataclass(frozen=True)
class PairPlan:
    """A tensor's tokens, its two codes and what they cost."""

    array: NDArray[Any]
    tokens: Tokens
    run_table: CodeTable
    weight_table: CodeTable

    @cached_property
    def run_bits(self) -> int:
        """Bits of all run codewords."""
        return int(self.run_table.lengths[self.tokens.runs.astype(np.intp) - self.run_table.first].sum(dtype=np.int64))

    @cached_property
    def weight_bits(self) -> int:
        """Bits of all weight codewords."""
        weights = self.tokens.weights[self.tokens.weights != NO_WEIGHT].astype(np.intp)
        return int(self.weight_table.lengths[weights - self.weight_table.first].sum(dtype=np.int64))

    @cached_property
    def table_writer(self) -> BitWriter:
        """The stored tables."""
        writer = BitWriter()
        if self.tokens.runs.size:
            writer.write_bits(int(self.weight_table.lengths.size > 0), 1)
            self.run_table.write(writer)
            self.weight_table.write(writer)
        return writer


def plan_pairs(values: ArrayLike, rules: PairRules) -> PairPlan:
    """Cut integers into tokens and choose the codes.

    Raises
    ------
    TypeError, ValueError
        If a weight is no integer in -32767..32767, or non-zero weights span more than 512 levels (with the zero, where
        fillers need it).
    """
    array = check_integers(values, NO_WEIGHT + 1, 32767)
    flat = array.reshape(-1).astype(np.int16, copy=False)
    starts = block_starts(flat.size, rules.entry_weights)
    tokens = Tokens(*_tokenize(flat, starts, rules.limit, rules.escape))
    weights = tokens.weights[tokens.weights != NO_WEIGHT]
    low, high = (int(weights.min()), int(weights.max())) if weights.size else (0, -1)
    if high - low >= MOST_SYMBOLS:
        raise ValueError(f"weights must span {MOST_SYMBOLS} levels or fewer, not {high - low + 1}")
    if rules.huffman:
        run_counts = np.bincount(tokens.runs, minlength=1)
        weight_counts = np.bincount(weights.astype(np.intp) - low)
        run_table = CodeTable.from_counts(0, run_counts, rules.max_length)
        return PairPlan(array, tokens, run_table, CodeTable.from_counts(low, weight_counts, rules.max_length))
    run_table = CodeTable.uniform(0, rules.limit.bit_length())
    width = max((high - low).bit_length(), 1)
    # All symbols of the fields must be weights of the dtype, those that do not occur too.
    greatest = min(int(np.iinfo(array.dtype).max), 32767)
    first = min(low, greatest + 1 - (1 << width))
    weight_table = CodeTable.uniform(first, width) if weights.size else EMPTY_TABLE
    return PairPlan(array, tokens, run_table, weight_table)


def pair_bits(plan: PairPlan) -> int:
    """Payload, tables and entry points of the stream that `encode_pairs` would write."""
    entries = plan.tokens.starts.size - 2
    return plan.run_bits + plan.weight_bits + plan.table_writer.bits + ENTRY_BITS * entries


def encode_pairs(plan: PairPlan, rules: PairRules) -> EncodedWeights:
    """Write the tokens of a plan."""
    bits = plan.run_bits + plan.weight_bits
    words = np.zeros(words_for(bits), np.uint64)
    tokens, runs, weights = plan.tokens, plan.run_table, plan.weight_table
    entries = _encode(
        tokens.runs,
        tokens.weights,
        tokens.starts,
        (runs.first, runs.reversed_codes, runs.lengths),
        (weights.first, weights.reversed_codes, weights.lengths),
        words,
    )
    writer = plan.table_writer
    parts = {"weights": plan.weight_bits, "index": plan.run_bits, "tables": writer.bits}
    return EncodedWeights(
        words,
        bits,
        plan.array.shape,
        plan.array.dtype.name,
        words_from_bytes(writer.to_bytes()),
        writer.bits,
        entries,
        rules.entry_weights,
        parts,
    )


def decode_pairs(encoded: EncodedWeights, rules: PairRules, first: int, last: int) -> NDArray[Any]:
    """Weights of blocks `first` to `last`, flat, in the tensor's dtype.

    Raises
    ------
    CorruptStreamError
        Naming block and bit.
    """
    check_stream(encoded)
    check_blocks(encoded, first, last)
    run_table, weight_table = _read_tables(encoded)
    greatest = run_table.first + run_table.lengths.size - 1
    if run_table.first < 0 or greatest > rules.limit:
        raise CorruptStreamError(f"run symbols must be in 0..{rules.limit}, not {run_table.first}..{greatest}")
    starts = encoded.weight_bounds[first : last + 1]
    weights = np.zeros(starts[-1] - starts[0], np.int16)
    block, position, fault = _decode(
        np.append(encoded.words, np.uint64(0)),
        encoded.payload_bounds[first : last + 1],
        starts - starts[0],
        (run_table.first, run_table.lookup),
        (weight_table.first, weight_table.lookup),
        rules.limit,
        rules.escape,
        weights,
    )
    if block >= 0:
        raise CorruptStreamError(f"block {first + block}: {_FAULTS[fault]} at bit {position}")
    return weights.astype(encoded.dtype)


def _read_tables(encoded: EncodedWeights) -> tuple[CodeTable, CodeTable]:
    reader = BitReader(bytes_from_words(encoded.tables, encoded.table_bits))
    run_table = weight_table = EMPTY_TABLE
    if encoded.count and encoded.table_bits:
        has_weights = reader.read_bits(1)
        run_table = CodeTable.read(reader)
        weight_table = CodeTable.read(reader) if has_weights else EMPTY_TABLE
    check_tables_end(reader, encoded.table_bits)
    check_levels(weight_table, encoded.dtype)
    return run_table, weight_table


@njit(cache=True, nogil=True)
def _tokenize(values, starts, limit, escape):  # type: ignore[no-untyped-def]
    """Runs, weights and the first token of each block."""
    runs = np.empty(values.size, np.uint8)
    weights = np.empty(values.size, np.int16)
    token_starts = np.zeros(starts.size, np.int64)
    tokens = 0
    for block in range(starts.size - 1):
        end = starts[block + 1]
        run = 0
        for i in range(starts[block], end):
            zero = values[i] == 0
            if zero and escape:
                run += 1
                if run == limit or i == end - 1:
                    runs[tokens], weights[tokens] = run, NO_WEIGHT
                    tokens += 1
                    run = 0
            elif zero and run < limit and i < end - 1:
                run += 1
            else:
                runs[tokens], weights[tokens] = run, values[i]
                tokens += 1
                run = 0
        token_starts[block + 1] = tokens
    return runs[:tokens].copy(), weights[:tokens].copy(), token_starts


@njit(cache=True, nogil=True)
def _encode(runs, weights, starts, run_code, weight_code, words):  # type: ignore[no-untyped-def]
    """Write the payload; return where each block starts."""
    first_run, run_codes, run_lengths = run_code
    first_weight, weight_codes, weight_lengths = weight_code
    entries = np.zeros(starts.size - 1, np.int64)
    position = 0
    for block in range(entries.size):
        entries[block] = position
        for t in range(starts[block], starts[block + 1]):
            run = runs[t] - first_run
            position = put_bits(words, position, run_codes[run], np.int64(run_lengths[run]))
            if weights[t] != NO_WEIGHT:
                weight = weights[t] - first_weight
                position = put_bits(words, position, weight_codes[weight], np.int64(weight_lengths[weight]))
    return entries


@njit(cache=True, nogil=True)
def _decode(words, bounds, starts, run_code, weight_code, limit, escape, weights):  # type: ignore[no-untyped-def]
    """Fill zeroed `weights`; block, bit and kind of the first fault, or -1."""
    first_run, run_lookup = run_code
    first_weight, weight_lookup = weight_code
    for block in range(starts.size - 1):
        position = bounds[block]
        stop = bounds[block + 1]
        i = starts[block]
        end = starts[block + 1]
        while i < end:
            entry = look(words, position, run_lookup)
            if entry == 0 or position + (entry & 15) > stop:
                return block, position, 0
            run = first_run + (entry >> 4)
            i += run
            if i > end or (i == end and not escape):
                return block, position, 1
            position += entry & 15
            if escape and (run == limit or i == end):
                continue
            entry = look(words, position, weight_lookup)
            if entry == 0 or position + (entry & 15) > stop:
                return block, position, 0
            weights[i] = first_weight + (entry >> 4)
            i += 1
            position += entry & 15
        if position != stop:
            return block, position, 2
    return -1, 0, 0
