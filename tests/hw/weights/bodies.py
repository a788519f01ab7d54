"""Coded tensors as orders and bodies, and what a decoder made of them."""

from dataclasses import dataclass

import numpy as np

from golden.codec import CorruptStreamError
from golden.weights.tensor import EncodedWeights, WeightCodec
from hw.packet import Packet
from hw.weights.pair_decoder import PairDecoder
from hw.weights.pair_ports import Form, PairOrder
from hw.weights.ports import Fault, Report, Weights
from tests.hw.call import Trace, call

_FORMS = {"huffman": Form.DENSE, "zero-runs": Form.RUNS, "relative-index": Form.RELATIVE}


@dataclass(frozen=True)
class Tensor:
    """A coded tensor and the words of its body."""

    codec: WeightCodec
    encoded: EncodedWeights
    body: tuple[int, ...]

    @classmethod
    def of(cls, codec: WeightCodec, encoded: EncodedWeights) -> "Tensor":
        entries = encoded.entries[1:].astype("<u4").tobytes()
        entries += bytes(-len(entries) % 8)
        parts = [encoded.tables.tolist(), np.frombuffer(entries, "<u8").tolist(), encoded.words.tolist()]
        return cls(codec, encoded, tuple(word for part in parts for word in part))

    @property
    def fields(self) -> dict:
        """What the order tells."""
        encoded, codec = self.encoded, self.codec
        has_codebook = np.dtype(encoded.dtype).kind == "f"
        inner = codec.format.inner if codec.codec_id == "deepcomp" else codec
        dtype = np.dtype("uint8" if has_codebook else encoded.dtype)
        return {
            "form": _FORMS[inner.codec_id],
            "index_bits": inner.format.rules.limit.bit_length() if inner.codec_id != "huffman" else 0,
            "codebook": int(has_codebook),
            "narrow": int(dtype.itemsize == 1),
            "negative": int(dtype.kind == "i"),
            "count": encoded.count,
            "entry_weights": encoded.entry_weights,
            "table_bits": encoded.table_bits,
            "entries": encoded.entries.size - 1,
            "bits": encoded.bits,
        }

    @property
    def order(self) -> int:
        return packed(PairOrder(), self.fields)

    def expected(self, weight_bits: int) -> list[int] | None:
        """Golden's weights as patterns of `weight_bits`, or None where it refuses."""
        try:
            weights = self.codec.decode(self.encoded).reshape(-1)
        except CorruptStreamError:
            return None
        if weights.dtype.kind == "f":
            return weights.view(np.uint32).tolist()
        return (weights.astype(np.int64) & ((1 << weight_bits) - 1)).tolist()


@dataclass(frozen=True)
class Result:
    """What a decoder made of a tensor."""

    weights: list[int]
    error: bool | None
    fault: Fault
    position: int


def packed(shape, fields: dict) -> int:
    return shape.const(fields).as_value().value


def words(body: list[int]) -> list[int]:
    """Transfers of a packet of 64-bit words."""
    return [word | (k == len(body) - 1) << 64 for k, word in enumerate(body)]


def decode(
    tensors: list[Tensor], stall: str = "none", bodies=None, **parameters
) -> tuple[list[Result], dict[str, Trace]]:
    """Send tensors, or other `bodies` in their place, through a `PairDecoder`."""
    core = PairDecoder(**parameters)
    bodies = [tensor.body for tensor in tensors] if bodies is None else bodies
    counts = [tensor.encoded.count for tensor in tensors]
    inputs = {"order": [tensor.order for tensor in tensors], "i": [word for body in bodies for word in words(body)]}
    beats = sum(-(-count // core.lanes) for count in counts)
    trace = call(core, inputs, {"o": beats, "report": len(tensors)}, stall, patience=200)
    return results(trace, counts, core.lanes, core.weight_bits), trace


def results(trace, counts: list[int], lanes: int, weight_bits: int) -> list[Result]:
    """The tensors of `counts` weights from the beats and reports."""
    shape, made, at = Packet(Weights(weight_bits, lanes)), [], 0
    for count, value in zip(counts, trace["report"].values, strict=True):
        report = Report().from_bits(value)
        weights, error = [], None
        for k in range(-(-count // lanes)):
            beat = shape.from_bits(trace["o"].values[at])
            at += 1
            last = k == -(-count // lanes) - 1
            assert beat.last == last
            assert last or not beat.data.error
            kept = beat.data.tail + 1 if last else lanes
            weights += [beat.data.symbols[lane] for lane in range(kept)]
            assert not any(beat.data.symbols[lane] for lane in range(kept, lanes))
            error = bool(beat.data.error)
        assert len(weights) == count
        assert error is None or error == (report.fault != Fault.NONE)
        made.append(Result(weights, error, report.fault, report.position))
    return made
