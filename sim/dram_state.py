"""State of one channel as integer arrays, and the codes in them: what the compiled scheduler and its commands share.

`bank` has a row for each field and a column for each bank, `rank` one entry a field, `count` one entry a counter. All
times are absolute clocks. The first fields of `rank` are indexed by the command they hold the soonest start of.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = [
    "ACTIVATE",
    "ACTIVATES",
    "ADDRESS",
    "ALL_BANK",
    "ARRIVAL",
    "BANK_BITS",
    "BANK_FIELDS",
    "BUS",
    "BUSY",
    "COUNTS",
    "CURSOR_FIELDS",
    "DUE",
    "END_BYTE",
    "END_CLOCK",
    "FAR",
    "FAW",
    "FAW_AT",
    "FIRST_BYTE",
    "FRESH",
    "HEAD",
    "HELD",
    "IS_WRITE",
    "KIND_BITS",
    "KIND_MASK",
    "LONG",
    "MASKED",
    "MASKED_WRITES",
    "MISSES",
    "NEVER",
    "NEXT_ACTIVATE",
    "NEXT_COLUMN",
    "NEXT_MASKED",
    "NEXT_PRECHARGE",
    "NEXT_REFRESH",
    "NOTHING",
    "NOW",
    "NO_REFRESH",
    "NUMBER",
    "OFFER",
    "OFFER_AT",
    "OFFER_DONE",
    "OFFER_TOKEN",
    "OPEN",
    "PER_BANK",
    "POWER_DOWN",
    "POWER_DOWN_ACTIVE_CLOCKS",
    "POWER_DOWN_CLOCKS",
    "PRECHARGE",
    "PRECHARGED_CLOCKS",
    "PRECHARGES",
    "PRECHARGE_ALL",
    "QUEUED",
    "QUIET",
    "RANK_FIELDS",
    "READ",
    "READS",
    "REFRESH",
    "REFRESHES",
    "REFRESH_AT",
    "REFRESH_BANK",
    "REFRESH_DUE",
    "REFRESH_FIXED",
    "ROW",
    "ROW_BITS",
    "ROW_MASK",
    "SELF_REFRESH",
    "SELF_REFRESH_CLOCKS",
    "SHORT",
    "SOONEST",
    "STANDBY",
    "STREAM",
    "STREAM_FIELDS",
    "TIE_BITS",
    "WRITE",
    "WRITES",
    "Rules",
]

NO_REFRESH, ALL_BANK, PER_BANK = range(3)  # refresh
STANDBY, POWER_DOWN, SELF_REFRESH = range(3)  # what a channel without requests does

# What is counted.
(
    READS,
    WRITES,
    MASKED_WRITES,
    ACTIVATES,
    PRECHARGES,
    REFRESHES,
    MISSES,
    END_CLOCK,
    PRECHARGED_CLOCKS,
    POWER_DOWN_CLOCKS,
    POWER_DOWN_ACTIVE_CLOCKS,
    SELF_REFRESH_CLOCKS,
    COUNTS,
) = range(13)

# Commands. The first three are also kinds of requests.
READ, WRITE, MASKED, ACTIVATE, PRECHARGE, NOTHING, PRECHARGE_ALL, REFRESH = range(8)
FAR = np.int64(1) << 60
NEVER = np.int64(1) << 18  # clocks from now that no offer waits
LONG, SHORT = 4, 2

# Rows of `bank`, one column a bank: what is open and queued, the soonest start of each command, the offer.
(
    ROW,  # open row, or -1
    HEAD,
    QUEUED,
    NEXT_ACTIVATE,
    NEXT_PRECHARGE,
    NEXT_COLUMN,
    NEXT_MASKED,
    NEXT_REFRESH,
    HELD,  # 1: closed for a refresh
    DUE,  # 1: not yet refreshed in this round
    FRESH,  # 1: no column command since the activate
    OFFER,  # command
    OFFER_DONE,  # when it would leave the bus for all the bank cares
    OFFER_TOKEN,
    OFFER_AT,  # its place in the queue
    BANK_FIELDS,
) = range(16)

# `rank`: the soonest start of each command for all banks (index: the command), then the rest of the state.
(
    NOW,
    BUS,  # when the command bus is free
    OPEN,  # banks with an open row
    FAW,  # four fields: the last four activates, refreshes of one bank among them
    FAW_AT,
    QUIET,  # since when nothing is open or refreshing
    BUSY,  # until when data or a refresh is under way
    REFRESH_AT,  # when the next one falls due
    REFRESH_DUE,  # 1: fallen due, not yet done
    REFRESH_BANK,
    REFRESH_FIXED,  # 1: the bank is chosen for good
    RANK_FIELDS,
) = (8, 9, 10, 11, 15, 16, 17, 18, 19, 20, 21, 22)

# A queued request (token) is one integer: its number, its kind, its row.
ROW_BITS, KIND_BITS = 24, 2
ROW_MASK, KIND_MASK = (1 << ROW_BITS) - 1, (1 << KIND_BITS) - 1

# An offer is compared as one integer: clocks from now to when it leaves the bus, its request's number, its bank.
BANK_BITS, TIE_BITS = 6, 44

# Rows of `streams`, one column a stream: first byte, byte after the last, 1 if written, earliest clock.
FIRST_BYTE, END_BYTE, IS_WRITE, ARRIVAL, STREAM_FIELDS = range(5)

# `cursor`: the burst to accept next, its number, and when at the soonest.
STREAM, ADDRESS, NUMBER, SOONEST, CURSOR_FIELDS = range(5)


class Rules(NamedTuple):
    """What the controller of one channel is told.

    Attributes
    ----------
    depth : int
        Requests that a bank holds.
    burst_bytes : int
    refresh, idle : int
        Codes above.
    shift, width, channel : int
        The channel of an address is its `width` bits from bit `shift` on; this is `channel`.
    """

    depth: int
    burst_bytes: int
    refresh: int
    idle: int
    shift: int
    width: int
    channel: int
