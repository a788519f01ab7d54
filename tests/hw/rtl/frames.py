"""Records as AXI4-Stream frames: bytes in hex, one string per frame."""

import numpy as np

from hw.transfers import LAST, USER
from hw.vectors import Stream


def frames_of(stream: Stream) -> list[str]:
    """Frames of a stream: what stands between two ``tlast``, kept bytes alone; a descriptor is a frame of its own."""
    frames, frame = [], ""
    size = stream.channel.data_bits // 8
    for record in stream.records:
        data = np.ascontiguousarray(record[:-1]).tobytes()[:size]
        kept = int(record[-1] & 0xFFFF_FFFF).bit_count() if stream.channel.lanes else size
        frame += data[:kept].hex()
        if not stream.channel.has_last or record[-1] & np.uint64(LAST):
            frames.append(frame)
            frame = ""
    return frames


def errors_of(stream: Stream) -> list[int]:
    """Which frames end with ``tuser``."""
    flags = stream.records[:, -1]
    last = (flags & np.uint64(LAST)) != 0
    return ((flags[last] & np.uint64(USER)) != 0).astype(int).tolist()
