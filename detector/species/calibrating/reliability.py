"""Is a confidence of 0.8 right four times in five? Reliability, expected calibration error, and advice in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 10
TOO_FEW = 10  # crops; of fewer, a share says nothing
SMALL_SAMPLE = 200  # crops; with fewer, advice comes with a warning


@dataclass(frozen=True, eq=False)
class Reliability:
    """How often names of each confidence were right.

    Attributes:
        edges: float64 (B + 1,), from 0 to 1; a bin holds its upper edge.
        counts: int64 (B,).
        confidence: float64 (B,), the mean in each bin; NaN where it is empty.
        accuracy: float64 (B,), the share that was right; NaN where it is empty.
        ece: Expected calibration error: the mean over all of |accuracy - confidence| of their bin.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    ece: float


def reliability(confidence: NDArray[np.floating], correct: NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """Bin names by their confidence.

    Args:
        confidence: (N,), 0..1, of the name that is given.
        correct: (N,), whether it is right.
        bins: Number of bins of equal width.
    """
    edges = np.linspace(0, 1, bins + 1)
    at = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(at, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = np.bincount(at, weights=confidence, minlength=bins) / counts
        accuracy = np.bincount(at, weights=correct, minlength=bins) / counts
    gaps = np.nan_to_num(np.abs(accuracy - means)) * counts
    return Reliability(edges, counts, means, accuracy, float(gaps.sum() / max(len(confidence), 1)))


def top_confidence(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer]
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Confidence (N,) of the likeliest class of each row (N, C), and whether it is the label (N,)."""
    return probabilities.max(axis=1, initial=0), probabilities.argmax(axis=1) == labels


def advise(confidence: NDArray[np.floating], correct: NDArray[np.bool_], threshold: float) -> list[str]:
    """What the figures mean for somebody who uses the names, in sentences.

    Args:
        confidence: (N,), 0..1, calibrated.
        correct: (N,).
        threshold: Confidence from which names are given.
    """
    total = len(confidence)
    lines = [f"only {total} crops: take these figures as rough"] if total < SMALL_SAMPLE else []
    for centre in (0.5, 0.6, 0.7, 0.8, 0.9):
        inside = (confidence >= centre - 0.05) & (confidence < centre + 0.05)
        number = int(inside.sum())
        if number >= TOO_FEW:
            lines.append(f"at {centre}, {correct[inside].mean():.0%} were right, n = {number}".replace("%", " %"))
    named = confidence >= threshold
    if named.any():
        share, right = f"{named.mean():.0%}", f"{correct[named].mean():.0%}"
        words = f"from {threshold:g} up, {share} of the birds get a species, and {right} of these names are right"
        lines.append(words.replace("%", " %"))
    else:
        lines.append(f"no crop reaches {threshold:g}: no bird would get a species")
    return lines
