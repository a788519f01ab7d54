"""The tile stream: tiles of a tensor, each coded alone in the mode that suits it, and an index to find them.

A tensor is cut into tiles (golden/activations/scan.py). Each tile is one payload of whole bursts: its codec's stream,
then zero bits to the end of the last burst (checked). A raw tile is exactly its symbols and stays aligned.

The index lies outside the payload, one group of 32 bytes for 8 tiles, in transmission order::

    | entry 0 : 26 | ... | entry 7 : 26 | base : 32 | group CRC : 16 |

    entry = | mode : 3 | length : 7 | payload CRC : 15 | reserved : 1 |

===========  ====  ==========================================================================================
field        bits  meaning
===========  ====  ==========================================================================================
mode         3     0 raw, 1 srlc, 2 zrlc, 3 zvc, 4 prc; 5..7 are refused, and so are modes the stream does not have
length       7     bursts of the payload, 1..127
payload CRC  15    x^15 + x + 1 over the whole bursts, from state 0x7FFF ^ (tile number mod 2^15)
reserved     1     zero, checked
base         32    burst number of the group's first tile
group CRC    16    CCITT over the 240 bits before it, from state 0xFFFF ^ (group number mod 2^16)
===========  ====  ==========================================================================================

Entries past the last tile are zero, checked. Both CRCs: golden/crc.py; their states start from the number of what they
protect, so that a tile or group read from a wrong address is refused.

Layouts: ``slotted``, tile ``t`` at burst ``t`` times the bursts of a full raw tile (saves bandwidth; tiles can be
rewritten in place); ``packed``, each tile behind the one before it (saves memory too). In both the tile is at
``base`` plus what lies before it in its group: a reader needs one group and then the tile's own bursts.

Out of band: the format, the tensor's shape, the zero point, the layout and where index and payload begin.

The mode of a tile is the one with fewest bursts, then fewest bits, then the lowest number; ``raw`` is always among the
modes, so a payload never takes more bursts than raw, and dense data costs the index alone: 32 bytes for 8 tiles,
0.2 % of full 2 KiB tiles. An encoder may be told a tile's mode (bypass of a layer); a decoder takes any mode.

Worked examples, tiles of 8 x 8 x 32 with W = 8, R = 3 at 32-byte bursts: a tensor of one zero symbol is one srlc tile
(1 burst, 11 bits against 8: raw has fewer, so mode 0); 2048 zeros are 352 bytes as srlc, 352 as zrlc, 256 as zvc: mode
3, length 8; 2048 random bytes are mode 0, length 64.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from golden.activations.prc import Prc, PrcFormat
from golden.activations.raw import Raw, RawFormat
from golden.activations.scan import TILE_SCANS
from golden.activations.srlc import Srlc, SrlcFormat
from golden.activations.zrlc import Zrlc, ZrlcFormat
from golden.activations.zvc import Zvc, ZvcFormat
from golden.codec import check_integer, check_run_bits, check_word_bits
from golden.crc import TRINOMIAL_15
from golden.symbol_codec import SymbolCodec

__all__ = [
    "BASE_BITS",
    "BURST_BYTES",
    "CRC_BITS",
    "DEFAULT_MODES",
    "ENTRY_BITS",
    "GROUP_BYTES",
    "GROUP_TILES",
    "LAYOUTS",
    "LENGTH_BITS",
    "MAX_BURSTS",
    "MODES",
    "MODE_BITS",
    "RESERVED_BITS",
    "TileFormat",
    "codec_of",
]

MODES = ("raw", "srlc", "zrlc", "zvc", "prc")
DEFAULT_MODES = ("raw", "srlc", "zrlc", "zvc")
LAYOUTS = ("slotted", "packed")
BURST_BYTES = (32, 64)

GROUP_TILES = 8
GROUP_BYTES = 32
MODE_BITS, LENGTH_BITS, CRC_BITS, RESERVED_BITS, BASE_BITS = 3, 7, TRINOMIAL_15.bits, 1, 32
ENTRY_BITS = MODE_BITS + LENGTH_BITS + CRC_BITS + RESERVED_BITS
MAX_BURSTS = (1 << LENGTH_BITS) - 1
MAX_RAW_BURSTS = 64


@dataclass(frozen=True)
class TileFormat:
    """Parameters of a tile stream.

    Attributes
    ----------
    word_bits : int
        Bits of a symbol: 4, 8 or 16.
    run_bits : int
        Bits of a run in srlc and zrlc, 1..8.
    tile : tuple of int
        Height, width and channels of a tile; raw it is at most 64 bursts.
    scan : str
        Order inside a tile: ``tile-planar`` or ``tile-channel-first``.
    burst_bytes : int
        32 or 64.
    modes : tuple of str
        What an encoder chooses from; ``raw`` is always one. ``prc`` predicts inside planes: ``tile-planar`` only.
    """

    word_bits: int = 8
    run_bits: int = 3
    tile: tuple[int, int, int] = (8, 8, 32)
    scan: str = "tile-planar"
    burst_bytes: int = 32
    modes: tuple[str, ...] = DEFAULT_MODES

    def __post_init__(self) -> None:
        check_word_bits(self.word_bits)
        check_run_bits(self.run_bits)
        check_integer("burst_bytes", self.burst_bytes)
        object.__setattr__(self, "tile", tuple(self.tile))
        object.__setattr__(self, "modes", tuple(self.modes))
        for size in self.tile:
            check_integer("tile size", size)
        if self.scan not in TILE_SCANS:
            raise ValueError(f"scan must be one of {TILE_SCANS}, not {self.scan!r}")
        if self.burst_bytes not in BURST_BYTES:
            raise ValueError(f"burst_bytes must be 32 or 64, not {self.burst_bytes!r}")
        if len(self.tile) != 3 or min(self.tile) < 1:
            raise ValueError(f"tile must be three positive sizes, not {self.tile!r}")
        if self.slot_bursts > MAX_RAW_BURSTS:
            raise ValueError(
                f"tile must be at most {MAX_RAW_BURSTS} bursts of {self.burst_bytes} bytes, not {self.slot_bursts}"
            )
        if "raw" not in self.modes or len(set(self.modes)) != len(self.modes) or not set(self.modes) <= set(MODES):
            raise ValueError(f"modes must be raw and others of {MODES}, not {self.modes!r}")
        if "prc" in self.modes and self.scan != "tile-planar":
            raise ValueError(f"scan must be 'tile-planar' where prc is a mode, not {self.scan!r}")

    @property
    def tile_symbols(self) -> int:
        """Symbols of a full tile."""
        return self.tile[0] * self.tile[1] * self.tile[2]

    @property
    def burst_bits(self) -> int:
        """Bits of a burst."""
        return 8 * self.burst_bytes

    @property
    def slot_bursts(self) -> int:
        """Bursts of a full raw tile."""
        return -(-self.tile_symbols * self.word_bits // self.burst_bits)

    @property
    def codecs(self) -> dict[int, SymbolCodec[Any]]:
        """Mode number to codec, for the modes of this stream."""
        return {MODES.index(mode): codec_of(self, mode) for mode in self.modes}


@lru_cache(maxsize=256)
def codec_of(fmt: TileFormat, mode: str) -> SymbolCodec[Any]:
    """The codec that a mode means in this format."""
    match mode:
        case "raw":
            return Raw(RawFormat(fmt.word_bits))
        case "srlc":
            return Srlc(SrlcFormat(fmt.run_bits, fmt.word_bits))
        case "zrlc":
            return Zrlc(ZrlcFormat(fmt.run_bits, fmt.word_bits))
        case "zvc":
            return Zvc(ZvcFormat(fmt.word_bits))
        case "prc":
            return Prc(PrcFormat(fmt.word_bits))
    raise ValueError(f"mode must be one of {MODES}, not {mode!r}")
