"""Photos: reading, refusing, cropping, scaling."""

import numpy as np
import pytest
from PIL import Image

from sim.images import PHOTOS, Photo, load_images, preprocess


def save(path, array):
    Image.fromarray(np.asarray(array, np.uint8)).save(path)


def test_embedded_photos_have_their_attribution():
    names = [photo.name for photo in load_images()]
    assert names == ["astronaut", "chelsea", "coffee", "rocket"]
    readme = (PHOTOS / "README.md").read_text()
    assert all(f"`{name}.png`" in readme for name in names)


def test_folder_is_read_in_order_as_rgb(tmp_path):
    save(tmp_path / "b.png", np.full((2, 3), 9))
    save(tmp_path / "a.jpg", np.zeros((4, 5, 3)))
    Image.new("RGBA", (2, 2), (1, 2, 3, 128)).save(tmp_path / "c.webp", lossless=True)
    for name in (".hidden", "notes.txt", "README.md"):
        (tmp_path / name).write_text("not an image")
    (tmp_path / "more").mkdir()
    photos = load_images(tmp_path)
    assert [(photo.name, photo.pixels.shape) for photo in photos] == [
        ("a", (4, 5, 3)),
        ("b", (2, 3, 3)),
        ("c", (2, 2, 3)),
    ]
    assert (photos[1].pixels == 9).all()
    assert photos[2].pixels[0, 0].tolist() == [1, 2, 3]


def test_turned_photo_stands_upright(tmp_path):
    image = Image.new("RGB", (4, 2))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the first row is the right side
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert load_images(tmp_path)[0].pixels.shape == (4, 2, 3)


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"image folder must be a folder that exists, not '.*none'"):
        load_images(tmp_path / "none")


def test_file_instead_of_folder_is_refused(tmp_path):
    save(tmp_path / "a.png", np.zeros((2, 2)))
    with pytest.raises(ValueError, match="image folder must be a folder that exists"):
        load_images(tmp_path / "a.png")


def test_folder_without_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("none here")
    with pytest.raises(ValueError, match="image folder must hold at least one image, not none"):
        load_images(tmp_path)


@pytest.mark.parametrize("content", [b"", b"plainly not an image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_file_that_is_no_image_is_named(tmp_path, content):
    save(tmp_path / "a.png", np.zeros((2, 2)))
    (tmp_path / "b.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"^image must be a readable image file, not '.*b.png'$"):
        load_images(tmp_path)


def test_truncated_image_is_named(tmp_path):
    path = tmp_path / "short.png"
    save(path, np.random.default_rng(7).integers(0, 256, (64, 64, 3)))
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(ValueError, match=r"short.png"):
        load_images(tmp_path)


def test_pixels_are_scaled_and_channels_come_first():
    pixels = np.zeros((300, 300, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = 255, 127
    batch = preprocess((Photo("a", pixels), Photo("b", pixels)), 224, 224)
    assert batch.shape == (2, 3, 224, 224)
    assert batch.dtype == np.float32
    assert [np.unique(batch[:, channel]).tolist() for channel in range(3)] == [[1.0], [0.0], [-127 / 128]]


@pytest.mark.parametrize("shape", [(256, 256), (256, 400), (400, 256)])
def test_crop_is_central_and_seven_eighths(shape):
    """On 256 pixels the crop of 224 is exact: no resampling, the frame around it is gone."""
    pixels = np.zeros((*shape, 3), np.uint8)
    top, left = (shape[0] - 224) // 2, (shape[1] - 224) // 2
    pixels[top : top + 224, left : left + 224] = np.random.default_rng(7).integers(1, 256, (224, 224, 3))
    (batch,) = preprocess((Photo("a", pixels),), 224, 224, mean=0, spread=1)
    np.testing.assert_array_equal(batch.transpose(1, 2, 0), pixels[top : top + 224, left : left + 224])


def test_resampling_is_bicubic():
    pixels = np.random.default_rng(7).integers(0, 256, (64, 64, 3), np.uint8)
    crop = Image.fromarray(pixels[4:60, 4:60])
    expected = np.asarray(crop.resize((32, 32), Image.Resampling.BICUBIC))
    (batch,) = preprocess((Photo("a", pixels),), 32, 32, mean=0, spread=1)
    np.testing.assert_array_equal(batch.transpose(1, 2, 0), expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (3, 2)])
def test_tiny_photos_are_stretched(shape):
    (batch,) = preprocess((Photo("a", np.full((*shape, 3), 127, np.uint8)),), 8, 12)
    assert batch.shape == (3, 8, 12)
    assert (batch == 0).all()
