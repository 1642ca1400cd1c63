"""COCO's average precision and recall: faster-coco-eval computes, one category at a time; pycocotools is the oracle.

Lin et al. 2014, https://arxiv.org/abs/1405.0312; protocol: https://cocodataset.org/#detection-eval.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.evaluation.inputs import EvaluationInputs, PredictedBoxes, TruthBoxes, rows_by_group

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_STEPS = np.linspace(0.0, 1.0, 101)
AREA_NAMES = ("all", "small", "medium", "large")  # split at 32² and 96² pixels
MAX_DETECTIONS = 100  # an image (and category), COCO's own limit


@dataclass(frozen=True)
class AveragePrecision:
    """COCO's figures, each in 0..1, or None where there is no box to find (pycocotools says -1).

    AP is the mean over IoU 0.5 to 0.95, AP50 and AP75 are at one IoU, APs, APm and APl by annotated area (below 32²,
    to 96², above); ARn is the mean recall over the IoUs with at most n detections an image.
    """

    AP: float | None
    AP50: float | None
    AP75: float | None
    APs: float | None
    APm: float | None
    APl: float | None
    AR1: float | None
    AR10: float | None
    AR100: float | None


@dataclass(frozen=True)
class CocoMetrics(AveragePrecision):
    """COCO's figures for a data set.

    Args:
        per_class: The same figures for each category by its name, also for those without a box (all None).
        images: Images evaluated, those without boxes included.
        boxes: Annotated boxes that can be found, hence without crowd regions.
        max_detections: Limit on the detections of an image and category behind every AP.
    """

    per_class: dict[str, AveragePrecision]
    images: int
    boxes: int
    max_detections: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """What AP is the mean of; -1 where a category has no box to find in an area range.

    Args:
        precision: float64 (IoUs, recalls, categories, areas), by IOU_THRESHOLDS, RECALL_STEPS and AREA_NAMES.
        recall: float64 (IoUs, categories, areas, 4): with at most 1, 10, 100 and `max_detections` detections.
        max_detections: Limit on the detections of an image and category behind `precision`.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    max_detections: int

    def curves(self, iou: float) -> NDArray[np.float64]:
        """Precision (categories, recalls) at one of IOU_THRESHOLDS; NaN for categories without a box."""
        row = int(np.argmin(np.abs(IOU_THRESHOLDS - iou)))
        curves = self.precision[row, :, :, 0].T
        return np.where(curves < 0, np.nan, curves)


def evaluate_coco(
    ground_truth: Mapping[str, Any],
    results: list[dict[str, Any]],
    *,
    max_detections: int = MAX_DETECTIONS,
    class_agnostic: bool = False,
) -> CocoMetrics:
    """Measure COCO results against a COCO data set, exactly as pycocotools would (and 0, no crash, for no results).

    Args:
        ground_truth: COCO dict: images, annotations, categories.
        results: COCO results: image_id, category_id, bbox (xywh, pixels), score.
        max_detections: Limit on the detections of an image and category.
        class_agnostic: Treat all categories as one.

    Raises:
        DataError: If a row names an unknown image or category, or is not finite.
    """
    inputs = EvaluationInputs.from_coco(ground_truth, results)
    return coco_metrics(inputs.class_agnostic() if class_agnostic else inputs, max_detections)


def coco_metrics(inputs: EvaluationInputs, max_detections: int = MAX_DETECTIONS) -> CocoMetrics:
    """COCO's figures of packed inputs."""
    return metrics_of_curves(inputs, precision_recall(inputs, max_detections))


def metrics_by_group(
    inputs: EvaluationInputs, groups: Mapping[str, Iterable[int]], max_detections: int = MAX_DETECTIONS
) -> dict[str, CocoMetrics]:
    """COCO's figures within parts of the data set, such as visible and thermal images.

    Args:
        inputs: The whole data set.
        groups: Name of a group -> its image ids.
        max_detections: Limit on the detections of an image and category.
    """
    return {name: coco_metrics(inputs.of_images(ids), max_detections) for name, ids in groups.items()}


def image_groups(ground_truth: Mapping[str, Any], attribute: str) -> dict[str, list[int]]:
    """Image ids by an attribute of the image records, such as `modality`; images without it are "unknown"."""
    groups: dict[str, list[int]] = {}
    for image in ground_truth["images"]:
        groups.setdefault(str(image.get(attribute, "unknown")), []).append(image["id"])
    return dict(sorted(groups.items()))


def precision_recall(inputs: EvaluationInputs, max_detections: int = MAX_DETECTIONS) -> PrecisionRecall:
    """Run the COCO protocol over every category.

    A category at a time: the library's memory grows with images x categories, which is gigabytes for 550 species.
    """
    areas, categories = len(AREA_NAMES), len(inputs.category_ids)
    precision = np.full((len(IOU_THRESHOLDS), len(RECALL_STEPS), categories, areas), -1.0)
    recall = np.full((len(IOU_THRESHOLDS), categories, areas, 4), -1.0)
    truth_rows = rows_by_group(inputs.truth.categories)
    predicted_rows = rows_by_group(inputs.predictions.categories)
    nothing = np.zeros(0, dtype=np.int64)
    for category, rows in truth_rows.items():
        predictions = inputs.predictions[predicted_rows.get(category, nothing)]
        precision[:, :, category], recall[:, category] = _evaluate_category(
            inputs.truth[rows], predictions, max_detections
        )
    return PrecisionRecall(precision, recall, max_detections)


def metrics_of_curves(inputs: EvaluationInputs, measured: PrecisionRecall) -> CocoMetrics:
    """Means over categories, and the table by category.

    Not by the library's own summary: pycocotools' AP is wrong or -1 when max_detections is not 100 (cocoapi#558).
    """
    per_class = {
        name: AveragePrecision(**_means(measured.precision[:, :, [k]], measured.recall[:, [k]]))
        for k, name in enumerate(inputs.category_names)
    }
    return CocoMetrics(
        **_means(measured.precision, measured.recall),
        per_class=per_class,
        images=len(inputs.image_ids),
        boxes=int((~inputs.truth.crowd).sum()),
        max_detections=measured.max_detections,
    )


def _means(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> dict[str, float | None]:
    def mean(values: NDArray[np.float64]) -> float | None:
        values = values[values > -1]
        return float(values.mean()) if values.size else None

    return {
        "AP": mean(precision[..., 0]),
        "AP50": mean(precision[0, ..., 0]),
        "AP75": mean(precision[5, ..., 0]),
        "APs": mean(precision[..., 1]),
        "APm": mean(precision[..., 2]),
        "APl": mean(precision[..., 3]),
        "AR1": mean(recall[..., 0, 0]),
        "AR10": mean(recall[..., 0, 1]),
        "AR100": mean(recall[..., 0, 2]),
    }


def _evaluate_category(
    truth: TruthBoxes, predictions: PredictedBoxes, max_detections: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision (IoUs, recalls, areas) and recall (IoUs, areas, limits) of the boxes of one category."""
    from faster_coco_eval import COCO, COCOeval_faster

    images = [{"id": image} for image in np.union1d(truth.images, predictions.images).tolist()]

    def table(boxes: TruthBoxes | PredictedBoxes, **columns: NDArray[Any]) -> Any:
        # not loadRes(): it gives every detection a polygon, which takes longer than all else
        coco = COCO()
        columns = {"image_id": boxes.images, "bbox": boxes.boxes_xywh, **columns}
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        # ids from 1: the protocol takes 0 for "unmatched"
        annotations = [dict(zip(columns, row, strict=True), id=n, category_id=1) for n, row in enumerate(rows, 1)]
        coco.dataset = {"images": images, "categories": [{"id": 1}], "annotations": annotations}
        coco.createIndex()
        return coco

    areas = predictions.boxes_xywh[:, 2] * predictions.boxes_xywh[:, 3]
    evaluator = COCOeval_faster(
        table(truth, area=truth.areas, iscrowd=truth.crowd.astype(np.int64)),
        table(predictions, area=areas, score=predictions.scores),
        iouType="bbox",
    )
    limits = [1, 10, 100, max_detections]
    evaluator.params.maxDets = sorted(set(limits))
    evaluator.evaluate()
    evaluator.accumulate()
    columns = [evaluator.params.maxDets.index(limit) for limit in limits]
    precision, recall = evaluator.eval["precision"], evaluator.eval["recall"]
    return precision[:, :, 0, :, columns[3]], recall[:, 0][..., columns]
