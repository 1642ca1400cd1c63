import io

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from backbones.errors import DataError, MediaError
from detector.base.pictures import decode_picture
from detector.data.images import read_image

SCENE = cv2.resize(np.random.default_rng(3).integers(0, 256, (6, 8, 3), np.uint8), (40, 24))


def with_orientation(orientation, image_format="png", pixels=SCENE):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, image_format, exif=exif)
    return buffer.getvalue()


def write(tmp_path, data, name="a.png"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "is empty"), (b"not a picture", "not an image"), (b"\x89PNG\r\n\x1a\n", "PNG image, but damaged .its head")],
)
def test_no_picture_is_an_error_with_its_name(tmp_path, data, message):
    with pytest.raises(MediaError, match=rf"a\.png: .*{message}"):
        read_image(write(tmp_path, data))


def test_a_missing_file_is_an_error_with_its_name(tmp_path):
    with pytest.raises(MediaError, match=r"none\.jpg: there is no such file"):
        read_image(tmp_path / "none.jpg")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["png", "tiff"])
def test_exif_rotation_is_applied_as_pillow_applies_it(tmp_path, orientation, image_format):
    data = with_orientation(orientation, image_format)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(read_image(write(tmp_path, data)), expected)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_the_record_decides_about_exif_rotation(tmp_path, orientation):
    path = write(tmp_path, with_orientation(orientation))
    assert read_image(path, (24, 40)).shape == (40, 24, 3)
    np.testing.assert_array_equal(read_image(path, (40, 24)), SCENE)


def test_a_half_turn_is_applied_because_no_size_can_tell(tmp_path):
    path = write(tmp_path, with_orientation(3))
    np.testing.assert_array_equal(read_image(path, (40, 24)), SCENE[::-1, ::-1])


@pytest.mark.parametrize("orientation", [1, 6])
def test_another_size_is_an_error_that_names_both(tmp_path, orientation):
    path = write(tmp_path, with_orientation(orientation))
    with pytest.raises(DataError, match=r"a\.png: the picture is 40 x 24.*its record says 80 x 48"):
        read_image(path, (80, 48))


def test_swapped_sides_without_exif_are_an_error(tmp_path):
    with pytest.raises(DataError, match="record says 24 x 40"):
        read_image(write(tmp_path, with_orientation(1)), (24, 40))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1"])
def test_every_kind_of_pixel_becomes_rgb(tmp_path, mode):
    path = tmp_path / "a.png"
    Image.fromarray(SCENE).convert(mode).save(path)
    expected = np.asarray(Image.open(path).convert("RGB"))
    pixels = read_image(path)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, expected)


def test_sixteen_bits_become_the_upper_eight(tmp_path):
    path = tmp_path / "thermal.png"
    values = np.arange(24 * 40, dtype=np.uint16).reshape(24, 40) * 68
    assert cv2.imwrite(str(path), values)
    np.testing.assert_array_equal(read_image(path), np.repeat(values[..., None] >> 8, 3, axis=2))


def test_cmyk_looks_as_in_pillow(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(SCENE).convert("CMYK").save(path, quality=95)
    difference = read_image(path).astype(int) - np.asarray(Image.open(path).convert("RGB"))
    assert np.abs(difference).max() <= 2


def test_a_damaged_exif_block_does_not_cost_the_picture(tmp_path):
    data = with_orientation(6, "jpeg")
    damaged = data.replace(b"MM\0*", b"MM\xff\xff")
    assert damaged != data
    assert decode_picture(damaged).orientation == 1
    assert read_image(write(tmp_path, damaged, "a.jpg")).shape == (24, 40, 3)


def test_real_pictures_of_odd_kinds(real_birds):
    folder = real_birds.parent / "footage/robustness"
    assert read_image(folder / "african_elephants_cmyk.jpg").shape == (1536, 2048, 3)
    turned = folder / "african_elephants_with_exif_orientation.jpg"
    expected = np.asarray(ImageOps.exif_transpose(Image.open(turned)).convert("RGB"))
    np.testing.assert_allclose(read_image(turned), expected, atol=2)
