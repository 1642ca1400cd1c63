"""Which detection found which bird: COCO's greedy matching at one IoU, as every figure beyond AP needs it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.evaluation.inputs import EvaluationInputs, Floats, Integers, Mask, rows_by_group


@dataclass(frozen=True, eq=False)
class Matches:
    """The outcome of matching, for each box of the inputs.

    As the surest detection chooses first, those with at least some score match each other as if there were no others:
    one matching serves all score thresholds.

    Args:
        truth_of_prediction: int64 (D,), the row of the truth box that the detection found, or -1.
        prediction_of_truth: int64 (G,), the row of the detection that found the truth box, or -1.
        ignored: bool (D,), detections that count neither for nor against: in a crowd region, or beyond the limit.
        found_score: float64 (G,), the score of the detection that found the truth box; -inf where none did.
    """

    truth_of_prediction: Integers
    prediction_of_truth: Integers
    ignored: Mask
    found_score: Floats

    @property
    def false_positives(self) -> Mask:
        """bool (D,): detections that found nothing."""
        return (self.truth_of_prediction < 0) & ~self.ignored


def match(
    inputs: EvaluationInputs, iou_threshold: float = 0.5, *, max_detections: int = 100, class_aware: bool = True
) -> Matches:
    """Match by falling score, each detection to the free truth box of most overlap, else to a crowd region.

    Args:
        inputs: The data set.
        iou_threshold: Overlap from which a box counts as found.
        max_detections: The surest detections kept for an image and category (an image, if not `class_aware`).
        class_aware: Only boxes of the same category match, as for AP.
    """
    truth, predictions = inputs.truth, inputs.predictions
    truth_of_prediction = np.full(len(predictions), -1, dtype=np.int64)
    prediction_of_truth = np.full(len(truth), -1, dtype=np.int64)
    ignored = np.zeros(len(predictions), dtype=bool)
    categories = len(inputs.category_ids)
    truth_rows = rows_by_group(truth.images * categories + truth.categories if class_aware else truth.images)
    groups = predictions.images * categories + predictions.categories if class_aware else predictions.images
    for group, ranked in rows_by_group(groups, predictions.scores).items():
        rows = ranked[:max_detections]
        ignored[ranked[max_detections:]] = True
        candidates = truth_rows.get(group)
        if candidates is None:
            continue
        crowd = truth.crowd[candidates]
        overlaps = iou_xywh(predictions.boxes_xywh[rows], truth.boxes_xywh[candidates], crowd)
        pairs = match_ranked(np.where(crowd, 0.0, overlaps), iou_threshold)
        hits = pairs >= 0
        truth_of_prediction[rows[hits]] = candidates[pairs[hits]]
        prediction_of_truth[candidates[pairs[hits]]] = rows[hits]
        ignored[rows[~hits]] = (overlaps[~hits][:, crowd] >= iou_threshold).any(axis=1)
    found_score = np.full(len(truth), -np.inf)
    found = prediction_of_truth >= 0
    found_score[found] = predictions.scores[prediction_of_truth[found]]
    return Matches(truth_of_prediction, prediction_of_truth, ignored, found_score)


def match_ranked(overlaps: Floats, iou_threshold: float) -> Integers:
    """Greedy matching of detections, surest first, to truth boxes.

    Args:
        overlaps: IoU (D, G), detections by falling score.
        iou_threshold: Least overlap of a match.

    Returns:
        int64 (D,), the column matched to each row, or -1.
    """
    pairs = np.full(len(overlaps), -1, dtype=np.int64)
    free = np.ones(overlaps.shape[1], dtype=bool)
    for row in np.flatnonzero((overlaps >= iou_threshold).any(axis=1)):
        reach = np.where(free, overlaps[row], -1.0)
        best = len(reach) - 1 - int(np.argmax(reach[::-1]))  # of equal overlaps the last, as pycocotools has it
        if reach[best] >= iou_threshold:
            pairs[row] = best
            free[best] = False
    return pairs


def iou_xywh(detected: Floats, truth: Floats, crowd: NDArray[np.bool_]) -> Floats:
    """IoU (D, G) of boxes (D, 4) and (G, 4), xywh; against a crowd region, the share of the detection inside it."""
    from faster_coco_eval.core.mask import iou

    if not len(detected) or not len(truth):
        return np.zeros((len(detected), len(truth)))
    return np.asarray(iou(detected, truth, crowd.astype(np.uint8).tolist()))
