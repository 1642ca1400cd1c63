"""A detector's boxes on labelled pictures, through the classifier: what the weight between the two is fitted on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError
from detector.boxes import box_iou, xywh_to_xyxy
from detector.species.calibrating.labelled import (
    SOME_BIRD,
    Advance,
    Labelling,
    classify_crops,
    crops_of_boxes,
    labels_of,
    read_listed,
)
from detector.species.joining import join_labels, merge_label_boxes
from detector.store.schema import LOWEST_SCORE
from detector.types import Detections

if TYPE_CHECKING:
    from detector.data.packed import Annotations

FOUND_IOU = 0.5  # from which a box has found an annotated bird


@dataclass(frozen=True, eq=False)
class DetectedLogits:
    """What detector and classifier say about the detector's boxes.

    Attributes:
        detector_scores: float32 (N,), or (N, C) of a detector that knows species.
        logits: float32 (N, C).
        truth: int64 (N,), the class of the annotated bird that the box found, or -1.
    """

    detector_scores: NDArray[np.float32]
    logits: NDArray[np.float32]
    truth: NDArray[np.int64]


def classify_detections(
    annotations: Annotations,
    results: Sequence[Mapping[str, Any]],
    labelling: Labelling,
    advance: Advance,
) -> DetectedLogits:
    """Classify the boxes that a detector found in a COCO data set, boxes of several labels on one bird joined.

    Args:
        annotations: The data set.
        results: COCO results by the data set's image and category ids; scores below `LOWEST_SCORE` are passed over.
            Where no category id is the data set's, or all results have one although the data set has several, the
            detector is taken for one that does not tell species apart.
        labelling: What classifies them.
        advance: Called once an image.

    Raises:
        DataError: A result names an image that the data set does not have, or only some categories are its own.
    """
    class_of_label = np.maximum(labels_of(annotations.category_names, labelling.taxonomy), SOME_BIRD)
    joined = join_labels(annotations.category_names, labelling.taxonomy)
    label_of_category = _labels_of_results(annotations, results)
    detections = _detections_by_image(annotations, results, label_of_category)
    labels_count = max(label_of_category.values(), default=0) + 1
    truths = [np.zeros(0, np.int64)]
    scores = [np.zeros((0, labels_count), np.float32)]

    def read() -> Iterator[tuple[NDArray[np.uint8], None]]:
        for index in range(len(annotations)):
            advance()
            record = annotations[index]
            size_wh = (record.width, record.height)
            found = detections.get(record.id)
            image = None if found is None else read_listed(record.path, size_wh, [])
            if found is None or image is None:
                continue
            boxes, label_scores = merge_label_boxes(found.boxes_xyxy, found.scores, found.labels, labels_count)
            at = found_truth(boxes, record.boxes_xyxy)
            counted = ~np.append(record.is_crowd, False)[at]  # what is found in a crowd is neither right nor wrong
            truths.append(np.append(class_of_label[record.labels], -1)[at[counted]])
            scores.append(label_scores[counted])
            yield from ((crop, None) for crop in crops_of_boxes(image, boxes[counted], labelling.classifier))

    logits, _ = classify_crops(read(), labelling)
    label_scores = np.concatenate(scores)
    knows_species = labels_count - len(joined.unjoined) > 1
    detector_scores = joined.class_scores(label_scores) if knows_species else label_scores.max(axis=1, initial=0)
    return DetectedLogits(detector_scores, logits, np.concatenate(truths))


def found_truth(boxes_xyxy: NDArray[np.float32], truth_xyxy: NDArray[np.float32]) -> NDArray[np.int64]:
    """The annotated box (N,) that each box found, or -1: the surest box first, each the free one of most overlap.

    Args:
        boxes_xyxy: (N, 4), the surest first.
        truth_xyxy: (M, 4).
    """
    overlaps = box_iou(boxes_xyxy.astype(np.float64), truth_xyxy.astype(np.float64))
    found = np.full(len(boxes_xyxy), -1)
    for row in range(len(boxes_xyxy)) if len(truth_xyxy) else ():
        best = int(overlaps[row].argmax())
        if overlaps[row, best] >= FOUND_IOU:
            found[row] = best
            overlaps[:, best] = 0
    return found


def _labels_of_results(annotations: Annotations, results: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Label by category id; where results have none of the data set's, or one only, they say no more than "bird"."""
    own = {category: label for label, category in enumerate(annotations.category_ids)}
    given = {result["category_id"] for result in results}
    agnostic = len(given) == 1 and len(own) > 1  # its one category has id 1, and so may the data set's first species
    if agnostic or (given and not given & own.keys()):
        return dict.fromkeys(given, 0)
    if given - own.keys():
        problem = f"category {min(given - own.keys())} is not in the annotations, but others are"
        raise DataError(problem, where="detections", hint="give the detections of the same data set")
    return own


def _detections_by_image(
    annotations: Annotations, results: Sequence[Mapping[str, Any]], label_of_category: Mapping[int, int]
) -> dict[int, Detections]:
    hint = "give the detections of the same data set"
    known_images = set(annotations.image_ids.tolist())
    rows: dict[int, list[tuple[list[float], float, int]]] = {}
    for number, result in enumerate(results):
        if result["image_id"] not in known_images:
            problem = f"image {result['image_id']} is not in the annotations"
            raise DataError(problem, where=f"detections[{number}]", hint=hint)
        if result["score"] >= LOWEST_SCORE:
            row = (result["bbox"], result["score"], label_of_category[result["category_id"]])
            rows.setdefault(result["image_id"], []).append(row)
    detections = {}
    for image, found in rows.items():
        boxes, scores, labels = (np.array(column) for column in zip(*found, strict=True))
        try:
            detections[image] = Detections(xywh_to_xyxy(boxes), scores, labels)
        except (ValueError, IndexError) as error:
            raise DataError(
                f"a box cannot be used: {error}", where=f"detections of image {image}", hint=hint
            ) from error
    return detections
