"""Tiles of any symbols, coded by the golden codecs, and as the payloads of core ports."""

from dataclasses import dataclass

from golden.crc import TRINOMIAL_15
from golden.tile_format import MODES, TileFormat, codec_of
from hw.activations.ports import Beat, DecodeOrder, EncodeOrder, Entry, word_bits
from hw.packet import Packet


@dataclass(frozen=True)
class Tile:
    symbols: tuple[int, ...]
    mode: str = "raw"
    zero_point: int = 0
    number: int = 0

    def payload(self, fmt: TileFormat) -> bytes:
        """Whole bursts."""
        encoded = codec_of(fmt, self.mode).encode(self.symbols, self.zero_point)
        bursts = -(-encoded.bits // fmt.burst_bits)
        return encoded.words.tobytes().ljust(bursts * fmt.burst_bytes, b"\0")

    def entry(self, fmt: TileFormat) -> int:
        payload = self.payload(fmt)
        check = TRINOMIAL_15.update(TRINOMIAL_15.mask ^ (self.number & TRINOMIAL_15.mask), payload)
        return entry(MODES.index(self.mode), len(payload) // fmt.burst_bytes, check)


def entry(mode: int, bursts: int, check: int) -> int:
    return Entry().const({"mode": mode, "bursts": bursts, "check": check}).as_value().value


def words(payload: bytes, fmt: TileFormat, lanes: int) -> list[int]:
    """The transfers of one tile's payload, `last` with the last."""
    size = word_bits(fmt, lanes) // 8
    values = [int.from_bytes(payload[at : at + size], "little") for at in range(0, len(payload), size)]
    return [value | (at == len(values) - 1) << 8 * size for at, value in enumerate(values)]


def beats(symbols: tuple[int, ...], fmt: TileFormat, lanes: int) -> list[int]:
    """The transfers of one tile's symbols."""
    shape = Packet(Beat(fmt, lanes))
    result = []
    for at in range(0, len(symbols), lanes):
        part = symbols[at : at + lanes]
        last = at + lanes >= len(symbols)
        beat = {"symbols": [*part, *[0] * (lanes - len(part))], "tail": len(part) - 1 if last else 0}
        result.append(shape.const({"data": beat, "last": last}).as_value().value)
    return result


def encode_order(tile: Tile, fmt: TileFormat) -> int:
    order = {"mode": MODES.index(tile.mode), "zero_point": tile.zero_point, "number": tile.number % (1 << 15)}
    return EncodeOrder(fmt).const(order).as_value().value


def decode_order(tile: Tile, fmt: TileFormat) -> int:
    order = {"count": len(tile.symbols), "zero_point": tile.zero_point, "number": tile.number % (1 << 15)}
    return DecodeOrder(fmt).const(order).as_value().value
