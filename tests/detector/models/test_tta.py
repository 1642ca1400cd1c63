"""Every view of a picture gives boxes in the pixels of the picture, and together they are as one look at it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from backbones.errors import MediaError
from detector.boxes import box_iou
from detector.data.resizing import SizeRule
from detector.models.coco import GROUPS, JoinedClasses
from detector.models.config import ModelConfig
from detector.models.detector import Detector, DetectorMeta
from detector.models.prediction import detect, detect_views, image_tensor
from detector.models.tiling import whole_view
from detector.models.transform import IMAGENET_MEAN, IMAGENET_STD, NormalizeAndPad
from detector.models.tta import LONGEST, augmented_views, detect_augmented, fuse_views, unmirrored
from detector.types import Detections

RULE = SizeRule(96, 128)


class Painted(nn.Module):
    """A detector that finds what is painted: the box of all pixels that are brighter than half."""

    def __init__(self, nms_iou: float | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.transform = NormalizeAndPad(IMAGENET_MEAN, IMAGENET_STD, 0, nms_iou)
        self.detections_per_img = 100

    def forward(self, images):
        return [self._found(image) for image in images]

    def _found(self, image):
        rows, columns = torch.nonzero(image[0] > 127, as_tuple=True)
        count = min(len(rows), 1)
        corners = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if count else []
        boxes = torch.tensor(corners, dtype=torch.float32).reshape(-1, 4)
        return {"boxes": boxes, "scores": torch.full((count,), 0.8), "labels": torch.zeros(count, dtype=torch.int64)}


def painted(nms_iou: float | None = None) -> Detector:
    config = ModelConfig(categories=("bird", "cat"), min_size=96, max_size=128)
    return Detector(Painted(nms_iou), DetectorMeta(config))


def picture(size_wh, box):
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = 255
    return image


@st.composite
def pictures_with_a_box(draw):
    width, height = draw(st.integers(60, 300)), draw(st.integers(60, 300))
    left, top = draw(st.integers(0, width - 30)), draw(st.integers(0, height - 30))
    right, bottom = draw(st.integers(left + 30, width)), draw(st.integers(top + 30, height))
    return (width, height), (left, top, right, bottom)


def test_no_images_give_no_detections_and_a_blank_one_none() -> None:
    assert detect_augmented(painted(), []) == []
    [nothing] = detect_augmented(painted(), [picture((100, 80), (0, 0, 0, 0))])
    assert len(nothing) == 0


@settings(deadline=None)
@given(pictures_with_a_box())
def test_a_painted_box_is_the_same_in_each_view(drawn) -> None:
    size_wh, box = drawn
    model, image = painted(), picture(size_wh, box)
    views = augmented_views(size_wh, RULE)
    found = detect_views(model, views, [image_tensor(view.seen(image, model.size_rule)) for view in views], 4)
    placed = [unmirrored(each, view).boxes_xyxy for each, view in zip(found, views, strict=True)]
    for plain, mirrored in zip(placed[::2], placed[1::2], strict=True):
        np.testing.assert_allclose(plain, mirrored, atol=1e-3)
    for view, boxes in zip(views, placed, strict=True):
        pixel = max(size_wh[0] / view.size_wh[0], size_wh[1] / view.size_wh[1])  # the network sees no finer
        np.testing.assert_allclose(boxes, [box], atol=pixel)
    [fused] = detect_augmented(model, [image])
    assert fused.scores.tolist() == pytest.approx([0.8])
    assert box_iou(fused.boxes_xyxy, np.array([box], np.float32)).item() > 0.85


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([RULE, SizeRule(800, 1333), SizeRule(1600, 1900)]))
def test_views_begin_as_in_training_are_distinct_and_come_in_pairs(width, height, rule) -> None:
    views = augmented_views((width, height), rule)
    assert views[0] == whole_view((width, height), rule)
    assert len(set(views)) == len(views)
    assert [view.mirrored for view in views] == [False, True] * (len(views) // 2)
    assert all(view.window == (0, 0, width, height) for view in views)
    for view in views[2:]:
        assert min(view.size_wh) >= 32
        assert max(view.size_wh) <= LONGEST


def test_a_real_network_gives_the_same_each_time_and_whatever_the_batch(make_detector, pictures) -> None:
    model = Detector.of(make_detector())
    everything = detect_augmented(model, pictures, batch_size=8)
    assert all(len(each) > 0 for each in everything)
    for image, found in zip(pictures, everything, strict=True):
        [alone] = detect_augmented(model, [image], batch_size=1)
        assert len(alone) == len(found)
        np.testing.assert_allclose(found.scores, alone.scores, rtol=1e-4)
        [again] = detect_augmented(model, [image])
        np.testing.assert_array_equal(again.scores, found.scores)


def test_the_detectors_own_limit_holds(make_detector, pictures) -> None:
    model = Detector.of(make_detector(max_detections=3))
    assert {len(each) for each in detect_augmented(model, pictures)} == {3}
    assert {len(each) for each in detect(model, pictures)} == {3}


def test_a_bird_keeps_one_name_where_the_detector_gives_one() -> None:
    """Half of the views say bird, half of them cat."""
    views = augmented_views((100, 80), RULE)
    names = ("bird", "cat")
    found = [Detections([[20, 20, 80, 60]], [0.8 - 0.1 * view.mirrored], [int(view.mirrored)], names) for view in views]
    assert fuse_views(painted(nms_iou=0.5), views, found).names == ["bird"]
    assert fuse_views(painted(), views, found).names == ["bird", "cat"]


def test_a_person_in_a_car_stays_in_it_where_the_detector_tells_both() -> None:
    """As the built-in `coco` does without augmentation: only boxes of one category suppress each other."""
    model = painted()
    model.net.transform = JoinedClasses(model.meta.config, ["person", "car"], GROUPS)
    boxes, names = [[20, 20, 80, 60], [20, 20, 80, 64]], ("bird", "other animal", "person", "vehicle")
    views = augmented_views((100, 80), RULE)
    found = [unmirrored(Detections(boxes, [0.9, 0.8], [2, 3], names), view) for view in views]
    assert fuse_views(model, views, found).names == ["person", "vehicle"]


def test_the_score_threshold_is_that_of_fused_detections(make_detector, pictures) -> None:
    model = Detector.of(make_detector())
    [found] = detect_augmented(model, pictures[:1])
    threshold = float(np.median(found.scores))
    [best] = detect_augmented(model, pictures[:1], score_threshold=threshold)
    np.testing.assert_array_equal(best.scores, found.scores[found.scores >= threshold])


def test_arrays_that_are_no_picture_are_refused() -> None:
    with pytest.raises(MediaError, match="image 0"):
        detect_augmented(painted(), [np.zeros((8, 8), np.uint8)])
