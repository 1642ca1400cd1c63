"""Appearances are alike for the same thing and unlike for others."""

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detector.footage.appearance import box_appearance
from tests.detector.footage.conftest import scene


def pixels(image: np.ndarray, *box: float) -> np.ndarray:
    return np.frombuffer(box_appearance(image, np.array(box, np.float32)), np.uint8).reshape(8, 8).astype(int)


def test_it_is_the_mean_of_blocks_of_grey() -> None:
    image = scene(0, 160, 96)
    grey = cv2.cvtColor(image[16:80, 40:120], cv2.COLOR_RGB2GRAY).astype(float)
    means = grey.reshape(8, 8, 8, 10).mean(axis=(1, 3))
    assert np.abs(pixels(image, 40, 16, 120, 80) - means).max() <= 1


def test_it_hardly_depends_on_the_size_of_the_picture() -> None:
    large = scene(1, 1600, 960)
    small = cv2.resize(large, (800, 480), interpolation=cv2.INTER_AREA)
    assert np.abs(pixels(large, 400, 160, 1200, 800) - pixels(small, 200, 80, 600, 400)).max() <= 2
    assert np.abs(pixels(large, 400, 160, 1200, 800) - pixels(scene(2, 1600, 960), 400, 160, 1200, 800)).mean() > 20


@given(*[st.floats(-50, 150) for _ in range(4)])
def test_any_box_has_64_bytes(x1: float, y1: float, x2: float, y2: float) -> None:
    box = np.array([min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)], np.float32)
    assert len(box_appearance(scene(3), box)) == 64


def test_a_box_of_one_pixel_is_that_pixel() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    image[5, 7] = 200
    assert (pixels(image, 7.2, 5.2, 7.9, 5.9) == 200).all()
