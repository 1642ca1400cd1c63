"""A detector's labels beside a classifier's classes: boxes of several labels are one bird, categories join classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.boxes import Floats, box_iou
from detector.species.names.taxonomy import Taxonomy

SAME_BIRD_IOU = 0.7
SCORE_FLOOR = 1e-3  # of a label that the detector did not give, and of a class that the classifier rules out


def merge_label_boxes(
    boxes_xyxy: Floats,
    scores: Floats,
    labels: NDArray[np.integer],
    num_labels: int,
    iou_threshold: float = SAME_BIRD_IOU,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Join the boxes of several labels that show one bird.

    The surest box takes in all that overlap it by the threshold or more, then the surest of the rest, and so on. What
    is merged already stays as it is.

    Args:
        boxes_xyxy: (N, 4), of one image.
        scores: (N,), > 0.
        labels: (N,), 0-based.
        num_labels: Number of the detector's categories.
        iou_threshold: Overlap from which boxes are one bird.

    Returns:
        float32 (M, 4), the surest box of each bird, the surest bird first; and float32 (M, num_labels), the highest
        score of each label, 0 where it was not given.
    """
    order = np.lexsort((labels, *np.asarray(boxes_xyxy).T, -np.asarray(scores)))  # whatever the order they came in
    boxes, scores, labels = (np.asarray(each)[order] for each in (boxes_xyxy, scores, labels))
    overlaps = box_iou(boxes.astype(np.float64), boxes.astype(np.float64)) >= iou_threshold
    free = np.ones(len(boxes), bool)
    kept, rows = [], []
    for index in range(len(boxes)):
        if not free[index]:
            continue
        members = free & overlaps[index]
        members[index] = True  # a box without area overlaps nothing, not even itself
        free &= ~members
        row = np.zeros(num_labels, np.float32)
        np.maximum.at(row, labels[members], scores[members])
        kept.append(index)
        rows.append(row)
    return boxes[kept].astype(np.float32).reshape(-1, 4), np.array(rows, np.float32).reshape(-1, num_labels)


@dataclass(frozen=True, eq=False)
class JoinedLabels:
    """A detector's categories among a classifier's classes, joined by scientific name.

    Attributes:
        label_of_class: int64 (C,), or -1 for classes that the detector does not know.
        species_of_label: int64 (L,), in `Taxonomy.species`; -1: none.
        unjoined: Categories that no class is, in their order.
    """

    label_of_class: NDArray[np.int64]
    species_of_label: NDArray[np.int64]
    unjoined: tuple[str, ...]

    def class_scores(self, label_scores: Floats, floor: float = SCORE_FLOOR) -> NDArray[np.float32]:
        """The detector's score of every class.

        A label that was not given is at the floor. Of a class that the detector does not know it cannot speak: there
        the box's highest score stands, so that the classifier decides.

        Args:
            label_scores: (N, labels), 0 where a label was not given.
            floor: See above.

        Returns:
            float32 (N, C).
        """
        best = label_scores.max(axis=1, keepdims=True, initial=0)
        scores = np.where(self.label_of_class >= 0, label_scores[:, self.label_of_class], best)
        return np.maximum(scores, floor).astype(np.float32)


def join_labels(categories: Sequence[str], taxonomy: Taxonomy) -> JoinedLabels:
    """Join the categories of a species detector (L,) to a classifier's classes."""
    species = taxonomy.find_species(categories)
    of_class = taxonomy.species.taxon_of_class
    label_of_species = np.full(len(taxonomy.species.taxa) + 1, -1)  # the last for classes that are no species
    label_of_species[species[species >= 0]] = np.flatnonzero(species >= 0)
    unjoined = tuple(name for name, found in zip(categories, species, strict=True) if found < 0)
    return JoinedLabels(label_of_species[of_class], species, unjoined)
