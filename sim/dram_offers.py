"""Which command comes next, and in which bank.

A bank offers one command: for its oldest request that hits its open row RD or WR, else, for its oldest request, PRE or
ACT. Of all offers the channel takes the one that leaves the command bus first (when it may start plus its length), at a
tie that of the oldest request: so a short PRE that may start one clock later than a long ACT goes first. A refresh that
has fallen due is older than all requests.
"""

from __future__ import annotations

from numba import njit

from sim.dram_state import (
    ACTIVATE,
    ALL_BANK,
    BANK_BITS,
    BUS,
    DUE,
    HEAD,
    HELD,
    KIND_BITS,
    KIND_MASK,
    LONG,
    MASKED,
    NEVER,
    NEXT_ACTIVATE,
    NEXT_COLUMN,
    NEXT_MASKED,
    NEXT_PRECHARGE,
    NEXT_REFRESH,
    NOTHING,
    NOW,
    OFFER,
    OFFER_AT,
    OFFER_DONE,
    OFFER_TOKEN,
    OPEN,
    PRECHARGE,
    PRECHARGE_ALL,
    QUEUED,
    REFRESH,
    REFRESH_BANK,
    REFRESH_DUE,
    REFRESH_FIXED,
    ROW,
    ROW_BITS,
    ROW_MASK,
    SHORT,
    TIE_BITS,
)

__all__ = ["best", "offer", "remove"]


@njit(cache=True, nogil=True, forceinline=True)
def offer(bank, queue, b):  # type: ignore[no-untyped-def]
    """Let a bank choose what it wants next."""
    queued = bank[QUEUED, b]
    if queued == 0 or bank[HELD, b]:
        bank[OFFER, b] = NOTHING
        return
    wrap = queue.shape[1] - 1
    head = bank[HEAD, b]
    at = 0
    token = queue[b, head]
    row = bank[ROW, b]
    if row < 0:
        command = ACTIVATE
        done = bank[NEXT_ACTIVATE, b] + LONG
    else:
        while token & ROW_MASK != row:
            at += 1
            if at == queued:
                break
            token = queue[b, (head + at) & wrap]
        if at == queued:
            at = 0
            token = queue[b, head]
            command = PRECHARGE
            done = bank[NEXT_PRECHARGE, b] + SHORT
        else:
            command = (token >> ROW_BITS) & KIND_MASK
            done = bank[NEXT_MASKED if command == MASKED else NEXT_COLUMN, b] + LONG
    bank[OFFER, b] = command
    bank[OFFER_DONE, b] = done
    bank[OFFER_AT, b] = at
    bank[OFFER_TOKEN, b] = token


@njit(cache=True, nogil=True, forceinline=True)
def remove(bank, queue, b):  # type: ignore[no-untyped-def]
    """Take the offered request out of its queue; those before it move up by one."""
    wrap = queue.shape[1] - 1
    head = bank[HEAD, b]
    for at in range(bank[OFFER_AT, b], 0, -1):
        queue[b, (head + at) & wrap] = queue[b, (head + at - 1) & wrap]
    bank[HEAD, b] = (head + 1) & wrap
    bank[QUEUED, b] -= 1


@njit(cache=True, nogil=True, forceinline=True)
def best(bank, rank, soonest, refresh):  # type: ignore[no-untyped-def]
    """The offer that leaves the command bus first: its bank, its command, when it leaves."""
    now = rank[NOW]
    free = max(rank[BUS] - now, 0)
    for command in range(NOTHING):
        soonest[command] = max(rank[command] - now, free) + (LONG if command <= ACTIVATE else SHORT)
    least = NEVER << TIE_BITS
    for b in range(bank.shape[1]):
        done = max(soonest[bank[OFFER, b]], bank[OFFER_DONE, b] - now)
        tie = bank[OFFER_TOKEN, b] >> (ROW_BITS + KIND_BITS) << BANK_BITS | b
        least = min(least, done << TIE_BITS | tie)
    done = now + (least >> TIE_BITS)
    chosen = least & ((1 << BANK_BITS) - 1)
    if rank[REFRESH_DUE]:
        refresh_bank, refresh_command, refresh_done = _refresh_offer(bank, rank, refresh, now + free)
        if refresh_done <= done:
            return refresh_bank, refresh_command, refresh_done
    return chosen, bank[OFFER, chosen], done


@njit(cache=True, nogil=True, forceinline=True)
def _refresh_offer(bank, rank, refresh, free):  # type: ignore[no-untyped-def]
    """What a refresh that has fallen due needs next."""
    banks = bank.shape[1]
    if refresh == ALL_BANK:
        closed = rank[OPEN] == 0
        command = REFRESH if closed else PRECHARGE_ALL
        start = max(free, rank[command])
        for b in range(banks):
            start = max(start, bank[NEXT_REFRESH if closed else NEXT_PRECHARGE, b])
        return 0, command, start + SHORT
    if not rank[REFRESH_FIXED]:
        rank[REFRESH_BANK] = _refresh_choice(bank)
    b = rank[REFRESH_BANK]
    if bank[ROW, b] >= 0:
        return b, PRECHARGE, max(free, rank[PRECHARGE], bank[NEXT_PRECHARGE, b]) + SHORT
    rank[REFRESH_FIXED] = 1
    bank[HELD, b] = 1
    bank[OFFER, b] = NOTHING
    return b, REFRESH, max(free, rank[REFRESH], bank[NEXT_REFRESH, b]) + SHORT


@njit(cache=True, nogil=True, forceinline=True)
def _refresh_choice(bank):  # type: ignore[no-untyped-def]
    """Of the banks due the first idle one, else the first."""
    first = -1
    for b in range(bank.shape[1]):
        if bank[DUE, b]:
            if bank[QUEUED, b] == 0:
                return b
            if first < 0:
                first = b
    return first
