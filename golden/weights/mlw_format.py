"""Weight streams of the Arm Ethos-U: the format, its numbers, its one free parameter.

Weights -255..255 become small indices, indices become Golomb-Rice codes, and the codes are dealt out in chunks that a
decoder takes one per cycle. A stream is a row of slices; fields are LSB-first, and a slice starts at any bit::

    stream   slice slice ... end        (an end marker may also stand between slices)
    slice    header [palette] chunk chunk ... chunk
    end      ZDIV = 7, ones up to the next byte

Encoders fill the stream with bytes 0xFF, each of them one more end marker, to a multiple of 16 bytes.

========== ============== =======================================================================================
field      bits           meaning
========== ============== =======================================================================================
ZDIV       3              0..3 shift of the zero runs, 6 no zero runs, 7 end marker; 4 and 5 are illegal
SLICELEN   15             n - 1, where n weight symbols follow; an encoder writes n <= 32767
WDIV       3              0..5 shift of the indices, 7 raw indices; 6 is illegal
WTRUNC     1              quotients end at 2
NEWPAL     1              the next fields follow; else the last palette stays, and runs stay on or off
DIROFS     5              the v of the first index past the palette
PALSIZE    5              0 no palette, else number of entries - 1 (2..32 entries)
PALBITS    3              width of an entry - 2 (2..9 bits); without a palette, width of raw indices - 2
entries    PALBITS each   the palette, as v
========== ============== =======================================================================================

**Weights to indices.** ``v = 2 |weight| + (weight < 0)``, so v = 0..511. Index ``w`` means ``v = palette[w]`` if ``w``
is below the number of entries, else ``v = w - entries + DIROFS``; v above 511 is illegal, v = 1 means 0.

**Zero runs.** With runs on, ``w0, run, w1, run, ...``: each index is followed by the number of zeros after its
weight, and a slice with NEWPAL has one run more, in front. Runs count no symbols of n; a zero may also be an index.

**Codes.** An index is a quotient ``w >> WDIV`` and a remainder of WDIV bits, a run likewise with ZDIV. The quotient of
a run is unary: 1 goes on, 0 ends. That of an index takes two fields: a WUNARY0 bit 0 adds 0 and ends; 1 takes the
next WUNARY1 bit: 0 adds 1 and ends, 1 adds 2 and goes on (ends, with WTRUNC). Either goes on into the next chunk.
An encoder writes quotients up to 31 (2 with WTRUNC). Raw indices have no quotient and ceil(log2 entries)
bits, or PALBITS bits without a palette.

**Chunks.** ``w_pos`` and ``z_pos`` count the symbols whose quotients ended in the chunks before. A chunk carries
indices if ``w_pos < n`` and ``w_pos - z_pos < 8`` (the latter with runs only), and runs if ``z_pos`` is below
``n + NEWPAL`` and ``w_pos - z_pos >= 0``. In this order:

=========== =========================== =========================================================================
field       bits                        present
=========== =========================== =========================================================================
WUNARY0     12                          with indices, not raw
ZUNARY      12 (8 for ZDIV 3)           with runs
WUNARY1     as many as WUNARY0 has ones
WREM        WDIV each                   for each index whose quotient ended in the chunk *before*
ZREM        ZDIV each                   for each run whose quotient ended in the chunk *before*
=========== =========================== =========================================================================

A chunk of raw indices announces 12 of them (8 if wider than 5 bits), at most what is left of n. The chunk after the
last one carries what remains. Unary bits past the last symbol are padding: zero, and the decoder checks.

**Out of band:** the number of weights, the stream's length, and where a decoder may start: at any slice that sets
NEWPAL.

**Worst case:** a block of raw 9-bit indices, for any weights: 9 bits each (8 in -127..127), 36 bits for the block, 23
more for each further 32767, and at most 130 bits for the end.

Examples, as bytes in hexadecimal; each goes on in 0xFF to 16 bytes:

=========================== ==================== ==================================================================
weights                     stream               slice
=========================== ==================== ==================================================================
1 -1 1 1 1 5 1 1 -1 1 1 1   5e006015e022a1       no runs, n 12, WDIV 0, WTRUNC, DIROFS 10, palette 2 3 of 2 bits;
                                                 WUNARY0 010001001000 (first bit left), WUNARY1 010: 0100 0200 1000
0 0 0 255 -255              0800dc0f7e00dfc1     runs, ZDIV 0, n 2, raw, DIROFS 31, no palette, 9 bits;
                                                 ZUNARY 111000000000 (runs 3 0 0), WREM 479 480
(none)                      ff                   none
=========================== ==================== ==================================================================

References
----------
The format is that of the reference decoder and encoder `mlw_codec` in Arm's Vela compiler (PyPI ``ethos-u-vela``,
Apache-2.0). What the sources leave open and we decided: padding of unary fields is checked; v above 511 is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from numba import njit

from golden.weights.tensor import check_entry_weights

__all__ = [
    "END_BYTES",
    "END_MARKER",
    "HEADER_BITS",
    "MARKER_BITS",
    "NO_RUNS",
    "PALETTE_BITS",
    "PALETTE_ENTRIES",
    "QUOTIENT_LIMIT",
    "RAW",
    "RAW_SYMBOLS",
    "RAW_SYMBOLS_WIDE",
    "RAW_WIDE_BITS",
    "SLICE_SYMBOLS",
    "TRUNCATED_LIMIT",
    "UNARY_BITS",
    "UNARY_BITS_COARSE",
    "V_LIMIT",
    "WEIGHT_LIMIT",
    "W_AHEAD",
    "MlwFormat",
    "bit_length",
]

NO_RUNS = 6
"""ZDIV of a slice without zero runs."""
END_MARKER = 7
"""ZDIV of the end marker."""
RAW = 7
"""WDIV of a slice of raw indices."""
HEADER_BITS = 23
"""ZDIV, SLICELEN, WDIV, WTRUNC and NEWPAL."""
MARKER_BITS = 3
"""ZDIV of an end marker, all that must stand before its filling."""
PALETTE_BITS = 13
"""DIROFS, PALSIZE and PALBITS."""
PALETTE_ENTRIES = 32
"""Most entries of a palette."""
SLICE_SYMBOLS = 32767
"""Most symbols of a slice that the encoder writes; the field holds one more."""
V_LIMIT = 511
"""Highest v, and highest index."""
WEIGHT_LIMIT = 255
"""Highest magnitude of a weight."""
QUOTIENT_LIMIT = 31
"""Highest quotient that an encoder writes."""
TRUNCATED_LIMIT = 2
"""Highest quotient with WTRUNC."""
UNARY_BITS = 12
"""Bits of WUNARY0, and of ZUNARY up to ZDIV 2."""
UNARY_BITS_COARSE = 8
"""Bits of ZUNARY at ZDIV 3."""
W_AHEAD = 8
"""A chunk carries no indices once they are so many symbols ahead of the runs."""
RAW_SYMBOLS = 12
"""Raw indices of a chunk."""
RAW_SYMBOLS_WIDE = 8
"""Raw indices of a chunk if wider than `RAW_WIDE_BITS`."""
RAW_WIDE_BITS = 5
"""Widest raw index of which a chunk carries 12."""
END_BYTES = 16
"""A stream is filled to a multiple of so many bytes."""

_LEAST_DENSITY = 2


@njit(cache=True, nogil=True)
def bit_length(value):  # type: ignore[no-untyped-def]
    """Bits that hold `value`."""
    bits = 0
    while value >> bits:
        bits += 1
    return bits


@dataclass(frozen=True)
class MlwFormat:
    """Parameters of the encoder; a stream needs none to be decoded.

    Attributes
    ----------
    entry_weights : int
        Weights between entry points; 0 for none, 64 and more. Where fewer than half of the weights are not zero, the
        distance is doubled until a block holds as many that are not zero as it would then, on average.
    """

    entry_weights: int = 16384

    def __post_init__(self) -> None:
        check_entry_weights(self.entry_weights)

    def block_weights(self, count: int, nonzero: int) -> int:
        """Weights of a block of a tensor of `count` weights, of which `nonzero` are not zero."""
        least = distance = self.entry_weights or MlwFormat.entry_weights
        while distance < count and nonzero * distance * _LEAST_DENSITY < count * least:
            distance *= 2
        return distance
