"""Which categories are taken for which: the confusion matrix of a detector, with background as one more category."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detector.evaluation.inputs import EvaluationInputs, Integers
from detector.evaluation.matching import match

BACKGROUND = "background"


@dataclass(frozen=True, eq=False)
class ConfusionMatrix:
    """Counts of (annotated, predicted) pairs.

    Args:
        counts: int64 (K + 1, K + 1): rows are annotated, columns predicted; the last row holds false alarms, the last
            column missed birds.
        names: The K category names, then "background".
        score_threshold: Least score of the detections counted.
    """

    counts: Integers
    names: tuple[str, ...]
    score_threshold: float

    def confusions(self) -> list[tuple[str, str, int]]:
        """(annotated, predicted, count) of everything off the diagonal, most frequent first."""
        off = self.counts * ~np.eye(len(self.names), dtype=bool)
        rows, columns = np.nonzero(off)
        order = np.argsort(-off[rows, columns], kind="stable")
        return [(self.names[rows[i]], self.names[columns[i]], int(off[rows[i], columns[i]])) for i in order]

    def most_confused(self, limit: int) -> ConfusionMatrix:
        """The part for the `limit` categories with the most errors among categories, in their old order.

        Misses and false alarms count where confusions tie, so that a page shows the categories worth looking at.
        """
        categories = len(self.names) - 1
        if categories <= limit:
            return self
        between = self.counts[:-1, :-1] * ~np.eye(categories, dtype=bool)
        mistaken = between.sum(0) + between.sum(1)
        lost = self.counts[:-1, -1] + self.counts[-1, :-1]
        kept = np.sort(np.lexsort((-lost, -mistaken))[:limit])
        kept = np.append(kept, categories)
        return replace(self, counts=self.counts[np.ix_(kept, kept)], names=tuple(self.names[i] for i in kept))


def confusion_matrix(
    inputs: EvaluationInputs, score_threshold: float, iou_threshold: float = 0.5, max_detections: int = 100
) -> ConfusionMatrix:
    """Match boxes whatever their category, surest first, and count the pairs of categories.

    Args:
        inputs: The data set.
        score_threshold: Detections below it are left out, as a user would leave them out.
        iou_threshold: Overlap from which a bird counts as found.
        max_detections: The surest detections kept for an image.
    """
    confident = replace(inputs, predictions=inputs.predictions[inputs.predictions.scores >= score_threshold])
    matches = match(confident, iou_threshold, max_detections=max_detections, class_aware=False)
    truth, predictions = confident.truth, confident.predictions
    background = len(inputs.category_ids)
    found = truth.categories[matches.truth_of_prediction[matches.truth_of_prediction >= 0]]
    found_as = predictions.categories[matches.truth_of_prediction >= 0]
    alarms = predictions.categories[matches.false_positives]
    missed = truth.categories[(matches.prediction_of_truth < 0) & ~truth.crowd]
    annotated = np.concatenate([found, np.full_like(alarms, background), missed])
    predicted = np.concatenate([found_as, alarms, np.full_like(missed, background)])
    side = background + 1
    counts = np.bincount(annotated * side + predicted, minlength=side**2).reshape(side, side)
    return ConfusionMatrix(counts, (*inputs.category_names, BACKGROUND), score_threshold)
