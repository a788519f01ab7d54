"""PRC, predictive Rice code: each channel plane of a tile predicted from its neighbours, what is left in Rice codes.

A tile of h x w x c symbols is c planes, each in raster order (scan ``tile-planar``). Plane ``p`` belongs to lane
``p mod 4``: a decoder reads four planes in step, one symbol of each at a time. A plane in its lane::

    | k : log2 W | flagged : 1 | symbol | symbol | ... | symbol |

==========  ==========================================================================================
k, flagged  meaning
==========  ==========================================================================================
0..W-2, 0   every symbol is a *value*
0..W-2, 1   every symbol tells first whether it is the zero point (next table)
W-1, 0      raw: every symbol is W bits
W-1, 1      every symbol is the zero point and takes no bits
==========  ==========================================================================================

==============================  ======================================================================
symbol of a flagged plane       code
==============================  ======================================================================
not the zero point              1, then its *value*, which escapes one step earlier
zero point, column 0 and w > 1  0, then 1 if the whole row is the zero point (and takes no more bits) or 0
other zero points               0
==============================  ======================================================================

*Value* of a symbol x: the first of a plane is x itself, W bits. The others are told by a residual m as ``m >> k``
ones, a zero and the low k bits of m; where that would be 8 ones or more (7 in a flagged plane) it is 8 (7) ones and x
itself. No code is longer than W + 8 bits.

*Residual*: with P the left neighbour in the first row, the upper one in the first column, ``(left + up + 1) >> 1``
elsewhere, ``T = 2^W - 1`` and ``n = min(P, T - P)``: m = 2 (x - P) for P <= x <= P + n, 2 (P - x) - 1 for
P - n <= x < P, and |x - P| + n for what lies further off, which is on one side only. So m is 0..T, each once.

Lanes in the stream: in units of U = max(16, 2 W) bits, in the order in which a decoder asks for them. It goes through
planes 0..3 symbol by symbol, lane 0 to lane 3 each time, then planes 4..7, and so on; before its symbol a lane asks
until it holds 2 U bits or more: for two units at the start, and then at most for one. So no lengths are sent, and as no
code is longer than a unit, the one asked for last may come a symbol later. Bits of a lane behind its last code are zero
(checked). The stream ends with the last unit that holds a code; units asked for past it are zero. Least significant
bit first.

The decoder is told shape, symbol count and zero point; symbols of unknown shape are one column. It takes any k and
flag and any code, and refuses a residual above T and a code that passes the end. An encoder chooses k and flag of a
plane from its symbols that are not the zero point: their count N and the sum S of their residuals (0 for the first of
the plane). k is the smallest with ``S <= N 2^(k + 1)``, at most W - 1; the plane is flagged if more than an eighth of
it is the zero point, and then k is at most W - 2; N = 0 is W - 1, flagged. A row of zero points is always told as one.

Worst case: W + 8 bits a symbol and log2 W + 1 a plane, then whole units; dense random bytes come to 1.04 times raw in
tiles of 8 x 8 x 32.

Source: Rice codes with an escape, as in JPEG-LS (ITU-T T.87, annex A.5), whose limit bounds the code length in the same
way; k from a mean as in Weinberger et al., "The LOCO-I lossless image compression algorithm" (IEEE Trans. Image
Processing 9(8), 2000). Folding, flags, rows, lanes and every choice of number are ours, weighed in
docs/decisions/prc.md.

Worked examples, W = 8, zero point 0, U = 16; codes in transmission order:

======================  ==========================================================  =======================
symbols (h x w x c)     codes                                                       bytes
======================  ==========================================================  =======================
10 12 / 11 14 (2x2x1)   k 1: 100 0, 01010000, m 4: 110 0, m 2: 10 0, m 4: 110 0     A1 30 19 00
0 0 0 / 0 7 0 (2x3x1)   k 2: 010 1, row 01, 00, m 7: 1 10 11, 0                     2A 1B
0 0, 255 3 (1x2x2)      lane 0: 111 1; lane 1: k 6: 011 0, 255, m 252: 1110 001111  0F 00 00 00 F6 7F 3C 00
======================  ==========================================================  =======================

In the last one both lanes begin with two units: lane 0 needs one for its header of 4 bits, so the second is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from golden.activations.prc_kernels import (
    LANES,
    SHORT,
    STRAY_BIT,
    STRAY_RESIDUAL,
    UNARY_LIMIT,
    decode_tiles,
    encode_tiles,
)
from golden.codec import CorruptStreamError, Symbols, check_word_bits
from golden.symbol_codec import SymbolCodec
from golden.tiles import TileMemory, Tiles, check_batch, check_tiles

__all__ = ["Prc", "PrcFormat"]

_FAULTS = {
    SHORT: "stream ends inside the field",
    STRAY_RESIDUAL: "residual is larger than any symbol's",
    STRAY_BIT: "padding must be zero, not set",
}


@dataclass(frozen=True)
class PrcFormat:
    """Predicted planes of symbols of `word_bits` bits."""

    word_bits: int = 8

    def __post_init__(self) -> None:
        check_word_bits(self.word_bits)

    @property
    def lanes(self) -> int:
        """Planes that are read in step."""
        return LANES

    @property
    def unary_limit(self) -> int:
        """Ones that begin an escape; one less where a flag stands before them."""
        return UNARY_LIMIT

    @property
    def k_bits(self) -> int:
        """Bits of a plane's Rice parameter."""
        return self.word_bits.bit_length() - 1

    @property
    def header_bits(self) -> int:
        """Bits in front of a plane's first symbol."""
        return self.k_bits + 1

    @property
    def longest_bits(self) -> int:
        """Bits of the longest code; a header and the symbol behind it are no longer."""
        return self.word_bits + UNARY_LIMIT

    @property
    def unit_bits(self) -> int:
        """Bits that a lane asks for at once."""
        return max(16, 2 * self.word_bits)

    @property
    def held_bits(self) -> int:
        """Bits that a lane holds at least before a symbol, the unit asked for last among them."""
        return 2 * self.unit_bits


def _shapes(tiles: Tiles) -> NDArray[np.int64]:
    """Shapes whose product is each tile's symbol count: one column where the tiles do not know theirs."""
    known = tiles.shapes.prod(axis=1) == tiles.symbols
    columns = np.ones_like(tiles.shapes)
    columns[:, 0] = tiles.symbols
    return np.where(known[:, None], tiles.shapes, columns)


class Prc(SymbolCodec[PrcFormat]):
    """Predicted channel planes, their residuals in Rice codes, four planes in step."""

    codec_id = "prc"
    format_type = PrcFormat

    @property
    def word_bits(self) -> int:
        """Bits of a symbol."""
        return self.format.word_bits

    def tile_bits(self, values: Symbols, tiles: Tiles, zero_point: int) -> NDArray[np.int64]:
        check_tiles(values, tiles)
        nowhere = (np.zeros(0, np.uint64), np.zeros((tiles.count, 2), np.int64), np.arange(tiles.count))
        source = (values, tiles.starts, _shapes(tiles), zero_point)
        bits: NDArray[np.int64] = encode_tiles(*source, *nowhere, *self._parameters)
        return bits

    def encode_tiles(self, values: Symbols, tiles: Tiles, zero_point: int, memory: TileMemory) -> None:
        check_batch(values, tiles, memory)
        source = (values, tiles.starts, _shapes(tiles), zero_point)
        encode_tiles(*source, memory.words, memory.spans, memory.chosen, *self._parameters)

    def decode_tiles(self, memory: TileMemory, tiles: Tiles, zero_point: int, values: Symbols) -> NDArray[np.int64]:
        check_batch(values, tiles, memory)
        source = (memory.words, memory.spans, memory.chosen, values)
        bits: NDArray[np.int64]
        bits, tile, position, fault = decode_tiles(*source, tiles.starts, _shapes(tiles), zero_point, *self._parameters)
        if tile >= 0:
            raise CorruptStreamError(f"tile {memory.first + tile}: {_FAULTS[fault]} at bit {position}")
        return bits

    @property
    def _parameters(self) -> tuple[int, int]:
        return self.format.word_bits, self.format.unit_bits
