"""Names against the truth: by hand, and as scikit-learn counts them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.evaluation.species.intervals import wilson
from detector.evaluation.species.naming import NameCounts, compare_names, confusion_counts, group_draws, measure_names

A, B, C = range(3)


def test_no_bird_has_no_figure() -> None:
    nothing = np.zeros(0, np.int64)
    figures = measure_names(nothing, nothing, nothing, ("a", "b"))
    assert (figures.birds, figures.top1.value, figures.macro_f1.value, figures.classes) == (0, None, None, ())


def test_figures_by_hand() -> None:
    truth, said = np.array([A, A, A, B, B, B]), np.array([A, A, B, B, -1, C])
    figures = measure_names(truth, said, np.arange(6), ("a", "b", "c"))
    assert figures.top1.value == pytest.approx(3 / 6)
    # a: 2 right, 3 birds, 2 named; b: 1 right, 3 birds, 2 named; c is only said
    assert figures.macro_f1.value == pytest.approx((4 / 5 + 2 / 5) / 2)
    first, second = figures.classes
    assert (first.birds, first.right, first.named, first.recall.share) == (3, 2, 2, pytest.approx(2 / 3))
    assert second.precision is not None
    assert second.precision.share == pytest.approx(1 / 2)
    assert confusion_counts(truth, said, 3).tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 0]]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40))
def test_figures_are_scikit_learns(rows: list[tuple[int, int, int]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    truth, said, groups = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    figures = measure_names(truth, said, groups, tuple("abcde"))
    expected = metrics.f1_score(truth, said, labels=np.unique(truth), average="macro", zero_division=0)
    assert figures.macro_f1.value == pytest.approx(expected)
    assert figures.top1.value == pytest.approx(metrics.accuracy_score(truth, said))


def test_a_draw_counts_its_groups_as_copies_of_them_would() -> None:
    rng = np.random.default_rng(0)
    truth, said, groups = rng.integers(4, size=60), rng.integers(4, size=60), rng.integers(6, size=60)
    counts, weights = NameCounts.of(truth, said, groups, 4), group_draws(groups, draws=5)
    assert weights[0].tolist() == [1] * 6
    assert (weights.sum(axis=1) == 6).all()
    for row, top1, f1 in zip(weights, counts.top1(weights), counts.macro_f1(weights), strict=True):
        times = row[groups].astype(int)
        alone = measure_names(np.repeat(truth, times), np.repeat(said, times), np.repeat(groups, times), tuple("abcd"))
        assert (alone.top1.value, alone.macro_f1.value) == (pytest.approx(top1), pytest.approx(f1))


def test_a_gain_is_drawn_in_pairs_and_needs_several_groups() -> None:
    rng = np.random.default_rng(1)
    truth, groups = rng.integers(3, size=300), np.repeat(np.arange(30), 10)
    before = np.where(rng.random(300) < 0.5, truth, (truth + 1) % 3)
    gain = compare_names(truth, before, before, groups, 3)
    assert (gain.top1.value, gain.top1.low, gain.top1.high) == (0, 0, 0), "the same names gain nothing in any draw"
    better = compare_names(truth, before, truth, groups, 3)
    assert better.top1.value == pytest.approx((truth != before).mean())
    assert better.top1.low is not None
    assert 0 < better.top1.low < better.top1.value < (better.top1.high or 0)
    assert compare_names(truth, before, truth, np.zeros(300, np.int64), 3).top1.low is None


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(100):
        ease = rng.beta(6, 4, size=40)  # of each event: crops of one resemble each other
        right = rng.random((40, 5)) < ease[:, None]
        truth = np.zeros(200, np.int64)
        said = np.where(right.ravel(), 0, 1)
        top1 = measure_names(truth, said, np.repeat(np.arange(40), 5), ("a", "b")).top1
        assert top1.low is not None
        assert top1.high is not None
        held += top1.low <= 0.6 <= top1.high
    assert 88 <= held <= 99


def test_wilson_by_hand() -> None:
    share, low, high = wilson(9, 10)
    assert (share, round(low, 4), round(high, 4)) == (0.9, 0.5958, 0.9821)
    assert wilson(0, 5)[:2] == (0, 0)
