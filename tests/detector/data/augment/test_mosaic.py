"""Mosaic and copy-paste: boxes stay on their birds, and nobody is hidden."""

import numpy as np
import pytest

from detector.boxes import box_areas
from detector.data.augment.copy_paste import MOST_HIDDEN, copy_paste, soft_edge
from detector.data.augment.mosaic import FILL, choose_partners, mosaic
from detector.data.config import AugmentationConfig
from detector.data.resizing import SizeRule
from detector.data.sample import IGNORED, Sample

RULE = SizeRule(min_size=120, max_size=200)
CONFIG = AugmentationConfig()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def one_bird(label: int, width: int = 180, height: int = 120) -> Sample:
    """A bird of brightness 150 + 20 * label on a background of 20 + 20 * label, in colour."""
    image = np.full((height, width, 3), (20 + 20 * label, 10, 60), np.uint8)
    image[50:80, 60:100] = (150 + 20 * label, 40, 90)
    return Sample(image, np.array([[60, 50, 100, 80]], np.float32), np.array([label]))


def without_birds() -> Sample:
    return Sample(np.full((120, 180, 3), 77, np.uint8), np.zeros((0, 4)), np.zeros(0))


def test_mosaic_of_images_without_birds_has_no_boxes():
    made = mosaic(rng(), [without_birds()] * 4, RULE, CONFIG)
    assert made.boxes_xyxy.shape == (0, 4)
    assert set(np.unique(made.image)) <= {77, FILL}


def test_mosaic_has_the_first_images_size_and_boxes_on_their_birds():
    shown = set()
    for seed in range(40):
        made = mosaic(rng(seed), [one_bird(label) for label in range(4)], RULE, CONFIG)
        assert made.size_wh == RULE.size((180, 120))
        for (x1, y1, x2, y2), label in zip(made.boxes_xyxy, made.labels, strict=True):
            assert 0 <= x1 < x2 <= made.size_wh[0]
            assert 0 <= y1 < y2 <= made.size_wh[1]
            if label == IGNORED:
                continue
            assert abs(int(made.image[int((y1 + y2) / 2), int((x1 + x2) / 2), 0]) - (150 + 20 * label)) <= 2
        shown.update(made.labels[made.taught].tolist())
    assert shown == {0, 1, 2, 3}


def test_mosaic_of_crops_has_crop_size():
    made = mosaic(rng(), [one_bird(label) for label in range(4)], RULE, CONFIG.model_copy(update={"crop_size": 64}))
    assert made.size_wh == (64, 64)


@pytest.mark.parametrize("size", [(200, 1), (1, 200), (1, 1)])
def test_mosaic_of_a_picture_one_pixel_high_is_one_pixel_high(size):
    line = one_bird(0, *size)
    for seed in range(20):
        assert mosaic(rng(seed), [line] * 4, SizeRule(96, 160), AugmentationConfig(scale=(0.05, 20.0))).size_wh == (
            SizeRule(96, 160).size(size)
        )


def test_partners_follow_from_the_generator():
    assert choose_partners(rng(5), 1000) == choose_partners(rng(5), 1000)
    assert choose_partners(rng(5), 1000) != choose_partners(rng(6), 1000)
    assert choose_partners(rng(5), 1) == [0, 0, 0]


def test_donor_without_birds_gives_nothing():
    sample = one_bird(0)
    same = copy_paste(rng(), sample, without_birds(), 3)
    np.testing.assert_array_equal(same.image, sample.image)


def test_pasted_birds_are_where_their_boxes_are():
    background = Sample(np.full((300, 400, 3), (120, 10, 60), np.uint8), np.zeros((0, 4)), np.zeros(0))
    donor = one_bird(2)  # its background is 60, so the light adds 60 in red
    pasted = 0
    for seed in range(20):
        made = copy_paste(rng(seed), background, donor, 1)
        for (x1, y1, x2, y2), label in zip(made.boxes_xyxy, made.labels, strict=True):
            pasted += 1
            assert label == 2
            assert 0 <= x1 < x2 <= 400
            assert 0 <= y1 < y2 <= 300
            changed = np.abs(made.image.astype(int) - background.image).max(axis=2) > 30
            ys, xs = np.nonzero(changed)
            assert np.abs(np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) - (x1, y1, x2, y2)).max() < 5
    assert pasted == 20


def test_pasted_birds_hide_no_other():
    crowded = Sample(
        np.full((120, 180, 3), (60, 10, 60), np.uint8),
        np.array([[x, y, x + 30, y + 30] for x in (5, 65, 125) for y in (5, 70)], np.float32),
        np.arange(6),
    )
    for seed in range(30):
        made = copy_paste(rng(seed), crowded, one_bird(1), 1)
        for box in made.boxes_xyxy[6:]:
            low, high = np.maximum(box[:2], crowded.boxes_xyxy[:, :2]), np.minimum(box[2:], crowded.boxes_xyxy[:, 2:])
            covered = (high - low).clip(0).prod(axis=1) / box_areas(crowded.boxes_xyxy)
            assert covered.max() <= MOST_HIDDEN


def test_colour_and_grey_do_not_mix():
    grey = Sample(np.full((300, 400, 3), 90, np.uint8), np.zeros((0, 4)), np.zeros(0))
    assert copy_paste(rng(), grey, one_bird(0), 3) is grey


@pytest.mark.parametrize("box", [(2, 2, 12, 10), (0, 0, 12, 10)])
def test_edge_is_solid_within_the_box_and_gone_in_the_corners(box):
    alpha = soft_edge(14, 12, np.array(box, np.float32))
    assert alpha[6, 7] == 1
    assert alpha[0, 13] == 0
    assert alpha.min() >= 0


def test_bird_larger_than_the_image_is_not_pasted():
    tiny = Sample(np.full((20, 200, 3), (60, 10, 60), np.uint8), np.zeros((0, 4)), np.zeros(0))
    assert len(copy_paste(rng(), tiny, one_bird(0), 1).labels) == 0


def squares(corners: list[tuple[int, int]], side: int, colour: tuple[int, int, int]) -> Sample:
    """Squares of a colour on green, 200 x 200."""
    image = np.full((200, 200, 3), (90, 120, 60), np.uint8)
    for x, y in corners:
        image[y : y + side, x : x + side] = colour
    boxes = np.array([(x, y, x + side, y + side) for x, y in corners], np.float32)
    return Sample(image, boxes, np.zeros(len(corners), np.int64))


def test_pasted_birds_together_hide_no_more_than_the_limit_of_a_box():
    receiver = squares([(40, 40)], 120, (200, 30, 30))
    donor = squares([(20, 20), (120, 20), (20, 120), (120, 120)], 55, (30, 30, 200))
    most, pasted = 0.0, 0
    for seed in range(200):
        made = copy_paste(rng(seed), receiver, donor, 4)
        pasted = max(pasted, len(made.labels) - 1)
        for earlier in range(len(made.labels)):  # painted, so that what overlaps twice counts once
            hidden = np.zeros((200, 200), bool)
            for x1, y1, x2, y2 in made.boxes_xyxy[earlier + 1 :]:
                hidden[max(0, round(y1)) : round(y2), max(0, round(x1)) : round(x2)] = True
            x1, y1, x2, y2 = made.boxes_xyxy[earlier].round().astype(int)
            most = max(most, hidden[y1:y2, x1:x2].mean())
    assert pasted >= 2
    assert most <= MOST_HIDDEN + 0.03  # whole pixels


def test_no_bird_is_pasted_whose_patch_shows_another():
    receiver = squares([], 0, (0, 0, 0))
    near, alone = [(20, 20), (62, 20)], [(20, 140)]
    donor = squares([*near, *alone], 40, (30, 30, 200))
    made = [copy_paste(rng(seed), receiver, donor, 3) for seed in range(60)]
    assert {len(each.labels) for each in made} <= {0, 1}
    assert any(len(each.labels) for each in made)
    ignored = Sample(donor.image, donor.boxes_xyxy, np.array([0, IGNORED, IGNORED]))
    assert all(not len(copy_paste(rng(seed), receiver, ignored, 3).labels) for seed in range(20))


@pytest.mark.parametrize("size_wh", [(200, 1), (1, 200), (1, 1)])
def test_pictures_one_pixel_high_or_wide_are_put_together(size_wh):
    image = np.full((size_wh[1], size_wh[0], 3), 50, np.uint8)
    sample = Sample(image, np.array([[0, 0, *size_wh]], np.float32), np.array([0]))
    for seed in range(20):
        made = mosaic(np.random.default_rng(seed), [sample] * 4, SizeRule(96, 160), AugmentationConfig())
        assert made.size_wh == SizeRule(96, 160).size(size_wh)
