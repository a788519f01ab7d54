"""Deep Compression: prune, share, encode, as one codec.

::

    tables    | centroids - 0..255 : 8 | float32 : 32 each, ascending | tables of the inner form |
    payload   of the inner form

*Prune* (golden/weights/prune.py): the share `density` of greatest magnitude stays. *Share* (golden/weights/kmeans.py):
the rest becomes one of 2^bits - 1 centroids, rounded to float32; zero is the remaining level. A symbol is 0 for a
pruned weight and i + 1 for centroid i; centroids without weights are left out of the codebook. *Encode*: the symbols go
through ``zero-runs`` or ``relative-index`` (golden/weights/runs.py, relative.py), each field with a Huffman code of its
own or as plain fields; or through ``packed`` (packed.py), a plain field of `bits` for every weight, zeros too: at
density 1 a palette.

Integer weights are levels already: they are pruned and encoded as they are, and the tables are those of the inner form
alone, without a codebook; at density 1 nothing is lost.

The steps stand apart for training between them: ``prune``, then retraining of what is left; ``share``, then
fine-tuning of the centroids by summed gradients; ``encode_shared``. Out of band: count, dtype, payload length, entry
points, the format. A decoder refuses a symbol past the codebook, a codebook that does not ascend or holds a zero, and
what the inner form refuses.

Size against plain float32, of n weights, Wb = `bits`, B = `index_bits`, f as in golden/weights/relative.py
(`model_ratio`)::

    d (1 + f) (Wb + B) / 32  +  2^Wb 32 / (32 n)

With plain fields Wb and B are their widths. With Huffman codes they are the mean codeword lengths, f as before; this
gives the rows of the source's tables 2 to 5 but not its totals.

==========================================  =============================================================
weights                                     B = 2, bits = 2, relative index
==========================================  =============================================================
0.9 0 0 -1 0.1 1.1, density 0.5             codebook -1 0.9 1.1, symbols 2 0 0 1 0 3; (0, 2) (2, 1) (1, 3)
0 0 0 0, any density                        empty codebook, symbols 0 0 0 0; (3, 0)
7 -2 0 1 (int8), density 0.5                no codebook, 7 -2 0 0; (0, 7) (0, -2) (1, 0)
0.5 0 -1 0.5, density 1, packed             codebook -1 0.5, symbols 2 0 1 2
==========================================  =============================================================

Source: Han et al., "Deep Compression", arXiv 1510.00149.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.bits import BitReader, BitWriter, bytes_from_words, words_from_bytes
from golden.codec import CorruptStreamError
from golden.weights import prune as pruning
from golden.weights.kmeans import STARTS, assign, kmeans
from golden.weights.packed import Packed, PackedFormat
from golden.weights.relative import RelativeIndex, RelativeIndexFormat, expected_fillers
from golden.weights.runs import ZeroRuns, ZeroRunsFormat
from golden.weights.tensor import EncodedWeights, WeightCodec, check_stream

__all__ = ["FORMS", "DeepComp", "DeepCompFormat", "Shared", "model_ratio"]

FORMS = ("zero-runs", "relative-index", "packed")

_COUNT_BITS, _CENTROID_BITS = 8, 32


@dataclass(frozen=True)
class DeepCompFormat:
    """All steps' parameters.

    Attributes
    ----------
    density : float
        Share of weights that stays, 0..1.
    bits : int
        Bits of a shared weight, 1..8: 2**bits - 1 centroids and the zero. ``packed`` needs 2 and more.
    form : str
        ``zero-runs``, ``relative-index`` or ``packed``.
    index_bits : int
        Bits of a run or index symbol, 2..8.
    huffman : bool
        Huffman codes; without them plain fields. Ignored by ``packed``, as are `index_bits` and the last two.
    start, seed : str, int
        Of k-means.
    max_length, entry_weights : int
        Longest codeword, weights between entry points.
    """

    density: float = 0.1
    bits: int = 5
    form: str = "zero-runs"
    index_bits: int = 4
    huffman: bool = True
    start: str = "linear"
    seed: int = 0
    max_length: int = 14
    entry_weights: int = 8192

    def __post_init__(self) -> None:
        pruning.check_density(self.density)
        if not 1 <= self.bits <= 8:
            raise ValueError(f"bits must be in 1..8, not {self.bits!r}")
        if not 2 <= self.index_bits <= 8:
            raise ValueError(f"index_bits must be in 2..8, not {self.index_bits!r}")
        if self.form not in FORMS:
            raise ValueError(f"form must be one of {FORMS}, not {self.form!r}")
        if self.start not in STARTS:
            raise ValueError(f"start must be one of {STARTS}, not {self.start!r}")
        _ = self.inner

    @property
    def centroids(self) -> int:
        """Most centroids, zero not counted."""
        return (1 << self.bits) - 1

    @property
    def inner(self) -> ZeroRuns | RelativeIndex | Packed:
        """The codec of the symbols."""
        if self.form == "packed":
            return Packed(PackedFormat(self.bits))
        common = (self.index_bits, self.max_length, self.entry_weights, self.huffman)
        if self.form == "zero-runs":
            return ZeroRuns(ZeroRunsFormat(*common))
        return RelativeIndex(RelativeIndexFormat(*common))


@dataclass(frozen=True)
class Shared:
    """Weights that share centroids.

    Attributes
    ----------
    symbols : ndarray of uint8
        0 for zero, i + 1 for centroid i; shape of the weights.
    centroids : ndarray of float32, shape (k,)
        Ascending, none zero.
    """

    symbols: NDArray[np.uint8]
    centroids: NDArray[np.float32]

    @property
    def weights(self) -> NDArray[np.float32]:
        """What the symbols stand for."""
        return np.append(np.float32(0), self.centroids)[self.symbols]


def model_ratio(
    density: float, weights: int, bits: int, index_bits: int, weight_code: float, index_code: float
) -> float:
    """Size of a layer over its size as float32, by the formula above.

    Parameters
    ----------
    density : float
        Share of weights that stays.
    weights : int
        Weights of the layer.
    bits, index_bits : int
        Widths of a codebook symbol and of an index: they set the codebook's size and the fillers.
    weight_code, index_code : float
        Mean bits of a coded weight and of a coded index; the widths where there is no Huffman code.
    """
    entries = density * (1 + expected_fillers(density, index_bits))
    return entries * (weight_code + index_code) / 32 + (1 << bits) / weights


class DeepComp(WeightCodec[DeepCompFormat]):
    """Prune, share, encode."""

    codec_id = "deepcomp"
    format_type = DeepCompFormat
    lossless = False
    takes = "iuf"

    def encode(self, values: ArrayLike) -> EncodedWeights:
        pruned = self.prune(values)
        return self.format.inner.encode(pruned) if pruned.dtype.kind in "iu" else self.encode_shared(self.share(pruned))

    def decode(self, encoded: EncodedWeights) -> NDArray[Any]:
        return self.decode_blocks(encoded, 0, encoded.entries.size).reshape(encoded.shape)

    def decode_blocks(self, encoded: EncodedWeights, first: int, last: int) -> NDArray[Any]:
        check_stream(encoded)
        if np.dtype(encoded.dtype).kind in "iu":
            return self.format.inner.decode_blocks(encoded, first, last)
        centroids, inner = _without_codebook(encoded)
        symbols = self.format.inner.decode_blocks(inner, first, last)
        if symbols.size and int(symbols.max()) > centroids.size:
            wrong = int(np.flatnonzero(symbols > centroids.size)[0])
            raise CorruptStreamError(
                f"symbol must be in 0..{centroids.size}, not {int(symbols[wrong])} (weight {wrong} of block {first})"
            )
        return Shared(symbols, centroids).weights

    def size_bits(self, values: ArrayLike) -> int:
        pruned = self.prune(values)
        if pruned.dtype.kind in "iu":
            return self.format.inner.size_bits(pruned)
        shared = self.share(pruned)
        return self.format.inner.size_bits(shared.symbols) + _codebook_bits(shared)

    def prune(self, values: ArrayLike) -> NDArray[Any]:
        """First step: the share `density` stays. Floats become float32.

        Raises
        ------
        TypeError, ValueError
            If the weights are not numbers, or one is not finite as float32.
        """
        array = np.asarray(values)
        if array.dtype.kind == "f":
            with np.errstate(over="ignore"):
                array = array.astype(np.float32)
            if not np.isfinite(array).all():
                raise ValueError(f"weight must be finite as float32, not {np.asarray(values)[~np.isfinite(array)][0]}")
        return pruning.prune(array, self.format.density)

    def share(self, pruned: ArrayLike) -> Shared:
        """Second step: centroids for the non-zero weights."""
        weights = np.asarray(pruned, np.float32)
        kept = weights != 0
        if not kept.any():
            return Shared(np.zeros(weights.shape, np.uint8), np.zeros(0, np.float32))
        book = kmeans(weights[kept], self.format.centroids, self.format.start, self.format.seed)
        # A centroid that rounds to zero, or to its neighbour, is no level of its own.
        labels = assign(weights[kept], book.centroids)
        rounded = book.centroids.astype(np.float32)
        levels = np.unique(rounded[labels])
        levels = levels[levels != 0]
        numbers = np.where(rounded == 0, 0, np.searchsorted(levels, rounded) + 1)
        symbols = np.zeros(weights.shape, np.uint8)
        symbols[kept] = numbers[labels]
        return Shared(symbols, levels)

    def encode_shared(self, shared: Shared) -> EncodedWeights:
        """Third step: codebook and coded symbols.

        Raises
        ------
        ValueError
            If the centroids do not ascend, one is zero, or they are more than the format holds.
        """
        if shared.centroids.size > self.format.centroids:
            raise ValueError(f"centroids must be {self.format.centroids} or fewer, not {shared.centroids.size}")
        if not _is_codebook(shared.centroids):
            raise ValueError("centroids must be finite, ascend and not be zero")
        inner = self.format.inner.encode(shared.symbols)
        writer = BitWriter()
        if shared.symbols.size:
            writer.write_bits(shared.centroids.size, _COUNT_BITS)
            for pattern in shared.centroids.view(np.uint32).tolist():
                writer.write_bits(pattern, _CENTROID_BITS)
        writer.write_bits(int.from_bytes(inner.tables.tobytes(), "little"), inner.table_bits)
        return replace(
            inner,
            dtype="float32",
            tables=words_from_bytes(writer.to_bytes()),
            table_bits=writer.bits,
            parts={**(inner.parts or {"weights": inner.bits}), "codebook": _codebook_bits(shared)},
        )


def _codebook_bits(shared: Shared) -> int:
    return _COUNT_BITS + _CENTROID_BITS * shared.centroids.size if shared.symbols.size else 0


def _is_codebook(centroids: NDArray[np.float32]) -> bool:
    return bool(np.isfinite(centroids).all() and (np.diff(centroids) > 0).all() and (centroids != 0).all())


def _without_codebook(encoded: EncodedWeights) -> tuple[NDArray[np.float32], EncodedWeights]:
    """The codebook, and the coded symbols with the inner form's own tables."""
    reader = BitReader(bytes_from_words(encoded.tables, encoded.table_bits))
    if encoded.count == 0:
        return np.zeros(0, np.float32), replace(encoded, dtype="uint8")
    try:
        patterns = [reader.read_bits(_CENTROID_BITS) for _ in range(reader.read_bits(_COUNT_BITS))]
        rest_bits = encoded.table_bits - reader.position
        rest = reader.read_bits(rest_bits)
    except ValueError as error:
        raise CorruptStreamError(f"codebook: {error}") from error
    centroids = np.array(patterns, np.uint32).view(np.float32)
    if not _is_codebook(centroids):
        raise CorruptStreamError("codebook: centroids must be finite, ascend and not be zero")
    words = words_from_bytes(rest.to_bytes(-(-rest_bits // 8), "little"))
    return centroids, replace(encoded, dtype="uint8", tables=words, table_bits=rest_bits)
