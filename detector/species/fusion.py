"""What the detector and the classifier say about a box, in one score for every species.

A detector of birds gives one score d: the species' is d^(1-w) p^w. A detector of species gives one for each: its best
says how surely there is a bird, and only what it says between the species is weighed against the classifier, so that
the classifier may rename a bird without making the background one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.boxes import Floats, box_iou
from detector.species.taxonomy import Taxonomy

SAME_BIRD_IOU = 0.7
SCORE_FLOOR = 1e-3  # of a label that the detector did not give, and of a class that the classifier rules out
DEFAULT_WEIGHT = 0.5
WEIGHTS = np.linspace(0, 1, 21)  # tried by fit_weight


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
        unjoined: Categories that no class is, in their order.
    """

    label_of_class: NDArray[np.int64]
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
    return JoinedLabels(label_of_species[of_class], unjoined)


def species_scores(
    detector_scores: Floats, probabilities: Floats, weight: float = DEFAULT_WEIGHT
) -> NDArray[np.float32]:
    """Scores that rank species and boxes.

    Args:
        detector_scores: d, (N,) of a class-agnostic detector, or (N, C) from `JoinedLabels.class_scores`.
        probabilities: p, (N, C).
        weight: w in 0..1: 0 is the detector alone, 1 the classifier alone (times the best of d (N, C)).

    Returns:
        float32 (N, C), 0..1: d^(1-w) p^w, or the best of d times `fused_probabilities`.
    """
    scores = np.asarray(detector_scores, np.float32)
    if scores.ndim == 1:
        weight32 = np.float32(weight)
        return scores[:, None] ** (1 - weight32) * np.asarray(probabilities, np.float32) ** weight32
    return scores.max(axis=1, keepdims=True, initial=0) * fused_probabilities(scores, probabilities, weight)


def fused_probabilities(
    class_scores: Floats, probabilities: Floats, weight: float = DEFAULT_WEIGHT
) -> NDArray[np.float32]:
    """Probabilities (N, C) to name by, of a species detector's scores d (N, C) > 0 and the classifier's p (N, C).

    They go with d^(1-w) p^w. (A class-agnostic detector says nothing about species: there p itself is to name by.)
    """
    d = np.asarray(class_scores, np.float32)
    p = np.maximum(np.asarray(probabilities, np.float32), np.finfo(np.float32).tiny)
    product = (d / d.max(axis=1, keepdims=True, initial=0)) ** np.float32(1 - weight) * p ** np.float32(weight)
    return product / product.sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class WeightFit:
    """A fitted weight.

    Attributes:
        weight: w.
        weights: float64 (K,), those tried.
        mean_ap: float64 (K,), species mAP at each, at one IoU, over the boxes given.
    """

    weight: float
    weights: NDArray[np.float64]
    mean_ap: NDArray[np.float64]


def fit_weight(
    detector_scores: Floats, probabilities: Floats, truth: NDArray[np.integer], weights: NDArray[np.float64] = WEIGHTS
) -> WeightFit:
    """The weight that ranks species best: highest mean over species of average precision; of equals the middlemost.

    Args:
        detector_scores: (N,) or (N, C), as for `species_scores`.
        probabilities: (N, C).
        truth: (N,), the class of the annotated bird that the box found, or -1 where it found none.
        weights: Those to try.

    Raises:
        ValueError: If no box found a bird.
    """
    classes = np.unique(truth[truth >= 0])
    if not len(classes):
        raise ValueError("a weight is fitted on boxes that found annotated birds; there are none")
    found = np.array([
        np.mean([average_precision(scores[:, each], truth == each) for each in classes])
        for scores in (species_scores(detector_scores, probabilities, weight) for weight in weights.tolist())
    ])  # fmt: skip
    best = weights[found >= found.max() - 1e-9]
    return WeightFit(float(best[np.argmin(np.abs(best - DEFAULT_WEIGHT))]), weights, found)


def average_precision(scores: Floats, correct: NDArray[np.bool_]) -> float:
    """Mean precision at each correct box, by falling score; of equal scores, wrong ones first."""
    hits = correct[np.lexsort((correct, -scores))]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean()) if hits.any() else 0.0
