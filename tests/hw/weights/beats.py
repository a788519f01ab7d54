"""Payloads as words and weights as beats, the way the weight decoders' ports have them."""

from dataclasses import dataclass

import numpy as np

from hw.packet import Packet
from hw.weights.ports import Fault, Report, Weights


@dataclass(frozen=True)
class Came:
    """A tensor that came out: bit patterns or integers, and the error flag of its last beat."""

    symbols: list[int]
    error: bool


def payload_words(words: np.ndarray, word_bits: int) -> list[int]:
    """64-bit words of a payload as transfers of `word_bits`, filled up with zeros, `last` on top."""
    size = word_bits // 64
    padded = np.append(words, np.zeros(-len(words) % size, np.uint64)).reshape(-1, size)
    transfers = [sum(int(word) << 64 * k for k, word in enumerate(row)) for row in padded]
    return [*transfers[:-1], transfers[-1] | 1 << word_bits] if transfers else []


def tensors_of(values: list[int], shape, lanes: int) -> list[Came]:
    """What beats hold, tensor by tensor; fails if the last one does not end."""
    packet, tensors, symbols = Packet(Weights(shape, lanes)), [], []
    for value in values:
        beat = packet.from_bits(value)
        last = bool(beat.last)
        assert last or not beat.data.error
        symbols += [int(symbol) for symbol in beat.data.symbols][: beat.data.tail + 1 if last and lanes > 1 else lanes]
        if last:
            tensors.append(Came(symbols, bool(beat.data.error)))
            symbols = []
    assert not symbols
    return tensors


def reports_of(values: list[int]) -> list[tuple[Fault, int]]:
    """Fault and position of reports; position 0 where there is no fault."""
    reports = [Report().from_bits(value) for value in values]
    return [(report.fault, report.position if report.fault is not Fault.NONE else 0) for report in reports]
