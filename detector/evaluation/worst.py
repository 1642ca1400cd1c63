"""The mistakes to look at first: the largest birds missed and the surest false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.evaluation.inputs import EvaluationInputs
from detector.evaluation.matching import Matches


@dataclass(frozen=True)
class Miss:
    """An annotated bird that no detection of at least the threshold found.

    Args:
        image_id: COCO image id.
        annotation_id: COCO annotation id.
        category: Category name.
        box_xywh: Pixels.
        score: Of the detection that did find it below the threshold; None if none did.
    """

    image_id: int
    annotation_id: int
    category: str
    box_xywh: tuple[float, ...]
    score: float | None


@dataclass(frozen=True)
class FalseAlarm:
    """A detection where no bird of its category was annotated, or where a surer detection found it.

    Args:
        image_id: COCO image id.
        category: Category name.
        box_xywh: Pixels.
        score: Its score.
        error: Its type in the error breakdown.
    """

    image_id: int
    category: str
    box_xywh: tuple[float, ...]
    score: float
    error: str


def worst_misses(inputs: EvaluationInputs, matches: Matches, score_threshold: float, limit: int = 24) -> list[Miss]:
    """The largest birds that nobody would see at this score threshold, largest first."""
    truth = inputs.truth
    missed = np.flatnonzero(~truth.crowd & ~(matches.found_score >= score_threshold))
    rows = missed[np.argsort(-truth.areas[missed], kind="stable")[:limit]].tolist()
    return [
        Miss(
            int(inputs.image_ids[truth.images[row]]),
            int(truth.annotation_ids[row]),
            inputs.category_names[truth.categories[row]],
            tuple(truth.boxes_xywh[row].tolist()),
            float(matches.found_score[row]) if np.isfinite(matches.found_score[row]) else None,
        )
        for row in rows
    ]


def worst_false_alarms(
    inputs: EvaluationInputs, matches: Matches, error_types: Sequence[str], limit: int = 24
) -> list[FalseAlarm]:
    """The surest detections that are wrong, surest first.

    Args:
        inputs: The data set.
        matches: Its matching.
        error_types: The error type of each detection (`ErrorBreakdown.prediction_types`).
        limit: Longest list.
    """
    predictions = inputs.predictions
    alarms = np.flatnonzero(matches.false_positives)
    rows = alarms[np.argsort(-predictions.scores[alarms], kind="stable")[:limit]].tolist()
    return [
        FalseAlarm(
            int(inputs.image_ids[predictions.images[row]]),
            inputs.category_names[predictions.categories[row]],
            tuple(predictions.boxes_xywh[row].tolist()),
            float(predictions.scores[row]),
            error_types[row],
        )
        for row in rows
    ]
