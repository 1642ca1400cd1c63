"""Fits a calibration: the temperature on labelled birds, the gate on birds and others, the weight on detections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError
from detector.boxes import Floats
from detector.species.calibrating.detected import DetectedLogits
from detector.species.calibrating.labelled import NO_BIRD, LabelledLogits
from detector.species.calibrating.reliability import SMALL_SAMPLE, Reliability, advise, reliability, top_confidence
from detector.species.calibrating.temperature import fit_temperature
from detector.species.calibration import DEFAULT_WEIGHT, Calibration
from detector.species.gate import GateThresholds, energy, fit_gate
from detector.species.naming import NAME_THRESHOLD
from detector.species.posterior import posterior, species_scores

FEW_OTHERS = 50  # crops of non-birds; with fewer, the gate is a guess
ENOUGH_FOUND = 100  # birds; so many, and a detector's boxes are better to fit on than an annotator's
WEIGHTS = np.linspace(0, 1, 21)  # tried by fit_weight


@dataclass(frozen=True, eq=False)
class Fit:
    """A calibration, and how good it is.

    Attributes:
        calibration: To be written.
        before: Reliability of the species at T = 1.
        after: At the fitted T, over the same crops.
        advice: What the figures mean, in sentences.
        warnings: What makes them doubtful, in sentences.
    """

    calibration: Calibration
    before: Reliability
    after: Reliability
    advice: tuple[str, ...]
    warnings: tuple[str, ...]


def fit_calibration(crops: LabelledLogits, classifier_sha256: str, detected: DetectedLogits | None = None) -> Fit:
    """Fit what the data allows.

    A detector's boxes lie less well than an annotator's, and the classifier is less often right in them. So where the
    detector found enough of the annotated birds, the temperature is fitted on its boxes.

    Args:
        crops: Labelled crops.
        classifier_sha256: Of the weights behind the logits.
        detected: A detector's boxes; None leaves the weight at its default.

    Raises:
        DataError: No crop has the label of a class.
    """
    species = crops.labels >= 0
    if not species.any():
        names = ", ".join(sorted({*crops.unknown_names, *crops.undecided})[:5]) or "none"
        raise DataError(
            f"no crop has the label of one of the classifier's classes (labels: {names})",
            hint="name them as the classifier's classes, or by their scientific names",
        )
    logits, labels = crops.logits[species], crops.labels[species]
    if detected is not None and (detected.truth >= 0).sum() >= ENOUGH_FOUND:
        logits, labels = detected.logits[detected.truth >= 0], detected.truth[detected.truth >= 0]
    temperature = fit_temperature(logits, labels)
    warnings = _warnings(crops, labels, temperature.doubtful)
    gate, gate_advice = _fit_gate(crops)
    weight, boxes, weight_advice = DEFAULT_WEIGHT, 0, []
    if detected is not None and (detected.truth >= 0).any():
        fitted = fit_weight(
            detected.detector_scores, posterior(detected.logits, temperature.temperature), detected.truth
        )
        weight, boxes = fitted.weight, len(detected.truth)
        weight_advice = [f"species and detector scores weigh {weight:.2f} to {1 - weight:.2f} (n = {boxes} boxes)"]
    elif detected is not None:
        warnings.append("no detection found an annotated bird of a known species: the weight was not fitted")
    calibration = Calibration(
        temperature=temperature.temperature,
        weight=weight,
        gate_low=None if gate is None else gate.low,
        gate_high=None if gate is None else gate.high,
        classifier_sha256=classifier_sha256,
        bird_crops=len(labels),
        other_crops=int((crops.labels == NO_BIRD).sum()),
        detector_boxes=boxes,
    )
    before, after = (top_confidence(posterior(logits, t), labels) for t in (1.0, temperature.temperature))
    advice = (*advise(*after, NAME_THRESHOLD), *gate_advice, *weight_advice)
    return Fit(calibration, reliability(*before), reliability(*after), advice, tuple(warnings))


def _fit_gate(crops: LabelledLogits) -> tuple[GateThresholds | None, list[str]]:
    energies = energy(crops.logits)
    others = crops.labels == NO_BIRD
    if not others.any() or others.all():
        return None, ["without crops of non-birds, boxes that are just animals stay uncertain"]
    gate = fit_gate(energies[~others], energies[others])
    called_bird, called_other = energies <= gate.low, energies > gate.high
    words = (
        f"the gate keeps {called_bird[~others].mean():.0%} of the birds and loses {called_other[~others].mean():.0%}; "
        f"it turns away {called_other[others].mean():.0%} of the others and lets in {called_bird[others].mean():.0%} "
        f"(n = {len(energies)})"
    )
    return gate, [words.replace("%", " %")]


def _warnings(crops: LabelledLogits, labels: NDArray[np.int64], doubtful: bool) -> list[str]:
    warnings = []
    others = int((crops.labels == NO_BIRD).sum())
    if len(labels) < SMALL_SAMPLE:
        warnings.append(f"only {len(labels)} labelled birds: {SMALL_SAMPLE} and more make the temperature reliable")
    if 0 < others < FEW_OTHERS:
        warnings.append(f"only {others} crops of non-birds: {FEW_OTHERS} and more make the gate reliable")
    if doubtful:
        warnings.append("these crops do not determine the temperature: all are named rightly, or none as labelled")
    if len(np.unique(labels)) == 1:
        warnings.append("all birds are of one species: label several")
    if crops.unknown_names:
        names = ", ".join(sorted(crops.unknown_names))
        warnings.append(f"{sum(crops.unknown_names.values())} crops are of no class of the classifier: {names}")
    if crops.undecided:
        names = ", ".join(sorted(crops.undecided))
        warnings.append(
            f"{sum(crops.undecided.values())} crops are left out, for nobody knows what their labels are: {names}; "
            f"say it with --kind '{min(crops.undecided)}=bird', or animal, person, vehicle, blank"
        )
    if crops.unreadable:
        warnings.append(f"{len(crops.unreadable)} pictures cannot be read, the first is {crops.unreadable[0]}")
    return warnings


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

    It calls `species_scores` and not `rerank`, which scores each box for its likeliest species alone: average precision
    of a species ranks all boxes by it. The formulas are the same functions; a test holds both against each other.

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
