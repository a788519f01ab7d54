"""Tiles of planes, coded by the golden codec, and as transfers of the ports of prc's cores."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from hypothesis import strategies as st

from golden.activations.prc import Prc, PrcFormat
from golden.codec import CorruptStreamError, symbol_dtype
from golden.tiles import TileMemory, Tiles
from hw.activations.prc_ports import PlaneOrder, prc_word_bits

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Planes:
    """A tile: symbols plane after plane."""

    shape: Shape
    symbols: tuple[int, ...]
    zero_point: int

    @property
    def _tiles(self) -> Tiles:
        return Tiles(np.array([0, len(self.symbols)]), np.array([self.shape]))

    def beats(self) -> list[list[int]]:
        """Symbols in the order of the cores: four planes in step."""
        height, width, channels = self.shape
        size = height * width
        return [
            [self.symbols[plane * size + place] for plane in range(group, min(group + 4, channels))]
            for group, place in product(range(0, channels, 4), range(size))
        ]

    def order(self, fmt: PrcFormat, tile: Shape) -> int:
        height, width, channels = self.shape
        order = {"height": height, "width": width, "channels": channels, "zero_point": self.zero_point}
        return PlaneOrder(fmt, tile).const(order).as_value().value

    def bits(self, fmt: PrcFormat) -> int:
        """The stream's size."""
        values = np.array(self.symbols, symbol_dtype(fmt.word_bits))
        return int(Prc(fmt).tile_bits(values, self._tiles, self.zero_point)[0])

    def words(self, fmt: PrcFormat) -> list[int]:
        """The stream."""
        codec, values, bits = Prc(fmt), np.array(self.symbols, symbol_dtype(fmt.word_bits)), self.bits(fmt)
        memory = np.zeros(-(-bits // 64), np.uint64)
        spans = np.array([[0, memory.size]])
        codec.encode_tiles(values, self._tiles, self.zero_point, TileMemory(memory, spans, np.array([0])))
        stream, width = int.from_bytes(memory.astype("<u8").tobytes(), "little"), prc_word_bits(fmt)
        return [stream >> at & (1 << width) - 1 for at in range(0, bits, width)]

    def read(self, words: list[int], fmt: PrcFormat) -> list[list[int]] | None:
        """Beats of any words, as the golden decoder reads them; nothing if it refuses them."""
        width = prc_word_bits(fmt)
        memory = np.frombuffer(b"".join(word.to_bytes(width // 8, "little") for word in words), "<u8").astype(np.uint64)
        values = np.zeros(len(self.symbols), symbol_dtype(fmt.word_bits))
        spans = np.array([[0, memory.size]])
        try:
            bits = Prc(fmt).decode_tiles(TileMemory(memory, spans, np.array([0])), self._tiles, self.zero_point, values)
        except CorruptStreamError:
            return None
        whole, stream = int(bits[0]), sum(word << width * at for at, word in enumerate(words))
        if len(words) != -(-whole // width) or stream >> whole:
            return None
        return Planes(self.shape, tuple(values.tolist()), self.zero_point).beats()


def transfers(words: list[int], fmt: PrcFormat) -> list[int]:
    """The transfers of a tile's words, `last` with the last."""
    return [word | (at == len(words) - 1) << prc_word_bits(fmt) for at, word in enumerate(words)]


def burst_words(words: list[int], fmt: PrcFormat) -> list[int]:
    """The transfers to a decoder: bursts of one word."""
    ends = [at == len(words) - 1 for at in range(len(words))]
    return [word | (end * 3) << prc_word_bits(fmt) for word, end in zip(words, ends, strict=True)]


@st.composite
def planes(draw: st.DrawFn, word_bits: int, tile: Shape) -> Planes:
    """Up to a whole tile: flat, sloped, sparse or dense plane by plane, with blank rows."""
    top = 2**word_bits - 1
    zero_point = draw(st.sampled_from([0, 1, top // 2, top]) | st.integers(0, top))
    shape = tuple(draw(st.just(size) | st.integers(1, size)) for size in tile)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    symbols: list[int] = []
    for _ in range(shape[2]):
        spread = draw(st.sampled_from([0, 1, 3, top // 8, top]))
        steps = rng.integers(-spread, spread + 1, shape[:2]).cumsum(draw(st.sampled_from([0, 1])))
        plane = np.clip(steps + rng.integers(0, top + 1), 0, top)
        kept = rng.random(shape[:2]) < draw(st.sampled_from([0.0, 0.1, 0.8, 0.95, 1.0]))
        kept &= rng.random((shape[0], 1)) < draw(st.sampled_from([0.5, 1.0]))
        symbols += np.where(kept, plane, zero_point).reshape(-1).tolist()
    return Planes(shape, tuple(symbols), zero_point)


def dense(shape: Shape, seed: int, word_bits: int = 8) -> Planes:
    """Random symbols."""
    rng = np.random.default_rng(seed)
    return Planes(shape, tuple(rng.integers(0, 2**word_bits, int(np.prod(shape))).tolist()), 0)


def zeros(shape: Shape, zero_point: int = 0) -> Planes:
    """Nothing but the zero point."""
    return Planes(shape, (zero_point,) * int(np.prod(shape)), zero_point)


def jumps(shape: Shape) -> Planes:
    """Flat planes but for jumps that escape: small residuals choose k, and large ones have to be escaped."""
    size = shape[0] * shape[1]
    plane = [200 if place % 16 == 15 else 10 for place in range(size)]
    return Planes(shape, tuple(plane * shape[2]), 5)


def escaped(size: int, seed: int) -> tuple[Planes, list[int]]:
    """Four planes of one column in which all symbols escape, as no encoder would: a unit a lane in every step."""
    planes_drawn = dense((size, 1, 4), seed)
    lanes = []
    for lane in range(4):
        first, *others = planes_drawn.symbols[lane * size : (lane + 1) * size]
        lanes.append(first << 4 | sum((0xFF | symbol << 8) << 12 + 16 * at for at, symbol in enumerate(others)))
    asked = [(lane, unit) for lane in range(4) for unit in range(2)]
    asked += [(lane, unit) for unit in range(2, size) for lane in range(4)]
    units = [lanes[lane] >> 16 * unit & 0xFFFF for lane, unit in asked]
    return planes_drawn, [sum(u << 16 * n for n, u in enumerate(units[at : at + 4])) for at in range(0, len(units), 4)]
