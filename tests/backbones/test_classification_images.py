"""Images as they come from cameras, phones and museums: each works, or is refused by name."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backbones.errors import MediaError
from backbones.inference.images import open_image
from tests.orientations import stored_turned

DATA = Path(__file__).parents[2] / "../shared/data"
RED, ORIENTATION = (200, 40, 40), 0x0112


def gradient(width: int = 24, height: int = 16) -> Image.Image:
    """Red rises to the right, green falls downwards: every rotation can be told."""
    x = np.linspace(0, 255, width)[None].repeat(height, 0)
    y = np.linspace(255, 0, height)[:, None].repeat(width, 1)
    return Image.fromarray(np.stack([x, y, np.full_like(x, 60)], axis=-1).astype(np.uint8))


def mean_difference(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).mean())


def test_an_rgb_file_keeps_its_pixels(tmp_path: Path) -> None:
    gradient().save(tmp_path / "a.png")
    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        opened = open_image(path)
        assert opened.mode == "RGB"
        assert mean_difference(opened, gradient()) == 0


def test_an_upright_rgb_image_is_not_copied() -> None:
    image = Image.new("RGB", (3, 2))
    assert open_image(image) is image


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "La", "RGBa"])
def test_every_8_bit_mode_becomes_rgb(mode: str) -> None:
    via = {"La": "LA", "RGBa": "RGBA", "PA": "P"}.get(mode, mode)
    image = Image.new("RGB", (4, 4), "white").convert(via).convert(mode)
    assert open_image(image).mode == "RGB"
    assert np.asarray(open_image(image)).min() >= 250


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_files_keep_their_colour(suffix: str, tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), RED).convert("CMYK").save(tmp_path / f"a{suffix}")
    assert mean_difference(open_image(tmp_path / f"a{suffix}"), Image.new("RGB", (16, 16), RED)) < 3


def test_transparency_is_dropped_and_the_colour_under_it_kept(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (*RED, 0)).save(tmp_path / "rgba.png")
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, *RED])
    palette.save(tmp_path / "palette.png", transparency=b"\x00\x00")
    for name in ("rgba.png", "palette.png"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert open_image(tmp_path / name).getpixel((0, 0)) == RED


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_16_bit_grey_is_scaled_not_clipped(suffix: str, tmp_path: Path) -> None:
    levels = np.array([[0, 257, 32896, 65535]], np.uint16)
    path = tmp_path / f"a{suffix}"
    if suffix == ".pgm":
        path.write_bytes(b"P5 4 1 65535\n" + levels.astype(">u2").tobytes())
    else:
        Image.fromarray(levels).save(path)
    assert np.asarray(open_image(path))[0].tolist() == [[0] * 3, [1] * 3, [128] * 3, [255] * 3]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone(orientation: int, tmp_path: Path) -> None:
    upright = gradient()
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = stored_turned(upright, orientation)
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95, subsampling=0)
    assert mean_difference(open_image(tmp_path / "a.jpg"), upright) < 3
    with Image.open(tmp_path / "a.jpg") as image:  # also where the caller opened it
        assert mean_difference(open_image(image), upright) < 3


def test_broken_exif_costs_no_picture(tmp_path: Path) -> None:
    gradient().save(tmp_path / "a.jpg", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x12\x01")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about the EXIF
        assert open_image(tmp_path / "a.jpg").size == gradient().size


def test_one_pixel_is_an_image(tmp_path: Path) -> None:
    Image.new("L", (1, 1), 7).save(tmp_path / "a.png")
    assert open_image(tmp_path / "a.png").getpixel((0, 0)) == (7, 7, 7)


def test_of_an_animation_the_first_frame_counts(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert open_image(tmp_path / "a.gif").getpixel((0, 0)) == (255, 0, 0)


def test_rgb_arrays_are_images() -> None:
    array = np.asarray(gradient())
    assert np.array_equal(np.asarray(open_image(array)), array)
    assert np.array_equal(np.asarray(open_image(array[:, ::-1])), array[:, ::-1])


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4), np.uint8),
        np.zeros((3, 4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(MediaError, match=r"\(height, width, 3\) of uint8"):
        open_image(array)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>Not found</html>", "not an image"),
        (b"\xff\xd8\xff", "not an image"),
        (b"\x89PNG\r\n\x1a\n", "not an image"),
        (b"BM" + bytes(52), "not an image"),
        (b"II*\x00" + bytes(30), "not an image"),
    ],
)
def test_a_file_that_is_no_image_is_named(content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "IMG_0001.JPG"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=problem) as caught:
        open_image(path)
    assert str(path) in str(caught.value)
    assert caught.value.hint is not None


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "tif", "webp", "bmp"])
def test_a_truncated_file_is_named_at_every_length(suffix: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix))
    content, path = buffer.getvalue(), tmp_path / f"a.{suffix}"
    for share in (0.01, 0.1, 0.5, 0.9):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(MediaError) as caught:
            open_image(path)
        assert str(path) in str(caught.value)


def test_damaged_bytes_never_raise_anything_else(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    path, refusals = tmp_path / "a", []
    for image_format in ("jpeg", "png", "gif", "tiff", "webp", "bmp"):
        buffer = io.BytesIO()
        gradient().save(buffer, image_format)
        for _ in range(40):
            content = bytearray(buffer.getvalue())
            for position in random.integers(0, len(content), 8):
                content[position] = random.integers(0, 256)
            path.write_bytes(content)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    assert open_image(path).mode == "RGB"
                except MediaError as error:
                    refusals.append(str(error))
    assert refusals
    assert all(str(path) in refusal for refusal in refusals)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0" * 100)))
    with pytest.raises(MediaError, match="60000 x 60000 pixels, more than the 250 million") as caught:
        open_image(path)
    assert str(path) in str(caught.value)


def test_an_empty_image_is_refused() -> None:
    with pytest.raises(MediaError, match="empty"):
        open_image(Image.new("RGB", (0, 4)))


@pytest.mark.parametrize(
    ("values", "grey"),
    [
        (np.array([[0, 255, 256, 65535]], np.uint16), [0, 0, 1, 255]),  # the upper eight bits
        (np.array([[0, 1, 255, 255]], np.int32), [0, 1, 255, 255]),  # what fits 8 bits is 8 bits
        (np.array([[0, 255, 256, 65535]], np.int32), [0, 0, 1, 255]),
        (np.array([[-100, 0, 100, 155]], np.int32), [0, 100, 200, 255]),  # its own range
        (np.array([[0, 255_000, 510_000, 1_020_000]], np.int32), [0, 64, 128, 255]),
        (np.array([[0.25, 0.5, 1, np.nan]], np.float32), [64, 128, 255, 0]),  # shares of white
        (np.array([[10, 20, 30, np.inf]], np.float32), [0, 128, 255, 255]),  # degrees
        (np.array([[-np.inf, -20, 0, 20]], np.float32), [0, 0, 128, 255]),
        (np.array([[300, 300, 300, np.nan]], np.float32), [0, 0, 0, 0]),  # no contrast at all
    ],
)
def test_wide_pixels_become_8_bits_by_a_stated_rule(values: np.ndarray, grey: list[int]) -> None:
    assert np.asarray(open_image(Image.fromarray(values)))[0].tolist() == [[level] * 3 for level in grey]


@pytest.mark.parametrize("name", ["absent.jpg", "."])
def test_a_path_without_a_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        open_image(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.skipif(not DATA.exists(), reason="the real photos are not on this machine")
def test_real_camera_trap_photos_open_or_are_named() -> None:
    paths = [path for path in sorted((DATA / "footage").rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
    special = [path for path in paths if any(word in path.name.lower() for word in ("trunc", "cmyk", "exif", "rot"))]
    refused = set()
    for path in {*paths[::20], *special}:
        try:
            assert open_image(path).mode == "RGB"
        except MediaError:
            refused.add(path)
    assert refused == {path for path in special if "trunc" in path.name.lower()}
