"""Photos as a network wants them: centre crop, bicubic, scaled, channels first.

The default folder holds the four embedded photos; their attribution is in the README beside them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

__all__ = ["PHOTOS", "Photo", "load_images", "preprocess"]

PHOTOS = Path(__file__).parent / "data" / "photos"
_CROP = 224 / 256  # side of the crop over the shorter side of the photo
_NOTES = {".md", ".txt"}  # suffixes of files that may lie among the photos


@dataclass(frozen=True, eq=False)
class Photo:
    """One photo: file name without suffix, and uint8 pixels (H, W, 3), RGB."""

    name: str
    pixels: np.ndarray


def load_images(folder: Path = PHOTOS, pattern: str = "*") -> tuple[Photo, ...]:
    """Read every image of a folder, in the order of the names.

    Parameters
    ----------
    folder : Path
        Every file in it must be an image, but for hidden files and notes (``.md``, ``.txt``).
        Folders inside it are not entered.
    pattern : str
        Which of its files, as a shell would match their names.

    Returns
    -------
    tuple of Photo
        At least one. Palettes, grey and transparency become RGB; a turned photo (EXIF) stands upright.

    Raises
    ------
    ValueError
        If the folder is missing, holds no image, or holds a file that is not an image.
    """
    if not folder.is_dir():
        raise ValueError(f"image folder must be a folder that exists, not {str(folder)!r}")
    paths = [path for path in sorted(folder.glob(pattern)) if path.is_file() and not _is_note(path)]
    if not paths:
        raise ValueError(f"image folder must hold at least one image, not none: {str(folder)!r}")
    return tuple(Photo(path.stem, _read_pixels(path)) for path in paths)


def _is_note(path: Path) -> bool:
    return path.name.startswith(".") or path.suffix.lower() in _NOTES


def _read_pixels(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"image must be a readable image file, not {str(path)!r}") from error


def preprocess(
    photos: tuple[Photo, ...], height: int, width: int, mean: float = 127.0, spread: float = 128.0
) -> np.ndarray:
    """Crop, resize and scale photos.

    Parameters
    ----------
    photos : tuple of Photo
        Any sizes.
    height, width : int
        Size of the network's input, in pixels.
    mean, spread : float
        A pixel value v becomes ``(v - mean) / spread``; the defaults are those of EfficientNet-Lite.

    Returns
    -------
    ndarray of float32, shape (N, 3, height, width)
        Scaled pixels. The crop has the input's aspect and 224/256 of the largest size that fits.
    """
    batch = np.empty((len(photos), 3, height, width), np.float32)
    for slot, photo in zip(batch, photos, strict=True):
        slot[:] = _fit(photo.pixels, height, width).transpose(2, 0, 1)
    return (batch - np.float32(mean)) / np.float32(spread)


def _fit(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Centre crop and bicubic resampling; uint8 stays uint8."""
    rows, columns = pixels.shape[:2]
    unit = _CROP * min(rows / height, columns / width)
    crop_height, crop_width = max(int(unit * height), 1), max(int(unit * width), 1)
    top, left = (rows - crop_height + 1) // 2, (columns - crop_width + 1) // 2
    crop = Image.fromarray(pixels[top : top + crop_height, left : left + crop_width])
    return np.asarray(crop.resize((width, height), Image.Resampling.BICUBIC))
