"""A photo is what Pillow makes of it in full, upright, or an error that says why not."""

import io
import struct
import warnings
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin

from backbones.errors import MediaError
from detector.footage.photos import read_photo
from tests.detector.footage.conftest import number_in, numbered, real_media, scene
from tests.orientations import stored_turned


def save(path: Path, image: Image.Image | np.ndarray, kind: str = "JPEG", **options: object) -> Path:
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(path, kind, **options)
    return path


def reference(path: Path) -> np.ndarray:
    """Pillow's full decode, upright."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def exif(orientation: int = 1, **tags: str) -> Image.Exif:
    block = Image.Exif()
    block[ExifTags.Base.Orientation] = orientation
    for name, value in tags.items():
        block[ExifTags.Base[name]] = value
    return block


@pytest.mark.parametrize("file", real_media("photo")[::7], ids=lambda file: file.name)
def test_real_photos_match_pillow(file: Path) -> None:
    expected = reference(file)
    photo = read_photo(file)
    assert photo.size_wh == (expected.shape[1], expected.shape[0])
    assert np.abs(photo.image.astype(int) - expected).max() <= 1


def test_the_rotated_and_the_truncated_real_photo(footage: Path) -> None:
    rotated = read_photo(footage / "robustness/african_elephants_with_exif_orientation.jpg", at_least=300)
    assert (rotated.size_wh, rotated.image.shape) == ((2048, 1536), (384, 512, 3))
    assert rotated.capture.captured_at == datetime(2010, 8, 4, 8, 43, 15)
    with pytest.raises(MediaError, match="truncated"):
        read_photo(footage / "robustness/african_elephants_truncated_file.jpg")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("at_least", [None, 60])
def test_every_exif_orientation_is_applied(tmp_path: Path, orientation: int, at_least: int | None) -> None:
    upright = Image.fromarray(numbered(0b1011000101, 320, 240))
    turned = stored_turned(upright, orientation)
    for kind in ("JPEG", "PNG", "TIFF", "WEBP"):
        file = save(tmp_path / f"photo.{kind}", turned, kind, exif=exif(orientation))
        photo = read_photo(file, at_least=at_least)
        assert photo.size_wh == (320, 240)
        assert photo.image.shape == ((60, 80, 3) if at_least and kind == "JPEG" else (240, 320, 3))
        assert number_in(photo.image) == 0b1011000101


@pytest.mark.parametrize(("width", "height"), [(801, 603), (640, 480), (1024, 333)])
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_reduced_jpegs_equal_the_averaged_full_ones(tmp_path: Path, width: int, height: int, factor: int) -> None:
    file = save(tmp_path / "photo.jpg", scene(1, width, height), quality=95)
    photo = read_photo(file, at_least=min(width, height) // factor)
    assert photo.size_wh == (width, height)
    assert photo.image.shape == (-(-height // factor), -(-width // factor), 3)
    rows, columns = height // factor * factor, width // factor * factor
    full = read_photo(file).image[:rows, :columns].astype(float)
    averaged = full.reshape(rows // factor, factor, columns // factor, factor, 3).mean(axis=(1, 3))
    inside = photo.image[: averaged.shape[0], : averaged.shape[1]]
    assert np.abs(inside - averaged).mean() < 2


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB", "YCbCr"])
@pytest.mark.parametrize("at_least", [None, 32])
def test_jpegs_of_every_colour_model(tmp_path: Path, mode: str, at_least: int | None) -> None:
    file = save(tmp_path / "photo.jpg", Image.fromarray(scene(2)).convert(mode), quality=95)
    photo = read_photo(file, at_least=at_least)
    assert photo.size_wh == (96, 64)
    expected = reference(file) if at_least is None else np.asarray(Image.fromarray(reference(file)).reduce(2))
    assert np.abs(photo.image.astype(int) - expected).mean() < (1 if at_least is None else 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP", "GIF"])
def test_every_format_is_read_whatever_its_name(tmp_path: Path, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    file = save(tmp_path / "photo.jpg", scene(3), kind, **options)
    photo = read_photo(file, at_least=8)
    assert np.array_equal(photo.image, reference(file))
    assert photo.image.dtype == np.uint8
    assert photo.size_wh == (96, 64)


@pytest.mark.parametrize("mode", ["P", "LA", "RGBA", "1"])
def test_palettes_and_transparency_become_rgb(tmp_path: Path, mode: str) -> None:
    file = save(tmp_path / "photo.png", Image.fromarray(scene(4)).convert(mode), "PNG")
    assert np.array_equal(read_photo(file).image, reference(file))


def test_what_the_camera_wrote_is_read(tmp_path: Path) -> None:
    block = exif(Model="HC500 HYPERFIRE\0  ", DateTime="2021:05:17 10:00:00")
    block.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2021:05:17 06:30:15"
    block.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.SubsecTimeOriginal] = "42"
    capture = read_photo(save(tmp_path / "20190101_000000.jpg", scene(5), exif=block)).capture
    assert capture.captured_at == datetime(2021, 5, 17, 6, 30, 15, 420_000)
    assert (capture.captured_from, capture.camera_model) == ("exif", "HC500 HYPERFIRE")
    capture = read_photo(save(tmp_path / "20190101_000000.png", scene(5), "PNG")).capture
    assert (capture.captured_at, capture.captured_from) == (datetime(2019, 1, 1), "filename")


def test_broken_exif_costs_neither_the_picture_nor_the_others(tmp_path: Path) -> None:
    file = save(tmp_path / "photo.jpg", scene(6), exif=exif(6, Model="A", DateTime="2021:05:17 10:00:00"))
    data = file.read_bytes()
    start = data.index(b"Exif\0\0") + 6
    for broken, taken in (
        (data[:start] + b"\xff" * 8 + data[start + 8 :], None),
        (data[: start + 10] + bytes(range(100, 136)) + data[start + 46 :], None),
        (data.replace(b"2021:05:17 10:00:00", b"0000:00:00 00:00:00"), None),
        # more tags than there are bytes: those that are there count
        (data[: start + 8] + b"\xff\xff" + data[start + 10 :], datetime(2021, 5, 17, 10)),
    ):
        file.write_bytes(broken)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            photo = read_photo(file)
        assert sorted(photo.image.shape) == [3, 64, 96]
        assert photo.capture.captured_at == taken


def claiming(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header claims another size."""
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


def test_a_picture_that_claims_too_many_pixels_is_refused_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = save(tmp_path / "photo.jpg", scene(7))
    file.write_bytes(claiming(file.read_bytes(), 60000, 60000))
    with pytest.raises(MediaError, match="60000 x 60000 pixels"):
        read_photo(file, at_least=100)
    limit = Image.MAX_IMAGE_PIXELS
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # of this process's other users: neither heeded nor changed
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_photo(save(tmp_path / "photo.png", scene(7), "PNG")).size_wh == (96, 64)
    assert limit is not None
    assert Image.MAX_IMAGE_PIXELS == 1000


@pytest.mark.parametrize("part", [0.02, 0.3, 0.7, 0.95])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP"])
@pytest.mark.parametrize("at_least", [None, 100])
def test_truncated_photos_are_failures(tmp_path: Path, kind: str, part: float, at_least: int | None) -> None:
    file = save(tmp_path / "photo", np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8), kind)
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * part)])
    with pytest.raises(MediaError) as caught:
        read_photo(file, at_least=at_least)
    if kind == "JPEG" and part > 0.02:
        assert caught.value.problem == "this is a JPEG image, but truncated: its end is missing"


def test_bytes_after_the_end_do_no_harm(tmp_path: Path) -> None:
    file = save(tmp_path / "photo.jpg", scene(8))
    expected, data = read_photo(file).image, file.read_bytes()
    for tail in (bytes(1000), b"trailer of a phone" * 10, bytes(100_000)):
        file.write_bytes(data + tail)
        assert np.array_equal(read_photo(file).image, expected)


def jpeg_bytes() -> bytes:
    output = io.BytesIO()
    Image.fromarray(scene(9)).save(output, "JPEG")
    return output.getvalue()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf \n<!DOCTYPE html>\n<html>", "this is an HTML page, not an image that can be read"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "this is an MP4 video, not an image that can be read"),
        (b"RIFF\x10\0\0\0AVI LIST", "this is an AVI video, not an image that can be read"),
        (
            b"\0\0\0\x18ftypheic\0\0\0\0",
            "this is a HEIC image, which only pillow-heif can read",
        ),
        (bytes(5000), "this is a run of zeros (the card lost its content), not an image that can be read"),
        (b"%PDF-1.7", "this is a PDF document, not an image that can be read"),
        (b"\x93\x05\xfe\x81", "this is not an image, or it is damaged"),
    ],
)
def test_what_is_no_photo_says_what_it_is(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "photo.jpg").write_bytes(content)
    with pytest.raises(MediaError) as caught:
        read_photo(tmp_path / "photo.jpg")
    assert caught.value.problem.removesuffix(" (pip install hoopoe[heic])") == problem
    assert caught.value.where == str(tmp_path / "photo.jpg")
    assert caught.value.hint


def test_absent_files_and_folders_are_errors(tmp_path: Path) -> None:
    for path, problem in ((tmp_path / "gone.jpg", "there is no such file"), (tmp_path, "this is a folder")):
        with pytest.raises(MediaError, match=problem):
            read_photo(path)


@given(st.data())
def test_damaged_bytes_are_a_picture_or_a_media_error(data: st.DataObject) -> None:
    content = bytearray(jpeg_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file = Path("photo.jpg")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(Path, "read_bytes", lambda self: bytes(content))
        try:
            photo = read_photo(file, at_least=data.draw(st.sampled_from([None, 10, 32])))
        except MediaError:
            return
    assert photo.image.ndim == 3
    assert photo.image.dtype == np.uint8


def test_multi_page_tiffs_give_their_first_page(tmp_path: Path) -> None:
    pages = [Image.fromarray(scene(number)) for number in (10, 11)]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    assert isinstance(Image.open(tmp_path / "scan.tif"), TiffImagePlugin.TiffImageFile)
    assert np.array_equal(read_photo(tmp_path / "scan.tif").image, scene(10))
