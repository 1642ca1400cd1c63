"""What a user of the detector sees: precision and recall at a score threshold, and recall by the size of the bird."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.evaluation.inputs import EvaluationInputs, Floats, Integers
from detector.evaluation.matching import Matches

SIZE_EDGES_PX = (0.0, 8.0, 16.0, 32.0, 64.0, 96.0, np.inf)  # square root of the area; COCO's own edges are 32 and 96


@dataclass(frozen=True, eq=False)
class ThresholdSweep:
    """Precision, recall and F1 over all categories together, keeping detections of at least each score.

    Args:
        thresholds: float64 (S,), ascending from 0 to 1.
        precision: float64 (S,), NaN where no detection is left.
        recall: float64 (S,), NaN where there is nothing to find.
        f1: float64 (S,), 0 where precision or recall is undefined.
        best_threshold: The score of the detection down to which F1 is highest; 0.5 if nothing is ever found.
        best_f1: F1 there.
    """

    thresholds: Floats
    precision: Floats
    recall: Floats
    f1: Floats
    best_threshold: float
    best_f1: float


@dataclass(frozen=True, eq=False)
class RecallBySize:
    """The share of birds found, by the square root of their annotated area.

    Args:
        edges_px: float64 (B + 1,), pixels; the last may be infinite.
        counts: int64 (B,), birds of each size.
        recall: float64 (B,), found by any detection; NaN where there is no bird.
        recall_at_threshold: float64 (B,), found by a detection of at least `score_threshold`.
        score_threshold: See above.
    """

    edges_px: Floats
    counts: Integers
    recall: Floats
    recall_at_threshold: Floats
    score_threshold: float


def sweep_thresholds(inputs: EvaluationInputs, matches: Matches, steps: int = 101) -> ThresholdSweep:
    """Precision, recall and F1 at `steps` thresholds from 0 to 1, and the best threshold among all scores."""
    scores = inputs.predictions.scores
    positives = int((~inputs.truth.crowd).sum())
    hits = np.sort(scores[matches.truth_of_prediction >= 0])
    alarms = np.sort(scores[matches.false_positives])

    def at(thresholds: Floats) -> tuple[Floats, Floats, Floats]:
        true = len(hits) - np.searchsorted(hits, thresholds)
        false = len(alarms) - np.searchsorted(alarms, thresholds)
        return (
            _ratio(true, true + false),
            _ratio(true, positives),
            np.nan_to_num(_ratio(2 * true, true + false + positives)),
        )

    thresholds = np.linspace(0.0, 1.0, steps)
    precision, recall, f1 = at(thresholds)
    # F1 can only rise where a hit joins, so that the best threshold is the score of a hit
    f1_at_hits = at(hits)[2]
    best = int(np.argmax(f1_at_hits)) if len(hits) else None
    return ThresholdSweep(
        thresholds,
        precision,
        recall,
        f1,
        best_threshold=0.5 if best is None else float(hits[best]),
        best_f1=0.0 if best is None else float(f1_at_hits[best]),
    )


def recall_by_size(
    inputs: EvaluationInputs,
    matches: Matches,
    score_threshold: float,
    edges_px: tuple[float, ...] = SIZE_EDGES_PX,
) -> RecallBySize:
    """Count the birds of each size and those found; crowd regions are left out."""
    birds = ~inputs.truth.crowd
    sizes = np.sqrt(inputs.truth.areas[birds])
    found_score = matches.found_score[birds]
    edges = np.asarray(edges_px, dtype=np.float64)

    def count(values: Floats) -> Integers:
        return np.histogram(values, bins=np.minimum(edges, np.finfo(np.float64).max))[0].astype(np.int64)

    total = count(sizes)
    return RecallBySize(
        edges,
        total,
        _ratio(count(sizes[np.isfinite(found_score)]), total),
        _ratio(count(sizes[found_score >= score_threshold]), total),
        score_threshold,
    )


def _ratio(part: Integers, whole: Integers | int) -> Floats:
    whole = np.broadcast_to(np.asarray(whole, dtype=np.float64), part.shape)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
