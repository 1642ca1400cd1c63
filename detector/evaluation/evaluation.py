"""The one home of evaluation: a detector and a data set in, every figure out, as one value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from backbones.errors import DataError
from detector.data.packed import Annotations
from detector.evaluation.coco import (
    MAX_DETECTIONS,
    CocoMetrics,
    PrecisionRecall,
    coco_metrics,
    image_groups,
    metrics_by_group,
    metrics_of_curves,
    precision_recall,
)
from detector.evaluation.confusion import ConfusionMatrix, confusion_matrix
from detector.evaluation.detecting import DetectedSet, DetectionOptions, detect_all
from detector.evaluation.error_breakdown import ErrorBreakdown, error_breakdown
from detector.evaluation.false_boxes import FalseBoxes, annotated_categories, false_boxes, own_false_boxes
from detector.evaluation.ground_truth import BIRD
from detector.evaluation.inputs import EvaluationInputs
from detector.evaluation.matching import Matches, match
from detector.evaluation.thresholds import RecallBySize, ThresholdSweep, recall_by_size, sweep_thresholds
from detector.evaluation.worst import FalseAlarm, Miss, worst_false_alarms, worst_misses
from detector.models.detector import Detector

NAMES_SHOWN = 6
CONFUSIONS_LISTED = 100  # in metrics.json; 551 x 551 counts would drown the rest


@dataclass(frozen=True)
class NamedImage:
    """What a person knows an image by.

    Args:
        id: Its id in the annotations' file: a number or a text.
        file_name: As the annotations have it.
    """

    id: int | str
    file_name: str


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good detections are, each figure computed when it is first asked for.

    Args:
        inputs: Ground truth and predictions.
        results: The predictions as COCO results, the rows of predictions.json.
        image_groups: Attribute of the images -> its value -> ids of the images that have it.
        max_detections: Limit on the detections of an image and category.
        images: File names and ids of the images by their ids in `inputs`.
        found: What the detector found, and how fast; None where results came from elsewhere.
        own_annotation_ids: Whether ids of boxes are those of the annotations' file, and worth telling.
        false_on_negatives: False boxes on other pictures, without birds; None: none were looked at.
    """

    inputs: EvaluationInputs
    results: Sequence[Mapping[str, Any]]
    image_groups: Mapping[str, Mapping[str, Sequence[int]]]
    images: Mapping[int, NamedImage]
    max_detections: int = MAX_DETECTIONS
    found: DetectedSet | None = None
    own_annotation_ids: bool = True
    false_on_negatives: FalseBoxes | None = None

    @cached_property
    def metrics(self) -> CocoMetrics:
        """COCO's figures."""
        return metrics_of_curves(self.inputs, self.curves)

    @property
    def image_limit(self) -> int:
        """Limit on the detections of an image, where COCO's is for each of its categories."""
        return self.max_detections * max(1, len(self.inputs.category_ids))

    @cached_property
    def class_agnostic(self) -> CocoMetrics:
        """The same with one label for all boxes."""
        if not self.several_categories:
            return self.metrics
        return coco_metrics(self.inputs.class_agnostic(), self.image_limit)

    @cached_property
    def groups(self) -> dict[str, dict[str, CocoMetrics]]:
        """Attribute of the images -> its value -> COCO's figures there."""
        return {
            key: metrics_by_group(self.inputs, parts, self.max_detections) for key, parts in self.image_groups.items()
        }

    @cached_property
    def curves(self) -> PrecisionRecall:
        """Precision and recall behind `metrics`."""
        return precision_recall(self.inputs, self.max_detections)

    @cached_property
    def sweep(self) -> ThresholdSweep:
        """Precision, recall and F1 over the score threshold."""
        return sweep_thresholds(self.inputs, self.matches)

    @cached_property
    def sizes(self) -> RecallBySize:
        """Recall by the size of the bird."""
        return recall_by_size(self.inputs, self.matches, self.sweep.best_threshold)

    @cached_property
    def false_on_own(self) -> FalseBoxes | None:
        """False boxes on those pictures of the set that show no bird; None: there is none."""
        return own_false_boxes(self.inputs, self.sweep.best_threshold)

    @cached_property
    def errors(self) -> ErrorBreakdown:
        """TIDE's error breakdown."""
        return error_breakdown(self.inputs, max_detections=self.image_limit)

    @cached_property
    def confusion(self) -> ConfusionMatrix | None:
        """Which categories are taken for which, at the best threshold; None with one category."""
        if not self.several_categories:
            return None
        return confusion_matrix(self.inputs, self.sweep.best_threshold, max_detections=self.image_limit)

    @cached_property
    def misses(self) -> list[Miss]:
        """The largest birds missed at the best threshold."""
        return worst_misses(self.inputs, self.matches, self.sweep.best_threshold)

    @cached_property
    def false_alarms(self) -> list[FalseAlarm]:
        """The surest detections that are wrong."""
        return worst_false_alarms(self.inputs, self.matches, self.errors.prediction_types)

    @cached_property
    def matches(self) -> Matches:
        """Which detection found which bird."""
        return match(self.inputs, max_detections=self.max_detections)

    @property
    def crowded_images(self) -> int:
        """Images with more boxes of one category than the limit lets be found."""
        truth = self.inputs.truth
        groups = truth.images[~truth.crowd] * len(self.inputs.category_ids) + truth.categories[~truth.crowd]
        numbers, counts = np.unique(groups, return_counts=True)
        return len(np.unique(numbers[counts > self.max_detections] // max(1, len(self.inputs.category_ids))))

    @property
    def several_categories(self) -> bool:
        """Whether there is more than one."""
        return len(self.inputs.category_ids) > 1

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
            "false_boxes": {
                name: None if boxes is None else boxes.as_dict()
                for name, boxes in (("own", self.false_on_own), ("negatives", self.false_on_negatives))
            },
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
            "worst_misses": [asdict(miss) | self._named(miss) for miss in self.misses],
            "worst_false_alarms": [asdict(alarm) | self._named(alarm) for alarm in self.false_alarms],
        }
        if self.found is not None:
            listed["images_per_second"] = self.found.images_per_second
        return _without_nan(listed)

    def _named(self, mistake: Miss | FalseAlarm) -> dict[str, Any]:
        image = self.images[mistake.image_id]
        named = {"image_id": image.id, "file_name": image.file_name}
        return named if self.own_annotation_ids or isinstance(mistake, FalseAlarm) else named | {"annotation_id": None}


def evaluate(
    detector: Detector,
    annotations: Annotations,
    options: DetectionOptions | None = None,
    *,
    group_by: Sequence[str] = (),
    negatives: Annotations | None = None,
    advance: Callable[[int], None] = lambda images: None,
) -> Evaluation:
    """Run a detector over a data set, and measure what it finds: the way of training, `hoopoe evaluate` and Python.

    The detector's own limits hold unless `options` say otherwise: what is evaluated is what predicts.

    Args:
        detector: The detector, without wrappers; handed back as it was.
        annotations: The data set, with the detector's categories (see `read_ground_truth`); or with `bird` alone, and a
            detector of species is measured by where it finds birds.
        options: Batches, limits, tiles, processes; by default 8 images at once.
        group_by: Attributes of the images (read with them); each of their values is also evaluated by itself.
        negatives: Other pictures, which surely show no bird, to count false boxes in.
        advance: Told of the images of each batch that is done.

    Raises:
        DataError: The data set's categories are others, or a picture cannot be read.
    """
    options = options or DetectionOptions()
    names, known = annotations.category_names, detector.categories
    if names == (BIRD,) and BIRD not in known:
        options = replace(options, one_label=True)
    elif names != known:
        problem = f"the annotations' categories are {_few(names)}, the detector's {_few(known)}"
        raise DataError(problem, hint="read the annotations with the detector's names (read_ground_truth)")
    found = detect_all(detector, annotations, options, advance)
    measured = evaluate_detections(
        annotations.to_coco_dict(),
        found.coco_results(annotations),
        group_by=group_by,
        max_detections=options.max_detections or MAX_DETECTIONS,
    )
    own = annotations.ids_in_file()
    images = {image: replace(each, id=own[image]) for image, each in measured.images.items()}
    results = [{**row, "image_id": own[row["image_id"]]} for row in measured.results]
    own_ids = annotations.own_annotation_ids
    measured = replace(measured, found=found, images=images, results=results, own_annotation_ids=own_ids)
    if negatives is None:
        return measured
    blank = detect_all(detector, negatives, options, advance)
    kinds = annotated_categories(measured.inputs)
    return replace(measured, false_on_negatives=false_boxes(negatives, blank, kinds, measured.sweep.best_threshold))


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
    return Evaluation(
        EvaluationInputs.from_coco(ground_truth, results),
        results,
        {key: image_groups(ground_truth, key) for key in group_by},
        {each["id"]: NamedImage(each["id"], str(each.get("file_name", ""))) for each in ground_truth["images"]},
        max_detections,
    )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (f", ... ({len(names)} in all)" if len(names) > NAMES_SHOWN else "")


def _figures(metrics: CocoMetrics) -> dict[str, Any]:
    return {key: value for key, value in metrics.as_dict().items() if key not in ("per_class", "max_detections")}


def _without_nan(value: Any) -> Any:
    """The same nested value with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
