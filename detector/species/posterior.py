"""From logits to species probabilities: p(s) = softmax(z / T + log prior(s | place, week))."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating]


def posterior(logits: Floats, temperature: float = 1.0, log_prior: Floats | None = None) -> NDArray[np.float32]:
    """Probabilities of the classes.

    Args:
        logits: (N, C), C at least 1; of one box a row, or averaged by `average_logits`.
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


def log_softmax(logits: Floats) -> NDArray[np.float64]:
    """Log-probabilities (N, C) of logits (N, C), without underflow."""
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=1, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def average_logits(logits: Floats, groups: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Average the logits of boxes that show one bird: a track through a video, or a bird in a burst.

    This is the average of log-probabilities before the softmax: log-probabilities are logits less a number a box, and
    the softmax does not see numbers that are added to a whole row.

    Args:
        logits: (N, C).
        groups: (N,), integers or strings; boxes with the same value are one bird.

    Returns:
        float32 (G, C), averages in the order of the sorted values; int64 (N,), the row of each box therein.
    """
    values, group_of_box = np.unique(np.asarray(groups), return_inverse=True)
    if not len(values):
        return np.zeros((0, logits.shape[1]), np.float32), group_of_box
    order = np.argsort(group_of_box, kind="stable")
    counts = np.bincount(group_of_box)
    starts = np.cumsum(counts) - counts
    sums = np.add.reduceat(np.asarray(logits, np.float64)[order], starts, axis=0)
    return (sums / counts[:, None]).astype(np.float32), group_of_box
