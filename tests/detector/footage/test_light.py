"""Infrared pictures have no colour, whatever the camera adds; daylight has."""

import cv2
import numpy as np
import pytest

from detector.footage.light import brightness, is_night_ir, shrink
from detector.footage.photos import read_photo
from detector.footage.video import Video
from tests.detector.footage.conftest import real_media, scene

# what was looked at: infrared or thermal pictures, by a part of their paths; all others are in colour
NIGHT = (
    *("IMG_8968", "RCNX003", "RCNX0040", "IR_BIRD", "IR_DRONE", "5a0e37cc", "rcnx1035", "0245_1477"),
    *("121016192402044a", "EK000004", "EK000005", "american_black_bear", "clip_1.avi"),
)


def through_jpeg(image: np.ndarray, quality: int = 60) -> np.ndarray:
    """Compressed and read again, with the noise in colour that this brings."""
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def infrared(seed: int = 0) -> np.ndarray:
    """A grey scene with noise of its own in each channel (H, W, 3)."""
    chance = np.random.default_rng(seed)
    grey = scene(seed, 800, 600)[..., :1].astype(float) * 0.8
    return np.clip(grey + chance.normal(0, 6, (600, 800, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("value", [0, 51, 255])
def test_brightness_is_the_mean_from_zero_to_one(value: int) -> None:
    assert brightness(np.full((300, 400, 3), value, np.uint8)) == pytest.approx(value / 255, abs=0.003)


def test_brightness_does_not_depend_on_the_size() -> None:
    large = scene(0, 1600, 1200)
    assert brightness(large) == pytest.approx(brightness(large[::4, ::4]), abs=0.005)


@pytest.mark.parametrize("seed", range(4))
def test_a_grey_picture_is_infrared_despite_noise_and_jpeg(seed: int) -> None:
    assert is_night_ir(through_jpeg(infrared(seed)))


@pytest.mark.parametrize("gains", [(1.15, 1.0, 0.8), (1.1, 0.85, 1.1), (1.2, 0.9, 0.9)], ids=["sepia", "purple", "red"])
def test_a_tinted_grey_picture_is_infrared(gains: tuple[float, float, float]) -> None:
    assert is_night_ir(through_jpeg(np.clip(infrared() * np.array(gains), 0, 255).astype(np.uint8)))


def test_a_coloured_strip_of_text_does_not_matter() -> None:
    image = infrared()
    image[-24:, :300] = (230, 120, 20)
    assert is_night_ir(through_jpeg(image))


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_in_colour_is_not_infrared(seed: int) -> None:
    assert not is_night_ir(scene(seed, 800, 600))
    assert not is_night_ir((scene(seed, 800, 600) * 0.2).astype(np.uint8))  # at dusk


def test_a_blue_sky_is_not_infrared() -> None:
    rows = np.linspace(0, 1, 600)[:, None, None]
    assert not is_night_ir(np.broadcast_to(rows * (60, 40, 20) + (90, 140, 200), (600, 800, 3)).astype(np.uint8))


def test_pictures_of_one_pixel_have_a_light() -> None:
    assert is_night_ir(np.zeros((1, 1, 3), np.uint8))
    assert brightness(np.full((1, 1, 3), 255, np.uint8)) == 1


def test_real_photos_and_videos_are_told_apart() -> None:
    files = [*real_media("photo"), *real_media("video")]
    if not files:
        pytest.skip("the real footage is not here")
    checked = 0
    for file in files:
        if "truncated" in file.name or (checked % 3 and not any(part in file.name for part in NIGHT)):
            checked += 1
            continue
        checked += 1
        photo = file.suffix.lower() == ".jpg"
        image = read_photo(file, at_least=300).image if photo else next(Video(file).read()).image
        assert is_night_ir(image) == any(part in file.name for part in NIGHT), file


def test_small_pictures_are_not_enlarged() -> None:
    assert shrink(np.zeros((10, 20, 3), np.uint8), 100).shape == (10, 20, 3)
    assert shrink(np.zeros((1, 4000, 3), np.uint8), 100).shape == (1, 100, 3)
