"""Resizing: torchvision's rule for sizes, Pillow's pixels."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from detector.data.resizing import InputRule, SizeRule, resize, scale_boxes

sides = st.integers(1, 9000)


def test_no_boxes_stay_none():
    assert scale_boxes(np.zeros((0, 4), np.float32), (10, 10), (20, 30)).shape == (0, 4)


@pytest.mark.parametrize(
    ("size_wh", "expected"),
    [((640, 480), (1067, 800)), ((480, 640), (800, 1067)), ((4000, 1000), (1333, 333)), ((800, 800), (800, 800))],
)
def test_short_side_is_met_unless_the_long_one_grows_too_long(size_wh, expected):
    assert SizeRule(800, 1333).size(size_wh) == expected


@pytest.mark.parametrize(
    ("size_wh", "expected"), [((100, 75), (200, 150)), ((320, 256), (640, 512)), ((800, 600), (640, 480))]
)
def test_a_thumbnail_is_not_enlarged_without_limit(size_wh, expected):
    assert SizeRule(640, 640, max_upscale=2.0).size(size_wh) == expected


@given(sides, sides, st.integers(1, 1000), st.integers(0, 1000), st.sampled_from([1.0, 1.7, None]))
def test_many_sizes_are_those_of_each(width, height, min_size, more, most):
    rule = SizeRule(min_size, min_size + more, most)
    assert tuple(rule.sizes(np.array([[width, height]]))[0].tolist()) == rule.size((width, height))
    assert min(rule.size((width, height))) >= 1
    assert max(rule.size((width, height))) <= min(rule.max_size, max(width, height) * (most or math.inf) + 1)


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


@given(sides, sides, st.integers(32, 1280), st.integers(32, 1280), st.booleans(), st.booleans())
def test_pictures_lie_in_the_box_of_another_program(width, height, box_width, box_height, stretched, floored):
    """Ultralytics' LetterBox rounds, YOLOX' preproc cuts off, DETRs stretch."""
    box_wh = (box_width, box_height)
    rule = InputRule.box(box_wh, stretched=stretched, floored=floored, linear=True)
    size = rule.size((width, height))
    ratio = min(box_height / height, box_width / width)
    fitted = [width * ratio, height * ratio]
    expected = box_wh if stretched else tuple(max(1, int(side) if floored else round(side)) for side in fitted)
    assert size == expected
    assert all(mine <= its for mine, its in zip(size, box_wh, strict=True))
    assert rule.sizes(np.array([[width, height]])).tolist() == [list(size)]
    assert rule.fits(size) == (not stretched)
    assert not rule.fits((box_width + 1, box_height))


def test_linear_pixels_are_opencvs_and_smooth_ones_ours():
    image = np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)
    for linear, expected in ((True, cv2.resize(image, (40, 32))), (False, resize(image, (40, 32)))):
        rule = InputRule.box((40, 40), stretched=False, floored=False, linear=linear)
        np.testing.assert_array_equal(rule.resize(image, rule.size((80, 64))), expected)
    assert InputRule.box((40, 40), stretched=False, floored=False, linear=True).sizes(np.zeros((0, 2), int)).shape == (
        0,
        2,
    )
