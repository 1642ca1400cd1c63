"""Shares and means of two runs on the same things, and their difference, drawn by groups in pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.evaluation.bootstrap import Estimate
from detector.evaluation.species.naming import Floats, Integers, group_draws

FEWEST_DIFFERING = 6  # groups; of fewer, all on one side is chance in more than 5 % of cases (sign test: 2 * 0.5 ** 5)


def verdict(difference: Estimate, differing: int) -> int:
    """-1: the second of two is lower, 1: higher, in 95 % of draws and in groups enough; 0: that cannot be told.

    Args:
        difference: What the second has over the first.
        differing: Groups in which they differ; draws of few groups are too sure.
    """
    low, high = difference.low, difference.high
    if low is None or high is None or differing < FEWEST_DIFFERING:
        return 0
    return -1 if high < 0 else 1 if low > 0 else 0


@dataclass(frozen=True)
class PairedEstimate:
    """A figure of two runs, and what the second has over the first; how much stands behind it.

    Attributes:
        first: Of the first run.
        second: Of the second.
        difference: What the second has over the first.
        things: How many were measured.
        groups: Of how many groups.
        differing: Groups in which the runs differ.
    """

    first: Estimate
    second: Estimate
    difference: Estimate
    things: int
    groups: int
    differing: int

    @property
    def verdict(self) -> int:
        """See `verdict`."""
        return verdict(self.difference, self.differing)


def paired_means(first: NDArray[np.floating], second: NDArray[np.floating], groups: Integers) -> PairedEstimate:
    """The means of a value of each thing in both runs: shares where the values are 0 and 1.

    Args:
        first: (N,), in the first run.
        second: (N,), of the same things in the second.
        groups: int64 (N,), what is drawn together; any numbers.
    """
    numbers = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    weights = group_draws(numbers)
    size = weights.shape[1]
    of = weights @ np.bincount(numbers, minlength=size).astype(np.float64)
    totals = [np.bincount(numbers, each, size) for each in (first, second)]
    one, other = (_mean(weights @ each, of) for each in totals)
    several = size > 1
    before, after, difference = (Estimate.of(each, drawn=several) for each in (one, other, other - one))
    return PairedEstimate(before, after, difference, len(numbers), size, int((totals[0] != totals[1]).sum()))


def _mean(total: Floats, of: Floats) -> Floats:
    return np.divide(total, of, out=np.full(len(of), np.nan), where=of > 0)
