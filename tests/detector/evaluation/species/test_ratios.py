"""Means of two runs on the same things, drawn in pairs."""

import numpy as np
import pytest

from detector.evaluation.species.ratios import paired_means


def test_means_and_difference_by_hand() -> None:
    found = paired_means(np.array([1.0, 0.0, 0.0, 1.0]), np.array([1.0, 1.0, 0.0, 1.0]), np.array([0, 0, 1, 2]))
    assert (found.first.value, found.second.value, found.difference.value) == (0.5, 0.75, 0.25)
    assert (found.things, found.groups) == (4, 3)


def test_one_group_has_no_interval_and_no_verdict() -> None:
    found = paired_means(np.zeros(5), np.ones(5), np.zeros(5, np.int64))
    assert found.difference.low is None
    assert found.verdict == 0


@pytest.mark.parametrize(("shift", "verdict"), [(0.5, 1), (-0.5, -1), (0.0, 0)])
def test_a_verdict_needs_an_interval_on_one_side(shift: float, verdict: int) -> None:
    values = np.random.default_rng(0).normal(size=60)
    assert paired_means(values, values + shift, np.arange(60)).verdict == verdict


@pytest.mark.parametrize(("better", "of", "verdict"), [(5, 5, 0), (6, 6, 1), (4, 10, 0), (9, 10, 1)])
def test_a_verdict_needs_groups_enough_that_differ(better: int, of: int, verdict: int) -> None:
    second = (np.arange(of) < better).astype(float)
    found = paired_means(np.zeros(of), second, np.arange(of))
    assert (found.differing, found.verdict) == (better, verdict)


def test_what_groups_have_of_their_own_does_not_widen_a_difference() -> None:
    own = np.repeat(np.random.default_rng(1).normal(scale=10, size=20), 5)
    found = paired_means(own, own + 1, np.repeat(np.arange(20), 5))
    assert found.first.low is not None
    assert (found.first.high or 0) - found.first.low > 5
    assert (found.difference.low, found.difference.high) == (pytest.approx(1), pytest.approx(1))
