"""All tensors with a short payload or short tables: what golden makes of each, and what the compiled decoder does."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from golden.bits import BitWriter, words_from_bytes
from golden.codec import CorruptStreamError
from golden.weights.canonical import CodeTable
from golden.weights.tensor import EncodedWeights, WeightCodec
from hw.harness import Harness, Stalls
from hw.transfers import LAST, USER, fields_of, from_beats, from_fields, words_of
from hw.weights.ports import Fault
from tests.hw.weights.bodies import Tensor

__all__ = ["Kind", "every_table", "with_a_word_less", "with_a_word_more", "wrong_tensors"]

_CHUNK = 1 << 14
_HEADER_BITS = 25


@dataclass(frozen=True)
class Kind:
    """Tensors of one codec with one set of tables, each a first symbol and lengths; of one block, or of two.

    Of two, the second one begins at weight 64, and at any bit.
    """

    codec: WeightCodec
    tables: tuple[tuple[int, tuple[int, ...]], ...]
    counts: tuple[int, ...]
    blocks: int = 1

    def every(self, most_bits: int) -> Iterator[Tensor]:
        """All payloads of up to `most_bits` bits, for each count."""
        writer = BitWriter()
        if self.codec.codec_id != "huffman":
            writer.write_bits(len(self.tables) - 1, 1)
        for first, lengths in self.tables:
            CodeTable(first, np.array(lengths, np.uint8)).write(writer)
        tables = words_from_bytes(writer.to_bytes()), writer.bits
        for count in self.counts:
            for bits in range(most_bits + 1):
                for entries in [[0]] if self.blocks == 1 else [[0, bit] for bit in range(bits + 1)]:
                    for payload in range(1 << bits):
                        yield _tensor(self.codec, payload, bits, count, *tables, entries)


def every_table(codec: WeightCodec, span: int, most_bits: int) -> Iterator[Tensor]:
    """Two weights, of the codewords 0 0, behind all tables of `span` symbols with steps of up to `most_bits` bits."""
    header = (1 << 16) - 1 | (span - 1) << 16
    for bits in range(most_bits + 1):
        for steps in range(1 << bits):
            tables = np.array([header | steps << _HEADER_BITS], np.uint64), _HEADER_BITS + bits
            yield _tensor(codec, 0, 2, 2, *tables, [0])


def with_a_word_more(tensors: Iterable[Tensor]) -> Iterator[Tensor]:
    """The tensors with bodies that go on."""
    return (replace(tensor, body=(*tensor.body, 0)) for tensor in tensors)


def with_a_word_less(tensors: Iterable[Tensor]) -> Iterator[Tensor]:
    """Those of the tensors that have two words or more, without the last one."""
    return (replace(tensor, body=tensor.body[:-1]) for tensor in tensors if len(tensor.body) > 1)


def _tensor(codec, payload, bits, count, tables, table_bits, entries) -> Tensor:
    words = np.array([payload] if bits else [], np.uint64)
    blocks = np.array(entries, np.int64), codec.format.entry_weights
    return Tensor.of(codec, EncodedWeights(words, bits, (count,), "int8", tables, table_bits, *blocks))


def wrong_tensors(
    model: Harness, tensors: Iterable[Tensor], stalls: Stalls | None = None, are_damaged: bool = False
) -> tuple[list[Tensor], int]:
    """Tensors of which the decoder does not make what golden does, and how many golden accepts.

    Each must end, have its weights in full beats and one report: golden's weights, or, at the bit at which golden
    refuses the payload, a fault. Bodies that `are_damaged` must be refused, wherever.
    """
    wrong, good, todo = [], 0, iter(tensors)
    while batch := list(islice(todo, _CHUNK)):
        weights, starts, errors, reports = _decoded(model, batch, stalls)
        if len(reports["fault"]) < len(batch) or len(errors) < len(batch):
            return [*wrong, batch[min(len(reports["fault"]), len(errors))]], good
        for k, tensor in enumerate(batch):
            fault, position = reports["fault"][k], reports["position"][k]
            expected, refused_at = (None, None) if are_damaged else _golden(tensor)
            made = weights[starts[k] : starts[k + 1]]
            same = len(made) == tensor.encoded.count and errors[k] == (fault != Fault.NONE.value)
            if expected is None:
                same &= bool(errors[k]) and refused_at in (None, position)
            else:
                good += 1
                same &= not errors[k] and np.array_equal(made.view(np.int8), expected)
            wrong += [] if same else [tensor]
    return wrong, good


def _decoded(model: Harness, batch: list[Tensor], stalls: Stalls | None):
    order, body, beats = model.inputs["s_axis_order"], model.inputs["s_axis"], model.outputs["m_axis"]
    lengths = [len(tensor.body) for tensor in batch]
    ends = np.cumsum(lengths)
    words = np.fromiter((word for tensor in batch for word in tensor.body), np.uint64)
    counts = np.array([tensor.encoded.count for tensor in batch])
    inputs = {
        "s_axis_order": fields_of(order, {field.name: [_told(t, field) for t in batch] for field in order.fields}),
        "s_axis": words_of(body, words, np.column_stack([ends - lengths, ends])),
    }
    expected = {"m_axis": int((-(-counts // beats.lanes)).sum()), "m_axis_report": len(batch)}
    run = model.run(inputs, expected, stalls)
    records = run.records["m_axis"]
    assert not run.finished or all(len(run.records[name]) == count for name, count in expected.items())
    errors = (records[(records[:, -1] & np.uint64(LAST)) != 0, -1] & np.uint64(USER)) != 0
    reports = from_fields(model.outputs["m_axis_report"], run.records["m_axis_report"])
    return *from_beats(beats, records), errors, reports


def _told(tensor: Tensor, field) -> int:
    value = tensor.fields[field.name]
    return int(getattr(value, "value", value))


def _golden(tensor: Tensor) -> tuple[np.ndarray | None, int | None]:
    """Golden's weights, or none and the bit of the payload at which it refuses."""
    try:
        return tensor.codec.decode(tensor.encoded), None
    except CorruptStreamError as error:
        found = re.search(r"at bit (\d+)", str(error))
        return None, int(found.group(1)) if found and str(error).startswith("block") else None
