"""What a run is asked to do, checked before any work."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from golden.tile_format import BURST_BYTES, DEFAULT_MODES, LAYOUTS, MODES, TileFormat

__all__ = ["BYPASSES", "CODECS", "PLANAR_MODES", "RunConfig", "parse_tile"]

CODECS = (*MODES, "best")
PLANAR_SCAN, PLANAR_MODES = "tile-planar", ("prc",)  # prediction needs neighbours of one plane
BYPASSES = ("tile", "tensor", "activation")


def parse_tile(text: str, word_bits: int) -> tuple[int, int, int]:
    """Read "8x8x32": height, width, channels. "auto" is 2 KiB of bytes: 8x8x32, and 8x8x16 for 16-bit symbols.

    Raises
    ------
    ValueError
        If it is not three whole numbers.
    """
    if text == "auto":
        return (8, 8, 16) if word_bits == 16 else (8, 8, 32)
    sizes = text.lower().split("x")
    if len(sizes) != 3 or not all(size.isdecimal() and len(size) < 10 for size in sizes):
        raise ValueError(f"tile must be three sizes as in 8x8x32, not {text!r}")
    return int(sizes[0]), int(sizes[1]), int(sizes[2])


@dataclass(frozen=True)
class RunConfig:
    """One run.

    Attributes
    ----------
    codec : str
        A mode of the tile stream (with raw tiles where they are smaller), or ``best``: each tile in its best mode.
    bypass : str
        ``tile``: raw tiles inside the stream, nothing else; ``tensor``: besides, a tensor that its stream does not
        make smaller is stored raw without an index; ``activation``: besides raw tiles, outputs of linear and sigmoid
        layers are stored raw without an index.
    layout : str
        ``slotted`` or ``packed``: where tiles lie in memory. Bus bytes are the same.
    scan, tile, run_bits, word_bits, burst_bytes
        As in `golden.tile_format.TileFormat`.
    compared : tuple of str
        Codecs that are measured, `codec` and raw besides; none: all that can follow the scan.
    """

    codec: str = "best"
    bypass: str = "tile"
    layout: str = "slotted"
    scan: str = "tile-planar"
    tile: tuple[int, int, int] = (8, 8, 32)
    run_bits: int = 3
    word_bits: int = 8
    burst_bytes: int = BURST_BYTES[0]
    compared: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, choices in (("codec", CODECS), ("bypass", BYPASSES), ("layout", LAYOUTS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}, not {getattr(self, name)!r}")
        self.format_of(self.codec)

    @property
    def codecs(self) -> tuple[str, ...]:
        """What a run compares: what it was told, or all codecs that can follow the scan."""
        asked = {"raw", self.codec, *self.compared} if self.compared else set(CODECS)
        return tuple(
            name for name in CODECS if name in asked and (self.scan == PLANAR_SCAN or name not in PLANAR_MODES)
        )

    def format_of(self, codec: str) -> TileFormat:
        """The tile format in which `codec` is used.

        Raises
        ------
        ValueError
            If a parameter is outside its range.
        """
        modes: tuple[str, ...] = tuple(dict.fromkeys(("raw", codec)))
        if codec == "best":
            modes = DEFAULT_MODES
        return TileFormat(self.word_bits, self.run_bits, self.tile, self.scan, self.burst_bytes, modes)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain = {**asdict(self), "tile": list(self.tile)}
        del plain["compared"]
        return plain
