"""A slow model of tile stream and file, written from golden/tile_format.py and golden/tile_file.py in words.

Numbers are Python's, CRCs go bit by bit, streams are strings of bits (bit_models.py), and nothing is imported from the
models under test. With it tests also forge streams that no encoder writes but whose CRCs are right.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import bit_models

MODES = ("raw", "srlc", "zrlc", "zvc")
FORMAT = {
    "word_bits": 8,
    "run_bits": 3,
    "tile": [8, 8, 32],
    "scan": "tile-planar",
    "burst_bytes": 32,
    "modes": list(MODES),
}


@dataclass(frozen=True)
class Entry:
    """One entry of the index."""

    mode: int
    length: int
    check: int
    reserved: int = 0


@dataclass(frozen=True)
class Group:
    """One group of the index; `check` is computed where it is None."""

    entries: tuple[Entry, ...]
    base: int
    check: int | None = None


def crc(bits: str, state: int, width: int, reflected: int) -> int:
    """The state after `bits`, shifted towards its least significant bit."""
    for bit in bits:
        feedback = (state & 1) ^ int(bit)
        state = (state >> 1) ^ (reflected if feedback else 0)
    assert state < 1 << width
    return state


def payload_check(payload: str, tile: int) -> int:
    """x^15 + x + 1: as a reflected number bit 14 is x^0 and bit 13 is x^1."""
    return crc(payload, 0x7FFF ^ tile % 2**15, 15, 1 << 14 | 1 << 13)


def group_bytes(group: Group, number: int) -> bytes:
    """32 bytes of index."""
    fields = ""
    for entry in (*group.entries, *[Entry(0, 0, 0)] * (8 - len(group.entries))):
        fields += bit_models.field(entry.mode, 3) + bit_models.field(entry.length, 7)
        fields += bit_models.field(entry.check, 15) + bit_models.field(entry.reserved, 1)
    fields += bit_models.field(group.base, 32)
    # x^16 + x^12 + x^5 + 1: as a reflected number bits 15 (x^0), 10 (x^5) and 3 (x^12).
    check = crc(fields, 0xFFFF ^ number % 2**16, 16, 1 << 15 | 1 << 10 | 1 << 3)
    return bit_models.bytes_of(fields + bit_models.field(check if group.check is None else group.check, 16))


def codec_config(fmt: dict[str, Any], mode: str) -> dict[str, Any]:
    """The codec that a mode means."""
    return {"codec": mode, "word_bits": fmt["word_bits"], "run_bits": fmt["run_bits"], "packing": "dense"}


def tiles_of(values: list[int], shape: tuple[int, int, int, int], fmt: dict[str, Any]) -> list[list[int]]:
    """The symbols of each tile of a tensor (N, C, H, W)."""
    n, c, h, w = shape
    th, tw, tc = fmt["tile"]
    tiles = []
    for image, y, x, z in product(range(n), range(0, h, th), range(0, w, tw), range(0, c, tc)):
        rows, columns, channels = range(y, min(y + th, h)), range(x, min(x + tw, w)), range(z, min(z + tc, c))
        if fmt["scan"] == "tile-planar":
            members = list(product(channels, rows, columns))
        else:
            members = [(k, i, j) for i, j, k in product(rows, columns, channels)]
        tiles.append([values[((image * c + k) * h + i) * w + j] for k, i, j in members])
    return tiles


def best(fmt: dict[str, Any], symbols: list[int], zero_point: int) -> tuple[int, str]:
    """Mode and stream of a tile: fewest bursts, then fewest bits, then the lowest number."""
    burst = 8 * fmt["burst_bytes"]
    candidates = []
    for number, mode in enumerate(MODES):
        if mode in fmt["modes"]:
            stream = bit_models.encode(codec_config(fmt, mode), symbols, zero_point)
            candidates.append((-(-len(stream) // burst), len(stream), number, stream))
    _, _, number, stream = min(candidates)
    return number, stream


def assemble(
    fmt: dict[str, Any], streams: list[tuple[int, str]], layout: str, first_tile: int = 0
) -> tuple[list[Group], bytes]:
    """Index groups and payload of tiles given as (mode, stream of bits)."""
    burst = 8 * fmt["burst_bytes"]
    th, tw, tc = fmt["tile"]
    slot = -(-th * tw * tc * fmt["word_bits"] // burst)
    payload, entries, starts = "", [], []
    for tile, (mode, stream) in enumerate(streams, first_tile):
        length = -(-len(stream) // burst)
        padded = stream.ljust(length * burst, "0")
        starts.append(len(payload) // burst)
        entries.append(Entry(mode, length, payload_check(padded, tile)))
        payload += padded.ljust(slot * burst, "0") if layout == "slotted" else padded
    groups = [Group(tuple(entries[at : at + 8]), starts[at]) for at in range(0, len(entries), 8)]
    return groups, bit_models.bytes_of(payload)


def index_of(groups: list[Group]) -> bytes:
    """The bytes of an index."""
    return b"".join(group_bytes(group, number) for number, group in enumerate(groups))


def encode(
    fmt: dict[str, Any], values: list[int], shape: tuple[int, int, int, int], zero_point: int, layout: str
) -> tuple[bytes, bytes]:
    """Index and payload of a tensor."""
    streams = [best(fmt, symbols, zero_point) for symbols in tiles_of(values, shape, fmt)]
    groups, payload = assemble(fmt, streams, layout)
    return index_of(groups), payload


def replaced(groups: list[Group], tile: int, **fields: int) -> list[Group]:
    """Groups with some fields of one entry changed."""
    at, place = divmod(tile, 8)
    entries = list(groups[at].entries)
    entries[place] = replace(entries[place], **fields)
    return [*groups[:at], replace(groups[at], entries=tuple(entries)), *groups[at + 1 :]]


def header_of(index: bytes, payload: bytes, **changes: Any) -> dict[str, Any]:
    """The header of a file of uint8 symbols, with changes."""
    header = {
        "format": FORMAT,
        "shape": [1],
        "layout": "slotted",
        "dtype": "uint8",
        "quantization": {"scale": None, "zero_point": 0},
        "index_bytes": len(index),
        "payload_bytes": len(payload),
    }
    return {**header, **changes}


def file_of(header: Any, index: bytes, payload: bytes, version: int = 1) -> bytes:
    """A file: the header as JSON, or as it is where it is bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    magic = bytes.fromhex("89 54 57 54 0D 0A 1A 0A")
    behind = text + bytes(-(18 + len(text)) % 64)
    check = zlib.crc32(magic + struct.pack("<HII", version, len(text), 0) + behind)
    return magic + struct.pack("<HII", version, len(text), check) + behind + index + payload
