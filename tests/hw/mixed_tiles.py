"""Tiles of known shape in any mode, as transfers of the ports of the decoder and encoder of all modes."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from prc_tiles import planes

from golden.codec import symbol_dtype
from golden.crc import TRINOMIAL_15
from golden.tile_format import MODES, TileFormat, codec_of
from golden.tile_index import payload_seeds
from golden.tiles import TileMemory, Tiles
from hw.activations.ports import Beat, CheckedBeat, Entry, word_bits
from hw.mixed_ports import ShapedChooseOrder, ShapedDecodeOrder, plain_format
from hw.packet import Packet

ALL = ("raw", "srlc", "zrlc", "zvc", "prc")


@dataclass(frozen=True)
class MixedTile:
    """A tile: symbols plane after plane."""

    shape: tuple[int, int, int]
    symbols: tuple[int, ...]
    zero_point: int
    mode: str
    number: int

    def _values(self, fmt: TileFormat) -> tuple[np.ndarray, Tiles]:
        values = np.array(self.symbols, symbol_dtype(fmt.word_bits))
        return values, Tiles(np.array([0, values.size]), np.array([self.shape]))

    def bits(self, fmt: TileFormat, mode: str) -> int:
        return int(codec_of(fmt, mode).tile_bits(*self._values(fmt), self.zero_point)[0])

    def best(self, fmt: TileFormat) -> str:
        """The mode that a chooser finds."""
        return min(fmt.modes, key=lambda mode: (self.bits(fmt, mode), MODES.index(mode)))

    def payload(self, fmt: TileFormat) -> bytes:
        bursts = -(-self.bits(fmt, self.mode) // fmt.burst_bits)
        words = np.zeros(bursts * fmt.burst_bytes // 8, np.uint64)
        memory = TileMemory(words, np.array([[0, words.size]]), np.array([0]))
        values, tiles = self._values(fmt)
        codec_of(fmt, self.mode).encode_tiles(values, tiles, self.zero_point, memory)
        return words.astype("<u8").tobytes()

    def entry(self, fmt: TileFormat) -> int:
        payload = self.payload(fmt)
        words = np.frombuffer(payload, "<u8").astype(np.uint64)
        check = TRINOMIAL_15.over_spans(words, np.array([[0, words.size]]), payload_seeds(np.array([self.number])))
        fields = {"mode": MODES.index(self.mode), "bursts": len(payload) // fmt.burst_bytes, "check": int(check[0])}
        return Entry().const(fields).as_value().value

    def words(self, fmt: TileFormat, lanes: int) -> list[int]:
        """Transfers of the payload."""
        size, payload = word_bits(plain_format(fmt), lanes) // 8, self.payload(fmt)
        words = [int.from_bytes(payload[at : at + size], "little") for at in range(0, len(payload), size)]
        return [word | (at == len(words) - 1) << 8 * size for at, word in enumerate(words)]

    def _shape(self) -> dict[str, int]:
        height, width, channels = self.shape
        return {"height": height, "width": width, "channels": channels}

    def decode_order(self, fmt: TileFormat) -> int:
        order = {"count": len(self.symbols), "zero_point": self.zero_point, "number": self.number % 2**15}
        return ShapedDecodeOrder(fmt).const(order | self._shape()).as_value().value

    def choose_order(self, fmt: TileFormat, told: bool) -> int:
        order = {"mode": MODES.index(self.mode) if told else 0, "told": told, "zero_point": self.zero_point}
        order |= {"number": self.number % 2**15}
        return ShapedChooseOrder(fmt).const(order | self._shape()).as_value().value

    def beats(self, fmt: TileFormat, lanes: int, checked: bool = False, error: bool = False) -> list[int]:
        """Transfers of the symbols; lanes behind the last are 0."""
        shape = Packet(CheckedBeat(fmt, lanes) if checked else Beat(fmt, lanes))
        made = []
        for at in range(0, len(self.symbols), lanes):
            symbols = self.symbols[at : at + lanes]
            last = at + lanes >= len(self.symbols)
            beat = {"symbols": [*symbols, *[0] * (lanes - len(symbols))], "tail": len(symbols) - 1 if last else 0}
            if checked:
                beat["error"] = int(last and error)
            made.append(shape.const({"data": beat, "last": last}).as_value().value)
        return made


@st.composite
def mixed_tiles(draw: st.DrawFn, fmt: TileFormat, most: int = 6) -> list[MixedTile]:
    """Tiles of any shape, in any modes."""
    tiles = []
    for number in range(draw(st.integers(1, most))):
        drawn = draw(planes(fmt.word_bits, fmt.tile))
        mode = draw(st.sampled_from([*fmt.modes, "prc"]))
        tiles.append(MixedTile(drawn.shape, drawn.symbols, drawn.zero_point, mode, number))
    return tiles
