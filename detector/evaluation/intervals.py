"""Intervals of shares that were counted in a random sample."""

from __future__ import annotations

from scipy.special import betaincinv


def clopper_pearson(hits: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share (Clopper and Pearson 1934), which holds it at least as often as it says.

    Args:
        hits: How many of the sample have it.
        of: The size of the sample; 0: the interval is all that there is.
        confidence: How often such intervals hold the share.
    """
    tail = (1 - confidence) / 2
    low = float(betaincinv(hits, of - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, of - hits, 1 - tail)) if hits < of else 1.0
    return low, high
