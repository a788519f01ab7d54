"""Scan orders: in which order the symbols of a tensor are coded.

A tensor has shape (C, H, W), or (N, C, H, W) for N images one behind the other; it lies in memory with W fastest.

``chw``
    Raster: W fastest, then H, then C.
``hwc``
    C fastest, then W, then H: all channels of a pixel first.
``tile-planar``
    Tile by tile; inside a tile each channel plane in raster order.
``tile-channel-first``
    Tile by tile; inside a tile all channels of a pixel first (Kim et al., figure 3b).

Tiles follow each other with the channel block fastest, then column, then row, then image. Tiles at the lower, right
and last-channel edges are cut, not padded. The first two orders make one tile of each image.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

from golden.tiles import Tiles

__all__ = ["SCANS", "TILE_SCANS", "scan_order", "tensor_shape", "tile_count"]

TILE_SCANS = ("tile-planar", "tile-channel-first")
SCANS = ("chw", "hwc", *TILE_SCANS)


def tensor_shape(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Read a shape as (N, C, H, W): (n,) is n channels of one pixel, (H, W) one channel, (C, H, W) one image.

    Raises
    ------
    ValueError
        If there are not 1 to 4 dimensions, a size is negative or there are 2**31 symbols or more (a size of 0 counted
        as 1, so that no array of this shape is too big).
    """
    if min(shape, default=0) < 0:
        raise ValueError(f"tensor sizes must be 0 or more, not {shape!r}")
    if prod(max(size, 1) for size in shape) >= 2**31:
        raise ValueError(f"tensor must have fewer than 2**31 symbols, not shape {shape!r}")
    match shape:
        case (c,):
            return 1, c, 1, 1
        case (h, w):
            return 1, 1, h, w
        case (c, h, w):
            return 1, c, h, w
        case (n, c, h, w):
            return n, c, h, w
    raise ValueError(f"tensor must have 1 to 4 dimensions, not {len(shape)}")


def tile_count(shape: tuple[int, ...], tile: tuple[int, int, int]) -> int:
    """Number of tiles of a tensor, by arithmetic alone: what a reader asks before it trusts a shape."""
    n, c, h, w = tensor_shape(shape)
    th, tw, tc = tile
    return n * -(-h // th) * -(-w // tw) * -(-c // tc)


@lru_cache(maxsize=256)
def scan_order(
    shape: tuple[int, ...], scan: str, tile: tuple[int, int, int] = (8, 8, 32)
) -> tuple[NDArray[np.int32], Tiles]:
    """Positions of a tensor's symbols in scan order, and the tiles they make.

    Parameters
    ----------
    shape : tuple of int
        (C, H, W) or (N, C, H, W); see `tensor_shape`.
    scan : str
        One of `SCANS`.
    tile : tuple of int
        Height, width and channels of a tile.

    Returns
    -------
    order : ndarray of int32, shape (n,)
        ``tensor.reshape(-1)[order]`` is the tensor in scan order. Read-only: it is shared.
    tiles : Tiles
        Where each tile lies in that sequence.

    Raises
    ------
    ValueError
        If the scan is unknown, a tile size is not positive or the shape is not one of a tensor.
    """
    if scan not in SCANS:
        raise ValueError(f"scan must be one of {SCANS}, not {scan!r}")
    if min(tile) < 1:
        raise ValueError(f"tile must have positive sizes, not {tile!r}")
    n, c, h, w = tensor_shape(shape)
    if n * c * h * w == 0:
        return np.zeros(0, np.int32), Tiles(np.zeros(1, np.int64), np.zeros((0, 3), np.int64))
    # A tile larger than the tensor is the tensor: no memory goes into its padding.
    th, tw, tc = np.minimum(tile, (h, w, c)).tolist() if scan in TILE_SCANS else (h, w, c)
    rows, columns, blocks = -(-h // th), -(-w // tw), -(-c // tc)
    padded = np.full((n, blocks * tc, rows * th, columns * tw), -1, np.int32)
    padded[:, :c, :h, :w] = np.arange(n * c * h * w, dtype=np.int32).reshape(n, c, h, w)
    split = padded.reshape(n, blocks, tc, rows, th, columns, tw)
    # Axes: 0 image, 1 block, 2 channel, 3 tile row, 4 row, 5 tile column, 6 column.
    inside = (2, 4, 6) if scan in ("chw", "tile-planar") else (4, 6, 2)
    order = split.transpose(0, 3, 5, 1, *inside).reshape(-1)
    order = order[order >= 0]
    order.setflags(write=False)
    heights = np.minimum(th, h - th * np.arange(rows))
    widths = np.minimum(tw, w - tw * np.arange(columns))
    channels = np.minimum(tc, c - tc * np.arange(blocks))
    grid = np.meshgrid(np.arange(n), heights, widths, channels, indexing="ij")
    shapes = np.stack([axis.reshape(-1) for axis in grid[1:]], axis=1).astype(np.int64)
    return order, Tiles(np.append(0, np.cumsum(shapes.prod(axis=1))), shapes)
