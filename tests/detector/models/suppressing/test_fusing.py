"""Fusion and soft suppression are the papers': compared with both written out plainly, box by box."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.models.suppressing.fusing import fuse_boxes, soft_nms
from detector.types import Detections


def iou(one, other):
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(wide, 0) * max(high, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def fused_plainly(looks, threshold):
    """Section 3 of Solovyev et al.: rows (label, box, score), the best first."""
    everything = [
        (float(score), box.astype(float).tolist(), int(label))
        for look in looks
        for box, score, label in zip(look.boxes_xyxy, look.scores, look.labels, strict=True)
    ]
    everything.sort(key=lambda each: -each[0])
    clusters: list[list[tuple]] = []
    fused: list[list[float]] = []
    for each in everything:
        overlaps = [
            iou(mean, each[1]) if members[0][2] == each[2] else -1
            for mean, members in zip(fused, clusters, strict=True)
        ]
        best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
        if best is None or overlaps[best] <= threshold:
            clusters.append([each])
            fused.append(each[1])
        else:
            clusters[best].append(each)
            total = sum(score for score, _, _ in clusters[best])
            fused[best] = [sum(score * box[side] for score, box, _ in clusters[best]) / total for side in range(4)]
    rows = []
    for mean, members in zip(fused, clusters, strict=True):
        confidence = sum(score for score, _, _ in members) / len(members)
        rows.append((members[0][2], mean, confidence * min(len(members), len(looks)) / len(looks)))
    return sorted(rows, key=lambda row: -row[2])


def softened_plainly(found, decay, threshold, sigma, least):
    """The pseudo code of Bodla et al., category by category: rows (label, box, score), the best first."""
    rows = []
    for label in set(found.labels.tolist()):
        left = [
            [float(score), box.astype(float).tolist()]
            for box, score, own in zip(found.boxes_xyxy, found.scores, found.labels, strict=True)
            if own == label
        ]
        while left:
            best = max(left, key=lambda each: each[0])
            left.remove(best)
            rows.append((label, best[1], best[0]))
            for each in left:
                overlap = iou(best[1], each[1])
                if decay == "gaussian":
                    each[0] *= math.exp(-overlap * overlap / sigma)
                elif overlap > threshold:
                    each[0] *= 1 - overlap
    return sorted((row for row in rows if row[2] > least), key=lambda row: -row[2])


@st.composite
def looks_at_a_picture(draw, most=4):
    """Several looks at a few birds: boxes shaken, left out, and false ones beside them; no two scores are equal."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    birds = rng.uniform(0, 200, (draw(st.integers(0, 4)), 2))
    looks = []
    for _ in range(draw(st.integers(1, most))):
        seen = birds[rng.random(len(birds)) < 0.8]
        corners = np.concatenate([seen + rng.normal(0, 5, seen.shape), rng.uniform(0, 200, (rng.integers(3), 2))])
        boxes = np.concatenate([corners, corners + rng.uniform(30, 60, corners.shape)], axis=1)
        looks.append(Detections(boxes, rng.uniform(0.05, 1, len(boxes)), rng.integers(0, 2, len(boxes)), ("a", "b")))
    return looks


def assert_equal(found, rows):
    assert len(found) == len(rows)
    np.testing.assert_allclose(found.scores, [score for _, _, score in rows], rtol=1e-5)
    np.testing.assert_allclose(found.boxes_xyxy, np.array([box for _, box, _ in rows]).reshape(-1, 4), rtol=1e-5)
    assert found.labels.tolist() == [label for label, _, _ in rows]


def test_nothing_stays_nothing() -> None:
    nothing = Detections.empty(("bird",))
    assert len(fuse_boxes([nothing])) == len(fuse_boxes([nothing, nothing])) == len(soft_nms(nothing)) == 0
    assert fuse_boxes([nothing, nothing]).category_names == ("bird",)


@settings(deadline=None)
@given(looks_at_a_picture(), st.sampled_from([0.4, 0.55, 0.7]))
def test_fusion_is_the_papers(looks, threshold) -> None:
    assert_equal(fuse_boxes(looks, threshold), fused_plainly(looks, threshold))


@settings(deadline=None)
@given(looks_at_a_picture(), st.sampled_from(["gaussian", "linear"]), st.sampled_from([0.3, 0.5]))
def test_soft_suppression_is_the_papers(looks, decay, threshold) -> None:
    pooled = fuse_boxes(looks, 0.99)  # boxes that overlap, in one list
    found = soft_nms(pooled, decay, iou=threshold, sigma=threshold, least_score=0.02)
    assert_equal(found, softened_plainly(pooled, decay, threshold, threshold, 0.02))


def test_a_box_seen_by_every_look_keeps_its_score_and_place() -> None:
    look = Detections([[10, 20, 60, 80], [100, 20, 140, 90]], [0.9, 0.4], [0, 0])
    fused = fuse_boxes([look] * 4)
    np.testing.assert_allclose(fused.boxes_xyxy, look.boxes_xyxy)
    np.testing.assert_allclose(fused.scores, look.scores)


def test_what_one_look_of_four_sees_has_a_quarter_of_its_score() -> None:
    one, none = Detections([[10, 20, 60, 80]], [0.8], [0]), Detections.empty()
    assert fuse_boxes([none, one, none, none]).scores.tolist() == pytest.approx([0.2])


def test_boxes_of_two_categories_are_not_fused() -> None:
    looks = [Detections([[0, 0, 10, 10]], [0.8], [label], ("heron", "crane")) for label in (0, 1)]
    assert sorted(fuse_boxes(looks).names) == ["crane", "heron"]


def test_boxes_without_area_or_score_are_left_out() -> None:
    look = Detections([[0, 0, 0, 10], [0, 0, 10, 10]], [0.9, 0.0], [0, 0])
    assert len(fuse_boxes([look, look])) == 0


def test_two_birds_close_together_stay_under_soft_suppression() -> None:
    pair = Detections([[0, 0, 100, 100], [30, 0, 130, 100]], [0.9, 0.8], [0, 0])  # IoU 0.54: NMS at 0.5 drops one
    assert soft_nms(pair, "linear").scores.tolist() == pytest.approx([0.9, 0.8 * (1 - 7 / 13)])
    assert soft_nms(pair).scores.tolist() == pytest.approx([0.9, 0.8 * math.exp(-2 * (7 / 13) ** 2)])
