"""Cycles of the decoder of Huffman codes (hw/weights/pair_decoder.py): when each beat leaves.

The core is stepped cycle by cycle with all that decides when it waits: words that come, codewords that are short enough
to be read together, ends of blocks, beats that are full. Sources offer always, sinks are always ready. Nothing is
fitted; a test holds every cycle equal to the core's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from golden.bits import BitReader, bytes_from_words, words_for
from golden.weights.canonical import CodeTable, look
from golden.weights.tensor import EncodedWeights

__all__ = ["PairTensor", "pair_cycles"]

_WORD_BITS, _ENTRY_BITS, _LEVEL_BITS, _COUNT_BITS, _HEADER_BITS = 64, 32, 32, 8, 25
# Bits of the window, and most bits of a cycle's first, second and third codeword.
_WINDOW_BITS, _SECOND_BITS, _THIRD_BITS, _REACH_BITS = 21, 8, 5, 32
# After more bits, tables are read a cycle later.
_VIEW_BITS = 10
# Cycles behind a table's steps, and 1 for each codeword.
_TABLE_CYCLES = 18
_LOAD, _LOADED, _ENTRIES, _FILL, _BLOCK, _MEASURE, _CODEWORDS, _PADDING, _REST, _DRAIN, _SETTLED, _REPORT = range(12)


@dataclass(frozen=True)
class PairTensor:
    """A coded tensor, as golden made it.

    Attributes
    ----------
    encoded : EncodedWeights
        Of ``huffman``, ``zero-runs``, ``relative-index`` or ``deepcomp``.
    limit : int
        Greatest run symbol; 0 where there are no runs.
    escape : bool
        Whether it has no weight behind it.
    """

    encoded: EncodedWeights
    limit: int = 0
    escape: bool = False


def pair_cycles(
    tensors: Iterable[PairTensor], lanes: int = 16, slots: int = 3
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cycles in which beats leave, of tensors one behind the other.

    Parameters
    ----------
    tensors : iterable of PairTensor
    lanes, slots : int
        Weights of a beat; codewords that are read in a cycle, 1..3.

    Returns
    -------
    beats : ndarray of int64
        Cycle of each beat; 0 is that in which the first order is taken.
    orders : ndarray of int64, shape (n + 1,)
        Cycle in which each order is taken, and the one after the last report.
    """
    beats, orders = [], [0]
    for tensor in tensors:
        encoded = tensor.encoded
        words = words_for(encoded.table_bits) + (encoded.entries.size >> 1) + words_for(encoded.bits)
        made = np.zeros(-(-encoded.count // lanes), np.int64)
        if encoded.count == 0:
            orders.append(orders[-1] + 7)
            continue
        tables, reads = _tables(tensor)
        symbols = _symbols(
            np.append(encoded.words, np.uint64(0)),
            encoded.payload_bounds,
            tuple((table.first, table.lookup) for table in tables),
            (tensor.limit, tensor.escape),
        )
        shape = (encoded.count, words, lanes, slots)
        orders.append(_run(reads, encoded.payload_bounds[1:], *symbols, shape, orders[-1], made))
        beats.append(made)
    return np.concatenate([*beats, np.zeros(0, np.int64)]), np.array(orders)


def _tables(tensor: PairTensor) -> tuple[tuple[CodeTable, CodeTable], NDArray[np.int64]]:
    """The codes of runs and weights, and what is read of the tables cycle by cycle: bits, 0 where none."""
    encoded, reads = tensor.encoded, []
    reader = BitReader(bytes_from_words(encoded.tables, encoded.table_bits))
    if np.dtype(encoded.dtype).kind == "f":
        levels = reader.read_bits(_COUNT_BITS)
        reader.read_bits(_LEVEL_BITS * levels)
        reads += [_COUNT_BITS, *([_LEVEL_BITS] * levels or [0])]
    has_weights = True
    if tensor.limit:
        has_weights = bool(reader.read_bits(1))
        reads.append(1)
    tables = []
    for _ in range(1 + (has_weights and tensor.limit > 0)):
        start = reader.position
        table = CodeTable.read(reader)
        tables.append(table)
        end, reader.position = reader.position, start + _HEADER_BITS
        reads.append(_HEADER_BITS)
        while reader.position < end:
            before = reader.position
            _skip_step(reader)
            reads.append(reader.position - before)
        reads += [0] * (_TABLE_CYCLES + int(np.count_nonzero(table.lengths)))
    return (tables[0], tables[-1]), np.array(reads, np.int64)


def _skip_step(reader: BitReader) -> None:
    """Read one step of a stored table (golden/weights/canonical.py)."""
    ones = 0
    while ones < 4 and reader.read_bits(1):
        ones += 1
    if ones in (1, 3, 4):
        reader.read_bits({1: 1, 3: 4, 4: 6}[ones])


@njit(cache=True, nogil=True)
def _symbols(words, bounds, codes, runs):  # type: ignore[no-untyped-def]
    """Of each codeword of a good stream: its bits, the weights it stands for, whether it is an escape."""
    (first_run, run_lookup), (_, weight_lookup) = codes
    limit, escape = runs
    sizes = np.zeros(bounds[-1], np.uint8)
    advances = np.zeros(bounds[-1], np.int64)
    escapes = np.zeros(bounds[-1], np.bool_)
    k = 0
    for block in range(bounds.size - 1):
        position = bounds[block]
        of_weight = limit == 0
        while position < bounds[block + 1]:
            entry = look(words, position, weight_lookup if of_weight else run_lookup)
            sizes[k] = entry & 15
            advances[k] = 1 if of_weight else first_run + (entry >> 4)
            escapes[k] = not of_weight and escape and advances[k] == limit
            of_weight = limit == 0 or not (of_weight or escapes[k])
            position += entry & 15
            k += 1
    return sizes[:k].copy(), advances[:k].copy(), escapes[:k].copy()


@njit(cache=True, nogil=True)
def _run(reads, stops, sizes, advances, escapes, shape, order, beats):  # type: ignore[no-untyped-def]
    """Step the core through one tensor; fill `beats` and return the cycle in which the next order is taken."""
    count, words, lanes, slots = shape
    cycle, state = order + 4, _LOAD
    # The body: words in sight; place in the first of them, or in the second until they move on.
    low = high = spare = drained = False
    left, place = words, 0
    # Of the cycle before: whether the body was ready, and what was taken.
    ready_before, taken_before = False, 0
    # Codewords that were read and their position; what is next of tables, entry points, blocks.
    symbol, position, read_next, block = 0, 0, 0, 0
    # The stages between, and the expander.
    stage_count = np.zeros(5, np.int64)
    stage_valid = np.zeros(5, np.bool_)
    stage_finish = np.zeros(5, np.bool_)
    fill, missing, active, sent = 0, count, True, 0
    while state != _REPORT:
        ended = left == 0 and not spare
        passed = place >= _WORD_BITS
        ready = ((high and spare) or ended) if passed else ((low and high) or (ended and not high))
        end = fill + stage_count[4]
        last = missing <= lanes
        emits = active and stage_valid[4] and (stage_finish[4] or end >= lanes)
        go = emits and (not last or state == _SETTLED)
        closes = end <= lanes if stage_finish[4] else end < 2 * lanes
        step = not stage_valid[4] or not emits or (go and closes)

        take, part, read, weights, finish, following = 0, False, False, 0, False, state
        if state == _LOAD:
            if reads[read_next] == 0 or (ready_before and taken_before <= _VIEW_BITS):
                take = reads[read_next]
                read_next += 1
                if read_next == reads.size:
                    following = _LOADED
        elif state == _LOADED:
            part, following = True, _ENTRIES
        elif state == _ENTRIES:
            if block == stops.size - 1:
                part, block, following = True, 0, _FILL
            elif ready:
                take = _ENTRY_BITS
                block += 1
        elif state == _FILL:
            if ready:
                take, following = _WINDOW_BITS, _BLOCK
        elif state == _BLOCK:
            following = _MEASURE if step else state
        elif state == _MEASURE:
            following = _CODEWORDS if step else state
        elif state == _CODEWORDS:
            if step and ready_before:
                read = True
                alone = stops[block] - position < _REACH_BITS
                for slot in range(slots):
                    size = sizes[symbol]
                    if slot == 1 and (alone or take > _SECOND_BITS or size > _SECOND_BITS):
                        break
                    if slot == 2 and size > _THIRD_BITS:
                        break
                    take += size
                    weights += advances[symbol]
                    symbol += 1
                    if escapes[symbol - 1]:
                        break
                position += take
                if position == stops[block]:
                    block += 1
                    finish = block == stops.size
                    following = _PADDING if finish else _BLOCK
        elif state == _PADDING:
            following = _REST
        elif state == _REST:
            following = _DRAIN
        elif state == _DRAIN:
            if drained:
                following = _SETTLED
        elif state == _SETTLED and not active:
            following = _REPORT

        moves = not low or passed or (part and place % _WORD_BITS != 0)
        accept = left > 0 and (state == _DRAIN or not spare)
        if moves:
            low = high
        if moves or not high:
            high, spare = spare, False
        if accept:
            left -= 1
            drained = left == 0
            spare = spare or state != _DRAIN
        place = 0 if part else place % _WORD_BITS + take
        ready_before, taken_before = ready, take

        if go:
            beats[sent] = cycle
            sent += 1
            missing -= lanes
            active = not last
            if not closes:
                stage_count[4] = end - lanes
                fill = 0
        if stage_valid[4] and step:
            fill = end % lanes
        if step:
            for k in range(4, 0, -1):
                stage_valid[k], stage_count[k] = stage_valid[k - 1], stage_count[k - 1]
                stage_finish[k] = stage_finish[k - 1]
            stage_valid[0], stage_count[0], stage_finish[0] = read, weights, finish
        state = following
        cycle += 1
    return cycle + 1
