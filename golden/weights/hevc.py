"""Weights as one picture of an HEVC intra coder: lossy, or lossless.

::

    payload   one HEVC byte stream (ITU-T H.265, annex B): parameter sets, one intra picture, 8 bits, 4:0:0

A tensor becomes a matrix of its first axis against the others; where one side would be shorter than 16 or longer than
16384 pixels, all weights in C order fill rows of the same length, as square as can be. x265 refuses pictures below 16
pixels: what is missing repeats the last row, column or weight, and is cut away again. A pixel is the weight + 128 for
signed dtypes (-128..127), the weight itself for unsigned ones (0..255). An empty tensor has no payload.

Out of band: shape, dtype; the decoder needs no parameter. There are no entry points: intra prediction and CABAC run
through the picture. Weights come back within a few quantizer steps; coding them again changes them again.

The quantizer step of an intra block is ``2^((QP - 4) / 6)``, doubled every 6. **x265 codes intra pictures at
QP - 6 log2(ipratio)**, rounded: at its default `ipratio` of 1.4 that is QP - 3; at 1 the QP is the QP. Rate-distortion
tricks for the eye are off (psy-rd, adaptive quantization), and so is the writing of encoder settings into the stream.
`lossless` codes the pixels as they are, whatever the QP. The stream ends in the MD5 of the decoded picture, which the
decoder checks: 26 bytes.

libx265 comes with PyAV, the extra ``thinwire[hevc]``; it is imported at the first use. Its streams are the same on
every machine for one version of x265, not from version to version: there are no frozen vectors of bits.

Source: Kim et al. (SKKU), "Weight compression method with video codec": HEVC intra of an int8 matrix at QP 23.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.bits import bytes_from_words, words_from_bytes
from golden.codec import CorruptStreamError
from golden.weights.tensor import EncodedWeights, WeightCodec, check_integers, check_stream

__all__ = ["PRESETS", "Hevc", "HevcFormat", "picture_shape"]

PRESETS = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
)

_LEAST_SIDE, _MOST_SIDE = 16, 16384
_SHIFT = 128
_START_CODE = b"\x00\x00\x01"
_SUFFIX_SEI = 40


@dataclass(frozen=True)
class HevcFormat:
    """Parameters of the encoder.

    Attributes
    ----------
    qp : int
        Quantization parameter, 0..51; see above for what x265 makes of it.
    preset : str
        x265's name for its effort; ``placebo`` is left out, which refuses small pictures.
    ipratio : float
        0.1..10; 1.4 is x265's default.
    lossless : bool
        Whether pixels are coded exactly.
    """

    qp: int = 23
    preset: str = "medium"
    ipratio: float = 1.4
    lossless: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.qp <= 51:
            raise ValueError(f"qp must be in 0..51, not {self.qp!r}")
        if self.preset not in PRESETS:
            raise ValueError(f"preset must be one of {PRESETS}, not {self.preset!r}")
        if not 0.1 <= self.ipratio <= 10:
            raise ValueError(f"ipratio must be in 0.1..10, not {self.ipratio!r}")

    @property
    def options(self) -> dict[str, str]:
        """What libx265 is told."""
        parameters = {
            "qp": str(self.qp),
            "ipratio": str(self.ipratio),
            "keyint": "1",
            "psy-rd": "0",
            "aq-mode": "0",
            "info": "0",
            "hash": "1",
            # The same stream on any number of cores: rows of blocks are coded side by side, frames are not.
            "pools": "2",
            "frame-threads": "1",
            "wpp": "1",
            "log-level": "none",
        }
        if self.lossless:
            parameters["lossless"] = "1"
        return {"preset": self.preset, "x265-params": ":".join(f"{name}={value}" for name, value in parameters.items())}


class Hevc(WeightCodec[HevcFormat]):
    """Integer weights of 8 bits through libx265."""

    codec_id = "hevc"
    format_type = HevcFormat
    lossless = False

    def encode(self, values: ArrayLike) -> EncodedWeights:
        """Code 8-bit integers: -128..127 in a signed dtype, 0..255 in an unsigned one.

        Raises
        ------
        ValueError
            If a weight is outside that, or PyAV with libx265 is missing.
        """
        array = np.asarray(values)
        shift = 0 if array.dtype.kind == "u" else _SHIFT
        array = check_integers(array, -shift, 255 - shift)
        data = b""
        if array.size:
            height, width = picture_shape(array.shape)
            pixels = np.resize(array, height * width) if array.size < height * width else array
            pixels = pixels.reshape(height, width).copy()
            pixels.reshape(-1)[array.size :] = array.reshape(-1)[-1]
            data = _encode_picture(_padded((pixels.astype(np.int64) + shift).astype(np.uint8)), self.format)
        return EncodedWeights(words_from_bytes(data), 8 * len(data), array.shape, array.dtype.name)

    def decode(self, encoded: EncodedWeights) -> NDArray[Any]:
        check_stream(encoded)
        if encoded.table_bits or encoded.bits % 8 or (encoded.count == 0) != (encoded.bits == 0):
            raise CorruptStreamError(
                f"stream of {encoded.count} weights must be whole bytes without tables, not {encoded.bits} bits and "
                f"{encoded.table_bits} of tables"
            )
        if encoded.count == 0:
            return np.zeros(encoded.shape, encoded.dtype)
        height, width = picture_shape(encoded.shape)
        expected = max(height, _LEAST_SIDE), max(width, _LEAST_SIDE)
        pixels = _decode_picture(bytes_from_words(encoded.words, encoded.bits), expected)
        shift = 0 if np.dtype(encoded.dtype).kind == "u" else _SHIFT
        weights = pixels[:height, :width].reshape(-1)[: encoded.count].astype(np.int64) - shift
        return weights.astype(encoded.dtype).reshape(encoded.shape)


def picture_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of the picture of a tensor that is not empty, before it is padded to 16 pixels."""
    count = int(np.prod(shape, dtype=np.int64))
    height = shape[0] if len(shape) > 1 else 1
    width = count // height
    if min(height, width) >= _LEAST_SIDE and max(height, width) <= _MOST_SIDE:
        return height, width
    width = max(int(np.ceil(np.sqrt(count))), 1)
    return -(-count // width), width


def _padded(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat the last row and column up to the smallest picture."""
    missing = [(0, max(_LEAST_SIDE - side, 0)) for side in pixels.shape]
    return np.pad(pixels, missing, mode="edge")


def _av() -> Any:
    """PyAV, if it is there and has libx265."""
    try:
        import av
        import av.error
    except ImportError as error:
        raise ValueError("codec hevc needs PyAV: install the extra thinwire[hevc]") from error
    if "libx265" not in av.codecs_available:
        raise ValueError(f"codec hevc needs PyAV with libx265, which PyAV {av.__version__} lacks")
    return av


def _encode_picture(pixels: NDArray[np.uint8], form: HevcFormat) -> bytes:
    av = _av()
    context = av.CodecContext.create("libx265", "w")
    context.height, context.width = pixels.shape
    context.pix_fmt = "gray"
    context.time_base = Fraction(1, 25)
    context.options = form.options
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="gray")
    packets = [*context.encode(frame), *context.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def _decode_picture(data: bytes, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The one picture of a stream."""
    av = _av()
    if not _ends_in_hash(data):
        raise CorruptStreamError(f"stream must end in the MD5 of its picture, not as it does at bit {8 * len(data)}")
    context = av.CodecContext.create("hevc", "r")
    context.thread_count = 1
    context.options = {"err_detect": "crccheck+explode"}
    try:
        frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    except av.error.FFmpegError as error:
        raise CorruptStreamError(f"stream from bit 0 must be HEVC that libavcodec can decode: {error}") from error
    if len(frames) != 1:
        raise CorruptStreamError(f"stream from bit 0 must hold 1 picture, not {len(frames)}")
    pixels: NDArray[np.uint8] = frames[0].to_ndarray(format="gray")
    if pixels.shape != shape:
        raise CorruptStreamError(f"picture from bit 0 must be {shape} pixels, not {pixels.shape}")
    return pixels


def _ends_in_hash(data: bytes) -> bool:
    """Whether the last NAL unit is the hash of a decoded picture (H.265, D.2.19): so much of the stream is there."""
    start = data.rfind(_START_CODE)
    unit = data[start + len(_START_CODE) :].replace(b"\x00\x00\x03", b"\x00\x00")
    # NAL header 2 bytes; payload type 132, its size 17, method 0 (MD5); 16 bytes; stop bit.
    return (
        start >= 0 and len(unit) == 22 and unit[0] >> 1 == _SUFFIX_SEI and unit[2:5] + unit[-1:] == b"\x84\x11\x00\x80"
    )
