"""Ethos-U weight streams for the decoder in hardware: whole, damaged, and what golden says of them."""

import re
from dataclasses import dataclass

import numpy as np

from golden.bits import BitWriter, words_from_bytes
from golden.codec import CorruptStreamError
from golden.weights import mlw_chunks as chunks
from golden.weights.mlw import write_stream
from golden.weights.mlw_alphabet import DIRECT, ENTRIES, ENTRY_BITS, PALETTE, RAW_MODE, ROW, SHIFTS, WITH_RUNS
from golden.weights.mlw_decode import decode_block
from golden.weights.mlw_encode import write_slice
from hw.weights.ports import Fault

WORD_BYTES = 16
_FAULTS = {
    chunks.SHORT: Fault.SHORT,
    chunks.TAIL: Fault.SHORT,
    chunks.UNDERRUN: Fault.SHORT,
    chunks.RANGE: Fault.RANGE,
    chunks.OVERRUN: Fault.OVERRUN,
}
_PATTERNS = [re.escape(text).replace(r"\{\}", r"(\d+)") for text in chunks.FAULTS]


@dataclass(frozen=True)
class Stream:
    """Whole words of a stream, and the number of weights that is ordered."""

    data: bytes
    count: int

    def __post_init__(self) -> None:
        assert len(self.data) % WORD_BYTES == 0
        assert self.data

    @property
    def words(self) -> np.ndarray:
        return words_from_bytes(self.data)

    def verdict(self) -> tuple[tuple[Fault, int], list[int]]:
        """Fault and position as golden sees them, and the weights if there is none."""
        weights = np.zeros(self.count, np.int16)
        try:
            decode_block(self.words, 0, 8 * len(self.data), weights, True)
        except CorruptStreamError as error:
            for number, pattern in enumerate(_PATTERNS):
                if number and (match := re.fullmatch(pattern, str(error))):
                    return (_FAULTS.get(number, Fault.CODE), int(match.group(1))), []
            raise
        return (Fault.NONE, 0), weights.tolist()


def filled(data: bytes) -> bytes:
    """The bytes and end markers up to a whole word."""
    return data + b"\xff" * (-len(data) % WORD_BYTES)


def of_fields(*fields: tuple[int, int]) -> bytes:
    """A stream of fields, each a value and its bits, closed."""
    writer = BitWriter()
    for value, width in fields:
        writer.write_bits(int(value), width)
    writer.write_bits(7, 3)
    writer.write_bits((1 << -writer.bits % 8) - 1, -writer.bits % 8)
    return filled(writer.to_bytes())


def raw_slice(weights: list[int]) -> bytes:
    """A stream of one slice of raw indices of 9 bits, without runs; weight k lies at bit ``36 + 9 k``."""
    head = [(6, 3), (len(weights) - 1, 15), (7, 3), (0, 1), (1, 1), (0, 5), (0, 5), (7, 3)]
    return of_fields(*head, *((2 * abs(weight) + (weight < 0), 9) for weight in weights))


def drawn_stream(rng: np.random.Generator, most: int = 100) -> Stream:
    """Slices that no encoder would choose: every mode, any palette, runs of every shift, end markers between."""
    words, position, count, row = np.zeros(4000, np.uint64), 0, 0, np.zeros(ROW, np.int64)
    fresh = True
    for _ in range(rng.integers(1, 5)):
        new = fresh or rng.random() < 0.5
        if new:
            row = np.zeros(ROW, np.int64)
            row[WITH_RUNS], row[DIRECT], row[ENTRY_BITS] = rng.integers(0, 2), rng.integers(0, 32), rng.integers(2, 10)
            row[ENTRIES] = rng.choice([0, 2, 3, 5, 17, 31, 32])
            row[PALETTE : PALETTE + row[ENTRIES]] = rng.integers(0, 1 << row[ENTRY_BITS], row[ENTRIES])
        symbols, mode, zdiv = int(rng.integers(1, most)), int(rng.integers(0, RAW_MODE + 1)), int(rng.integers(0, 4))
        highest = 511 + min(0, row[ENTRIES] - row[DIRECT])
        width = int(row[ENTRIES] - 1).bit_length() if row[ENTRIES] else row[ENTRY_BITS]
        limit = 1 << width if mode == RAW_MODE else (32 if mode < SHIFTS else 3) << mode % SHIFTS
        indices = np.minimum(rng.geometric(rng.uniform(0.01, 0.9), symbols) - 1, min(highest, limit - 1))
        runs = rng.geometric(rng.uniform(0.02, 1), symbols + 1) - 1
        position = write_slice(words, position, row, (symbols, mode, zdiv, int(new)), indices, runs)
        count += symbols + (int(runs[: symbols + new].sum()) if row[WITH_RUNS] else 0)
        fresh = rng.random() < 0.2
        if fresh:
            position = _close(words, position, 8)
    position = _close(words, position, 8 * WORD_BYTES)
    return Stream(words.tobytes()[: position // 8], count)


def _close(words: np.ndarray, position: int, unit: int) -> int:
    end = -(-(position + 3) // unit) * unit
    for bit in range(position, end):
        words[bit >> 6] |= np.uint64(1) << np.uint64(bit & 63)
    return end


def coded_stream(rng: np.random.Generator, size: int) -> Stream:
    """What golden writes of weights of some kind."""
    weights = np.rint(rng.laplace(0, rng.uniform(0.3, 40), size)).clip(-255, 255)
    if rng.random() < 0.6:
        weights *= rng.random(size) < rng.uniform(0.02, 0.6)
    return Stream(write_stream(weights.astype(np.int16)), size)


def damaged(rng: np.random.Generator, stream: Stream) -> Stream:
    """The stream with flipped bits, cut, followed by more or noise, or with another count; or as it was."""
    data, count = bytearray(stream.data), stream.count
    match rng.integers(0, 7):
        case 1:
            for bit in rng.integers(0, 8 * len(data), rng.integers(1, 3)):
                data[bit >> 3] ^= 1 << (bit & 7)
        case 2:
            bit = int(rng.integers(0, 64))
            data[bit >> 3] ^= 1 << (bit & 7)
        case 3:
            data = data[: WORD_BYTES * int(rng.integers(1, len(data) // WORD_BYTES + 1))]
        case 4:
            count = max(0, count + int(rng.integers(-40, 41)))
        case 5:
            at = int(rng.integers(0, len(data)))
            data[at:] = rng.integers(0, 256, len(data) - at, dtype=np.uint8).tobytes()
        case 6:
            data += (b"\xff" if rng.random() < 0.5 else b"\0") * WORD_BYTES * int(rng.integers(1, 5))
    return Stream(bytes(data), count)
