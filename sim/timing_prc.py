"""Cycles of the cores of prc."""

from __future__ import annotations

from golden.activations.prc import PrcFormat

__all__ = ["DECODE_LATENCY_CYCLES", "decode_cycles", "encode_cycles", "encode_latency_cycles", "steps"]

DECODE_LATENCY_CYCLES = 5


def steps(shape: tuple[int, int, int]) -> int:
    """Steps of four planes in a tile of `shape` (h, w, c)."""
    height, width, channels = shape
    return height * width * -(-channels // PrcFormat().lanes)


def decode_cycles(shape: tuple[int, int, int], words: int) -> int:
    """Cycles from a tile's first beat to the next one's, tiles back to back and no one waiting.

    A word, four units of the format, comes in each cycle, so a tile takes its steps, or its words if these are more:
    tiles of one step alone can have two. The first beat leaves `DECODE_LATENCY_CYCLES` after the first word comes.

    Parameters
    ----------
    shape : tuple of int
        Height, width and channels.
    words : int
        Words of the tile's stream.
    """
    return max(steps(shape), words)


def encode_cycles(shape: tuple[int, int, int], words: int) -> int:
    """Cycles from a tile's first word to the next one's, tiles of one shape back to back and no one waiting.

    As many as the decoder's: four symbols come in each cycle, and only a tile of one step has more words than steps.
    """
    return decode_cycles(shape, words)


def encode_latency_cycles(shape: tuple[int, int, int]) -> int:
    """Cycles from a tile's last symbols to its first word, for two channels or more.

    The last planes are read again when they have been seen whole, and a tile is sent when it is coded.
    """
    height, width, _ = shape
    return height * width + 10
