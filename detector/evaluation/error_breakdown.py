"""Why AP is not 1: the error types of TIDE, and what AP50 would gain if each were mended.

Bolya et al. 2020, "TIDE: A General Toolbox for Identifying Object Detection Errors", https://arxiv.org/abs/2008.08115.
Where the paper leaves a choice, such as the order in which an error's types are tried, this follows the authors' own
tool. Detections in crowd regions are neither right nor wrong here, as in AP.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from detector.evaluation.coco import RECALL_STEPS
from detector.evaluation.inputs import EvaluationInputs, Floats, Integers, Mask, rows_by_group
from detector.evaluation.matching import iou_xywh, match_ranked

FOREGROUND_IOU = 0.5  # TIDE's t_f: overlap of a detection that is right
BACKGROUND_IOU = 0.1  # TIDE's t_b: overlap below which a detection has nothing to do with a box

ERROR_TYPES = ("classification", "localisation", "both", "duplicate", "background", "missed")
CORRECT, IGNORED = "correct", "ignored"


@dataclass(frozen=True, eq=False)
class ErrorBreakdown:
    """The errors of a detector by type.

    Args:
        ap50: AP at IoU 0.5, 0..1; None without a box to find.
        counts: Error type -> number of errors; "missed" counts boxes that no other error's mending would find.
        gains: Error type -> rise of AP50 if the errors of this type alone were mended.
        false_positive_gain: Rise of AP50 if no detection were wrong.
        false_negative_gain: Rise of AP50 if nothing were missed.
        prediction_types: For each detection its error type, "correct" or "ignored".
    """

    ap50: float | None
    counts: dict[str, int]
    gains: dict[str, float]
    false_positive_gain: float
    false_negative_gain: float
    prediction_types: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Ledger:
    """What AP is computed from: detections (score, right or wrong, category), and boxes to find in each category.

    Categories that were not annotated at all (`evaluated` is False) have no AP.
    """

    scores: Floats
    right: Mask
    categories: Integers
    positives: Integers
    evaluated: Mask

    def ap(self) -> float:
        """AP (0..1), the mean over the categories with boxes to find, or wrong detections left."""
        rows = rows_by_group(self.categories, self.scores)
        nothing = np.zeros(0, dtype=np.int64)
        values = [
            _average_precision(self.right[rows.get(k, nothing)], int(self.positives[k]))
            for k in np.flatnonzero(self.evaluated).tolist()
            if self.positives[k] or k in rows
        ]
        return sum(values) / len(values) if values else 0.0

    def keep(self, rows: Mask) -> _Ledger:
        return replace(self, scores=self.scores[rows], right=self.right[rows], categories=self.categories[rows])


def error_breakdown(
    inputs: EvaluationInputs,
    foreground_iou: float = FOREGROUND_IOU,
    background_iou: float = BACKGROUND_IOU,
    max_detections: int = 100,
) -> ErrorBreakdown:
    """Give every wrong detection and every missed box its type, and AP50 its gain from mending each type.

    Args:
        inputs: The data set.
        foreground_iou: Overlap from which a detection is right.
        background_iou: Overlap up to which a detection is background.
        max_detections: The surest detections kept for an image (TIDE's limit; COCO's is for an image and category).
    """
    truth, predictions = inputs.truth, inputs.predictions
    types = np.full(len(predictions), IGNORED, dtype=object)
    target = np.full(len(predictions), -1, dtype=np.int64)  # the box a detection found, or would find when mended
    for rows, candidates in _images(inputs, max_detections):
        types[rows], target[rows] = _image_types(inputs, rows, candidates, foreground_iou, background_iou)

    found = np.zeros(len(truth), dtype=bool)
    found[target[types == CORRECT]] = True
    mending = _mending(types, target, found, predictions.scores)
    mendable = np.zeros(len(truth), dtype=bool)
    mendable[target[mending]] = True
    missed = ~found & ~mendable & ~truth.crowd

    counted = types != IGNORED
    positives = np.bincount(truth.categories[~truth.crowd], minlength=len(inputs.category_ids))
    ledger = _Ledger(predictions.scores, types == CORRECT, predictions.categories, positives, positives > 0)
    ap50 = ledger.keep(counted).ap()

    def gain(mended: _Ledger) -> float:
        return max(mended.ap() - ap50, 0.0)  # below 0 only by the 101 recall steps

    gains = {}
    for name in ERROR_TYPES[:-1]:
        of_type = types == name
        mended = mending & of_type  # these become right, all others of the type disappear
        categories = predictions.categories.copy()
        categories[mended] = truth.categories[target[mended]]
        fixed = replace(ledger, right=ledger.right | mended, categories=categories)
        gains[name] = gain(fixed.keep(counted & (~of_type | mended)))
    missed_positives = np.bincount(truth.categories[missed], minlength=len(positives))
    gains["missed"] = gain(replace(ledger, positives=positives - missed_positives).keep(counted))
    unfound = np.bincount(truth.categories[~found & ~truth.crowd], minlength=len(positives))
    return ErrorBreakdown(
        ap50 if positives.any() else None,
        {name: int((types == name).sum()) for name in ERROR_TYPES[:-1]} | {"missed": int(missed.sum())},
        gains,
        gain(ledger.keep(ledger.right)),
        gain(replace(ledger, positives=positives - unfound).keep(counted)),
        tuple(types.tolist()),
    )


def _images(inputs: EvaluationInputs, max_detections: int) -> Iterator[tuple[Integers, Integers]]:
    """Rows of the detections, surest first, and of the boxes of every image with detections."""
    truth_rows = rows_by_group(inputs.truth.images)
    nothing = np.zeros(0, dtype=np.int64)
    for image, rows in rows_by_group(inputs.predictions.images, inputs.predictions.scores).items():
        yield rows[:max_detections], truth_rows.get(image, nothing)


def _image_types(
    inputs: EvaluationInputs, rows: Integers, candidates: Integers, foreground_iou: float, background_iou: float
) -> tuple[list[str], Integers]:
    """Type, and box found or missed by it (-1: none), of the detections of one image."""
    truth, predictions = inputs.truth, inputs.predictions
    crowd = truth.crowd[candidates]
    overlaps = iou_xywh(predictions.boxes_xywh[rows], truth.boxes_xywh[candidates], crowd)
    same_category = predictions.categories[rows][:, None] == truth.categories[candidates][None]
    in_crowd = ((overlaps >= foreground_iou) & same_category)[:, crowd].any(axis=1)

    birds = candidates[~crowd]
    overlaps, same_category = overlaps[:, ~crowd], same_category[:, ~crowd]
    same, other = overlaps * same_category, overlaps * ~same_category
    pairs = match_ranked(same, foreground_iou)
    types: list[str] = []
    targets = np.full(len(rows), -1, dtype=np.int64)
    for i, pair in enumerate(pairs.tolist()):
        best_same, best_other = same[i].max(initial=0.0), other[i].max(initial=0.0)
        if pair >= 0:
            types.append(CORRECT)
            targets[i] = birds[pair]
        elif in_crowd[i]:
            types.append(IGNORED)
        elif background_iou <= best_same < foreground_iou:
            types.append("localisation")
            targets[i] = birds[same[i].argmax()]
        elif best_other >= foreground_iou:
            types.append("classification")
            targets[i] = birds[other[i].argmax()]
        elif best_same >= foreground_iou:
            types.append("duplicate")
        elif best_other <= background_iou:
            types.append("background")
        else:
            types.append("both")
    return types, targets


def _mending(types: np.ndarray, target: Integers, found: Mask, scores: Floats) -> Mask:
    """The detections that mending makes right: for each box not found, the surest that is a little or a name off."""
    mendable = np.isin(types, ("classification", "localisation"))
    mendable[mendable] = ~found[target[mendable]]
    mending = np.zeros(len(types), dtype=bool)
    rows = np.flatnonzero(mendable)
    for group in rows_by_group(target[rows], scores[rows]).values():
        mending[rows[group[0]]] = True
    return mending


def _average_precision(right: Mask, positives: int) -> float:
    """AP of detections by falling score, at COCO's 101 recall steps; 0 where nothing is left to find."""
    if not positives:
        return 0.0
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.searchsorted(hits / positives, RECALL_STEPS)
    return float(precision[steps[steps < len(right)]].sum() / len(RECALL_STEPS))
