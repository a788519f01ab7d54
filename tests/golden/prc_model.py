"""A slow model of prc, written from the words of golden/activations/prc.py with strings of '0' and '1'.

It shares nothing with the compiled loops, neither code nor way of working: the encoder first writes the codes of every
lane, and only then plays the decoder's asking to put their units in order; residuals are ranks of symbols by their
distance.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import product

from bit_models import Refused, field, number

__all__ = ["Refused", "decode", "encode", "unit_bits"]

LANES = 4


def unit_bits(w: int) -> int:
    """Bits that a lane asks for at once."""
    return {4: 16, 8: 16, 16: 32}[w]


def nearer(distance: int, expected: int, top: int) -> int:
    """How many symbols are less than `distance` away from the expected one."""
    return min(top, expected + distance - 1) - max(0, expected - distance + 1) + 1 if distance else 0


def residual_of(symbol: int, expected: int, top: int) -> int:
    """The rank of a symbol by distance from the expected one, the lower of two first."""
    distance = abs(symbol - expected)
    return nearer(distance, expected, top) + (symbol > expected and expected >= distance)


def symbol_of(residual: int, expected: int, top: int) -> int:
    """The symbol of that rank."""
    distance = bisect_right(range(1, top + 2), residual, key=lambda d: nearer(d, expected, top))
    there = sorted({s for s in (expected - distance, expected + distance) if 0 <= s <= top})
    return there[residual - nearer(distance, expected, top)]


def expectation(plane: list[int], place: int, width: int) -> int:
    """What a plane's symbol `place` is expected to be."""
    row, column = divmod(place, width)
    if row == 0:
        return plane[place - 1]
    if column == 0:
        return plane[place - width]
    return (plane[place - 1] + plane[place - width] + 1) // 2


def plan(plane: list[int], width: int, zero: int, w: int) -> tuple[int, bool]:
    """Parameter and flag that an encoder chooses."""
    others = [place for place, symbol in enumerate(plane) if symbol != zero]
    if not others:
        return w - 1, True
    told = [place for place in others if place > 0]
    total = sum(residual_of(plane[place], expectation(plane, place, width), 2**w - 1) for place in told)
    k = next((k for k in range(w - 1) if total <= len(others) * 2 ** (k + 1)), w - 1)
    flagged = len(plane) - len(others) > len(plane) / 8
    return (min(k, w - 2) if flagged else k), flagged


def plane_codes(plane: list[int], width: int, zero: int, w: int) -> list[str]:
    """The code of each symbol of a plane, the header before the first."""
    k, flagged = plan(plane, width, zero, w)
    codes = [symbol_code(plane, place, width, zero, w, k, flagged) for place in range(len(plane))]
    return [field(k, w.bit_length() - 1) + str(int(flagged)) + codes[0], *codes[1:]]


def symbol_code(plane: list[int], place: int, width: int, zero: int, w: int, k: int, flagged: bool) -> str:
    """The code of one symbol."""
    symbol = plane[place]
    if k == w - 1:
        return "" if flagged else field(symbol, w)
    if flagged and symbol == zero:
        row, column = divmod(place, width)
        if width == 1:
            return "0"
        blank = plane[row * width : (row + 1) * width] == [zero] * width
        if column == 0:
            return "01" if blank else "00"
        return "" if blank else "0"
    flag, limit = ("1", 7) if flagged else ("", 8)
    if place == 0:
        return flag + field(symbol, w)
    residual = residual_of(symbol, expectation(plane, place, width), 2**w - 1)
    unary, low = divmod(residual, 2**k)
    return flag + ("1" * limit + field(symbol, w) if unary >= limit else "1" * unary + "0" + field(low, k))


def encode(values: list[int], shape: tuple[int, int, int], zero: int, w: int) -> str:
    """The stream of a tile of shape (h, w, c)."""
    height, width, channels = shape
    size = height * width
    codes = [plane_codes(values[p * size : (p + 1) * size], width, zero, w) for p in range(channels if size else 0)]
    lanes = ["".join("".join(plane) for plane in codes[lane::LANES]) for lane in range(LANES)]
    unit = unit_bits(w)
    asked: list[int] = []
    done = [0] * LANES
    for group, place in product(range(0, channels, LANES), range(size)):
        for lane, plane in enumerate(codes[group : group + LANES]):
            while asked.count(lane) * unit - done[lane] < 2 * unit:
                asked.append(lane)
            done[lane] += len(plane[place])
    stream, end = "", 0
    for turn, lane in enumerate(asked):
        start = asked[:turn].count(lane) * unit
        stream += lanes[lane][start : start + unit].ljust(unit, "0")
        if start < len(lanes[lane]):
            end = len(stream)
    return stream[:end]


def decode(stream: str, shape: tuple[int, int, int], zero: int, w: int) -> tuple[list[int], int]:
    """The symbols of a tile and its bits; what follows those bits is not looked at beyond what lanes asked for."""
    height, width, channels = shape
    size = height * width
    reader = _Reader(stream, unit_bits(w))
    planes: list[list[int]] = [[] for _ in range(channels)]
    headers: dict[int, tuple[int, bool]] = {}
    blank_rows: set[tuple[int, int]] = set()
    for group, place in product(range(0, channels, LANES), range(size)):
        for p in range(group, min(group + LANES, channels)):
            reader.turn(p % LANES)
            if place == 0:
                headers[p] = number(reader.take(w.bit_length() - 1)), reader.take(1) == "1"
            planes[p].append(_symbol(reader, planes[p], place, width, zero, w, *headers[p], p, blank_rows))
    return [symbol for plane in planes for symbol in plane], reader.end()


def _symbol(reader, plane, place, width, zero, w, k, flagged, p, blank_rows):
    row, column = divmod(place, width)
    if k == w - 1:
        return zero if flagged else number(reader.take(w))
    if (p, row) in blank_rows:
        return zero
    if flagged and reader.take(1) == "0":
        if column == 0 and width > 1 and reader.take(1) == "1":
            blank_rows.add((p, row))
        return zero
    limit = 7 if flagged else 8
    unary = 0
    while place > 0 and unary < limit and reader.take(1) == "1":
        unary += 1
    if place == 0 or unary == limit:
        return number(reader.take(w))
    residual = unary * 2**k + number(reader.take(k))
    if residual >= 2**w:
        raise Refused("the residual is larger than any symbol's")
    return symbol_of(residual, expectation(plane, place, width), 2**w - 1)


class _Reader:
    """Four lanes that ask for units of one stream."""

    def __init__(self, stream: str, unit: int) -> None:
        self.stream, self.unit = stream, unit
        self.asked = 0
        self.lane = 0
        self.bits: list[list[tuple[int, str]]] = [[] for _ in range(LANES)]
        self.reached = 0

    def turn(self, lane: int) -> None:
        """It is the turn of `lane`, which asks until it holds two units."""
        self.lane = lane
        while len(self.bits[lane]) < 2 * self.unit:
            places = range(self.asked * self.unit, (self.asked + 1) * self.unit)
            self.bits[lane] += [(at, self.stream[at] if at < len(self.stream) else "x") for at in places]
            self.asked += 1

    def take(self, width: int) -> str:
        taken, self.bits[self.lane] = self.bits[self.lane][:width], self.bits[self.lane][width:]
        text = "".join(bit for _, bit in taken)
        if "x" in text:
            raise Refused("the stream ends inside a code")
        self.reached = max([self.reached, *(at // self.unit + 1 for at, _ in taken)])
        return text

    def end(self) -> int:
        """Bits up to the last unit that a code reached; the lanes hold only zeros."""
        if any(bit == "1" for lane in self.bits for _, bit in lane):
            raise Refused("bits behind a lane's last code")
        return self.reached * self.unit
