"""Tiles cover the picture, and their boxes are merged without seams."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from detector.boxes import box_iou
from detector.data.resizing import SizeRule
from detector.models.tiling import merge_views, tiled_views, whole_view
from detector.types import Detections

RULE = SizeRule(96, 128)
PICTURE = (500, 400)


def seen(views, birds):
    """What a perfect detector finds: the part of each bird that a view shows, if it is at least 3 pixels wide."""
    found = []
    for view in views:
        x1, y1, x2, y2 = view.window
        parts = np.clip(np.array(birds, np.float32).reshape(-1, 4), [x1, y1, x1, y1], [x2, y2, x2, y2])
        parts = parts[((parts[:, 2:] - parts[:, :2]) >= 3).all(axis=1)] - np.array([x1, y1, x1, y1], np.float32)
        found.append(Detections(parts, np.linspace(0.9, 0.5, len(parts)), np.zeros(len(parts), np.int64)))
    return found


def test_an_empty_picture_stays_empty():
    views = tiled_views(PICTURE, RULE)
    assert len(merge_views(views, [Detections.empty()] * len(views), PICTURE)) == 0


def test_a_small_picture_has_no_tiles():
    assert tiled_views((120, 90), RULE) == [whole_view((120, 90), RULE)]


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_tiles_cover_the_picture_at_native_resolution(width, height):
    views = tiled_views((width, height), RULE)
    assert views[0] == whole_view((width, height), RULE)
    for view in views[1:]:
        x1, y1, x2, y2 = view.window
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height
        assert (np.array(view.size_wh) >= (x2 - x1, y2 - y1)).all()
    if len(views) > 1:
        for axis, length in ((0, width), (1, height)):
            starts = sorted({(view.window[axis], view.window[axis + 2]) for view in views[1:]})
            assert (starts[0][0], starts[-1][1]) == (0, length)
            tile = starts[0][1]
            assert all(b[0] <= a[1] - 0.2 * tile + 1 for a, b in itertools.pairwise(starts))


sides = st.integers(4, 18)  # no larger than the overlap: whole in one of the tiles


@given(st.lists(st.tuples(st.integers(0, 480), st.integers(0, 380), sides, sides), max_size=8))
def test_small_birds_come_out_as_they_are(places):
    birds = np.array([(x, y, x + w, y + h) for x, y, w, h in places], np.float32).reshape(-1, 4)
    near = box_iou(np.concatenate([birds[:, :2] - 20, birds[:, 2:] + 20], axis=1), birds)
    assume(not (near[~np.eye(len(birds), dtype=bool)] > 0).any())
    views = tiled_views(PICTURE, RULE)
    merged = merge_views(views, seen(views, birds), PICTURE)
    assert len(merged) == len(birds)
    if len(birds):
        assert np.allclose(box_iou(merged.boxes_xyxy, birds).max(axis=0), 1, atol=1e-4)
    assert (np.diff(merged.scores) <= 0).all()


@pytest.mark.parametrize("bird", [(40, 40, 300, 90), (100, 20, 140, 390), (90, 60, 330, 300)])
def test_a_large_bird_that_only_tiles_find_is_joined(bird):
    views = tiled_views(PICTURE, RULE)
    found = [Detections.empty(), *seen(views, [bird])[1:]]
    boxes = merge_views(views, found, PICTURE).boxes_xyxy
    assert box_iou(boxes, np.array([bird], np.float32)).max() > 0.99


def test_a_whole_box_is_preferred_to_a_cut_one_with_a_higher_score():
    views = tiled_views(PICTURE, RULE)
    found = [Detections.empty()] * len(views)
    edge = views[1].window[2]
    found[0] = Detections([[edge - 10, 10, edge + 10, 30]], [0.3], [0])
    found[1] = Detections([[edge - 10, 10, edge, 30]], [0.9], [0])
    merged = merge_views(views, found, PICTURE)
    assert merged.boxes_xyxy.tolist() == [[edge - 10, 10, edge + 10, 30]]


def test_boxes_of_one_view_and_boxes_of_two_labels_do_not_drop_each_other():
    views = tiled_views(PICTURE, RULE)
    found = [Detections.empty()] * len(views)
    found[0] = Detections([[10, 10, 60, 60], [20, 20, 30, 30]], [0.9, 0.8], [0, 0])
    found[1] = Detections([[20, 20, 30, 30]], [0.7], [1])
    assert len(merge_views(views, found, PICTURE)) == 3
