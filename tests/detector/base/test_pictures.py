"""One decoder for all: every mode, format and EXIF orientation gives the same pixels, whoever reads it."""

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from backbones.inference.images import open_image, readable_formats
from detector.base import pictures
from detector.base.pictures import decode_picture, pictures_in
from detector.data.images import read_image
from detector.footage.photos import read_photo

SCENE = np.asarray(
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (6, 8, 3), np.uint8)).resize((40, 24), 3), np.uint8
)
GREY = SCENE[..., 1]
TURNED = {  # how the eight orientations show stored pixels (JEITA CP-3451, table 6), written with other words
    1: lambda pixels: pixels,
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: np.swapaxes(pixels, 0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(np.swapaxes(pixels, 0, 1), 2),
    8: lambda pixels: np.rot90(pixels, 1),
}
LOSSLESS_WEBP = {"lossless": True, "exact": True}
EXACT = {"PNG": {}, "TIFF": {}, "WEBP": LOSSLESS_WEBP, "BMP": {}, "GIF": {}, "JPEG2000": {}, "PPM": {}}


def of_mode(mode: str) -> Image.Image:
    """The scene with pixels of a kind."""
    if mode == "I;16":
        return Image.fromarray(GREY.astype(np.uint16) * 257)
    if mode == "I":
        return Image.fromarray(GREY.astype(np.int32) * 257)
    if mode == "F":
        return Image.fromarray((GREY / 255).astype(np.float32))
    if mode == "RGBA":
        return Image.fromarray(np.dstack([SCENE, GREY]))
    if mode == "LA":
        return Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(SCENE[..., 0])])
    if mode == "P":
        return Image.fromarray(SCENE).quantize(32)
    return Image.fromarray(SCENE).convert(mode)


def expected_of(mode: str) -> np.ndarray:
    """Its pixels by hand."""
    if mode in ("I;16", "I", "F", "LA"):
        return np.repeat(GREY[..., None], 3, axis=2)
    if mode == "CMYK":  # the usual conversion, which loses nothing on the way back from the scene
        return SCENE
    if mode in ("RGB", "RGBA"):
        return SCENE
    return np.asarray(of_mode(mode).convert("RGB"))


WRITABLE = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("1", "L", "P"),
    "JPEG2000": ("L", "LA", "RGB", "RGBA"),
    "PPM": ("L", "RGB"),
}
CASES = [(kind, mode) for kind, modes in WRITABLE.items() for mode in modes]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "mode"), CASES)
def test_every_reader_gives_the_same_pixels(tmp_path: Path, kind: str, mode: str, orientation: int) -> None:
    file, exif = tmp_path / "photo", Image.Exif()
    turned = orientation if kind in ("PNG", "TIFF", "WEBP") else 1  # the others hold no EXIF
    exif[ExifTags.Base.Orientation] = turned
    options = EXACT[kind] | ({"exif": exif} if turned > 1 else {})
    of_mode(mode).save(file, kind, **options)
    expected = TURNED[turned](expected_of(mode))
    for name, image in (
        ("path", decode_picture(file).image),
        ("bytes", decode_picture(file.read_bytes()).image),
        ("training", read_image(file)),
        ("annotation", read_photo(file).image),
        ("classification", np.asarray(open_image(file))),
    ):
        assert image.dtype == np.uint8, name
        assert image.flags.writeable or name == "classification"
        np.testing.assert_array_equal(image, expected, name)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_their_upper_eight_in_grey_and_colour(tmp_path: Path, suffix: str, channels: int) -> None:
    wide = np.random.default_rng(0).integers(0, 65536, (24, 40, channels), np.uint16)
    bgr = wide[..., [2, 1, 0, 3][:channels]] if channels > 1 else wide
    file = tmp_path / f"photo{suffix}"
    assert cv2.imwrite(str(file), bgr)
    expected = np.repeat(wide, 3, axis=2) if channels == 1 else wide[..., :3]
    for image in (decode_picture(file).image, np.asarray(open_image(file))):
        np.testing.assert_array_equal(image, expected >> 8)


def test_fifteen_bits_become_white_where_they_are_full(tmp_path: Path) -> None:
    levels = np.arange(32, dtype=np.uint16)[None].repeat(2, 0)
    data = (levels << 10 | levels << 5 | levels).tobytes()
    info = struct.pack("<IiiHHIIiiII", 40, 32, 2, 1, 16, 0, len(data), 0, 0, 0, 0)
    (tmp_path / "photo").write_bytes(b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, 54) + info + data)
    for image in (decode_picture(tmp_path / "photo").image, np.asarray(open_image(tmp_path / "photo"))):
        np.testing.assert_array_equal(image, np.repeat(levels[..., None] * 255 // 31, 3, axis=2))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_a_side_may_be_longer_than_opencv_allows(tmp_path: Path, kind: str) -> None:
    strip = np.zeros((2, 1_100_000, 3), np.uint8)
    strip[:, ::3] = 200
    Image.fromarray(strip).save(tmp_path / "photo", kind)
    picture = decode_picture(tmp_path / "photo")
    assert picture.warning is None
    np.testing.assert_array_equal(picture.image, strip)


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_cmyk_is_light_that_ink_leaves(tmp_path: Path, kind: str) -> None:
    ink = np.repeat(np.repeat(np.random.default_rng(1).integers(0, 256, (3, 5, 4), np.uint8), 8, 0), 8, 1)
    Image.fromarray(ink, "CMYK").save(tmp_path / "photo", kind, **({"quality": 100} if kind == "JPEG" else {}))
    expected = (255 - ink[..., :3].astype(float)) * (255 - ink[..., 3:].astype(float)) / 255
    for image in (decode_picture(tmp_path / "photo").image, np.asarray(open_image(tmp_path / "photo"))):
        assert np.abs(image - expected).max() <= (1 if kind == "TIFF" else 4)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}])
def test_jpegs_are_what_pillow_reads_for_every_reader(
    tmp_path: Path, mode: str, orientation: int, options: dict[str, object]
) -> None:
    file, exif = tmp_path / "photo.jpg", Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    of_mode(mode).save(file, "JPEG", exif=exif, quality=85, **options)
    with Image.open(file) as image:
        expected = TURNED[orientation](np.asarray(image.convert("RGB")))
    for image in (decode_picture(file).image, read_image(file), read_photo(file).image, np.asarray(open_image(file))):
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["AVIF", "MPO"])
def test_phones_formats_are_turned_upright_too(tmp_path: Path, kind: str, orientation: int) -> None:
    if kind not in readable_formats() and kind != "MPO":
        pytest.skip("this Pillow cannot write it")
    file, exif = tmp_path / "photo", Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    wide = Image.fromarray(SCENE).resize((160, 96), Image.Resampling.BICUBIC)
    wide.save(file, kind, exif=exif, quality=95, **({"subsampling": "4:4:4"} if kind == "AVIF" else {}))
    expected = TURNED[orientation](np.asarray(wide, int))
    read = [decode_picture(file).image, read_image(file), read_photo(file).image, np.asarray(open_image(file))]
    assert all(image.shape == expected.shape and np.abs(image - expected).mean() < 8 for image in read)
    assert all(np.array_equal(image, read[0]) for image in read)


def test_heic_is_read_with_its_plug_in(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(Image.fromarray(SCENE)).save(tmp_path / "phone.HEIC", quality=100, chroma=444)
    images = [decode_picture(tmp_path / "phone.HEIC").image, np.asarray(open_image(tmp_path / "phone.HEIC"))]
    assert np.abs(images[0] - SCENE.astype(int)).mean() < 8
    np.testing.assert_array_equal(*images)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_caller_may_turn_it_otherwise(kind: str, orientation: int) -> None:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(SCENE).save(buffer, kind, exif=exif, **({"subsampling": 0} if kind == "JPEG" else {}))
    seen = []
    picture = decode_picture(buffer.getvalue(), turn=lambda stored_wh, own: seen.append((stored_wh, own)) or 1)
    assert seen == [((40, 24), orientation)]
    assert (picture.size_wh, picture.stored_wh, picture.orientation) == ((40, 24), (40, 24), orientation)
    assert np.abs(picture.image.astype(int) - SCENE).mean() < 5


@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 800))
def test_reduced_photos_keep_what_is_asked_and_the_aspect_to_the_pixel(width: int, height: int, at_least: int) -> None:
    factor = pictures._reduction((width, height), at_least)
    assert factor in (1, 2, 4, 8)
    if factor > 1:
        assert min(width, height) // factor >= at_least
    if factor < 8:
        assert min(width, height) // (2 * factor) < at_least


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_read_and_the_rest_mentioned(kind: str) -> None:
    buffer = io.BytesIO()
    first, second = (Image.fromarray(np.full((8, 8, 3), level, np.uint8)) for level in (40, 200))
    first.save(buffer, kind, save_all=True, append_images=[second])
    picture = decode_picture(buffer.getvalue())
    assert abs(int(picture.image.mean()) - 40) < 3
    assert picture.warning == f"it has several {'pages' if kind == 'TIFF' else 'frames'}: only the first was read"
    first.save(single := io.BytesIO(), kind)
    assert decode_picture(single.getvalue()).warning is None


def test_a_folders_pictures_are_listed_and_the_rest_is_mentioned(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert pictures_in(tmp_path) == []
    for name in ("b/2.JPG", "1.heic", "b/2.txt", "raw.CR2", "._1.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert pictures_in(tmp_path) == [tmp_path / "1.heic", tmp_path / "b/2.JPG"]
    assert [record.getMessage() for record in caplog.records] == [f"{tmp_path}: 1 file passed over: 1 .cr2"]
