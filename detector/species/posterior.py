"""From logits to probabilities of species, p(s) = softmax(z / T + log prior(s | place, week)), and to their scores.

A detector of birds gives one score d: the species' is d^(1-w) p^w. A detector of species gives one for each: its best
says how surely there is a bird, and only what it says between the species is weighed against the classifier, so that
the classifier may rename a bird without making the background one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.boxes import Floats


def posterior(logits: Floats, temperature: float = 1.0, log_prior: Floats | None = None) -> NDArray[np.float32]:
    """Probabilities of the classes.

    Args:
        logits: (N, C), C at least 1; of one box a row, or averaged over boxes that show one bird. (That averages
            log-probabilities: they are logits less a number a box, which the softmax does not see.)
        temperature: T > 0, as fitted by `hoopoe calibrate`.
        log_prior: (C,) or (N, C), as from `Prior.log_prior`; 0 is neutral.

    Returns:
        float32 (N, C); rows sum to 1.
    """
    values = np.asarray(logits, np.float32) / np.float32(temperature)
    if log_prior is not None:
        values += np.asarray(log_prior, np.float32)
    values -= values.max(axis=1, keepdims=True, initial=-np.inf)
    np.exp(values, out=values)
    values /= values.sum(axis=1, keepdims=True)
    return values


def fused_probabilities(class_scores: Floats, probabilities: Floats, weight: float) -> NDArray[np.float32]:
    """Probabilities (N, C) to name by, of a species detector's scores d (N, C) > 0 and the classifier's p (N, C).

    They go with d^(1-w) p^w. (A class-agnostic detector says nothing about species: there p itself is to name by.)
    """
    d = np.asarray(class_scores, np.float32)
    p = np.maximum(np.asarray(probabilities, np.float32), np.finfo(np.float32).tiny)
    product = (d / d.max(axis=1, keepdims=True, initial=0)) ** np.float32(1 - weight) * p ** np.float32(weight)
    return product / product.sum(axis=1, keepdims=True)


def species_scores(detector_scores: Floats, probabilities: Floats, weight: float) -> NDArray[np.float32]:
    """Scores that rank species and boxes.

    Args:
        detector_scores: d, (N,) of a class-agnostic detector, or (N, C) from `JoinedLabels.class_scores`.
        probabilities: p, (N, C).
        weight: w in 0..1: 0 is the detector alone, 1 the classifier alone (times the best of d (N, C)).

    Returns:
        float32 (N, C), 0..1: `weigh_score`, or the best of d times `fused_probabilities`.
    """
    scores = np.asarray(detector_scores, np.float32)
    if scores.ndim == 1:
        return weigh_score(scores[:, None], np.asarray(probabilities, np.float32), weight)
    return scores.max(axis=1, keepdims=True, initial=0) * fused_probabilities(scores, probabilities, weight)


def weigh_score(score: NDArray[np.float32], probability: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
    """d^(1-w) p^w, of arrays that broadcast."""
    weight32 = np.float32(weight)
    return score ** (1 - weight32) * probability**weight32
