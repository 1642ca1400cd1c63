"""Boxes of several looks at one picture made one: weighted boxes fusion, and soft non-maximum suppression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detector.boxes import box_areas, paired_iou
from detector.types import Detections

SAME_BIRD_IOU = 0.55  # from which fusion takes boxes for one bird: the paper's
SIGMA = 0.5  # of gaussian soft-NMS: the paper's
LEAST_SCORE = 0.001  # to which soft-NMS may bring a box before it is dropped: the paper's

Decay = Literal["gaussian", "linear"]


def fuse_boxes(looks: Sequence[Detections], iou: float = SAME_BIRD_IOU) -> Detections:
    """Weighted boxes fusion (Solovyev et al. 2021, https://arxiv.org/abs/1910.13302).

    From the best box on, each joins the group of its category whose mean it overlaps most, if by more than `iou`, or
    begins a group. A group's box is the mean of its boxes, weighted by their scores. Its score is their mean score,
    times the share of looks that found it: what one look of four sees at 0.8 has 0.2.

    Args:
        looks: What was found each time, all in pixels of the same picture and with the same categories; one at least.
        iou: Above which a box and a group are one bird.

    Returns:
        One detection a group, the best first; boxes without area and scores of 0 are left out.
    """
    pooled = _pooled(looks)
    fused = [_fused_category(pooled[pooled.labels == label], len(looks), iou) for label in np.unique(pooled.labels)]
    return _best_first(_pooled(fused) if fused else pooled)


def soft_nms(
    found: Detections,
    decay: Decay = "gaussian",
    *,
    sigma: float = SIGMA,
    iou: float = 0.5,
    least_score: float = LEAST_SCORE,
) -> Detections:
    """Soft non-maximum suppression by category (Bodla et al. 2017, https://arxiv.org/abs/1704.04503).

    What overlaps a better box is not dropped: its score decays, so that the second of two birds close together stays.

    Args:
        found: Detections before suppression, or of several looks together.
        decay: `gaussian` multiplies scores by exp(-IoU^2 / sigma); `linear` by 1 - IoU where the IoU is above `iou`.
        sigma: Of the gaussian.
        iou: Of the linear decay.
        least_score: Detections that end at or below it are left out.

    Returns:
        The detections with their new scores, the best first.
    """
    scores = found.scores.astype(np.float64)
    boxes = found.boxes_xyxy.astype(np.float64)
    waiting = scores > least_score
    while waiting.any():
        best = int(np.argmax(np.where(waiting, scores, -np.inf)))
        waiting[best] = False
        others = np.flatnonzero(waiting & (found.labels == found.labels[best]))
        overlaps = paired_iou(boxes[others], boxes[best])
        if decay == "gaussian":
            scores[others] *= np.exp(-(overlaps**2) / sigma)
        else:
            scores[others] *= np.where(overlaps > iou, 1 - overlaps, 1)
        waiting &= scores > least_score
    return _best_first(replace(found, scores=scores.astype(np.float32))[scores > least_score])


def _fused_category(found: Detections, looks: int, iou: float) -> Detections:
    """The groups of boxes of one category, in the order in which they were begun."""
    count = len(found)
    scores, boxes = found.scores.astype(np.float64), found.boxes_xyxy.astype(np.float64)
    sums, means = np.zeros((count, 4)), np.zeros((count, 4))  # boxes times scores, and boxes, a group
    weights, members = np.zeros(count), np.zeros(count)
    groups = 0
    for index in np.argsort(-scores, kind="stable"):
        overlaps = paired_iou(means[:groups], boxes[index])
        group = int(np.argmax(overlaps)) if groups else 0
        if not groups or overlaps[group] <= iou:
            group, groups = groups, groups + 1
        sums[group] += scores[index] * boxes[index]
        weights[group] += scores[index]
        members[group] += 1
        means[group] = sums[group] / weights[group]
    weights, members = weights[:groups], members[:groups]
    fused_scores = (weights / members * np.minimum(members, looks) / looks).astype(np.float32)
    labels = np.full(groups, found.labels[0])
    return Detections(means[:groups].astype(np.float32), fused_scores, labels, found.category_names)


def _pooled(looks: Sequence[Detections]) -> Detections:
    """All detections with an area and a score, look after look."""
    pooled = Detections(
        np.concatenate([each.boxes_xyxy for each in looks]),
        np.concatenate([each.scores for each in looks]),
        np.concatenate([each.labels for each in looks]),
        looks[0].category_names,
    )
    return pooled[(box_areas(pooled.boxes_xyxy) > 0) & (pooled.scores > 0)]


def _best_first(found: Detections) -> Detections:
    order: NDArray[np.intp] = np.argsort(-found.scores, kind="stable")
    return found[order]
