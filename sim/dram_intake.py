"""Streams of bytes become bursts, one after the other, and bursts become requests in the queues of their banks.

A burst that a written stream covers only in part becomes a masked write.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.dram_offers import offer
from sim.dram_state import (
    ADDRESS,
    ARRIVAL,
    END_BYTE,
    FIRST_BYTE,
    HEAD,
    IS_WRITE,
    KIND_BITS,
    MASKED,
    NUMBER,
    OFFER,
    PRECHARGE,
    QUEUED,
    READ,
    ROW,
    ROW_BITS,
    SOONEST,
    STREAM,
    WRITE,
)

__all__ = ["accept", "begin"]


@njit(cache=True, nogil=True, forceinline=True)
def accept(bank, queue, cursor, streams, segments, rules, now):  # type: ignore[no-untyped-def]
    """Queue the burst under the cursor; return its bank and whether the bank's offer is another now."""
    stream, address = cursor[STREAM], cursor[ADDRESS]
    kind = READ
    if streams[IS_WRITE, stream]:
        whole = address >= streams[FIRST_BYTE, stream] and address + rules.burst_bytes <= streams[END_BYTE, stream]
        kind = WRITE if whole else MASKED
    b, row = _place(address, segments, rules)
    queued = bank[QUEUED, b]
    token = (cursor[NUMBER] << (ROW_BITS + KIND_BITS)) | (kind << ROW_BITS) | row
    queue[b, (bank[HEAD, b] + queued) & (queue.shape[1] - 1)] = token
    bank[QUEUED, b] = queued + 1
    changed = queued == 0 or (bank[OFFER, b] == PRECHARGE and bank[ROW, b] == row)
    if changed:
        offer(bank, queue, b)
    cursor[NUMBER] += 1
    _advance(cursor, streams, rules)
    soonest = now + 1
    if cursor[STREAM] < streams.shape[1]:
        soonest = max(soonest, streams[ARRIVAL, cursor[STREAM]])
    cursor[SOONEST] = soonest
    return b, changed


@njit(cache=True, nogil=True, forceinline=True)
def _place(address, segments, rules):  # type: ignore[no-untyped-def]
    """Bank and row of an address; the bits that choose the channel are taken out."""
    local = (address >> (rules.shift + rules.width)) << rules.shift | (address & ((1 << rules.shift) - 1))
    b, row = np.int64(0), np.int64(0)
    for i in range(segments.shape[0]):
        piece = ((local >> segments[i, 1]) & segments[i, 2]) << segments[i, 3]
        if segments[i, 0]:
            row |= piece
        else:
            b |= piece
    return b, row


@njit(cache=True, nogil=True, forceinline=True)
def _advance(cursor, streams, rules):  # type: ignore[no-untyped-def]
    cursor[ADDRESS] += rules.burst_bytes
    if cursor[ADDRESS] >= streams[END_BYTE, cursor[STREAM]]:
        next_stream(cursor, streams, rules)
    if rules.width:
        seek(cursor, streams, rules)


@njit(cache=True, nogil=True, forceinline=True)
def next_stream(cursor, streams, rules):  # type: ignore[no-untyped-def]
    cursor[STREAM] += 1
    if cursor[STREAM] < streams.shape[1]:
        cursor[ADDRESS] = streams[FIRST_BYTE, cursor[STREAM]] & -rules.burst_bytes


@njit(cache=True, nogil=True, forceinline=True)
def seek(cursor, streams, rules):  # type: ignore[no-untyped-def]
    """Skip what lies in other channels."""
    while cursor[STREAM] < streams.shape[1]:
        block = cursor[ADDRESS] >> rules.shift
        if block & ((1 << rules.width) - 1) == rules.channel:
            return
        cursor[ADDRESS] = (block + 1) << rules.shift
        if cursor[ADDRESS] >= streams[END_BYTE, cursor[STREAM]]:
            next_stream(cursor, streams, rules)


@njit(cache=True, nogil=True, forceinline=True)
def begin(cursor, streams, rules):  # type: ignore[no-untyped-def]
    """Put the cursor on the first burst."""
    cursor[STREAM] = -1
    next_stream(cursor, streams, rules)
    seek(cursor, streams, rules)
    if cursor[STREAM] < streams.shape[1]:
        cursor[SOONEST] = streams[ARRIVAL, cursor[STREAM]]
