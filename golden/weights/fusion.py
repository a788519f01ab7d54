"""Two tasks' weights in one tensor: each inference takes its own bits of it.

Networks A and B have one architecture, trained apart; their weight tensors are fused element by element.

**Bit planes** (the earlier method). Of A's IEEE 754 binary32 weight the `filled_bits` = k lowest mantissa bits are cut,
and the k highest bits of B's weight put in their place::

    bit      31    30 ... 23   22 ... k   k-1        k-2 ... k-9     k-10 ... 0
    A        sign  exponent    mantissa
    B                                     sign       exponent        mantissa, its high bits

Task A runs on the fused word as it stands: B's bits are dither on its mantissa. Task B runs on ``word << (32 - k)``.
k is 9..23, so that B keeps sign and exponent and A its own. 32 bits a pair. The source leaves the place of B's bits
open; their order here keeps them a number, at no cost.

**Block floating point** (the improved method). Each tensor gets one exponent per task, a sign plane per task, and one
tensor of mantissas, n bits for A and m for B (golden/weights/blockfloat.py)::

    mantissas   | B : m | A : n | B : m | A : n | ...      in C order; word = A << m | B
    signs       | 1 | 1 | ...                              one plane for A, one for B; 1 is negative
    exponents   8 bits for A, 8 for B

    task A      word >> m                                  task B      word & (2^m - 1)

n + m + 2 bits a pair, n and m in 1..24, and 16 bits for the tensor. Neither task reads a bit of the other's.

**Woven** (`weave`): the same bits in one stream for a decoder that reads once from front to back, in whole pairs::

    tables    | exponent A : 8 | exponent B : 8 |
    payload   | B : m | A : n | sign B : 1 | sign A : 1 | B : m | ...             in C order

**Integers** (the failure that the source tells): 8-bit weights, k low bits of A filled with k high bits of B. A small
weight becomes a large one: 240 becomes 255 at most, but 1 becomes 15. `fuse_integers` shows it; nothing uses it.

===========================================  =======================================================
weights                                      fused
===========================================  =======================================================
bit planes, k = 16: A 1.0, B -2.0            3f80c000: A 1.005859375, B -2.0
block float, n = 3, m = 2: A 1.5, B -0.75    E 127 and 126; word 11011 (A 6, B 3), signs 0 and 1
integers, k = 4: A 1, B 240                  15
===========================================  =======================================================

Source: Bae, Bae (Kyung Hee University), "Improved adapting a single network to multiple tasks by bit plane slicing and
dithering", sections 2-4; table 1 for `STORAGE`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.bits import pack, unpack, words_for
from golden.codec import CorruptStreamError, Words
from golden.configured import Configured
from golden.weights.blockfloat import EXPONENT_BITS, aligned, check_floats, check_mantissa_bits, scaled
from golden.weights.tensor import EncodedWeights

__all__ = [
    "STORAGE",
    "BitPlaneFormat",
    "BitPlaneFusion",
    "BlockFusion",
    "BlockFusionFormat",
    "FusedBlocks",
    "Storage",
    "Task",
    "fuse_integers",
    "weave",
]

_FLOAT_BITS = 32


class Task(Enum):
    """Whose weights."""

    A = 0
    B = 1


@dataclass(frozen=True)
class BitPlaneFormat:
    """`filled_bits` (9..23) low bits of A hold the high bits of B."""

    filled_bits: int = 16

    def __post_init__(self) -> None:
        if not 9 <= self.filled_bits <= 23:
            raise ValueError(f"filled_bits must be in 9..23, not {self.filled_bits!r}")


class BitPlaneFusion(Configured[BitPlaneFormat]):
    """The earlier method, on binary32 bit patterns."""

    codec_id = "bit-plane-fusion"
    format_type = BitPlaneFormat

    def encode(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.uint32]:
        """Fuse two tensors of one shape; return their words, of that shape.

        Raises
        ------
        TypeError, ValueError
            If they are not finite floats of one shape.
        """
        first, second = _check_pair(a, b)
        kept = np.uint32((1 << _FLOAT_BITS) - (1 << self.format.filled_bits))
        return first.view(np.uint32) & kept | second.view(np.uint32) >> np.uint32(_FLOAT_BITS - self.format.filled_bits)

    def decode(self, fused: NDArray[np.uint32], task: Task) -> NDArray[np.float32]:
        """The weights that a task runs on."""
        if task is Task.A:
            return np.array(fused, np.uint32).view(np.float32)
        return (np.asarray(fused, np.uint32) << np.uint32(_FLOAT_BITS - self.format.filled_bits)).view(np.float32)


@dataclass(frozen=True)
class BlockFusionFormat:
    """Mantissa bits of A and B (1..24 each), rounded or truncated."""

    a_bits: int = 12
    b_bits: int = 11
    rounded: bool = True

    def __post_init__(self) -> None:
        check_mantissa_bits("a_bits", self.a_bits)
        check_mantissa_bits("b_bits", self.b_bits)

    @property
    def pair_bits(self) -> int:
        """Bits of a pair of weights, signs included."""
        return self.a_bits + self.b_bits + 2


@dataclass(frozen=True)
class FusedBlocks:
    """Two fused tensors.

    Attributes
    ----------
    mantissas : ndarray of uint64
        Words of a + b bits, packed.
    signs : tuple of ndarray of uint64
        The sign planes of A and B, packed.
    exponents : tuple of int
        Of A and B, 0..254.
    shape : tuple of int
    pair_bits : int
        Bits of a pair, signs included.
    """

    mantissas: Words
    signs: tuple[Words, Words]
    exponents: tuple[int, int]
    shape: tuple[int, ...]
    pair_bits: int

    @property
    def count(self) -> int:
        """Number of pairs."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def bits(self) -> int:
        """Stored bits of mantissas and signs."""
        return self.pair_bits * self.count

    @property
    def size_bits(self) -> int:
        """The exponents too."""
        return self.bits + 2 * EXPONENT_BITS


class BlockFusion(Configured[BlockFusionFormat]):
    """The improved method: block floating point."""

    codec_id = "block-fusion"
    format_type = BlockFusionFormat

    def encode(self, a: ArrayLike, b: ArrayLike) -> FusedBlocks:
        """Fuse two tensors of one shape.

        Raises
        ------
        TypeError, ValueError
            If they are not finite floats of one shape.
        """
        form = self.format
        first, second = _check_pair(a, b)
        a_exponent, a_negative, a_mantissas = aligned(first, form.a_bits, form.rounded)
        b_exponent, b_negative, b_mantissas = aligned(second, form.b_bits, form.rounded)
        mantissas, _ = pack(a_mantissas << np.uint64(form.b_bits) | b_mantissas, form.a_bits + form.b_bits)
        signs = (pack(a_negative.astype(np.uint8), 1)[0], pack(b_negative.astype(np.uint8), 1)[0])
        return FusedBlocks(mantissas, signs, (a_exponent, b_exponent), first.shape, form.pair_bits)

    def decode(self, fused: FusedBlocks, task: Task) -> NDArray[np.float32]:
        """The weights that a task runs on.

        Raises
        ------
        CorruptStreamError
            If a part does not have the size that the shape tells, or an exponent is 255.
        """
        form, count = self.format, fused.count
        width = form.a_bits + form.b_bits
        _check_words("mantissas", fused.mantissas, width * count)
        _check_words(f"signs of {task.name}", fused.signs[task.value], count)
        exponent = fused.exponents[task.value]
        if not 0 <= exponent <= 254:
            raise CorruptStreamError(f"exponent of {task.name} must be in 0..254, not {exponent!r}")
        words = unpack(fused.mantissas, width, count)
        negative = unpack(fused.signs[task.value], 1, count)
        if task is Task.A:
            mantissas, bits = words >> np.uint64(form.b_bits), form.a_bits
        else:
            mantissas, bits = words & np.uint64((1 << form.b_bits) - 1), form.b_bits
        return scaled(exponent, negative, mantissas, bits).reshape(fused.shape)


def weave(fused: FusedBlocks) -> EncodedWeights:
    """One stream of whole pairs (module docstring); `count` is that of the pairs."""
    width = fused.pair_bits - 2
    fields = unpack(fused.mantissas, width, fused.count)
    for place, plane in zip((1, 0), fused.signs, strict=True):
        fields |= unpack(plane, 1, fused.count) << np.uint64(width + place)
    words, bits = pack(fields, fused.pair_bits)
    tables, table_bits = pack(list(fused.exponents), EXPONENT_BITS)
    return EncodedWeights(words, bits, fused.shape, "float32", tables, table_bits)


def fuse_integers(a: ArrayLike, b: ArrayLike, filled_bits: int = 4) -> NDArray[np.uint8]:
    """Fuse 8-bit weights by their bits: the low `filled_bits` (1..7) of A become the high ones of B.

    Parameters
    ----------
    a, b : array_like of uint8 or int8, one shape
        int8 is taken by its two's complement pattern.

    Raises
    ------
    TypeError, ValueError
        If the weights are not 8-bit integers of one shape, or `filled_bits` is out of range.
    """
    first, second = np.asarray(a), np.asarray(b)
    for array in (first, second):
        if array.dtype not in (np.uint8, np.int8):
            raise TypeError(f"weights must be uint8 or int8, not {array.dtype.name}")
    if first.shape != second.shape:
        raise ValueError(f"shapes of A and B must be equal, not {first.shape} and {second.shape}")
    if not 1 <= filled_bits <= 7:
        raise ValueError(f"filled_bits must be in 1..7, not {filled_bits!r}")
    kept = np.uint8(256 - (1 << filled_bits))
    return first.astype(np.uint8) & kept | second.astype(np.uint8) >> np.uint8(8 - filled_bits)


@dataclass(frozen=True)
class Storage:
    """A row of the source's table 1: accuracies, and its size for two tasks.

    Attributes
    ----------
    method : str
    cifar100_percent, cifar10_percent : float
        Top-1 accuracy of ResNet18, as told.
    formula : str
        Its size, as told: alpha is 32 bits per weight, beta and s are 1, e is 8.
    told_bits : int
        What the formula makes of a pair of weights.
    stored_bits : int
        What the method really stores for a pair.
    """

    method: str
    cifar100_percent: float
    cifar10_percent: float
    formula: str
    told_bits: int
    stored_bits: int


STORAGE = (
    Storage("separate networks", 78.22, 95.39, "2 alpha", 64, 64),
    Storage("classifier only", 78.22, 90.6, "alpha", 32, 32),
    Storage("Piggyback", 78.20, 95.25, "alpha + 2 beta", 34, 34),
    Storage("bit planes", 77.91, 95.13, "alpha + 2 s + 2 e", 50, 32),
    Storage("block floating point, 12 + 11 bits", 78.13, 95.18, "alpha + 2 s", 34, 25),
)


def _check_pair(a: ArrayLike, b: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    first, second = check_floats(a), check_floats(b)
    if first.shape != second.shape:
        raise ValueError(f"shapes of A and B must be equal, not {first.shape} and {second.shape}")
    return first, second


def _check_words(name: str, words: Words, bits: int) -> None:
    if words.size != words_for(bits):
        raise CorruptStreamError(f"{name} of {bits} bits must be {words_for(bits)} words, not {words.size}")
    if bits & 63 and int(words[-1]) >> (bits & 63):
        raise CorruptStreamError(f"{name}: padding must be zero, not set past bit {bits}")
