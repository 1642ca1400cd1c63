"""Pictures on both sides of a split are told by their birds, not by the background that a camera always shows."""

import cv2
import numpy as np
import pytest

from detector.data.doctor.near_pictures import Scene, near_pictures
from detector.data.doctor.picture_scan import scan_picture

WIDTH, HEIGHT = 640, 480


def night(rng):
    return np.full((HEIGHT, WIDTH), rng.uniform(14, 22))


def black(rng):
    return np.full((HEIGHT, WIDTH), rng.uniform(0, 4))


def infrared(rng):
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    away = ((x - WIDTH * rng.uniform(0.45, 0.55)) / 260) ** 2 + ((y - HEIGHT * rng.uniform(0.45, 0.55)) / 200) ** 2
    return 6 + rng.uniform(20, 45) * np.exp(-away)


def clear_sky(rng):
    return rng.uniform(165, 185) + rng.uniform(10, 25) * np.linspace(0, 1, HEIGHT)[:, None] + np.zeros((1, WIDTH))


def fog(rng):
    return np.full((HEIGHT, WIDTH), rng.uniform(225, 235))


def forest(_):
    """The same at each call, as a camera on a tree sees it."""
    coarse = np.random.default_rng(7).uniform(40, 160, (12, 16))
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def draw_bird(rng, gray, box):
    """An ellipse with feathers, at a box (x, y, w, h)."""
    x, y, width, height = box
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    inside = ((columns - x - width / 2) / (width / 2)) ** 2 + ((rows - y - height / 2) / (height / 2)) ** 2 < 1
    feathers = cv2.resize(rng.uniform(-45, 45, (5, 5)), (width, height))
    patch = np.zeros_like(gray)
    patch[y : y + height, x : x + width] = feathers
    gray[inside] = rng.uniform(60, 140) + patch[inside]


def anywhere(rng):
    width, height = rng.integers(24, 130), rng.integers(20, 100)
    return int(rng.integers(0, WIDTH - width)), int(rng.integers(0, HEIGHT - height)), int(width), int(height)


def scene(path, gray, boxes):
    assert cv2.imwrite(str(path), np.clip(np.rint(gray), 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return Scene(path, gray.shape[::-1], np.array(boxes, np.float64).reshape(-1, 4), scan_picture(path))


def photo(folder, seed, background, box=None, moment=None):
    """A photo of a bird; of the same moment with noise of its own, where one is given."""
    rng, sensor = np.random.default_rng(seed if moment is None else moment), np.random.default_rng(seed)
    gray = background(rng)
    box = box or anywhere(rng)
    draw_bird(rng, gray, box)
    return scene(folder / f"{seed}.jpg", gray + sensor.normal(0, 3, gray.shape), [box])


def test_no_pictures_are_not_the_same():
    assert list(near_pictures([], [])) == []


@pytest.mark.parametrize("background", [night, black, infrared, clear_sky, fog, forest])
def test_other_birds_before_one_background_are_other_pictures(tmp_path, background):
    some = [photo(tmp_path, seed, background) for seed in range(20)]
    others = [photo(tmp_path, 1000 + seed, background) for seed in range(20)]
    assert list(near_pictures(some, others)) == []


@pytest.mark.parametrize("background", [night, forest])
def test_other_birds_on_one_perch_are_other_pictures(tmp_path, background):
    def perched(seed):
        tall = np.random.default_rng(seed).integers(50, 110)  # upright, crouching, preening
        return photo(
            tmp_path, seed, background, (320 - 20 - int(tall) // 4, 300 - int(tall), 40 + int(tall) // 2, int(tall))
        )

    some = [perched(seed) for seed in range(10)]
    others = [perched(1000 + seed) for seed in range(10)]
    assert list(near_pictures(some, others)) == []


@pytest.mark.parametrize("background", [night, infrared, clear_sky, forest])
def test_the_same_moment_saved_again_is_the_same_picture(tmp_path, background):
    some = [photo(tmp_path, seed, background) for seed in range(10)]
    others = [photo(tmp_path, 1000 + seed, background, moment=seed) for seed in (3, 7)]
    assert list(near_pictures(some, others)) == [(3, 0), (7, 1)]


@pytest.mark.parametrize("background", [night, forest])
def test_a_copy_that_nobody_annotated_is_the_same_picture(tmp_path, background):
    one = photo(tmp_path, 0, background)
    bare = Scene(one.path, one.size_wh, np.zeros((0, 4)), one.scan)
    assert list(near_pictures([one], [bare])) == [(0, 0)]
    assert list(near_pictures([bare], [one])) == [(0, 0)]


def test_blank_pictures_of_one_camera_are_not_compared(tmp_path):
    some = [scene(tmp_path / f"{n}.jpg", forest(None), []) for n in range(2)]
    assert list(near_pictures(some[:1], some[1:])) == []


def test_a_bird_that_moved_makes_another_picture_though_its_neighbours_stay(tmp_path):
    rng = np.random.default_rng(0)
    scenes = []
    for name, walker in (("a", (100, 300, 50, 40)), ("b", (180, 310, 50, 40))):
        gray = forest(None)
        draw_bird(np.random.default_rng(1), gray, (400, 200, 70, 60))
        draw_bird(np.random.default_rng(2), gray, walker)
        noisy = gray + rng.normal(0, 3, gray.shape)
        scenes.append(scene(tmp_path / f"{name}.jpg", noisy, [(400, 200, 70, 60), walker]))
    assert list(near_pictures(scenes[:1], scenes[1:])) == []
