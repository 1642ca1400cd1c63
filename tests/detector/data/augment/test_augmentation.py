"""Augmentation: a pure function that keeps boxes on their birds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from detector.data.augment.augmentation import augment, sample_generator
from detector.data.augment.pixels import vary_pixels
from detector.data.augment.random_crop import CropWindow, choose_window, crop_sample, random_crop
from detector.data.config import AugmentationConfig
from detector.data.resizing import SizeRule, resize, scale_boxes
from detector.data.sample import IGNORED, Sample

RULE = SizeRule(min_size=96, max_size=160)
GEOMETRY = AugmentationConfig(colour=0, night_ir=0, blur=0, noise=0, jpeg=0)
EVERYTHING = AugmentationConfig(colour=1, night_ir=0.5, blur=1, noise=1, jpeg=1)
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [255, 0, 255], [0, 255, 255]], np.uint8)


def rng(*key: int) -> np.random.Generator:
    return np.random.default_rng([0, *key])


def noise(width: int = 120, height: int = 80, boxes: object = (), seed: int = 0) -> Sample:
    """Random pixels, with the given boxes numbered from 0."""
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Sample(pixels, boxes, np.arange(len(boxes)))


def painted(width: int = 240, height: int = 160) -> Sample:
    """Six rectangles on grey, each in the colour of its label, 20 to 50 pixels long."""
    image = np.full((height, width, 3), 128, np.uint8)
    boxes = []
    for label, colour in enumerate(COLOURS):
        left, top = 10 + label % 3 * 78, 12 + label // 3 * 80
        wide, high = 20 + 5 * label, 50 - 5 * label
        image[top : top + high, left : left + wide] = colour
        boxes.append((left, top, left + wide, top + high))
    return Sample(image, np.array(boxes, np.float32), np.arange(len(boxes)))


def assert_on_their_colours(sample: Sample) -> None:
    for (x1, y1, x2, y2), label in zip(sample.boxes_xyxy[sample.taught], sample.labels[sample.taught], strict=True):
        centre = sample.image[int((y1 + y2) / 2), int((x1 + x2) / 2)].astype(int)
        assert np.abs(centre - COLOURS[label]).max() < 40, f"box {label} lies on {centre}"


def assert_valid(sample: Sample) -> None:
    width, height = sample.size_wh
    boxes = sample.boxes_xyxy
    assert boxes.shape == (len(sample.labels), 4)
    assert boxes.dtype == np.float32
    assert sample.labels.dtype == np.int64
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert (boxes[:, 2:] <= (width, height)).all()


@pytest.mark.parametrize("config", [EVERYTHING, EVERYTHING.model_copy(update={"crop_size": 64})])
def test_icevision_328_image_without_birds_is_varied_and_keeps_empty_boxes(config):
    empty = noise()
    varied = augment(rng(), empty, RULE, config)
    assert varied.boxes_xyxy.shape == (0, 4)
    assert varied.labels.shape == (0,)
    assert_valid(varied)


def test_ultralytics_11803_image_without_labels_gets_other_pixels_too():
    empty = noise()
    varied = vary_pixels(rng(), empty, EVERYTHING)
    assert varied.image.shape == empty.image.shape
    assert not np.array_equal(varied.image, empty.image)


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 120, 80),
        (119.99999, 79.99999, 120, 80),
        (0, 0, 1e-3, 1e-3),
        (100, 70, 120.00001, 80.00001),
        (-1e-5, -1e-5, 10, 10),
    ],
)
def test_albumentations_459_679_922_1497_boxes_at_the_border_do_not_raise(box):
    for seed in range(5):
        assert_valid(augment(rng(seed), noise(boxes=[box]), RULE, EVERYTHING))


boxes_inside = st.lists(
    st.tuples(st.floats(0, 118), st.floats(0, 78), st.floats(0.5, 120), st.floats(0.5, 80)).map(
        lambda each: (each[0], each[1], min(each[0] + each[2], 120), min(each[1] + each[3], 80))
    ),
    max_size=8,
)


@settings(max_examples=80, deadline=None)
@given(boxes_inside, st.integers(0, 10_000), st.sampled_from([None, 32, 64]), st.floats(0, 1))
def test_boxes_stay_valid_whatever_they_are(boxes, seed, crop_size, crop_object):
    config = GEOMETRY.model_copy(update={"crop_size": crop_size, "crop_object": crop_object, "scale": (0.3, 3.0)})
    varied = augment(rng(seed), noise(boxes=boxes), RULE, config)
    assert_valid(varied)
    taught = varied.labels[varied.taught].tolist()
    assert len(set(taught)) == len(taught)
    most = (crop_size, crop_size) if crop_size else RULE.size((120, 80))
    assert varied.size_wh[0] <= most[0]
    assert varied.size_wh[1] <= most[1]


@settings(max_examples=80, deadline=None)
@given(boxes_inside.filter(len), st.integers(0, 10_000), st.sampled_from([None, 32, 64]), st.floats(0, 1))
def test_albumentations_2513_a_window_around_a_bird_never_loses_all_boxes(boxes, seed, crop_size, min_visibility):
    config = GEOMETRY.model_copy(
        update={"crop_size": crop_size, "crop_object": 1.0, "min_side": 0.0, "min_visibility": 0.9 * min_visibility}
    )
    assert augment(rng(seed), noise(boxes=boxes), RULE, config).taught.any()


def test_boxes_follow_their_birds():
    seen = set()
    for seed in range(60):
        varied = augment(rng(seed), painted(), RULE, GEOMETRY)
        assert_valid(varied)
        assert_on_their_colours(varied)
        seen.update(varied.labels[varied.taught].tolist())
    assert seen == set(range(len(COLOURS)))


def test_crops_have_their_size_and_mostly_hold_birds():
    config = GEOMETRY.model_copy(update={"crop_size": 48, "scale": (1.0, 1.0)})
    crops = [augment(rng(seed), painted(), RULE, config) for seed in range(100)]
    assert {crop.size_wh for crop in crops} == {(48, 48)}
    assert sum(crop.taught.any() for crop in crops) >= 85  # crop_object is 0.9
    for crop in crops:
        assert_on_their_colours(crop)


def test_scale_is_spread_evenly_in_its_logarithm():
    sample = noise(400, 400, [(150, 150, 250, 250)])
    config = GEOMETRY.model_copy(update={"scale": (0.5, 2.0), "crop_object": 1.0})
    sides = [random_crop(rng(seed), sample, SizeRule(400, 400), config).boxes_xyxy[0] for seed in range(300)]
    scales = np.array([box[2] - box[0] for box in sides]) / 100
    assert scales.min() >= 0.49
    assert scales.max() <= 2.01
    assert abs(np.median(np.log2(scales))) < 0.2


def test_whole_image_without_jitter_is_what_evaluation_sees():
    sample = noise(boxes=[(10, 20, 30, 44)])
    same = augment(rng(), sample, RULE, AugmentationConfig.off())
    size = RULE.size(sample.size_wh)
    np.testing.assert_array_equal(same.image, resize(sample.image, size))
    np.testing.assert_allclose(same.boxes_xyxy, scale_boxes(sample.boxes_xyxy, sample.size_wh, size), rtol=1e-5)


def test_visible_share_decides_whether_a_box_is_taught_or_ignored():
    sample = noise(100, 100, [(0, 0, 20, 20)])
    window = CropWindow(left=10, top=0, width=90, height=100, out_wh=(90, 100))  # shows half of the box
    assert crop_sample(sample, window, min_visibility=0.5).labels.tolist() == [0]
    sliver = crop_sample(sample, window, min_visibility=0.51)
    assert sliver.labels.tolist() == [IGNORED]
    assert sliver.boxes_xyxy.tolist() == [[0, 0, 10, 20]]
    assert len(crop_sample(sample, CropWindow(30, 0, 70, 100, (70, 100))).labels) == 0  # nothing of it is in the window


def test_bird_larger_than_the_window_stays():
    sample = noise(100, 100, [(5, 5, 95, 95)])
    window = CropWindow(left=30, top=30, width=20, height=20, out_wh=(40, 40))  # 5 % of the bird, all of the window
    np.testing.assert_array_equal(crop_sample(sample, window, min_visibility=1.0).boxes_xyxy, [[0, 0, 40, 40]])


def test_box_that_becomes_too_small_is_ignored():
    sample = noise(100, 100, [(0, 0, 4, 30), (0, 0, 6, 30)])
    half = CropWindow(0, 0, 100, 100, out_wh=(50, 50))
    np.testing.assert_array_equal(crop_sample(sample, half, min_side=3.0).labels, [IGNORED, 1])


def test_ignored_regions_go_along():
    sample = noise(100, 100, [(0, 0, 50, 50), (20, 20, 40, 40)])
    sample = Sample(sample.image, sample.boxes_xyxy, np.array([IGNORED, 0]))
    for seed in range(20):
        varied = augment(rng(seed), sample, RULE, GEOMETRY)
        for region, bird in zip(varied.boxes_xyxy[~varied.taught], varied.boxes_xyxy[varied.taught], strict=False):
            assert (region[:2] <= bird[:2] + 1e-3).all()
            assert (region[2:] >= bird[2:] - 1e-3).all()


def test_window_of_the_whole_image_when_the_canvas_is_larger():
    view = choose_window(rng(), (50, 40), np.zeros((0, 4), np.float32), (0.5, 0.5), (100, 100), 1.0)
    assert view == CropWindow(0, 0, 50, 40, out_wh=(25, 20))


def test_same_key_gives_the_same_sample_in_any_order():
    samples = [noise(boxes=[(10, 10, 50, 50)], seed=seed) for seed in range(4)]
    keys = [(7, 0, image_id, copy) for image_id in range(4) for copy in (0, 1)]
    make = {key: augment(sample_generator(*key), samples[key[2]], RULE, EVERYTHING) for key in keys}
    for key in reversed(keys):
        again = augment(sample_generator(*key), samples[key[2]], RULE, EVERYTHING)
        np.testing.assert_array_equal(again.image, make[key].image)
        np.testing.assert_array_equal(again.boxes_xyxy, make[key].boxes_xyxy)


@pytest.mark.parametrize("other", [(8, 0, 3, 0), (7, 1, 3, 0), (7, 0, 4, 0), (7, 0, 3, 1), (7, 0, -3, 0)])
def test_another_seed_epoch_image_or_showing_gives_another_sample(other):
    sample = noise(boxes=[(10, 10, 50, 50)])
    one = augment(sample_generator(7, 0, 3, 0), sample, RULE, EVERYTHING)
    two = augment(sample_generator(*other), sample, RULE, EVERYTHING)
    assert one.image.shape != two.image.shape or not np.array_equal(one.image, two.image)


def test_transforms_do_not_share_their_luck():
    config = AugmentationConfig.off().model_copy(update={"flip": 0.5, "night_ir": 0.5})
    sample = painted()
    flipped, night = [], []
    for seed in range(200):
        varied = vary_pixels(rng(seed), sample, config)
        flipped.append(not np.array_equal(varied.boxes_xyxy, sample.boxes_xyxy))
        night.append(bool((varied.image[..., 0] == varied.image[..., 1]).all()))
    both = np.mean(np.logical_and(flipped, night))
    assert 0.15 < both < 0.35  # 0.25 when they are independent, 0.5 or 0 when they share one number


def test_arguments_are_left_alone():
    sample = noise(boxes=[(10, 10, 50, 50)])
    image, boxes = sample.image.copy(), sample.boxes_xyxy.copy()
    augment(rng(), sample, RULE, EVERYTHING)
    np.testing.assert_array_equal(sample.image, image)
    np.testing.assert_array_equal(sample.boxes_xyxy, boxes)


def test_night_is_grey_and_grainy():
    night = vary_pixels(rng(), painted(), AugmentationConfig.off().model_copy(update={"night_ir": 1.0}))
    np.testing.assert_array_equal(night.image[..., 0], night.image[..., 2])


@pytest.mark.parametrize("scale", [(0, 1), (2, 1), (-1, 1)])
def test_scale_must_be_a_range(scale):
    with pytest.raises(ValidationError, match="scale must be a range"):
        AugmentationConfig(scale=scale)


def test_sample_reshapes_an_empty_list_of_boxes():
    assert Sample(np.zeros((4, 4, 3), np.uint8), [], []).boxes_xyxy.shape == (0, 4)


def test_sample_refuses_boxes_without_labels():
    with pytest.raises(ValueError, match="1 boxes, but 0 labels"):
        Sample(np.zeros((4, 4, 3), np.uint8), np.ones((1, 4)), [])


@pytest.mark.parametrize("size_wh", [(1, 1), (1, 50), (50, 1), (2, 1000), (1000, 2), (3, 3)])
@pytest.mark.parametrize("crop_size", [None, 32])
def test_pictures_of_a_pixel_or_two_do_not_raise(size_wh, crop_size):
    config = EVERYTHING.model_copy(update={"crop_size": crop_size})
    for seed in range(10):
        varied = augment(rng(seed), noise(*size_wh, boxes=[(0, 0, *size_wh)]), RULE, config)
        assert_valid(varied)


def test_blur_leaves_birds_where_they_are():
    image = np.zeros((61, 61, 3), np.uint8)
    image[27:35, 27:35] = 255
    config = AugmentationConfig.off().model_copy(update={"blur": 1.0})
    y, x = np.mgrid[:61, :61]
    for seed in range(100):
        blurred = (
            vary_pixels(rng(seed), Sample(image, np.zeros((0, 4)), np.zeros(0)), config).image[..., 0].astype(float)
        )
        centre = [(blurred * axis).sum() / blurred.sum() for axis in (x, y)]
        assert np.abs(np.array(centre) - 30.5).max() < 0.1


LARGE_WH, LARGE_RULE = (4000, 3000), SizeRule(800, 1333)  # in the network at a quarter of its size


def widths_in_crops(box, scale=(0.5, 2.0), crop_size=512, size_wh=LARGE_WH):
    """Widths of a bird in the network, when crops are laid around it."""
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    sample = Sample(image, np.array([box], np.float32), np.array([0]))
    config = AugmentationConfig(crop_size=crop_size, scale=scale, crop_object=1.0)
    crops = [random_crop(rng(seed), sample, LARGE_RULE, config) for seed in range(60)]
    assert all(len(crop.labels) == 1 for crop in crops)
    return np.array([crop.boxes_xyxy[0, 2] - crop.boxes_xyxy[0, 0] for crop in crops])


def test_crops_show_a_small_bird_as_a_tile_shows_it():
    """At native resolution, varied by the jitter alone: 40 pixels, not the 11 that the whole picture leaves of them."""
    assert widths_in_crops([2000, 1500, 2040, 1540], scale=(1.0, 1.0)) == pytest.approx(40)
    varied = widths_in_crops([2000, 1500, 2040, 1540])
    assert 20 <= varied.min() < 25
    assert 65 < varied.max() <= 80


@pytest.mark.parametrize(("side", "seen"), [(500, 500), (600, 512), (1600, 512), (2400, 512), (2999, 512)])
def test_crops_show_a_bird_larger_than_themselves_whole_down_to_the_network_size(side, seen):
    widths = widths_in_crops([0, 0, side, side], scale=(1.0, 1.0))
    least = LARGE_RULE.scale(LARGE_WH) * side  # what the whole picture shows of it, when that is still too large
    assert widths == pytest.approx(np.full(60, min(512, max(seen, least))), abs=1)


def test_crops_of_a_picture_smaller_than_the_network_size_are_as_large_as_the_network_sees_it():
    assert widths_in_crops([10, 10, 30, 30], scale=(1.0, 1.0), crop_size=192, size_wh=(400, 300)) == pytest.approx(
        20 * LARGE_RULE.scale((400, 300)), abs=0.1
    )
