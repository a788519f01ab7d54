"""Cycles of encoder and decoder of all modes, prc among them: what goes in and comes out when.

Both are stepped cycle by cycle, as the cores of the other modes are in `sim.timing`. Cycle 0 is that of the first
transfer into the core, as it comes out of reset; sources offer always, sinks are always ready.

Symbols go in, and come out, in every cycle, tiles of any shapes back to back, if each tile's payload, whole bursts, has
no more words than the tile has beats, and its channels are a multiple of four (a group of less takes prc as long as a
full one).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from golden.codec import Words
from golden.tile_format import DEFAULT_MODES, TileFormat
from sim.timing import SHELL_CYCLES, CodecTiming, cycles_off_at_ends
from sim.timing_mixed_decoder import decode_times
from sim.timing_mixed_encoder import encode_times
from sim.timing_tiles import CodedTiles, Cycles, Times

__all__ = ["MixedTiming"]


@dataclass(frozen=True)
class MixedTiming:
    """Cycles for one format and number of lanes.

    Attributes
    ----------
    fmt : TileFormat
        Its modes include prc.
    lanes : int
        1, 2 or 4.
    """

    fmt: TileFormat
    lanes: int

    def __post_init__(self) -> None:
        if self.lanes not in (1, 2, 4):
            raise ValueError(f"lanes must be 1, 2 or 4 where prc is a mode, not {self.lanes!r}")
        if "prc" not in self.fmt.modes:
            raise ValueError(f"modes must have prc, not {self.fmt.modes!r}")

    @property
    def _plain(self) -> CodecTiming:
        """Those of the other modes."""
        modes = tuple(mode for mode in self.fmt.modes if mode in DEFAULT_MODES)
        return CodecTiming(replace(self.fmt, modes=modes), self.lanes)

    def encode(self, tiles: CodedTiles, told: bool = False) -> Times:
        """Cycles of beats into the encoder, which finds the modes unless they are `told`, and of words out of it.

        Parameters
        ----------
        tiles : CodedTiles
        told : bool
            Tiles that are told another mode do not go to prc.
        """
        return encode_times(self._plain, tiles, told)

    def decode(self, tiles: CodedTiles, payload: Words, bursts: Cycles) -> Times:
        """Cycles of beats out of the decoder and of words into it.

        Parameters
        ----------
        tiles, payload, bursts
            As in `sim.timing.CodecTiming.decode`.
        """
        return decode_times(self._plain, tiles, payload, bursts)

    def cycles_off(
        self,
        tiles: CodedTiles,
        payload: Words,
        bursts: Cycles,
        encoded: Cycles,
        decoded: Cycles,
        shell_cycles: int = SHELL_CYCLES,
    ) -> int:
        """Cycles that measured transfers are off, summed over the last ones of all tiles.

        Parameters
        ----------
        tiles, payload, bursts
            As in `decode`.
        encoded, decoded : ndarray of int64
            Cycles of all words out of the encoder, which found the modes, and of all beats out of the decoder, from the
            first transfer in.
        shell_cycles : int
            Cycles that the ports' registers add on the way.
        """
        words = bursts * (self.fmt.burst_bits // self._plain.word_bits)
        return cycles_off_at_ends(words, encoded, self.encode(tiles).words, shell_cycles) + (
            cycles_off_at_ends(
                tiles.beats(self.lanes), decoded, self.decode(tiles, payload, bursts).beats, shell_cycles
            )
        )
