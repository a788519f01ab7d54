"""What each command does to the state of a channel: the soonest starts of the commands after it, and the counters."""

from __future__ import annotations

from numba import njit

from sim.dram_state import (
    ACTIVATE,
    ACTIVATES,
    ALL_BANK,
    BUS,
    BUSY,
    DUE,
    END_CLOCK,
    FAW,
    FAW_AT,
    FRESH,
    HELD,
    LONG,
    MASKED,
    MISSES,
    NEXT_ACTIVATE,
    NEXT_COLUMN,
    NEXT_MASKED,
    NEXT_PRECHARGE,
    NEXT_REFRESH,
    NOW,
    OFFER_TOKEN,
    OPEN,
    PER_BANK,
    POWER_DOWN_ACTIVE_CLOCKS,
    POWER_DOWN_CLOCKS,
    PRECHARGE,
    PRECHARGE_ALL,
    PRECHARGED_CLOCKS,
    PRECHARGES,
    QUIET,
    READ,
    REFRESH,
    REFRESH_AT,
    REFRESH_DUE,
    REFRESH_FIXED,
    REFRESHES,
    ROW,
    ROW_MASK,
    SELF_REFRESH,
    SELF_REFRESH_CLOCKS,
    SHORT,
    WRITE,
)

__all__ = ["do_activate", "do_column", "do_precharge", "do_precharge_all", "do_refresh", "do_sleep"]


@njit(cache=True, nogil=True, forceinline=True)
def do_activate(bank, rank, count, spacing, refresh, b, now):  # type: ignore[no-untyped-def]
    count[ACTIVATES] += 1
    if rank[OPEN] == 0:
        count[PRECHARGED_CLOCKS] += max(0, now - rank[QUIET])
    rank[OPEN] += 1
    bank[ROW, b] = bank[OFFER_TOKEN, b] & ROW_MASK
    bank[FRESH, b] = 1
    bank[NEXT_ACTIVATE, b] = now + spacing.activate_same
    bank[NEXT_PRECHARGE, b] = now + spacing.activate_precharge
    bank[NEXT_COLUMN, b] = now + spacing.activate_column
    bank[NEXT_MASKED, b] = max(bank[NEXT_MASKED, b], bank[NEXT_COLUMN, b])
    bank[NEXT_REFRESH, b] = now + spacing.activate_refresh
    rank[ACTIVATE] = max(rank[ACTIVATE], now + spacing.activate_other)
    rank[REFRESH] = max(rank[REFRESH], now + spacing.activate_refresh_other)
    _join_window(rank, spacing, refresh, now)


@njit(cache=True, nogil=True, forceinline=True)
def _join_window(rank, spacing, refresh, now):  # type: ignore[no-untyped-def]
    """Activates and refreshes of one bank come at most four in a window. A refresh, being short, starts later."""
    at = rank[FAW_AT]
    rank[FAW + at] = now
    rank[FAW_AT] = (at + 1) & 3
    fourth = rank[FAW + ((at + 1) & 3)] + spacing.four_activates
    rank[ACTIVATE] = max(rank[ACTIVATE], fourth)
    if refresh == PER_BANK:
        rank[REFRESH] = max(rank[REFRESH], fourth + LONG - SHORT)


@njit(cache=True, nogil=True, forceinline=True)
def do_column(bank, rank, count, spacing, b, command, now):  # type: ignore[no-untyped-def]
    count[command] += 1
    count[MISSES] += bank[FRESH, b]
    bank[FRESH, b] = 0
    if command == READ:
        rank[READ] = now + spacing.column_column
        rank[WRITE] = rank[MASKED] = max(rank[WRITE], now + spacing.read_write)
        close, end = now + spacing.read_precharge, now + spacing.read_end
    else:
        rank[WRITE] = rank[MASKED] = now + spacing.column_column
        rank[READ] = max(rank[READ], now + spacing.write_read)
        bank[NEXT_MASKED, b] = max(bank[NEXT_MASKED, b], now + spacing.write_masked)
        close, end = now + spacing.write_precharge, now + spacing.write_end
    bank[NEXT_PRECHARGE, b] = max(bank[NEXT_PRECHARGE, b], close)
    count[END_CLOCK] = max(count[END_CLOCK], end)
    rank[BUSY] = max(rank[BUSY], end)


@njit(cache=True, nogil=True, forceinline=True)
def do_precharge(bank, rank, count, spacing, b, now):  # type: ignore[no-untyped-def]
    count[PRECHARGES] += 1
    rank[OPEN] -= 1
    rank[QUIET] = now
    bank[ROW, b] = -1
    bank[NEXT_ACTIVATE, b] = max(bank[NEXT_ACTIVATE, b], now + spacing.precharge_activate)
    bank[NEXT_REFRESH, b] = max(bank[NEXT_REFRESH, b], now + spacing.precharge_refresh)
    rank[PRECHARGE] = now + spacing.precharge_precharge
    rank[PRECHARGE_ALL] = now + spacing.precharge_precharge


@njit(cache=True, nogil=True, forceinline=True)
def do_precharge_all(bank, rank, count, spacing, now):  # type: ignore[no-untyped-def]
    count[PRECHARGES] += rank[OPEN]
    rank[OPEN] = 0
    rank[QUIET] = now
    bank[ROW] = -1
    rank[ACTIVATE] = max(rank[ACTIVATE], now + spacing.precharge_all_activate)
    rank[REFRESH] = max(rank[REFRESH], now + spacing.precharge_all_refresh)


@njit(cache=True, nogil=True, forceinline=True)
def do_refresh(bank, rank, count, spacing, refresh, b, now):  # type: ignore[no-untyped-def]
    count[REFRESHES] += 1
    rank[REFRESH_DUE] = 0
    rank[REFRESH_FIXED] = 0
    if rank[OPEN] == 0:
        count[PRECHARGED_CLOCKS] += max(0, now - rank[QUIET])
    if refresh == ALL_BANK:
        bank[HELD] = 0
        cycle = spacing.refresh_all_cycle
        rank[ACTIVATE] = max(rank[ACTIVATE], now + spacing.refresh_all_activate)
        rank[REFRESH_AT] += spacing.refresh_all_interval
    else:
        bank[HELD, b] = 0
        bank[DUE, b] = 0
        if not bank[DUE].any():
            bank[DUE] = 1
        cycle = spacing.refresh_bank_cycle
        bank[NEXT_ACTIVATE, b] = max(bank[NEXT_ACTIVATE, b], now + spacing.refresh_bank_activate)
        rank[ACTIVATE] = max(rank[ACTIVATE], now + spacing.refresh_bank_activate_other)
        rank[REFRESH_AT] += spacing.refresh_bank_interval
        _join_window(rank, spacing, refresh, now - (LONG - SHORT))
    rank[REFRESH] = max(rank[REFRESH], now + cycle)
    rank[QUIET] = max(rank[QUIET], now + cycle)
    rank[BUSY] = max(rank[BUSY], now + cycle)


@njit(cache=True, nogil=True, forceinline=True)
def do_sleep(bank, rank, count, spacing, idle, until, arrival):  # type: ignore[no-untyped-def]
    """Nothing waits before the clock `until`, nothing arrives before `arrival`: save power, pay the way back."""
    since = max(rank[NOW], rank[BUS], rank[BUSY])
    if until - since >= spacing.power_down_least:
        if rank[OPEN]:
            count[POWER_DOWN_ACTIVE_CLOCKS] += until - since
        else:
            count[PRECHARGED_CLOCKS] += max(0, since - rank[QUIET])
            count[POWER_DOWN_CLOCKS] += until - since
            rank[QUIET] = until
        rank[BUS] = until + spacing.power_down_exit
    if idle == SELF_REFRESH and until < arrival:
        _refresh_itself(bank, rank, count, spacing, max(since, until), arrival)


@njit(cache=True, nogil=True, forceinline=True)
def _refresh_itself(bank, rank, count, spacing, since, arrival):  # type: ignore[no-untyped-def]
    """Close all banks and sleep until `arrival`, if that is long enough; a refresh is due on waking."""
    entry = since + (spacing.precharge_all_refresh if rank[OPEN] else 0)
    if arrival - entry < spacing.self_refresh_exit:
        return
    count[PRECHARGES] += rank[OPEN]
    count[PRECHARGED_CLOCKS] += max(0, entry - (since if rank[OPEN] else rank[QUIET]))
    count[SELF_REFRESH_CLOCKS] += arrival - entry
    rank[OPEN] = 0
    bank[ROW] = -1
    rank[QUIET] = arrival
    rank[NOW] = arrival
    rank[BUS] = arrival + spacing.self_refresh_exit
    rank[REFRESH_AT] = arrival + spacing.self_refresh_exit
