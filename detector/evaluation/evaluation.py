"""The whole evaluation of one detector on one data set, as one value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from detector.evaluation.coco import (
    MAX_DETECTIONS,
    CocoMetrics,
    PrecisionRecall,
    coco_metrics,
    image_groups,
    metrics_by_group,
    precision_recall,
    summarise,
)
from detector.evaluation.confusion import ConfusionMatrix, confusion_matrix
from detector.evaluation.error_breakdown import ErrorBreakdown, error_breakdown
from detector.evaluation.inputs import EvaluationInputs
from detector.evaluation.matching import match
from detector.evaluation.thresholds import RecallBySize, ThresholdSweep, recall_by_size, sweep_thresholds
from detector.evaluation.worst import FalseAlarm, Miss, worst_false_alarms, worst_misses

CONFUSIONS_LISTED = 100  # in metrics.json; 551 x 551 counts would drown the rest


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything that is measured.

    Args:
        inputs: Ground truth and predictions.
        metrics: COCO's figures.
        class_agnostic: The same with one label for all boxes.
        groups: Attribute of the images -> its value -> COCO's figures there.
        curves: Precision and recall behind `metrics`.
        sweep: Precision, recall and F1 over the score threshold.
        sizes: Recall by the size of the bird.
        errors: TIDE's error breakdown.
        confusion: Which categories are taken for which, at the best threshold; None with one category.
        misses: The largest birds missed at the best threshold.
        false_alarms: The surest detections that are wrong.
    """

    inputs: EvaluationInputs
    metrics: CocoMetrics
    class_agnostic: CocoMetrics
    groups: dict[str, dict[str, CocoMetrics]]
    curves: PrecisionRecall
    sweep: ThresholdSweep
    sizes: RecallBySize
    errors: ErrorBreakdown
    confusion: ConfusionMatrix | None
    misses: list[Miss]
    false_alarms: list[FalseAlarm]

    def as_dict(self) -> dict[str, Any]:
        """The content of metrics.json: COCO's figures on top, the rest below; None for what is undefined."""
        listed = {
            **self.metrics.as_dict(),
            "class_agnostic": _figures(self.class_agnostic),
            "groups": {
                key: {name: _figures(part) for name, part in parts.items()} for key, parts in self.groups.items()
            },
            "best_threshold": {"score": self.sweep.best_threshold, "f1": self.sweep.best_f1},
            "by_threshold": {
                "score": self.sweep.thresholds.tolist(),
                "precision": self.sweep.precision.tolist(),
                "recall": self.sweep.recall.tolist(),
                "f1": self.sweep.f1.tolist(),
            },
            "recall_by_size": [
                {"from_px": low, "to_px": high, "boxes": boxes, "recall": recall, "recall_at_best_threshold": cut}
                for low, high, boxes, recall, cut in zip(
                    self.sizes.edges_px[:-1].tolist(),
                    self.sizes.edges_px[1:].tolist(),
                    self.sizes.counts.tolist(),
                    self.sizes.recall.tolist(),
                    self.sizes.recall_at_threshold.tolist(),
                    strict=True,
                )
            ],
            "errors": {
                "AP50": self.errors.ap50,
                "counts": self.errors.counts,
                "gains": self.errors.gains,
                "false_positive_gain": self.errors.false_positive_gain,
                "false_negative_gain": self.errors.false_negative_gain,
            },
            "confusions": None
            if self.confusion is None
            else [
                {"annotated": annotated, "predicted": predicted, "count": count}
                for annotated, predicted, count in self.confusion.confusions()[:CONFUSIONS_LISTED]
            ],
            "worst_misses": [asdict(miss) for miss in self.misses],
            "worst_false_alarms": [asdict(alarm) for alarm in self.false_alarms],
        }
        return _without_nan(listed)


def evaluate_detections(
    ground_truth: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    *,
    group_by: Sequence[str] = (),
    max_detections: int = MAX_DETECTIONS,
) -> Evaluation:
    """Measure COCO results against a COCO data set in every way we have.

    Args:
        ground_truth: COCO dict: images, annotations, categories.
        results: COCO results: image_id, category_id, bbox (xywh, pixels), score.
        group_by: Attributes of the image records; each of their values is also evaluated by itself.
        max_detections: Limit on the detections of an image and category.

    Raises:
        DataError: If a row names an unknown image or category, or is not finite.
    """
    inputs = EvaluationInputs.from_coco(ground_truth, results)
    curves = precision_recall(inputs, max_detections)
    matches = match(inputs, max_detections=max_detections)
    sweep = sweep_thresholds(inputs, matches)
    errors = error_breakdown(inputs, max_detections=max_detections)
    several = len(inputs.category_ids) > 1
    metrics = summarise(inputs, curves)
    return Evaluation(
        inputs,
        metrics,
        coco_metrics(inputs.class_agnostic(), max_detections) if several else metrics,
        {key: metrics_by_group(inputs, image_groups(ground_truth, key), max_detections) for key in group_by},
        curves,
        sweep,
        recall_by_size(inputs, matches, sweep.best_threshold),
        errors,
        confusion_matrix(inputs, sweep.best_threshold, max_detections=max_detections) if several else None,
        worst_misses(inputs, matches, sweep.best_threshold),
        worst_false_alarms(inputs, matches, errors.prediction_types),
    )


def _figures(metrics: CocoMetrics) -> dict[str, Any]:
    return {key: value for key, value in metrics.as_dict().items() if key not in ("per_class", "max_detections")}


def _without_nan(value: Any) -> Any:
    """The same nested value with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
