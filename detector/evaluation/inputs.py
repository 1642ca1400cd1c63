"""Ground truth and predictions of one data set, packed into flat arrays for every figure of the evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TruthBoxes:
    """The annotated boxes, a row each.

    Args:
        boxes_xywh: float64 (G, 4), pixels.
        images: int64 (G,), indices into `EvaluationInputs.image_ids`.
        categories: int64 (G,), indices into `EvaluationInputs.category_ids`.
        areas: float64 (G,), square pixels, as annotated (a mask's area where there is one).
        crowd: bool (G,), regions of many birds: what is found in them counts neither for nor against.
        annotation_ids: int64 (G,).
    """

    boxes_xywh: Floats
    images: Integers
    categories: Integers
    areas: Floats
    crowd: Mask
    annotation_ids: Integers

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Mask | Integers) -> TruthBoxes:
        return TruthBoxes(
            self.boxes_xywh[rows],
            self.images[rows],
            self.categories[rows],
            self.areas[rows],
            self.crowd[rows],
            self.annotation_ids[rows],
        )


@dataclass(frozen=True, eq=False)
class PredictedBoxes:
    """The detections, a row each.

    Args:
        boxes_xywh: float64 (D, 4), pixels.
        images: int64 (D,), indices into `EvaluationInputs.image_ids`.
        categories: int64 (D,), indices into `EvaluationInputs.category_ids`.
        scores: float64 (D,).
    """

    boxes_xywh: Floats
    images: Integers
    categories: Integers
    scores: Floats

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Mask | Integers) -> PredictedBoxes:
        return PredictedBoxes(self.boxes_xywh[rows], self.images[rows], self.categories[rows], self.scores[rows])


@dataclass(frozen=True, eq=False)
class EvaluationInputs:
    """One data set: what is there and what was found, images and categories in the order of their ids.

    Args:
        image_ids: int64 (I,), ascending; images without boxes are among them.
        category_ids: int64 (K,), ascending, may be sparse.
        category_names: A name for each category id, all different.
        truth: The annotated boxes.
        predictions: The detections.
    """

    image_ids: Integers
    category_ids: Integers
    category_names: tuple[str, ...]
    truth: TruthBoxes
    predictions: PredictedBoxes

    @classmethod
    def from_coco(cls, ground_truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> EvaluationInputs:
        """Pack a COCO data set and a list of COCO results; the arguments are left alone.

        Args:
            ground_truth: COCO dict with "images", "annotations" and "categories". A missing "area" is width x height.
            results: Dicts with image_id, category_id, bbox (xywh, pixels) and score; may be empty.

        Raises:
            DataError: If a box belongs to no image or category of the ground truth, or a number is not finite.
        """
        image_ids = np.array(sorted({image["id"] for image in ground_truth["images"]}), dtype=np.int64)
        categories = sorted(ground_truth["categories"], key=lambda category: category["id"])
        category_ids = np.array([category["id"] for category in categories], dtype=np.int64)
        annotations = ground_truth["annotations"]

        def columns(records: Sequence[Mapping[str, Any]], what: str) -> tuple[Floats, Integers, Integers]:
            boxes = np.array([record["bbox"] for record in records], dtype=np.float64).reshape(-1, 4)
            _refuse_rows(np.any(~np.isfinite(boxes), axis=1), "box is not finite", what, boxes)
            images = np.array([record["image_id"] for record in records], dtype=np.int64)
            labels = np.array([record["category_id"] for record in records], dtype=np.int64)
            return (
                boxes,
                _positions(images, image_ids, "image_id", what),
                _positions(labels, category_ids, "category_id", what),
            )

        boxes, images, labels = columns(annotations, "annotations")
        areas = np.array([record.get("area", box[2] * box[3]) for record, box in zip(annotations, boxes, strict=True)])
        crowd = np.array([bool(record.get("iscrowd", 0)) for record in annotations], dtype=bool)
        annotation_ids = np.array([record.get("id", row) for row, record in enumerate(annotations)], dtype=np.int64)
        truth = TruthBoxes(boxes, images, labels, areas.astype(np.float64), crowd, annotation_ids)

        boxes, images, labels = columns(results, "predictions")
        scores = np.array([record["score"] for record in results], dtype=np.float64)
        _refuse_rows(~np.isfinite(scores), "score is not finite", "predictions", scores)
        return cls(image_ids, category_ids, _names(categories), truth, PredictedBoxes(boxes, images, labels, scores))

    def class_agnostic(self, name: str = "any") -> EvaluationInputs:
        """The same boxes with one label for all: how well birds are found, whatever they are called."""
        return replace(
            self,
            category_ids=np.array([1], dtype=np.int64),
            category_names=(name,),
            truth=replace(self.truth, categories=np.zeros_like(self.truth.categories)),
            predictions=replace(self.predictions, categories=np.zeros_like(self.predictions.categories)),
        )

    def of_images(self, image_ids: Iterable[int]) -> EvaluationInputs:
        """The part of the data set in these images, which must all belong to it."""
        wanted = np.unique(np.fromiter(image_ids, dtype=np.int64))
        kept = np.zeros(len(self.image_ids), dtype=bool)
        kept[_positions(wanted, self.image_ids, "image_id", "group")] = True
        renumbered = np.cumsum(kept) - 1
        truth = self.truth[kept[self.truth.images]]
        predictions = self.predictions[kept[self.predictions.images]]
        return replace(
            self,
            image_ids=self.image_ids[kept],
            truth=replace(truth, images=renumbered[truth.images]),
            predictions=replace(predictions, images=renumbered[predictions.images]),
        )


def rows_by_group(groups: Integers, scores: Floats | None = None) -> dict[int, Integers]:
    """Row numbers of each group: in the order of the rows, or by falling score (ties in the order of the rows).

    Args:
        groups: int64 (N,), any group numbers.
        scores: float64 (N,), optional.
    """
    order = np.argsort(groups, kind="stable") if scores is None else np.lexsort((-scores, groups))
    numbers, starts = np.unique(groups[order], return_index=True)
    return dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=False))


def _positions(values: Integers, known: Integers, field: str, what: str) -> Integers:
    """Positions of `values` in the ascending `known`; an unknown value is an error, never a silent AP of 0."""
    positions = np.searchsorted(known, values)
    unknown = positions == len(known)
    unknown[~unknown] = known[positions[~unknown]] != values[~unknown]
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        raise DataError(
            f"{field} {values[row]} is not in the ground truth ({int(unknown.sum())} such rows)",
            where=f"{what}[{row}]",
            hint="evaluate with the annotation file whose ids the predictions were made for",
        )
    return positions


def _refuse_rows(bad: Mask, problem: str, what: str, values: Floats) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(f"{problem}: {values[row].tolist()}", where=f"{what}[{row}]", hint="correct or remove it")


def _names(categories: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Category names, with the id added where two categories share one, so that tables keep a row for each."""
    names = [str(category.get("name", category["id"])) for category in categories]
    shared = {name for name, count in Counter(names).items() if count > 1}
    return tuple(
        f"{name} (id {category['id']})" if name in shared else name
        for name, category in zip(names, categories, strict=True)
    )
