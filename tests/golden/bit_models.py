"""Slow models of the activation codecs, written from the words of their docstrings with strings of '0' and '1'.

They share nothing with the compiled loops, neither code nor way of working: a stream is a string in transmission
order, a format is the plain configuration of a codec. What they refuse raises `Refused`.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any


class Refused(Exception):  # noqa: N818
    """The model's word for a corrupt stream."""


def field(value: int, width: int) -> str:
    """A field, least significant bit first."""
    return "".join("1" if value >> bit & 1 else "0" for bit in range(width))


def words_of(bits: str) -> list[int]:
    """64-bit words of a stream, the first bit least significant."""
    return [number(bits[at : at + 64]) for at in range(0, len(bits), 64)]


def bytes_of(bits: str) -> bytes:
    """Bytes of a stream, the first bit least significant."""
    return bytes(number(bits[at : at + 8]) for at in range(0, len(bits), 8))


def number(bits: str) -> int:
    """The value of a field."""
    return int(bits[::-1], 2) if bits else 0


def encode(config: dict[str, Any], values: list[int], zero_point: int) -> str:
    """Code symbols as the codec of `config` would."""
    return _ENCODERS[config["codec"]](config, values, zero_point)


def decode(config: dict[str, Any], bits: str, count: int, zero_point: int) -> list[int]:
    """The symbols of a stream that must end exactly with its bits."""
    reader = _Reader(bits)
    values = _DECODERS[config["codec"]](config, reader, count, zero_point)
    if reader.at != len(bits):
        raise Refused("bits are left")
    return values


class _Reader:
    def __init__(self, bits: str) -> None:
        self.bits, self.at = bits, 0

    def take(self, width: int) -> int:
        if self.at + width > len(self.bits):
            raise Refused("the stream ends inside a field")
        self.at += width
        return number(self.bits[self.at - width : self.at])


def _encode_raw(config: dict[str, Any], values: list[int], zero_point: int) -> str:
    return "".join(field(value, config["word_bits"]) for value in values)


def _decode_raw(config: dict[str, Any], reader: _Reader, count: int, zero_point: int) -> list[int]:
    return [reader.take(config["word_bits"]) for _ in range(count)]


def _encode_srlc(config: dict[str, Any], values: list[int], zero_point: int) -> str:
    stream, longest = "", 2 ** config["run_bits"]
    for symbol, group in groupby(values):
        run = len(list(group))
        while run > 0:
            stream += field(min(run, longest) - 1, config["run_bits"]) + field(symbol, config["word_bits"])
            run -= longest
    return stream


def _decode_srlc(config: dict[str, Any], reader: _Reader, count: int, zero_point: int) -> list[int]:
    values: list[int] = []
    while len(values) < count:
        run = reader.take(config["run_bits"]) + 1
        values += [reader.take(config["word_bits"])] * run
    if len(values) > count:
        raise Refused("a run passes the end")
    return values


def zrlc_tokens(run_bits: int, values: list[int], zero_point: int) -> list[tuple[int, int]]:
    """(zeros, level) of each token."""
    tokens, zeros = [], 0
    for value in values:
        if value == zero_point:
            zeros += 1
            continue
        while zeros > 2**run_bits - 1:
            tokens.append((2**run_bits - 1, zero_point))
            zeros -= 2**run_bits
        tokens.append((zeros, value))
        zeros = 0
    while zeros > 2**run_bits:
        tokens.append((2**run_bits - 1, zero_point))
        zeros -= 2**run_bits
    return tokens + ([(zeros - 1, zero_point)] if zeros else [])


def _encode_zrlc(config: dict[str, Any], values: list[int], zero_point: int) -> str:
    run_bits, word_bits = config["run_bits"], config["word_bits"]
    tokens = [field(z, run_bits) + field(level, word_bits) for z, level in zrlc_tokens(run_bits, values, zero_point)]
    if config["packing"] == "dense":
        return "".join(tokens)
    words = ["".join(tokens[at : at + 3]).ljust(63, "0") for at in range(0, len(tokens), 3)]
    return "".join(("1" if at == len(words) - 1 else "0") + word for at, word in enumerate(words))


def _decode_zrlc(config: dict[str, Any], reader: _Reader, count: int, zero_point: int) -> list[int]:
    values: list[int] = []
    flags = []
    while len(values) < count:
        if config["packing"] == "eyeriss" and reader.at % 64 == 0:
            flags.append(reader.take(1))
        values += [zero_point] * reader.take(config["run_bits"])
        values.append(reader.take(config["word_bits"]))
    if len(values) > count:
        raise Refused("a run passes the end")
    while config["packing"] == "eyeriss" and reader.at % 64:
        if reader.take(1):
            raise Refused("an unused token is not zero")
    if flags and flags != [0] * (len(flags) - 1) + [1]:
        raise Refused("a last-word flag is wrong")
    return values


def _encode_zvc(config: dict[str, Any], values: list[int], zero_point: int) -> str:
    word_bits = config["word_bits"]
    size = max(8, word_bits)
    groups = [values[at : at + size] for at in range(0, len(values), size)]
    masks = ["".join("0" if value == zero_point else "1" for value in group).ljust(size, "0") for group in groups]
    data = ["".join(field(value, word_bits) for value in group if value != zero_point) for group in groups]
    return "".join(mask + behind for mask, behind in zip(masks, data, strict=True))


def _decode_zvc(config: dict[str, Any], reader: _Reader, count: int, zero_point: int) -> list[int]:
    size = max(8, config["word_bits"])
    values: list[int] = []
    for at in range(0, count, size):
        mask = reader.take(size)
        members = min(size, count - at)
        if mask >> members:
            raise Refused("a mask names a symbol past the end")
        values += [reader.take(config["word_bits"]) if mask >> k & 1 else zero_point for k in range(members)]
    return values


_ENCODERS = {"raw": _encode_raw, "srlc": _encode_srlc, "zrlc": _encode_zrlc, "zvc": _encode_zvc}
_DECODERS = {"raw": _decode_raw, "srlc": _decode_srlc, "zrlc": _decode_zrlc, "zvc": _decode_zvc}
