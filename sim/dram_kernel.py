"""The controller of one channel, compiled: from command straight to command, never clock by clock.

Requests are accepted in order, one per clock. Each bank holds `depth` of them; the bank of the last accepted request
being full stops acceptance until it gives one back. A command that starts in the clock in which a request is accepted
was chosen without it. Pages stay open.

A refresh of all banks closes every bank and lets none open before it is done. A refresh per bank takes an idle bank of
those due, else the first; it precharges when the scheduler's rule lets it, and once closed the bank stays closed.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from sim.dram_commands import do_activate, do_column, do_precharge, do_precharge_all, do_refresh, do_sleep
from sim.dram_intake import accept, begin
from sim.dram_offers import best, offer, remove
from sim.dram_state import (
    ACTIVATE,
    ALL_BANK,
    BANK_FIELDS,
    BUS,
    COUNTS,
    CURSOR_FIELDS,
    DUE,
    END_CLOCK,
    FAR,
    FAW,
    HELD,
    LONG,
    MASKED,
    NEVER,
    NOTHING,
    NOW,
    OFFER,
    OPEN,
    PRECHARGE,
    PRECHARGE_ALL,
    PRECHARGED_CLOCKS,
    QUEUED,
    QUIET,
    RANK_FIELDS,
    REFRESH_AT,
    REFRESH_DUE,
    ROW,
    SHORT,
    SOONEST,
    STREAM,
    Rules,
)
from sim.dram_timing import Spacing

__all__ = ["run_channel"]


@njit(cache=True, nogil=True, forceinline=True)
def _issue(bank, rank, count, queue, spacing, refresh, b, command, done):  # type: ignore[no-untyped-def]
    """Start a command and let the banks it concerns choose anew."""
    now = done - (LONG if command <= ACTIVATE else SHORT)
    rank[NOW] = now
    rank[BUS] = done
    if command <= MASKED:
        do_column(bank, rank, count, spacing, b, command, now)
        remove(bank, queue, b)
    elif command == ACTIVATE:
        do_activate(bank, rank, count, spacing, refresh, b, now)
    elif command == PRECHARGE:
        do_precharge(bank, rank, count, spacing, b, now)
    elif command == PRECHARGE_ALL:
        do_precharge_all(bank, rank, count, spacing, now)
    else:
        do_refresh(bank, rank, count, spacing, refresh, b, now)
        for other in range(bank.shape[1]):
            offer(bank, queue, other)
        return
    offer(bank, queue, b)


@njit(cache=True, nogil=True, forceinline=True)
def _fall_due(bank, rank, refresh):  # type: ignore[no-untyped-def]
    """The time of a refresh has come."""
    rank[NOW] = max(rank[NOW], rank[REFRESH_AT])
    rank[REFRESH_DUE] = 1
    if refresh == ALL_BANK:
        bank[HELD] = 1
        bank[OFFER] = NOTHING


@intrinsic
def _pointer(typingctx, address):  # type: ignore[no-untyped-def]
    """An address as a pointer to int64."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.int64)(types.intp), codegen


@njit(cache=True, nogil=True, forceinline=True)
def _unowned(array):  # type: ignore[no-untyped-def]
    """A view that counts no references: counting, atomic, would take three quarters of the time."""
    return carray(_pointer(array.ctypes.data), array.shape)


@njit(cache=True, nogil=True)
def _run(bank, rank, count, queue, cursor, soonest, streams, segments, spacing, rules):  # type: ignore[no-untyped-def]
    _serve(
        _unowned(bank),
        _unowned(rank),
        _unowned(count),
        _unowned(queue),
        _unowned(cursor),
        _unowned(soonest),
        _unowned(streams),
        _unowned(segments),
        spacing,
        rules,
    )


@njit(cache=True, nogil=True)
def _serve(bank, rank, count, queue, cursor, soonest, streams, segments, spacing, rules):  # type: ignore[no-untyped-def]
    begin(cursor, streams, rules)
    waiting, full = 0, -1  # `full`: the bank that stops acceptance
    b, command, done = 0, NOTHING, FAR
    changed = True
    while cursor[STREAM] < streams.shape[1] or waiting > 0:
        if changed:
            b, command, done = best(bank, rank, soonest, rules.refresh)
        start = done - (LONG if command <= ACTIVATE else SHORT)
        arrival = cursor[SOONEST] if full < 0 and cursor[STREAM] < streams.shape[1] else FAR
        due = FAR if rank[REFRESH_DUE] else rank[REFRESH_AT]
        if command != NOTHING and start <= arrival and start < due:
            _issue(bank, rank, count, queue, spacing, rules.refresh, b, command, done)
            changed = True
            if command <= MASKED:
                waiting -= 1
                if full == b:
                    full = -1
                    cursor[SOONEST] = max(cursor[SOONEST], start)
            continue
        if rules.idle and waiting == 0 and not rank[REFRESH_DUE]:
            do_sleep(bank, rank, count, spacing, rules.idle, min(arrival, due), arrival)
            due = rank[REFRESH_AT]
            changed = True
        if arrival < due:
            rank[NOW] = max(rank[NOW], arrival)
            taken, new_offer = accept(bank, queue, cursor, streams, segments, rules, rank[NOW])
            changed |= new_offer
            waiting += 1
            if bank[QUEUED, taken] >= rules.depth:
                full = taken
        else:
            _fall_due(bank, rank, rules.refresh)
            changed = True
    if rank[OPEN] == 0:
        count[PRECHARGED_CLOCKS] += max(0, count[END_CLOCK] - rank[QUIET])


def run_channel(
    streams: NDArray[np.int64], segments: NDArray[np.int64], spacing: Spacing, banks: int, rules: Rules
) -> NDArray[np.int64]:
    """Serve all bursts of the streams that lie in one channel.

    Parameters
    ----------
    streams : ndarray of int64, shape (STREAM_FIELDS, n)
        Rows as `sim.dram_state` names them.
    segments : ndarray of int64, shape (k, 4)
        `sim.dram_mapping.AddressMapping.segments`.
    spacing : Spacing
    banks : int
    rules : Rules

    Returns
    -------
    ndarray of int64, shape (COUNTS,)
        Counters as `sim.dram_state` names them.
    """
    bank = np.zeros((BANK_FIELDS, banks), np.int64)
    bank[ROW] = -1
    bank[OFFER] = NOTHING
    bank[DUE] = 1
    rank = np.zeros(RANK_FIELDS, np.int64)
    rank[FAW : FAW + 4] = -FAR
    rank[REFRESH_AT] = (FAR, spacing.refresh_all_interval, spacing.refresh_bank_interval)[rules.refresh]
    count = np.zeros(COUNTS, np.int64)
    queue = np.zeros((banks, 1 << (rules.depth - 1).bit_length()), np.int64)
    cursor = np.zeros(CURSOR_FIELDS, np.int64)
    soonest = np.full(NOTHING + 1, NEVER, np.int64)
    streams, segments = np.ascontiguousarray(streams), np.ascontiguousarray(segments)
    _run(bank, rank, count, queue, cursor, soonest, streams, segments, spacing, rules)
    return count
