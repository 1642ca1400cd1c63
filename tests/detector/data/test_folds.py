"""Folds of whole groups, balanced by boxes: no group in two folds, as scikit-learn's GroupKFold parts them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backbones.errors import ConfigError
from detector.data.coco.folds import balanced_folds


def group_k_fold(groups, folds):
    """Sizes of the folds by GroupKFold's rule (scikit-learn 1.5, unshuffled): the largest group to the lightest."""
    weights = np.zeros(folds, int)
    for size in sorted(np.unique(groups, return_counts=True)[1], reverse=True):
        weights[weights.argmin()] += size
    return sorted(weights.tolist())


@pytest.mark.parametrize(("groups", "hint"), [([], "another --group-by"), (["a"] * 9, "another"), (["a", "b"], "most")])
def test_fewer_groups_than_folds_are_refused(groups, hint):
    with pytest.raises(ConfigError, match="as many groups with boxes") as error:
        balanced_folds(groups, np.ones(len(groups)), 3)
    assert hint in error.value.hint


def test_groups_without_boxes_make_no_fold():
    with pytest.raises(ConfigError, match="there are 2"):
        balanced_folds(["a", "b", "c", "d"], [1, 2, 0, 0], 3)


cameras = st.lists(st.integers(0, 9), min_size=3, max_size=60).filter(lambda numbers: len(set(numbers)) >= 3)


@given(cameras, st.integers(2, 3))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_with_a_box_in_each_picture_folds_are_as_large_as_group_k_folds(numbers, folds):
    groups = [f"cam{number}" for number in numbers]
    fold_of = balanced_folds(groups, np.ones(len(groups)), folds)
    assert sorted(np.bincount(fold_of, minlength=folds).tolist()) == group_k_fold(groups, folds)


@given(cameras, st.integers(2, 3), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_no_group_is_in_two_folds_and_the_order_of_pictures_does_not_matter(numbers, folds, rng):
    groups = [f"cam{number}" for number in numbers]
    boxes = [1 + number % 3 for number in numbers]
    fold_of = balanced_folds(groups, boxes, folds)
    assert set(fold_of) == set(range(folds))
    assert len(set(zip(groups, fold_of, strict=True))) == len(set(groups))
    order = list(range(len(groups)))
    rng.shuffle(order)
    again = balanced_folds([groups[n] for n in order], [boxes[n] for n in order], folds)
    assert dict(zip((groups[n] for n in order), again, strict=True)) == dict(zip(groups, fold_of, strict=True))


def test_boxes_are_balanced_and_blank_groups_go_where_pictures_are_few():
    groups = ["a"] * 2 + ["b"] * 4 + ["c"] * 1 + ["blank"] * 3
    fold_of = balanced_folds(groups, [9, 9, 3, 3, 3, 3, 6, 0, 0, 0], 2)
    by_group = dict(zip(groups, fold_of.tolist(), strict=True))
    assert by_group["b"] == by_group["c"] != by_group["a"], "18 boxes each"
    assert by_group["blank"] == by_group["a"]
