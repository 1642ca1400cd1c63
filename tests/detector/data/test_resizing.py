"""Resizing: torchvision's rule for sizes, Pillow's pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from detector.data.resizing import SizeRule, resize, scale_boxes

sides = st.integers(1, 9000)


def test_no_boxes_stay_none():
    assert scale_boxes(np.zeros((0, 4), np.float32), (10, 10), (20, 30)).shape == (0, 4)


@pytest.mark.parametrize(
    ("size_wh", "expected"),
    [((640, 480), (1067, 800)), ((480, 640), (800, 1067)), ((4000, 1000), (1333, 333)), ((800, 800), (800, 800))],
)
def test_short_side_is_met_unless_the_long_one_grows_too_long(size_wh, expected):
    assert SizeRule(800, 1333).size(size_wh) == expected


@given(sides, sides, st.integers(1, 1000), st.integers(0, 1000))
def test_many_sizes_are_those_of_each(width, height, min_size, more):
    rule = SizeRule(min_size, min_size + more)
    assert tuple(rule.sizes(np.array([[width, height]]))[0].tolist()) == rule.size((width, height))
    assert min(rule.size((width, height))) >= 1
    assert max(rule.size((width, height))) <= rule.max_size


@pytest.mark.parametrize("size_wh", [(320, 256), (100, 400), (999, 700), (1, 1), (801, 641)])
def test_pixels_are_pillows(size_wh):
    image = np.random.default_rng(0).integers(0, 256, (640, 800, 3), np.uint8)
    expected = np.asarray(Image.fromarray(image).resize(size_wh, Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(resize(image, size_wh).astype(int) - expected).max() <= 1


def test_a_fine_pattern_becomes_grey_not_stripes():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    small = resize(stripes, (20, 20))
    assert small[:, 1:-1].min() > 70
    assert small[:, 1:-1].max() < 130


def test_windows_and_mirrored_pictures_are_resized_like_copies():
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    window = image[5:50, 70:10:-1]
    np.testing.assert_array_equal(resize(window, (30, 20)), resize(window.copy(), (30, 20)))


def test_picture_of_that_size_is_returned_as_it_is():
    image = np.zeros((3, 4, 3), np.uint8)
    assert resize(image, (4, 3)) is image


def test_boxes_scale_with_their_picture():
    boxes = np.array([[1, 2, 3, 4]], np.float32)
    np.testing.assert_allclose(scale_boxes(boxes, (10, 10), (20, 5)), [[2, 1, 6, 2]])
